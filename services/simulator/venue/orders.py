"""An order, its ticket and its executions. Data only; `lifecycle.py` changes it."""

from __future__ import annotations

from typing import Literal

import msgspec

from services.trading.shares import exact

__all__ = ["LOCATE", "Execution", "Margin", "Order", "Side", "Ticket"]

LOCATE = "locate"
"""`why_held` of an order that waits for shares to borrow."""

Side = Literal["BUY", "SELL"]


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """An order as a client requests it (`placeOrder`), in this project's terms. None means unset.

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
    """The effect of an order on its account, in dollars: the answer to a what-if."""

    initial_before: float
    maintenance_before: float
    equity_before: float
    initial_after: float
    maintenance_after: float
    equity_after: float
    commission: float


class Order(msgspec.Struct, kw_only=True):
    """An order at the exchange: its ticket (the last accepted version) and its state.

    `status` is IBKR's: PendingSubmit (held, not transmitted), PreSubmitted, Submitted, PendingCancel,
    Cancelled, Filled, Inactive. `why_held` is '', 'trigger', 'child', 'child,trigger' or 'locate'. `trail_stop_price`
    and `limit_price` are the current ones (a trailing order's move).
    `created_ns` is when it was transmitted (a DAY order is of that day), `live_from_ns` when it was last transmitted or
    modified: later market events can fill it. `margin` is the answer to a what-if.
    `wanted` is the quantity of a child as placed, while it has fewer because its parent is partly filled; `beyond` says
    that the last price stood beyond its stop (some trigger methods want two), `level_reported_ns` is when its trailing
    level was last reported.
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
    level_reported_ns: int = msgspec.field(default=0, name="told_level_ns")

    @property
    def remaining(self) -> float:
        """Shares that are not filled."""
        return exact(self.ticket.quantity - self.filled)

    @property
    def done(self) -> bool:
        """True if it is filled, cancelled or inactive."""
        return self.status in ("Filled", "Cancelled", "Inactive")

    @property
    def untransmitted(self) -> bool:
        """True while it is not transmitted (`transmit` was false)."""
        return self.status == "PendingSubmit"

    @property
    def waits_for_parent(self) -> bool:
        """True for an attached order whose parent is not filled."""
        return self.why_held.startswith("child")

    @property
    def held_back(self) -> bool:
        """True while it can't trigger or fill: its parent is not filled, or its shares aren't located."""
        return self.waits_for_parent or self.why_held == LOCATE


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
