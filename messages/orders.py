"""What happened to orders and positions: the gateway's events.

Every event of an order carries the whole order as it is after the event, so a consumer never has to ask.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = [
    "LIVE_STATUSES",
    "ROUTES",
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
    "Witness",
    "execution_key",
]

Role = Literal["entry", "stop", "flatten", "adopted", "foreign"]
"""What an order is for: see `OrderRecord`."""

Witness = Literal["execution", "order", "stop", "operator"]
"""What a fill is known from. `execution`: the broker's execution. `operator`: a person adopted or sold the shares.

The other two are synthetic: rebuilt, because the broker no longer reports the execution. `order`: the broker's order
counts the shares. `stop`: a stop of ours rests at the broker, and the account has shares for it: a claim, until the
operator accepts it.
"""

LIVE_STATUSES = frozenset({"InFlight", "PendingSubmit", "PreSubmitted", "Submitted", "PendingCancel"})
"""An order with one of these statuses may still trade. `InFlight` is our own: committed, and not confirmed yet."""


def execution_key(exec_id: str) -> tuple[str, int]:
    """(base id, revision): IBKR puts the number of a correction behind the last period of the execution's id."""
    base, period, suffix = exec_id.rpartition(".")
    return (base, int(suffix)) if period and suffix.isdecimal() else (exec_id, 0)


class OrderRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One order, as the gateway's book has it.

    `role`: what the order is for: 'entry', 'stop', 'flatten' (the operator's sale), 'adopted' (no order, but the record
    of shares that became or ceased to be the bot's own without one), 'foreign' (not the bot's).
    `stop_price` (USD per share): the trigger; for a trailing stop its level now.
    `status`: IBKR's status, or 'InFlight' before the broker has confirmed the order.
    `parent_client_order_id`: our id of the parent; '' for none.
    `created_ns`: when the order was decided.
    `updated_ns`: when it last changed.
    `cancel_reason`: reason code of the fleet's cancel; '' when the fleet did not cancel it.
    `reason`: why it ended, where it did not end filled.
    `level_estimated`: True when the level of a trailing stop was computed from ticks, because the broker does not
    report each rise.
    `renewed_ns`: when a resting stop was last modified.
    `con_id`: the broker's id of the contract; 0: not known.
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
    con_id: int = 0

    @property
    def key(self) -> str:
        return self.client_order_id

    @property
    def live(self) -> bool:
        """True while it may still trade. An order whose state is not known counts as live."""
        return self.status in LIVE_STATUSES

    @property
    def remaining(self) -> float:
        """Shares that are not filled yet."""
        return self.quantity - self.filled


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of an order.

    `role`: what the order was for, as in `OrderRecord`.
    `quantity` (shares): how many traded in this execution.
    `time_ns`: when it traded, by the broker, in whole seconds.
    `con_id`: the broker's id of the contract; 0: not known.
    `witness`: what it is known from: see `Witness`.
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
    con_id: int = 0
    witness: Witness = "execution"

    @property
    def key(self) -> str:
        return self.exec_id


class OrderPlaced(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The order is committed and goes to the broker, which has not confirmed it yet."""

    order: OrderRecord


class OrderAccepted(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The broker has accepted the order."""

    order: OrderRecord


class OrderUpdated(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The status, quantity or level of the order changed."""

    order: OrderRecord


class OrderFilled(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Some or all of the order traded.

    A correction by the broker replaces an earlier execution: then `corrects` names that one, and `undone_usd` is the
    P&L that it had realized.

    `fill`: the execution.
    `own` (shares): what the bot owns of the symbol after this fill.
    `realized_usd`: P&L of the shares sold by this fill, against their average cost, without commission.
    `corrects`: exec_id of the execution that this one replaces; '' for none.
    `undone_usd`: P&L that the replaced execution had realized.
    """

    fill: Fill
    order: OrderRecord
    own: float
    cost_usd: float
    realized_usd: float
    corrects: str = ""
    undone_usd: float = 0.0


class OrderCancelled(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The order ended before it was filled completely.

    `asked`: True when the fleet had requested the cancel of this order. The stop of an entry that the fleet cancelled
    has False: the broker cancels it with the entry.
    """

    order: OrderRecord
    asked: bool


class OrderRejected(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The broker rejected the order, or holds it as Inactive.

    `code`: IBKR's code.
    `text`: IBKR's text.
    """

    order: OrderRecord
    code: int
    text: str


class CommissionReported(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What an execution cost.

    The commission of a corrected execution replaces the one that was reported before.

    `undone_usd` (`currency`): the commission that this one replaces, in its own currency despite the name; 0: none.
    `rate_usd` (USD per unit of `currency`): the broker's exchange rate; None: not reported.
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
        """The commission in USD; None where no exchange rate is known, so that nobody takes it for dollars."""
        if self.currency in ("USD", ""):
            return self.commission
        return None if self.rate_usd is None else self.commission * self.rate_usd


class PositionUpdated(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The account's position in a symbol, and how much of it is the bot's own.

    `account_quantity` (shares): the whole position; below 0 when the account is short.
    `own_cost_usd`: what the bot's own shares cost; None: as before.
    """

    symbol: str
    account_quantity: float
    avg_cost: float
    own: float
    own_cost_usd: float | None = None


class ProtectionChanged(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How many of the bot's own shares a stop at the broker protects from now on.

    `shares` (shares): own shares, whole ones only.
    `protected` (shares): how many of them are protected.
    """

    symbol: str
    shares: float
    protected: float
    time_ns: int


ROUTES: dict[type[msgspec.Struct], str] = {
    OrderPlaced: "gateway -> recorder, symbol",
    OrderAccepted: "gateway -> recorder, symbol",
    OrderUpdated: "gateway -> recorder, risk, symbol",
    OrderFilled: "gateway -> recorder, risk, symbol",
    OrderCancelled: "gateway -> recorder, risk, symbol",
    OrderRejected: "gateway -> recorder, risk, symbol",
    CommissionReported: "gateway -> recorder, risk",
    PositionUpdated: "gateway -> recorder, risk, symbol",
    ProtectionChanged: "gateway -> recorder",
}
