"""What became of orders: the gateway's events, one after another, for whoever needs them.

Every event carries the order as it is after it, so that a consumer can take it whole and never has to ask.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = [
    "LIVE_STATUSES",
    "CommissionReported",
    "Fill",
    "OrderAccepted",
    "OrderCancelled",
    "OrderFilled",
    "OrderPlaced",
    "OrderRecord",
    "OrderRejected",
    "OrderUpdated",
    "PositionUpdated",
    "ProtectionChanged",
    "execution_key",
]

Role = Literal["entry", "stop", "flatten", "adopted", "foreign"]
"""What an order is for. `flatten`: the operator's sale of own shares. `adopted`: no order at all, but the record of
shares that became own by the operator's word, or (a SELL) ceased to be because they were sold by hand; the broker has
none of it."""

LIVE_STATUSES = frozenset({"InFlight", "PendingSubmit", "PreSubmitted", "Submitted", "PendingCancel"})
"""An order with one of these may still trade. `InFlight` is ours: sent (or about to be) and not confirmed yet."""


def execution_key(exec_id: str) -> tuple[str, int]:
    """Base id and revision: IBKR numbers the corrections of an execution behind the last period of its id."""
    base, period, suffix = exec_id.rpartition(".")
    return (base, int(suffix)) if period and suffix.isdecimal() else (exec_id, 0)


class OrderRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One order, as the gateway's book has it.

    `status` is IBKR's word, or `InFlight` before the broker said anything. `stop_price` is the trigger (for a
    trailing stop the current level, also in `trail_stop_price`), `trailing_pct` 10.0 = 10 %. `order_id` and
    `perm_id` are the broker's. `reason` says why it ended, where it ended otherwise than filled.
    `level_estimated`: the level was sampled from ticks, because the broker does not tell each rise. `renewed_ns` is
    when a resting stop was last changed.
    """

    client_order_id: str
    symbol: str
    role: Role
    side: Literal["BUY", "SELL"]
    order_type: str
    quantity: float
    limit_price: float | None = None
    stop_price: float | None = None
    trailing_pct: float | None = None
    limit_offset: float | None = None
    trail_stop_price: float | None = None
    tif: str = "DAY"
    status: str = "InFlight"
    why_held: str = ""
    filled: float = 0.0
    avg_price: float = 0.0
    order_id: int = 0
    perm_id: int = 0
    parent_id: int = 0
    parent_client_order_id: str = ""
    account: str = ""
    oca_group: str = ""
    oca_type: int = 0
    created_ns: int = 0
    updated_ns: int = 0
    cancel_reason: str = ""
    reason: str = ""
    outside_rth: bool = False
    level_estimated: bool = False
    renewed_ns: int = 0

    @property
    def key(self) -> str:
        return self.client_order_id

    @property
    def live(self) -> bool:
        """True while it may still trade; one in doubt counts as live."""
        return self.status in LIVE_STATUSES

    @property
    def remaining(self) -> float:
        """Shares that are not filled."""
        return self.quantity - self.filled


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution.

    `time_ns` is the broker's time (whole seconds); `cum_quantity` and `avg_price` are the order's after it.
    """

    exec_id: str
    client_order_id: str
    symbol: str
    role: Role
    side: Literal["BUY", "SELL"]
    quantity: float
    price: float
    cum_quantity: float
    avg_price: float
    order_id: int
    perm_id: int
    account: str
    time_ns: int

    @property
    def key(self) -> str:
        return self.exec_id


class OrderPlaced(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The order is committed and goes to the broker; nothing is known of it yet."""

    order: OrderRecord


class OrderAccepted(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The broker has it."""

    order: OrderRecord


class OrderUpdated(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Its status, quantity or level changed."""

    order: OrderRecord


class OrderFilled(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Some or all of it traded. `own` is what the bot owns of the symbol after this fill, `cost_usd` what that cost.

    `realized_usd` against the average cost. A fill that `corrects` an earlier one (its exec_id) takes its place; that
    one had realized `undone_usd`.
    """

    fill: Fill
    order: OrderRecord
    own: float
    cost_usd: float
    realized_usd: float
    corrects: str = ""
    undone_usd: float = 0.0


class OrderCancelled(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """It ended without filling whole. `asked` is True when the fleet had cancelled it."""

    order: OrderRecord
    asked: bool


class OrderRejected(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The broker refused it (or holds it Inactive), with its code and text."""

    order: OrderRecord
    code: int
    text: str


class CommissionReported(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What an execution cost, in `currency`. `realized_usd` is the broker's figure, None for an opening one.

    A corrected execution has a commission of its own, in place of the one reported before: that was `undone_usd`.
    `rate_usd` is what a unit of another currency was worth in dollars by the broker's rate; None without one.
    """

    exec_id: str
    client_order_id: str
    symbol: str
    commission: float
    currency: str
    realized_usd: float | None
    undone_usd: float = 0.0
    rate_usd: float | None = None

    @property
    def commission_usd(self) -> float | None:
        """In dollars; None where nobody can say, so that it is never counted as if it were dollars.

        A currency that is not named is the dollar.
        """
        if self.currency in ("USD", ""):
            return self.commission
        return None if self.rate_usd is None else self.commission * self.rate_usd


class PositionUpdated(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The account's position in a symbol, and how much of it is the bot's own (and cost it, where that is told)."""

    symbol: str
    account_quantity: float
    avg_cost: float
    own: float
    own_cost_usd: float | None = None


class ProtectionChanged(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """To the recorder: whole own shares of a symbol, and how many of them a stop at the broker protects from now on."""

    symbol: str
    shares: float
    protected: float
    time_ns: int
