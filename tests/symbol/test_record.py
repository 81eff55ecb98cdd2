"""What a symbol shows of itself, and how little is no position."""

from __future__ import annotations

import pytest

from messages.operator import SymbolStatus
from services.symbol.record import SymbolRecord, changed, holds, shown, status_of
from tests.symbol.one_decision import NOON, RESTS, S, with_


def test_a_status_shows_the_record_as_it_is() -> None:
    record = with_(RESTS, entry_number=3, own=0.5, cost_usd=52.5)
    assert status_of(record, NOON) == SymbolStatus(
        symbol="TSLA",
        state="COOLDOWN",
        why="stopped_out",
        figures={"price": 94.0},
        cooldown_until_ns=record.cooldown_until_ns,
        session_date="2025-01-06",
        entry_number=3,
        entry_client_order_id="CT.sim-TSLA-20250106-1",
        stop_client_order_id="CT.sim-TSLA-20250106-1-S1",
        own=0.5,
        cost_usd=52.5,
        time_ns=NOON,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", S.PAUSED),
        ("why", "x"),
        ("own", 0.5),
        ("entry_id", "x"),
        ("stop_id", "x"),
        ("cooldown_until_ns", 1),
        ("session_date", "x"),
    ],
)
def test_a_change_of_it_is_worth_a_row(field: str, value: object) -> None:
    assert shown(with_(RESTS, **{field: value})) != shown(RESTS)


@pytest.mark.parametrize("field", ["figures", "cost_usd", "entry_number", "paused", "links_down", "last_tick"])
def test_any_other_change_waits_for_the_next(field: str) -> None:
    assert shown(with_(RESTS, **{field: None})) == shown(RESTS)


@pytest.mark.parametrize(
    ("own", "is_held"), [(1.0, True), (1 - 1e-9, True), (1 - 2e-9, False), (0.5, False), (0.0, False), (-9.0, False)]
)
def test_less_than_a_share_is_no_position_but_dust_is_no_loss(own: float, is_held: bool) -> None:
    assert holds(own) is is_held
    assert SymbolRecord(symbol="TSLA", own=own).holds is is_held


def test_a_record_is_the_same_object_where_nothing_differs() -> None:
    assert changed(RESTS, why=RESTS.why, own=RESTS.own) is RESTS
    assert changed(RESTS, why=RESTS.why, own=1.0) == with_(RESTS, own=1.0)
