"""What a broker does not forget: everything that a store keeps of its books, and how they are opened again. Pure."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import msgspec

from services.simulator.venue.events import EventKey
from services.simulator.venue.holdings import Funds, Holding
from services.simulator.venue.orders import Execution, Order
from services.simulator.venue.reports import CommissionReport
from services.simulator.venue.state import Books
from services.simulator.venue.tape import Tape

__all__ = ["Changes", "Memory", "Standing", "recall", "take_changes"]

S = TypeVar("S", Funds, Tape)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the exchange stands: its time, the last market event handled, the money, each client's highest order id."""

    now_ns: int
    market_key: EventKey
    funds: list[Funds]
    last_order_ids: dict[int, int]
    last_login_ns: int = 0


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What became different since the last time: the rows that a store has to write."""

    standing: Standing
    orders: list[Order]
    executions: list[Execution]
    commissions: list[CommissionReport]
    holdings: list[Holding]
    tapes: list[Tape]


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an exchange needs to go on where it was."""

    standing: Standing
    orders: list[Order]
    executions: list[Execution]
    commissions: list[CommissionReport]
    holdings: list[Holding]
    tapes: list[Tape]


def take_changes(books: Books) -> Changes:
    """What became different since the last call."""
    executions, commissions = books.executions.take_untold()
    changes = Changes(
        standing=Standing(
            now_ns=books.now_ns,
            market_key=books.market_key,
            funds=[_apart(account.funds, unsettled=account.funds.unsettled) for account in books.accounts.values()],
            last_order_ids=dict(books.orders.last_order_ids),
            last_login_ns=books.now_ns if books.logged_in else books.last_login_ns,
        ),
        orders=[copy.copy(order) for order in books.orders.take_changed()],
        executions=executions,
        commissions=commissions,
        holdings=[copy.copy(books.accounts[name].holdings[symbol]) for name, symbol in sorted(books.touched_holdings)],
        tapes=[_apart(tape, recent=tape.recent) for tape in map(books.tapes.__getitem__, sorted(books.touched_tapes))],
    )
    books.touched_holdings.clear()
    books.touched_tapes.clear()
    return changes


def recall(books: Books, memory: Memory) -> None:
    """Go on where the memory ends."""
    books.now_ns = memory.standing.now_ns
    books.market_key = memory.standing.market_key
    books.last_login_ns = memory.standing.last_login_ns
    for funds in memory.standing.funds:
        books.accounts[funds.account].funds = funds
    for holding in memory.holdings:
        books.accounts[holding.account].holdings[holding.symbol] = holding
    books.tapes |= {tape.symbol: tape for tape in memory.tapes}
    for order in memory.orders:
        books.orders.add(order)
    books.orders.last_order_ids |= memory.standing.last_order_ids
    books.orders.take_changed()
    books.executions.restore(memory.executions, memory.commissions)


def _apart(struct: S, **lists: list[Any]) -> S:
    """A copy that later changes don't reach: of the struct, and of the lists in it (their members never change)."""
    return msgspec.structs.replace(struct, **{name: members.copy() for name, members in lists.items()})
