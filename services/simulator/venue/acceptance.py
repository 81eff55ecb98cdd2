"""Which orders the broker refuses on entry, and with which error.

Pure: it checks a ticket, the order that it changes, and its parent. Codes and texts are IBKR's. A refused ticket makes
no order and no status, only an error. Real gateways do the same for these codes, so a client has to watch the errors.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from services.configuration.broker_policy import ChildChange, Policy
from services.simulator.venue.orders import Order, Ticket
from services.simulator.venue.price_grid import GRIDS, on_grid
from services.simulator.venue.triggers import LIMITED, STOPS, TRAILING
from services.trading.prices import Grid
from services.trading.shares import exact

__all__ = ["error_for", "not_cancellable"]

ORDER_TYPES = STOPS | {"MKT", "LMT"}
TIMES_IN_FORCE = frozenset({"DAY", "GTC", "IOC", "GTD", "FOK"})
TRIGGER_METHODS = frozenset({0, 1, 2, 3, 4, 7, 8})
"""See `triggers.py`."""

Error = tuple[int, str]

_FILLED: Error = (104, "Cannot modify a filled order.")


def not_cancellable(perm_id: int) -> Error:
    """The answer to a cancel of an order that is done or not transmitted."""
    return 161, f"Cancel attempted when order is not in a cancellable state.  Order permId ={perm_id}"


def error_for(
    ticket: Ticket,
    known: Order | None,
    parent: Order | None,
    *,
    accounts: Sequence[str],
    symbols: Collection[str],
    policy: Policy,
    highest_id: int,
    now_ns: int,
) -> Error | None:
    """The error for a ticket that is refused, None for one that is accepted.

    `known` is the order of the same client and id, if there is one (a modification); `parent` is the order of its
    `parent_id`; `highest_id` is the highest order id that was accepted from this client.
    """
    if policy.order_ids_must_rise and not ticket.what_if:
        if not ticket.order_id:
            return 10149, "Invalid order id: 0"
        if known is None and ticket.order_id < highest_id:
            return 103, "Duplicate order id"
    return _invalid(ticket, known, accounts, symbols, policy) or (
        _unmodifiable(ticket, known, policy, now_ns) if known is not None else _unattachable(ticket, parent, policy)
    )


def _invalid(
    ticket: Ticket, known: Order | None, accounts: Sequence[str], symbols: Collection[str], policy: Policy
) -> Error | None:
    if ticket.symbol not in symbols:
        return 200, "No security definition has been found for the request"
    if not ticket.account and len(accounts) > 1:
        return 435, "You must specify an account."
    if ticket.account and ticket.account not in accounts:
        return _validation(ticket, f"Invalid account code '{ticket.account}'.")
    if ticket.order_type not in ORDER_TYPES:
        return _validation(ticket, "Invalid order type was entered.")
    if ticket.quantity <= 0:
        return 434, "The order size cannot be zero."
    if ticket.quantity != int(ticket.quantity) and (error := _fractional(ticket, known, policy)):
        return error
    if ticket.tif not in TIMES_IN_FORCE:
        return 10052, f"Invalid time in force:{ticket.tif}"
    if ticket.tif == "GTD" and ticket.good_till_ns is None:
        return _validation(ticket, "Missing good till date.")
    if ticket.trigger_method not in TRIGGER_METHODS:
        return _validation(ticket, f"Trigger method {ticket.trigger_method} does not exist.")
    return _ill_priced(ticket, GRIDS[policy.price_grid])


def _fractional(ticket: Ticket, known: Order | None, policy: Policy) -> Error | None:
    """Fractions of a share need the policy's switch; four digits at most; never in a trailing order."""
    if not policy.fractional_shares or ticket.order_type in TRAILING:
        word = "placed" if known is None else "modified"
        return (10243 if known is None else 10242), f"Fractional-sized order cannot be {word} via API."
    if ticket.quantity != exact(ticket.quantity):
        return _validation(ticket, "The order size has more than four decimals.")
    return None


def _ill_priced(ticket: Ticket, grid: Grid) -> Error | None:
    kind = ticket.order_type
    if kind in ("LMT", "STP LMT") and ticket.limit_price is None:
        return _validation(ticket, "Missing limit price.")
    if kind in ("STP", "STP LMT") and ticket.stop_price is None:
        return _validation(ticket, "Missing stop price.")
    if kind in TRAILING and (ticket.trailing_amount is None) == (ticket.trailing_pct is None):
        return _validation(ticket, "A trailing order has either an amount or a percentage.")
    if kind == "TRAIL LIMIT" and ticket.limit_offset is None and None in (ticket.limit_price, ticket.trail_stop_price):
        return _validation(ticket, "Missing limit offset.")
    if ticket.adjusted_order_type and (error := _ill_adjusted(ticket)):
        return error
    priced = [ticket.limit_price if kind in LIMITED else None, ticket.stop_price if kind in STOPS else None]
    priced += [ticket.adjusted_stop_price, ticket.adjusted_limit_price] if ticket.adjusted_order_type else []
    for price in priced:
        if price is not None and price <= 0:
            return _validation(ticket, "A price must be positive.")
        if price is not None and not on_grid(price, grid):
            return 110, "The price does not conform to the minimum price variation for this contract."
    return None


def _ill_adjusted(ticket: Ticket) -> Error | None:
    """An adjustable stop needs the price at which it changes and the prices of its new type."""
    kind = ticket.adjusted_order_type
    if ticket.order_type not in STOPS or kind not in STOPS:
        return _validation(ticket, "Only stops can be adjusted, and only to stops.")
    if ticket.adjusts_at is None or ticket.adjusted_stop_price is None:
        return _validation(ticket, "Missing trigger price or adjusted stop price.")
    if kind == "STP LMT" and ticket.adjusted_limit_price is None:
        return _validation(ticket, "Missing adjusted stop limit price.")
    if kind in TRAILING and (ticket.adjusted_trailing_amount is None) == (ticket.adjusted_trailing_pct is None):
        return _validation(ticket, "Missing adjusted trailing amount.")
    if kind == "TRAIL LIMIT" and ticket.limit_offset is None:
        return _validation(ticket, "Missing limit offset.")
    return None


def _unmodifiable(ticket: Ticket, known: Order, policy: Policy, now_ns: int) -> Error | None:
    if known.status == "Filled":
        return _FILLED
    if known.done:
        cancelled = known.status == "Cancelled" and policy.cancelled_id_is_a_change
        return _FILLED if cancelled else (103, "Duplicate order id")
    before = known.ticket
    attached_as_before = ticket.parent_id == before.parent_id or (not ticket.parent_id and not known.waits_for_parent)
    same = (ticket.symbol, ticket.side) == (before.symbol, before.side) and ticket.account in ("", before.account)
    if not same or not attached_as_before:
        return 105, "Order being modified does not match original order."
    if ticket.order_type not in (before.order_type, "MKT"):
        return 329, "Order modify failed. Cannot change to the new order type."
    if known.untransmitted:
        return None
    if policy.modify_refused_while_new and known.live_from_ns == now_ns:
        return 2102, "Unable to modify this order as it is still being processed."
    if ticket.quantity < known.filled:
        return _validation(ticket, "The quantity is less than what is filled.")
    if ticket.tif != before.tif and not policy.tif_may_change:
        return 462, f"Order modify failed. Cannot change to the new Time in Force.{ticket.tif}"
    return _regrouped(ticket, known, policy.child_change)


def _regrouped(ticket: Ticket, known: Order, allowed: ChildChange) -> Error | None:
    """A change may not move an order to another OCA group. One of an attached order may leave the group out."""
    attached = bool(known.parent_perm_id)
    if attached and allowed is ChildChange.LEFT_OUT and not ticket.oca_group:
        return None
    if ticket.oca_group != known.oca_group or (attached and allowed is ChildChange.NONE):
        return 10326, "OCA group revision is not allowed."
    if known.oca_group and ticket.oca_type != known.oca_type:
        return 10327, "OCA group type revision is not allowed."
    return None


def _unattachable(ticket: Ticket, parent: Order | None, policy: Policy) -> Error | None:
    if not ticket.parent_id:
        return None
    if parent is None or parent.done:
        return 135, f"Can't find order with ID ={ticket.parent_id}"
    if ticket.account not in ("", parent.ticket.account):
        return _validation(ticket, "An attached order has its parent's account.")
    if (
        policy.trail_child_needs_limit_parent
        and ticket.order_type in TRAILING
        and parent.ticket.order_type not in ("LMT", "STP LMT")
        and not (policy.trail_child_on_stop_parent and parent.ticket.order_type == "STP")
    ):
        return 328, "Trailing stop orders can be attached to limit or stop-limit orders only."
    return None


def _validation(ticket: Ticket, cause: str) -> Error:
    return 321, f"Error validating request.-'bU' : cause - {cause}"
