"""What follows from several keys together."""

from __future__ import annotations

from typing import Any

import pytest

from services.configuration.settings import Entries, Ibkr, Mode, Risk, Settings


@pytest.mark.parametrize(
    ("entries", "pct"),
    [
        ({"type": "buy_stop"}, 3.0),
        ({"type": "buy_stop_limit"}, 2.0),
        ({"type": "buy_stop", "native_stp": True}, 6.0),
    ],
)
def test_the_price_cap_is_the_limit_or_the_assumed_slippage(entries: dict[str, Any], pct: float) -> None:
    settings = Settings(
        watchlist=("TSLA",),
        entries=Entries(buy_stop_cap_pct=3.0, stop_limit_max_slip_pct=2.0, **entries),
        risk=Risk(stop_slippage_pct=6.0),
    )
    assert settings.price_cap_pct == pct
    assert settings.entries.limit_pct == (2.0 if entries["type"] == "buy_stop_limit" else 3.0)


@pytest.mark.parametrize(
    ("mode", "allowed", "expected"),
    [("sim", True, True), ("paper", True, True), ("live", True, False), ("sim", False, False), ("paper", False, False)],
)
def test_delayed_prices_lead_to_entries_by_leave_and_never_in_live(mode: Mode, allowed: bool, expected: bool) -> None:
    settings = Settings(watchlist=("TSLA",), mode=mode, ibkr=Ibkr(allow_delayed=allowed))
    assert settings.enters_on_delayed_data is expected
