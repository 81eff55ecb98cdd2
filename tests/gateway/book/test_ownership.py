"""Whose an order with an old reference is: that of the client id which the ledger is bound to."""

from __future__ import annotations

import pytest

from services.gateway.book.ownership import is_ours
from services.gateway.book.records import Book, Links
from services.gateway.core import GatewayCore
from services.runtime.core import Draft, Now, State
from tests.gateway.scenario import ACCOUNT, broker_order

OLD = "CT-TSLA-20250106-1"


@pytest.mark.parametrize(
    ("bound_to", "placed_by", "ours"),
    [(12, 12, True), (12, 13, False), (12, 0, False), (0, 0, False), (0, 12, False)],
    ids=[
        "ours",
        "another client",
        "completed",
        "before the first connection, completed",
        "before the first connection",
    ],
)
def test_before_the_connection_is_reported_the_ledger_tells(bound_to: int, placed_by: int, ours: bool) -> None:
    state = State(GatewayCore.kinds)
    state.apply(
        [(Book, "book", Book(account=ACCOUNT, client_id=bound_to, fleet="sim")), (Links, "links", Links(run=2))]
    )
    assert is_ours(Draft(state, Now(0, 0)), broker_order(OLD, client_id=placed_by)) is ours
