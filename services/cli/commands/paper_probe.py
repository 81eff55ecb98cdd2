"""`crazy paper-probe`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import msgspec

from messages.broker import BrokerSnapshot
from services.cli.broker_probes import RESTING_PROBES, SHARE_PROBES, BrokerProbe, Prober, Unanswered
from services.cli.broker_session import BrokerSession, NoBroker, connected
from services.cli.gateway_lock import gateway_locked
from services.cli.options import Config, config_path, load
from services.cli.render import console, table
from services.configuration.broker_switches import switches
from services.configuration.calendars import zone_of
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.fleet import probe_results
from services.fleet.places import Fleet, home
from services.fleet.probe_results import Probed, Results

__all__ = ["paper_probe"]


def paper_probe(*, symbol: str | None = None, buy: bool = False, yes: bool = False, config: Config = None) -> int:
    """Ask the broker, on a paper account, what its documents leave open, and keep the answers.

    Places orders of one share, far from the market, and cancels them again; with --buy also some that buy one share,
    which is sold at the end. Each answer is the value of a switch of the simulated broker (docs/switches.md). `crazy
    golive` asks for these answers. Run it in regular hours, on the first day with a paper account, while the fleet is
    down; a second run on a later day answers which executions the broker still remembers.

    Parameters
    ----------
    symbol:
        A ticker of the watchlist, a liquid one. Default: the first.
    buy:
        Also ask what needs a share.
    yes:
        Do not ask whether this is meant.
    """
    settings = load(config)
    if settings.mode == "live":
        raise Refusal(f"{config_path(config)}: mode is live; the probe is for a paper account")
    chosen = (symbol or settings.watchlist[0]).upper()
    if chosen not in settings.watchlist:
        raise Refusal(f"{chosen}: not in the watchlist: {', '.join(settings.watchlist)}")
    what = f"this places orders of one share of {chosen} in {settings.mode}" + (", and buys one" if buy else "")
    if not yes:
        if not sys.stdin.isatty():
            raise Refusal(f"{what}: say --yes to mean it")
        print(f"{what}. Type yes: ", end="", flush=True)
        if sys.stdin.readline().strip().lower() != "yes":
            raise Refusal("nothing is done")
    file = Fleet(settings, home()).probe_results
    with gateway_locked(settings, config):
        try:
            results = asyncio.run(_probe(settings, chosen, probe_results.read(file), buy=buy))
        except NoBroker as trouble:
            raise Refusal(f"no answer from IB Gateway: {trouble}") from None
    probe_results.write(file, results)
    _show(results)
    print(f"kept in {file}")
    return 0


async def _probe(settings: Settings, symbol: str, before: Results | None, *, buy: bool) -> Results:
    now = datetime.now(UTC).astimezone(zone_of(settings.hours.calendar))
    today = now.date().isoformat()

    def stranger() -> AbstractAsyncContextManager[BrokerSession]:
        other = msgspec.structs.replace(settings.ibkr, client_id=settings.ibkr.client_id + 1)
        return connected(msgspec.structs.replace(settings, ibkr=other))

    async with connected(settings) as broker:
        results = before
        if results is None or (results.account, results.mode) != (broker.account, settings.mode):
            results = Results(broker.account, settings.mode)
        if "executions_told" not in results.switches or not results.switches["executions_told"].value:
            results.switches.update(_memory(results, await broker.snapshot(), today))
        con_id = await broker.con_id(symbol)
        quote = await broker.price(symbol)
        number = int(now.timestamp())
        prober = Prober(broker, symbol, con_id, quote.last, stranger, number)
        try:
            for probe in (*RESTING_PROBES, *(SHARE_PROBES if buy else ())):
                print(f"{probe.question} ", end="", flush=True)
                answers = await _ask(prober, probe, today)
                print(", ".join(f"{name}: {a.value or a.why}" for name, a in answers.items()), flush=True)
                results.switches.update(answers)
        finally:
            await prober.clean_up()
        results.executions |= {e.exec_id: today for e in prober.executions}
    return results


async def _ask(prober: Prober, probe: BrokerProbe, today: str) -> dict[str, Probed]:
    """The answers to one question. One that can't be answered leaves the others."""
    try:
        found = await probe.ask(prober)
    except (Unanswered, NoBroker) as trouble:
        return {name: Probed("", str(trouble), today) for name in probe.switches}
    finally:
        await prober.clean_up()
    return {name: Probed(value, "", today) for name, value in found.items()}


def _memory(results: Results, snapshot: BrokerSnapshot, today: str) -> dict[str, Probed]:
    """Whether executions of an earlier day are still reported; nothing if there are none to ask about."""
    earlier = {exec_id for exec_id, date in results.executions.items() if date < today}
    if not earlier:
        return {}
    told = bool(earlier & {e.exec_id for e in snapshot.executions})
    return {"executions_told": Probed("seven_days" if told else "since_midnight", "", today)}


def _show(results: Results) -> None:
    """The answers beside what the simulated broker does by default."""
    defaults, differing = {s.name: s.default for s in switches()}, results.differing()
    rows = [
        (name, probed.value or "?", defaults.get(name, ""), "differs" if name in differing else "", probed.why)
        for name, probed in sorted(results.switches.items())
    ]
    console().print(table(("SWITCH", results.account, "SIMULATOR", "", "WHY NOT"), rows))
    if differing:
        print("to rehearse with this broker on the simulator, put into the configuration of a simulated fleet:")
        print("simulation:\n  policy:")
        for name, value in differing.items():
            print(f"    {name}: {value}")
