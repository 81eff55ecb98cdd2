"""The gateway's core message by message: all that it remembers, sends and tells."""

from __future__ import annotations

from typing import Any

import pytest

from messages.account import AccountUpdated, BookTold, LinkChanged, ReconciliationDone, RequestBook
from messages.broker import (
    BrokerAccount,
    BrokerClock,
    BrokerError,
    BrokerMarketRule,
    BrokerPosition,
    BrokerSnapshot,
    Connected,
    Disconnected,
    LiveConfirmation,
    PlaceOrder,
    Quote,
    RequestSnapshot,
    SnapshotFailed,
    Subscribe,
)
from messages.entries import EntryApproved, EntryDropped
from messages.interlock import EntriesBlocked
from messages.market import (
    MarketRule,
    Session,
    SessionApproaching,
    SessionClosed,
    SessionClosing,
    SessionOpened,
    Tick,
)
from messages.operator import Flatten, Happened
from messages.orders import OrderUpdated, PositionUpdated
from messages.timers import Elapsed, Started
from messages.watchlist import WatchlistChanged
from services.core import Deadlines, Decision, Now
from services.gateway.book import (
    AccountPosition,
    AccountSeen,
    Anchor,
    Audit,
    Book,
    Change,
    CommissionSeen,
    Doubt,
    EarlyCommission,
    EntrySlot,
    HeldBack,
    LastError,
    Links,
    Own,
    PriceGrid,
    QuoteRecord,
    SessionRecord,
    Tombstone,
    Unprotected,
)
from services.gateway.core import KEEP_NS, GatewayCore
from services.gateway.coverage import Coverage
from services.gateway.flatten import FlattenRecord
from services.gateway.interlock import Block, Confirmed

from .broker_words import ACCOUNT, DAY, SECOND, UNTIL, broker_execution, broker_order, changed, plan
from .decided import (
    DOWN,
    ENTRY,
    MACHINE_NS,
    NOON_NS,
    OPEN,
    READY,
    STOP,
    entry,
    fill,
    foreign,
    handled,
    held,
    note,
    quoted,
    rules,
    state_of,
    stop,
    told,
    written,
)

BOOK = Book(account=ACCOUNT, next_order_id=50)
ASKED = MACHINE_NS + 2 * SECOND
"""When to ask again."""
UNHEARD = MACHINE_NS + 10 * SECOND
"""When to ask about an order that nobody spoke of."""
COVERED = Coverage("TSLA", 10.0, 10.0)
NOTHING = Decision()


def fleet_note(event: str, level: str = "INFO", **fields: Any) -> tuple[str, Happened]:
    return note(event, "", level, **fields)


class TestLinks:
    RECONCILING = Links(
        phase="reconciling", up_since_ns=MACHINE_NS, up_since_market_ns=NOON_NS, asking=True, client_id=12
    )

    def test_a_connection_asks_for_everything_and_doubts_what_is_live(self) -> None:
        orders = [entry(), foreign(), stop(status="Cancelled")]
        lost = Links(phase="down", broker_up=False, data_up=False, run=3)
        d = handled(Connected((ACCOUNT,), 70, 12), lost, Book(account=ACCOUNT, next_order_id=50), *orders)
        assert written(d) == [
            Book(account=ACCOUNT, next_order_id=70),
            changed(self.RECONCILING, run=3),
            Doubt(ENTRY, True),
        ]
        assert told(d) == [
            ("fleet", LinkChanged("broker", True, "connected")),
            ("fleet", LinkChanged("data", True, "connected")),
            ("broker", RequestSnapshot()),
        ]

    def test_order_ids_never_roll_back(self) -> None:
        assert written(handled(Connected((ACCOUNT,), 1, 12), BOOK))[0] == BOOK
        assert written(handled(Connected((ACCOUNT,), 1, 12)))[0] == Book(account=ACCOUNT, next_order_id=1)

    def test_a_wrong_account_is_told_and_refused(self) -> None:
        d = handled(Connected(("DU7654321",), 1, 12), Links(run=3), BOOK)
        text = f"ibkr.account {ACCOUNT} is not of this login (DU7654321); log in with its user, or name another"
        text += "; nothing is sent"
        assert written(d) == [Block("wrong_account", text, {}), Links(phase="refused", run=3)]
        assert told(d) == [
            ("fleet", EntriesBlocked("wrong_account", text, {})),
            fleet_note("wrong_account", "ERROR", text=text),
        ]
        state = state_of(*written(d))
        assert GatewayCore(rules()).note(state) == text
        assert GatewayCore(rules()).note(state_of(Block("clock_off", "?", {}))) == ""

    @pytest.mark.parametrize(
        "word",
        [
            broker_order(ENTRY),
            BrokerPosition(ACCOUNT, "TSLA", 1.0, 1.0),
            BrokerError(-1, 1102, ""),
            BrokerSnapshot(ACCOUNT, (), (), (), (), ()),
            SnapshotFailed("timeout"),
        ],
    )
    def test_what_a_wrong_account_says_concerns_nobody(self, word: Any) -> None:
        assert handled(word, Links(phase="refused")) == NOTHING

    def test_the_right_one_again_unblocks(self) -> None:
        d = handled(Connected((ACCOUNT,), 1, 12), Links(phase="refused"), BOOK, Block("wrong_account", "…", {}))
        assert written(d)[0] == (Block, "wrong_account")
        assert written(d)[2].phase == "reconciling"

    def test_a_lost_socket_is_told_once(self) -> None:
        links = changed(READY, ask_at_ns=5, asking=True, run=3)
        d = handled(Disconnected("socket closed"), links)
        assert written(d) == [Links(phase="down", run=3)]
        assert told(d) == [
            ("fleet", LinkChanged("socket", False, "socket closed")),
            fleet_note("socket_lost", "WARNING", reason="socket closed"),
        ]
        for phase in ("down", "refused"):
            d = handled(Disconnected("socket closed"), Links(phase=phase, run=3))
            assert (written(d), told(d)) == ([Links(phase="down", run=3)], [])

    @pytest.mark.parametrize("code", [1100, 2110])
    def test_the_brokers_own_link_is_lost_once(self, code: int) -> None:
        d = handled(BrokerError(-1, code, "lost"), READY)
        assert written(d) == [changed(READY, broker_up=False)]
        assert told(d) == [
            ("fleet", LinkChanged("broker", False, "lost")),
            fleet_note("broker_link_lost", "WARNING", code=code, text="lost"),
        ]
        assert handled(BrokerError(-1, code, "lost"), changed(READY, broker_up=False)) == NOTHING
        assert handled(BrokerError(-1, code, "lost"), DOWN) == NOTHING

    @pytest.mark.parametrize("code", [1101, 1102])
    def test_back_everything_is_asked_anew(self, code: int) -> None:
        d = handled(BrokerError(-1, code, "back"), changed(READY, broker_up=False), entry())
        assert written(d) == [changed(self.RECONCILING, client_id=0), Doubt(ENTRY, True)]
        assert told(d) == [
            ("fleet", LinkChanged("broker", True, "back")),
            fleet_note("broker_link_restored", code=code, text="back"),
            ("broker", RequestSnapshot()),
        ]

    @pytest.mark.parametrize(
        ("code", "before", "after", "event"),
        [(2103, True, False, "data_farm_lost"), (2104, False, True, "data_farm_restored")],
    )
    def test_the_data_farms(self, code: int, before: bool, after: bool, event: str) -> None:
        d = handled(BrokerError(0, code, "usfarm"), changed(READY, data_up=before))
        assert written(d) == [changed(READY, data_up=after)]
        assert told(d) == [
            ("fleet", LinkChanged("data", after, "usfarm")),
            fleet_note(event, "WARNING", code=code, text="usfarm"),
        ]
        assert handled(BrokerError(0, code, "usfarm"), changed(READY, data_up=after)) == NOTHING

    def test_any_other_word_means_nothing(self) -> None:
        assert handled(BrokerError(-1, 2106, "hmds"), READY) == NOTHING


class TestOrderError:
    """It may mean the end of the order, or not: ask, and let the answer decide."""

    ERROR = BrokerError(1, 201, "no margin")
    SAID = note("order_error", level="WARNING", client_order_id=ENTRY, code=201, text="no margin")

    @pytest.mark.parametrize("asking", [True, False])
    def test_of_a_live_order_it_is_kept_and_asked_about(self, asking: bool) -> None:
        d = handled(self.ERROR, changed(READY, asking=asking), entry())
        assert written(d) == [
            LastError(ENTRY, 201, "no margin"),
            Doubt(ENTRY),
            changed(READY, ask_at_ns=ASKED, asking=asking),
        ]
        assert told(d) == [self.SAID]

    def test_of_one_that_is_over_it_is_kept(self) -> None:
        d = handled(self.ERROR, READY, entry(status="Cancelled"))
        assert (written(d), told(d)) == ([LastError(ENTRY, 201, "no margin")], [self.SAID])

    @pytest.mark.parametrize(
        "orders",
        [[], [entry(order_id=3)], [foreign(order_id=1)]],
    )
    def test_of_an_order_that_is_not_ours_it_is_nothing(self, orders: list[Any]) -> None:
        assert handled(self.ERROR, READY, *orders) == NOTHING

    def test_information_is_no_error(self) -> None:
        assert handled(BrokerError(1, 399, "held until the open"), READY, entry()) == NOTHING

    @pytest.mark.parametrize(("phase", "goes"), [("open", False), ("closed", True)])
    def test_a_change_is_refused_and_before_the_open_its_stop_must_not_fire(self, phase: str, goes: bool) -> None:
        change = Change(STOP, "TSLA", 4.0, "sent")
        d = handled(BrokerError(2, 10326, "no"), READY, changed(OPEN, phase=phase), stop(), change)
        assert written(d)[:2] == [
            LastError(STOP, 10326, "no"),
            (Change, STOP) if goes else changed(change, stage="refused"),
        ]
        assert [to for to, _ in told(d)].count("broker") == goes

    @pytest.mark.parametrize("session", [[], [changed(OPEN, phase="closed")]])
    def test_an_error_without_a_change_takes_nothing_back(self, session: list[Any]) -> None:
        d = handled(BrokerError(2, 201, "no"), READY, stop(), *session)
        assert [to for to, _ in told(d)] == ["recorder"]
        d = handled(BrokerError(2, 201, "no"), READY, stop(), Change(STOP, "TSLA", 4.0, "reading"), *session)
        assert not [r for r in written(d) if isinstance(r, Change)]


class TestAnswer:
    FIRST = Links(phase="reconciling", asking=True)

    def answer(self, **parts: Any) -> BrokerSnapshot:
        words: dict[str, Any] = dict.fromkeys(
            ("positions", "open_orders", "completed_orders", "executions", "commissions"), ()
        )
        return BrokerSnapshot(account=ACCOUNT, **(words | parts))

    def test_the_first_one_makes_ready_and_counts(self) -> None:
        parts = {
            "positions": (BrokerPosition(ACCOUNT, "NVDA", 5.0, 90.0),),
            "open_orders": (broker_order("", perm_id=7), broker_order("", perm_id=8)),
            "executions": (broker_execution("not ours", 1.0, 1.0),) * 3,
        }
        seen = [foreign(f"foreign:{n}", order_id=1, side="BUY") for n in (7, 8)]
        d = handled(self.answer(**parts), self.FIRST, BOOK, *seen)
        assert changed(READY, phase="ready") in written(d)
        assert told(d)[-3:] == [
            fleet_note("reconciled", open_orders=2, executions=3, positions=1),
            ("fleet", LinkChanged("socket", True, "reconciled")),
            ("fleet", ReconciliationDone(ACCOUNT, 2, 3, 1)),
        ]

    def test_any_further_one_says_nothing_of_that(self) -> None:
        d = handled(self.answer(), changed(READY, asking=True), BOOK)
        assert (written(d), told(d)) == ([READY], [])

    def test_what_it_lists_is_in_doubt_no_more_and_what_it_does_not_is_asked_about_again(self) -> None:
        other = entry("CT-NVDA-20250106-1", symbol="NVDA", order_id=5)
        known = entry(perm_id=77)
        d = handled(
            self.answer(open_orders=(broker_order(ENTRY, status="PreSubmitted", why_held="trigger"),)),
            changed(READY, asking=True),
            BOOK,
            known,
            other,
            Doubt(ENTRY, True),
            Doubt(other.key, True, 1),
        )
        assert written(d)[:3] == [(Doubt, ENTRY), Doubt(other.key, False, 2), changed(READY, ask_at_ns=ASKED)]
        assert written(d)[3:] == [(Unprotected, "TSLA"), (Unprotected, "NVDA")], "whatever it speaks of is looked at"
        assert told(d) == []

    def test_after_three_without_it_an_order_is_dead(self) -> None:
        d = handled(self.answer(), changed(READY, asking=True), BOOK, entry(), Doubt(ENTRY, True, 2))
        assert (Doubt, ENTRY) in written(d)
        assert READY in written(d), "nothing is asked any more"
        assert told(d)[1][1].event == "order_never_arrived"

    @pytest.mark.parametrize(
        ("doubt", "stage"),
        [([Doubt(STOP, True)], "refused"), ([Doubt(STOP, False)], "sent"), ([], "sent")],
    )
    def test_a_change_that_was_asked_about_and_is_not_made_was_refused(self, doubt: list[Any], stage: str) -> None:
        listed = broker_order(STOP, side="SELL", order_type="TRAIL", order_id=2, status="PreSubmitted")
        change = Change(STOP, "TSLA", 4.0, "sent")
        d = handled(
            self.answer(open_orders=(listed,), positions=(BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.0),)),
            changed(READY, asking=True, up_since_ns=MACHINE_NS, up_since_market_ns=NOON_NS),
            BOOK,
            OPEN,
            *held(4.0),
            fill(quantity=4.0),
            stop(perm_id=77),
            change,
            *doubt,
        )
        found = [r.stage for r in written(d) if isinstance(r, Change)]
        assert (found or ["sent"])[-1] == stage

    def test_what_is_due_is_audited_with_it(self) -> None:
        d = handled(
            self.answer(positions=(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0),)),
            changed(READY, asking=True),
            BOOK,
            COVERED,
            *held(),
            stop(perm_id=77),
            Anchor("TSLA", 10.0, 105.0, 106.0, 0),
            Audit("TSLA"),
        )
        assert (Audit, "TSLA") in written(d)
        assert note("audit_passed", shares=10.0) in told(d)

    def test_failed_it_is_asked_for_again(self) -> None:
        d = handled(SnapshotFailed("timeout"), self.FIRST)
        assert written(d) == [changed(self.FIRST, asking=False, ask_at_ns=ASKED)]
        assert told(d) == [fleet_note("snapshot_failed", "WARNING", reason="timeout")]


class TestElapsed:
    UNDER_WAY = entry(status="InFlight", why_held="")

    @pytest.mark.parametrize(("late_ns", "asks"), [(0, True), (-1, False)])
    def test_orders_that_nobody_spoke_of_are_asked_about_then(self, late_ns: int, asks: bool) -> None:
        links = changed(READY, ask_at_ns=MACHINE_NS - late_ns)
        d = handled(Elapsed(), links, self.UNDER_WAY, stop(), Doubt("CT-NVDA-20250106-1"))
        if not asks:
            assert d == NOTHING
            return
        assert written(d) == [
            Doubt(ENTRY, True),
            changed(READY, asking=True),
            Doubt("CT-NVDA-20250106-1", True),
        ]
        assert told(d) == [("broker", RequestSnapshot())]

    def test_a_change_that_nobody_confirmed_as_well(self) -> None:
        d = handled(
            Elapsed(),
            changed(READY, ask_at_ns=MACHINE_NS),
            stop(),
            stop(f"{ENTRY}-S2", status="Cancelled"),
            Change(STOP, "TSLA", 4.0, "sent"),
            Change(f"{ENTRY}-S2", "TSLA", 4.0, "sent"),
            COVERED,
        )
        assert written(d)[0] == Doubt(STOP, True)

    def test_one_that_is_in_doubt_keeps_its_count(self) -> None:
        d = handled(Elapsed(), changed(READY, ask_at_ns=MACHINE_NS), self.UNDER_WAY, Doubt(ENTRY, False, 2))
        assert Doubt(ENTRY, True, 2) in written(d)

    def test_where_nothing_is_in_doubt_nothing_is_asked(self) -> None:
        d = handled(Elapsed(), changed(READY, ask_at_ns=MACHINE_NS), entry())
        assert (written(d), told(d)) == ([READY], [])

    @pytest.mark.parametrize(
        ("links", "asks"),
        [
            (Links(phase="reconciling", ask_at_ns=MACHINE_NS), True),  # an answer failed, and nothing is live
            (Links(phase="reconciling", ask_at_ns=MACHINE_NS, asking=True), False),
            (Links(phase="reconciling"), False),
        ],
    )
    def test_while_reconciling_it_is_asked_in_any_case_one_question_at_a_time(self, links: Links, asks: bool) -> None:
        assert told(handled(Elapsed(), links)) == ([("broker", RequestSnapshot())] if asks else [])

    def test_unprotected_shares_are_looked_at(self) -> None:
        d = handled(Elapsed(), READY, OPEN, *held(), fill(), Unprotected("TSLA", MACHINE_NS, MACHINE_NS))
        assert [m.order.client_order_id for to, m in told(d) if to == "broker"] == [f"{ENTRY}-S1"]


class TestQuote:
    QUOTE = Quote("TSLA", 106.0, NOON_NS - 1, 105.9, 106.1, delayed=True)

    def test_it_is_numbered_and_published(self) -> None:
        d = handled(self.QUOTE, changed(READY, run=3), QuoteRecord(self.QUOTE, 7))
        assert written(d) == [QuoteRecord(self.QUOTE, 8)]
        assert told(d) == []
        tick = Tick(
            symbol="TSLA",
            run=3,
            number=8,
            time_ns=NOON_NS,
            last=106.0,
            last_ns=NOON_NS - 1,
            bid=105.9,
            ask=106.1,
            delayed=True,
        )
        assert d.published == [("TSLA", tick)]
        assert handled(changed(self.QUOTE, halted=True), READY).published[0][1].halted is True

    def test_before_the_book_agrees_nobody_may_act_on_it(self) -> None:
        for phase in ("down", "reconciling"):
            d = handled(self.QUOTE, Links(phase=phase), QuoteRecord(self.QUOTE, 7))
            assert d == Decision([(QuoteRecord, "TSLA", QuoteRecord(self.QUOTE, 7))])
        assert written(handled(self.QUOTE, DOWN)) == [QuoteRecord(self.QUOTE, 0)]
        assert written(handled(self.QUOTE, READY)) == [QuoteRecord(self.QUOTE, 1)]

    def test_a_halt_that_is_over_lets_a_flatten_go_on(self) -> None:
        waits = FlattenRecord(symbol="TSLA", phase="waiting", reason="halted")
        d = handled(self.QUOTE, READY, OPEN, *held(), stop(), waits, COVERED)
        assert [type(m).__name__ for to, m in told(d) if to == "broker"] == ["CancelOrder"]

    @pytest.mark.parametrize(("waits_for_a_price", "audited"), [(True, True), (False, False)])
    def test_an_audit_that_waits_for_a_price_has_one(self, waits_for_a_price: bool, audited: bool) -> None:
        """One that waits for the broker's positions goes on waiting for these."""
        anchor = Anchor("TSLA", 10.0, 105.0, 106.0, 0)
        d = handled(self.QUOTE, READY, *held(), stop(), COVERED, anchor, Audit("TSLA", waits_for_a_price))
        assert ((Audit, "TSLA") in written(d)) is audited

    @pytest.mark.parametrize("native", [True, False])
    def test_a_fixed_stop_is_exchanged_where_so_configured(self, native: bool) -> None:
        fixed = stop(order_type="STP", trail_stop_price=None, trailing_pct=None)
        d = handled(self.QUOTE, READY, OPEN, *held(), fill(), fixed, COVERED, entries={"native_stp": native})
        assert bool([m for to, m in told(d) if to == "broker"]) is native

    def test_a_level_is_sampled(self) -> None:
        d = handled(changed(self.QUOTE, last=110.0, bid=0.0, ask=0.0), READY, OPEN, *held(), stop(), COVERED)
        assert [m.order.trail_stop_price for _, m in told(d) if isinstance(m, OrderUpdated)] == [99.0]


class TestSession:
    def test_its_hours_are_noted(self) -> None:
        pre = Session("2025-01-06", 1000, 9000, False, 2000, 8000, 4000, 5000)
        assert written(handled(SessionOpened(pre, 7000))) == [
            SessionRecord(
                phase="open",
                date="2025-01-06",
                entries_until_ns=7000,
                open_ns=2000,
                close_ns=8000,
                break_ns=(4000, 5000),
            )
        ]
        assert written(handled(SessionOpened(DAY, UNTIL))) == [OPEN]

    def test_with_it_the_old_is_forgotten(self) -> None:
        old, young = NOON_NS - KEEP_NS - 1, NOON_NS - KEEP_NS
        gone = fill("CT-GME-20241201-1", symbol="GME", exec_id="a.01", time_ns=old)
        records = [
            entry("old", symbol="GME", status="Filled", updated_ns=old),
            entry("young", symbol="GME", status="Filled", updated_ns=young),
            entry("alive", symbol="GME", updated_ns=old),
            stop("of what is held", status="Cancelled", updated_ns=old),
            gone,
            CommissionSeen("a.01", 1.0),
            fill("young", symbol="GME", exec_id="b.01", time_ns=young),
            CommissionSeen("b.01", 1.0),
            fill("held", exec_id="c.01", time_ns=old),
            Tombstone("x", "paused"),
            EarlyCommission("y", None),  # type: ignore[arg-type]
            Own("GME", 0.0),
        ]
        d = handled(SessionOpened(DAY, UNTIL), *records, *held(), stop(), COVERED)
        drops = [r for r in written(d) if isinstance(r, tuple)]
        assert drops == [
            (type(records[0]), "old"),
            (type(gone), "a"),
            (CommissionSeen, "a"),
            (Tombstone, "x"),
            (EarlyCommission, "y"),
            (Unprotected, "GME"),
            (Unprotected, "TSLA"),
        ]

    def test_a_flatten_that_waited_for_it_goes_on(self) -> None:
        waits = FlattenRecord(symbol="TSLA", phase="waiting", reason="session_closed")
        d = handled(SessionOpened(DAY, UNTIL), READY, *held(), stop(), waits, COVERED)
        assert [type(m).__name__ for to, m in told(d) if to == "broker"] == ["CancelOrder"]

    def test_its_end(self) -> None:
        assert written(handled(SessionClosing(DAY), OPEN)) == [changed(OPEN, phase="closing")]
        d = handled(SessionClosed(DAY), OPEN, *held(), COVERED)
        assert written(d) == [
            changed(OPEN, phase="closed"),
            (Audit, "TSLA"),
            Anchor("TSLA", 10.0, 105.0, 0.0, NOON_NS),
        ]
        assert written(handled(SessionClosing(DAY))) == [SessionRecord(phase="closing")]

    @pytest.mark.parametrize(
        ("links", "anchors", "sent"),
        [
            (READY, [Anchor("TSLA", 10.0, 105.0, 106.0, 0)], [("broker", RequestSnapshot())]),
            (READY, [], []),
            (DOWN, [Anchor("TSLA", 10.0, 105.0, 106.0, 0)], []),
            (changed(READY, asking=True), [Anchor("TSLA", 10.0, 105.0, 106.0, 0)], []),
        ],
    )
    def test_before_it_the_broker_is_asked_about_what_was_held(
        self, links: Links, anchors: list[Any], sent: list[Any]
    ) -> None:
        d = handled(SessionApproaching(DAY), links, *anchors)
        assert told(d) == sent
        asked_later = [r.ask_at_ns for r in written(d) if isinstance(r, Links)]
        assert asked_later == ([ASKED] if links.asking else [0] if sent else [])


class TestWords:
    def test_a_start_knows_nothing_of_its_links(self) -> None:
        d = handled(Started(4), READY)
        assert (written(d), told(d)) == ([Links(run=4)], [("fleet", LinkChanged("socket", False, "starting"))])

    def test_the_watchlist_and_what_winds_down_is_streamed(self) -> None:
        d = handled(WatchlistChanged(("TSLA", "NVDA"), ("GME",)))
        assert d == Decision([], [("broker", Subscribe(("TSLA", "NVDA", "GME")))])

    def test_another_grid_is_told(self) -> None:
        nickels = ((0.0, 0.05),)
        d = handled(BrokerMarketRule("TSLA", nickels))
        assert (written(d), told(d)) == ([PriceGrid("TSLA", nickels)], [("TSLA", MarketRule("TSLA", nickels))])
        assert handled(BrokerMarketRule("TSLA", nickels), PriceGrid("TSLA", nickels)) == NOTHING

    def test_an_approval_is_placed_and_watched(self) -> None:
        d = handled(EntryApproved(plan(), 1100.0), READY, OPEN, quoted(100.0))
        assert [m.order.client_order_id for to, m in told(d) if to == "broker"] == [ENTRY, STOP]
        assert written(d)[-1] == changed(READY, ask_at_ns=UNHEARD)
        again = handled(EntryApproved(plan(), 1100.0), changed(READY, ask_at_ns=7), OPEN, quoted(100.0))
        assert not [r for r in written(again) if isinstance(r, Links)]
        down = handled(EntryApproved(plan(), 1100.0), DOWN)
        assert (written(down), [m.reason for _, m in told(down) if isinstance(m, EntryDropped)]) == ([], ["links_down"])

    def test_the_book_is_told_to_who_asks(self) -> None:
        seen = AccountUpdated(ACCOUNT, 1.0, 1.0, 1.0, 1.0, 0)
        d = handled(RequestBook(), READY, *held(10.0, 25.0), entry(), stop(status="Filled"), AccountSeen(seen))
        position = PositionUpdated("TSLA", 25.0, 105.0, 10.0, 1050.0)
        assert d == Decision([], [("risk", BookTold(True, (position,), (entry(),), seen))])
        assert told(handled(RequestBook(), DOWN)) == [("risk", BookTold(False, (), (), None))]

    def test_an_accounts_values(self) -> None:
        values = {"NetLiquidation": 100.0, "TotalCashValue": 90.0, "SettledCash": 80.0, "BuyingPower": 400.0}
        d = handled(BrokerAccount(ACCOUNT, values), BOOK)
        update = AccountUpdated(ACCOUNT, 100.0, 90.0, 80.0, 400.0, NOON_NS)
        assert (written(d), told(d)) == ([AccountSeen(update)], [("fleet", update)])
        assert handled(BrokerAccount("DU7654321", values), BOOK) == NOTHING
        assert handled(BrokerAccount(ACCOUNT, {}), BOOK) == NOTHING
        assert len(told(handled(BrokerAccount("DU7654321", values)))) == 1, "as long as none is bound"

    def test_a_machine_whose_clock_is_wrong_enters_nothing(self) -> None:
        assert isinstance(written(handled(BrokerClock(2.0, 3.0)))[0], Block)

    @pytest.mark.parametrize(("until_ns", "cancelled"), [(NOON_NS, [ENTRY]), (NOON_NS + 1, [])])
    def test_without_the_owners_word_entries_are_taken_back(self, until_ns: int, cancelled: list[str]) -> None:
        live = {"mode": "live", "ibkr": {"port": 4001}}
        orders = [entry(), stop(why_held="child"), entry("CT-NVDA-20250106-1", symbol="NVDA", status="Filled")]
        d = handled(LiveConfirmation("U1", until_ns), Book(account="U1"), READY, *orders, **live)
        assert written(d)[0] == Confirmed("U1", until_ns)
        assert [m.client_order_id for to, m in told(d) if to == "broker"] == cancelled
        reasons = [r.cancel_reason for r in written(d) if getattr(r, "cancel_reason", "")]
        assert reasons == ["live_unconfirmed"] * len(cancelled)

    def test_before_the_account_is_known_nothing_is_judged(self) -> None:
        d = handled(LiveConfirmation("", 0), READY, entry(), mode="live", ibkr={"port": 4001})
        assert (written(d), told(d)) == ([Confirmed("", 0)], [])

    def test_an_end_that_waits_for_its_executions_is_asked_about(self) -> None:
        word = broker_order(ENTRY, status="Filled", filled=10.0)
        d = handled(word, READY, BOOK, entry(perm_id=77))
        assert HeldBack(ENTRY, word) in written(d)
        assert changed(READY, ask_at_ns=UNHEARD) in written(d)


class TestSettling:
    def test_an_entrys_place_is_free_once_it_is_over(self) -> None:
        slots = [
            EntrySlot(ENTRY, "TSLA"),
            EntrySlot("CT-TSLA-20250106-9", "TSLA"),  # of which nothing is known
            EntrySlot("CT-NVDA-20250106-1", "NVDA"),
        ]
        d = handled(broker_order(ENTRY, status="Cancelled"), READY, BOOK, entry(perm_id=77), *slots)
        assert [r for r in written(d) if isinstance(r, tuple) and r[0] is EntrySlot] == [
            (EntrySlot, ENTRY),
            (EntrySlot, "CT-TSLA-20250106-9"),
        ]
        alive = handled(broker_order(ENTRY, status="Submitted"), READY, BOOK, entry(perm_id=77), *slots[:1])
        assert not [r for r in written(alive) if isinstance(r, tuple) and r[0] is EntrySlot]

    def test_a_flatten_in_charge_leaves_nothing_to_the_guard(self) -> None:
        d = handled(Flatten("TSLA"), READY, OPEN, *held(), stop(), COVERED, Unprotected("TSLA", MACHINE_NS, MACHINE_NS))
        assert (Unprotected, "TSLA") in written(d)
        assert FlattenRecord(symbol="TSLA", phase="clearing") in written(d)

    def test_a_change_that_goes_out_is_watched(self) -> None:
        d = handled(
            BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.01),
            READY,
            OPEN,
            *held(4.0),
            fill(quantity=4.0),
            stop(),
            Coverage("TSLA", 4.0, 4.0),
            Change(STOP, "TSLA", 4.0, "reading"),
        )
        assert [m.order.quantity for to, m in told(d) if isinstance(m, PlaceOrder)] == [4.0]
        assert changed(READY, ask_at_ns=UNHEARD) in written(d)

    @pytest.mark.parametrize(
        "change", [Change("CT-NVDA-20250106-1-S1", "NVDA", 4.0, "sent"), Change(STOP, "TSLA", 10.0, "reading")]
    )
    def test_another_ones_change_is_not(self, change: Change) -> None:
        d = handled(
            BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.01), READY, OPEN, *held(), fill(), stop(), COVERED, change
        )
        assert not [r for r in written(d) if isinstance(r, Links)]

    @pytest.mark.parametrize("asking", [True, False])
    def test_the_guards_question_waits_for_the_answer_to_the_one_before(self, asking: bool) -> None:
        links = changed(READY, asking=asking)
        stops = (stop(), fill(quantity=4.0))
        d = handled(BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.01), links, OPEN, *held(4.0), *stops, COVERED)
        assert [to for to, m in told(d) if isinstance(m, RequestSnapshot)] == ([] if asking else ["broker"])
        assert changed(READY, asking=True, ask_at_ns=ASKED if asking else 0) in written(d)

    def test_what_can_not_be_protected_is_sold_in_the_same_breath(self) -> None:
        refused = [stop(f"{ENTRY}-S{n}", status="Inactive", created_ns=DAY.open_ns + n, order_id=n + 1) for n in (1, 2)]
        d = handled(
            BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.01),
            READY,
            OPEN,
            *held(),
            fill(),
            *refused,
            Coverage("TSLA", 10.0, 0.0),
            risk={"flatten_if_unprotectable": True},
        )
        assert [m.order.role for to, m in told(d) if isinstance(m, PlaceOrder)] == ["flatten"]
        assert (Unprotected, "TSLA") in written(d)


class TestObserving:
    """`--observe`: what would have gone to the broker is told instead, and questions still go."""

    def test_an_order_to_flatten_is_nothing(self) -> None:
        assert handled(Flatten("TSLA"), READY, OPEN, *held(), stop(), COVERED, observe=True) == NOTHING

    def test_a_question_goes(self) -> None:
        d = handled(BrokerError(-1, 1102, "back"), READY, observe=True)
        assert ("broker", RequestSnapshot()) in told(d)

    def test_a_cancel_is_told(self) -> None:
        from messages.entries import CancelEntry

        d = handled(CancelEntry(ENTRY, "TSLA", "paused"), READY, entry(), observe=True)
        assert told(d) == [fleet_note("order_observed", would="CancelOrder", client_order_id=ENTRY)]

    def test_a_change_is_told(self) -> None:
        """Of a stop that was refused a change before the open."""
        change = Change(STOP, "TSLA", 4.0, "sent")
        closed = changed(OPEN, phase="closed")
        d = handled(BrokerError(2, 10326, "no"), READY, closed, stop(), change, observe=True)
        assert told(d)[-1] == fleet_note("order_observed", would="CancelOrder", client_order_id=STOP)


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        ([], Deadlines()),
        ([DOWN, Unprotected("TSLA", 1, 1)], Deadlines()),
        ([Links(phase="refused", ask_at_ns=9)], Deadlines()),
        ([READY], Deadlines()),
        ([changed(READY, ask_at_ns=9)], Deadlines(None, 9)),
        ([changed(READY, ask_at_ns=9, asking=True)], Deadlines()),
        ([READY, Unprotected("TSLA", 1, 1)], Deadlines(None, 1 + SECOND)),
        ([changed(READY, ask_at_ns=9), Unprotected("TSLA", 1, 1)], Deadlines(None, 9)),
        ([changed(READY, ask_at_ns=9 * SECOND), Unprotected("TSLA", 1, 1)], Deadlines(None, 1 + SECOND)),
        ([READY, Confirmed("U1", 77)], Deadlines(77, None)),
    ],
)
def test_when_it_wants_to_be_woken(records: list[Any], wanted: Deadlines) -> None:
    assert GatewayCore(rules()).deadlines(state_of(*records), Now(0, 0)) == wanted


def test_a_newcomer_hears_of_live_orders_positions_and_what_blocks() -> None:
    state = state_of(
        entry(),
        stop(status="Cancelled"),
        Own("GME", 5.0, 100.0),
        AccountPosition("TSLA", 25.0, 105.0),
        Block("clock_off", "set it", {"off_s": 2.0}),
    )
    assert GatewayCore(rules()).snapshot(state, ("fleet",)) == [
        ("TSLA", OrderUpdated(entry())),
        ("TSLA", PositionUpdated("TSLA", 25.0, 105.0, 0.0, 0.0)),
        ("GME", PositionUpdated("GME", 0.0, 0.0, 5.0, 100.0)),
        ("fleet", EntriesBlocked("clock_off", "set it", {"off_s": 2.0})),
    ]


@pytest.mark.parametrize(("links", "ready"), [([], False), ([DOWN], False), ([READY], True)])
def test_others_may_count_on_it_once_the_book_agrees(links: list[Any], ready: bool) -> None:
    assert GatewayCore(rules()).ready(state_of(*links)) is ready
