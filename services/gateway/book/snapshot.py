"""The whole book as messages, for a process whose rows are gone: it lost its ledger, or was away for long. Pure.

Each of these messages may be handled twice.
"""

from __future__ import annotations

from messages import Message
from messages.account import LinkChanged, SymbolBook
from messages.interlock import EntriesBlocked
from messages.market import MarketRule
from messages.operator import Flattening, Happened
from messages.orders import CommissionReported, OrderFilled, OrderUpdated, ProtectionChanged
from services.gateway.book.queries import position_updates
from services.gateway.book.records import (
    AccountSeen,
    Block,
    CommissionSeen,
    Coverage,
    FillRecord,
    FlattenRecord,
    Links,
    OrderRecord,
    Own,
    PriceGrid,
    SessionRecord,
)
from services.runtime.core import State
from services.trading.ids import entry_number, symbol_process

__all__ = ["snapshot_of"]

RECORDER = "recorder"


def snapshot_of(state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
    """The book as (topic, message). The recorder, which wants everything, also gets what ended."""
    told: list[tuple[str, Message]] = [
        *((o.symbol, OrderUpdated(o)) for o in state.table(OrderRecord).values() if o.live),
        *((update.symbol, update) for update in position_updates(state)),
        *((symbol_process(symbol), _symbol_book(state, symbol)) for symbol in _symbols(state)),
        *((grid.symbol, MarketRule(grid.symbol, grid.steps)) for grid in state.table(PriceGrid).values()),
        *((flatten.symbol, _flattening(state, flatten)) for flatten in _flattens(state)),
        *(
            (b.symbol or "fleet", EntriesBlocked(b.reason, b.text, b.figures, b.symbol))
            for b in state.table(Block).values()
        ),
        *(("fleet", link) for link in _links(state)),  # last: the book is complete
    ]
    if "**" in interest:
        told += [(RECORDER, message) for message in _history(state)]
    return told


def _symbols(state: State) -> tuple[str, ...]:
    orders = (o.symbol for o in state.table(OrderRecord).values() if o.role != "foreign")
    fills = (r.fill.symbol for r in state.table(FillRecord).values())
    return tuple(dict.fromkeys((*orders, *fills)))


def _symbol_book(state: State, symbol: str) -> SymbolBook:
    date = (state.get(SessionRecord, "session") or SessionRecord()).date
    numbers = [
        entry_number(o.client_order_id, symbol, date)
        for o in state.table(OrderRecord).values()
        if o.symbol == symbol and o.role == "entry"
    ]
    fills = [r.fill for r in state.table(FillRecord).values() if r.fill.symbol == symbol]
    last = max(fills, key=lambda f: (f.time_ns, f.side == "SELL", f.exec_id), default=None)
    own = state.get(Own, symbol)
    book = SymbolBook(symbol, date, max(numbers, default=0))
    if last is None or last.role != "stop" or (own is not None and own.quantity >= 1):
        return book
    return SymbolBook(symbol, date, book.entry_number, last.time_ns, last.price, last.exec_id)


def _flattens(state: State) -> list[FlattenRecord]:
    return [flatten for flatten in state.table(FlattenRecord).values() if flatten.phase]


def _flattening(state: State, flatten: FlattenRecord) -> Flattening:
    own = state.get(Own, flatten.symbol)
    return Flattening(flatten.symbol, flatten.phase, own.quantity if own else 0.0, flatten.reason)  # type: ignore[arg-type]


def _links(state: State) -> list[LinkChanged]:
    links = state.get(Links, "links") or Links()
    ready = links.phase == "ready"
    return [
        LinkChanged("broker", links.broker_up, ""),
        LinkChanged("data", links.data_up, ""),
        LinkChanged("socket", ready, "reconciled" if ready else links.phase),
    ]


def _history(state: State) -> list[Message]:
    """What a new database needs of the time before: orders that ended, fills, commissions, protection."""
    orders = state.table(OrderRecord)
    told: list[Message] = [OrderUpdated(order) for order in orders.values() if not order.live]
    told += _fills(state)
    for seen in state.table(CommissionSeen).values():
        record = state.get(FillRecord, seen.key)
        if record is not None:
            fill = record.fill
            told.append(
                CommissionReported(
                    seen.exec_id,
                    fill.client_order_id,
                    fill.symbol,
                    seen.commission,
                    seen.currency,
                    seen.realized_usd,
                    rate_usd=seen.rate_usd,
                )
            )
    told += [ProtectionChanged(c.symbol, c.shares, c.protected, 0) for c in state.table(Coverage).values()]
    told += [
        Happened(f"flatten_{flatten.phase}", flatten.symbol, "INFO", {"reason": flatten.reason}, 0)
        for flatten in _flattens(state)
    ]
    account = state.get(AccountSeen, "account")
    return [*told, account.told] if account is not None else told


def _fills(state: State) -> list[Message]:
    """Every fill in order of time, each with the shares that the bot owned after it."""
    records = sorted(
        state.table(FillRecord).values(), key=lambda r: (r.fill.time_ns, r.fill.side == "SELL", r.fill.exec_id)
    )
    owned = {own.symbol: own.quantity for own in state.table(Own).values()}
    told: list[Message] = []
    for record in reversed(records):
        fill = record.fill
        own = owned.get(fill.symbol, 0.0)
        owned[fill.symbol] = own - fill.quantity if fill.side == "BUY" else own + fill.quantity
        order = state.get(OrderRecord, fill.client_order_id) or OrderRecord(
            client_order_id=fill.client_order_id,
            symbol=fill.symbol,
            role=fill.role,
            side=fill.side,
            order_type="",
            quantity=0.0,
            tif="",
            status="Filled",
            filled=fill.cum_quantity,
            avg_price=fill.avg_price,
            con_id=fill.con_id,
        )
        told.append(OrderFilled(fill, order, own, 0.0, record.realized_usd))
    return told[::-1]
