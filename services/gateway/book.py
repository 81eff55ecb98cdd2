"""What the gateway remembers: its orders, fills and shares, the session, and (in memory) links, quotes and doubts."""

from __future__ import annotations

import msgspec

from messages.account import AccountUpdated, BookTold
from messages.broker import BrokerCommission, BrokerOrder, Quote
from messages.orders import Fill, OrderRecord, PositionUpdated, execution_key
from services.core import State
from services.prices import Grid

__all__ = [
    "NEVER_ARRIVED",
    "PREFIX",
    "AccountPosition",
    "AccountSeen",
    "Anchor",
    "Audit",
    "Book",
    "CancelSent",
    "Change",
    "CommissionSeen",
    "Disputed",
    "Doubt",
    "EarlyCommission",
    "EntrySlot",
    "FillRecord",
    "Fraction",
    "HeldBack",
    "LastError",
    "Links",
    "OrderRecord",
    "Own",
    "Paced",
    "PriceGrid",
    "QuoteRecord",
    "Rates",
    "SessionRecord",
    "Tombstone",
    "Unprotected",
    "base_id",
    "book_told",
    "foreign_key",
    "positions_told",
]

PREFIX = "CT-"
"""Of every orderRef that is ours: nothing without it is ever touched."""
NEVER_ARRIVED = "never_arrived"
"""The reason of an order that the broker, asked several times, does not have. It stays as a tombstone."""


def base_id(exec_id: str) -> str:
    """What identifies an execution, corrected or not."""
    return execution_key(exec_id)[0]


def foreign_key(told: BrokerOrder) -> str:
    """What an order that is not ours is known by: orderRef and order id are another client's business."""
    return f"foreign:{told.perm_id or told.order_id}"


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """What outlives every connection. Order ids only grow, whatever the broker hands out after a restart of its own."""

    account: str = ""
    next_order_id: int = 1

    @property
    def key(self) -> str:
        return "book"


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The clock's last word. `phase`: closed, open, closing; `break_ns`: from when to when the exchange rests.

    `open_ns` and `close_ns` are the exchange's regular hours, also where entries are allowed before and after them.
    """

    phase: str = "closed"
    date: str = ""
    entries_until_ns: int = 0
    close_ns: int = 0
    break_ns: tuple[int, int] = (0, 0)
    open_ns: int = 0

    @property
    def key(self) -> str:
        return "session"


class FillRecord(msgspec.Struct, frozen=True):
    """An execution of ours, under its base id. `realized_usd` against the average cost at that moment."""

    base: str
    fill: Fill
    realized_usd: float

    @property
    def key(self) -> str:
        return self.base


class CommissionSeen(msgspec.Struct, frozen=True):
    """The commission of an execution was passed on; a replay after a reconnect says nothing new.

    Kept under the base id: of an execution and its corrections only the newest costs anything.
    """

    exec_id: str
    commission: float

    @property
    def key(self) -> str:
        return base_id(self.exec_id)


class Rates(msgspec.Struct, frozen=True):
    """Dollars for a unit of other currencies, by the broker's last word: a commission may come before the next one."""

    usd: dict[str, float] = {}

    @property
    def key(self) -> str:
        return "rates"


class Own(msgspec.Struct, frozen=True):
    """The bot's own shares of a symbol, and what they cost (without commissions)."""

    symbol: str
    quantity: float = 0.0
    cost_usd: float = 0.0

    @property
    def key(self) -> str:
        return self.symbol


class AccountPosition(msgspec.Struct, frozen=True):
    """The whole account's position in a symbol, by the broker's word."""

    symbol: str
    quantity: float
    avg_cost: float

    @property
    def key(self) -> str:
        return self.symbol


class Tombstone(msgspec.Struct, frozen=True):
    """An entry was taken back before its approval arrived: never place it."""

    client_order_id: str
    reason: str

    @property
    def key(self) -> str:
        return self.client_order_id


class EntrySlot(msgspec.Struct, frozen=True):
    """The one place for a live entry in a symbol: the ledger lets nobody else in."""

    client_order_id: str
    symbol: str

    @property
    def key(self) -> str:
        return self.client_order_id


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """The connection, in memory. `phase`: down, reconciling, ready, refused (a wrong account: send nothing at all).

    `up_since_ns` and `ask_at_ns` (when to ask for a snapshot again, 0: not) are machine time, `up_since_market_ns` says
    the former in market time.
    """

    phase: str = "down"
    run: int = 0
    broker_up: bool = True
    data_up: bool = True
    up_since_ns: int = 0
    up_since_market_ns: int = 0
    ask_at_ns: int = 0
    asking: bool = False
    client_id: int = 0

    @property
    def key(self) -> str:
        return "links"


class QuoteRecord(msgspec.Struct, frozen=True, gc=False):
    """The newest market of a symbol, and how many ticks of it went out; in memory."""

    quote: Quote
    number: int

    @property
    def key(self) -> str:
        return self.quote.symbol


class Doubt(msgspec.Struct, frozen=True):
    """An order the broker may or may not have: how often it was asked about and not found; in memory."""

    client_order_id: str
    asked: bool = False
    absent: int = 0

    @property
    def key(self) -> str:
        return self.client_order_id


class CancelSent(msgspec.Struct, frozen=True):
    """A cancel that is under way, for the `count`th time; in memory.

    `ask_ns`: when to ask what became of it (machine time), 0 once that is given up; `asked`: the next complete answer
    decides.
    """

    client_order_id: str
    count: int
    ask_ns: int
    asked: bool = False

    @property
    def key(self) -> str:
        return self.client_order_id


class HeldBack(msgspec.Struct, frozen=True):
    """An order's end that counts more shares than its executions so far: it waits for them; in memory."""

    client_order_id: str
    told: BrokerOrder

    @property
    def key(self) -> str:
        return self.client_order_id


class EarlyCommission(msgspec.Struct, frozen=True):
    """A commission that came before its execution; in memory."""

    exec_id: str
    told: BrokerCommission

    @property
    def key(self) -> str:
        return self.exec_id


class LastError(msgspec.Struct, frozen=True):
    """The last error that bears an order's id; in memory. An error alone never ends an order."""

    client_order_id: str
    code: int
    text: str

    @property
    def key(self) -> str:
        return self.client_order_id


class Change(msgspec.Struct, frozen=True):
    """A change of a stop: its quantity wanted, and how far it is; in memory.

    `stage`: 'reading' (the broker is asked for the order as it is now), 'sent', 'refused'.
    """

    client_order_id: str
    symbol: str
    quantity: float
    stage: str

    @property
    def key(self) -> str:
        return self.client_order_id


class Paced(msgspec.Struct, frozen=True):
    """How many new stops a symbol got one after another, and when the next may go (machine time); in memory."""

    symbol: str
    count: int
    until_ns: int

    @property
    def key(self) -> str:
        return self.symbol


class Fraction(msgspec.Struct, frozen=True):
    """The part of a share that no stop can protect, once it was said; in memory."""

    symbol: str
    quantity: float

    @property
    def key(self) -> str:
        return self.symbol


class Anchor(msgspec.Struct, frozen=True):
    """A position as it was at the last close, for the morning audit: the account's shares, their cost, the price.

    `levels`: of the stops that were live, by client_order_id; a broker may adjust them for a split by itself.
    """

    symbol: str
    account: float
    avg_cost: float
    price: float
    time_ns: int
    levels: dict[str, float] = {}

    @property
    def key(self) -> str:
        return self.symbol


class Audit(msgspec.Struct, frozen=True):
    """This symbol's morning audit is still to be done; `told`: that it waits for a price was said."""

    symbol: str
    told: bool = False

    @property
    def key(self) -> str:
        return self.symbol


class PriceGrid(msgspec.Struct, frozen=True):
    """The broker's price grid of a symbol, where it is not that of US stocks."""

    symbol: str
    steps: Grid

    @property
    def key(self) -> str:
        return self.symbol


class Unprotected(msgspec.Struct, frozen=True):
    """Own shares without a protecting stop, since and last looked at (machine time); in memory."""

    symbol: str
    since_ns: int
    looked_ns: int

    @property
    def key(self) -> str:
        return self.symbol


class Disputed(msgspec.Struct, frozen=True):
    """Own shares that the account has not, or less than none, once that was said; in memory."""

    symbol: str
    own: float
    account: float | None

    @property
    def key(self) -> str:
        return self.symbol


class AccountSeen(msgspec.Struct, frozen=True):
    """The account's values by the broker's last word; in memory."""

    told: AccountUpdated

    @property
    def key(self) -> str:
        return "account"


def positions_told(state: State) -> list[PositionUpdated]:
    """Every position as an event; own shares that the broker has no position for are told as well."""
    positions, owned = state.table(AccountPosition), state.table(Own)
    told = []
    for symbol in dict.fromkeys((*positions, *owned)):
        position = positions.get(symbol) or AccountPosition(symbol, 0.0, 0.0)
        own = owned.get(symbol) or Own(symbol)
        told.append(PositionUpdated(symbol, position.quantity, position.avg_cost, own.quantity, own.cost_usd))
    return told


def book_told(state: State) -> BookTold:
    """All that counts as exposure, as the book has it now."""
    links, account = state.get(Links, "links"), state.get(AccountSeen, "account")
    return BookTold(
        reconciled=links is not None and links.phase == "ready",
        positions=tuple(positions_told(state)),
        orders=tuple(o for o in state.table(OrderRecord).values() if o.live),
        account=account.told if account else None,
    )
