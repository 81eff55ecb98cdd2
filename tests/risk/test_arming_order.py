"""How much room an entry leaves for earlier symbols of the watchlist, to the cent."""

from __future__ import annotations

from typing import Any

import pytest

from services.risk.arming_order import needed_usd, priority_denial
from services.risk.limits import Denied
from tests.risk.scenario import configured

WATCHLIST = ("TSLA", "NVDA", "AMD")


@pytest.mark.parametrize(
    ("entries", "usd"),
    [
        # 4 % above the last price, 2, 3 or 6 % above that, and the commission of one order.
        ({"type": "buy_stop"}, 1000 * 1.04 * 1.03 + 1),
        ({"type": "buy_stop_limit"}, 1000 * 1.04 * 1.02 + 1),
        ({"type": "buy_stop", "native_stp": True}, 1000 * 1.04 * 1.06 + 1),
    ],
)
def test_most_that_an_entry_can_reserve(entries: dict[str, Any], usd: float) -> None:
    prices = {"buy_stop_pct_above_last": 4.0, "buy_stop_cap_pct": 3.0, "stop_limit_max_slip_pct": 2.0}
    of = configured(entries=entries | prices, risk={"stop_slippage_pct": 6.0})
    assert needed_usd("TSLA", of) == pytest.approx(usd, rel=1e-12)


def test_a_symbol_with_a_size_of_its_own_needs_that() -> None:
    of = configured(allocation={"per_symbol_override": {"NVDA": 2000.0}})
    assert needed_usd("TSLA", of) == pytest.approx(1000 * 1.05 * 1.05 + 1)
    assert needed_usd("NVDA", of) == pytest.approx(2000 * 1.05 * 1.05 + 1)


class TestRoomForEarlierSymbols:
    """Trigger and cap 25 % above make 640 dollars 1,000, and with the commission 1,001; NVDA, twice as large, 2,001."""

    OF = configured(
        allocation={"per_symbol_usd": 640.0, "per_symbol_override": {"NVDA": 1280.0}, "total_usd_cap": 5000.0},
        entries={"buy_stop_pct_above_last": 25.0, "buy_stop_cap_pct": 25.0},
    )

    def denied(self, symbol: str, used: float, *finished: str, usd: float = 1001.0) -> Denied | None:
        return priority_denial(symbol, usd, used, finished, WATCHLIST, self.OF)

    def test_the_last_leaves_room_for_both(self) -> None:
        assert self.denied("AMD", 5000.0 - 3002.0 - 1001.0) is None
        assert self.denied("AMD", 5000.0 - 3002.0 - 1001.0 + 0.25) == Denied(
            "waits_for_turn",
            {"exposure_usd": 997.25, "kept_for_earlier_usd": 3002.0, "entry_usd": 1001.0, "limit_usd": 5000.0},
        )

    def test_the_first_symbol_never_waits(self) -> None:
        assert self.denied("TSLA", 4999.0) is None

    def test_a_finished_symbol_keeps_no_room(self) -> None:
        assert self.denied("AMD", 2000.0, "NVDA") is None
        assert self.denied("AMD", 1998.0, "TSLA") is None
        assert self.denied("AMD", 1998.25, "TSLA") is not None
        assert self.denied("AMD", 4999.0, "TSLA", "NVDA") is None, "the caps say it, not the order"

    def test_a_symbol_outside_the_watchlist_never_waits(self) -> None:
        assert self.denied("GME", 4999.0) is None

    def test_figures_are_in_cents(self) -> None:
        of = configured(
            allocation={"per_symbol_usd": 640.0804, "total_usd_cap": 2000.0},
            entries={"buy_stop_pct_above_last": 25.0, "buy_stop_cap_pct": 25.0},
        )
        assert priority_denial("NVDA", 1001.2344, 7.1264, (), WATCHLIST, of) == Denied(
            "waits_for_turn",
            {"exposure_usd": 7.13, "kept_for_earlier_usd": 1001.13, "entry_usd": 1001.23, "limit_usd": 2000.0},
        )
