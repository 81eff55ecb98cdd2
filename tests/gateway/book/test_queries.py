"""What the book says of positions and exposure: risk builds its own books from it after a start."""

from __future__ import annotations

import pytest

from messages.account import AccountUpdated, BookTold
from messages.orders import PositionUpdated
from services.gateway.book.queries import book_snapshot, position_updates
from services.gateway.book.records import AccountPosition, AccountSeen, Links, Own
from tests.gateway.one_decision import entry, foreign, state_of, stop

VALUES = AccountUpdated("DU1", 100_000.0, 60_000.0, 59_000.0, 120_000.0, 7)


def test_each_position_with_its_own_shares() -> None:
    state = state_of(
        AccountPosition("TSLA", 15.0, 104.0),
        AccountPosition("AAPL", 50.0, 190.0),
        Own("TSLA", 10.0, 1050.0),
        Own("NVDA", 3.0, 390.0),
    )
    assert position_updates(state) == [
        PositionUpdated("TSLA", 15.0, 104.0, 10.0, 1050.0),
        PositionUpdated("AAPL", 50.0, 190.0, 0.0, 0.0),  # foreign
        PositionUpdated("NVDA", 0.0, 0.0, 3.0, 390.0),  # own shares that the broker has no position for
    ]


def test_the_book_with_all_that_counts_as_exposure() -> None:
    entries = entry(status="Submitted"), foreign(status="Submitted")
    ended = stop(status="Cancelled")
    state = state_of(Links(phase="ready"), AccountSeen(VALUES), AccountPosition("TSLA", 15.0, 104.0), *entries, ended)
    assert book_snapshot(state) == BookTold(
        reconciled=True,
        positions=(PositionUpdated("TSLA", 15.0, 104.0, 0.0, 0.0),),
        orders=entries,
        account=VALUES,
    )


@pytest.mark.parametrize("links", [(), (Links(phase="down"),), (Links(phase="reconciling"),)])
def test_a_book_that_does_not_agree_with_the_brokers_yet_says_so(links: tuple[Links, ...]) -> None:
    assert book_snapshot(state_of(*links)) == BookTold(reconciled=False, positions=(), orders=(), account=None)
