"""The newest quote of each symbol, built from the ticks of its stream. Pure.

Part of the edge: `connection.py` requests the streams and passes in their ticks with the request id.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from messages.broker import Quote
from services.gateway.ibkr.fields import integer_of

__all__ = ["Quotes"]

SECOND = 1_000_000_000
ALIVE_S = 5.0
LIVE = (1, 2)
"""Market data types: real-time, and frozen at the close. 3 and 4 are delayed."""


class Quotes:
    """The newest quote of each symbol. A price after a refusal ends the refusal."""

    def __init__(self) -> None:
        self._symbol_of: dict[int, str] = {}
        self._newest: dict[str, Quote] = {}
        self._changed: dict[str, None] = {}
        self._alive_s: dict[str, float] = {}

    def clear(self) -> None:
        """The connection is new: nothing is streamed, and no price is known."""
        self._symbol_of.clear()
        self._newest.clear()
        self._changed.clear()
        self._alive_s.clear()

    @property
    def streams(self) -> dict[int, str]:
        """The streamed symbols by request id."""
        return dict(self._symbol_of)

    def symbol_of(self, request_id: int) -> str | None:
        return self._symbol_of.get(request_id)

    def add(self, request_id: int, symbol: str) -> None:
        """This request streams this symbol."""
        self._symbol_of[request_id] = symbol

    def remove(self, request_id: int) -> None:
        """This request has ended."""
        symbol = self._symbol_of.pop(request_id)
        self._newest.pop(symbol, None)
        self._changed.pop(symbol, None)

    def take(self, symbol: str = "") -> list[Quote]:
        """The newest quotes of the symbols that changed since the last call.

        `symbol` had an event in any case: if it changed no price, nothing came over the wire, but its tick counts.
        """
        if symbol in self._newest:
            self._changed[symbol] = None
        changed = [self._newest[symbol] for symbol in self._changed]
        self._changed.clear()
        return changed

    # Callbacks of a stream.

    def on_price(self, request_id: int, tick_type: int, price: float) -> None:
        match tick_type:  # live or delayed
            case 4 | 68:
                self._quote(request_id, last=max(0.0, price))
            case 9 | 75:
                self._quote(request_id, close=max(0.0, price))
            case 1 | 66:
                self._quote(request_id, bid=max(0.0, price))
            case 2 | 67:
                self._quote(request_id, ask=max(0.0, price))

    def on_string(self, request_id: int, tick_type: int, value: str) -> None:
        if tick_type in (45, 88):  # the last trade's own time
            self._quote(request_id, last_ns=(integer_of(value, "lastTimestamp") or 0) * SECOND)

    def on_size(self, request_id: int, now_s: float) -> None:
        """A size shows that the feed lives. It counts as a tick, but not more often than `ALIVE_S`."""
        symbol = self._symbol_of.get(request_id)
        if symbol in self._newest and now_s - self._alive_s.get(symbol, -ALIVE_S) >= ALIVE_S:
            self._alive_s[symbol] = now_s
            self._changed[symbol] = None

    def on_generic(self, request_id: int, tick_type: int, value: float) -> None:
        if tick_type == 49:
            self._quote(request_id, halted=value > 0)

    def on_market_data_type(self, request_id: int, kind: int) -> None:
        self._quote(request_id, delayed=kind not in LIVE)

    def on_refusal(self, request_id: int, code: int) -> None:
        self._quote(request_id, refused=code)

    def _quote(self, request_id: int, *, refused: int = 0, **fields: Any) -> None:
        symbol = self._symbol_of.get(request_id)
        if symbol is not None:
            quote = self._newest.get(symbol) or Quote(symbol, 0.0, 0, 0.0, 0.0)
            self._newest[symbol] = replace(quote, refused=refused, **fields)
            self._changed[symbol] = None
