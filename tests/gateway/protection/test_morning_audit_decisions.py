"""The morning audit in detail: what the close saves, how a change is classified, and what is adjusted."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import CancelOrder, PlaceOrder
from messages.orders import OrderRecord, PositionUpdated
from services.gateway.book.records import AccountPosition, Anchor, Audit, Change, Evidence, Own, PriceGrid
from services.gateway.protection.morning_audit import (
    AuditVerdict,
    audit,
    cancel_refused_stop,
    compare_positions,
    renew_anchors,
    request_audits,
    request_missed_audits,
    save_anchors,
)
from services.runtime.core import Draft
from tests.gateway import one_decision
from tests.gateway.one_decision import (
    ENTRY,
    MACHINE_NS,
    NOON_NS,
    OPEN,
    READY,
    STOP,
    entry,
    fill,
    foreign,
    held,
    messages_of,
    note,
    quoted,
    rules,
    stop,
    written,
)
from tests.gateway.scenario import changed


def draft(*records: Any, **times: Any) -> Draft:
    """A decision from these records; two answers of the broker agree on the positions."""
    proved = [
        Evidence(symbol=r.symbol, quantity=r.quantity, answers=2) for r in records if isinstance(r, AccountPosition)
    ]
    return one_decision.draft(READY, *records, *proved, **times)


CLOSE_NS = NOON_NS - 17 * 3600 * 10**9
RULES = rules()


class TestClose:
    def test_positions_are_saved_with_price_and_levels_of_live_stops(self) -> None:
        d = draft(
            *held(10.0, 25.0),
            quoted(106.0),
            Audit("TSLA"),
            stop(trail_stop_price=95.4),
            stop(f"{ENTRY}-S2", trail_stop_price=None, stop_price=94.0),
            stop(f"{ENTRY}-S3", trail_stop_price=None, stop_price=None),
            stop(f"{ENTRY}-S4", status="Cancelled"),
            stop("CT-NVDA-20250106-1-S1", symbol="NVDA"),
            entry(),
            foreign(),
        )
        save_anchors(d)
        levels = {STOP: 95.4, f"{ENTRY}-S2": 94.0}
        assert written(d) == [(Audit, "TSLA"), Anchor("TSLA", 25.0, 105.0, 106.0, NOON_NS, levels, own=10.0)]
        assert messages_of(d) == []

    def test_symbols_without_shares_are_dropped_and_the_next_one_is_saved(self) -> None:
        d = draft(
            Own("AMC", 0.0),
            AccountPosition("AMC", 5.0, 3.0),
            Own("GME", 7.0),  # of which the broker has no position
            Own("TSLA", 0.5, 52.5),
            AccountPosition("TSLA", 0.5, 105.0),
        )
        save_anchors(d)
        assert written(d) == [
            (Audit, "AMC"),
            (Anchor, "AMC"),
            (Audit, "GME"),
            (Anchor, "GME"),
            (Audit, "TSLA"),
            Anchor("TSLA", 0.5, 105.0, 105.0, NOON_NS, own=0.5),  # (no quote: what they cost)
        ]


def test_before_the_open_every_saved_position_is_due() -> None:
    d = draft(Anchor("TSLA", 10.0, 105.0, 106.0, 0), Anchor("NVDA", 5.0, 90.0, 91.0, 0), Audit("NVDA", True))
    assert request_audits(d) is True
    assert written(d) == [Audit("TSLA"), Audit("NVDA")]
    assert request_audits(draft(Audit("TSLA"))) is True, "one that is still to be done"
    d = draft()
    assert request_audits(d) is False
    assert written(d) == []


@pytest.mark.parametrize(
    ("before", "after", "traded", "hints", "verdict"),
    [
        # A position that was or is empty did not split.
        ((10.0, 105.0, 106.0), (0.0, 0.0), 53.0, (), AuditVerdict("strange")),
        ((10.0, 105.0, 106.0), (-10.0, 105.0), 53.0, (), AuditVerdict("strange")),
        ((0.0, 105.0, 106.0), (10.0, 105.0), 53.0, (), AuditVerdict("strange")),
        ((-10.0, 105.0, 106.0), (10.0, 105.0), 53.0, (), AuditVerdict("strange")),
        ((10.0, 0.0, 106.0), (20.0, 0.0), 53.0, (), AuditVerdict("strange")),
        ((10.0, -1.0, 106.0), (20.0, -0.5), 53.0, (), AuditVerdict("strange")),
        ((0.0, 0.0, 0.0), (0.0, 0.0), 0.0, (), AuditVerdict("same")),
        # Whole dollars are no bound: a share of fifty cents becomes two of a quarter, half a share becomes one.
        ((10.0, 0.5, 0.5), (20.0, 0.25), 0.25, (), AuditVerdict("split", 2.0)),
        ((0.5, 105.0, 106.0), (1.0, 52.5), 53.0, (), AuditVerdict("split", 2.0)),
        ((10.0, 0.5, 0.5), (20.0, 0.25), 0.5, (), AuditVerdict("strange")),
        # Cost preserved within two per cent.
        ((10.0, 100.0, 100.0), (20.0, 50.998), 50.0, (), AuditVerdict("split", 2.0)),
        ((10.0, 100.0, 100.0), (20.0, 51.01), 50.0, (), AuditVerdict("strange")),
        ((10.0, 100.0, 100.0), (20.0, 49.002), 50.0, (), AuditVerdict("split", 2.0)),
        ((10.0, 100.0, 100.0), (20.0, 48.99), 50.0, (), AuditVerdict("strange")),
        # Within the factor 1.25 of the split's price, either way, and nearer to it than to the old price.
        ((10.0, 100.0, 100.0), (20.0, 50.0), 62.49, (), AuditVerdict("split", 2.0)),
        ((10.0, 100.0, 100.0), (20.0, 50.0), 62.51, (), AuditVerdict("strange")),
        ((10.0, 100.0, 100.0), (20.0, 50.0), 40.01, (), AuditVerdict("split", 2.0)),
        ((10.0, 100.0, 100.0), (20.0, 50.0), 39.99, (), AuditVerdict("strange")),
        ((10.0, 100.0, 100.0), (11.0, 100.0 / 1.1), 95.0, (), AuditVerdict("split", 1.1)),
        ((10.0, 100.0, 100.0), (11.0, 100.0 / 1.1), 96.0, (), AuditVerdict("strange")),
        # One for two, with the fraction paid out: the ratio is exact for any number of shares.
        ((143.0, 20.0, 21.0), (71.0, 40.0), 42.0, (), AuditVerdict("split", 0.5, 0.5)),
        ((3.0, 100.0, 100.0), (1.0, 200.0), 200.0, (), AuditVerdict("split", 0.5, 0.5)),
        ((143.0, 20.0, 21.0), (71.0, 40.0), 0.0, (), AuditVerdict("unconfirmed", 0.5, 0.5)),
        # Three for two with a fraction paid out is for a person: only a reverse split follows from its cost alone.
        ((3.0, 90.0, 90.0), (4.0, 60.0), 60.0, (), AuditVerdict("strange")),
        # Without a price of that day nothing is known; a hint can confirm and never disproves.
        ((10.0, 105.0, 0.0), (20.0, 52.5), 0.0, (53.0,), AuditVerdict("unconfirmed", 2.0)),
        ((10.0, 105.0, 0.0), (20.0, 52.5), 53.0, (), AuditVerdict("strange")),
        ((10.0, 105.0, 106.0), (20.0, 52.5), 0.0, (0.0, 53.0), AuditVerdict("split", 2.0)),
        ((10.0, 105.0, 106.0), (20.0, 52.5), 0.0, (0.0, 106.0), AuditVerdict("unconfirmed", 2.0)),
        ((10.0, 105.0, 106.0), (20.0, 52.5), 106.0, (53.0,), AuditVerdict("split", 2.0)),
    ],
)
def test_findings_for_a_position(
    before: tuple[float, float, float],
    after: tuple[float, float],
    traded: float,
    hints: tuple[float, ...],
    verdict: AuditVerdict,
) -> None:
    assert compare_positions(Anchor("TSLA", *before, 0), AccountPosition("TSLA", *after), traded, hints) == verdict


BEFORE = Anchor("TSLA", 10.0, 105.0, 106.0, CLOSE_NS, {STOP: 95.4})
OLD = {"last_ns": CLOSE_NS, "bid": 0.0, "ask": 0.0}
"""A quote without a price of this morning."""


class TestThreeForTwo:
    """Nine own shares of ten in the account, at 106 with a stop at 95.40, become 13.5 of 15."""

    FIGURES = {"was": 10.0, "is": 15.0, "cost_was": 105.0, "cost_is": 70.0}  # noqa: RUF012
    RECORDS = (
        Audit("TSLA"),
        BEFORE,
        Own("TSLA", 9.0, 945.0),
        AccountPosition("TSLA", 15.0, 70.0),
        quoted(70.0),
    )
    SHARES = Own("TSLA", 13.5, 945.0)
    TOLD = PositionUpdated("TSLA", 15.0, 70.0, 13.5)

    def test_shares_levels_and_quantities_are_adjusted_and_reported(self) -> None:
        resting = stop(quantity=9.0, filled=1.0, trail_stop_price=190.8, level_estimated=True)
        ended = stop(f"{ENTRY}-S2", status="Cancelled", stop_price=None, trail_stop_price=90.0)
        going = stop(f"{ENTRY}-S3", cancel_reason="flatten", trail_stop_price=None, stop_price=87.0)
        unknown = stop(f"{ENTRY}-S4", status="Cancelled", stop_price=None, trail_stop_price=None)
        others = [stop("CT-NVDA-20250106-1-S1", symbol="NVDA"), entry(status="Filled")]
        d = draft(*self.RECORDS, resting, others[0], ended, others[1], going, unknown)
        audit(d, "TSLA", RULES)
        kept = changed(resting, renewed_ns=NOON_NS, stop_price=63.6, trail_stop_price=63.6, level_estimated=False)
        assert written(d) == [
            self.SHARES,
            kept,
            Change(STOP, "TSLA", 14.0, "sent", MACHINE_NS, NOON_NS, 1),
            changed(ended, stop_price=60.0, trail_stop_price=60.0),
            changed(going, stop_price=58.0, trail_stop_price=58.0),
            unknown,
            (Audit, "TSLA"),
            Anchor("TSLA", 15.0, 70.0, 70.0, NOON_NS, {STOP: 63.6, f"{ENTRY}-S3": 58.0}, NOON_NS, 13.5),
        ]
        assert messages_of(d) == [
            note("split_mended", level="WARNING", ratio=1.5, **self.FIGURES, own_was=9.0, own_is=13.5),
            ("TSLA", self.TOLD),
            note("stop_resized", client_order_id=STOP, qty=14.0, was=9.0),
            ("broker", PlaceOrder(changed(kept, quantity=14.0), True)),
        ]

    def test_an_observing_fleet_changes_its_book_and_no_order(self) -> None:
        d = draft(*self.RECORDS, stop())
        audit(d, "TSLA", rules(observe=True))
        assert written(d)[1] == changed(stop(), stop_price=63.6, trail_stop_price=63.6)
        assert [to for to, _ in messages_of(d)] == ["recorder", "TSLA"]

    def test_levels_are_rounded_by_the_brokers_grid(self) -> None:
        d = draft(*self.RECORDS, stop(status="Cancelled"), PriceGrid("TSLA", ((0.0, 0.25),)))
        audit(d, "TSLA", RULES)
        assert written(d)[1].trail_stop_price == 63.5

    def test_figures_to_six_digits(self) -> None:
        d = draft(
            Audit("TSLA"),
            Anchor("TSLA", 3.0, 105.0, 106.0, CLOSE_NS),
            Own("TSLA", 1.0, 105.0),
            AccountPosition("TSLA", 1.0, 315.0),
            quoted(318.0),
        )
        audit(d, "TSLA", RULES)
        assert written(d)[0] == Own("TSLA", 0.333333, 105.0)
        assert messages_of(d)[0][1].fields["ratio"] == 0.333333


class TestUnconfirmed:
    RECORDS = (BEFORE, Own("TSLA", 10.0, 1050.0), AccountPosition("TSLA", 30.0, 35.0), quoted(106.0, **OLD), stop())

    def test_an_unconfirmed_split_is_reported_once_and_stays_due(self) -> None:
        d = draft(Audit("TSLA"), *self.RECORDS)
        audit(d, "TSLA", RULES)
        figures = {"was": 10.0, "is": 30.0, "cost_was": 105.0, "cost_is": 35.0}
        assert written(d) == [Audit("TSLA", True, 3.0)]
        assert messages_of(d) == [note("split_unconfirmed", level="ERROR", ratio=3.0, **figures)]
        d = draft(Audit("TSLA", True), *self.RECORDS)
        audit(d, "TSLA", RULES)
        assert (written(d), messages_of(d)) == ([], [])

    def test_a_ratio_to_six_digits(self) -> None:
        d = draft(Audit("TSLA"), BEFORE, *held(), changed(self.RECORDS[2], quantity=10.0 / 3, avg_cost=315.0))
        audit(d, "TSLA", RULES)
        assert messages_of(d)[0][1].fields["ratio"] == 0.333333


@pytest.mark.parametrize(
    ("quote", "confirmed"),
    [
        (quoted(35.0, **OLD | {"last_ns": CLOSE_NS + 1}), True),
        (quoted(35.0, **OLD), False),  # a trade from before the close
        (quoted(106.0, **OLD | {"bid": 34.0, "ask": 36.0}), True),
        (quoted(106.0, **OLD | {"bid": 0.0, "ask": 70.0}), False),  # half a quote does not count
        (quoted(106.0, **OLD | {"bid": 70.0, "ask": 0.0}), False),
        (quoted(106.0, **OLD | {"close": 35.0}), True),
        (quoted(106.0, **OLD), False),
        (None, False),
    ],
)
def test_quotes_that_confirm_a_split(quote: Any, confirmed: bool) -> None:
    d = draft(Audit("TSLA"), *TestUnconfirmed.RECORDS[:3], *([] if quote is None else [quote]))
    audit(d, "TSLA", RULES)
    assert messages_of(d)[0][1].event == ("split_mended" if confirmed else "split_unconfirmed")


def test_a_quote_without_ask_has_no_middle() -> None:
    """A price of one dollar would fit the split of one into three, and the bid alone is near it."""
    before = Anchor("TSLA", 10.0, 3.0, 3.0, CLOSE_NS)
    shares = (Own("TSLA", 10.0, 30.0), AccountPosition("TSLA", 30.0, 1.0))
    d = draft(Audit("TSLA"), before, *shares, quoted(3.0, **OLD | {"bid": 0.9}))
    audit(d, "TSLA", RULES)
    assert messages_of(d)[0][1].event == "split_unconfirmed"


def test_a_penny_stock_is_confirmed_as_well() -> None:
    """Bid and ask below one dollar."""
    cents = {"last_ns": CLOSE_NS, "bid": 0.9, "ask": 0.95}
    before = Anchor("TSLA", 100.0, 0.1, 0.1, CLOSE_NS)
    d = draft(Audit("TSLA"), before, Own("TSLA", 100.0, 10.0), AccountPosition("TSLA", 10.0, 1.0), quoted(0.1, **cents))
    audit(d, "TSLA", RULES)
    assert messages_of(d)[0][1].event == "split_mended"


def test_any_other_change_is_reported_and_nothing_is_changed() -> None:
    d = draft(Audit("TSLA"), BEFORE, *held(10.0, 15.0), quoted(106.0), stop())
    audit(d, "TSLA", RULES)
    assert written(d)[0] == (Audit, "TSLA")
    assert messages_of(d) == [
        note("audit_failed", level="ERROR", was=10.0, cost_was=105.0, cost_is=105.0, **{"is": 15.0})
    ]


def test_a_missing_position_has_no_shares() -> None:
    d = draft(Audit("TSLA"), BEFORE, Own("TSLA", 10.0), quoted(106.0))
    audit(d, "TSLA", RULES)
    assert messages_of(d) == [note("audit_failed", level="ERROR", was=10.0, cost_was=105.0, cost_is=0.0, **{"is": 0.0})]


def test_an_unchanged_position_passes() -> None:
    d = draft(Audit("TSLA"), BEFORE, *held())
    audit(d, "TSLA", RULES)
    assert written(d)[0] == (Audit, "TSLA")
    assert messages_of(d) == [note("audit_passed", shares=10.0)]


@pytest.mark.parametrize(
    ("records", "wrote"),
    [
        ([BEFORE, *held()], []),  # nothing is due
        ([Audit("TSLA"), *held()], [(Audit, "TSLA")]),
        ([Audit("TSLA"), BEFORE], [(Audit, "TSLA")]),
    ],
)
def test_without_an_anchor_or_own_shares_the_audit_ends(records: list[Any], wrote: list[Any]) -> None:
    d = draft(*records)
    audit(d, "TSLA", RULES)
    assert (written(d), messages_of(d)) == (wrote, [])


@pytest.mark.parametrize(("order", "goes"), [(stop(), True), (stop(status="InFlight"), False)])
def test_a_stop_that_could_not_be_adjusted_is_cancelled(order: OrderRecord, goes: bool) -> None:
    d = draft(order, *held())
    cancel_refused_stop(d, order)
    if not goes:
        assert written(d) == []
        return
    assert written(d) == [changed(order, cancel_reason="split_refused"), (Change, STOP)]
    assert messages_of(d)[-1] == ("broker", CancelOrder(2, STOP))


def test_a_stop_is_not_cancelled_before_two_answers_agree() -> None:
    d = one_decision.draft(READY, stop(), *held()[:2])
    cancel_refused_stop(d, stop())
    assert (written(d), messages_of(d)) == ([], [])


class TestTheLastSessionSeen:
    """The machine can be off over the close, and a split can follow."""

    SEEN = changed(BEFORE, time_ns=NOON_NS - 3 * 24 * 3600 * 10**9)

    def test_a_close_that_was_not_seen_saves_nothing(self) -> None:
        late_ns = OPEN.close_ns + 3600 * 10**9
        d = draft(OPEN, *held(20.0), quoted(53.0), Audit("TSLA"), self.SEEN, market_ns=late_ns)
        save_anchors(d)
        assert written(d) == []

    def test_a_position_that_changed_is_saved_in_the_session(self) -> None:
        d = draft(OPEN, *held(), quoted(106.0), stop(trail_stop_price=95.4))
        renew_anchors(d)
        assert written(d) == [Anchor("TSLA", 10.0, 105.0, 106.0, NOON_NS, {STOP: 95.4}, own=10.0)]
        known = Anchor("TSLA", 10.0, 105.0, 100.0, NOON_NS - 599 * 10**9, own=10.0)
        older, adopted = changed(known, time_ns=NOON_NS - 600 * 10**9), changed(known, own=4.0)
        for before, saved in ((known, False), (older, True), (adopted, True)):
            d = draft(OPEN, *held(), quoted(106.0), before)
            renew_anchors(d)
            assert bool(written(d)) is saved

    def test_without_a_quote_the_price_before_stays(self) -> None:
        d = draft(OPEN, *held(), Anchor("TSLA", 10.0, 105.0, 100.0, NOON_NS - 3600 * 10**9))
        renew_anchors(d)
        assert written(d) == [Anchor("TSLA", 10.0, 105.0, 100.0, NOON_NS, own=10.0)]

    @pytest.mark.parametrize("records", [[Audit("TSLA")], [changed(OPEN, phase="closed")]])
    def test_nothing_is_saved_before_the_audit_or_outside_the_session(self, records: list[Any]) -> None:
        d = draft(OPEN, *held(20.0), quoted(53.0), self.SEEN, *records)
        renew_anchors(d)
        assert written(d) == []

    def test_shares_that_were_all_sold_are_audited_once(self) -> None:
        """What a person buys later is no split of what was sold."""
        bought = fill(quantity=20.0, price=50.0, time_ns=CLOSE_NS)
        sale = fill(STOP, 20.0, price=48.0, side="SELL", role="stop", time_ns=NOON_NS)
        d = draft(OPEN, Own("TSLA", 0.0), AccountPosition("TSLA", 0.0, 0.0), bought, sale, quoted(48.0))
        request_missed_audits(d)
        audit(d, "TSLA", RULES)
        renew_anchors(d)
        d.put(AccountPosition("TSLA", 2.0, 46.0))
        before = d.get(Anchor, "TSLA")
        renew_anchors(d)
        request_missed_audits(d)
        assert (d.get(Anchor, "TSLA"), list(d.table(Audit))) == (before, [])
        assert request_audits(d) is False, "nor is the next morning"

    def test_a_stop_of_before_the_split_sold_all_that_was_known(self) -> None:
        bought = fill(quantity=20.0, price=50.0, time_ns=CLOSE_NS)
        sale = fill(STOP, 20.0, price=17.0, side="SELL", role="stop", time_ns=NOON_NS)
        d = draft(OPEN, Own("TSLA", 0.0), AccountPosition("TSLA", 40.0, 50 / 3), bought, sale, quoted(17.0))
        request_missed_audits(d)
        assert d.get(Anchor, "TSLA") == Anchor("TSLA", 20.0, 50.0, 50.0, CLOSE_NS, own=20.0)
        audit(d, "TSLA", RULES)
        assert d.get(Own, "TSLA") == Own("TSLA", 40.0, pytest.approx(40 * 50 / 3))

    def test_a_gap_of_sessions_is_audited(self) -> None:
        d = draft(OPEN, self.SEEN)
        request_missed_audits(d)
        assert written(d) == [Audit("TSLA")]

    @pytest.mark.parametrize("fields", [{"audited_ns": OPEN.open_ns - 60 * 10**9}, {"time_ns": OPEN.open_ns + 1}])
    def test_an_audit_of_this_session_is_enough(self, fields: dict[str, int]) -> None:
        d = draft(OPEN, changed(self.SEEN, **fields))
        request_missed_audits(d)
        assert written(d) == []


class TestTradesSinceTheAnchor:
    """Ten shares at the anchor, two of them sold while the fleet was away; then each became two, or two became one."""

    ANCHOR = changed(BEFORE, own=10.0)
    AWAY = fill(STOP, 2.0, role="stop", side="SELL", time_ns=CLOSE_NS + 60 * 10**9)

    def audited(self, *records: Any) -> Draft:
        d = draft(OPEN, Audit("TSLA"), self.ANCHOR, self.AWAY, stop(), *records)
        audit(d, "TSLA", RULES)
        return d

    @pytest.mark.parametrize(("shares", "cost", "last"), [(16.0, 52.5, 53.0), (4.0, 210.0, 212.0)])
    def test_a_sale_before_the_night_is_no_part_of_the_split(self, shares: float, cost: float, last: float) -> None:
        d = self.audited(Own("TSLA", 8.0, 840.0), AccountPosition("TSLA", shares, cost), quoted(last))
        assert d.get(Own, "TSLA") == Own("TSLA", shares, 840.0)

    def test_a_sale_after_the_night_counts_new_shares(self) -> None:
        """The stop from before the split sold six new shares at the open."""
        today = fill(STOP, 6.0, role="stop", side="SELL", time_ns=OPEN.open_ns + 10**9, exec_id="0000e0d5.2.01")
        d = self.audited(today, Own("TSLA", 2.0, 210.0), AccountPosition("TSLA", 10.0, 52.5), quoted(53.0))
        assert d.get(Own, "TSLA") == Own("TSLA", 10.0, 525.0), "they cost half of the old ones"
        assert d.get(Anchor, "TSLA") == Anchor("TSLA", 10.0, 52.5, 53.0, NOON_NS, {STOP: 47.7}, NOON_NS, 10.0)

    def test_a_purchase_before_the_night(self) -> None:
        bought = fill(quantity=6.0, price=115.0, time_ns=CLOSE_NS + 50 * 10**9)
        d = self.audited(bought, Own("TSLA", 14.0, 1530.0), AccountPosition("TSLA", 28.0, 54.643), quoted(53.0))
        assert d.get(Own, "TSLA") == Own("TSLA", 28.0, 1530.0)

    def test_what_the_operator_adopted_was_not_traded(self) -> None:
        adopted = fill("A", 3.0, role="adopted", time_ns=CLOSE_NS + 70 * 10**9, exec_id="adopted.A.01")
        beside = changed(self.ANCHOR, account=15.0)
        d = self.audited(beside, adopted, Own("TSLA", 11.0, 1155.0), AccountPosition("TSLA", 26.0, 52.5), quoted(53.0))
        assert d.get(Own, "TSLA") == Own("TSLA", 22.0, 1155.0)

    def test_a_sale_alone_is_no_change(self) -> None:
        d = self.audited(Own("TSLA", 8.0, 840.0), AccountPosition("TSLA", 8.0, 105.0), quoted(106.0))
        assert messages_of(d) == [note("audit_passed", shares=8.0)]
