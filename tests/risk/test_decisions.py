"""Every message of risk's inbox: all that it changes, and all that risk sends."""

from __future__ import annotations

from typing import Any

import pytest

from messages import Message
from messages.account import (
    AccountUpdated,
    BookTold,
    LinkChanged,
    PerformanceSnapshot,
    ReconciliationDone,
    RequestBook,
)
from messages.entries import EntryApproved, EntryDenied, EntryDropped, EntryPlan, SubmitEntry
from messages.market import Session, SessionClosed, SessionOpened, Tick
from messages.operator import Flattening, Happened, Pause, Paused, Refused, Resume, Resumed
from messages.orders import CommissionReported, OrderAccepted, OrderCancelled, OrderRejected, OrderUpdated
from messages.timers import Elapsed, LedgerLost, Started
from messages.watchlist import WatchlistChanged
from services.risk.arming_order import PRIORITY_NS
from services.risk.core import Asked, Door, RiskCore, SessionRecord, Watchlist, constraints
from services.risk.guards import MINUTE_NS, Pace, Tally, Track
from services.risk.limits import AccountRecord, ForeignOrder, FoundEntry, Holding, LastMark, Mark, Reservation
from services.risk.operator import FlattenRecord
from services.risk.pauses import NEXT_SESSION, RESUME, PauseRecord
from services.risk.track_record import Unpriced
from services.runtime.core import Deadlines, Now, Record, State
from services.runtime.ledger import AtMost, Unique
from tests.risk.scenario import MONDAY, Risk, configured, order, plan

AT = 1_000_000
ACCOUNT = AccountRecord("DU1", 100_000.0, 100_000.0, 100_000.0)
ENTRY = "CT-TSLA-20250106-1"
SET_ASIDE = Reservation(ENTRY, "TSLA", 10.0, 10.0, 100.1, 1001.0)


class PreparedRisk(Risk):
    """Risk with exactly these records, at the time `AT`."""

    def __init__(self, *records: Record, door: str = "open", account: AccountRecord | None = ACCOUNT, **sections: Any):
        super().__init__(cold=True, **sections)
        self.now = AT
        self.gateway_answers = False
        known = [r for r in (account, Door(door)) if r is not None]
        self.state.apply([(type(record), record.key, record) for record in (*known, *records)])

    def changed(self, message: Message) -> list[Any]:
        """The records that are written on this message; a dropped one by its type and key."""
        decision = self.core.handle(self.state, message, Now(self.now, 5))
        return [(kind, key) if record is None else record for kind, key, record in decision.changes]

    def both(self, message: Message) -> tuple[list[Any], list[Any]]:
        return self.changed(message), self.sent_on(message)


NOTHING: tuple[list[Any], list[Any]] = ([], [])


class TestReadiness:
    @pytest.mark.parametrize(
        ("door", "account", "ready"),
        [("open", ACCOUNT, True), ("open", None, False), ("asking", ACCOUNT, False), ("closed", ACCOUNT, False)],
    )
    def test_ready_when_it_is_open_and_the_account_is_known(
        self, door: str, account: AccountRecord | None, ready: bool
    ) -> None:
        assert (
            PreparedRisk(door=door, account=account).core.ready(PreparedRisk(door=door, account=account).state) is ready
        )

    def test_a_new_run_starts_closed(self) -> None:
        core = RiskCore(configured())
        assert not core.ready(State(core.kinds))

    def test_after_a_reconciliation_it_requests_the_book(self) -> None:
        entry = PreparedRisk(door="closed").both(ReconciliationDone("DU1", 0, 0, 0))
        assert entry == ([Door("asking")], [("gateway", RequestBook())])

    def test_a_start_requests_the_book_and_takes_the_configured_watchlist(self) -> None:
        risk = PreparedRisk(Watchlist(("GME",)), door="closed")
        watched = Watchlist(("TSLA", "NVDA", "AMD"))
        assert risk.both(Started(2)) == ([watched, Door("asking")], [("gateway", RequestBook())])

    @pytest.mark.parametrize(("reconciled", "door"), [(True, "open"), (False, "closed")])
    def test_the_book_opens_it_if_it_is_the_brokers_too(self, reconciled: bool, door: str) -> None:
        assert PreparedRisk(door="asking").both(BookTold(reconciled, (), (), None)) == ([Door(door)], [])

    def test_a_second_answer_lacks_what_was_approved_since(self) -> None:
        assert PreparedRisk(door="open").both(BookTold(True, (), (), None)) == ([], [])

    def test_it_asks_again_after_a_snapshot_in_whose_place_the_answer_was(self) -> None:
        """Otherwise it would wait for ever, and with it every entry."""
        asked = PreparedRisk(door="asking").both(LinkChanged("socket", True, "reconciled"))
        assert asked == ([Door("asking")], [("gateway", RequestBook())])

    def test_an_entry_of_the_book_without_a_cap_is_reserved_with_the_slippage_of_the_configuration(self) -> None:
        live = order(ENTRY, "TSLA", order_type="STP", stop_price=100.0)
        risk = PreparedRisk(door="asking", risk={"stop_slippage_pct": 4.0})
        kept, opened = risk.changed(BookTold(True, (), (live,), None))
        assert (kept, opened) == (FoundEntry(ENTRY, "TSLA", 10.0, 10.0, 104.1, 1041.0), Door("open"))

    @pytest.mark.parametrize(
        ("door", "link", "up", "changes"),
        [
            ("open", "socket", False, [Door("closed")]),
            ("open", "socket", True, []),
            ("open", "broker", False, []),
            ("open", "data", False, []),
            ("asking", "socket", False, []),
            ("closed", "socket", False, []),
        ],
    )
    def test_without_a_gateway_it_closes(self, door: str, link: Any, up: bool, changes: list[Record]) -> None:
        assert PreparedRisk(door=door).both(LinkChanged(link, up, "")) == (changes, [])

    @pytest.mark.parametrize(("door", "account"), [("closed", ACCOUNT), ("open", None)])
    def test_while_closed_it_denies_at_once(self, door: str, account: AccountRecord | None) -> None:
        risk = PreparedRisk(door=door, account=account)
        assert risk.both(SubmitEntry(plan())) == (
            [Mark("TSLA", 90.0)],
            [
                ("symbol-TSLA", EntryDenied(ENTRY, "TSLA", "risk_not_ready", {})),
                risk.note("risk_not_ready", "TSLA", "WARNING", client_order_id=ENTRY),
            ],
        )

    def test_an_entry_waits_until_the_book_arrives(self) -> None:
        risk = PreparedRisk(door="asking")
        assert risk.both(SubmitEntry(plan())) == ([Asked(plan())], [])

    def test_what_the_configuration_took_out_is_lifted_at_the_start(self) -> None:
        off = PauseRecord(scope="fleet", cause="drawdown", by="guard drawdown")
        on = PauseRecord(scope="TSLA", cause="symbol_stopouts", by="guard symbol_stopouts", resets=NEXT_SESSION)
        risk = PreparedRisk(off, on, PauseRecord(scope="NVDA"), guards={"stopouts_per_symbol_per_day": 2})
        assert risk.sent_on(Started(2)) == [
            risk.note("guard_reset", guard="drawdown", by="configuration"),
            ("fleet", Resumed(None, "configuration")),
            risk.note("entries_resumed", by="configuration"),
            ("gateway", RequestBook()),
        ]
        assert list(risk.state.table(PauseRecord)) == ["TSLA:symbol_stopouts", "NVDA:operator"]


class TestAnEntry:
    def test_approved(self) -> None:
        risk = PreparedRisk(SessionRecord(MONDAY, ("AMD",)))
        assert risk.both(SubmitEntry(plan())) == (
            [Mark("TSLA", 90.0), SessionRecord(MONDAY, ("AMD", "TSLA")), SET_ASIDE, Pace((AT,))],
            [("gateway", EntryApproved(plan(), 1001.0))],
        )

    def test_a_symbol_that_asked_before_is_not_recorded_again(self) -> None:
        risk = PreparedRisk(SessionRecord(MONDAY, ("TSLA",)), guards={"orders_per_minute": None})
        assert risk.changed(SubmitEntry(plan())) == [Mark("TSLA", 90.0), SET_ASIDE]

    def test_the_pace_forgets_what_is_a_minute_old(self) -> None:
        risk = PreparedRisk(Pace((4, 5, 6)))
        risk.now = MINUTE_NS + 5
        assert risk.changed(SubmitEntry(plan()))[-1] == Pace((6, MINUTE_NS + 5))

    def test_denied_with_figures_to_a_symbol_with_a_blank(self) -> None:
        risk = PreparedRisk(SessionRecord(MONDAY), watchlist=["BRK B"], guards={"max_quantity": 9.0})
        entry = plan(symbol="BRK B")
        figures = {"quantity": 10.0, "limit": 9.0}
        assert risk.both(SubmitEntry(entry)) == (
            [Mark("BRK B", 90.0), SessionRecord(MONDAY, ("BRK B",))],
            [
                ("symbol-BRK.B", EntryDenied(entry.client_order_id, "BRK B", "max_quantity", figures)),
                risk.note("max_quantity", "BRK B", "WARNING", client_order_id=entry.client_order_id, **figures),
            ],
        )

    def denied(self, risk: PreparedRisk, entry: EntryPlan | None = None) -> str:
        answer = risk.submit(entry or plan())
        return answer.reason if isinstance(answer, EntryDenied) else ""

    def test_readiness_and_pauses_come_before_guards_and_guards_before_limits(self) -> None:
        bounds: dict[str, Any] = {"guards": {"max_quantity": 9.0}, "risk": {"max_symbol_exposure_usd": 500.0}}
        paused, waiting = PauseRecord(scope="TSLA"), Unpriced("e.1", "NVDA", "CT-NVDA", 1.0, "EUR")
        assert self.denied(PreparedRisk(paused, SET_ASIDE, waiting, door="closed", **bounds)) == "risk_not_ready"
        assert self.denied(PreparedRisk(paused, SET_ASIDE, waiting, **bounds)) == "paused"
        assert self.denied(PreparedRisk(SET_ASIDE, waiting, **bounds)) == "entry_live"
        assert self.denied(PreparedRisk(waiting, **bounds)) == "commission_unpriced"
        assert self.denied(PreparedRisk(**bounds)) == "max_quantity"
        assert self.denied(PreparedRisk(risk=bounds["risk"])) == "symbol_exposure_exceeded"

    def test_figures_of_a_guards_pause(self) -> None:
        figures = {"stopouts": 2.0, "limit": 2.0}
        guard = PauseRecord(scope="TSLA", cause="symbol_stopouts", by="guard symbol_stopouts", figures=figures)
        (_, answer), _ = PreparedRisk(guard).sent_on(SubmitEntry(plan()))
        assert answer == EntryDenied(ENTRY, "TSLA", "guard_symbol_stopouts", figures)
        waiting = [Unpriced(key, "NVDA", "CT-NVDA", 1.0, "EUR") for key in ("e.1", "e.2")]
        (_, answer), _ = PreparedRisk(*waiting).sent_on(SubmitEntry(plan()))
        assert answer == EntryDenied(ENTRY, "TSLA", "commission_unpriced", {"commissions": 2.0})

    def test_an_entry_of_another_symbol_does_not_matter(self) -> None:
        other = Reservation("CT-NVDA", "NVDA", 10.0, 10.0, 100.1, 1001.0)
        assert self.denied(PreparedRisk(other)) == ""

    def test_its_own_reference_is_the_newest_price(self) -> None:
        """Ten shares that cost 100 are worth 900 at it, and with the entry they are too much."""
        held = Holding("TSLA", own=10.0, cost_usd=100.0, account=10.0)
        assert self.denied(PreparedRisk(held, risk={"max_symbol_exposure_usd": 1901.0})) == ""
        assert self.denied(PreparedRisk(held, risk={"max_symbol_exposure_usd": 1900.99})) == "symbol_exposure_exceeded"

    def test_foreign_orders_count(self) -> None:
        foreign = ForeignOrder("foreign:1", "NVDA", "BUY", 10.0, 100.0)
        assert self.denied(PreparedRisk(foreign, allocation={"total_usd_cap": 2000.0})) == "exposure_limit_exceeded"

    @pytest.mark.parametrize(
        "end",
        [
            EntryDropped(ENTRY, "TSLA", "links_down", {}),
            OrderCancelled(order(ENTRY, "TSLA"), True),
            OrderRejected(order(ENTRY, "TSLA"), 201, ""),
        ],
    )
    def test_its_end_frees_the_money(self, end: Message) -> None:
        risk = PreparedRisk(SET_ASIDE, Asked(plan()))
        kept = [] if isinstance(end, EntryDropped) else [ENTRY]
        assert risk.sent_on(end) == []
        assert (list(risk.state.table(Reservation)), list(risk.state.table(Asked))) == ([], kept)

    @pytest.mark.parametrize("role", ["stop", "foreign", "flatten"])
    def test_the_end_of_another_order_does_not(self, role: str) -> None:
        risk = PreparedRisk(SET_ASIDE)
        ended = order(ENTRY, "TSLA", role=role, status="Cancelled")
        assert risk.both(OrderCancelled(ended, True)) == NOTHING
        assert risk.both(OrderRejected(ended, 201, "")) == NOTHING


class TestArmingOrder:
    """Room for one of TSLA's size and NVDA's entry; entries start 15 s after the open."""

    ARMED_FROM_NS = 15 * 10**9
    TODAY = Session(MONDAY.date, 0, 10**14)

    def denied(
        self, *records: Record, entry: str = "NVDA", at: int = ARMED_FROM_NS, usd: float = 2000.0, **more: Any
    ) -> str:
        sections = {"allocation": {"total_usd_cap": usd}} | more
        risk = PreparedRisk(SessionRecord(self.TODAY), *records, **sections)
        risk.now = at
        answer = risk.submit(plan(symbol=entry))
        recorded = risk.state.table(SessionRecord)["session"].asked
        assert (entry in recorded) is not (isinstance(answer, EntryDenied) and answer.reason == "waits_for_turn")
        return answer.reason if isinstance(answer, EntryDenied) else ""

    def test_for_a_minute_it_waits_for_earlier_symbols(self) -> None:
        assert self.denied(at=self.ARMED_FROM_NS + PRIORITY_NS - 1) == "waits_for_turn"
        assert self.denied(at=self.ARMED_FROM_NS + PRIORITY_NS) == ""
        late = {"open_delay_s": 30.0}
        assert self.denied(at=2 * self.ARMED_FROM_NS + PRIORITY_NS - 1, entries=late) == "waits_for_turn"
        assert self.denied(at=2 * self.ARMED_FROM_NS + PRIORITY_NS, entries=late) == ""

    def test_before_the_first_session_no_symbol_waits(self) -> None:
        risk = PreparedRisk(allocation={"total_usd_cap": 2000.0})
        assert isinstance(risk.submit(plan(symbol="NVDA")), EntryApproved)

    @pytest.mark.parametrize(
        ("record", "more", "reason"),
        [
            (SessionRecord(TODAY, ("TSLA",)), {}, ""),
            (PauseRecord(scope="TSLA"), {}, ""),
            (PauseRecord(scope="AMD"), {}, "waits_for_turn"),
            (Tally(), {"guards": {"restricted": ["TSLA"]}}, ""),
            (Holding("TSLA", own=1.0, cost_usd=1.0, account=1.0), {}, ""),
            (Holding("TSLA", own=0.9, cost_usd=0.9, account=0.9), {}, "waits_for_turn"),
            (Holding("TSLA", account=5.0, avg_cost=1.0), {}, "waits_for_turn"),
            (Watchlist(("NVDA", "AMD")), {}, ""),
            (Watchlist(("AMD", "NVDA")), {}, "waits_for_turn"),
        ],
    )
    def test_a_symbol_that_asked_or_holds_or_is_stopped_keeps_no_room(
        self, record: Record, more: dict[str, Any], reason: str
    ) -> None:
        assert self.denied(record, **more) == reason

    @pytest.mark.parametrize(
        ("records", "reason"),
        [
            ([Holding("GME", own=10.0, cost_usd=900.0, account=10.0)], ""),
            ([Holding("GME", own=10.0, cost_usd=901.0, account=10.0)], "waits_for_turn"),
            ([Reservation("CT-GME", "GME", 1.0, 1.0, 900.0, 900.0)], ""),
            ([Reservation("CT-GME", "GME", 1.0, 1.0, 901.0, 901.0)], "waits_for_turn"),
        ],
    )
    def test_what_is_held_and_reserved_takes_room(self, records: list[Record], reason: str) -> None:
        """1,001 for this one and 1,103.50 at most for TSLA leave 900 of 3,004.50."""
        assert self.denied(*records, usd=3004.5) == reason

    def test_limits_are_checked_before_the_arming_order(self) -> None:
        assert self.denied(usd=1000.0) == "exposure_limit_exceeded"


class TestReports:
    @pytest.mark.parametrize(("last", "marks"), [(0.5, [Mark("TSLA", 0.5)]), (0.0, []), (-1.0, [])])
    def test_a_price_is_above_nothing(self, last: float, marks: list[Record]) -> None:
        assert PreparedRisk().both(Tick("TSLA", 1, 1, 0, last, 0)) == (marks, [])

    @pytest.mark.parametrize(
        ("holding", "looks"),
        [
            (Holding("TSLA", own=0.5, cost_usd=1.0), True),
            (Holding("TSLA", account=5.0, avg_cost=1.0), False),
            (Holding("NVDA", own=5.0, cost_usd=5.0), False),
        ],
    )
    def test_guards_look_at_the_price_of_own_shares(self, holding: Holding, looks: bool) -> None:
        risk = PreparedRisk(holding, Tally(losses=3), guards={"consecutive_losses": 3})
        risk.handle(Tick("TSLA", 1, 1, 0, 95.0, 0))
        assert bool(risk.state.table(PauseRecord)) is looks

    def test_guards_look_after_a_fill_and_after_a_commission(self) -> None:
        risk = PreparedRisk(Tally(losses=3), guards={"consecutive_losses": 3})
        risk.fill(ENTRY, "TSLA", own=10.0, cost=950.0)
        assert risk.state.table(Tally)["tally"].trades == 1
        assert risk.state.table(Holding)["TSLA"].own == 10.0
        assert list(risk.state.table(PauseRecord)) == ["fleet:consecutive_losses"]
        risk = PreparedRisk(Tally(losses=3), guards={"consecutive_losses": 3})
        risk.handle(CommissionReported("e.1", ENTRY, "TSLA", 2.0, "USD", None))
        assert risk.state.table(Tally)["tally"].commissions_usd == 2.0
        assert list(risk.state.table(PauseRecord)) == ["fleet:consecutive_losses"]

    def test_a_rate_counts_what_waited_and_guards_look(self) -> None:
        waiting = Unpriced("e.1", "TSLA", ENTRY, 100.0, "EUR")
        report = AccountUpdated("DU1", 1.0, 2.0, 3.0, 0.0, 0, rates={"EUR": 1.25})
        guards: dict[str, Any] = {"guards": {"daily_loss_pct": 1.0}, "allocation": {"total_usd_cap": 10_000.0}}
        for message, account in ((report, ACCOUNT), (BookTold(True, (), (), report), None)):
            risk = PreparedRisk(waiting, account=account, door="asking", **guards)
            risk.handle(message)
            assert risk.state.table(Tally)["tally"].commissions_usd == 125.0
            assert list(risk.state.table(PauseRecord)) == ["fleet:daily_loss"]

    def test_the_account_alone_is_one_record(self) -> None:
        report = AccountUpdated("DU1", 1.0, 2.0, 3.0, 0.0, 0)
        risk = PreparedRisk(Tally(losses=3), guards={"consecutive_losses": 3})
        assert risk.both(report) == ([AccountRecord("DU1", 1.0, 2.0, 3.0)], [])

    def test_of_orders_only_those_that_are_not_ours(self) -> None:
        message: dict[str, Any] = {"side": "BUY", "quantity": 5.0, "limit_price": 9.0, "status": "Submitted"}
        foreign = order("foreign:1", "NVDA", role="foreign", **message)
        kept = ForeignOrder("foreign:1", "NVDA", "BUY", 5.0, 9.0)
        assert PreparedRisk().both(OrderUpdated(foreign)) == ([kept], [])
        assert PreparedRisk().both(OrderUpdated(order(ENTRY, "TSLA", status="Submitted"))) == NOTHING

    def test_the_watchlist_and_the_way_of_a_flatten(self) -> None:
        assert PreparedRisk().both(WatchlistChanged(("GME",), ("TSLA",))) == ([Watchlist(("GME",))], [])
        assert PreparedRisk().both(Flattening("TSLA", "selling", 10.0)) == ([FlattenRecord("TSLA", "selling")], [])
        for phase in ("done", "failed", "withdrawn"):
            assert PreparedRisk(FlattenRecord("TSLA", "selling")).changed(Flattening("TSLA", phase, 10.0)) == [
                (FlattenRecord, "TSLA")
            ]

    @pytest.mark.parametrize("symbol", ["TSLA", ""])
    def test_a_refused_message_stops_entries_with_its_error(self, symbol: str) -> None:
        risk = PreparedRisk()
        by, scope = "refused message: boom", symbol or "fleet"
        assert risk.both(Refused("gateway", 3, symbol, "boom")) == (
            [PauseRecord(scope=scope, cause="refused", by=by, resets=RESUME, since_ns=AT)],
            [(scope, Paused(symbol or None, by)), risk.note("entries_paused", symbol, "WARNING", by=by)],
        )

    def test_a_command_is_carried_out(self) -> None:
        assert PreparedRisk().sent_on(Pause("TSLA"))[0] == ("TSLA", Paused("TSLA", "operator"))

    @pytest.mark.parametrize("message", [Elapsed(), OrderAccepted(order(ENTRY, "TSLA"))])
    def test_the_rest_is_not_its_business(self, message: Message) -> None:
        assert PreparedRisk(SET_ASIDE).both(message) == NOTHING


class TestASessionOpens:
    TUESDAY = Session("2025-01-07", 10, 20)
    TALLY = Tally(realized_usd=5.0, session_date=MONDAY.date, sessions=("a", "b", MONDAY.date), trades=4, stopouts=3)

    def test_the_counts_of_the_day_are_reset(self) -> None:
        risk = PreparedRisk(
            self.TALLY,
            SessionRecord(MONDAY, ("TSLA",)),
            Track(symbol="TSLA", stopouts=2, realized_usd=-5.0, bought=MONDAY.date, day_trades=("a", MONDAY.date)),
            Track(symbol="NVDA", day_trades=("b", MONDAY.date)),
            Track(symbol="AMD", day_trades=("a", "b")),
            Track(symbol="GME", realized_usd=1.0),
            guards={"day_trade_sessions": 3},
        )
        assert risk.both(SessionOpened(self.TUESDAY, 10)) == (
            [
                Tally(
                    realized_usd=5.0,
                    last_close_pnl_usd=5.0,  # Monday's close was missed
                    session_date=self.TUESDAY.date,
                    sessions=("b", MONDAY.date, self.TUESDAY.date),
                ),
                Track(symbol="TSLA", realized_usd=-5.0, bought=MONDAY.date, day_trades=(MONDAY.date,)),
                Track(symbol="AMD", day_trades=("b",)),
                SessionRecord(self.TUESDAY),
            ],
            [],
        )

    def test_the_same_one_opens_once(self) -> None:
        risk = PreparedRisk(self.TALLY, Tally(losses=3, session_date=MONDAY.date), guards={"consecutive_losses": 3})
        assert risk.both(SessionOpened(MONDAY, 10)) == NOTHING

    def test_what_lasts_until_now_ends_scope_by_scope(self) -> None:
        guard = PauseRecord(scope="TSLA", cause="symbol_stopouts", by="guard symbol_stopouts", resets=NEXT_SESSION)
        risk = PreparedRisk(guard, PauseRecord(scope="NVDA"))
        assert risk.sent_on(SessionOpened(MONDAY, 10)) == [
            risk.note("guard_reset", "TSLA", guard="symbol_stopouts", by="next session"),
            ("TSLA", Resumed("TSLA", "next session")),
            risk.note("entries_resumed", "TSLA", by="next session"),
        ]
        assert list(risk.state.table(PauseRecord)) == ["NVDA:operator"]

    def test_guards_look_after_that(self) -> None:
        risk = PreparedRisk(Tally(losses=3, stopouts=9), guards={"consecutive_losses": 3, "stopouts_per_day": 3})
        risk.handle(SessionOpened(MONDAY, 10))
        assert list(risk.state.table(PauseRecord)) == ["fleet:consecutive_losses"], "yesterday's stop-outs are past"

    @pytest.mark.parametrize(
        ("own", "cap", "exposure", "needed"),
        [
            # Each of the three may need 1,103.50.
            (0.0, 3310.5, None, None),
            (0.0, 3310.49, 0.0, 3310.5),
            (1.0, 2297.0, None, None),
            (1.0, 2296.99, 90.0, 2207.0),
            (0.5, 3355.49, 45.0, 3310.5),
        ],
    )
    def test_short_caps_are_noted(self, own: float, cap: float, exposure: float | None, needed: float | None) -> None:
        held = Holding("TSLA", own=own, cost_usd=own * 80.0, account=own)
        risk = PreparedRisk(held, Mark("TSLA", 90.0), allocation={"total_usd_cap": cap})
        sent = [risk.note("caps_short", exposure_usd=exposure, needed_usd=needed, limit_usd=cap, order="watchlist")]
        assert risk.sent_on(SessionOpened(MONDAY, 10)) == ([] if exposure is None else sent)

    def test_for_a_symbol_of_its_own_size_in_cents(self) -> None:
        risk = PreparedRisk(
            Watchlist(("NVDA",)),
            Holding("GME", own=1.0, cost_usd=7.1264, account=1.0),
            ForeignOrder("foreign:1", "GME", "BUY", 1.0, 5.0),
            allocation={"total_usd_cap": 1000.0, "per_symbol_override": {"NVDA": 2000.123}},
        )
        assert risk.sent_on(SessionOpened(MONDAY, 10)) == [
            risk.note("caps_short", exposure_usd=12.13, needed_usd=2206.14, limit_usd=1000.0, order="watchlist")
        ]


class TestASessionCloses:
    def test_the_figures(self) -> None:
        tally = Tally(realized_usd=100.123456, commissions_usd=7.0, last_close_pnl_usd=3.0, trades=4)
        held = Holding("TSLA", own=10.0, cost_usd=950.0, account=12.0, avg_cost=90.0)
        risk = PreparedRisk(
            tally,
            held,
            Holding("NVDA", own=0.5, cost_usd=60.0, account=0.5),
            Holding("AMD", account=50.0, avg_cost=90.0),
            Mark("TSLA", 97.0123678),
            account=AccountRecord("DU1", 90_000.0, 80_000.0),
            allocation={"total_usd_cap": 12_345.0},
        )
        changes, sent = risk.both(SessionClosed(MONDAY))
        assert sent == [
            (
                "fleet",
                PerformanceSnapshot(
                    date=MONDAY.date,
                    account_value=90_000.0,
                    cash_value=80_000.0,
                    position_value=1030.1237,
                    unrealized_pnl=20.1237,
                    realized_pnl=93.1235,
                    daily_pnl=110.2471,
                    num_positions=2,
                    num_trades=4,
                    base_usd=12_345.0,
                ),
            )
        ]
        kept, after = changes
        assert kept == LastMark("TSLA", 97.0123678)
        assert isinstance(after, Tally)
        assert (after.closed_date, after.next_date) == (MONDAY.date, "")
        assert after.last_close_pnl_usd == pytest.approx(113.247134)
        assert after.trades == 4

    def test_before_the_account_is_known(self) -> None:
        risk = PreparedRisk(account=None)
        nothing = PerformanceSnapshot(MONDAY.date, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 20_000.0)
        assert risk.both(SessionClosed(MONDAY)) == ([Tally(closed_date=MONDAY.date)], [("fleet", nothing)])


def test_a_snapshot_has_every_pause() -> None:
    guard = PauseRecord(scope="TSLA", cause="symbol_stopouts", by="guard symbol_stopouts")
    risk = PreparedRisk(PauseRecord(scope="fleet", by="flatten"), guard)
    assert risk.core.snapshot(risk.state, ()) == [
        ("fleet", Paused(None, "flatten")),
        ("TSLA", Paused("TSLA", "guard symbol_stopouts")),
        (
            "recorder",
            Happened("guard_tripped", "TSLA", "WARNING", {"guard": "symbol_stopouts", "resets": "resume"}, 0),
        ),
    ]


def test_nothing_is_ever_due() -> None:
    assert PreparedRisk().core.deadlines(PreparedRisk().state, Now(0, 0)) == Deadlines(None, None)


def test_the_last_line_of_defence_stands_in_the_ledger() -> None:
    settings = configured(allocation={"total_usd_cap": 5000.0})
    assert constraints(settings) == (Unique("Reservation", "symbol"), AtMost("Reservation", "usd", 5000.0))


def test_after_the_loss_of_its_ledger_all_entries_are_paused_until_the_operator_resumes() -> None:
    risk = PreparedRisk()
    risk.handle(LedgerLost("risk", 5))
    (lost,) = risk.state.table(PauseRecord).values()
    assert (lost.scope, lost.cause, lost.resets) == ("fleet", "ledger_lost", "resume")
    risk.handle(Resume(None))
    assert not risk.state.table(PauseRecord)


def test_after_the_loss_of_the_gateways_ledger_it_asks_for_the_book() -> None:
    risk = PreparedRisk()
    assert risk.both(LedgerLost("gateway", 5)) == ([Door("asking")], [("gateway", RequestBook())])


def test_a_flatten_that_only_a_lost_ledger_knew_is_over() -> None:
    """The gateway's snapshot follows, and tells those that it still knows."""
    risk = PreparedRisk()
    risk.handle(Flattening("TSLA", "selling", 10.0))
    risk.handle(LedgerLost("gateway", 5))
    assert not risk.state.table(FlattenRecord)
