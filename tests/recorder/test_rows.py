"""Every column of the rows, each with a value of its own; and the times and causes of what has no sender's time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import messages
from messages.account import PerformanceSnapshot, ReconciliationDone
from messages.entries import EntryDenied
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import Session, SessionAwaited
from messages.operator import Happened, Paused, Refused, Resumed, SymbolStatus
from messages.orders import CommissionReported, OrderFilled, OrderPlaced, PositionUpdated, ProtectionChanged
from services.recorder.core import rows_of
from services.recorder.records import (
    EventRow,
    FillRow,
    LastParent,
    LastTrail,
    MarketNow,
    OrderRow,
    PositionRow,
    ProtectionRow,
    SessionRow,
    StateRow,
)
from services.runtime.core import Deadlines, Now
from tests.recorder.scenario import CORE, EMPTY, T0, fill, now, order

RECEIVED = now(7, cause="symbol-TSLA:3")
NO_SENDER = Now(T0, 5)
"""A message of the recorder's own shell: no envelope, hence no sender, no cause, no sequence number."""
NO_TIME = Now(0, 5)
ALIKE: dict[str, Any] = {
    "symbol": "TSLA",
    "role": "entry",
    "side": "BUY",
    "order_type": "STP LMT",
    "order_id": 5,
    "perm_id": 6,
    "status": "Submitted",
    "filled": 4.0,
    "avg_price": 99.5,
    "stop_price": 98.0,
    "limit_price": 101.0,
    "trailing_pct": 10.0,
    "limit_offset": 0.5,
    "trail_stop_price": 97.0,
    "level_estimated": True,
    "tif": "GTC",
    "parent_id": 4,
    "parent_client_order_id": "TSLA-0",
    "oca_group": "oca",
    "oca_type": 2,
    "account": "DU1",
    "why_held": "locate",
}
"""What an order and its row have under the same name."""
ORDER = order(quantity=12.0, created_ns=T0 + 8, updated_ns=T0 + 9, **ALIKE)
ORDER_ROW = OrderRow(
    client_order_id="TSLA-1",
    qty=12.0,
    reason="",
    created_at=T0 + 8,
    updated_at=T0 + 9,
    cause="symbol-TSLA:3",
    **ALIKE,
)


class TestOrders:
    def test_an_entry_and_the_symbols_newest_of_it(self) -> None:
        assert rows_of(OrderPlaced(ORDER), RECEIVED) == [ORDER_ROW, LastParent(symbol="TSLA", last_parent_id=5)]

    def test_a_stop_and_the_symbols_newest_of_it(self) -> None:
        stop = msgspec.structs.replace(ORDER, role="stop")
        row = msgspec.structs.replace(ORDER_ROW, role="stop")
        assert rows_of(OrderPlaced(stop), RECEIVED) == [row, LastTrail(symbol="TSLA", last_trail_id=5)]

    @pytest.mark.parametrize(
        ("at", "updated", "cause"), [(RECEIVED, T0, "symbol-TSLA:3"), (NO_SENDER, T0, ""), (NO_TIME, None, "")]
    )
    def test_where_the_book_has_no_times(self, at: Now, updated: int | None, cause: str) -> None:
        (row,) = rows_of(OrderPlaced(order(created_ns=0)), at)
        assert isinstance(row, OrderRow)
        assert (row.created_at, row.updated_at, row.cause) == (None, updated, cause)

    def test_the_orders_own_reason_comes_before_its_cancel_reason(self) -> None:
        (row, *_) = rows_of(OrderPlaced(order(reason="margin", cancel_reason="end_of_day")), RECEIVED)
        assert isinstance(row, OrderRow)
        assert row.reason == "margin"


class TestAFill:
    ROW = FillRow(
        exec_key="0001",
        revision=2,
        exec_id="0001.02",
        client_order_id="TSLA-1",
        order_id=7,
        perm_id=70,
        symbol="TSLA",
        role="stop",
        side="SELL",
        qty=4.0,
        price=100.5,
        cum_qty=9.0,
        avg_price=99.5,
        account="DU1",
        ts=T0 + 8,
        realized_pnl=3.5,
        seq=7,
        cause="symbol-TSLA:3",
        own=10.0,
    )

    def row(self, at: Now, **fields: Any) -> Any:
        defaults: dict[str, Any] = {
            "role": "stop",
            "side": "SELL",
            "quantity": 4.0,
            "price": 100.5,
            "cum_quantity": 9.0,
            "avg_price": 99.5,
            "time_ns": T0 + 8,
        }
        of_order, row = rows_of(OrderFilled(fill("0001.02", **(defaults | fields)), order(), 10.0, 1000.0, 3.5), at)
        assert isinstance(of_order, OrderRow)
        return row

    def test_every_column(self) -> None:
        assert self.row(RECEIVED) == self.ROW

    def test_what_is_not_reported_is_null(self) -> None:
        assert self.row(NO_SENDER, time_ns=0) == msgspec.structs.replace(self.ROW, ts=None, seq=0, cause="")


class TestASymbol:
    STATUS = SymbolStatus("TSLA", "ARMED", "placed", {"price": 9.5}, T0, "2022-03-22", 2, "E", "S", 4.0, 38.0, T0 + 1)

    def test_every_column(self) -> None:
        assert rows_of(self.STATUS, RECEIVED) == [
            StateRow(
                symbol="TSLA",
                state="ARMED",
                why="placed",
                figures_json={"price": 9.5},
                cooldown_until_ts=T0,
                session_date="2022-03-22",
                entry_number=2,
                entry_client_order_id="E",
                stop_client_order_id="S",
                own=4.0,
                cost_usd=38.0,
                updated_at=T0 + 1,
                cause="symbol-TSLA:3",
            )
        ]

    def test_without_a_time_it_has_none(self) -> None:
        (row,) = rows_of(msgspec.structs.replace(self.STATUS, time_ns=0), RECEIVED)
        assert isinstance(row, StateRow)
        assert row.updated_at is None

    @pytest.mark.parametrize(("at", "ts"), [(RECEIVED, T0), (NO_SENDER, T0), (NO_TIME, None)])
    def test_its_position(self, at: Now, ts: int | None) -> None:
        row = PositionRow(symbol="TSLA", account_qty=12.0, avg_cost=99.5, own=10.0, ts=ts)
        assert rows_of(PositionUpdated("TSLA", 12.0, 99.5, 10.0), at) == [row]


@pytest.mark.parametrize(
    ("at", "reported_ns", "event_id", "ts", "seq"),
    [
        (RECEIVED, T0 + 1, "gateway:7", T0 + 1, 7),
        (RECEIVED, 0, "gateway:7", T0, 7),
        (NO_SENDER, T0 + 1, "recorder:run0:protection:TSLA:12:10", T0 + 1, 0),
    ],
)
def test_what_is_protected_of_a_symbol(at: Now, reported_ns: int, event_id: str, ts: int, seq: int) -> None:
    row = ProtectionRow(event_id=event_id, symbol="TSLA", ts=ts, shares=12.0, protected=10.0, seq=seq)
    assert rows_of(ProtectionChanged("TSLA", 12.0, 10.0, reported_ns), at) == [row]


def test_a_session_that_is_awaited() -> None:
    session = Session("2022-03-22", T0, T0 + 5)
    row = SessionRow(date="2022-03-22", open_ts=T0, close_ts=T0 + 5, early=False, phase="awaited", next_open_ts=None)
    assert rows_of(SessionAwaited(session), RECEIVED) == [row]


class TestEvents:
    def event(self, message: messages.Message, at: Now) -> EventRow:
        (row,) = rows_of(message, at)
        assert isinstance(row, EventRow)
        return row

    def test_what_blocks_entries(self) -> None:
        event = self.event(EntriesBlocked("clock_off", "the clock is off", {"off_s": 3.5}), RECEIVED)
        assert event == EventRow(
            event_id="gateway:7",
            event_type="entries_blocked",
            symbol=None,
            level="INFO",
            payload_json={"reason": "clock_off", "text": "the clock is off", "off_s": 3.5},
            ts=T0,
            sender="gateway",
            run=1,
            seq=7,
            cause="symbol-TSLA:3",
        )
        free = self.event(EntriesUnblocked("clock_off"), RECEIVED)
        changed = {"event_type": "entries_unblocked", "payload_json": {"reason": "clock_off"}}
        assert free == msgspec.structs.replace(event, **changed)

    @pytest.mark.parametrize(
        "message",
        [
            Paused("TSLA", "operator"),
            Resumed(None, "operator"),
            Refused("gateway", 9, "TSLA", "boom"),
            EntriesBlocked("clock_off", "", {}),
            EntriesUnblocked("clock_off"),
            ReconciliationDone("DU1", 1, 2, 3),
            EntryDenied("TSLA-1", "TSLA", "cash_reserve", {}),
            Happened("order_filled", "TSLA", "INFO", {"qty": 4}, 0),
        ],
        ids=lambda message: type(message).__name__,
    )
    def test_its_time_is_the_senders_or_else_the_markets(self, message: messages.Message) -> None:
        sent = now(7, time_ns=T0 + 3)
        assert self.event(message, Now(T0 + 4, 5, sent.source)).ts == T0 + 3
        assert self.event(message, Now(T0 + 4, 5, now(7, time_ns=0).source)).ts == T0 + 4
        event = self.event(message, NO_SENDER)
        assert (event.ts, event.sender, event.run, event.seq, event.cause) == (T0, "recorder", 0, 0, "")
        assert self.event(message, NO_TIME).ts is None

    def test_what_happened_at_a_time_of_its_own(self) -> None:
        assert self.event(Happened("order_filled", "TSLA", "INFO", {}, T0 + 2), now(7, time_ns=T0 + 3)).ts == T0 + 2

    def test_what_a_snapshot_repeats_is_the_same_event_in_the_same_run(self) -> None:
        event = self.event(Paused("TSLA", "operator"), now(0, sender="risk", run=3))
        assert event.event_id == 'risk:run3:paused:{"by":"operator"}'
        assert (event.run, event.seq) == (3, 0)
        assert self.event(Paused("TSLA", "operator"), NO_SENDER).event_id == 'recorder:run0:paused:{"by":"operator"}'


class TestTheMarketsTime:
    def decided(self, at: Now, message: messages.Message | None = None) -> list[tuple[str, str, Any]]:
        message = message or CommissionReported("0001.01", "TSLA-1", "TSLA", 1.0, "USD", None)
        return [(kind.__name__, key, record) for kind, key, record in CORE.handle(EMPTY, message, at).changes]

    @pytest.mark.parametrize(("market", "sent", "expected"), [(T0, T0 + 5, T0 + 5), (T0 + 5, T0, T0 + 5), (0, 1, 1)])
    def test_is_the_later_of_the_senders_and_ours(self, market: int, sent: int, expected: int) -> None:
        decided = self.decided(Now(market, 5, now(7, time_ns=sent).source))
        assert decided[0][:2] == ("Commission", "0001.01")
        assert decided[1:] == [("MarketNow", "market", MarketNow(market_ts=expected))]

    def test_without_a_sender_it_is_ours(self) -> None:
        assert self.decided(NO_SENDER)[1:] == [("MarketNow", "market", MarketNow(market_ts=T0))]

    def test_that_is_not_known_is_not_written(self) -> None:
        assert [kind for kind, _, _ in self.decided(NO_TIME)] == ["Commission"]

    def test_is_not_written_for_its_own_sake(self) -> None:
        assert self.decided(NO_SENDER, Happened("x", "", "INFO", {}, 0))[-1][0] == "MarketNow"
        assert self.decided(NO_SENDER, messages.timers.Elapsed()) == []


def test_a_recorder_only_listens() -> None:
    assert CORE.ready(EMPTY) is True
    assert CORE.snapshot(EMPTY, ("TSLA",)) == []
    assert CORE.deadlines(EMPTY, RECEIVED) == Deadlines(None, None)
    decided = CORE.handle(EMPTY, PerformanceSnapshot("2022-03-22", 1, 2, 3, 4, 5, 6, 7, 8), RECEIVED)
    assert (decided.messages, decided.published) == ([], [])
