"""Request 3, placeOrder: some 110 fields, of which a stock order uses twenty.

They are read in the order of the wire. A feature that the exchange doesn't simulate is not dropped silently: its name
goes into `unsupported`, and the order is refused.
"""

from __future__ import annotations

import math

import msgspec

from services.simulator.venue.orders import Side, Ticket
from services.simulator.wire.contracts import Contract, read_contract
from services.simulator.wire.fields import FieldError, FieldReader, nanoseconds

__all__ = ["PlaceOrderRequest", "read_place_order"]

_CONDITION_FIELDS = {1: 6, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5}
"""Fields after the type of a condition: price, time, margin, execution, volume, percent change."""


class PlaceOrderRequest(msgspec.Struct, frozen=True):
    """A new or changed order. `ticket.symbol` is as the client sent it; the contract decides.

    `preset`: it has no time in force, so the ticket has the broker's default.
    """

    contract: Contract
    ticket: Ticket
    unsupported: tuple[str, ...] = ()
    preset: bool = False


def read_place_order(fields: FieldReader, version: int, client_id: int) -> PlaceOrderRequest:
    """The request, all fields after its id."""
    unsupported: list[str] = []

    def unless(plain: bool, feature: str) -> None:
        if not plain:
            unsupported.append(feature)

    order_id = fields.identity()
    contract = read_contract(fields)
    fields.skip(2)  # security id type, security id

    side, shares, order_type = _side(fields.text()), fields.number() or 0.0, fields.text().upper()
    limit_price, aux_price = fields.number(), fields.number()
    tif, oca_group, account = fields.text(), fields.text(), fields.text()
    fields.skip(2)  # open or close, origin
    order_ref, transmit, parent_id = fields.text(), fields.flag(default=True), fields.integer()
    fields.skip(3)  # block order, sweep to fill, display size
    trigger_method, outside_rth = fields.integer(), fields.flag()
    fields.skip()  # hidden

    if contract.security_type == "BAG":
        unsupported.append("a combination")
        for _ in range(fields.count()):
            fields.skip(8)
        fields.skip(fields.count())
        fields.skip(2 * fields.count())

    fields.skip(2)  # shares allocation, discretionary amount
    unless(not fields.text(), "goodAfterTime")
    good_till_ns = nanoseconds(fields.text())
    fields.skip(4 if version < 177 else 3)  # advisor group, method, percentage; profile until 177
    fields.skip(4)  # model code, short sale slot, designated location, exempt code
    oca_type = fields.integer()
    fields.skip(2)  # rule 80A, settling firm
    unless(not fields.flag(), "allOrNone")
    unless(not fields.integer(), "minQty")
    fields.skip(10)  # percent offset … stock range, of orders that are not simulated
    fields.skip(3)  # override percentage constraints, volatility and its type
    delta_neutral = fields.text()
    unless(delta_neutral in ("", "None"), "delta neutral")  # the gateway reports "None", and clients send it back
    fields.skip(9 if delta_neutral else 1)

    fields.skip(2)  # continuous update, reference price type
    trail_stop_price, trailing_pct = fields.number(), fields.number()
    fields.skip(2)  # scale sizes
    if (fields.number() or 0.0) > 0.0:
        unsupported.append("a scale order")
        fields.skip(7)
    fields.skip(3)  # scale table, active start and stop
    if fields.text():
        unsupported.append("a hedge")
        fields.skip()
    fields.skip(4)  # smart routing, clearing account and intent, not held
    if fields.flag():
        unsupported.append("delta neutral")
        fields.skip(3)
    if fields.text():
        unsupported.append("an algorithm")
        fields.skip(2 * fields.count())
    fields.skip()  # algorithm id
    what_if = fields.flag()
    fields.skip(4)  # options, solicited, randomized size and price
    if order_type == "PEG BENCH":
        fields.skip(5)
    if conditions := fields.count():
        unsupported.append("conditions")
        for _ in range(conditions):
            fields.skip(_condition(fields.integer()))
        fields.skip(2)

    adjusted_type = fields.text().upper().replace("NONE", "")
    adjusts_at, limit_offset = fields.number(), fields.number()
    adjusted_stop, adjusted_limit, adjusted_trail = fields.number(), fields.number(), fields.number()
    in_percent = fields.integer() == 100
    fields.skip(3)  # operator, soft dollar tier
    unless(not fields.number(), "cashQty")
    fields.skip(8)  # MiFID, hedging price, OMS container, discretion, price management
    # One field came with each of the versions 158 (duration), 160, 162, 166 and 169 (manual order time).
    fields.skip(sum(version >= since for since in (158, 160, 162, 166, 169)))
    if version >= 170:
        _skip_pegged(fields, contract.exchange, order_type)

    trailing = order_type.startswith("TRAIL")
    has_limit = order_type in ("LMT", "STP LMT") or (order_type == "TRAIL LIMIT" and bool(limit_price))
    ticket = Ticket(
        client_id=client_id,
        order_id=order_id,
        account=account,
        symbol=contract.symbol,
        side=side,
        quantity=shares,
        order_type=order_type,
        limit_price=limit_price if has_limit else None,
        stop_price=aux_price if order_type in ("STP", "STP LMT") else None,
        # The gateway reports an unset price as 0.0, and clients send it back.
        trailing_amount=(aux_price or None) if trailing else None,
        trailing_pct=(trailing_pct or None) if trailing else None,
        trail_stop_price=(trail_stop_price or None) if trailing else None,
        limit_offset=limit_offset if order_type == "TRAIL LIMIT" else None,
        tif=tif or "DAY",
        good_till_ns=good_till_ns,
        outside_rth=outside_rth,
        trigger_method=trigger_method,
        parent_id=parent_id,
        transmit=transmit,
        oca_group=oca_group,
        oca_type=oca_type,
        order_ref=order_ref,
        what_if=what_if,
        adjusted_order_type=adjusted_type,
        adjusts_at=adjusts_at if adjusted_type else None,
        adjusted_stop_price=adjusted_stop if adjusted_type else None,
        adjusted_limit_price=(adjusted_limit or None) if adjusted_type == "STP LMT" else None,
        adjusted_trailing_amount=(adjusted_trail or None)
        if adjusted_type.startswith("TRAIL") and not in_percent
        else None,
        adjusted_trailing_pct=(adjusted_trail or None) if adjusted_type.startswith("TRAIL") and in_percent else None,
    )
    return PlaceOrderRequest(contract, ticket, tuple(unsupported), preset=not tif)


def _side(text: str) -> Side:
    if text == "BUY" or text == "SELL":
        return "BUY" if text == "BUY" else "SELL"
    raise FieldError(f"the action is {text!r}")


def _condition(kind: int) -> int:
    if kind not in _CONDITION_FIELDS:
        raise FieldError(f"a condition of the type {kind}")
    return _CONDITION_FIELDS[kind]


def _skip_pegged(fields: FieldReader, exchange: str, order_type: str) -> None:
    """The fields of pegged orders, which the exchange refuses by their type."""
    if exchange == "IBKRATS":
        fields.skip()
    if order_type == "PEG BEST":
        fields.skip()
        if fields.number_or_infinite() == math.inf:
            fields.skip(2)
    elif order_type == "PEG MID":
        fields.skip(2)
