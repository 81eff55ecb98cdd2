"""Which orders and executions at the broker are this fleet's. Pure.

A reference names its fleet, so it decides by itself. A reference of an earlier release (`CT-…`) does not, and two
fleets on one account can have the same: then it is ours if it has the permId of an own order in our ledger, or if it
was placed under our client id. Anything else is foreign: counted as exposure, and never changed.

The same holds for references that name another fleet. They are in our ledger if the fleet was renamed and its records
were moved with it.
"""

from __future__ import annotations

from functools import partial

from messages.broker import BrokerExecution, BrokerOrder
from messages.orders import OrderRecord
from services.gateway.book.identity import doubles_of
from services.gateway.book.records import Book
from services.runtime.core import Draft
from services.trading.ids import is_old_reference, is_reference_of, parse_reference

__all__ = ["is_ours"]

UNKNOWN_CLIENT = 0
"""The broker does not report who placed a completed order."""


def is_ours(d: Draft, reported: BrokerOrder | BrokerExecution) -> bool:
    """Whether this fleet placed the order that the report is about, in its own account."""
    book, reference = d.get(Book, "book") or Book(), reported.client_order_id
    if book.account and reported.account not in ("", book.account):
        return False
    if is_reference_of(reference, book.fleet):
        return True
    if not is_old_reference(reference) and parse_reference(reference) is None:
        return False
    known = _known(d, reference)
    if reported.perm_id and any(order.perm_id == reported.perm_id for order in known):
        return True
    unconfirmed = any(not order.perm_id for order in known)
    if reported.client_id == UNKNOWN_CLIENT and unconfirmed:
        return True
    # (The ledger's client id, not the connection's: a fact may come before the connection is reported.)
    placed_by_us = reported.client_id == book.client_id != UNKNOWN_CLIENT
    return placed_by_us and (unconfirmed or is_old_reference(reference))


def _known(d: Draft, reference: str) -> list[OrderRecord]:
    """The own orders of the ledger under this reference, doubles among them."""
    lookup = partial(d.get, OrderRecord)
    orders = [lookup(reference), *doubles_of(lookup, reference)[0]]
    return [order for order in orders if order is not None and order.role != "foreign"]
