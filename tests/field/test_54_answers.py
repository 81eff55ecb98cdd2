"""Rows 4, 54 and 55: each part of the answer about everything has its deadline; an answer belongs to its question."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from messages.broker import BrokerSnapshot, RequestSnapshot, SnapshotFailed
from services.gateway.ibkr import snapshot
from tests.gateway.on_the_wire import Fleet, connected, run_scenario
from tests.simulator.faults.test_faults_wire import clear, fail
from tests.simulator.on_the_wire import CALM


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "ANSWER_S", dict.fromkeys(snapshot.ANSWER_S, 0.5))
    monkeypatch.setattr(snapshot, "LATE_S", 0.2)


class Answers:
    """The answers that the edge reports, instead of the core's."""

    def __init__(self, made: Fleet) -> None:
        self.all: list[Any] = []
        receive = made.receive

        def record(fact: Any) -> None:
            if isinstance(fact, BrokerSnapshot | SnapshotFailed):
                self.all.append(fact)
            receive(fact)

        made.receive = record  # type: ignore[method-assign]

    def of(self, question: int) -> list[Any]:
        return [answer for answer in self.all if answer.question == question]


def test_field_54_completed_orders_that_never_end_are_done_without() -> None:
    """Before, the fleet reconciled for ever, and protected nothing."""

    async def play() -> None:
        async with connected(CALM) as made:
            answers = Answers(made)
            fail(made.simulator, "lose", kind="completedOrdersEnd", count=0)
            await made.until(lambda: made.ready, "never ready")
            assert answers.all[-1].missing == ("completed_orders",)

    run_scenario(play)


@pytest.mark.parametrize(
    ("kind", "part"),
    [("positionEnd", "positions"), ("openOrderEnd", "open_orders"), ("execDetailsEnd", "executions")],
)
def test_field_04_a_part_that_must_be_known_fails_the_answer(kind: str, part: str) -> None:
    async def play() -> None:
        async with connected(CALM) as made:
            answers = Answers(made)
            await made.until(lambda: made.ready, "not ready")
            fail(made.simulator, "lose", kind=kind, count=0)
            made.broker.execute(RequestSnapshot(70))
            await made.until(lambda: answers.of(70), "no answer")
            (answer,) = answers.of(70)
            assert isinstance(answer, SnapshotFailed)
            assert part in answer.reason
            clear(made.simulator, "lose")
            made.broker.execute(RequestSnapshot(71))
            await made.until(lambda: answers.of(71), "no answer")
            assert isinstance(answers.of(71)[0], BrokerSnapshot)

    run_scenario(play)


def test_field_55_a_new_question_abandons_the_open_one() -> None:
    """1102 while an answer is under way: before, the new question was dropped and the old answer counted."""

    async def play() -> None:
        async with connected(CALM) as made:
            answers = Answers(made)
            await made.until(lambda: made.ready, "not ready")
            fail(made.simulator, "delay", kind="positionEnd", seconds=5)
            made.broker.execute(RequestSnapshot(80))
            await asyncio.sleep(0.05)
            asked_s = time.monotonic()
            made.broker.execute(RequestSnapshot(81))
            await made.until(lambda: answers.of(81), "the new question has no answer")
            assert time.monotonic() - asked_s < 2.0
            assert answers.of(80) == []

    run_scenario(play)


def test_field_55_positions_of_the_old_answer_are_not_in_the_new_one() -> None:
    async def play() -> None:
        async with connected(CALM) as made:
            answers = Answers(made)
            await made.until(lambda: made.ready, "not ready")
            held: list[list[str]] = []
            broker, handle = made.broker, made.broker._handlers["62"]
            broker._handlers["62"] = held.append  # the end of the old answer comes late
            broker.execute(RequestSnapshot(90))
            await made.until(lambda: held, "no answer")
            old = ["61", "3", "DU1234567", "1", "OLD", "STK", "", "0", "?", "", "SMART", "USD", "OLD", "NMS", "7", "1"]
            broker.execute(RequestSnapshot(91))
            broker.on_message(old)
            broker._handlers["62"] = handle
            broker.on_message(held[0])
            await made.until(lambda: answers.of(91), "no answer")
            assert isinstance(answers.of(91)[0], BrokerSnapshot)
            assert answers.of(91)[0].positions == ()
            assert answers.of(90) == []

    run_scenario(play)
