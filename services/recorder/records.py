"""The rows that the recorder writes: a struct per table, or per part of a row. Its fields are the columns.

A struct with only some columns of its table changes only those. So a commission and its fill become one row in any
order of arrival. See docs/database.md.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec

__all__ = [
    "RECORDS",
    "AccountRow",
    "Commission",
    "EventRow",
    "FillRow",
    "LastParent",
    "LastTrail",
    "MarketNow",
    "OrderRow",
    "OrdersUnknown",
    "PerformanceRow",
    "PositionRow",
    "ProtectionRow",
    "ReplacedFill",
    "SessionRow",
    "StateRow",
    "TableRow",
    "Timestamp",
]

Timestamp = Annotated[int | None, msgspec.Meta(extra={"timestamp": True})]
"""Nanoseconds since the epoch (UTC) here, TIMESTAMP in UTC with microseconds in the table."""


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row, with the properties of its table."""

    table: ClassVar[str]
    key_column: ClassVar[str]
    rising: ClassVar[str | None] = None
    """A row with a lower value in this column is too late and changes nothing."""
    final: ClassVar[bool] = False
    """Written once, never changed."""
    fresh: ClassVar[tuple[str, ...]] = ()
    """Columns that are written only if the row is new."""
    lasting: ClassVar[tuple[str, ...]] = ()
    """Columns that keep their value where a later report has none ('', 0 or NULL)."""
    first: ClassVar[tuple[str, ...]] = ()
    """Columns that keep the first value that they had. A row with a higher value of `rising` brings a new one."""
    rules: ClassVar[dict[str, str]] = {}
    """SQL for the new value of a column."""
    statement: ClassVar[str] = ""
    """The statement that carries out records which are no rows; '?' is the JSON array of them."""

    @property
    def key(self) -> str:
        """The key within a batch: of two records with the same key, the later one is written."""
        return str(getattr(self, self.key_column))


class StateRow(TableRow, frozen=True, kw_only=True):
    """The state of a symbol, as it last reported it."""

    table = "state"
    key_column = "symbol"

    symbol: str
    state: str
    why: str
    figures_json: dict[str, float]
    cooldown_until_ts: Timestamp
    session_date: str
    entry_number: int
    entry_client_order_id: str
    stop_client_order_id: str
    own: float
    cost_usd: float
    updated_at: Timestamp
    cause: str


class LastParent(TableRow, frozen=True, kw_only=True):
    """The broker's id of the symbol's newest entry."""

    table = "state"
    key_column = "symbol"

    symbol: str
    last_parent_id: int


class LastTrail(TableRow, frozen=True, kw_only=True):
    """The broker's id of the symbol's newest protective stop."""

    table = "state"
    key_column = "symbol"

    symbol: str
    last_trail_id: int


class OrderRow(TableRow, frozen=True, kw_only=True):
    """An order, as the gateway's book last had it.

    A gateway that has lost its ledger knows an order only by what the broker still reports of it: what it does not know
    any more stays as it was recorded before.
    """

    table = "orders"
    key_column = "client_order_id"
    lasting = (
        *("order_id", "perm_id", "order_type", "avg_price", "stop_price", "limit_price", "trailing_pct"),
        *("limit_offset", "trail_stop_price", "tif", "parent_client_order_id", "account", "con_id"),
    )
    first = ("created_at",)
    rules: ClassVar[dict[str, str]] = {
        # An order that is known from executions only has at least the quantity that they filled.
        "qty": "CASE WHEN excluded.order_type = '' THEN greatest(orders.qty, excluded.qty) "
        "ELSE coalesce(nullif(excluded.qty, 0), orders.qty) END"
    }

    client_order_id: str
    order_id: int
    perm_id: int
    symbol: str
    role: str
    side: str
    order_type: str
    status: str
    qty: float
    filled: float
    avg_price: float
    stop_price: float | None
    limit_price: float | None
    trailing_pct: float | None
    limit_offset: float | None
    trail_stop_price: float | None
    level_estimated: bool
    tif: str
    parent_id: int
    parent_client_order_id: str
    oca_group: str
    oca_type: int
    account: str
    why_held: str
    reason: str
    created_at: Timestamp
    updated_at: Timestamp
    cause: str
    con_id: int = 0


class OrdersUnknown(TableRow, frozen=True, kw_only=True):
    """The gateway has lost its ledger: until it reports an order again, nobody knows its status."""

    table = "orders"
    key_column = "live"
    statement = (
        "UPDATE orders SET status = 'Unknown', reason = 'ledger_lost' FROM "
        '(SELECT unnest(from_json_strict(?, \'[{"live": ["VARCHAR"]}]\')) AS r) lost '
        "WHERE list_contains(lost.r.live, orders.status)"
    )

    live: tuple[str, ...]


class FillRow(TableRow, frozen=True, kw_only=True):
    """An execution. A correction (the same base id, a higher number after the last period) replaces it."""

    table = "fills"
    key_column = "exec_key"
    rising = "revision"
    lasting = ("con_id",)
    first = ("realized_pnl", "own")

    exec_key: str
    revision: int
    exec_id: str
    client_order_id: str
    order_id: int
    perm_id: int
    symbol: str
    role: str
    side: str
    qty: float
    price: float
    cum_qty: float
    avg_price: float
    account: str
    ts: Timestamp
    realized_pnl: float
    seq: int
    cause: str
    con_id: int = 0
    witness: str = "execution"
    own: float | None = None

    @property
    def key(self) -> str:
        """The full id: the table decides which revision is valid, not the order of arrival."""
        return self.exec_id


class ReplacedFill(TableRow, frozen=True, kw_only=True):
    """A synthetic fill whose true execution was reported, under an id of its own."""

    table = "fills"
    key_column = "exec_id"
    statement = (
        "DELETE FROM fills WHERE exec_id IN "
        '(SELECT r.exec_id FROM (SELECT unnest(from_json_strict(?, \'[{"exec_id": "VARCHAR"}]\')) AS r))'
    )

    exec_id: str


class Commission(TableRow, frozen=True, kw_only=True):
    """The commission of an execution, which is reported later. Of a corrected one: the newest report."""

    table = "fills"
    key_column = "exec_key"
    rising = "commission_revision"
    fresh = ("exec_id", "revision")

    exec_key: str
    exec_id: str
    revision: int = 0
    commission_revision: int
    commission: float
    currency: str
    commission_usd: float | None
    broker_realized_pnl: float | None

    @property
    def key(self) -> str:
        """The full id, as for the fill."""
        return self.exec_id


class EventRow(TableRow, frozen=True, kw_only=True):
    """An event. `event_id` is its row in the sender's outbox, `epoch` that of the sender's ledger."""

    table = "events"
    key_column = "event_id"
    final = True

    event_id: str
    event_type: str
    symbol: str | None
    level: str
    payload_json: dict[str, Any]
    ts: Timestamp
    sender: str
    run: int
    seq: int
    cause: str
    epoch: int = 0


class SessionRow(TableRow, frozen=True, kw_only=True):
    """A session with its phase: 'awaited', 'open', 'closing' (no more entries) or 'closed'."""

    table = "sessions"
    key_column = "date"

    date: str
    open_ts: Timestamp
    close_ts: Timestamp
    early: bool
    phase: str
    next_open_ts: Timestamp


class PerformanceRow(TableRow, frozen=True, kw_only=True):
    """The figures of the close of a session."""

    table = "performance_snapshots"
    key_column = "date"

    date: str
    account_value: float
    cash_value: float
    position_value: float
    unrealized_pnl: float
    realized_pnl: float
    daily_pnl: float
    num_positions: int
    num_trades: int
    base_usd: float


class AccountRow(TableRow, frozen=True, kw_only=True):
    """The account's newest values, USD."""

    table = "account"
    key_column = "account"

    account: str
    net_liquidation: float
    total_cash: float
    settled_cash: float
    buying_power: float
    ts: Timestamp


class PositionRow(TableRow, frozen=True, kw_only=True):
    """The account's position in one symbol, and how much of it is the bot's own."""

    table = "positions"
    key_column = "symbol"

    symbol: str
    account_qty: float
    avg_cost: float
    own: float
    ts: Timestamp


class ProtectionRow(TableRow, frozen=True, kw_only=True):
    """Whole own shares of a symbol, and how many of them a stop at the broker protects from this time on."""

    table = "protection"
    key_column = "event_id"
    final = True

    event_id: str
    symbol: str
    ts: Timestamp
    shares: float
    protected: float
    seq: int
    epoch: int = 0


class MarketNow(TableRow, frozen=True, kw_only=True):
    """Market time of the newest commit: the meaning of `datetime('now')`."""

    table = "market_clock"
    key_column = "clock"
    rising = "market_ts"

    clock: str = "market"
    market_ts: Timestamp


RECORDS: tuple[type[TableRow], ...] = (
    StateRow,
    LastParent,
    LastTrail,
    OrdersUnknown,
    OrderRow,
    FillRow,
    ReplacedFill,
    Commission,
    EventRow,
    SessionRow,
    PerformanceRow,
    AccountRow,
    PositionRow,
    ProtectionRow,
    MarketNow,
)
