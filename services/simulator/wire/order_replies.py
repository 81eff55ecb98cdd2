"""Replies about orders: openOrder, orderStatus, completedOrder, execDetails, commissionReport.

The fields of the long ones are as recorded from real gateways, in the order of the wire. Fields that this exchange
doesn't use have the value that real gateways send for a plain stock order.
"""

from __future__ import annotations

from services.configuration.broker_policy import ExecutionTimeForm
from services.simulator.venue.instruments import InstrumentTerms
from services.simulator.venue.orders import Execution, Order
from services.simulator.venue.reports import CommissionReport
from services.simulator.wire.contracts import PRIMARY_EXCHANGE, contract_fields
from services.simulator.wire.fields import UNSET_FLOAT, UNSET_INT, Field, date_time, execution_time, message, quantity

__all__ = ["commission_report", "completed_order", "execution_details", "open_order", "order_status"]

_NO_PARENT = 9223372036854775807
_SHAREHOLDER = "Not an insider or substantial shareholder"


def order_status(order: Order) -> bytes:
    """Status, filled and remaining shares of an order."""
    ticket = order.ticket
    return message(
        3,
        ticket.order_id,
        order.status,
        quantity(order.filled),
        quantity(order.remaining),
        order.avg_price,
        order.perm_id,
        ticket.parent_id,
        order.last_fill_price,
        ticket.client_id,
        order.why_held,
        0.0,  # market cap price
    )


def execution_details(
    execution: Execution,
    held: InstrumentTerms,
    version: int,
    *,
    request_id: int = -1,
    time_form: ExecutionTimeForm = ExecutionTimeForm.EASTERN,
) -> bytes:
    """One execution; `request_id` -1 for a new one, else that of the request."""
    fields: list[Field] = [11, request_id, execution.order_id]
    fields += contract_fields(held, exchange=PRIMARY_EXCHANGE)
    fields += [execution.exec_id, execution_time(execution.time_ns, version, time_form)]
    fields += [execution.account, PRIMARY_EXCHANGE]
    fields += ["BOT" if execution.side == "BUY" else "SLD", quantity(execution.quantity), execution.price]
    fields += [execution.perm_id, execution.client_id, 0]
    fields += [quantity(execution.cum_quantity), execution.avg_price, execution.order_ref]
    fields += ["", "", "", 2]  # economic value rule, its multiplier, model, liquidity (2: it took some)
    if version >= 178:
        fields += [False]  # the price won't be revised
    return message(*fields)


def commission_report(report: CommissionReport) -> bytes:
    """The commission of an execution and, if it closed shares, its realized profit."""
    earned = UNSET_FLOAT if report.realized_pnl is None else report.realized_pnl
    return message(59, 1, report.exec_id, report.commission, report.currency, earned, UNSET_FLOAT, "")


def open_order(order: Order, held: InstrumentTerms, version: int) -> bytes:
    """An open order with all its fields."""
    ticket = order.ticket
    fields: list[Field] = [5, ticket.order_id, *contract_fields(held, order=True)]
    fields += _instruction(order, ticket.quantity)
    fields += ["", 0, ticket.order_ref, ticket.client_id, order.perm_id, ticket.outside_rth, False, 0.0, ""]
    fields += [f"{order.perm_id}.0/{ticket.account}/{quantity(ticket.quantity)}"]
    fields += _advisor(version)
    fields += ["", _good_till(order), "", "", "", 0, "", -1]  # model code … exempt code
    fields += [0, "", "", "", "", "", UNSET_INT]  # auction strategy … display size
    fields += [False, False, False, "", order.oca_type, False, False, ""]  # block order … price cap
    fields += [
        ticket.parent_id,
        ticket.trigger_method,
        "",
        0,
        "None",
        "",
        0,
        "",
        "",
        "",
        "?",
        0,
        0,
        "",
    ]  # … delta neutral
    fields += [False, "", _trail_stop(order), ticket.trailing_pct, "", "", "", 0, 0, 0]  # … legs, routing parameters
    fields += [UNSET_INT, UNSET_INT, "", "", False, "", "IB", False, 0, "", False, ticket.what_if]  # scale … what if
    fields += [order.status, *_margins(order)]
    fields += [*_commission(order), ""]  # … warning text
    fields += [False, False, 0]  # randomize size and price, conditions
    fields += _adjusted(order)
    fields += ["", "", "", "0", True, False, False, False]  # soft dollar tier, cash quantity … price management
    if version >= 159:
        fields += [UNSET_INT]  # duration
    if version >= 160:
        fields += [UNSET_INT]  # post to ATS
    if version >= 162:
        fields += [False]  # cancel the parent too
    if version >= 170:
        fields += _pegged()
    return message(*fields)


def completed_order(order: Order, held: InstrumentTerms, version: int) -> bytes:
    """An order that is done. It has no order id and no client: its key is the permanent id."""
    ticket = order.ticket
    fields: list[Field] = [101, *contract_fields(held, order=True)]
    # A filled order has no quantity here, and the filled quantity further on: seen in recorded frames.
    fields += _instruction(order, 0.0 if order.status == "Filled" else ticket.quantity)
    fields += ["", 0, ticket.order_ref, order.perm_id, ticket.outside_rth, False, 0.0, ""]
    fields += _advisor(version)
    fields += ["", _good_till(order), "", "", "", 0, "", -1]  # model code … exempt code
    fields += ["", "", "", "", "", UNSET_INT, False, False, ""]  # starting price … smallest quantity
    fields += [order.oca_type, ticket.trigger_method, "", 0, "None", "", 0, 0, 0, ""]  # … delta neutral
    fields += [False, "", _trail_stop(order), ticket.trailing_pct, "", 0, 0, 0]  # … legs, routing parameters
    fields += [UNSET_INT, UNSET_INT, "", "", "", "IB", False, 0, "", False]  # scale … solicited
    fields += [order.status, False, False, 0]  # randomize size and price, conditions
    fields += [_trail_stop(order), _offset(order), "0", True, False, ""]  # … automatic cancel date
    # … reference of a future, cancel the parent too, shareholder, imbalance only, route marketable to BBO
    fields += [quantity(order.filled), UNSET_INT, False, _SHAREHOLDER, False, False]
    fields += [order.parent_perm_id or _NO_PARENT, date_time(order.completed_ns), order.completed_status]
    if version >= 170:
        fields += _pegged()
    return message(*fields)


def _instruction(order: Order, shares: float) -> list[Field]:
    """Side to account. Prices that the type doesn't use are 0.0."""
    ticket = order.ticket
    limit = ticket.limit_price if order.limit_price is None else order.limit_price
    return [
        ticket.side,
        quantity(shares),
        ticket.order_type,
        limit or 0.0,
        ticket.stop_price or ticket.trailing_amount or 0.0,
        ticket.tif,
        order.oca_group,
        ticket.account,
    ]


def _advisor(version: int) -> list[Field]:
    """Group, method, percentage; the profile until version 177."""
    return [""] * (3 if version >= 177 else 4)


def _pegged() -> list[Field]:
    """Smallest quantity, smallest competing size, its offset, offsets to the midpoint."""
    return ["", "100", "0.02", "", ""]


def _trail_stop(order: Order) -> Field:
    """The current level. A message has it twice, and clients keep the second: both must be right.

    Orders that don't trail have one too, as recorded: a stop its own price, a limit order a dollar beyond its limit.
    """
    ticket = order.ticket
    if ticket.order_type == "LMT" and order.limit_price is not None:
        return round(order.limit_price + (1.0 if ticket.side == "BUY" else -1.0), 4)
    return ticket.stop_price if order.trail_stop_price is None else order.trail_stop_price


def _adjusted(order: Order) -> list[Field]:
    """An adjustable stop: the type it becomes, at which price, and with which prices."""
    ticket = order.ticket
    unit = 100 if ticket.adjusted_trailing_pct is not None else 0
    trail = ticket.adjusted_trailing_amount if ticket.adjusted_trailing_pct is None else ticket.adjusted_trailing_pct
    return [
        ticket.adjusted_order_type or "None",
        _unset(ticket.adjusts_at),
        _trail_stop(order),
        _unset(ticket.limit_offset),
        _unset(ticket.adjusted_stop_price),
        _unset(ticket.adjusted_limit_price),
        _unset(trail),
        unit,
    ]


def _unset(price: float | None) -> Field:
    return UNSET_FLOAT if price is None else price


def _offset(order: Order) -> Field:
    return _unset(order.ticket.limit_offset)


def _good_till(order: Order) -> str:
    return "" if order.ticket.good_till_ns is None else date_time(order.ticket.good_till_ns)


def _margins(order: Order) -> list[Field]:
    """Initial margin, maintenance margin and equity: before, change, after. Only a what-if has them."""
    margin = order.margin
    if margin is None:
        return [UNSET_FLOAT] * 9
    before = (margin.initial_before, margin.maintenance_before, margin.equity_before)
    after = (margin.initial_after, margin.maintenance_after, margin.equity_after)
    changes = [round(late - early, 2) for early, late in zip(before, after, strict=True)]
    return [*before, *changes, *after]


def _commission(order: Order) -> list[Field]:
    """Commission, its bounds, its currency: set once the order is filled."""
    if order.margin is not None:
        return [order.margin.commission, UNSET_FLOAT, UNSET_FLOAT, "USD"]
    if order.status == "Filled" and order.commission:
        return [order.commission, UNSET_FLOAT, UNSET_FLOAT, "USD"]
    return [UNSET_FLOAT, UNSET_FLOAT, UNSET_FLOAT, ""]
