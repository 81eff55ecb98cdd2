"""The lifecycle of an order: its status, and the reports about it. Every change of an order is made here. Pure.

    (untransmitted) PendingSubmit ── transmit ──▶ PreSubmitted ──▶ Submitted ──▶ Filled
                         │                        held: 'child' until the parent fills, 'trigger' until the stop does
                         └── discard ──▶ Cancelled ◀── client, OCA group, parent's end, expiry, an IOC without a fill

A change is reported as at IBKR: openOrder with orderStatus. A cancellation is an orderStatus alone, followed by error
202.
"""

from __future__ import annotations

import copy
import math
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from messages.market import Session
from services.configuration.broker_policy import ChildOnPartialFill, FilledTold
from services.simulator.venue import acceptance, triggers
from services.simulator.venue.orders import LOCATE, Order, Ticket
from services.simulator.venue.price_grid import GRIDS
from services.simulator.venue.reports import ErrorReport, OpenOrderReport, OrderReport, Report, StatusReport
from services.simulator.venue.state import ExchangeState
from services.trading.shares import exact

__all__ = ["BY_SYSTEM", "Lifecycle", "may_trade_outside", "works_at_once"]

NEW_YORK = ZoneInfo("America/New_York")

DAY_NS = 86_400 * 10**9

DISCARDED = "Order Canceled - reason:Order was discarded."
TOO_FAR = "Order Canceled - reason:Limit price too far outside of NBBO"

BY_TRADER = "Cancelled by Trader"
BY_SYSTEM = "Cancelled by System:"

STRAY_LIMIT = 0.03
"""By how much the limit that the first openOrder of a stop shows is above the stop (recorded while a market trades)."""

OUTSIDE_RTH_IGNORED = (
    "Order Event Warning: Attribute 'Outside Regular Trading Hours' is ignored based on the order type and "
    "destination. PlaceOrder is now being processed."
)


def may_trade_outside(order: Order) -> bool:
    """Whether it may trade before the open and after the close; a market order may not."""
    return order.ticket.outside_rth and order.ticket.order_type != "MKT"


def works_at_once(order: Order) -> bool:
    """Whether it rests in the exchange's book: nothing holds it, and it is no market order."""
    return not order.why_held and order.ticket.order_type != "MKT"


class Lifecycle:
    """Changes the orders of one exchange's state, and adds the reports."""

    def __init__(self, state: ExchangeState) -> None:
        self._state = state
        self._book = state.orders
        self._policy = state.policy
        self._reports = state.reports

    # Requests of clients

    def create(self, ticket: Ticket, parent: Order | None) -> Order:
        """A new order, not yet transmitted."""
        order = Order(ticket=ticket, perm_id=self._book.last_perm_id + 1, created_ns=self._state.now_ns)
        order.parent_perm_id = 0 if parent is None else parent.perm_id
        self._take_ticket(order, ticket)
        self._book.add(order)
        return order

    def change(self, order: Order, ticket: Ticket) -> None:
        """A modification. It keeps its trailing level unless the ticket names one, and is live from now on."""
        self._take_ticket(order, ticket)
        self._book.changed(order)
        if not order.untransmitted:
            self._restrict_to_rth(order)
            order.live_from_ns = self._state.now_ns
            order.why_held = self._why_held(order)
            self.move(order, order.status)

    def transmit(self, order: Order) -> None:
        """Transmit it. A trailing stop starts at the last price of this session, if there is one."""
        ticket, calendar = order.ticket, self._state.calendar
        tape, session = self._state.tapes[ticket.symbol], calendar.at(self._state.now_ns)
        order.created_ns = order.live_from_ns = self._state.now_ns
        self._restrict_to_rth(order)
        ticket = order.ticket
        if ticket.parent_id and ticket.adjusted_order_type and not self._policy.adjustable_child_works:
            return
        order.why_held = self._why_held(order)
        unlevelled = ticket.order_type in triggers.TRAILING and order.trail_stop_price is None
        if unlevelled and not order.waits_for_parent and session is not None and tape.date == session.date:
            assert tape.last is not None, "a tape with a date has traded"
            self._set_level(order, triggers.trail_level(ticket, tape.last))
        open_for_it = self._open_for(order)
        if not open_for_it:
            self._warn(
                order, 399, _not_before(ticket, calendar.coming(self._state.now_ns), self._policy.off_hours_word)
            )
        works = open_for_it and works_at_once(order)
        if ticket.order_type == "STP" and session is not None:
            assert ticket.stop_price is not None, "refused on entry"
            order.limit_price = round(ticket.stop_price + STRAY_LIMIT, 4)
        if not works or self._policy.resting_told_before:
            self.move(order, "PreSubmitted")
            if ticket.order_type == "STP":
                order.limit_price = None
        if works:
            self.move(order, "Submitted")

    def cancel(self, order: Order) -> None:
        """A client cancels a working order, and by policy the rest of its OCA group.

        Outside of its hours the order is told as PendingCancel first, twice.
        """
        peers = self._book.peers(order) if self._policy.oca_client_cancel_cascades else []
        if not self._open_for(order):
            pending = copy.copy(order)
            pending.status = "PendingCancel"
            self._reports += [OrderReport(pending)] * 2
        for member in (order, *peers):
            self.end(member, BY_TRADER)

    def cancel_by_broker(self, order: Order, text: str) -> None:
        """The broker cancels it, with its children: error 202 with this text."""
        self._cancelled(order, BY_SYSTEM, text)
        for child in self._book.children(order):
            self.end(child, BY_SYSTEM)

    def reject(self, order: Order, reason: str, code: int = 201, *, status_first: bool | None = None) -> None:
        """The broker rejects it and its children, with an error.

        `status_first`: the status comes before the error. Default: the policy's.
        """
        order.status, order.why_held = self._policy.rejected_as, ""
        self._complete(order, f"Rejected: {reason}")
        text = f"Order rejected - reason:{reason}" if code == 201 else reason
        if status_first is None:
            status_first = not self._policy.rejection_before_status
        reported: list[Report] = [
            ErrorReport(order.ticket.client_id, order.ticket.order_id, code, text),
            StatusReport(copy.copy(order)),
        ]
        self._reports += reversed(reported) if status_first else reported
        for child in self._book.children(order):
            self.reject(child, "Parent order is being cancelled.")

    def hold_until_located(self, order: Order, reason: str, code: int, *, status_first: bool) -> None:
        """The broker accepts it and holds it until it finds shares to borrow, which may be never."""
        order.created_ns = order.live_from_ns = self._state.now_ns
        order.why_held = LOCATE
        if not status_first:
            self._warn(order, code, reason)
        self.move(order, "PreSubmitted")
        if status_first:
            self._warn(order, code, reason)

    def discard(self, order: Order) -> None:
        """A client cancels an order that was never transmitted, children included."""
        self._cancelled(order, BY_TRADER, DISCARDED)
        for child in self._book.children(order):
            self.discard(child)

    def discard_family(self, order: Order) -> None:
        """A global cancel discards an order that was never transmitted; nothing is told of its children."""
        order.status, order.why_held = "Cancelled", ""
        self._complete(order, BY_TRADER)
        self._reports += [StatusReport(copy.copy(order))] * 3
        self._warn(order, 202, DISCARDED)
        self._warn(order, *acceptance.not_cancellable(order.perm_id))
        for child in self._book.children(order):
            child.status, child.why_held = "Cancelled", ""
            self._complete(child, BY_TRADER)

    # Market and time

    def move(self, order: Order, status: str) -> None:
        """Set its status and report it."""
        order.status = status
        self._book.changed(order)
        report = OrderReport(copy.copy(order))
        self._reports += [report, report] if self._policy.pairs_told_twice else [report]

    def trigger(self, order: Order) -> None:
        """Its stop triggered: from now on it is a market or a limit order."""
        order.triggered = True
        order.why_held = ""
        self.move(order, "Submitted")

    def filled(self, order: Order) -> None:
        """Set the status after a fill, and report it as the policy says."""
        if order.remaining and self._policy.partial_fill_told_in_full:
            self.move(order, "Submitted")
        elif order.remaining:
            order.status = "Submitted"
            self._book.changed(order)
            self._reports.append(StatusReport(copy.copy(order)))
        else:
            self._complete(order, f"Filled Size: {order.filled:g}")
            self._report_filled(order)

    def filled_again(self, order: Order) -> None:
        """By policy, report an order that is filled a second time, now with its commission."""
        if order.status == "Filled" and self._policy.filled_told is FilledTold.TWICE:
            self.move(order, "Filled")

    def _report_filled(self, order: Order) -> None:
        told = self._policy.filled_told
        if told is FilledTold.ONCE:
            self.move(order, "Filled")
            return
        order.status = "Filled"
        self._book.changed(order)
        copied = copy.copy(order)
        if told is FilledTold.TWICE:
            copied.commission = 0.0
            report = OrderReport(copied)
            self._reports += [report, report] if self._policy.pairs_told_twice else [report]
        elif told is FilledTold.OPEN_ORDER:
            self._reports.append(OpenOrderReport(copied))
        elif told is FilledTold.STATUS:
            self._reports.append(StatusReport(copied))

    def adjust(self, order: Order) -> None:
        """The market reached `adjusts_at`: an adjustable stop becomes its adjusted order."""
        ticket = order.ticket
        trailing = ticket.adjusted_order_type in triggers.TRAILING
        order.ticket = msgspec.structs.replace(
            ticket,
            order_type=ticket.adjusted_order_type,
            stop_price=None if trailing else ticket.adjusted_stop_price,
            limit_price=ticket.adjusted_limit_price,
            trailing_amount=ticket.adjusted_trailing_amount,
            trailing_pct=ticket.adjusted_trailing_pct,
            trail_stop_price=ticket.adjusted_stop_price if trailing else None,
            adjusted_order_type="",
            adjusts_at=None,
            adjusted_stop_price=None,
            adjusted_limit_price=None,
            adjusted_trailing_amount=None,
            adjusted_trailing_pct=None,
        )
        order.beyond = False
        order.trail_stop_price = None
        self._take_prices(order)
        self.move(order, order.status)

    def update_child(self, child: Order, parent: Order, market_price: float) -> None:
        """Its parent filled, in part or in full: update the child as the policy says."""
        policy = self._policy.child_on_partial_fill
        if parent.remaining and policy is ChildOnPartialFill.AT_FULL_FILL:
            return
        if parent.filled < 1 and policy is ChildOnPartialFill.FOLLOWS:
            return
        resized = policy is ChildOnPartialFill.FOLLOWS and self._resize(child, parent)
        if child.waits_for_parent:
            fill = parent.last_fill_price if self._policy.trail_child_starts_from_fill else 0.0
            self._activate(child, fill or market_price)
        elif resized:
            self.move(child, child.status)

    def _resize(self, child: Order, parent: Order) -> bool:
        """Set the child's quantity to its parent's filled shares, less those its siblings sold. True if it changed."""
        if child.wanted is None:
            if not child.waits_for_parent or not parent.remaining:
                return False
            child.wanted = child.ticket.quantity
        sold = sum(each.filled for each in self._book.family(parent) if each is not child)
        quantity = max(child.filled, min(child.wanted, float(math.floor(exact(parent.filled - sold)))))
        if not parent.remaining:
            child.wanted = None
        if quantity == child.ticket.quantity:
            return False
        child.ticket = msgspec.structs.replace(child.ticket, quantity=quantity)
        return True

    def _activate(self, child: Order, market_price: float) -> None:
        """The child goes live. A trailing stop starts at the market, or keeps its own level if that is better."""
        child.why_held = self._why_held(child)
        if child.ticket.order_type in triggers.TRAILING:
            self._set_level(child, triggers.ratcheted(child, market_price))
        self.move(child, "Submitted" if works_at_once(child) else "PreSubmitted")

    def ratchet(self, order: Order, price: float) -> None:
        """A trailing stop follows the price in its favour."""
        if order.ticket.order_type not in triggers.TRAILING or order.done or order.triggered or order.held_back:
            return
        level = triggers.ratcheted(order, price)
        if level != order.trail_stop_price:
            self._set_level(order, level)
            self._book.changed(order)
            due = self._state.now_ns - order.level_reported_ns >= self._policy.trail_told_every_s * 1e9
            if self._policy.report_trail_ratchet and due:
                order.level_reported_ns = self._state.now_ns
                self._reports.append(OrderReport(copy.copy(order)))

    def reduce_or_cancel(self, peer: Order, quantity: float, oca_type: int) -> None:
        """A member of its OCA group filled: type 1 cancels the rest, 2 and 3 reduce it by what was filled."""
        if oca_type == 1 or peer.remaining <= quantity:
            self.end(peer, BY_SYSTEM)
        elif not peer.done:
            if peer.wanted is not None:
                peer.wanted -= quantity
            peer.ticket = msgspec.structs.replace(peer.ticket, quantity=peer.ticket.quantity - quantity)
            self.move(peer, peer.status)

    def end_far(self, order: Order) -> None:
        """The broker's price check ends an order with its limit far beyond the market."""
        if order.ticket.tif == "IOC":
            self.end_unfilled_ioc(order)
        elif order.ticket.tif == "FOK":
            self.end_unfilled_fok(order)
        else:
            self.cancel_by_broker(order, TOO_FAR)

    def end_unfilled_ioc(self, order: Order) -> None:
        """Cancel an immediate-or-cancel order that was not filled."""
        self.move(order, "PendingCancel")
        self.end(order, BY_SYSTEM)

    def end_unfilled_fok(self, order: Order) -> None:
        """End a fill-or-kill order that could not be filled completely."""
        order.status, order.why_held = "Inactive", ""
        self._complete(order, BY_SYSTEM)
        self._reports.append(OrderReport(copy.copy(order)))

    def expire_gtc(self, today: str) -> None:
        """End the GTC orders that have expired."""
        over = self._book.overdue_gtc(today) if self._policy.gtc_ends_after_next_quarter else []
        days = self._policy.gtc_ends_after_days_away
        if days and self._state.away_ns >= days * DAY_NS:
            over = [order for order in self._book.working() if order.ticket.tif == "GTC"]
        for order in over:
            self.end(order, BY_SYSTEM)

    def refuse_short(self, order: Order) -> None:
        """Cancel a sell that would make a short position in an account that may not hold one."""
        self.end(order, BY_SYSTEM)

    def expire(self, due_ns: int) -> None:
        """End the orders that expire by `due_ns`."""
        for order in self._book.working():
            expiry = self._book.expiry_ns(order)
            if expiry is not None and expiry <= due_ns:
                self.end(order, BY_SYSTEM)

    # Helpers

    def _take_ticket(self, order: Order, ticket: Ticket) -> None:
        order.ticket = ticket
        order.beyond = False
        if order.wanted is not None and not order.waits_for_parent:
            order.wanted = None  # the client has set the quantity
        self._take_prices(order)
        if order.parent_perm_id and self._policy.child_oca_overwritten:
            order.oca_group, order.oca_type = str(order.parent_perm_id), 3
        elif not (order.parent_perm_id and order.oca_group and not ticket.oca_group):  # left out: it stays
            order.oca_group, order.oca_type = ticket.oca_group, ticket.oca_type or 3

    def _take_prices(self, order: Order) -> None:
        ticket = order.ticket
        if ticket.order_type in triggers.TRAILING:
            level = order.trail_stop_price if ticket.trail_stop_price is None else ticket.trail_stop_price
            if level is not None:
                self._set_level(order, level)
        else:
            order.trail_stop_price = None
            order.limit_price = ticket.limit_price if ticket.order_type in triggers.LIMITED else None

    def _set_level(self, order: Order, level: float) -> None:
        order.trail_stop_price = level
        if order.ticket.order_type == "TRAIL LIMIT":
            order.limit_price = triggers.trail_limit(order.ticket, level, GRIDS[self._policy.price_grid])

    def _restrict_to_rth(self, order: Order) -> None:
        """Take `outsideRth` off an order type that can't have it, with a warning."""
        kinds = ("MKT",) if self._policy.stops_trade_outside_rth else ("MKT", "STP", "TRAIL")
        if order.ticket.outside_rth and order.ticket.order_type in kinds:
            order.ticket = msgspec.structs.replace(order.ticket, outside_rth=False)
            self._warn(order, 2109, OUTSIDE_RTH_IGNORED)

    def _open_for(self, order: Order) -> bool:
        """Whether the market is open for this order now."""
        return self._state.calendar.at(self._state.now_ns) is not None or may_trade_outside(order)

    def _why_held(self, order: Order) -> str:
        if order.why_held == LOCATE:
            return LOCATE
        parent = self._book.parent(order)
        reasons = []
        at_full_fill = self._policy.child_on_partial_fill is ChildOnPartialFill.AT_FULL_FILL
        if parent is not None and (not parent.filled or (at_full_fill and parent.remaining)):
            reasons.append("child")
        if order.ticket.order_type in triggers.STOPS and not order.triggered:
            reasons.append("trigger")
        return ",".join(reasons)

    def end(self, order: Order, why: str) -> None:
        """Cancel an order and, unless a switch says otherwise, its children that aren't live yet."""
        if order.done:
            return
        self._cancelled(order, why, "Order Canceled - reason:")
        if not self._policy.child_survives_parent_cancel:
            for child in self._book.children(order):
                if not order.filled or child.waits_for_parent:  # the others protect the shares that were bought
                    self.end(child, why)

    def _cancelled(self, order: Order, why: str, text: str) -> None:
        order.status, order.why_held = "Cancelled", ""
        self._complete(order, why)
        self._reports.append(StatusReport(copy.copy(order)))
        self._warn(order, 202, text)

    def _complete(self, order: Order, how: str) -> None:
        order.completed_ns, order.completed_status = self._state.now_ns, how
        self._book.changed(order)

    def _warn(self, order: Order, code: int, text: str) -> None:
        self._reports.append(ErrorReport(order.ticket.client_id, order.ticket.order_id, code, text))


def _not_before(ticket: Ticket, session: Session | None, word: str) -> str:
    """The text of warning 399: the market is closed."""
    when = "the next session"
    if session is not None:
        when = datetime.fromtimestamp(session.open_ns // 10**9, NEW_YORK).strftime("%Y-%m-%d %H:%M:%S US/Eastern")
    return (
        f"Order Message:\n{ticket.side} {ticket.quantity:g} {ticket.symbol} NASDAQ.NMS\n"
        f"Warning: {word} order will not be placed at the exchange until {when}."
    )
