"""Which answer belongs to which question, although the broker numbers neither."""

from __future__ import annotations

from services.gateway.ibkr.answers import Answers


def answer(answers: Answers[int, str], *items: str) -> None:
    for number, item in enumerate(items):
        answers.item(number, item)
    answers.end()


def test_an_answer_is_complete_with_its_end() -> None:
    answers: Answers[int, str] = Answers()
    answers.ask()
    answers.item(0, "a")
    assert not answers.complete
    answers.end()
    assert (answers.complete, answers.items) == (True, {0: "a"})


def test_field_55_the_answer_to_an_abandoned_question_does_not_count() -> None:
    answers: Answers[int, str] = Answers()
    answers.ask()
    answers.item(0, "old")
    answers.ask()
    answers.item(1, "old")
    answers.end()
    assert (answers.complete, answers.items) == (False, {})
    answer(answers, "new")
    assert (answers.complete, answers.items) == (True, {0: "new"})


def test_news_after_the_end_keep_the_answer_up_to_date() -> None:
    answers: Answers[int, str] = Answers()
    answers.ask()
    answer(answers, "a")
    answers.item(0, "b")
    assert answers.items == {0: "b"}


def test_field_54_an_answer_that_never_ends_expires() -> None:
    answers: Answers[int, str] = Answers()
    answers.ask()
    answers.item(0, "a")
    assert not answers.expire()
    assert not answers.complete


def test_the_late_answer_to_an_expired_question_gives_way_to_the_right_one() -> None:
    answers: Answers[int, str] = Answers()
    answers.ask()
    answers.expire()
    answers.ask()
    answer(answers, "late")
    assert (answers.complete, answers.has_candidate) == (False, True)
    answer(answers, "right")
    assert (answers.complete, answers.items) == (True, {0: "right"})


def test_if_no_second_answer_comes_the_first_was_the_right_one() -> None:
    answers: Answers[int, str] = Answers()
    answers.ask()
    answers.expire()
    answers.ask()
    answer(answers, "right")
    answers.item(1, "news")
    assert answers.expire()
    assert (answers.complete, answers.items) == (True, {0: "right", 1: "news"})
    answers.ask()
    answer(answers, "next")
    assert (answers.complete, answers.items) == (True, {0: "next"}), "the count is right again"


def test_a_lost_end_of_an_abandoned_question_costs_one_question_at_most() -> None:
    answers: Answers[int, str] = Answers()
    answers.ask()
    answers.ask()
    answer(answers, "present")
    assert not answers.expire()
    answers.ask()
    answer(answers, "present")
    assert answers.complete or answers.expire()


def test_what_could_not_be_read_spoils_its_own_answer_only() -> None:
    answers: Answers[int, str] = Answers()
    answers.ask()
    answers.ask()
    answers.spoil("broken")
    answers.end()
    assert answers.trouble == ""
    answers.spoil("broken")
    answers.end()
    assert answers.trouble == "broken"
    answers.ask()
    assert answers.trouble == ""


def test_an_end_without_a_question_is_no_answer() -> None:
    answers: Answers[int, str] = Answers()
    answers.end()
    assert not answers.complete
    answers.ask()
    assert not answers.complete
