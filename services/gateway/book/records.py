"""The gateway's records: orders, fills, shares, the session; and in memory only: links, quotes, doubts."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from messages.account import AccountUpdated
from messages.broker import BrokerCommission, BrokerOrder, Quote
from messages.orders import Fill, OrderRecord, execution_key
from services.trading.prices import Grid

__all__ = [
    "COST_TOLERANCE_PCT",
    "FOUND_AT_BROKER",
    "NEVER_ARRIVED",
    "REVERSE_SPLIT_COST",
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
    "Evidence",
    "Feed",
    "FillRecord",
    "FlattenRecord",
    "Fraction",
    "HeldBack",
    "Instrument",
    "LastError",
    "Links",
    "MessageSeen",
    "Missing",
    "OrderRecord",
    "Own",
    "Paced",
    "PriceGrid",
    "QuoteRecord",
    "Rates",
    "Refusals",
    "SessionRecord",
    "Settled",
    "Tombstone",
    "Unprotected",
    "base_id",
    "block_key",
    "foreign_key",
]

REVERSE_SPLIT_COST = 1.25
"""A reverse split raises the average cost at least by this factor; a rise below it is a trade."""

COST_TOLERANCE_PCT = 2.0
"""A split leaves quantity times average cost as it was, within this."""

NEVER_ARRIVED = "never_arrived"
"""The reason of an order that several complete answers of the broker did not list. Late reports need its record."""

FOUND_AT_BROKER = "found_at_broker"
"""The reason of an entry of ours of which the ledger had no record, until the operator accepts its shares."""


def base_id(exec_id: str) -> str:
    """The part of the exec_id that an execution and its corrections share."""
    return execution_key(exec_id)[0]


def block_key(reason: str, symbol: str = "") -> str:
    """The key of a block."""
    return f"{reason} {symbol}".rstrip()


def foreign_key(order: BrokerOrder) -> str:
    """The key of an order that is not ours. Its orderRef and order id belong to another client."""
    return f"foreign:{order.perm_id or order.order_id}"


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """What stays across connections. Order ids only grow, even if the broker starts lower after its own restart.

    `born_ns`: when this ledger began (market time); 0: not known. An order that ended before has no record here.
    `client_id`: the API client id that the fleet's orders belong to, 0 before the first connection. `fleet`: the
    fleet's name, which is in its references.
    """

    account: str = ""
    next_order_id: int = 1
    born_ns: int = 0
    client_id: int = 0
    fleet: str = ""

    @property
    def key(self) -> str:
        return "book"


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The session as last reported. `phase`: closed, open, closing; `break_ns`: start and end of the break.

    `open_ns` and `close_ns` are the exchange's regular hours, even if entries are allowed before and after them.
    `end_ns`: when all trading ends; 0: at `close_ns`.
    """

    phase: str = "closed"
    date: str = ""
    entries_until_ns: int = 0
    close_ns: int = 0
    break_ns: tuple[int, int] = (0, 0)
    open_ns: int = 0
    end_ns: int = 0

    @property
    def key(self) -> str:
        return "session"


class FillRecord(msgspec.Struct, frozen=True):
    """An own execution under its base id. `realized_usd`: against the average cost at that moment."""

    base: str
    fill: Fill
    realized_usd: float

    @property
    def key(self) -> str:
        return self.base


class CommissionSeen(msgspec.Struct, frozen=True):
    """The commission of an execution was reported; the broker repeats it after a reconnect.

    Kept under the base id: of an execution and its corrections only the newest has a cost. `currency`, `realized_usd`
    and `rate_usd`: as in `CommissionReported`; '' and None in records of an earlier release.
    """

    exec_id: str
    commission: float
    currency: str = ""
    realized_usd: float | None = None
    rate_usd: float | None = None

    @property
    def key(self) -> str:
        return base_id(self.exec_id)


class Rates(msgspec.Struct, frozen=True):
    """Dollars for one unit of other currencies, as last reported: a commission may come before the next report."""

    usd: dict[str, float] = {}

    @property
    def key(self) -> str:
        return "rates"


class Own(msgspec.Struct, frozen=True):
    """The bot's own shares of a symbol and their cost (without commissions)."""

    symbol: str
    quantity: float = 0.0
    cost_usd: float = 0.0

    @property
    def key(self) -> str:
        return self.symbol


class Instrument(msgspec.Struct, frozen=True):
    """The contract that a symbol means: bound once, by the broker's first answer about it.

    `con_id`: the broker's id of the contract, which stays even if the company changes its ticker. `ticker`: the
    broker's name of it now.
    """

    symbol: str
    con_id: int
    ticker: str = ""

    @property
    def key(self) -> str:
        return self.symbol


class AccountPosition(msgspec.Struct, frozen=True):
    """The whole account's position in a symbol, as the broker reports it."""

    symbol: str
    quantity: float
    avg_cost: float

    @property
    def key(self) -> str:
        return self.symbol


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What complete answers prove about the account's position in a symbol; in memory.

    `quantity`: the position in the last answers; None: no answer yet. `answers`: how many of them agree; the last of
    these was asked for at `asked_ns` (`asked_market_ns`). `after`: only answers of later questions count.
    """

    volatile: ClassVar[bool] = True

    symbol: str
    after: int = 0
    quantity: float | None = None
    asked_ns: int = 0
    asked_market_ns: int = 0
    answers: int = 0

    @property
    def confirmed(self) -> bool:
        """Whether two answers agree."""
        return self.answers >= 2

    @property
    def key(self) -> str:
        return self.symbol


class Refusals(msgspec.Struct, frozen=True):
    """Why stops of a symbol were not cancelled or made smaller, as last reported; in memory.

    `since_ns`: since when the plan wants it (machine time). `reported`: the reasons that were reported in the session
    of `date`.
    """

    volatile: ClassVar[bool] = True

    symbol: str
    since_ns: int
    date: str = ""
    reported: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.symbol


class Settled(msgspec.Struct, frozen=True):
    """The last complete answer that left no question open about a symbol: the account's and own shares in it, and when.

    What the account had beyond own shares then is not the bot's now. Own orders that were live then were live at
    `time_ns` (market time). `avg_cost`: what the account's shares cost on average then (0: not recorded).
    """

    symbol: str
    account: float
    own: float
    time_ns: int
    avg_cost: float = 0.0

    @property
    def foreign(self) -> float:
        return self.account - self.own

    @property
    def key(self) -> str:
        return self.symbol


class Tombstone(msgspec.Struct, frozen=True):
    """An entry was cancelled before its approval arrived: never place it."""

    client_order_id: str
    reason: str

    @property
    def key(self) -> str:
        return self.client_order_id


class EntrySlot(msgspec.Struct, frozen=True):
    """The only live entry of a symbol: the ledger refuses a second one."""

    client_order_id: str
    symbol: str

    @property
    def key(self) -> str:
        return self.client_order_id


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """The connection, in memory. `phase`: down, reconciling, ready, refused (a wrong account: send nothing at all).

    `up_since_ns` and `ask_at_ns` (when to ask for a snapshot again, 0: never) are machine time. `up_since_market_ns`
    is the same moment as `up_since_ns`, in market time. `confirm_at_ns`: when to ask again so that a second answer can
    confirm the first (market time in lock-step, else machine time; 0: never).

    `question`: the number of the newest question, asked at `asked_ns` and `asked_market_ns`. Answers of questions up to
    `stale_question` are from before the last change of a link: they prove nothing. `failures`: questions in a row
    without a complete answer. `without_completed`: on this connection the completed orders never came. `waiting`: the
    stops that wait for an entry that is over, as the newest complete answer lists them.
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
    confirm_at_ns: int = 0
    question: int = 0
    asked_ns: int = 0
    asked_market_ns: int = 0
    stale_question: int = 0
    failures: int = 0
    without_completed: bool = False
    waiting: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return "links"


class QuoteRecord(msgspec.Struct, frozen=True, gc=False):
    """The newest quote of a symbol and the number of its last published tick; in memory."""

    volatile: ClassVar[bool] = True

    quote: Quote
    number: int

    @property
    def key(self) -> str:
        return self.quote.symbol


class Doubt(msgspec.Struct, frozen=True):
    """An order that the broker may or may not have; in memory.

    `asked`: the next complete answer covers it; `absent`: how many complete answers did not list it; `account`: the
    account's shares of its symbol in the last of these answers.
    """

    volatile: ClassVar[bool] = True

    client_order_id: str
    asked: bool = False
    absent: int = 0
    account: float | None = None

    @property
    def key(self) -> str:
        return self.client_order_id


class CancelSent(msgspec.Struct, frozen=True):
    """A cancel that was sent `count` times and is not confirmed; in memory.

    `ask_ns`: when to ask about it (machine time), 0 once the gateway has given up; `asked`: the next complete answer
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
    """A final status that counts more shares than the executions so far: it waits for them; in memory.

    `told` is that report.
    """

    volatile: ClassVar[bool] = True

    client_order_id: str
    told: BrokerOrder

    @property
    def key(self) -> str:
        return self.client_order_id


class EarlyCommission(msgspec.Struct, frozen=True):
    """A commission that came before its execution (`told`: the report); in memory."""

    volatile: ClassVar[bool] = True

    exec_id: str
    told: BrokerCommission

    @property
    def key(self) -> str:
        return self.exec_id


class MessageSeen(msgspec.Struct, frozen=True):
    """When a message of the broker was last recorded as an event (machine time); in memory."""

    volatile: ClassVar[bool] = True

    what: str
    at_ns: int

    @property
    def key(self) -> str:
        return self.what


class Feed(msgspec.Struct, frozen=True):
    """The prices of a symbol; in memory.

    `tick_ns`: when a tick last came, or the watch began; `asked`: how often the stream was started anew since then;
    `asked_ns`: when it last was (all market time).
    """

    volatile: ClassVar[bool] = True

    symbol: str
    tick_ns: int
    asked: int = 0
    asked_ns: int = 0

    @property
    def key(self) -> str:
        return self.symbol


class LastError(msgspec.Struct, frozen=True):
    """The last error with an order's id; in memory. An error alone never ends an order."""

    volatile: ClassVar[bool] = True

    client_order_id: str
    code: int
    text: str

    @property
    def key(self) -> str:
        return self.client_order_id


class Change(msgspec.Struct, frozen=True):
    """A change of a stop: the wanted quantity and its stage; in memory.

    `stage`: 'reading' (the broker is asked for the present order), 'sent' (at `sent_ns`, machine time, and
    `sent_market_ns`, for the `times`th time), 'refused'.
    """

    volatile: ClassVar[bool] = True

    client_order_id: str
    symbol: str
    quantity: float
    stage: str
    sent_ns: int = 0
    sent_market_ns: int = 0
    times: int = 0

    @property
    def key(self) -> str:
        return self.client_order_id


class Paced(msgspec.Struct, frozen=True):
    """How many stops were placed one after another for a symbol, and when the next may be (machine time); in memory."""

    volatile: ClassVar[bool] = True

    symbol: str
    count: int
    until_ns: int

    @property
    def key(self) -> str:
        return self.symbol


class Fraction(msgspec.Struct, frozen=True):
    """The fraction of a share that no stop can protect, as last reported; in memory."""

    volatile: ClassVar[bool] = True

    symbol: str
    quantity: float

    @property
    def key(self) -> str:
        return self.symbol


class Anchor(msgspec.Struct, frozen=True):
    """A position as last seen in a session, for the next audit: the account's shares, their average cost, the price.

    `levels`: stop levels of the live stops by client_order_id. The broker may adjust its stops for a split itself.
    `audited_ns`: when an audit last compared the position with it. `own`: the own shares then (None: not recorded; 0:
    all were sold in the session that it is of).
    """

    symbol: str
    account: float
    avg_cost: float
    price: float
    time_ns: int
    levels: dict[str, float] = {}
    audited_ns: int = 0
    own: float | None = None

    @property
    def key(self) -> str:
        return self.symbol


class Audit(msgspec.Struct, frozen=True):
    """This symbol's morning audit is due.

    `told`: it was reported that the audit waits for a price, which would confirm a split by `ratio`.
    """

    symbol: str
    told: bool = False
    ratio: float = 1.0

    @property
    def key(self) -> str:
        return self.symbol


class PriceGrid(msgspec.Struct, frozen=True):
    """The broker's price grid of a symbol, if it differs from that of US stocks."""

    symbol: str
    steps: Grid

    @property
    def key(self) -> str:
        return self.symbol


class Unprotected(msgspec.Struct, frozen=True):
    """Own shares without a protecting stop: since when, and when last checked (machine time); in memory.

    `since_ns` starts again with each alert; `first_ns` does not.
    """

    volatile: ClassVar[bool] = True

    symbol: str
    since_ns: int
    looked_ns: int
    first_ns: int = 0

    @property
    def key(self) -> str:
        return self.symbol


class Disputed(msgspec.Struct, frozen=True):
    """Own shares that exceed the account's or are negative, as last reported; in memory."""

    volatile: ClassVar[bool] = True

    symbol: str
    own: float
    account: float | None

    @property
    def key(self) -> str:
        return self.symbol


class AccountSeen(msgspec.Struct, frozen=True):
    """The account's values as last reported (`told`); in memory."""

    volatile: ClassVar[bool] = True

    told: AccountUpdated

    @property
    def key(self) -> str:
        return "account"


class FlattenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A flatten that is not over. `phase` and `reason`: as last reported; `sale_id`: its newest sale."""

    symbol: str
    phase: str = ""
    reason: str = ""
    sale_id: str = ""
    refusals: int = 0

    @property
    def key(self) -> str:
        return self.symbol


class Missing(msgspec.Struct, frozen=True):
    """The account has lacked own shares of this symbol for too long; in memory.

    `asked`: the broker was asked.
    """

    volatile: ClassVar[bool] = True

    symbol: str
    asked: bool = False

    @property
    def key(self) -> str:
        return self.symbol


class Block(msgspec.Struct, frozen=True):
    """A reason that blocks entries now, of one symbol or ('') of all."""

    reason: str
    text: str
    figures: dict[str, float]
    symbol: str = ""

    @property
    def key(self) -> str:
        return block_key(self.reason, self.symbol)


class Confirmed(msgspec.Struct, frozen=True):
    """The confirmation of live trading, as last read; in memory."""

    volatile: ClassVar[bool] = True

    account: str = ""
    until_ns: int = 0

    @property
    def key(self) -> str:
        return "confirmed"


class Coverage(msgspec.Struct, frozen=True):
    """A symbol's shares to protect and protected shares, as last reported."""

    symbol: str
    shares: float = 0.0
    protected: float = 0.0

    @property
    def key(self) -> str:
        return self.symbol
