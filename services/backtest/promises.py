"""The promises of the fleet as checks on the states of gateway and risk, after every event.

Pure: it reads states and keeps its own counters. `counts` says how often each check had something to check: a check
without any proves nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

from messages.market import Session
from messages.orders import OrderRecord
from services.configuration.settings import Settings
from services.gateway.book.identity import is_double
from services.gateway.book.records import AccountPosition, Change, Links, Own, QuoteRecord, SessionRecord
from services.risk.limits import AccountRecord, ForeignOrder, Holding, Mark, Reservation, cap_usd, exposures
from services.runtime.core import State

__all__ = ["PromiseBroken", "Promises"]

SECOND = 1_000_000_000
CENT = 0.01
UNPROTECTED_NS = 5 * SECOND
"""How long own shares may be without a stop while a stop is possible."""
DOUBLE_NS = 60 * SECOND
"""How long a second order under one reference may live: the cancel may have to be sent again."""
STEADY_NS = 10 * SECOND
"""How long the links must have been up before protection counts as possible."""


class PromiseBroken(Exception):
    """A promise was broken; the message names the promise, the symbol and the figures."""


class Promises:
    """The checks of promises 1 to 5 for one run."""

    def __init__(self, settings: Settings, sessions: Sequence[Session]):
        self._settings = settings
        self._sessions = tuple(sessions)
        self._opens = [s.open_ns for s in self._sessions]
        self._reserved: set[str] = set()
        self._placed: set[str] = set()
        self._ended: set[str] = set()
        self._checked_ns = 0
        self._unprotected: dict[str, bool] = {}
        self._unprotected_ns: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def check(self, gateway: State, risk: State, now_ns: int) -> None:
        """Check all promises. Raises PromiseBroken."""
        orders = list(gateway.table(OrderRecord).values())
        live = [o for o in orders if o.live and o.role != "foreign"]
        self._one_entry(live)
        self._protected(live, gateway, now_ns)
        self._doubles(live, now_ns)
        for symbol in {o.symbol for o in live if o.side == "SELL"}:
            self._sells(symbol, orders, gateway)
        self._no_short(gateway)
        self._caps(risk)
        self._hours([o for o in orders if not is_double(o)], now_ns)

    def _one_entry(self, live: Sequence[OrderRecord]) -> None:
        """Promise 1: at most one live entry per symbol; one in doubt is live."""
        entries = Counter(o.symbol for o in live if o.role == "entry" and not is_double(o))
        for symbol, count in entries.items():
            if count > 1:
                raise PromiseBroken(f"1: {count} live entries in {symbol}")

    def _protected(self, live: Sequence[OrderRecord], gateway: State, now_ns: int) -> None:
        """Promise 2: no own whole share is without a stop for more than 5 s in which it could have had one.

        The result of a check holds until the next check. Time without possible protection is counted, but is no breach.
        """
        passed_ns, self._checked_ns = now_ns - self._checked_ns, now_ns
        for symbol, possible in self._unprotected.items():
            if possible:
                self._unprotected_ns[symbol] += passed_ns
            self.counts["unprotected ms" if possible else "unprotected ms without a remedy"] += passed_ns // 1_000_000
            if self._unprotected_ns[symbol] > UNPROTECTED_NS:
                raise PromiseBroken(f"2: {symbol} was without a stop for {self._unprotected_ns[symbol] / SECOND:g} s")
        before, self._unprotected = self._unprotected, {}
        sells = [o for o in live if o.side == "SELL"]
        for own in gateway.table(Own).values():
            shares = math.floor(own.quantity)
            if shares < 1:
                continue
            covered = sum(o.remaining for o in sells if o.symbol == own.symbol and _works(o))
            possible = self._possible(own, live, gateway, now_ns)
            if covered < shares:
                self._unprotected[own.symbol] = possible
                self.counts["stops missed"] += possible and not before.get(own.symbol, False)
            self.counts["shares to protect"] += possible
        for symbol in self._unprotected_ns.keys() - self._unprotected.keys():
            del self._unprotected_ns[symbol]

    def _possible(self, own: Own, live: Sequence[OrderRecord], gateway: State, now_ns: int) -> bool:
        """Session open, links up for 10 s, reconciled, no halt, the entry over, the account has the shares."""
        session, links = gateway.get(SessionRecord, "session"), gateway.get(Links, "links")
        quote, position = gateway.get(QuoteRecord, own.symbol), gateway.get(AccountPosition, own.symbol)
        return (
            session is not None
            and session.phase != "closed"
            and links is not None
            and links.phase == "ready"
            and links.broker_up
            and now_ns - links.up_since_market_ns >= STEADY_NS
            and not (quote is not None and quote.quote.halted)
            and not any(o.role == "entry" and o.symbol == own.symbol for o in live)
            and position is not None
            and position.quantity >= own.quantity
        )

    def _doubles(self, live: Sequence[OrderRecord], now_ns: int) -> None:
        """Promises 1 and 3: a second order under our reference is made by the broker; the fleet must cancel it."""
        for order in live:
            if is_double(order):
                self.counts["doubles"] += 1
                if now_ns - order.created_ns > DOUBLE_NS:
                    age_s = (now_ns - order.created_ns) / SECOND
                    raise PromiseBroken(f"3: {order.key} lives for {age_s:g} s beside the order whose reference it is")

    def _sells(self, symbol: str, orders: Sequence[OrderRecord], gateway: State) -> None:
        """Promise 3: live sells never exceed own shares.

        A child counts what its entry has filled and not yet sold again. While nothing can trade, a stop that is being
        shrunk (for a split) counts what it will be. A double that is being cancelled counts nothing.
        """
        session = gateway.get(SessionRecord, "session")
        closed = session is None or session.phase == "closed"
        mine = [o for o in orders if o.symbol == symbol]
        by_id = {o.client_order_id: o for o in mine}
        sells = 0.0
        for order in mine:
            if order.side != "SELL" or not order.live or order.role == "foreign" or is_double(order):
                continue
            parent = by_id.get(order.parent_client_order_id)
            held = order.remaining
            if parent is not None:
                sold = sum(o.filled for o in mine if o.parent_client_order_id == parent.client_order_id)
                held = min(held, max(0.0, parent.filled - sold))
            change = gateway.get(Change, order.key)
            if closed and change is not None and change.stage == "sent":
                held = min(held, change.quantity - order.filled)
            sells += held
        own = gateway.get(Own, symbol)
        shares = own.quantity if own is not None else 0.0
        if sells > shares:
            raise PromiseBroken(f"3: live sells of {sells:g} {symbol} against {shares:g} own shares")
        self.counts["sells covered by shares"] += sells > 0

    def _no_short(self, gateway: State) -> None:
        """Promise 3: our orders never make the position negative."""
        for own in gateway.table(Own).values():
            if own.quantity < 0:
                raise PromiseBroken(f"3: {own.quantity:g} own shares of {own.symbol}")
        for position in gateway.table(AccountPosition).values():
            if position.quantity < 0:
                raise PromiseBroken(f"3: the account is short {position.quantity:g} {position.symbol}")

    def _caps(self, risk: State) -> None:
        """Promise 4: at each approval all that is held and reserved is within every cap and the cash reserve."""
        reservations = risk.table(Reservation)
        new = [r for key, r in reservations.items() if key not in self._reserved]
        if not new:
            return
        self._reserved |= reservations.keys()
        settings, marks = self._settings, risk.table(Mark)
        exposure = exposures(risk.table(Holding), risk.table(ForeignOrder), marks)
        reserved = sum(r.usd for r in reservations.values())
        cap = cap_usd(settings)
        if sum(exposure.values()) + reserved > cap + CENT:
            raise PromiseBroken(f"4: {sum(exposure.values()):.2f} held and {reserved:.2f} reserved against {cap:.2f}")
        for entry in new:
            self.counts["entries approved"] += 1
            of_symbol = exposure.get(entry.symbol, 0.0) + entry.usd
            if of_symbol > settings.risk.max_symbol_exposure_usd + CENT:
                raise PromiseBroken(f"4: {of_symbol:.2f} in {entry.symbol}")
        account = risk.get(AccountRecord, "account")
        reserve_pct = settings.allocation.min_cash_reserve_percent
        if account is None or account.spendable - reserved < account.net_liquidation * reserve_pct / 100 - CENT:
            raise PromiseBroken(f"4: {reserved:.2f} reserved against the cash of {account}")

    def _hours(self, orders: Sequence[OrderRecord], now_ns: int) -> None:
        """Promise 5: entries are placed within the allowed hours only, and none outlives its session."""
        entries = self._settings.entries
        for order in orders:
            if order.role == "entry" and order.key not in self._ended:
                session = self._session(order.created_ns)
                if order.key not in self._placed:
                    self._placed.add(order.key)
                    self.counts["entries placed"] += 1
                    begin_ns = session.open_ns + int(entries.open_delay_s * SECOND)
                    end_ns = session.close_ns - entries.cancel_before_close_minutes * 60 * SECOND
                    if not begin_ns <= order.created_ns < end_ns:
                        raise PromiseBroken(
                            f"5: {order.key} was placed at {order.created_ns}, allowed from {begin_ns} to {end_ns}"
                        )
                if order.live and now_ns > session.close_ns:
                    raise PromiseBroken(f"5: {order.key} is live after the close")
                if not order.live:
                    self._ended.add(order.key)
                    self.counts[f"entries {order.status.lower()}"] += 1
            elif order.role == "stop" and order.status == "Filled" and order.key not in self._ended:
                self._ended.add(order.key)
                self.counts["stops filled"] += 1

    def _session(self, at_ns: int) -> Session:
        return self._sessions[max(0, bisect_right(self._opens, at_ns) - 1)]


def _works(sell: OrderRecord) -> bool:
    """Whether the broker works it and no cancel was requested. Written independently of the guard's own rule."""
    waits = sell.status == "PreSubmitted" and sell.why_held in ("", "trigger")
    return not sell.cancel_reason and (waits or sell.status == "Submitted")
