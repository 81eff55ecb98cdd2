"""What the market does: prices, its time, its sessions."""

from __future__ import annotations

import msgspec

__all__ = [
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
    """One trading day. `date` is the exchange's own date (YYYY-MM-DD); `early` marks a shortened day.

    Where pre- or after-market is allowed, open and close are theirs, and `regular_…` those of the exchange (0: the
    same). From `break_start_ns` to `break_end_ns` nothing trades (lunch in Tokyo; 0: no break).
    """

    date: str
    open_ns: int
    close_ns: int
    early: bool = False
    regular_open_ns: int = 0
    regular_close_ns: int = 0
    break_start_ns: int = 0
    break_end_ns: int = 0

    def rests_at(self, market_ns: int) -> bool:
        """Whether the exchange has its break at this time."""
        return self.break_start_ns <= market_ns < self.break_end_ns


class Tick(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The newest market of one symbol. Lossy: only the newest matters, and the last one is sent again on subscription.

    `number` counts the ticks of this symbol within one run of the gateway. `last_ns` is the last trade's own time
    (the broker gives whole seconds), `time_ns` the market time at which the gateway sent it. A side that is not
    there is 0. `refused` is the broker's code when it refuses the prices.
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
    """Event of the gateway: the price grid of a symbol is another than it was: (from this price on, increment)."""

    symbol: str
    steps: tuple[tuple[float, float], ...]


class MarketTime(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """What time it is in the market. Lossy.

    At machine time `machine_ns` (monotonic, one machine) it was `market_ns`, and it passes `speed` times as fast;
    no reader goes past `until_ns`, where the clock will have something to say.
    """

    market_ns: int
    machine_ns: int
    speed: float
    until_ns: int


class SessionAwaited(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The clock begins (or was away for whole sessions): this session is the next one, or is open already."""

    session: Session


class SessionApproaching(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The open is `hours.protective_audit_minutes` away: every protective order is looked at before it can trigger."""

    session: Session


class SessionOpened(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Regular hours began. `entries_until_ns` is when unfilled entries are cancelled."""

    session: Session
    entries_until_ns: int


class SessionClosing(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Close is near: no more entries, and unfilled ones are cancelled."""

    session: Session


class SessionClosed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Regular hours ended. `next` is the coming session, None when the market source has ended."""

    session: Session
    next: Session | None = None
