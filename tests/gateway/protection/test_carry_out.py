"""Protection rule by rule: when it acts, when it waits, and its records and messages."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import CancelOrder, PlaceOrder, RequestSnapshot
from messages.orders import OrderRecord
from services.gateway.book.records import (
    Book,
    Change,
    Disputed,
    Doubt,
    FlattenRecord,
    Fraction,
    Links,
    Missing,
    Own,
    Paced,
    SessionRecord,
    Unprotected,
)
from services.gateway.core import GatewayCore
from services.gateway.protection.carry_out import (
    ALERT_NS,
    MIN_LINK_AGE_NS,
    PACE_MAX_NS,
    PACE_NS,
    RECHECK_NS,
    protect,
    protection_deadline,
    replace_fixed_stop,
)
from services.gateway.protection.plan import RENEW_AFTER_NS
from services.runtime.core import State
from services.trading.ids import double_reference
from tests.gateway.one_decision import (
    DOWN,
    ENTRY,
    MACHINE_NS,
    NOON_NS,
    OPEN,
    READY,
    STOP,
    draft,
    entry,
    fill,
    held,
    messages_of,
    note,
    quoted,
    rules,
    stop,
    written,
)
from tests.gateway.scenario import DAY, SECOND, changed

RULES = rules()
BARE = [READY, OPEN, fill(), *held(), stop(status="Cancelled")]
"""Ten own shares whose stop has ended."""
LOOKED = Unprotected("TSLA", MACHINE_NS, MACHINE_NS)
LONG_AGO = Unprotected("TSLA", MACHINE_NS - ALERT_NS, MACHINE_NS - SECOND)
JUST_NOW = Unprotected("TSLA", MACHINE_NS - ALERT_NS + 1, MACHINE_NS - SECOND)


def sent(d: Any) -> list[str]:
    """Commands to the broker, short."""
    commands = []
    for to, message in messages_of(d):
        if to == "broker" and isinstance(message, PlaceOrder):
            commands.append(f"{message.order.client_order_id[-2:]} {message.order.quantity:g}")
        elif to == "broker" and isinstance(message, CancelOrder):
            commands.append(f"cancel {message.client_order_id[-2:]}")
    return commands


def notes(d: Any) -> list[tuple[str, str, dict[str, Any]]]:
    return [(m.event, m.level, m.fields) for to, m in messages_of(d) if to == "recorder"]


def test_unprotected_shares_are_checked_again_after_a_second() -> None:
    state = State(GatewayCore.kinds)
    assert protection_deadline(state) is None
    looks = [Unprotected("TSLA", 0, 700), Unprotected("NVDA", 0, 500)]
    state.apply([(Unprotected, looked.key, looked) for looked in looks])
    assert protection_deadline(state) == 500 + RECHECK_NS


class TestNothingToDo:
    @pytest.mark.parametrize(
        "records",
        [
            [],
            [Own("TSLA")],
            [*held(), stop()],
            [*held(0.0), stop(status="Cancelled")],
            [*held(), stop(role="flatten", order_type="MKT", status="Submitted", why_held="")],
            [*held(4.0), entry(filled=4.0), stop(why_held="child,trigger")],  # the entry may still fill
            [*held(4.0), entry(filled=4.0), stop()],
            [fill(), *held(0.5), Fraction("TSLA", 0.5)],
            [*held(10.0, 25.0), stop(), stop("CT-NVDA-20250106-1-S1", symbol="NVDA", quantity=99.0)],
        ],
    )
    def test_the_alert_ends_without_action(self, records: list[Any]) -> None:
        d = draft(READY, OPEN, LONG_AGO, *records)
        assert protect(d, "TSLA", READY, RULES) is False
        assert written(d) == [(Unprotected, "TSLA")]
        assert messages_of(d) == []

    def test_an_observing_fleet_does_nothing(self) -> None:
        d = draft(*BARE, LONG_AGO)
        assert protect(d, "TSLA", READY, rules(observe=True)) is False
        assert (written(d), messages_of(d)) == ([], [])


class TestNewStop:
    def test_a_stop_is_placed_at_once_and_the_next_one_must_wait(self) -> None:
        d = draft(*BARE)
        assert protect(d, "TSLA", READY, RULES) is False
        (looked, pace, book, fresh) = written(d)
        assert (looked, pace, book) == (LOOKED, Paced("TSLA", 0, MACHINE_NS + PACE_NS), Book(next_order_id=2))
        assert sent(d) == ["S2 10"]
        assert (fresh.quantity, fresh.client_order_id) == (10.0, f"{ENTRY}-S2")

    @pytest.mark.parametrize(
        ("pace", "after"),
        [
            (None, Paced("TSLA", 0, MACHINE_NS + PACE_NS)),
            (Paced("TSLA", 0, MACHINE_NS), Paced("TSLA", 1, MACHINE_NS + 2 * PACE_NS)),
            (Paced("TSLA", 0, MACHINE_NS + 1), None),
            (Paced("TSLA", 1, MACHINE_NS - 1), Paced("TSLA", 2, MACHINE_NS + 4 * PACE_NS)),
            (Paced("TSLA", 4, MACHINE_NS), Paced("TSLA", 5, MACHINE_NS + PACE_MAX_NS)),
            # After a quiet minute the count starts again.
            (Paced("TSLA", 3, MACHINE_NS - PACE_MAX_NS + 1), Paced("TSLA", 4, MACHINE_NS + 16 * PACE_NS)),
            (Paced("TSLA", 3, MACHINE_NS - PACE_MAX_NS), Paced("TSLA", 0, MACHINE_NS + PACE_NS)),
            (Paced("NVDA", 3, MACHINE_NS + 1), Paced("TSLA", 0, MACHINE_NS + PACE_NS)),
        ],
    )
    def test_the_wait_between_new_stops_doubles(self, pace: Paced | None, after: Paced | None) -> None:
        assert 16 * PACE_NS < PACE_MAX_NS < 32 * PACE_NS
        d = draft(*BARE, *([] if pace is None else [pace]))
        protect(d, "TSLA", READY, RULES)
        assert [r for r in written(d) if isinstance(r, Paced)] == ([] if after is None else [after])
        assert sent(d) == ([] if after is None else ["S2 10"])


CLOSED = changed(OPEN, phase="closed")
CLOSING = changed(OPEN, phase="closing")
FROM_NOW = Links(phase="ready", up_since_ns=MACHINE_NS, up_since_market_ns=NOON_NS)


@pytest.mark.parametrize(
    ("session", "links", "more", "acts"),
    [
        (OPEN, READY, [], True),
        (CLOSING, READY, [], True),
        (CLOSED, READY, [], False),
        (SessionRecord(), READY, [], False),
        (OPEN, DOWN, [], False),
        (OPEN, Links(phase="reconciling"), [], False),
        (OPEN, Links(phase="ready", broker_up=False), [], False),
        (OPEN, Links(phase="ready", data_up=False), [], True),  # a stop needs no data
        (OPEN, FROM_NOW, [], False),
        # Long enough by either clock is enough.
        (OPEN, changed(FROM_NOW, up_since_ns=MACHINE_NS - MIN_LINK_AGE_NS), [], True),
        (OPEN, changed(FROM_NOW, up_since_ns=MACHINE_NS - MIN_LINK_AGE_NS + 1), [], False),
        (OPEN, changed(FROM_NOW, up_since_market_ns=NOON_NS - MIN_LINK_AGE_NS), [], True),
        (OPEN, changed(FROM_NOW, up_since_market_ns=NOON_NS - MIN_LINK_AGE_NS + 1), [], False),
        (OPEN, READY, [quoted()], True),
        (OPEN, READY, [quoted(halted=True)], False),
        (OPEN, READY, [quoted(symbol="NVDA", halted=True)], True),
    ],
)
def test_it_acts_only_if_that_is_safe(session: SessionRecord, links: Links, more: list[Any], acts: bool) -> None:
    """If it is not safe, the time without protection starts now, and there is no alert."""
    d = draft(*BARE[1:], session, LONG_AGO, *more)
    assert protect(d, "TSLA", links, RULES) is False
    assert sent(d) == (["S2 10"] if acts else [])
    assert bool(notes(d)) is acts
    if not acts:
        assert written(d) == [LOOKED]


class TestUnprotected:
    SENT = stop(status="InFlight", why_held="")

    @pytest.mark.parametrize(
        ("before", "after", "alert"),
        [
            ([], LOOKED, False),
            ([JUST_NOW], changed(JUST_NOW, looked_ns=MACHINE_NS), False),
            ([LONG_AGO], LOOKED, True),  # reported, and again after the same time
        ],
    )
    def test_five_seconds_without_protection_are_reported(
        self, before: list[Any], after: Unprotected, alert: bool
    ) -> None:
        """The stop is sent and not confirmed: it reserves its shares and does not protect them."""
        d = draft(READY, OPEN, fill(), *held(), self.SENT, *before)
        assert protect(d, "TSLA", READY, RULES) is False
        assert written(d) == [after]
        assert messages_of(d) == ([note("position_unprotected", level="ERROR", own=10.0, covered=0)] if alert else [])

    def test_the_alert_contains_the_covered_shares(self) -> None:
        covers, child = stop(quantity=6.0), stop(f"{ENTRY}-S2", quantity=4.0, why_held="child", order_id=5)
        d = draft(READY, OPEN, fill(), *held(), covers, child, LONG_AGO)
        protect(d, "TSLA", READY, RULES)
        assert notes(d)[0] == ("position_unprotected", "ERROR", {"own": 10.0, "covered": 6.0})

    def test_a_fraction_gets_no_stop(self) -> None:
        d = draft(READY, OPEN, fill(quantity=10.5), *held(10.5), stop(), LONG_AGO, Fraction("TSLA", 0.5))
        protect(d, "TSLA", READY, RULES)
        assert (written(d), messages_of(d)) == ([(Unprotected, "TSLA")], [])

    def test_a_child_of_an_entry_that_ended_is_cancelled(self) -> None:
        """Also with a stop that is already being cancelled, which is not cancelled twice."""
        stuck = stop(why_held="child,trigger")
        gone = stop(f"{ENTRY}-S2", why_held="child", cancel_reason="stuck_child", order_id=5)
        proved = changed(READY, waiting=(STOP,))
        d = draft(proved, OPEN, fill(), *held(), stuck, gone, LONG_AGO, quoted())
        protect(d, "TSLA", proved, RULES)
        assert written(d) == [LOOKED, changed(stuck, cancel_reason="stuck_child"), (Change, STOP)]
        assert sent(d) == ["cancel S1"]
        d = draft(READY, OPEN, fill(), *held(), stuck, JUST_NOW)
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == []

    @pytest.mark.parametrize("last", [entry(filled=10.0), entry(status="Filled", filled=10.0)])
    def test_a_child_that_may_work_by_now_is_asked_about_and_stays(self, last: OrderRecord) -> None:
        """The report that it works may be lost."""
        d = draft(READY, OPEN, fill(), *held(), last, stop(why_held="child,trigger"), LONG_AGO, quoted())
        protect(d, "TSLA", READY, RULES)
        assert [message for to, message in messages_of(d) if to == "broker"] == [RequestSnapshot()]

    def test_while_its_exchange_waits_the_broker_is_asked_for_the_position(self) -> None:
        """The answer lacks the shares, and may be stale."""
        d = draft(READY, OPEN, fill(), *held(10.0, 0.0)[:2], stop(why_held="child,trigger"), LONG_AGO, quoted())
        protect(d, "TSLA", READY, RULES)
        assert [to for to, m in messages_of(d) if isinstance(m, RequestSnapshot)] == ["broker"]

    def test_a_stop_in_doubt_reserves_and_does_not_protect(self) -> None:
        d = draft(READY, OPEN, fill(), *held(), stop(), Doubt(STOP), LONG_AGO)
        protect(d, "TSLA", READY, RULES)
        assert written(d) == [LOOKED]
        assert messages_of(d) == [note("position_unprotected", level="ERROR", own=10.0, covered=0)]


class TestDisputed:
    """The account has fewer shares than the executions say."""

    @pytest.mark.parametrize("account", [4.0, 9.0])
    def test_it_waits_for_late_executions(self, account: float) -> None:
        d = draft(READY, OPEN, fill(), *held(10.0, account), stop(), JUST_NOW)
        assert protect(d, "TSLA", READY, RULES) is False
        assert written(d) == [changed(JUST_NOW, looked_ns=MACHINE_NS)]
        assert messages_of(d) == []

    def test_if_it_lasts_the_stop_is_shrunk(self) -> None:
        d = draft(READY, OPEN, fill(), *held(10.0, 4.0), stop(), LONG_AGO)
        assert protect(d, "TSLA", READY, RULES) is True, "it is read before it is changed"
        assert written(d) == [LOOKED, Disputed("TSLA", 10.0, 4.0), Change(STOP, "TSLA", 4.0, "reading"), Doubt(STOP)]
        assert messages_of(d) == [note("position_disputed", level="ERROR", own=10.0, account=4.0)]

    def test_an_unknown_position_places_no_stop(self) -> None:
        d = draft(READY, OPEN, fill(), Own("TSLA", 10.0, 1050.0), LONG_AGO)
        assert protect(d, "TSLA", READY, RULES) is False
        assert messages_of(d) == [note("position_disputed", level="ERROR", own=10.0, account=None)]

    def test_a_stop_that_was_read_for_its_change_is_changed_at_once(self) -> None:
        d = draft(READY, OPEN, fill(), *held(10.0, 4.0), stop(), JUST_NOW, Change(STOP, "TSLA", 4.0, "reading"))
        assert protect(d, "TSLA", READY, RULES) is False
        assert sent(d) == ["S1 4"]

    def test_without_a_stop_to_shrink_the_broker_is_asked_once(self) -> None:
        d = draft(READY, OPEN, fill(), *held(10.0, 4.0), stop(quantity=4.0), LONG_AGO)
        assert protect(d, "TSLA", READY, RULES) is True
        assert written(d) == [LOOKED, Disputed("TSLA", 10.0, 4.0), Missing("TSLA")]
        known = (Disputed("TSLA", 10.0, 4.0), Missing("TSLA", asked=True))
        d = draft(READY, OPEN, fill(), *held(10.0, 4.0), stop(quantity=4.0), LONG_AGO, *known)
        assert protect(d, "TSLA", READY, RULES) is False, "the answer is on its way"
        assert written(d) == [LOOKED]

    @pytest.mark.parametrize(
        ("own", "account", "event"),
        [
            (-3.0, -3.0, "position_oversold"),  # more was sold under our references than bought
            (-3.0, 10.0, "position_oversold"),
            (-0.5, None, "position_oversold"),
            (0.0, -5.0, "position_disputed"),
        ],
    )
    def test_each_pair_of_figures_is_reported_once(self, own: float, account: float | None, event: str) -> None:
        shares = [Own("TSLA", own)] if account is None else held(own, account)
        records = [READY, OPEN, fill(), *shares, LONG_AGO, stop(quantity=1.0)]
        d = draft(*records)
        protect(d, "TSLA", READY, RULES)
        assert Disputed("TSLA", own, account) in written(d)
        assert (event, "ERROR", {"own": own, "account": account}) in notes(d)
        for before, again in ((Disputed("TSLA", own, account), False), (Disputed("TSLA", own, 77.0), True)):
            d = draft(*records, before)
            protect(d, "TSLA", READY, RULES)
            assert (event in [found for found, _, _ in notes(d)]) is again

    def test_an_oversold_position_is_reported_and_left_to_a_person(self) -> None:
        d = draft(READY, OPEN, fill(), *held(-3.0), LONG_AGO)
        assert protect(d, "TSLA", READY, RULES) is False
        assert (written(d), sent(d)) == ([LOOKED, Disputed("TSLA", -3.0, -3.0)], [])
        d = draft(READY, OPEN, fill(), *held(-3.0))
        protect(d, "TSLA", READY, RULES)
        assert (written(d), messages_of(d)) == ([LOOKED], []), "its purchase may be late"

    @pytest.mark.parametrize("records", [[], [*held(), stop()], [*held()], [*held(0.0)]])
    def test_a_new_difference_after_an_agreement_is_reported(self, records: list[Any]) -> None:
        other = Disputed("NVDA", 5.0, 4.0)
        d = draft(READY, OPEN, fill(), *records, Disputed("TSLA", 10.0, 4.0), other)
        protect(d, "TSLA", READY, RULES)
        assert (Disputed, "TSLA") in written(d)
        assert (Disputed, "NVDA") not in written(d)

    def test_the_stop_of_sold_shares_is_cancelled_at_once(self) -> None:
        d = draft(READY, OPEN, fill(), *held(0.0), stop())
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == ["cancel S1"]

    def test_one_share_gets_a_stop(self) -> None:
        d = draft(READY, OPEN, fill(quantity=1.0), *held(1.0))
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == ["S1 1"]

    def test_a_manual_sale_of_all_shares_cancels_the_stop(self) -> None:
        d = draft(READY, OPEN, fill(), *held(10.0, 0.0), stop(), LONG_AGO)
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == ["cancel S1"]
        assert [event for event, _, _ in notes(d)] == ["position_disputed", "orphan_stop_cancelled"]


class TestStopChange:
    PART = (READY, OPEN, quoted(), fill(quantity=4.0), *held(4.0), stop())
    """Four own shares under a stop for ten."""

    def test_the_stop_is_read_first(self) -> None:
        d = draft(*self.PART)
        assert protect(d, "TSLA", READY, RULES) is True
        assert written(d) == [LOOKED, Change(STOP, "TSLA", 4.0, "reading"), Doubt(STOP)]
        assert messages_of(d) == []

    def test_the_change_starts_from_the_read_order(self) -> None:
        d = draft(*self.PART, Change(STOP, "TSLA", 4.0, "reading"))
        assert protect(d, "TSLA", READY, RULES) is False
        kept = changed(stop(), renewed_ns=NOON_NS)
        assert written(d) == [LOOKED, kept, Change(STOP, "TSLA", 4.0, "sent", MACHINE_NS, NOON_NS, 1)]
        assert sent(d) == ["S1 4"]

    def test_an_unconfirmed_change_reserves_the_larger_quantity(self) -> None:
        d = draft(*self.PART, Change(STOP, "TSLA", 4.0, "sent"))
        assert protect(d, "TSLA", READY, RULES) is False
        assert (written(d), messages_of(d)) == ([(Unprotected, "TSLA")], [])

    def test_a_refused_change_is_not_repeated(self) -> None:
        d = draft(*self.PART, Change(STOP, "TSLA", 4.0, "refused"))
        protect(d, "TSLA", READY, RULES)
        assert written(d) == [LOOKED, changed(stop(), cancel_reason="modify_refused"), (Change, STOP)]
        assert sent(d) == ["cancel S1"]

    def test_field_06_beside_a_second_order_for_the_same_shares_it_is_no_exchange(self) -> None:
        """The stop has triggered, so an exchange would have to wait; but the second order protects all shares."""
        at = (READY, OPEN, quoted(94.0), fill(quantity=4.0), *held(4.0), stop(stop_price=94.5, trail_stop_price=94.5))
        alone = draft(*at, Change(STOP, "TSLA", 4.0, "refused"))
        protect(alone, "TSLA", READY, RULES)
        assert sent(alone) == []
        double = stop(double_reference(STOP, 2), quantity=4.0, perm_id=77, order_id=5)
        d = draft(*at, double, Change(STOP, "TSLA", 4.0, "refused"))
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == ["cancel S1"]
        assert changed(at[-1], cancel_reason="duplicate_stop") in written(d)

    def test_of_two_orders_with_one_id_that_a_change_made_one_is_cancelled_if_either_is_enough(self) -> None:
        double = stop(double_reference(STOP, 2), quantity=4.0, perm_id=77)
        d = draft(
            READY,
            OPEN,
            quoted(94.0),
            fill(quantity=4.0),
            *held(4.0),
            stop(),
            double,
            Change(STOP, "TSLA", 4.0, "refused"),
        )
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == ["cancel ~2"]
        assert (Change, STOP) in written(d), "the change was made, after all"

    def test_of_two_orders_with_one_id_the_larger_shrinks_if_neither_can_be_spared(self) -> None:
        small, large = stop(quantity=4.0), stop(double_reference(STOP, 2), perm_id=77)
        d = draft(READY, OPEN, quoted(), fill(), *held(), small, large, Change(STOP, "TSLA", 10.0, "refused"))
        assert protect(d, "TSLA", READY, RULES) is True, "it is read first"
        assert Change(large.key, "TSLA", 6.0, "reading") in written(d)
        d = draft(READY, OPEN, quoted(), fill(), *held(), small, large, Change(large.key, "TSLA", 6.0, "reading"))
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == ["~2 6"]

    @pytest.mark.parametrize(("last", "exchanged"), [(95.0, True), (94.0, False)])
    def test_if_the_broker_refuses_that_they_are_exchanged_above_both_levels(
        self, last: float, exchanged: bool
    ) -> None:
        small, large = stop(quantity=4.0, trail_stop_price=90.0, stop_price=90.0), stop(double_reference(STOP, 2))
        d = draft(READY, OPEN, quoted(last), fill(), *held(), small, large, Change(large.key, "TSLA", 6.0, "refused"))
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == (["cancel ~2"] if exchanged else [])

    def test_a_double_that_is_left_alone_is_exchanged_like_any_stop(self) -> None:
        double = stop(double_reference(STOP, 2))
        d = draft(*self.PART[:-1], double, Change(double.key, "TSLA", 4.0, "refused"))
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == ["cancel ~2"]
        assert changed(double, cancel_reason="modify_refused") in written(d)

    @pytest.mark.parametrize(("account", "exchanged"), [(4.0, True), (10.0, False)])
    def test_a_stop_near_the_price_that_would_make_the_account_short_is_exchanged(
        self, account: float, exchanged: bool
    ) -> None:
        """Ten shares would be sold, four are own; whether the account has the other six decides."""
        near = (READY, OPEN, quoted(95.0), fill(quantity=4.0), stop(stop_price=94.5, trail_stop_price=94.5))
        d = draft(*near, *held(4.0, account), Change(STOP, "TSLA", 4.0, "refused"))
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == (["cancel S1"] if exchanged else [])

    def test_a_refused_change_of_a_stop_in_doubt_is_asked_about_first(self) -> None:
        d = draft(*self.PART, Change(STOP, "TSLA", 4.0, "refused"), Doubt(STOP))
        protect(d, "TSLA", READY, RULES)
        assert (written(d), messages_of(d)) == ([LOOKED], [])

    def test_a_change_that_is_no_longer_wanted_is_dropped(self) -> None:
        """The second of two stops: the first has no change."""
        second = f"{ENTRY}-S2"
        stops = [stop(quantity=6.0), stop(second, quantity=4.0, role="flatten", order_id=5)]
        d = draft(READY, OPEN, fill(), *held(), *stops, Change(second, "TSLA", 4.0, "reading"))
        assert protect(d, "TSLA", READY, RULES) is False
        assert written(d) == [(Change, second), (Unprotected, "TSLA")]

    def test_the_younger_of_two_stops_is_cancelled(self) -> None:
        second = stop(f"{ENTRY}-S2", created_ns=DAY.open_ns + 1, order_id=5)
        d = draft(READY, OPEN, fill(), *held(), stop(), second)
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == ["cancel S2"]


class TestRenewal:
    OLD = stop(created_ns=NOON_NS - RENEW_AFTER_NS)

    def test_an_old_stop_is_read_and_renewed_unchanged(self) -> None:
        d = draft(READY, OPEN, fill(), *held(), self.OLD)
        assert protect(d, "TSLA", READY, RULES) is True
        assert written(d)[1] == Change(STOP, "TSLA", 10.0, "reading")
        d = draft(READY, OPEN, fill(), *held(), self.OLD, Change(STOP, "TSLA", 10.0, "reading"))
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == ["S1 10"]

    @pytest.mark.parametrize(
        "records",
        [
            [*held(), stop(created_ns=NOON_NS - RENEW_AFTER_NS + 1)],
            [*held(), OLD, Change(STOP, "TSLA", 10.0, "sent")],
            [*held(), changed(OLD, quantity=6.0), changed(OLD, client_order_id=f"{ENTRY}-S2", quantity=4.0)],
            [*held(), changed(OLD, cancel_reason="flatten"), entry()],
        ],
    )
    def test_stops_that_are_not_renewed(self, records: list[Any]) -> None:
        """Young stops; one with a sent change; two at once; one that is being cancelled."""
        d = draft(READY, OPEN, fill(), *records)
        assert protect(d, "TSLA", READY, RULES) is False
        assert (sent(d), [r for r in written(d) if isinstance(r, Change)]) == ([], [])


class TestUnprotectable:
    """`risk.flatten_if_unprotectable`: two definite refusals, and the shares are sold."""

    SELLS = rules(risk={"flatten_if_unprotectable": True})

    def refused(self, count: int) -> list[Any]:
        return [
            stop(f"{ENTRY}-S{n}", status="Inactive", created_ns=DAY.open_ns + n, order_id=n)
            for n in range(1, count + 1)
        ]

    @pytest.mark.parametrize("count", [2, 3])
    def test_after_enough_refusals_the_shares_are_flattened(self, count: int) -> None:
        d = draft(READY, OPEN, fill(), *held(), *self.refused(count))
        assert protect(d, "TSLA", READY, self.SELLS) is False
        assert written(d) == [LOOKED, Paced("TSLA", 0, MACHINE_NS + 2 * SECOND), FlattenRecord(symbol="TSLA")]
        assert messages_of(d) == [note("position_unprotectable", level="ERROR", refusals=count)]

    def test_a_broker_that_refuses_sales_too_is_not_flooded(self) -> None:
        """The last attempt was a moment ago: the next one waits, and waits longer each time."""
        d = draft(READY, OPEN, fill(), *held(), *self.refused(4), Paced("TSLA", 3, MACHINE_NS + SECOND))
        protect(d, "TSLA", READY, self.SELLS)
        assert (sent(d), messages_of(d)) == ([], [])

    def test_after_one_refusal_a_stop_is_placed_again(self) -> None:
        d = draft(READY, OPEN, fill(), *held(), *self.refused(1))
        protect(d, "TSLA", READY, self.SELLS)
        assert sent(d) == ["S2 10"]

    def test_without_the_setting_stops_are_placed_for_ever(self) -> None:
        d = draft(READY, OPEN, fill(), *held(), *self.refused(2))
        protect(d, "TSLA", READY, RULES)
        assert sent(d) == ["S3 10"]


class TestFraction:
    @pytest.mark.parametrize(
        ("own", "before", "wrote", "qty"),
        [
            (10.5, [], [Fraction("TSLA", 0.5)], 0.5),
            (10.5, [Fraction("TSLA", 0.5)], [], None),
            (10.25, [Fraction("TSLA", 0.5)], [Fraction("TSLA", 0.25)], 0.25),
            (0.123_456_7, [], [Fraction("TSLA", 0.123457)], 0.123457),
            (10.0, [Fraction("TSLA", 0.5)], [(Fraction, "TSLA")], None),
            (10.0, [], [], None),
            (-2.5, [], [], None),  # a stop can't protect a short position
        ],
    )
    def test_each_new_fraction_is_reported_once(
        self, own: float, before: list[Any], wrote: list[Any], qty: float | None
    ) -> None:
        d = draft(READY, OPEN, fill(), *held(own), stop(), *before)
        protect(d, "TSLA", READY, RULES)
        assert [r for r in written(d) if isinstance(r, Fraction) or r == (Fraction, "TSLA")] == wrote
        warnings = [m for _, m in messages_of(d) if getattr(m, "event", "") == "fraction_unprotected"]
        expected = [] if qty is None else [note("fraction_unprotected", level="WARNING", qty=qty)[1]]
        assert warnings == expected


class TestReplaceFixedStop:
    """`entries.native_stp`: a trailing stop replaces a fixed one at 94.50 while the market is far above it."""

    FIXED = stop(order_type="STP", trail_stop_price=None)

    def test_the_stop_is_cancelled_with_its_reason(self) -> None:
        d = draft(READY, OPEN, fill(), *held(), self.FIXED, quoted())
        replace_fixed_stop(d, "TSLA", READY, RULES)
        assert written(d) == [changed(self.FIXED, cancel_reason="exchanged"), (Change, STOP)]
        assert messages_of(d) == [
            note("stop_taken_back", client_order_id=STOP, order_id=2, reason="exchanged"),
            ("broker", CancelOrder(2, STOP)),
        ]

    @pytest.mark.parametrize(
        "records",
        [
            [READY, OPEN, *held(1.0), changed(FIXED, quantity=1.0), quoted()],
            [READY, OPEN, *held(), FIXED, quoted(), entry(status="Filled", filled=10.0)],
            [READY, OPEN, *held(10.0, 25.0), FIXED, quoted()],
            [READY, OPEN, *held(), FIXED, quoted(), stop("CT-NVDA-20250106-1-S1", symbol="NVDA")],
            [READY, OPEN, *held(), FIXED, quoted(), stop(f"{ENTRY}-S0", status="Cancelled", filled=1.0)],
        ],
    )
    def test_it_is_replaced(self, records: list[Any]) -> None:
        d = draft(fill(), *records)
        replace_fixed_stop(d, "TSLA", READY, RULES)
        assert sent(d) == ["cancel S1"]

    @pytest.mark.parametrize(
        ("records", "links"),
        [
            ([READY, OPEN, *held(), FIXED], READY),  # no price
            ([READY, OPEN, FIXED, quoted()], READY),
            ([READY, OPEN, *held(0.9), FIXED, quoted()], READY),
            ([READY, OPEN, *held(), FIXED, quoted()], DOWN),
            ([READY, OPEN, *held(), FIXED, quoted(halted=True)], READY),
            ([READY, OPEN, *held(), FIXED, quoted(), entry()], READY),  # the entry may still fill
            ([READY, OPEN, Own("TSLA", 10.0, 1050.0), FIXED, quoted()], READY),  # the account's position is not known
            ([READY, OPEN, *held(10.0, 9.0), FIXED, quoted()], READY),
            ([READY, OPEN, *held(), quoted()], READY),
            ([READY, OPEN, *held(), FIXED, stop(f"{ENTRY}-S2"), quoted()], READY),
            ([READY, OPEN, *held(), FIXED, quoted(), Doubt(STOP)], READY),
            ([READY, OPEN, *held(), FIXED, quoted(), Change(STOP, "TSLA", 4.0, "sent")], READY),
            ([READY, OPEN, *held(), FIXED, quoted(), stop(f"{ENTRY}-S0", status="Inactive")], READY),  # refused before
            ([READY, OPEN, *held(), FIXED, quoted(94.5)], READY),
        ],
    )
    def test_it_is_not_replaced(self, records: list[Any], links: Links) -> None:
        d = draft(fill(), *records)
        replace_fixed_stop(d, "TSLA", links, RULES)
        assert (written(d), messages_of(d)) == ([], [])

    def test_an_observing_fleet_does_not_replace_it(self) -> None:
        d = draft(READY, OPEN, fill(), *held(), self.FIXED, quoted())
        replace_fixed_stop(d, "TSLA", READY, rules(observe=True))
        assert (written(d), messages_of(d)) == ([], [])


def test_a_change_being_read_does_not_count_as_sent() -> None:
    d = draft(READY, OPEN, fill(), *held(), TestReplaceFixedStop.FIXED, quoted(), Change(STOP, "TSLA", 4.0, "reading"))
    replace_fixed_stop(d, "TSLA", READY, RULES)
    assert sent(d) == ["cancel S1"]


def test_orders_of_another_symbol_do_not_matter() -> None:
    theirs: list[OrderRecord] = [entry("CT-NVDA-20250106-1", symbol="NVDA")]
    d = draft(*BARE, *theirs)
    protect(d, "TSLA", READY, RULES)
    assert sent(d) == ["S2 10"]
