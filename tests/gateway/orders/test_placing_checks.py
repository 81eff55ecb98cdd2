"""Placing in detail: the bracket, each reason to drop it on both sides of its bound, and the effects of a cancel."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import CancelOrder, PlaceOrder
from messages.entries import CancelEntry, EntryDropped, EntryPlan
from messages.orders import OrderPlaced, OrderRecord
from services.gateway.book.queries import next_order_ids
from services.gateway.book.records import (
    AccountPosition,
    Block,
    Book,
    EntrySlot,
    Links,
    Own,
    SessionRecord,
    Settled,
    Tombstone,
)
from services.gateway.orders.placing import cancel_entry, place_entry
from tests.gateway.one_decision import (
    BOUND,
    DOWN,
    ENTRY,
    NOON_NS,
    OPEN,
    READY,
    STOP,
    draft,
    entry,
    foreign,
    messages_of,
    note,
    quoted,
    rules,
    stop,
    written,
)
from tests.gateway.scenario import ACCOUNT, UNTIL, changed, plan

PRICED = quoted(100.0)
BOOK = Book(account=ACCOUNT, next_order_id=7)
RULES = rules()


def bracket(wanted: EntryPlan, first_id: int = 7, account: str = ACCOUNT) -> tuple[OrderRecord, OrderRecord]:
    """The two orders of a plan, field by field."""
    parent = OrderRecord(
        client_order_id=ENTRY,
        symbol="TSLA",
        role="entry",
        side="BUY",
        order_type=wanted.order_type,
        quantity=wanted.quantity,
        limit_price=wanted.limit_price,
        stop_price=105.0,
        tif=wanted.tif,
        outside_rth=wanted.outside_rth,
        order_id=first_id,
        account=account,
        con_id=BOUND.con_id,
        created_ns=NOON_NS,
        updated_ns=NOON_NS,
    )
    child = OrderRecord(
        client_order_id=STOP,
        symbol="TSLA",
        role="stop",
        side="SELL",
        order_type=wanted.stop_order_type,
        quantity=float(int(wanted.quantity)),
        stop_price=wanted.stop_level,
        trailing_pct=10.0,
        limit_offset=wanted.limit_offset,
        tif=wanted.stop_tif,
        outside_rth=wanted.outside_rth,
        order_id=first_id + 1,
        parent_id=first_id,
        parent_client_order_id=ENTRY,
        account=account,
        con_id=BOUND.con_id,
        created_ns=NOON_NS,
        updated_ns=NOON_NS,
    )
    return parent, child


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"quantity": 2.5},
        {"stop_order_type": "TRAIL LIMIT", "limit_offset": 0.2, "stop_tif": "DAY", "tif": "GTC", "outside_rth": True},
        {"order_type": "STP", "limit_price": None, "stop_order_type": "STP", "stop_level": 94.5},
    ],
)
def test_a_bracket_has_all_fields(more: dict[str, Any]) -> None:
    wanted = plan(**more)
    parent, child = bracket(wanted)
    d = draft(BOUND, OPEN, PRICED, BOOK)
    place_entry(d, wanted, READY, RULES)
    before = Settled("TSLA", 0.0, 0.0, NOON_NS)
    assert written(d) == [before, Book(account=ACCOUNT, next_order_id=9), EntrySlot(ENTRY, "TSLA"), parent, child]
    assert messages_of(d) == [
        ("TSLA", OrderPlaced(parent)),
        ("broker", PlaceOrder(parent, False)),
        ("TSLA", OrderPlaced(child)),
        ("broker", PlaceOrder(child, True)),
    ]


def test_a_bracket_before_the_account_is_known_names_none() -> None:
    d = draft(BOUND, OPEN, PRICED)
    place_entry(d, plan(), READY, RULES)
    assert written(d)[3:] == list(bracket(plan(), 1, ""))


def test_order_ids_are_used_once() -> None:
    d = draft(BOUND, BOOK)
    assert (next_order_ids(d, 2), next_order_ids(d, 1)) == ((7, 8), (9,))
    assert written(d) == [Book(account=ACCOUNT, next_order_id=10)]
    assert next_order_ids(draft(BOUND), 1) == (1,)


def refusal(reason: str, figures: dict[str, float] | None = None) -> list[tuple[str, Any]]:
    found = figures or {}
    return [
        ("TSLA", EntryDropped(ENTRY, "TSLA", reason, found)),
        note("entry_dropped", level="WARNING", client_order_id=ENTRY, reason=reason, **found),
    ]


def resting(**more: Any) -> SessionRecord:
    return changed(OPEN, **more)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("records", "links", "now", "reason", "figures"),
    [
        ([OPEN, PRICED], READY, {}, None, None),
        ([OPEN, PRICED, Block("clock_off", "…", {"off_s": 2.5})], READY, {}, "clock_off", {"off_s": 2.5}),
        ([OPEN, PRICED], DOWN, {}, "links_down", None),
        ([OPEN, PRICED], Links(phase="ready", broker_up=False), {}, "links_down", None),
        ([OPEN, PRICED], Links(phase="ready", data_up=False), {}, None, None),
        ([OPEN, PRICED], READY, {"stale": True}, "clock_stale", None),
        ([resting(break_ns=(NOON_NS, NOON_NS + 1)), PRICED], READY, {}, "session_break", None),
        ([resting(break_ns=(NOON_NS - 1, NOON_NS)), PRICED], READY, {}, None, None),
        ([resting(break_ns=(NOON_NS + 1, NOON_NS + 2)), PRICED], READY, {}, None, None),
        ([PRICED], READY, {}, "session_not_open", None),
        ([resting(phase="closing"), PRICED], READY, {}, "session_not_open", None),
        ([resting(date="2025-01-07"), PRICED], READY, {}, "session_not_open", None),
        ([OPEN, PRICED], READY, {"market_ns": UNTIL - 1}, None, None),
        ([OPEN, PRICED], READY, {"market_ns": UNTIL}, "session_not_open", None),
        ([OPEN, PRICED, entry(status="Cancelled")], READY, {}, "placed_before", None),
        ([OPEN, PRICED, entry("CT-TSLA-20250106-2")], READY, {}, "entry_live", None),
        ([OPEN, PRICED, entry("CT-TSLA-20250106-2", status="Cancelled")], READY, {}, None, None),
        ([OPEN, PRICED, entry("CT-NVDA-20250106-1", symbol="NVDA")], READY, {}, None, None),
        # A live own sell would sell the shares of this entry.
        ([OPEN, PRICED, stop("CT-TSLA-20250103-1-S1")], READY, {}, "sell_live", None),
        ([OPEN, PRICED, stop("CT-TSLA-20250103-1-S1", status="Cancelled")], READY, {}, None, None),
        ([OPEN, PRICED, stop("CT-NVDA-20250103-1-S1", symbol="NVDA")], READY, {}, None, None),
        ([OPEN, PRICED, foreign()], READY, {}, None, None),
        ([OPEN, PRICED, Own("TSLA", -0.5)], READY, {}, "oversold", {"own": -0.5}),
        ([OPEN, PRICED, Own("TSLA", 0.0)], READY, {}, None, None),
        ([OPEN, PRICED, EntrySlot("CT-TSLA-20250106-2", "TSLA")], READY, {}, "entry_live", None),
        ([OPEN, PRICED, EntrySlot("CT-NVDA-20250106-1", "NVDA")], READY, {}, None, None),
        ([OPEN, PRICED, Own("TSLA", 1.0)], READY, {}, "position_open", {"own": 1.0}),
        ([OPEN, PRICED, Own("TSLA", 0.99)], READY, {}, None, None),
        ([OPEN, PRICED, Own("NVDA", 10.0)], READY, {}, None, None),
        ([OPEN, PRICED, AccountPosition("TSLA", -0.5, 1.0)], READY, {}, "account_short", {"position": -0.5}),
        ([OPEN, PRICED, AccountPosition("TSLA", 0.0, 0.0)], READY, {}, None, None),
        ([OPEN, PRICED, AccountPosition("NVDA", -5.0, 1.0)], READY, {}, None, None),
        ([OPEN], READY, {}, "no_quote", None),
        ([OPEN, quoted(0.0)], READY, {}, "no_quote", None),
        ([OPEN, quoted(0.0, refused=354)], READY, {}, "no_market_data", {"code": 354.0}),
        ([OPEN, quoted(100.0, refused=10197, halted=True)], READY, {}, "no_market_data", {"code": 10197.0}),
        ([OPEN, quoted(100.0, halted=True)], READY, {}, "halted", None),
        ([OPEN, quoted(100.0, delayed=True)], READY, {}, "delayed_data", None),
    ],
)
def test_reasons_to_drop_an_entry_at_their_bounds(
    records: list[Any], links: Links, now: dict[str, Any], reason: str | None, figures: dict[str, float] | None
) -> None:
    d = draft(BOUND, *records, **now)
    place_entry(d, plan(), links, RULES)
    if reason is None:
        assert [m.order.client_order_id for to, m in messages_of(d) if to == "broker"] == [ENTRY, STOP]
    else:
        assert written(d) == []
        (dropped, (_, noted)) = messages_of(d)
        assert dropped == refusal(reason, figures)[0]
        assert noted.fields == {"client_order_id": ENTRY, "reason": reason} | (figures or {})


def test_a_cancelled_entry_is_dropped_with_its_tombstone() -> None:
    d = draft(BOUND, OPEN, PRICED, Tombstone(ENTRY, "end_of_day"), Tombstone("CT-TSLA-20250106-2", "paused"))
    place_entry(d, plan(), DOWN, RULES)
    assert written(d) == [(Tombstone, ENTRY)]
    assert messages_of(d) == refusal("end_of_day")


@pytest.mark.parametrize(
    ("mode", "allowed", "goes"),
    [("paper", True, True), ("paper", False, False), ("sim", True, True), ("live", True, False)],
)
def test_delayed_prices_need_paper_and_the_setting(mode: str, allowed: bool, goes: bool) -> None:
    d = draft(BOUND, OPEN, quoted(100.0, delayed=True))
    place_entry(d, plan(), READY, rules(mode=mode, ibkr={"allow_delayed": allowed}))
    assert messages_of(d)[0][1].__class__ is (OrderPlaced if goes else EntryDropped)


@pytest.mark.parametrize(
    ("last", "ask", "through"),
    [(104.99, 104.99, False), (105.0, 104.99, True), (104.99, 105.0, True), (104.0, 0.0, False)],
)
def test_a_price_at_the_trigger_drops_the_entry(last: float, ask: float, through: bool) -> None:
    d = draft(BOUND, OPEN, quoted(last, ask=ask))
    place_entry(d, plan(), READY, RULES)
    figures = {"last": last, "ask": ask, "trigger": 105.0}
    assert (messages_of(d) == refusal("price_through_trigger", figures)) is through


class TestPriceBand:
    """The trigger is at 105: 5 % above 100, exactly a quarter above 84."""

    @pytest.mark.parametrize(
        ("last", "band", "figures"),
        [
            (84.0, 25.0, None),
            (83.99, 25.0, {"last": 83.99, "price": 105.0, "band_pct": 25.0}),
            (100.0, 4.9, {"last": 100.0, "price": 105.0, "band_pct": 4.9}),
            (0.5, None, None),
        ],
    )
    def test_a_trigger_too_far_from_the_market_is_dropped(
        self, last: float, band: float | None, figures: dict[str, float] | None
    ) -> None:
        d = draft(BOUND, OPEN, quoted(last))
        place_entry(d, plan(), READY, rules(guards={"price_band_pct": band}))
        assert (messages_of(d) == refusal("price_band", figures)) is (figures is not None)
        assert (messages_of(d)[0][1].__class__ is OrderPlaced) is (figures is None)


def test_an_observing_fleet_notes_the_entry_it_would_send() -> None:
    d = draft(BOUND, OPEN, PRICED)
    place_entry(d, plan(), READY, rules(observe=True))
    assert written(d) == []
    assert messages_of(d) == [
        note(
            "entry_observed",
            client_order_id=ENTRY,
            order_type="STP LMT",
            qty=10.0,
            stop_price=105.0,
            limit_price=110.25,
            reference=100.0,
            stop_order_type="TRAIL",
            trailing_pct=10.0,
        ),
        *refusal("observed", {"quantity": 10.0, "trigger": 105.0}),
    ]
    d = draft(BOUND, OPEN, quoted(0.0))
    place_entry(d, plan(), READY, rules(observe=True))
    assert messages_of(d) == refusal("no_quote"), "what would not have been sent is not observed"


class TestCancelEntry:
    WORD = CancelEntry(ENTRY, "TSLA", "end_of_day")

    def test_an_entry_is_cancelled_once(self) -> None:
        d = draft(BOUND, entry())
        cancel_entry(d, self.WORD, READY)
        assert written(d) == [changed(entry(), cancel_reason="end_of_day")]
        assert messages_of(d) == [("broker", CancelOrder(1, ENTRY))]

    @pytest.mark.parametrize("order", [entry(cancel_reason="paused"), entry(status="Filled")])
    def test_an_order_that_ended_or_is_being_cancelled_is_not_changed(self, order: OrderRecord) -> None:
        d = draft(BOUND, order)
        cancel_entry(d, self.WORD, READY)
        assert (written(d), messages_of(d)) == ([], [])

    @pytest.mark.parametrize("links", [DOWN, Links(phase="reconciling")])
    def test_the_intent_is_recorded_while_the_link_is_down(self, links: Links) -> None:
        d = draft(BOUND, entry())
        cancel_entry(d, self.WORD, links)
        assert written(d) == [changed(entry(), cancel_reason="end_of_day")]
        assert messages_of(d) == []

    def test_an_entry_that_never_arrived_leaves_a_tombstone(self) -> None:
        d = draft(BOUND)
        cancel_entry(d, self.WORD, READY)
        assert written(d) == [Tombstone(ENTRY, "end_of_day")]
        assert messages_of(d) == [("TSLA", EntryDropped(ENTRY, "TSLA", "end_of_day", {}))]
