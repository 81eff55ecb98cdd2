"""Pauses between two attempts to connect, and the daily restart of IB Gateway."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from services.gateway.ibkr.reconnecting import LONGEST_S, pause_after, restart_window


def test_field_16_pauses_double_up_to_a_bound_and_differ_by_chance() -> None:
    assert [pause_after(n, 0.5, LONGEST_S) for n in (1, 2, 3, 4)] == [0.2, 0.4, 0.8, 1.6]
    assert pause_after(1000, 0.5, LONGEST_S) == LONGEST_S
    assert (pause_after(2, 0.0, LONGEST_S), pause_after(2, 1.0, LONGEST_S)) == pytest.approx((0.3, 0.5))


@pytest.mark.parametrize(
    ("clock", "expected"),
    [("23:43:59", False), ("23:44:00", True), ("23:45:00", True), ("23:49:59", True), ("23:50:00", False)],
)
def test_field_07_the_restart_begins_a_minute_early(clock: str, expected: bool) -> None:
    now = datetime.fromisoformat(f"2026-11-27 {clock}").replace(tzinfo=ZoneInfo("Asia/Tokyo"))
    assert restart_window(now, "23:45", 5) is expected


@pytest.mark.parametrize(
    ("clock", "expected"), [("23:58:30", False), ("23:59:10", True), ("00:04:00", True), ("00:05:01", False)]
)
def test_a_restart_around_midnight(clock: str, expected: bool) -> None:
    now = datetime.fromisoformat(f"2026-11-27 {clock}").replace(tzinfo=ZoneInfo("UTC"))
    assert restart_window(now, "00:00", 5) is expected
