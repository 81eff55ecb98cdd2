"""Encodes one symbol's market as tick messages: everything at first, then the changes.

The order is that of real streams, with one exception: the time of the last trade (45) comes before its price (4), so
that a reader of the price knows its age.

This is the hot path of the simulator. All streams of the same shape get the same messages for one change, except for
the request id: the messages are encoded once, with a placeholder byte that occurs nowhere else, and the id is inserted
for each stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.configuration.broker_policy import OrderPriceGrid
from services.simulator.venue.price_grid import GRIDS
from services.simulator.venue.reports import QuoteReport
from services.simulator.wire.fields import message
from services.trading.prices import increment

__all__ = ["BBO_EXCHANGE", "LETTER", "PLAIN", "Shape", "Ticks", "encode_ticks", "stream_parameters", "ticks"]

BBO_EXCHANGE = "9c0001"
"""The name of the table of exchange letters, for `reqSmartComponents`."""

LETTER = "Q"
"""The exchange of every quote and trade here: NASDAQ's letter."""

RT_VOLUME, RT_TRADE_VOLUME, MARK_PRICE, SHORTABLE = 233, 375, 221, 236
"""Generic ticks that are simulated: 48 and 77 (every trade), 37 (mark price), 46 and 89 (shares to borrow)."""

_SHORTABLE_SHARES = 10_000_000


class _Kinds(NamedTuple):
    """The tick types of live data, and of delayed ones."""

    bid_size: int
    bid: int
    ask: int
    ask_size: int
    last: int
    last_size: int
    high: int
    low: int
    volume: int
    close: int
    open: int
    time: int


_LIVE = _Kinds(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 45)
_DELAYED = _Kinds(69, 66, 67, 70, 68, 71, 72, 73, 74, 75, 76, 88)
_HALTED = 49


class Shape(NamedTuple):
    """The format of a stream: sizes in lots or shares, live or delayed, and its generic ticks.

    `quotes` is off for a client that wants generic ticks only (`mdoff`).
    """

    lots: bool = False
    delayed: bool = False
    quotes: bool = True
    generic: frozenset[int] = frozenset()


PLAIN = Shape()


class Ticks(NamedTuple):
    """Messages without their request id, and their number."""

    encoded: bytes
    number: int

    def to(self, request_id: bytes) -> bytes:
        """The messages of one stream. The id must have the length for which they were encoded."""
        return self.encoded.replace(_HERE, request_id)


_HERE = b"\xff"
"""The placeholder of the request id: no length of a message has this byte, and no field."""

_LONGEST = 200


def _beginnings(head: str, id_length: int) -> list[str]:
    """For each length of what follows the request id: the message's length and what precedes the rest."""
    around = len(head) + id_length + 1
    return [(around + rest).to_bytes(4, "big").decode("latin-1") + head + "\xff\0" for rest in range(_LONGEST)]


class _Beginnings(NamedTuple):
    price: list[str]
    size: list[str]
    generic: list[str]
    string: list[str]


_BEGINNINGS: dict[int, _Beginnings] = {}


def _beginnings_for(id_length: int) -> _Beginnings:
    found = _BEGINNINGS.get(id_length)
    if found is None:
        heads = ("1\0" + "6\0", "2\0" + "6\0", "45\0" + "6\0", "46\0" + "6\0")
        found = _BEGINNINGS[id_length] = _Beginnings(*(_beginnings(head, id_length) for head in heads))
    return found


def stream_parameters(request_id: int, grid: OrderPriceGrid = OrderPriceGrid.CENT) -> bytes:
    """Precedes the first tick: smallest price step from a dollar on, exchange map, permissions."""
    return message(81, request_id, increment(1.0, GRIDS[grid]), BBO_EXCHANGE, 3)


def encode_ticks(quote: QuoteReport, before: QuoteReport | None, shape: Shape, id_length: int) -> Ticks:
    """The messages for the change from `before` to `quote`, for request ids of `id_length` digits."""
    price_heads, size_heads, generic_heads, string_heads = _beginnings_for(id_length)
    parts: list[str] = []
    then = _NOTHING if before is None else before
    first = before is None
    lots = shape.lots
    kinds = _DELAYED if shape.delayed else _LIVE

    def write(heads: list[str], rest: str) -> None:
        parts.append(heads[len(rest)])
        parts.append(rest)

    def traded(
        kind: int, size_kind: int, price: float, size: int, same_price: bool, same_size: bool, auto: int
    ) -> None:
        if same_price and same_size:
            return
        shown = size // 100 if lots else size
        if not same_price:
            write(price_heads, f"{kind}\0{price}\0{shown}\0{auto}\0")
        write(size_heads, f"{size_kind}\0{shown}\0")

    def level(kind: int, price: float | None, price_before: float | None) -> None:
        if price is not None and price != price_before:
            write(price_heads, f"{kind}\0{price}\0" + "0\0" + "0\0")

    if shape.quotes:
        bid, ask = quote.bid, quote.ask
        traded(
            kinds.bid,
            kinds.bid_size,
            -1.0 if bid is None else bid,  # an empty side
            quote.bid_size,
            bid == then.bid and not first,
            quote.bid_size == then.bid_size,
            1,
        )
        traded(
            kinds.ask,
            kinds.ask_size,
            -1.0 if ask is None else ask,
            quote.ask_size,
            ask == then.ask and not first,
            quote.ask_size == then.ask_size,
            1,
        )
        last = quote.last
        if last is not None:
            if quote.last_time_s != then.last_time_s or then.last is None:
                write(string_heads, f"{kinds.time}\0{quote.last_time_s}\0")
            same_size = quote.last_size == then.last_size
            traded(kinds.last, kinds.last_size, last, quote.last_size, last == then.last, same_size, 0)
        if first or quote.volume // 100 != then.volume // 100:  # told in hundreds of shares, to every client
            write(size_heads, f"{kinds.volume}\0{quote.volume // 100}\0")
        if quote.high != then.high:
            level(kinds.high, quote.high, then.high)
        if quote.low != then.low:
            level(kinds.low, quote.low, then.low)
        if quote.prev_close != then.prev_close:
            level(kinds.close, quote.prev_close, then.prev_close)
        if quote.open != then.open:
            level(kinds.open, quote.open, then.open)
        if not shape.delayed:
            if first or quote.halted != then.halted:
                write(generic_heads, f"{_HALTED}\0{float(quote.halted)}\0")
            now_there = ((32, bid, then.bid), (33, ask, then.ask), (84, last, then.last))
            for kind, price, price_before in now_there:
                if price_before is None and price is not None:
                    write(string_heads, f"{kind}\0{LETTER}\0")
    if shape.generic:
        _encode_generic(quote, before, shape, _TickWriter(parts, price_heads, size_heads, generic_heads, string_heads))
    return Ticks("".join(parts).encode("latin-1"), len(parts) // 2)


class _TickWriter(NamedTuple):
    parts: list[str]
    price_heads: list[str]
    size_heads: list[str]
    generic_heads: list[str]
    string_heads: list[str]

    def price(self, rest: str) -> None:
        self.parts.extend((self.price_heads[len(rest)], rest))

    def size(self, rest: str) -> None:
        self.parts.extend((self.size_heads[len(rest)], rest))

    def generic(self, rest: str) -> None:
        self.parts.extend((self.generic_heads[len(rest)], rest))

    def string(self, rest: str) -> None:
        self.parts.extend((self.string_heads[len(rest)], rest))


def _encode_generic(quote: QuoteReport, before: QuoteReport | None, shape: Shape, writer: _TickWriter) -> None:
    """The generic ticks of a client's list."""
    generic = shape.generic
    if quote.traded and before is not None:
        sizes = (quote.last_size, quote.volume)
        size, volume = (each // 100 for each in sizes) if shape.lots else sizes
        vwap = "" if quote.vwap is None else round(quote.vwap, 8)
        trade = f"{quote.last};{size};{quote.time_ns // 1_000_000};{volume};{vwap};true\0"
        if RT_VOLUME in generic:
            writer.string(f"48\0{trade}")
        if RT_TRADE_VOLUME in generic:
            writer.string(f"77\0{trade}")
    if MARK_PRICE in generic:
        mark = _mark(quote)
        if mark is not None and (before is None or mark != _mark(before)):
            writer.price(f"37\0{mark}\0" + "0\0" + "0\0")
    if SHORTABLE in generic and before is None:
        writer.generic("46\0" + "3.0\0")
        writer.size(f"89\0{_SHORTABLE_SHARES}\0")


def _mark(quote: QuoteReport) -> float | None:
    """The mark price: the last price, limited to the quote."""
    last, bid, ask = quote.last, quote.bid, quote.ask
    if last is None:
        return None
    if bid is not None and last < bid:
        return bid
    return ask if ask is not None and last > ask else last


def ticks(request_id: int, quote: QuoteReport, before: QuoteReport | None, *, lots: bool = False) -> list[bytes]:
    """The messages of one plain stream, one by one."""
    shape = Shape(lots=lots)
    encoded = str(request_id).encode()
    return cut(encode_ticks(quote, before, shape, len(encoded)).to(encoded))


def cut(messages: bytes) -> list[bytes]:
    """Splits joined messages."""
    found = []
    at = 0
    while at < len(messages):
        end = at + 4 + int.from_bytes(messages[at : at + 4], "big")
        found.append(messages[at:end])
        at = end
    return found


_NOTHING = QuoteReport(
    symbol="",
    last=None,
    last_size=0,
    last_time_s=0,
    bid=None,
    ask=None,
    bid_size=0,
    ask_size=0,
    open=None,
    high=None,
    low=None,
    prev_close=None,
    volume=0,
)


def read_generic_ticks(text: str) -> Sequence[str]:
    """The names in a client's list."""
    return [name.strip() for name in text.split(",") if name.strip()]
