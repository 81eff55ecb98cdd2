"""A clock that runs for years reads its calendar again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from messages.market import Session
from services.clock.calendar import renew, sessions
from services.clock.core import ClockCore, ClockRecord
from services.clock.renewal import AHEAD_NS, RETRY_NS, Renewal

DAY = 24 * 3600 * 1_000_000_000
OLD = tuple(Session(f"day {n}", n * DAY, n * DAY + DAY // 4) for n in range(300))
NEW = tuple(Session(f"day {n}", n * DAY, n * DAY + DAY // 4) for n in range(200, 600))
WAITING = ClockRecord(date="day 200", phase="waiting")


class Reader:
    def __init__(self, *answers: object):
        self.answers = list(answers)
        self.failures: list[str] = []

    def read(self) -> tuple[Session, ...]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]


def renewal(reader: Reader) -> tuple[ClockCore, Renewal]:
    core = ClockCore(OLD, 15)
    return core, Renewal(core, reader.read, lambda error: reader.failures.append(str(error)))


def test_long_before_the_end_and_only_while_the_market_is_closed() -> None:
    core, renewing = renewal(Reader(NEW))
    end = OLD[-1].close_ns
    assert not renewing.work(WAITING, end - AHEAD_NS - 1, 0), "early enough later"
    assert not renewing.work(ClockRecord(date="day 200", phase="open"), end - AHEAD_NS, 0), "the market is open"
    assert renewing.work(WAITING, end - AHEAD_NS, 0)
    assert core.sessions == NEW
    following = core.session_after(OLD[-1].close_ns)
    assert following is not None
    assert following.date == "day 300"


def test_a_failure_is_reported_and_tried_again_later() -> None:
    reader = Reader(OSError("no memory"), NEW)
    core, renewing = renewal(reader)
    end = OLD[-1].close_ns
    assert not renewing.work(WAITING, end, 0)
    assert not renewing.work(WAITING, end, RETRY_NS - 1)
    assert (reader.failures, core.sessions) == (["no memory"], OLD)
    assert renewing.work(WAITING, end, RETRY_NS)


def test_it_is_read_in_a_process_of_its_own(tmp_path: Path) -> None:
    cache, today = tmp_path / "sessions.json", date(2025, 6, 2)
    days = renew("XNYS", today, None, today=today, cache=cache)
    assert days == sessions("XNYS", today, None, today=today, cache=cache)
    assert days[-1].date > "2026-06-01"
