"""What the account had when no question was open."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway.book.records import AccountPosition, Audit, Doubt, HeldBack, Own, Settled
from services.gateway.book.settling import settle, settle_entry
from tests.gateway.broker_reports import reported
from tests.gateway.one_decision import ENTRY, NOON_NS, draft, entry, held, stop


def test_what_the_account_has_beyond_own_shares_is_foreign() -> None:
    d = draft(*held(10.0, 25.0), stop())
    settle(d)
    found = d.get(Settled, "TSLA")
    assert found == Settled("TSLA", 25.0, 10.0, NOON_NS, 105.0)
    assert found.foreign == 15.0


@pytest.mark.parametrize(
    "open_question",
    [
        [entry(), Doubt(ENTRY)],
        [entry(), HeldBack(ENTRY, reported(entry(), status="Filled"))],
        [Audit("TSLA")],  # (after a split new shares are not foreign)
        [Own("TSLA", 30.0, 3000.0)],
    ],
)
def test_nothing_is_settled_while_a_question_is_open(open_question: list[Any]) -> None:
    d = draft(*held(10.0, 25.0), stop(), *open_question)
    settle(d)
    assert d.get(Settled, "TSLA") is None


def test_before_an_entry_is_sent_no_answer_is_needed() -> None:
    d = draft(AccountPosition("TSLA", 5.0, 90.0))
    settle_entry(d, "TSLA")
    assert d.get(Settled, "TSLA") == Settled("TSLA", 5.0, 0.0, NOON_NS, 90.0)
