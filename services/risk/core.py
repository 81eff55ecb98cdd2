"""Risk's decisions: every entry passes here, one after another, so that however many ask at once no limit is exceeded.

Closed until the gateway has reconciled and the account is known (fail closed).
"""

from __future__ import annotations

import msgspec

from messages import Message
from messages.account import AccountUpdated, LinkChanged, PerformanceSnapshot, ReconciliationDone
from messages.entries import EntryApproved, EntryDenied, EntryDropped, EntryPlan, SubmitEntry
from messages.market import SessionClosed, SessionOpened, Tick
from messages.operator import Pause, Paused, Refused, Resume, Resumed
from messages.orders import CommissionReported, OrderCancelled, OrderFilled, OrderRejected, PositionUpdated
from services.core import Deadlines, Decision, Draft, Now, State
from services.ledger import AtMost, Constraint, Unique
from services.risk.limits import AccountRecord, Denied, Holding, Mark, Reservation, first_limit, worst_cost
from services.settings import Settings

__all__ = ["PauseRecord", "RiskCore", "Tally", "constraints"]

FLEET = "fleet"


class PauseRecord(msgspec.Struct, frozen=True):
    """Entries of `scope` (a symbol, or 'fleet') are paused."""

    scope: str
    by: str

    @property
    def key(self) -> str:
        return self.scope


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The bot's own money since the ledger began, and what the last session's close was measured at."""

    realized_usd: float = 0.0
    commissions_usd: float = 0.0
    last_close_pnl_usd: float = 0.0
    session_date: str = ""
    trades: int = 0
    reconciled: bool = False

    @property
    def key(self) -> str:
        return "tally"


def constraints(settings: Settings) -> tuple[Constraint, ...]:
    """What risk's ledger holds even if its core erred: one reservation per symbol, their sum within the cap."""
    cap = min(settings.allocation.total_usd_cap, settings.risk.max_total_exposure_usd)
    return (Unique("Reservation", "symbol"), AtMost("Reservation", "usd", cap))


class RiskCore:
    """See `services.core.Core`."""

    kinds: tuple[type, ...] = (AccountRecord, Holding, Reservation, PauseRecord, Tally, Mark)
    volatile: tuple[type, ...] = (Mark,)

    def __init__(self, settings: Settings):
        self.settings = settings

    def ready(self, state: State) -> bool:
        tally = state.get(Tally, "tally")
        return tally is not None and tally.reconciled and state.get(AccountRecord, "account") is not None

    def deadlines(self, state: State, now: Now) -> Deadlines:
        return Deadlines()

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        pauses = state.table(PauseRecord).values()
        return [(p.scope, Paused(None if p.scope == FLEET else p.scope, p.by)) for p in pauses]

    def handle(self, state: State, message: Message, now: Now) -> Decision:
        d = Draft(state, now)
        match message:
            case Tick(symbol=symbol, last=last):
                if last > 0:
                    d.put(Mark(symbol, last))
            case SubmitEntry(plan):
                self._decide(d, plan)
            case EntryDropped(client_order_id):
                d.drop(Reservation, client_order_id)
            case OrderCancelled(order) | OrderRejected(order):
                if order.role == "entry":
                    d.drop(Reservation, order.client_order_id)
            case OrderFilled():
                self._fill(d, message)
            case CommissionReported(commission=commission):
                tally = self._tally(d)
                d.put(msgspec.structs.replace(tally, commissions_usd=tally.commissions_usd + commission))
            case PositionUpdated(symbol, account_quantity, avg_cost, own):
                holding = d.get(Holding, symbol) or Holding(symbol)
                d.put(msgspec.structs.replace(holding, own=own, account=account_quantity, avg_cost=avg_cost))
            case AccountUpdated(account, net_liquidation, total_cash):
                d.put(AccountRecord(account, net_liquidation, total_cash))
            case ReconciliationDone():
                d.put(msgspec.structs.replace(self._tally(d), reconciled=True))
            case LinkChanged(link, up, _):
                if link == "socket" and not up:
                    d.put(msgspec.structs.replace(self._tally(d), reconciled=False))
            case SessionOpened(session):
                tally = self._tally(d)
                if tally.session_date != session.date:
                    d.put(msgspec.structs.replace(tally, session_date=session.date, trades=0))
            case SessionClosed(session):
                self._snapshot(d, session.date)
            case Pause(symbol):
                self._pause(d, symbol, "operator")
            case Resume(symbol):
                d.drop(PauseRecord, symbol or FLEET)
                d.send(symbol or FLEET, Resumed(symbol, "operator"))
                d.note("entries_resumed", symbol or "", by="operator")
            case Refused(_, _, symbol, error):
                self._pause(d, symbol or None, f"refused message: {error}")
        return d.decision

    def _tally(self, d: Draft) -> Tally:
        return d.get(Tally, "tally") or Tally()

    def _decide(self, d: Draft, plan: EntryPlan) -> None:
        per_share, usd = worst_cost(plan, self.settings)
        d.put(Mark(plan.symbol, plan.reference))
        denied = self._closed(d, plan) or first_limit(
            plan,
            usd,
            d.state.table(Holding),
            d.state.table(Reservation),
            d.table(Mark),
            d.get(AccountRecord, "account") or AccountRecord("", 0.0, 0.0),
            self.settings,
        )
        if denied is not None:
            d.send(
                f"symbol-{plan.symbol.replace(' ', '.')}",
                EntryDenied(plan.client_order_id, plan.symbol, denied.reason, denied.figures),
            )
            d.note(denied.reason, plan.symbol, "WARNING", client_order_id=plan.client_order_id, **denied.figures)
            return
        d.put(Reservation(plan.client_order_id, plan.symbol, plan.quantity, plan.quantity, per_share, usd))
        d.send("gateway", EntryApproved(plan, usd))

    def _closed(self, d: Draft, plan: EntryPlan) -> Denied | None:
        """What closes the door whatever the entry costs."""
        if not self.ready(d.state):
            return Denied("risk_not_ready", {})
        for scope in (FLEET, plan.symbol):
            if d.get(PauseRecord, scope) is not None:
                return Denied("paused", {})
        if any(r.symbol == plan.symbol for r in d.state.table(Reservation).values()):
            return Denied("entry_live", {})
        return None

    def _fill(self, d: Draft, filled: OrderFilled) -> None:
        fill, order = filled.fill, filled.order
        holding = d.get(Holding, fill.symbol) or Holding(fill.symbol)
        d.put(msgspec.structs.replace(holding, own=filled.own, cost_usd=filled.cost_usd))
        tally = self._tally(d)
        realized = tally.realized_usd + filled.realized_usd - filled.undone_usd
        d.put(msgspec.structs.replace(tally, realized_usd=realized, trades=tally.trades + (not filled.corrects)))
        reservation = d.get(Reservation, fill.client_order_id)
        if reservation is not None:
            leaves = order.quantity - fill.cum_quantity
            if leaves <= 0 or not order.live:
                d.drop(Reservation, reservation.key)
            else:
                usd = leaves * reservation.usd_per_share
                d.put(msgspec.structs.replace(reservation, leaves=leaves, usd=usd))
        account = d.get(AccountRecord, "account")
        if fill.side == "BUY" and account is not None and not filled.corrects:
            # Until the broker's next word the money counts as spent: better too little than twice the same.
            d.put(msgspec.structs.replace(account, total_cash=account.total_cash - fill.quantity * fill.price))

    def _pause(self, d: Draft, symbol: str | None, by: str) -> None:
        d.put(PauseRecord(symbol or FLEET, by))
        d.send(symbol or FLEET, Paused(symbol, by))
        d.note("entries_paused", symbol or "", "WARNING", by=by)

    def _snapshot(self, d: Draft, date: str) -> None:
        """The close in figures. The day's P&L is what the bot's own total moved by since the last close."""
        tally, account = self._tally(d), d.get(AccountRecord, "account")
        held = [h for h in d.state.table(Holding).values() if h.own]
        marks = d.state.table(Mark)
        value = sum(h.own * marks[h.symbol].price if h.symbol in marks else h.cost_usd for h in held)
        unrealized = value - sum(h.cost_usd for h in held)
        realized = tally.realized_usd - tally.commissions_usd
        d.send(
            FLEET,
            PerformanceSnapshot(
                date=date,
                account_value=account.net_liquidation if account else 0.0,
                cash_value=account.total_cash if account else 0.0,
                position_value=round(value, 4),
                unrealized_pnl=round(unrealized, 4),
                realized_pnl=round(realized, 4),
                daily_pnl=round(realized + unrealized - tally.last_close_pnl_usd, 4),
                num_positions=len(held),
                num_trades=tally.trades,
            ),
        )
        d.put(msgspec.structs.replace(tally, last_close_pnl_usd=realized + unrealized))
