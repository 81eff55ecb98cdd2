"""What the gateway remembers: its orders, fills and shares, the session, and (in memory) links, quotes and doubts."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from messages.account import AccountUpdated
from messages.broker import BrokerCommission, BrokerOrder, Quote
from messages.orders import Fill, OrderRecord, execution_key
from services.trading.prices import Grid

__all__ = [
    "COST_TOLERANCE_PCT",
    "NEVER_ARRIVED",
    "AccountPosition",
    "AccountSeen",
    "Anchor",
    "Audit",
    "Block",
    "Book",
    "CancelSent",
    "Change",
    "CommissionSeen",
    "Confirmed",
    "Coverage",
    "Disputed",
    "Doubt",
    "EarlyCommission",
    "EntrySlot",
    "FillRecord",
    "FlattenRecord",
    "Fraction",
    "HeldBack",
    "LastError",
    "Links",
    "Missing",
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
    "foreign_key",
]

COST_TOLERANCE_PCT = 2.0
"""A split leaves quantity times average cost as it was, within this."""

NEVER_ARRIVED = "never_arrived"
"""The reason of an order that the broker, asked several times, does not have. It stays as a tombstone."""


def base_id(exec_id: str) -> str:
    """What identifies an execution, corrected or not."""
    return execution_key(exec_id)[0]


def foreign_key(order: BrokerOrder) -> str:
    """What an order that is not ours is known by: orderRef and order id are another client's business."""
    return f"foreign:{order.perm_id or order.order_id}"


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

    volatile: ClassVar[bool] = True

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

    volatile: ClassVar[bool] = True

    quote: Quote
    number: int

    @property
    def key(self) -> str:
        return self.quote.symbol


class Doubt(msgspec.Struct, frozen=True):
    """An order the broker may or may not have: how often it was asked about and not found; in memory."""

    volatile: ClassVar[bool] = True

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

    volatile: ClassVar[bool] = True

    client_order_id: str
    count: int
    ask_ns: int
    asked: bool = False

    @property
    def key(self) -> str:
        return self.client_order_id


class HeldBack(msgspec.Struct, frozen=True):
    """An order's end that counts more shares than its executions so far: it waits for them; in memory."""

    volatile: ClassVar[bool] = True

    client_order_id: str
    told: BrokerOrder

    @property
    def key(self) -> str:
        return self.client_order_id


class EarlyCommission(msgspec.Struct, frozen=True):
    """A commission that came before its execution; in memory."""

    volatile: ClassVar[bool] = True

    exec_id: str
    told: BrokerCommission

    @property
    def key(self) -> str:
        return self.exec_id


class LastError(msgspec.Struct, frozen=True):
    """The last error that bears an order's id; in memory. An error alone never ends an order."""

    volatile: ClassVar[bool] = True

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

    volatile: ClassVar[bool] = True

    client_order_id: str
    symbol: str
    quantity: float
    stage: str

    @property
    def key(self) -> str:
        return self.client_order_id


class Paced(msgspec.Struct, frozen=True):
    """How many new stops a symbol got one after another, and when the next may go (machine time); in memory."""

    volatile: ClassVar[bool] = True

    symbol: str
    count: int
    until_ns: int

    @property
    def key(self) -> str:
        return self.symbol


class Fraction(msgspec.Struct, frozen=True):
    """The part of a share that no stop can protect, once it was said; in memory."""

    volatile: ClassVar[bool] = True

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

    volatile: ClassVar[bool] = True

    symbol: str
    since_ns: int
    looked_ns: int

    @property
    def key(self) -> str:
        return self.symbol


class Disputed(msgspec.Struct, frozen=True):
    """Own shares that the account has not, or less than none, once that was said; in memory."""

    volatile: ClassVar[bool] = True

    symbol: str
    own: float
    account: float | None

    @property
    def key(self) -> str:
        return self.symbol


class AccountSeen(msgspec.Struct, frozen=True):
    """The account's values by the broker's last word; in memory."""

    volatile: ClassVar[bool] = True

    told: AccountUpdated

    @property
    def key(self) -> str:
        return "account"


class FlattenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A flatten that is not over. `phase` and `reason` are what was told last; `sale_id` is its newest sale."""

    symbol: str
    phase: str = ""
    reason: str = ""
    sale_id: str = ""
    refusals: int = 0

    @property
    def key(self) -> str:
        return self.symbol


class Missing(msgspec.Struct, frozen=True):
    """The account has lacked own shares of this symbol for long; `asked`: the broker is being asked; in memory."""

    volatile: ClassVar[bool] = True

    symbol: str
    asked: bool = False

    @property
    def key(self) -> str:
        return self.symbol


class Block(msgspec.Struct, frozen=True):
    """A reason that speaks against entries now."""

    reason: str
    text: str
    figures: dict[str, float]

    @property
    def key(self) -> str:
        return self.reason


class Confirmed(msgspec.Struct, frozen=True):
    """The owner's word for live trading, as last read; in memory."""

    volatile: ClassVar[bool] = True

    account: str = ""
    until_ns: int = 0

    @property
    def key(self) -> str:
        return "confirmed"


class Coverage(msgspec.Struct, frozen=True):
    """What was told last of a symbol."""

    symbol: str
    shares: float = 0.0
    protected: float = 0.0

    @property
    def key(self) -> str:
        return self.symbol
