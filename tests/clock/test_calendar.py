"""The exchange's calendar, and its copy in a small file."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest

from services.clock import calendar
from services.clock.calendar import sessions
from services.configuration.refusal import Refusal

TODAY = date(2025, 1, 1)


def test_a_holiday_an_early_close_and_summer_time() -> None:
    days = {s.date: s for s in sessions("XNYS", date(2024, 11, 1), date(2025, 3, 14), today=TODAY)}
    assert "2024-11-28" not in days, "Thanksgiving"
    assert "2025-01-09" not in days, "the day of mourning"
    assert "2024-11-30" not in days, "a Saturday"

    def utc(ns: int) -> str:
        return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(" ", "minutes")

    assert (utc(days["2024-11-29"].open_ns), utc(days["2024-11-29"].close_ns)) == (
        "2024-11-29 14:30+00:00",
        "2024-11-29 18:00+00:00",
    )
    assert [days[d].early for d in ("2024-11-27", "2024-11-29", "2024-12-24")] == [False, True, True]
    assert utc(days["2025-03-07"].open_ns)[11:16] == "14:30"
    assert utc(days["2025-03-10"].open_ns)[11:16] == "13:30"


def test_without_an_end_it_serves_a_clock_that_runs_for_a_year() -> None:
    assert sessions("XNYS", TODAY, None, today=TODAY)[-1].date > "2026-01-01"


def test_an_unknown_calendar_is_named_with_the_key() -> None:
    with pytest.raises(Refusal, match=r"hours\.calendar.*XXXX"):
        sessions("XXXX", TODAY, date(2025, 2, 1), today=TODAY)


class TestCache:
    def unreadable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def read(*args: object) -> tuple[()]:
            raise AssertionError("the library was asked")

        monkeypatch.setattr(calendar, "_read", read)

    def test_is_read_instead_of_the_library(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cache = tmp_path / "sessions.json"
        read = sessions("XNYS", TODAY, date(2025, 6, 30), today=TODAY, cache=cache)
        self.unreadable(monkeypatch)
        assert sessions("XNYS", TODAY, date(2025, 6, 30), today=TODAY, cache=cache) == read
        shorter = sessions("XNYS", TODAY, date(2025, 1, 31), today=TODAY, cache=cache)
        assert shorter == tuple(s for s in read if s.date <= "2025-01-31")

    @pytest.mark.parametrize(
        ("name", "first", "last", "today"),
        [
            ("XLON", TODAY, date(2025, 6, 30), TODAY),
            ("XNYS", date(2025, 1, 2), date(2025, 6, 30), TODAY),
            ("XNYS", TODAY, date(2025, 7, 1), TODAY),
            ("XNYS", TODAY, None, TODAY),
        ],
    )
    def test_serves_nothing_else(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, first: date, last: date | None, today: date
    ) -> None:
        cache = tmp_path / "sessions.json"
        sessions("XNYS", TODAY, date(2025, 6, 30), today=TODAY, cache=cache)
        self.unreadable(monkeypatch)
        with pytest.raises(AssertionError, match="the library was asked"):
            sessions(name, first, last, today=today, cache=cache)

    def test_is_renewed_as_time_goes_by(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cache = tmp_path / "sessions.json"
        sessions("XNYS", TODAY, None, today=TODAY, cache=cache)
        sessions("XNYS", TODAY, None, today=date(2025, 3, 1), cache=cache)
        self.unreadable(monkeypatch)
        with pytest.raises(AssertionError, match="the library was asked"):
            sessions("XNYS", TODAY, None, today=date(2025, 12, 1), cache=cache)

    @pytest.mark.parametrize("damage", [b"", b"{", msgspec.json.encode({"calendar": 1})])
    def test_a_half_written_file_is_read_again(self, tmp_path: Path, damage: bytes) -> None:
        cache = tmp_path / "sessions.json"
        cache.write_bytes(damage)
        assert sessions("XNYS", TODAY, date(2025, 1, 10), today=TODAY, cache=cache)[0].date == "2025-01-02"

    def test_spares_the_clock_pandas(self, tmp_path: Path) -> None:
        cache = tmp_path / "sessions.json"
        sessions("XNYS", TODAY, date(2025, 1, 31), today=TODAY, cache=cache)
        code = (
            "import sys; from datetime import date; from pathlib import Path;"
            "from services.clock.calendar import sessions; day = date(2025, 1, 1);"
            f"sessions('XNYS', day, date(2025, 1, 31), today=day, cache=Path({str(cache)!r}));"
            "sys.exit('pandas' in sys.modules)"
        )
        root = Path(__file__).parents[2]
        assert subprocess.run([sys.executable, "-c", code], cwd=root, env=os.environ, check=False).returncode == 0
