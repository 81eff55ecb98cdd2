"""Every form of IBKR's times, read in the right zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from services.gateway.ibkr.fields import Undecodable
from services.gateway.ibkr.times import UnknownZone, wall_time, when

NEW_YORK, TOKYO, SHANGHAI = ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo"), ZoneInfo("Asia/Shanghai")


def utc(text: str, zone: ZoneInfo = TOKYO) -> str:
    return datetime.fromtimestamp(when(text, zone) // 10**9, UTC).strftime("%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20261127-14:31:05", "11-27 14:31:05"),
        ("20261127  14:31:05", "11-27 05:31:05"),
        ("20261127 14:31:05", "11-27 05:31:05"),
        ("20261127 14:31:05 US/Eastern", "11-27 19:31:05"),
        ("20260727 14:31:05 US/Eastern", "07-27 18:31:05"),
        ("20261127 14:31:05 America/Los_Angeles", "11-27 22:31:05"),
        ("20261127 14:31:05 EST", "11-27 19:31:05"),
        ("20260425 15:23:54 EST", "04-25 19:23:54"),
        ("20261127 14:31:05 PST", "11-27 22:31:05"),
        ("20261127 14:31:05 JST", "11-27 05:31:05"),
        ("20260415 19:38:30 British Summer Time", "04-15 18:38:30"),
        ("20261127 14:31:05 Greenwich Mean Time", "11-27 14:31:05"),
        ("20261127 14:31:05 Central European Standard Time", "11-27 13:31:05"),
        ("20261127 14:31:05 Hongkong", "11-27 06:31:05"),
        ("20261127 14:31:05 GMT+08:00", "11-27 06:31:05"),
        ("20261127 14:31:05 UTC", "11-27 14:31:05"),
        ("20261127-14:31:05 US/Eastern", "11-27 19:31:05"),
    ],
)
def test_field_67_every_form_of_a_time(text: str, expected: str) -> None:
    assert utc(text) == expected


@pytest.mark.parametrize("name", ["CST", "IST", "XYZ", "Nowhere/City", "../../etc/passwd", "GMT+99", "America/"])
def test_field_67_an_unknown_zone_is_never_guessed(name: str) -> None:
    with pytest.raises(UnknownZone, match=r"ibkr\.time_zone"):
        when(f"20261127 14:31:05 {name}", NEW_YORK)


def test_field_67_a_short_name_of_the_gateways_own_zone_means_that_zone() -> None:
    """CST is Chicago, Shanghai or Havana."""
    assert utc("20261127 14:31:05 CST", SHANGHAI) == "11-27 06:31:05"
    assert utc("20260727 14:31:05 CST", ZoneInfo("America/Chicago")) == "07-27 19:31:05"


def test_the_wall_time_ignores_the_zone() -> None:
    assert wall_time("20261127 14:31:05 XYZ", NEW_YORK) == when("20261127 14:31:05", NEW_YORK)


@pytest.mark.parametrize(
    "text", ["", "now", "20261127", "20261327 14:31:05", "20261127 25:00:00", "2026-11-27 14:31:05", "1795789865"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Undecodable):
        when(text, NEW_YORK)
    with pytest.raises(Undecodable):
        wall_time(text, NEW_YORK)
