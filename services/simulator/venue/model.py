"""What the simulated exchange speaks of: sessions, market events, orders, executions, reports.

Data only. The exchange (`exchange.py`) takes tickets and market events and answers with reports; the wire server turns
reports into TWS messages, the backtest turns the same reports into broker messages. Nothing here knows of either.

Units: times are nanoseconds since the epoch (UTC), prices and amounts are US dollars, quantities are shares.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from messages.market import Session

__all__ = [
    "AccountReport",
    "AccountTerms",
    "Changes",
    "CommissionReport",
    "ErrorReport",
    "EventKey",
    "Execution",
    "ExecutionReport",
    "Funds",
    "Holding",
    "Margin",
    "MarketEvent",
    "Memory",
    "Order",
    "OrderReport",
    "PnlReport",
    "PositionReport",
    "QuoteReport",
    "Report",
    "Session",
    "Side",
    "Standing",
    "StatusReport",
    "Tape",
    "Ticket",
]

Side = Literal["BUY", "SELL"]

Action = Literal["", "halt", "resume", "split", "dividend"]

EventKey = tuple[int, str, int]
"""A place in the total order of market events: (time_ns, symbol, row)."""


class MarketEvent(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened in one symbol's market: a trade, a quote, or both at once.

    Events are totally ordered by `(time_ns, symbol, row)`; `row` counts the events of one symbol within a session of
    its source, so that the order is the same in every run. A missing side or trade is None. `through` says that the
    price moved continuously since the symbol's previous event: it passed every level between the two. Otherwise it
    jumped. An `action` is no trade: a halt or its end, a split (`value` new shares for one), a dividend (`value`
    dollars a share).
    """

    time_ns: int
    symbol: str
    row: int
    price: float | None = None
    size: int = 0
    bid: float | None = None
    ask: float | None = None
    bid_size: int = 0
    ask_size: int = 0
    through: bool = False
    action: Action = ""
    value: float = 0.0

    @property
    def key(self) -> EventKey:
        """Its place in the total order."""
        return (self.time_ns, self.symbol, self.row)


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """An order as a client asks for it (`placeOrder`), in this project's words. None means unset.

    `stop_price` is the broker's auxPrice of STP and STP LMT, `trailing_amount` that of TRAIL; a trailing order has
    either an amount or a percentage (10.0 = 10 %), and `trail_stop_price` is its optional first level. An adjustable
    stop becomes an order of the type and the prices `adjusted_…` once the market reaches `adjusts_at`, in its favour.
    """

    client_id: int
    order_id: int
    account: str
    symbol: str
    side: Side
    quantity: float
    order_type: str
    limit_price: float | None = None
    stop_price: float | None = None
    trailing_amount: float | None = None
    trailing_pct: float | None = None
    trail_stop_price: float | None = None
    limit_offset: float | None = None
    tif: str = "DAY"
    good_till_ns: int | None = None
    outside_rth: bool = False
    trigger_method: int = 0
    parent_id: int = 0
    transmit: bool = True
    oca_group: str = ""
    oca_type: int = 0
    order_ref: str = ""
    what_if: bool = False
    adjusted_order_type: str = ""
    adjusts_at: float | None = None
    adjusted_stop_price: float | None = None
    adjusted_limit_price: float | None = None
    adjusted_trailing_amount: float | None = None
    adjusted_trailing_pct: float | None = None


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """What an order would do to its account, in dollars: the answer to a what-if."""

    initial_before: float
    maintenance_before: float
    equity_before: float
    initial_after: float
    maintenance_after: float
    equity_after: float
    commission: float


class Order(msgspec.Struct, kw_only=True):
    """An order as the exchange keeps it: its ticket (the last accepted version) and what became of it.

    `status` is IBKR's own word: PendingSubmit (held, not transmitted), PreSubmitted, Submitted, PendingCancel,
    Cancelled, Filled, Inactive. `why_held` is '', 'trigger', 'child' or 'child,trigger'. `trail_stop_price` and
    `limit_price` are the current ones (a trailing order's move).
    `created_ns` is when it was transmitted (a DAY order is of that day), `live_from_ns` when it was last transmitted or
    modified: it meets what the market does from then on. `margin` is the answer to a what-if.
    `wanted` are the shares that a child was placed for while it follows its parent's fill with fewer, `beyond` says
    that the last price stood beyond its stop (some trigger methods want two), `told_level_ns` is when its trailing
    level was last told.
    """

    ticket: Ticket
    perm_id: int
    status: str = "PendingSubmit"
    why_held: str = ""
    filled: float = 0.0
    avg_price: float = 0.0
    last_fill_price: float = 0.0
    triggered: bool = False
    trail_stop_price: float | None = None
    limit_price: float | None = None
    oca_group: str = ""
    oca_type: int = 3
    parent_perm_id: int = 0
    commission: float = 0.0
    created_ns: int = 0
    live_from_ns: int = 0
    completed_ns: int = 0
    completed_status: str = ""
    margin: Margin | None = None
    wanted: float | None = None
    beyond: bool = False
    told_level_ns: int = 0

    @property
    def remaining(self) -> float:
        """Shares that are not filled."""
        return self.ticket.quantity - self.filled

    @property
    def done(self) -> bool:
        """True once nothing more can happen to it."""
        return self.status in ("Filled", "Cancelled", "Inactive")

    @property
    def untransmitted(self) -> bool:
        """True while the broker only keeps it for the client (`transmit` was false)."""
        return self.status == "PendingSubmit"

    @property
    def waits_for_parent(self) -> bool:
        """True for an attached order whose parent is not filled."""
        return self.why_held.startswith("child")


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One match. `time_ns` is cut to whole seconds, as the broker reports it."""

    exec_id: str
    perm_id: int
    client_id: int
    order_id: int
    order_ref: str
    account: str
    symbol: str
    side: Side
    quantity: float
    price: float
    cum_quantity: float
    avg_price: float
    time_ns: int


class OrderReport(msgspec.Struct, frozen=True, tag=True):
    """The order changed: openOrder followed by orderStatus. Holds a copy, so that a later change can't alter it."""

    order: Order


class StatusReport(msgspec.Struct, frozen=True, tag=True):
    """orderStatus alone (a cancel's last word has no openOrder)."""

    order: Order


class ExecutionReport(msgspec.Struct, frozen=True, tag=True):
    """execDetails."""

    execution: Execution


class CommissionReport(msgspec.Struct, frozen=True, tag=True):
    """commissionReport; `realized_pnl` is None for an opening execution."""

    exec_id: str
    client_id: int
    commission: float
    currency: str = "USD"
    realized_pnl: float | None = None


class PositionReport(msgspec.Struct, frozen=True, tag=True):
    """The account's position in one symbol after a change (signed shares, average cost per share)."""

    account: str
    symbol: str
    quantity: float
    avg_cost: float
    market_price: float = 0.0
    realized_pnl: float = 0.0


class AccountReport(msgspec.Struct, frozen=True, tag=True):
    """Account values after a change, in USD, by the broker's own key names (NetLiquidation, TotalCashValue)."""

    account: str
    values: dict[str, float]


class PnlReport(msgspec.Struct, frozen=True, kw_only=True):
    """Profit in dollars: since the last close, of what is held, of what was closed; shares and their value.

    For a whole account `quantity` is 0.
    """

    daily: float
    unrealized: float
    realized: float
    quantity: float
    value: float


class QuoteReport(msgspec.Struct, frozen=True, tag=True):
    """One symbol's market after an event: for whoever streams it. `last_time_s` is the last trade's own second.

    `time_ns` is the event's time and `traded` tells whether it was (also) a trade. `vwap` is that of the session.
    """

    symbol: str
    last: float | None
    last_size: int
    last_time_s: int
    bid: float | None
    ask: float | None
    bid_size: int
    ask_size: int
    open: float | None
    high: float | None
    low: float | None
    prev_close: float | None
    volume: int
    halted: bool = False
    time_ns: int = 0
    traded: bool = False
    vwap: float | None = None


class ErrorReport(msgspec.Struct, frozen=True, tag=True):
    """An error message for one client; `order_id` -1 concerns no order."""

    client_id: int
    order_id: int
    code: int
    text: str


Report = (
    OrderReport
    | StatusReport
    | ExecutionReport
    | CommissionReport
    | PositionReport
    | AccountReport
    | QuoteReport
    | ErrorReport
)


class Tape(msgspec.Struct, kw_only=True):
    """One symbol's market as of its last event: last trade, quote, and the range of the session `date`.

    `close` is that session's last price so far, `prev_close` the one of the session before. A halt lasts until
    `halted_until_ns`, or, if that is 0, until it is ended. After a `gap` (a halt, a split) the next price is a jump.
    The source's prices are multiplied by `factor`; `recent` are the trades that a price band goes by.
    """

    symbol: str
    last: float | None = None
    last_size: int = 0
    last_ns: int = 0
    bid: float | None = None
    ask: float | None = None
    bid_size: int = 0
    ask_size: int = 0
    date: str = ""
    open: float | None = None
    high: float | None = None
    low: float | None = None
    prev_close: float | None = None
    close: float | None = None
    volume: int = 0
    turnover: float = 0.0
    halted: bool = False
    halted_until_ns: int = 0
    gap: bool = False
    factor: float = 1.0
    recent: list[tuple[int, float]] = []


class AccountTerms(msgspec.Struct, frozen=True, kw_only=True):
    """An account as it is opened: its name, its first cash, and what it may do.

    A `margin` account may borrow and, unless `may_short` says otherwise, sell what it doesn't have; a `cash` account
    does neither.
    """

    account: str
    cash: float = 100_000.0
    kind: Literal["margin", "cash"] = "margin"
    may_short: bool = True

    @property
    def shorts(self) -> bool:
        """Whether it may hold less than nothing."""
        return self.may_short and self.kind == "margin"


class Funds(msgspec.Struct, kw_only=True):
    """The money of one account: its cash, which of it isn't settled (session date, amount), dividends."""

    account: str
    cash: float
    unsettled: list[tuple[str, float]] = []
    dividends: float = 0.0


class Holding(msgspec.Struct, kw_only=True):
    """What an account holds of one symbol: signed shares, average cost with commission, realized profit.

    The figures of the session date `day`: shares at its beginning, money in or out since, profit realized since.
    """

    account: str
    symbol: str
    quantity: float = 0.0
    avg_cost: float = 0.0
    realized_pnl: float = 0.0
    day: str = ""
    day_quantity: float = 0.0
    day_flow: float = 0.0
    day_realized: float = 0.0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the exchange stands: its time, the last market event handled, the money, each client's highest order id."""

    now_ns: int
    market_key: EventKey
    funds: list[Funds]
    last_order_ids: dict[int, int]


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
