"""`crazy golive`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import msgspec

from services.cli import records
from services.cli.options import Config, config_path, crazy, load
from services.cli.wording import counted, dollars
from services.configuration.refusal import Refusal
from services.fleet import live_confirmation, probe_results
from services.fleet.live_confirmation import Confirmation
from services.fleet.places import Fleet, home

__all__ = ["golive"]

EVIDENCE = """
SELECT (SELECT count(*) FROM performance_snapshots) AS sessions,
       (SELECT count(*) FROM orders WHERE role = 'entry' AND filled > 0) AS entries,
       (SELECT count(*) FROM events WHERE event_type = 'process_restarted') AS restarts,
       (SELECT count(*) FROM audits) AS audits,
       (SELECT count(*) FROM audits WHERE finding <> 'failed') AS clean_audits,
       (SELECT count(*) FROM events WHERE event_type = 'position_unprotected') AS alerts,
       (SELECT count(*) FROM protection) AS counted,
       (SELECT coalesce(sum(session_seconds), 0) FROM unprotected) AS open_s,
       (SELECT coalesce(sum(seconds - session_seconds), 0) FROM unprotected) AS closed_s
"""
"""The evidence from a paper fleet; docs/database.md (*Evidence*) explains each figure."""


def golive(*, revoke: bool = False, without_probe: bool = False, config: Config = None) -> int:
    """Confirm that this fleet may trade real money, or take that back.

    Shows what there is to go by (paper sessions, clean morning audits, restarts survived, seconds in which shares were
    without a stop) and what can be lost, and asks for the account's id. The word holds for `live.confirmation_days`;
    then entries are blocked until it is given anew, while stops stay and are kept. A running fleet takes it up within
    seconds.

    Parameters
    ----------
    revoke:
        Take the word back at once: no entries any more, protection goes on.
    without_probe:
        Do not ask for the answers of `crazy paper-probe`.
    """
    settings = load(config)
    if settings.mode != "live":
        raise Refusal(f"{config_path(config)}: mode is {settings.mode}; only `mode: live` is confirmed")
    account = settings.ibkr.account
    assert account is not None, "the configuration asks for it"
    chosen = Fleet(settings, home())
    if revoke:
        chosen.confirmation.unlink(missing_ok=True)
        print(f"{account} is confirmed no longer: no entries; stops stay and are kept")
        return 0
    probed = _probed()
    if not probed and not without_probe:
        raise Refusal(
            "no paper fleet of this checkout has asked the broker what its documents leave open; run "
            "`crazy paper-probe --buy` on your paper account first, or say --without-probe"
        )
    cap = min(settings.allocation.total_usd_cap, settings.risk.max_total_exposure_usd)
    pct = settings.stops.trailing_stop_pct
    print(f"LIVE: real money, account {account}, fleet {chosen.name}, {len(settings.watchlist)} symbols")
    for line in (*_evidence(), *probed):
        print(f"  {line}")
    print(f"  with everything bought ({dollars(cap)}): about {dollars(cap * pct / 100)} is lost if every stop is hit,")
    print(f"  {dollars(cap / 2)} if everything opens 50 % lower: a gap or a halt jumps over stops")
    print(f"Type the account's id to let it trade for {settings.live.confirmation_days} days: ", end="", flush=True)
    if sys.stdin.readline().strip() != account:
        raise Refusal(f"that is not {account}; nothing is confirmed")
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(days=settings.live.confirmation_days)
    chosen.var.mkdir(parents=True, exist_ok=True)
    live_confirmation.write(chosen.confirmation, Confirmation(account, until, now))
    print(f"confirmed until {until:%Y-%m-%d %H:%M} UTC; {crazy(config, 'up')}")
    return 0


def _probed() -> list[str]:
    """What the paper fleets of this checkout found out about the broker, in lines."""
    lines = []
    for file in sorted((home() / "var").glob("*/probe.json")):
        results = probe_results.read(file)
        if results is None or results.mode != "paper" or not results.policy():
            continue
        differing = ", ".join(f"{name} {value}" for name, value in results.differing().items())
        found = f"paper-probe of {results.account}: {counted(len(results.policy()), 'answer')}"
        lines.append(f"{found}; not as the simulator assumes: {differing or 'none'}")
    return lines


def _evidence() -> list[str]:
    """The evidence from the paper fleets of this checkout, in lines."""
    lines = []
    for file in sorted((home() / "var").glob("*/settings.json")):
        try:
            fleet = Fleet.of(file)
        except (OSError, msgspec.DecodeError):
            continue
        if fleet.settings.mode == "paper":
            first, *more = _evidence_of(fleet)
            lines += [f"paper fleet {fleet.name}: {first}", *(f"  {line}" for line in more)]
    return lines or ["no paper fleet has ever run here: nothing shows how it behaves with your login"]


def _evidence_of(fleet: Fleet) -> list[str]:
    try:
        with records.opened(fleet) as open_records:
            (figures,) = open_records.rows(EVIDENCE)
    except Refusal as refusal:
        return [f"no records ({refusal})"]
    lines = [
        f"{counted(figures['sessions'], 'session')}, {counted(figures['entries'], 'filled entry', 'filled entries')}, "
        f"{counted(figures['restarts'], 'restart')} survived",
        f"{counted(figures['audits'], 'morning audit')} of what was held, {figures['clean_audits']} clean",
    ]
    if figures["counted"] or not figures["entries"]:
        open_s, closed_s = figures["open_s"], figures["closed_s"]
        lines.append(
            f"shares without a stop: {open_s:,.1f} s while the market was open, {closed_s:,.1f} s while it was closed; "
            f"{counted(figures['alerts'], 'alert')}"
        )
    else:
        lines.append(
            f"shares without a stop: not counted by the release that traded; {counted(figures['alerts'], 'alert')}"
        )
    return lines
