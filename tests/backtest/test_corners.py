"""Two synthetic days for each special case of entries and stops; promises are checked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.backtest.promises import Promises
from services.backtest.runner import Result, run
from services.configuration.broker_policy import ChildOnPartialFill, Policy
from services.configuration.settings import Settings
from services.simulator.market.synthetic import SyntheticSource
from tests.backtest.test_promises import DAYS, SETTINGS

LARGE = {
    "allocation": {"per_symbol_usd": 9000, "total_usd_cap": 60_000},
    "risk": {"max_symbol_exposure_usd": 20_000, "max_total_exposure_usd": 60_000},
}
"""Entries larger than the size of one event, so that they fill in parts."""


def days(policy: Policy, **sections: dict[str, Any]) -> tuple[Result, list[str]]:
    """(result, names of the events); raises if a promise is broken."""
    raw = msgspec.to_builtins(SETTINGS)
    for name, keys in sections.items():
        raw[name] |= keys
    settings = msgspec.convert(raw, Settings)
    promises = Promises(settings, DAYS)
    source = SyntheticSource(4, settings.watchlist, tick_s=60.0)
    result = run(settings, source, DAYS, policy=policy, promises=promises)
    assert promises.counts["stops filled"] >= 2, promises.counts
    assert promises.counts["sells covered by shares"] > 100
    return result, [event.event for event in result.events]


def errors(result: Result) -> set[str]:
    return {event.event for event in result.events if event.level == "ERROR"}


@pytest.mark.parametrize(
    ("child", "mended"),
    [
        (ChildOnPartialFill.AT_ONCE, "stop_resized"),
        (ChildOnPartialFill.AT_FULL_FILL, "trailing_stop_recreated"),
        (ChildOnPartialFill.FOLLOWS, ""),
    ],
)
def test_field_21_the_rest_of_an_entry_is_cancelled_and_the_stop_repaired(
    child: ChildOnPartialFill, mended: str
) -> None:
    """An oversized child is shrunk, a dead one replaced, a right one left alone."""
    result, happened = days(Policy(partial_fills=True, child_on_partial_fill=child), **LARGE)
    taken_back = [o for o in result.orders.values() if o.cancel_reason == "partial_fill" and o.filled > 0]
    assert len(taken_back) >= 2
    for event in ("stop_resized", "trailing_stop_recreated"):
        assert happened.count(event) == (len(taken_back) if event == mended else 0)
    assert not errors(result)


def test_the_fixed_stops_of_bare_entries_are_replaced_by_trailing_ones() -> None:
    result, _ = days(Policy(), entries={"native_stp": True})
    fixed = [o for o in result.orders.values() if o.order_type == "STP" and o.role == "stop" and o.cancel_reason]
    assert {o.cancel_reason for o in fixed} == {"exchanged"}
    for stop in fixed:
        after = result.orders[f"{stop.parent_client_order_id}-S2"]
        assert after.order_type == "TRAIL"
        assert after.stop_price is not None
        assert stop.stop_price is not None
        assert after.stop_price >= stop.stop_price, "it starts at the level reached"
    assert not errors(result)


def test_a_trailing_limit_that_does_not_fill_is_alerted_and_never_sold_twice() -> None:
    result, _ = days(Policy(), stops={"use_trailing_limit": True})
    assert errors(result) == {"exit_unfilled"}


def test_a_trigger_moves_down_with_a_falling_price_if_so_configured() -> None:
    result, _ = days(Policy(), entries={"reanchor_minutes": 10})
    entries = [o for o in result.orders.values() if o.role == "entry"]
    moved = [o for o in entries if o.cancel_reason == "reanchored"]
    assert len(moved) >= 5
    falls = 0
    for order in moved:
        later = [o for o in entries if o.symbol == order.symbol and o.created_ns >= order.updated_ns]
        after = min(later, key=lambda o: o.created_ns, default=None)
        if after is not None and after.stop_price is not None and order.stop_price is not None:
            falls += after.stop_price < order.stop_price
    assert falls > len(moved) // 2, "trades are a minute apart here, and the price may turn before the next"
    assert not errors(result)
