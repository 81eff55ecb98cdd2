"""This machine's zone, with its summer time: a fixed offset would be an hour off for half of the year."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from services.gateway.ibkr.host_zone import HostZone
from services.gateway.ibkr.times import when


@pytest.fixture(autouse=True)
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("text", "utc"), [("20260727  10:00:00", "14:00"), ("20261127  10:00:00", "15:00")])
def test_summer_and_winter(text: str, utc: str) -> None:
    assert time.strftime("%H:%M", time.gmtime(when(text, HostZone()) // 10**9)) == utc


def test_its_name_is_that_of_the_moment() -> None:
    zone = HostZone()
    assert [zone.tzname(datetime(2026, month, 1)) for month in (1, 7)] == ["EST", "EDT"]
    assert datetime.now(zone).utcoffset() == zone.utcoffset(datetime.now())
    assert zone.dst(datetime(2026, 7, 1)).seconds == 3600
