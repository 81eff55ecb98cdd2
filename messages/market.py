"""Prices, market time, and the sessions of the exchange."""

from __future__ import annotations

import msgspec

__all__ = [
    "ROUTES",
    "BrokerTime",
    "MarketRule",
    "MarketTime",
    "Session",
    "SessionApproaching",
    "SessionAwaited",
    "SessionClosed",
    "SessionClosing",
    "SessionOpened",
    "Tick",
]


class Session(msgspec.Struct, frozen=True, array_like=True):
    """One trading day.

    With pre-market or after-market trading, `open_ns` and `close_ns` include them.

    `date`: the exchange's own date, YYYY-MM-DD.
    `open_ns`: when trading begins.
    `close_ns`: when trading ends.
    `early`: True on a shortened day.
    `regular_open_ns`: when regular hours begin; 0: at `open_ns`.
    `regular_close_ns`: when regular hours end; 0: at `close_ns`.
    `break_start_ns`: when the midday break begins (Tokyo has one); 0: no break.
    `break_end_ns`: when the midday break ends.
    """

    date: str
    open_ns: int
    close_ns: int
    early: bool = False
    regular_open_ns: int = 0
    regular_close_ns: int = 0
    break_start_ns: int = 0
    break_end_ns: int = 0


class Tick(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The newest market of one symbol.

    A tick may be lost: only the newest one matters. A new subscriber gets the last one again.

    `run`: the run of the gateway.
    `number`: counts the ticks of this symbol within the run.
    `time_ns`: when the gateway published it.
    """

    symbol: str
    run: int
    number: int
    time_ns: int
    last: float
    last_ns: int
    bid: float = 0.0
    ask: float = 0.0
    halted: bool = False
    delayed: bool = False
    refused: int = 0


class MarketRule(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The price grid of a symbol has changed."""

    symbol: str
    steps: tuple[tuple[float, float], ...]


class MarketTime(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The market time now, and how fast it passes.

    It may be lost: only the newest one matters. A reader computes market time from its own machine time.

    `market_ns`: the market time at machine time `machine_ns`.
    `machine_ns`: monotonic time of this machine.
    `speed` (market seconds per second): how fast market time passes; 0 in lock-step.
    `until_ns`: the next market event of the clock; a reader does not go past it by itself.
    `doubtful`: True while this machine's clock contradicts itself or the broker: no entries.
    `era`: another number after market time was set back, because it had been wrong.
    """

    market_ns: int
    machine_ns: int
    speed: float
    until_ns: int
    doubtful: bool = False
    era: int = 0


class BrokerTime(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The broker's time, as far as the gateway knows it: market time follows it.

    `broker_ns`: the broker's time at `steady_ns`.
    `steady_ns`: a steady time of this machine (`services/runtime/steady_time.py`).
    """

    broker_ns: int
    steady_ns: int


class SessionAwaited(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """This session is the next one, or it is open already.

    It comes when the clock starts, and after the clock was down for whole sessions.
    """

    session: Session


class SessionApproaching(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The session opens in `hours.protective_audit_minutes`: the gateway checks every protective order now."""

    session: Session


class SessionOpened(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The session is open.

    `entries_until_ns`: when unfilled entries are cancelled.
    """

    session: Session
    entries_until_ns: int


class SessionClosing(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The close is near: no more entries, and unfilled ones are cancelled."""

    session: Session


class SessionClosed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The session is closed.

    `next`: the session after it; None when the market source has no more data.
    """

    session: Session
    next: Session | None = None


ROUTES: dict[type[msgspec.Struct], str] = {
    Tick: "gateway -> cli, risk, symbol",
    MarketRule: "gateway -> symbol",
    MarketTime: "clock -> cli, gateway, recorder, risk, symbol, watchdog",
    BrokerTime: "gateway -> clock",
    SessionAwaited: "clock -> recorder",
    SessionApproaching: "clock -> gateway",
    SessionOpened: "clock -> gateway, recorder, risk, symbol",
    SessionClosing: "clock -> gateway, recorder, symbol",
    SessionClosed: "clock -> gateway, recorder, risk, symbol",
}
