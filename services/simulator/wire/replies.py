"""Replies, except about orders: one function per message, each returns one frame.

Old clients dispatch simple messages by their exact field count, so none may have an extra field.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.configuration.broker_policy import OrderPriceGrid
from services.simulator.venue.instruments import InstrumentTerms
from services.simulator.venue.price_grid import GRIDS
from services.simulator.venue.reports import PositionReport
from services.simulator.wire.contracts import EXCHANGES, PRIMARY_EXCHANGE, contract_fields
from services.simulator.wire.fields import Field, date_time, message, quantity
from services.trading.prices import increment

__all__ = [
    "MARKET_RULES",
    "account_download_end",
    "account_summary",
    "account_summary_end",
    "account_time",
    "account_update_multi",
    "account_update_multi_end",
    "account_value",
    "completed_orders_end",
    "contract_details",
    "contract_details_end",
    "current_time",
    "error",
    "executions_end",
    "greeting",
    "managed_accounts",
    "market_data_type",
    "market_rule",
    "next_valid_id",
    "open_orders_end",
    "order_bound",
    "portfolio_value",
    "position",
    "position_multi",
    "position_multi_end",
    "positions_end",
    "profit",
    "profit_single",
    "snapshot_end",
    "symbol_samples",
]

MARKET_RULES = {26: OrderPriceGrid.CENT, 612: OrderPriceGrid.HALF_CENT, 613: OrderPriceGrid.NICKEL}
"""The price grids by the numbers of their market rules. 26 is that of US stocks; the other numbers are made up."""

_RULE_OF = {grid: number for number, grid in MARKET_RULES.items()}
_ORDER_TYPES = "ACTIVETIM,DAY,GTC,GTD,IOC,LMT,MKT,OCA,STP,STPLMT,TRAIL,TRAILLMT,WHATIF"


def greeting(version: int, now_ns: int) -> bytes:
    """The answer to the client's greeting: the version, and the gateway's time."""
    return message(version, date_time(now_ns))


def managed_accounts(accounts: Sequence[str]) -> bytes:
    """The accounts of the login."""
    return message(15, 1, ",".join(accounts))


def next_valid_id(order_id: int) -> bytes:
    """The lowest order id that the client may use next."""
    return message(9, 1, order_id)


def current_time(now_ns: int) -> bytes:
    """The gateway's time, in seconds."""
    return message(49, 1, now_ns // 1_000_000_000)


def error(request_id: int, code: int, text: str, version: int) -> bytes:
    """An error, a warning or a notice; id -1 means no request. The last field, since version 166, is JSON or empty."""
    return message(4, 2, request_id, code, text, *([""] if version >= 166 else []))


def account_value(key: str, value: Field, currency: str, account: str) -> bytes:
    """One account value."""
    return message(6, 2, key, value, currency, account)


def account_time(now_ns: int) -> bytes:
    """When the account values were taken: hour and minute."""
    return message(8, 1, date_time(now_ns)[9:14])


def account_download_end(account: str) -> bytes:
    """The account is complete."""
    return message(54, 1, account)


def account_update_multi(request_id: int, key: str, value: Field, currency: str, account: str) -> bytes:
    """One account value under a request id."""
    return message(73, 1, request_id, account, "", key, value, currency)


def account_update_multi_end(request_id: int) -> bytes:
    """These account values are complete."""
    return message(74, 1, request_id)


def account_summary(request_id: int, key: str, value: Field, currency: str, account: str) -> bytes:
    """One of the values that the client named."""
    return message(63, 1, request_id, account, key, value, currency)


def account_summary_end(request_id: int) -> bytes:
    """The summary is complete."""
    return message(64, 1, request_id)


def portfolio_value(held: PositionReport, contract: InstrumentTerms) -> bytes:
    """A position with its value and profit."""
    return message(
        7,
        8,
        *contract_fields(contract, exchange=PRIMARY_EXCHANGE),
        quantity(held.quantity),
        held.market_price,
        held.quantity * held.market_price,
        held.avg_cost,
        held.quantity * (held.market_price - held.avg_cost),
        held.realized_pnl,
        held.account,
    )


def position(held: PositionReport, contract: InstrumentTerms) -> bytes:
    """A position, signed."""
    fields = contract_fields(contract, exchange=PRIMARY_EXCHANGE)
    return message(61, 3, held.account, *fields, quantity(held.quantity), held.avg_cost)


def positions_end() -> bytes:
    """All positions were sent."""
    return message(62, 1)


def position_multi(request_id: int, held: PositionReport, contract: InstrumentTerms) -> bytes:
    """A position under a request id; models are not known here."""
    fields = contract_fields(contract, exchange=PRIMARY_EXCHANGE)
    return message(71, 3, request_id, held.account, *fields, quantity(held.quantity), held.avg_cost, "")


def position_multi_end(request_id: int) -> bytes:
    """All of these positions were sent."""
    return message(72, 1, request_id)


def profit(request_id: int, daily: float, unrealized: float, realized: float) -> bytes:
    """The profit of an account: of the day, unrealized, realized."""
    return message(94, request_id, daily, unrealized, realized)


def profit_single(
    request_id: int, shares: float, daily: float, unrealized: float, realized: float, value: float
) -> bytes:
    """The profit of one position, and what it is worth."""
    return message(95, request_id, quantity(shares), daily, unrealized, realized, value)


def order_bound(perm_id: int, client_id: int, order_id: int) -> bytes:
    """A manual order is bound to a client."""
    return message(100, perm_id, client_id, order_id)


def open_orders_end() -> bytes:
    """All open orders were sent."""
    return message(53, 1)


def completed_orders_end() -> bytes:
    """All completed orders were sent."""
    return message(102)


def executions_end(request_id: int) -> bytes:
    """All executions were sent."""
    return message(55, 1, request_id)


def market_data_type(request_id: int, kind: int) -> bytes:
    """What kind of data follows: 1 is live."""
    return message(58, 1, request_id, kind)


def snapshot_end(request_id: int) -> bytes:
    """A snapshot is complete."""
    return message(57, 1, request_id)


def contract_details(
    request_id: int,
    held: InstrumentTerms,
    version: int,
    *,
    trading_hours: str = "",
    liquid_hours: str = "",
    grid: OrderPriceGrid = OrderPriceGrid.CENT,
) -> bytes:
    """The details of a contract. The hours are from `trading_hours.py`, in the zone of the field before them."""
    min_tick = increment(1.0, GRIDS[grid])
    fields: list[Field] = [10, 8] if version < 164 else [10]
    fields += [
        request_id,
        held.ticker,
        held.sec_type,
        held.expiry,
        str(held.strike) if held.strike else "0",
        held.right,
        "SMART",
        held.currency,
        held.ticker,
        "NMS",
        "NMS",
        held.con_id,
        min_tick,
    ]
    if version < 164:
        fields += [100]  # size multiplier of market data
    fields += [held.multiplier, _ORDER_TYPES, ",".join(EXCHANGES), 1, 0, held.ticker, held.exchange, "", "", "", ""]
    fields += [
        "US/Eastern",
        trading_hours,
        liquid_hours,
        "",
        "0",
        0,
        1,
        "",
        "",
        ",".join([str(_RULE_OF[grid])] * len(EXCHANGES)),
        "",
        "COMMON",
    ]
    if version >= 164:
        fields += ["1", "1"]  # smallest size, size increment
    if version >= 163:
        fields += ["100"]  # suggested size increment
    return message(*fields)


def contract_details_end(request_id: int) -> bytes:
    """All contracts were sent."""
    return message(52, 1, request_id)


def symbol_samples(request_id: int, found: Sequence[InstrumentTerms], version: int) -> bytes:
    """The stocks that match a search."""
    fields: list[Field] = [79, request_id, len(found)]
    for each in found:
        fields += [each.con_id, each.ticker, "STK", each.exchange, each.currency, 0]
        if version >= 176:
            fields += [each.ticker, ""]
    return message(*fields)


def market_rule(rule_id: int) -> bytes:
    """The price steps of a rule, each from a price on."""
    steps = GRIDS[MARKET_RULES[rule_id]]
    fields: list[Field] = [93, rule_id, len(steps)]
    for low_edge, step in steps:
        fields += [low_edge, step]
    return message(*fields)
