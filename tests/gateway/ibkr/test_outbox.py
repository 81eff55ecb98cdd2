"""What waits to be sent: the order of urgency, brackets in one piece, never more than the broker takes."""

from __future__ import annotations

import random
from collections.abc import Iterator

from services.gateway.ibkr.outbox import Outbox, Urgency


def bracket(box: Outbox, number: int) -> None:
    box.put_order(f"parent {number}", number, 0, sells=False, transmit=False)
    box.put_order(f"child {number + 1}", number + 1, number, sells=True, transmit=True)


def played(box: Outbox, until_s: float) -> Iterator[tuple[float, str]]:
    now_s = 0.0
    while now_s <= until_s:
        for message in box.release(now_s):
            yield now_s, message
        wait_s = box.wait_s(now_s)
        if wait_s is None:
            return
        now_s += max(wait_s, 0.001)


def test_without_a_limit_everything_leaves_at_once() -> None:
    box = Outbox(0)
    for number in range(1, 400, 2):
        bracket(box, number)
    assert len(list(box.release(0.0))) == 400
    assert (len(box), box.wait_s(0.0)) == (0, None)


def test_cancels_and_stops_overtake_entries_and_these_overtake_questions() -> None:
    box = Outbox(45)
    for number in range(30):
        box.put(f"question {number}", Urgency.ASK)
    assert len(list(box.release(0.0))) == 15
    for number in (1, 3, 5):
        bracket(box, number)
    box.put_order("stop 90", 90, 0, sells=True, transmit=True)
    box.put_cancel("cancel 80", 80)
    sent = [message for _, message in played(box, 60.0)]
    assert sent[:8] == [
        "stop 90",
        "cancel 80",
        *(f"{w} {n}" for n in (1, 3, 5) for w, n in (("parent", n), ("child", n + 1))),
    ]
    assert sent[8:] == [f"question {number}" for number in range(15, 30)]


def test_a_bracket_stays_together() -> None:
    box = Outbox(3)  # one at a time
    for number in (1, 3, 5):
        bracket(box, number)
    times: dict[float, list[str]] = {}
    for at, message in played(box, 60.0):
        times.setdefault(at, []).append(message)
    assert list(times.values()) == [[f"parent {n}", f"child {n + 1}"] for n in (1, 3, 5)]


def test_a_message_about_a_waiting_order_goes_behind_it() -> None:
    """A cancel that overtook its order would be refused, and the order would work."""
    box = Outbox(45)
    for number in range(20):
        box.put_order(f"entry {number}", 100 + number, 0, sells=False, transmit=True)
    list(box.release(0.0))
    box.put_cancel("cancel 117", 117)
    box.put_order("change 118", 118, 0, sells=True, transmit=True)
    box.put_cancel("cancel 100", 100)
    sent = [message for _, message in played(box, 60.0)]
    assert sent == [
        "cancel 100",
        "entry 15",
        "entry 16",
        "entry 17",
        "cancel 117",
        "entry 18",
        "change 118",
        "entry 19",
    ]


def test_an_order_whose_child_does_not_follow_is_sent_all_the_same() -> None:
    box = Outbox(0)
    box.put_order("parent 1", 1, 0, sells=False, transmit=False)
    assert list(box.release(0.0)) == []
    box.put_order("entry 9", 9, 0, sells=False, transmit=True)
    assert list(box.release(0.0)) == ["parent 1", "entry 9"]
    box.put_order("parent 3", 3, 0, sells=False, transmit=False)
    box.put_cancel("cancel 3", 3)
    box.put_order("child 4", 4, 3, sells=True, transmit=True)
    assert list(box.release(0.0)) == ["parent 3", "cancel 3", "child 4"]


def test_never_more_than_the_limit_in_any_second() -> None:
    chance = random.Random(1)
    box = Outbox(45)
    sent: list[float] = []
    now_s = 0.0
    while len(sent) < 600:
        if chance.random() < 0.2:
            for number in range(chance.randrange(40)):
                box.put(f"{number}", Urgency(chance.randrange(3)))
        sent += [now_s] * len(list(box.release(now_s)))
        now_s += chance.random() / 20
    for at in sent:
        assert sum(at <= other < at + 1.0 for other in sent) <= 45
    assert sum(sent[0] <= other < sent[0] + 20 for other in sent) > 500, "it must not be far below the limit either"


def test_what_waits_for_a_lost_connection_is_gone() -> None:
    box = Outbox(45)
    bracket(box, 1)
    box.put_order("parent 3", 3, 0, sells=False, transmit=False)
    box.clear()
    box.put_order("child 4", 4, 3, sells=True, transmit=True)
    assert list(box.release(0.0)) == ["child 4"]
