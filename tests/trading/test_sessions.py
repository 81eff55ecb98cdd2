"""The midday break of a session."""

from __future__ import annotations

import pytest

from services.trading.sessions import is_break


@pytest.mark.parametrize(("market_ns", "expected"), [(99, False), (100, True), (199, True), (200, False)])
def test_the_break_ends_when_trading_starts_again(market_ns: int, expected: bool) -> None:
    assert is_break((100, 200), market_ns) is expected


def test_a_session_without_a_break() -> None:
    assert not is_break((0, 0), 0)
