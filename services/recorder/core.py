"""The rows that each message becomes. The recorder has no state, decides nothing and sends nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from messages import Message
from messages.account import AccountUpdated, LinkChanged, PerformanceSnapshot, ReconciliationDone
from messages.entries import EntryDenied
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import Session, SessionAwaited, SessionClosed, SessionClosing, SessionOpened
from messages.operator import Happened, Paused, Refused, Resumed, SymbolStatus
from messages.orders import (
    CommissionReported,
    Fill,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    OrderRecord,
    OrderRejected,
    OrderUpdated,
    PositionUpdated,
    ProtectionChanged,
    execution_key,
)
from services.recorder.records import (
    RECORDS,
    AccountRow,
    Commission,
    EventRow,
    FillRow,
    LastParent,
    LastTrail,
    MarketNow,
    OrderRow,
    PerformanceRow,
    PositionRow,
    ProtectionRow,
    SessionRow,
    StateRow,
    TableRow,
)
from services.runtime.core import Deadlines, Decision, Now, State

__all__ = ["RecorderCore", "rows_of"]


class RecorderCore:
    """A core without state: it never reads the database, and the shell keeps no records."""

    kinds: tuple[type, ...] = RECORDS
    remembers = False

    def handle(self, state: State, message: Message, now: Now) -> Decision:
        """The rows of one message, and the market time of its recording."""
        rows = rows_of(message, now)
        market_ns = max(now.market_ns, now.source.time_ns if now.source else 0)
        if rows and market_ns > 0:
            rows.append(MarketNow(market_ts=market_ns))
        return Decision(changes=[(type(row), row.key, row) for row in rows])

    def deadlines(self, state: State, now: Now) -> Deadlines:
        """Nothing is ever due."""
        return Deadlines()

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        """It has no consumers."""
        return []

    def ready(self, state: State) -> bool:
        """Always: rows that it has not received yet will come."""
        return True


def rows_of(message: Message, now: Now) -> list[TableRow]:
    """The rows that a message becomes. A message that concerns only its sender and recipient has none."""
    return [*_rows(message, now), *_event(message, now)]


def _rows(message: Message, now: Now) -> list[TableRow]:
    match message:
        case OrderPlaced(order) | OrderAccepted(order) | OrderUpdated(order) | OrderCancelled(order):
            return _order(order, now)
        case OrderRejected(order, code, text):
            return _order(order, now, reason=f"{code}: {text}")
        case OrderFilled(fill, order, _, _, realized_usd):
            return [*_order(order, now), _fill(fill, realized_usd, now)]
        case CommissionReported(exec_id=exec_id):
            base, revision = execution_key(exec_id)
            return [
                Commission(
                    exec_key=base,
                    exec_id=exec_id,
                    commission_revision=revision,
                    commission=message.commission,
                    currency=message.currency,
                    commission_usd=message.commission_usd,
                    broker_realized_pnl=message.realized_usd,
                )
            ]
        case SymbolStatus():
            return [_state(message, now)]
        case SessionAwaited(session):
            return [_session(session, "awaited")]
        case SessionOpened(session):
            return [_session(session, "open")]
        case SessionClosing(session):
            return [_session(session, "closing")]
        case SessionClosed(session, coming):
            return [_session(session, "closed", coming)]
        case PerformanceSnapshot():
            return [PerformanceRow(**msgspec.structs.asdict(message))]
        case AccountUpdated():
            values = msgspec.structs.asdict(message)
            kept = {name: values[name] for name in AccountRow.__struct_fields__ if name != "ts"}
            return [AccountRow(ts=message.time_ns, **kept)]
        case ProtectionChanged(symbol, shares, protected, time_ns):
            sender, seq = (now.source.sender, now.source.seq) if now.source else ("recorder", 0)
            row = ProtectionRow(
                event_id=f"{sender}:{seq}",
                symbol=symbol,
                ts=time_ns or _time(now),
                shares=shares,
                protected=protected,
                seq=seq,
            )
            return [row]
        case PositionUpdated(symbol, account_quantity, avg_cost, own):
            return [PositionRow(symbol=symbol, account_qty=account_quantity, avg_cost=avg_cost, own=own, ts=_time(now))]
        case _:
            return []


def _order(order: OrderRecord, now: Now, reason: str = "") -> list[TableRow]:
    rows: list[TableRow] = [
        OrderRow(
            client_order_id=order.client_order_id,
            order_id=order.order_id,
            perm_id=order.perm_id,
            symbol=order.symbol,
            role=order.role,
            side=order.side,
            order_type=order.order_type,
            status=order.status,
            qty=order.quantity,
            filled=order.filled,
            avg_price=order.avg_price,
            stop_price=order.stop_price,
            limit_price=order.limit_price,
            trailing_pct=order.trailing_pct,
            limit_offset=order.limit_offset,
            trail_stop_price=order.trail_stop_price,
            level_estimated=order.level_estimated,
            tif=order.tif,
            parent_id=order.parent_id,
            parent_client_order_id=order.parent_client_order_id,
            oca_group=order.oca_group,
            oca_type=order.oca_type,
            account=order.account,
            why_held=order.why_held,
            reason=order.reason or reason or order.cancel_reason,
            created_at=order.created_ns or None,
            updated_at=order.updated_ns or _time(now),
            cause=_cause(now),
        )
    ]
    if order.order_id and order.role == "entry":
        rows.append(LastParent(symbol=order.symbol, last_parent_id=order.order_id))
    elif order.order_id and order.role == "stop":
        rows.append(LastTrail(symbol=order.symbol, last_trail_id=order.order_id))
    return rows


def _fill(fill: Fill, realized_usd: float, now: Now) -> FillRow:
    base, revision = execution_key(fill.exec_id)
    return FillRow(
        exec_key=base,
        revision=revision,
        exec_id=fill.exec_id,
        client_order_id=fill.client_order_id,
        order_id=fill.order_id,
        perm_id=fill.perm_id,
        symbol=fill.symbol,
        role=fill.role,
        side=fill.side,
        qty=fill.quantity,
        price=fill.price,
        cum_qty=fill.cum_quantity,
        avg_price=fill.avg_price,
        account=fill.account,
        ts=fill.time_ns or None,
        realized_pnl=realized_usd,
        seq=now.source.seq if now.source else 0,
        cause=_cause(now),
    )


def _state(status: SymbolStatus, now: Now) -> StateRow:
    return StateRow(
        symbol=status.symbol,
        state=status.state,
        why=status.why,
        figures_json=status.figures,
        cooldown_until_ts=status.cooldown_until_ns or None,
        session_date=status.session_date,
        entry_number=status.entry_number,
        entry_client_order_id=status.entry_client_order_id,
        stop_client_order_id=status.stop_client_order_id,
        own=status.own,
        cost_usd=status.cost_usd,
        updated_at=status.time_ns or None,
        cause=_cause(now),
    )


def _event(message: Message, now: Now) -> list[TableRow]:
    """The message as an event, unless its sender also sends `Happened` for it.

    Payloads are flat. A sender sends its own `Happened` for a warning.
    """
    match message:
        case Happened(event, symbol, level, fields, time_ns):
            return [_event_row(event, symbol, level, dict(fields), now, time_ns)]
        case Refused(producer, seq, symbol, error):
            payload: dict[str, Any] = {"producer": producer, "seq": seq, "error": error}
            return [_event_row("message_refused", symbol, "ERROR", payload, now)]
        case Paused(symbol, by):
            return [_event_row("paused", symbol, "INFO", {"by": by}, now)]
        case Resumed(symbol, by):
            return [_event_row("resumed", symbol, "INFO", {"by": by}, now)]
        case EntriesBlocked(reason, text, figures, symbol):
            payload = {"reason": reason, "text": text, **figures}
            return [_event_row("entries_blocked", symbol or None, "INFO", payload, now)]
        case EntriesUnblocked(reason, symbol):
            return [_event_row("entries_unblocked", symbol or None, "INFO", {"reason": reason}, now)]
        case LinkChanged(link, up, detail):
            return [_event_row("link_changed", None, "INFO", {"link": link, "up": up, "detail": detail}, now)]
        case ReconciliationDone(account, open_orders, executions, positions):
            payload = {"account": account, "open_orders": open_orders, "executions": executions}
            return [_event_row("reconciliation_done", None, "INFO", payload | {"positions": positions}, now)]
        case EntryDenied(client_order_id, symbol, reason, figures):
            payload = {"client_order_id": client_order_id, "reason": reason, **figures}
            return [_event_row("entry_denied", symbol, "INFO", payload, now)]
        case _:
            return []


def _event_row(
    event: str, symbol: str | None, level: str, payload: dict[str, Any], now: Now, time_ns: int = 0
) -> EventRow:
    source = now.source
    sender, run, seq = (source.sender, source.run, source.seq) if source else ("recorder", 0, 0)
    # A message of a snapshot has no row of its own: the same content from the same run is the same event.
    event_id = f"{sender}:{seq}" if seq else f"{sender}:run{run}:{event}:{msgspec.json.encode(payload).decode()}"
    return EventRow(
        event_id=event_id,
        event_type=event,
        symbol=symbol or None,
        level=level,
        payload_json=payload,
        ts=time_ns or _time(now),
        sender=sender,
        run=run,
        seq=seq,
        cause=_cause(now),
    )


def _session(session: Session, phase: str, coming: Session | None = None) -> SessionRow:
    return SessionRow(
        date=session.date,
        open_ts=session.open_ns,
        close_ts=session.close_ns,
        early=session.early,
        phase=phase,
        next_open_ts=coming.open_ns if coming else None,
    )


def _time(now: Now) -> int | None:
    """Market time of the message: the sender's if it has one."""
    return (now.source.time_ns if now.source else 0) or now.market_ns or None


def _cause(now: Now) -> str:
    return now.source.cause if now.source else ""
