"""The incidents of one run: what goes wrong, and when. They are drawn from a seed, and are data: a run replays them.

A run with a part of the list is a run as well, so that a failing list can be shrunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Any, get_type_hints

import msgspec

from messages.market import Session
from services.configuration.broker_policy import Policy

__all__ = ["KINDS", "Incident", "draw_incidents", "draw_policy"]

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that goes wrong. `what`, `symbol`, `seconds`, `number`: as the kind wants it."""

    at_ns: int
    kind: str
    what: str = ""
    symbol: str = ""
    seconds: float = 0.0
    number: int = 0

    @property
    def name(self) -> str:
        """Under which it is counted."""
        return f"{self.kind} {self.what}".strip()


FACTS = ("BrokerOrder", "BrokerExecution", "BrokerCommission", "BrokerPosition", "BrokerAccount", "BrokerError")
POINTS = ("before the commit", "after the commit", "between the sends")

NOT_DRAWN = {
    *("base_currency", "usd_in_base", "base_cash_part", "exchange_rate_told", "commission_in_base", "account_kind"),
    *("fractional_shares", "slippage_bps", "funds_checked", "realized_pnl_resets_daily", "price_grid"),
    *("market_data_lines", "tick_by_tick_lines", "messages_per_s", "old_clients_get_lots", "off_hours_word"),
    *("limit_up_limit_down", "block_print_shares", "last_filtered_to_quote", "account_told_every_s"),
    *("gtc_ends_after_next_quarter", "gtc_ends_after_days_away", "day_orders_linger_s", "trail_told_every_s"),
    *("trail_child_needs_limit_parent", "trail_child_on_stop_parent", "adjustable_child_works", "preset_tif_told"),
    *("execution_time", "far_limits", "far_limit_pct", "global_cancel_tells_done", "stops_trade_outside_rth"),
    *("tif_may_change", "cancelled_id_is_a_change", "order_ids_must_rise"),
}
"""Switches that don't touch protection here: money, market data, the wire's spelling, orders that are never sent."""


def draw_policy(random: Random) -> Policy:
    """Each switch that touches protection, one way or the other; half of the time as it is by default."""
    chosen: dict[str, Any] = {"partial_fills": random.random() < 0.7}
    for name, kind in get_type_hints(Policy).items():
        if name in NOT_DRAWN or name in chosen:
            continue
        values = [False, True] if kind is bool else list(kind)
        if random.random() < 0.5:
            chosen[name] = random.choice(values)
    return Policy(**chosen)


Draw = Callable[[Random, Sequence[Session], Sequence[str]], Incident]


def _in_session(random: Random, sessions: Sequence[Session]) -> int:
    session = random.choice(sessions)
    if random.random() < 0.15:
        return session.open_ns + int(random.uniform(-2.0, 120.0) * SECOND)
    return session.open_ns + int(random.random() * (session.close_ns - session.open_ns))


def _any_time(random: Random, sessions: Sequence[Session]) -> int:
    if random.random() < 0.8:
        return _in_session(random, sessions)
    return random.choice(sessions).close_ns + int(random.uniform(0, 17) * HOUR)


def _process(random: Random, symbols: Sequence[str]) -> str:
    return random.choice(("gateway", "gateway", "gateway", "risk", "clock", *(f"symbol-{s}" for s in symbols)))


def _kill(random: Random, sessions: Sequence[Session], symbols: Sequence[str]) -> Incident:
    return Incident(
        at_ns=_any_time(random, sessions),
        kind="kill",
        what=random.choice(POINTS),
        symbol=_process(random, symbols),
        seconds=random.choice((0.5, 1.0, 3.0, 30.0)),
        number=random.randrange(8),
    )


def _away(random: Random, sessions: Sequence[Session], symbols: Sequence[str]) -> Incident:
    at_ns = _any_time(random, sessions)
    seconds = random.choice((300.0, 3600.0, 8 * 3600.0, 20 * 3600.0))
    return Incident(at_ns=at_ns, kind="process away", symbol=_process(random, symbols), seconds=seconds)


def _off(random: Random, sessions: Sequence[Session], symbols: Sequence[str]) -> Incident:
    """The machine is off: for a while, over the close, over midnight, over a weekend."""
    index = random.randrange(len(sessions) - 1)
    session, following = sessions[index], sessions[index + 1]
    how = random.choice(("a while", "over the close", "over midnight", "over a weekend"))
    if how == "a while":
        at_ns = _in_session(random, sessions)
        return Incident(at_ns=at_ns, kind="machine off", what=how, seconds=random.uniform(5.0, 7200.0))
    if how == "over a weekend":
        pairs = [(a, b) for a, b in pairwise(sessions) if b.open_ns - a.close_ns > 40 * HOUR]
        session, following = random.choice(pairs)
    before = int(random.choice((0.02, 0.3, 2.0, 6.0)) * HOUR)
    at_ns = session.close_ns - before
    if how == "over the close":
        until_ns = session.close_ns + int(random.uniform(0.05, 6.5) * HOUR)
    elif random.random() < 0.5:
        until_ns = following.open_ns - int(random.uniform(0.05, 6.0) * HOUR)
    else:
        until_ns = following.open_ns + int(random.uniform(0.01, 6.0) * HOUR)
    return Incident(at_ns=at_ns, kind="machine off", what=how, seconds=(until_ns - at_ns) / SECOND)


def _command(random: Random, sessions: Sequence[Session], symbols: Sequence[str]) -> Incident:
    what = random.choice(("PlaceOrder", "PlaceOrder", "CancelOrder"))
    return Incident(at_ns=_in_session(random, sessions), kind="command lost", what=what, number=random.randrange(3))


def _fact(random: Random, sessions: Sequence[Session], symbols: Sequence[str]) -> Incident:
    return Incident(
        at_ns=_any_time(random, sessions),
        kind=random.choice(("fact lost", "fact doubled", "fact late")),
        what=random.choice(FACTS),
        seconds=random.choice((0.5, 4.0, 20.0)),
        number=random.randrange(6),
    )


def _answer(random: Random, sessions: Sequence[Session], symbols: Sequence[str]) -> Incident:
    what = random.choice(
        ("lost", "failed", "without completed orders", "without positions", "without one position", "late")
    )
    return Incident(at_ns=_any_time(random, sessions), kind="answer", what=what, seconds=random.choice((3.0, 12.0)))


def _disconnect(random: Random, sessions: Sequence[Session], symbols: Sequence[str]) -> Incident:
    seconds = random.choice((0.2, 2.0, 20.0, 900.0, 6 * 3600.0))
    return Incident(at_ns=_any_time(random, sessions), kind="disconnect", seconds=seconds)


def _link(random: Random, sessions: Sequence[Session], symbols: Sequence[str]) -> Incident:
    return Incident(
        at_ns=_any_time(random, sessions),
        kind="1100",
        what=random.choice(("1101", "1102")),
        seconds=random.choice((0.5, 5.0, 120.0, 3600.0)),
        number=random.randrange(2),
    )


def _of_symbol(kind: str, seconds: Sequence[float] = (0.0,)) -> Draw:
    def draw(random: Random, sessions: Sequence[Session], symbols: Sequence[str]) -> Incident:
        return Incident(
            at_ns=_in_session(random, sessions),
            kind=kind,
            symbol=random.choice(symbols),
            seconds=random.choice(seconds),
            number=random.randrange(4),
        )

    return draw


def _split(random: Random, sessions: Sequence[Session], symbols: Sequence[str]) -> Incident:
    session = random.choice(sessions[1:])
    return Incident(
        at_ns=session.open_ns - int(random.uniform(1.0, 12.0) * HOUR),
        kind="split",
        symbol=random.choice(symbols),
        number=random.choice((2, 3, -2, -5)),
    )


def _ledger(random: Random, sessions: Sequence[Session], symbols: Sequence[str]) -> Incident:
    what = random.choice(("all", "all", "gateway", "gateway", "risk", "clock", "symbol"))
    symbol = random.choice(symbols) if what == "symbol" else ""
    seconds = random.choice((1.0, 60.0, 3600.0, 20 * 3600.0))
    return Incident(at_ns=_any_time(random, sessions), kind="ledger lost", what=what, symbol=symbol, seconds=seconds)


def _reject(random: Random, sessions: Sequence[Session], symbols: Sequence[str]) -> Incident:
    return Incident(at_ns=_in_session(random, sessions), kind="rejected", what=random.choice(("entry", "stop")))


KINDS: dict[str, tuple[float, Draw]] = {
    "kill": (8.0, _kill),
    "process away": (2.0, _away),
    "machine off": (3.0, _off),
    "command lost": (3.0, _command),
    "fact lost, doubled, late": (6.0, _fact),
    "answer": (4.0, _answer),
    "disconnect": (2.0, _disconnect),
    "1100": (2.0, _link),
    "sale by hand": (1.6, _of_symbol("sale by hand")),
    "stop cancelled by hand": (1.0, _of_symbol("stop cancelled by hand")),
    "purchase by hand": (0.5, _of_symbol("purchase by hand")),
    "split": (0.7, _split),
    "ledger lost": (1.5, _ledger),
    "halt": (0.7, _of_symbol("halt", (60.0, 1200.0))),
    "rejected": (1.0, _reject),
    "cancelled by the broker": (1.0, _of_symbol("cancelled by the broker")),
    "filled in part": (0.7, _of_symbol("filled in part")),
    "corrected": (0.5, _of_symbol("corrected")),
    "busted": (0.3, _of_symbol("busted")),
    "doubled": (1.2, _of_symbol("doubled")),
    "order ids roll back": (0.5, _of_symbol("order ids roll back")),
    "error": (1.0, _of_symbol("error")),
    "flatten": (0.7, _of_symbol("flatten")),
    "pause": (0.3, _of_symbol("pause", (600.0,))),
}
"""The kinds of incidents, each with how often it is drawn and how."""


def draw_incidents(random: Random, sessions: Sequence[Session], symbols: Sequence[str], count: int) -> list[Incident]:
    """The incidents of a run, by time."""
    names, weights = list(KINDS), [weight for weight, _ in KINDS.values()]
    drawn = [KINDS[name][1](random, sessions, symbols) for name in random.choices(names, weights, k=count)]
    return sorted(drawn, key=lambda incident: incident.at_ns)
