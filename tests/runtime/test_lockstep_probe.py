"""The clock's probe asks a process whether it is idle."""

from __future__ import annotations

from typing import Any

import pytest

from messages.frames import Probe
from services.runtime.lockstep_probe import ProbeState

ANSWER: dict[str, Any] = {"run": 3, "pending": 1, "work": 7, "wire": (5, 6), "deadline_ns": 42}


def probe(step: int = 1, **about: Any) -> Probe:
    return Probe(**{"step": step, "wave": 1, "time_ns": 0, **about})


def test_without_a_probe_none_waits() -> None:
    assert not ProbeState().waiting({})


@pytest.mark.parametrize(
    ("handled", "asked", "answers"),
    [
        ((1, 5), (1, 5), True),
        ((1, 6), (1, 5), True),
        ((1, 4), (1, 5), False),
        ((2, 1), (1, 5), True),  # the gateway was restarted: that tick never comes
        (None, (1, 5), True),  # none was ever handled: it isn't subscribed
    ],
)
def test_a_question_about_a_tick_waits_for_it(
    handled: tuple[int, int] | None, asked: tuple[int, int], answers: bool
) -> None:
    state = ProbeState()
    state.receive(probe(symbol="TSLA", tick=asked))
    assert state.waiting({} if handled is None else {"TSLA": handled}) is answers


def test_a_question_is_answered_once() -> None:
    state = ProbeState()
    state.receive(probe(symbol="TSLA", tick=(1, 5)))
    idle = state.answer(ticks={"TSLA": (1, 5), "GME": (1, 9)}, **ANSWER)
    assert (idle.step, idle.wave, idle.run, idle.pending, idle.work) == (1, 1, 3, 1, 7)
    assert (idle.tick, idle.wire_in, idle.wire_out, idle.deadline_ns) == ((1, 5), 5, 6, 42)
    assert not state.waiting({})


def test_reached_processes_are_kept_for_the_step() -> None:
    state = ProbeState()
    state.receive(probe(1))
    state.reach("risk")
    state.reach("gateway")
    state.reach("risk")
    assert state.answer(ticks={}, **ANSWER).reached == ("risk", "gateway")
    state.receive(probe(1, wave=2))
    assert state.answer(ticks={}, **ANSWER).reached == ("risk", "gateway")
    state.receive(probe(2))
    assert state.answer(ticks={}, **ANSWER).reached == ()
