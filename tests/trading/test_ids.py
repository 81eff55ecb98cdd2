"""The names of processes, orders and accounts."""

from __future__ import annotations

import pytest

from services.trading.ids import is_paper_account


@pytest.mark.parametrize("account", ["DU1234567", "DF1234567", "DI1234567"])
def test_paper_accounts(account: str) -> None:
    assert is_paper_account(account)


@pytest.mark.parametrize("account", ["U1234567", "F1234567", "I1234567", "UD123456"])
def test_live_accounts(account: str) -> None:
    assert not is_paper_account(account)
