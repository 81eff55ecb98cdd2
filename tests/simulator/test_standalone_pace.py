"""How market time advances by the machine's clock."""

from __future__ import annotations

import pytest

from services.simulator.standalone_pace import LEAD_NS, STALL_NS, next_time
from services.simulator.venue.source import SessionCalendar
from tests.simulator.scripted import MONDAY, SECOND, TUESDAY

HOURS = SessionCalendar([MONDAY, TUESDAY])
NOON = MONDAY.open_ns + 9000 * SECOND
NIGHT = MONDAY.close_ns + 3600 * SECOND


@pytest.mark.parametrize(
    ("pace", "now_ns", "next_ns", "expected"),
    [
        ("skip", NOON, NOON + SECOND, NOON + 6 * SECOND),
        ("steady", NOON, None, NOON + 6 * SECOND),
        ("manual", NOON, NOON + SECOND, NOON),
        ("skip", NIGHT, TUESDAY.open_ns, TUESDAY.open_ns - LEAD_NS),
        ("skip", NIGHT, TUESDAY.open_ns + 60 * SECOND, TUESDAY.open_ns - LEAD_NS),  # there may be no event at the open
        ("skip", NIGHT, NIGHT + 600 * SECOND, NIGHT + 540 * SECOND),  # trading before the open, a good-till date
        ("skip", NIGHT, NIGHT + 2 * SECOND, NIGHT + 6 * SECOND),
        ("skip", NIGHT, None, NIGHT + 6 * SECOND),  # the market has ended
        ("steady", NIGHT, TUESDAY.open_ns, NIGHT + 6 * SECOND),
        ("manual", NIGHT, TUESDAY.open_ns, NIGHT),
        ("skip", TUESDAY.open_ns - 6 * SECOND, TUESDAY.open_ns, TUESDAY.open_ns),
    ],
)
def test_the_next_market_time(pace: str, now_ns: int, next_ns: int | None, expected: int) -> None:
    went = next_time(now_ns, SECOND // 10, speed=60.0, pace=pace, calendar=HOURS, next_ns=next_ns)  # type: ignore[arg-type]
    assert went == expected


def test_a_pause_of_the_machine_is_not_made_up_for() -> None:
    asleep = next_time(NOON, 3600 * SECOND, speed=1.0, pace="steady", calendar=HOURS, next_ns=None)
    assert asleep == NOON + STALL_NS
