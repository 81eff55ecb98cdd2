"""The messages and the events of a pause and of its end, each with all its fields."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from messages import Message
from messages.operator import Happened, Paused, Resumed
from services.risk.pauses import FLEET, NEXT_SESSION, OPERATOR, RESUME, PauseRecord, lift, pause, paused_by, pauses_of
from services.runtime.core import Draft, Now, State

AT = 1_000

STOPPED = PauseRecord(scope="TSLA", since_ns=1)
FLEET_STOPPED = PauseRecord(scope=FLEET, since_ns=2)
GUARD = PauseRecord(
    scope="TSLA", cause="symbol_stopouts", by="guard symbol_stopouts", resets=NEXT_SESSION, figures={"limit": 2.0}
)
FLEET_GUARD = PauseRecord(scope=FLEET, cause="daily_loss", by="guard daily_loss", resets=NEXT_SESSION)
FLATTENED = PauseRecord(scope="TSLA", cause="flatten", by="flatten", since_ns=3)


def state(*records: PauseRecord) -> State:
    kept = State((PauseRecord,))
    kept.apply([(PauseRecord, record.key, record) for record in records])
    return kept


def after(kept: State, do: Callable[[Draft], None]) -> tuple[list[str], list[tuple[str, Message]]]:
    """The pauses afterwards, and all that was sent."""
    d = Draft(kept, Now(AT, 0))
    do(d)
    return sorted(d.table(PauseRecord)), d.decision.messages


def note(event: str, symbol: str, level: str, **fields: str) -> tuple[str, Message]:
    return ("recorder", Happened(event, symbol, level, dict(fields), AT))


class TestPause:
    def paused(self, record: PauseRecord, *before: PauseRecord) -> list[tuple[str, Message]]:
        kept, sent = after(state(*before), lambda d: pause(d, record))
        assert kept == sorted(p.key for p in (record, *before))
        return sent

    @pytest.mark.parametrize("record", [STOPPED, GUARD, FLATTENED])
    def test_the_first_cause_is_sent_to_the_symbol(self, record: PauseRecord) -> None:
        assert self.paused(record) == [
            ("TSLA", Paused("TSLA", record.by)),
            note("entries_paused", "TSLA", "WARNING", by=record.by),
        ]

    @pytest.mark.parametrize("record", [FLEET_STOPPED, FLEET_GUARD])
    def test_the_first_cause_is_sent_to_all(self, record: PauseRecord) -> None:
        assert self.paused(record) == [
            (FLEET, Paused(None, record.by)),
            note("entries_paused", "", "WARNING", by=record.by),
        ]

    def test_a_further_cause_is_written_down_only(self) -> None:
        assert self.paused(GUARD, STOPPED) == [note("entries_paused", "TSLA", "WARNING", by="guard symbol_stopouts")]

    def test_the_operator_is_always_passed_on(self) -> None:
        assert self.paused(STOPPED, GUARD)[0] == ("TSLA", Paused("TSLA", OPERATOR))

    def test_the_fleets_pause_is_not_the_symbols(self) -> None:
        assert self.paused(GUARD, FLEET_STOPPED)[0] == ("TSLA", Paused("TSLA", "guard symbol_stopouts"))

    def test_it_starts_now(self) -> None:
        d = Draft(state(), Now(AT, 5))
        pause(d, GUARD)
        kept = d.get(PauseRecord, "TSLA:symbol_stopouts")
        assert kept == PauseRecord(
            scope="TSLA",
            cause="symbol_stopouts",
            by="guard symbol_stopouts",
            resets=NEXT_SESSION,
            figures={"limit": 2.0},
            since_ns=AT,
        )

    def test_the_same_cause_twice_changes_nothing(self) -> None:
        d = Draft(state(STOPPED), Now(AT, 0))
        pause(d, PauseRecord(scope="TSLA"))
        assert not d.decision
        assert d.get(PauseRecord, STOPPED.key) == STOPPED


class TestLift:
    def lifted(self, scope: str, by: str, *before: PauseRecord, ends: str = "") -> list[tuple[str, Message]]:
        """What is sent when the pauses that last until `ends` end, or all of them."""
        kept, sent = after(state(*before), lambda d: lift(d, scope, lambda p: ends in ("", p.resets), by))
        gone = {p.key for p in before if p.scope == scope and ends in ("", p.resets)}
        assert kept == sorted(p.key for p in before if p.key not in gone)
        return sent

    def test_the_last_cause_frees_the_symbol(self) -> None:
        assert self.lifted("TSLA", "next session", GUARD) == [
            note("guard_reset", "TSLA", "INFO", guard="symbol_stopouts", by="next session"),
            ("TSLA", Resumed("TSLA", "next session")),
            note("entries_resumed", "TSLA", "INFO", by="next session"),
        ]

    def test_the_last_cause_frees_all(self) -> None:
        assert self.lifted(FLEET, "next session", FLEET_GUARD) == [
            note("guard_reset", "", "INFO", guard="daily_loss", by="next session"),
            (FLEET, Resumed(None, "next session")),
            note("entries_resumed", "", "INFO", by="next session"),
        ]

    def test_only_a_guard_is_reset(self) -> None:
        assert self.lifted(FLEET, OPERATOR, FLEET_STOPPED) == [
            (FLEET, Resumed(None, OPERATOR)),
            note("entries_resumed", "", "INFO", by=OPERATOR),
        ]

    def test_entries_stay_stopped_while_another_cause_is_left(self) -> None:
        assert self.lifted("TSLA", "next session", STOPPED, GUARD, ends=NEXT_SESSION) == [
            note("guard_reset", "TSLA", "INFO", guard="symbol_stopouts", by="next session")
        ]
        assert self.lifted(FLEET, OPERATOR, FLEET_STOPPED, FLEET_GUARD, ends=RESUME) == []

    def test_where_nothing_stood_nothing_ends(self) -> None:
        assert self.lifted("TSLA", "next session", FLEET_STOPPED) == []
        assert self.lifted(FLEET, OPERATOR, STOPPED) == []

    def test_resumed_by_name_a_symbol_arms_again_whatever_stood(self) -> None:
        assert self.lifted("TSLA", OPERATOR) == [
            ("TSLA", Resumed("TSLA", OPERATOR)),
            note("entries_resumed", "TSLA", "INFO", by=OPERATOR),
        ]

    def test_a_symbol_resumed_by_name_gets_the_cause_that_is_left(self) -> None:
        assert self.lifted("TSLA", OPERATOR, STOPPED, GUARD, ends=RESUME) == [
            ("TSLA", Resumed("TSLA", OPERATOR)),
            note("entries_resumed", "TSLA", "INFO", by=OPERATOR),
            ("TSLA", Paused("TSLA", "guard symbol_stopouts")),
        ]


def test_the_oldest_comes_first_and_names_break_a_tie() -> None:
    late = PauseRecord(scope="TSLA", cause="a", since_ns=9)
    tied = PauseRecord(scope="TSLA", cause="b", since_ns=1)
    assert pauses_of(state(late, STOPPED, tied, FLEET_STOPPED), "TSLA") == [tied, STOPPED, late]


def test_the_pause_of_the_fleet_comes_before_the_symbols_own() -> None:
    both = state(STOPPED, FLEET_STOPPED)
    assert paused_by(both, "TSLA") == FLEET_STOPPED
    assert paused_by(both, "NVDA") == FLEET_STOPPED
    assert paused_by(state(STOPPED), "TSLA") == STOPPED
    assert paused_by(state(STOPPED), "NVDA") is None


def test_a_guard_is_denied_by_its_name() -> None:
    assert (GUARD.reason, GUARD.symbol, GUARD.is_guard) == ("guard_symbol_stopouts", "TSLA", True)
    assert (FLEET_STOPPED.reason, FLEET_STOPPED.symbol, FLEET_STOPPED.is_guard) == ("paused", None, False)
