"""An entry whose attached stop is over is cancelled."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import CancelOrder
from messages.orders import OrderRecord
from services.gateway.book.records import Doubt
from services.gateway.protection.unstopped import cancel_unstopped
from tests.gateway.one_decision import ENTRY, OPEN, READY, draft, entry, messages_of, note, stop
from tests.gateway.scenario import changed

GONE = stop(status="Cancelled", reason="refused")


@pytest.mark.parametrize("status", ["Cancelled", "Inactive"])
def test_an_entry_whose_stop_ended_is_cancelled(status: str) -> None:
    d = draft(READY, OPEN, entry(), changed(GONE, status=status))
    cancel_unstopped(d, "TSLA")
    assert [m.client_order_id for _, m in messages_of(d) if isinstance(m, CancelOrder)] == [ENTRY]
    found = d.get(OrderRecord, ENTRY)
    assert found is not None
    assert found.cancel_reason == "without_stop"
    assert note(
        "entry_without_stop", level="WARNING", client_order_id=ENTRY, stop=status, why="refused"
    ) in messages_of(d)


@pytest.mark.parametrize(
    "records",
    [
        [entry(), stop()],
        [entry()],  # (whether it has a stop is not known)
        [entry(), changed(GONE, filled=4.0)],  # it has sold
        [entry(cancel_reason="end_of_day"), GONE],
        [entry(status="Cancelled"), GONE],
        [entry(filled=10.0), GONE],
        [entry(), GONE, Doubt(ENTRY)],
        [entry(), GONE, changed(OPEN, phase="closed")],  # both end with the session
        [entry(symbol="GME"), GONE],
    ],
)
def test_any_other_entry_stays(records: list[Any]) -> None:
    d = draft(READY, OPEN, *records)
    cancel_unstopped(d, "TSLA")
    assert messages_of(d) == []
