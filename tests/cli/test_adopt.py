"""`crazy adopt --found` shows what was found before it accepts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from messages.operator import AdoptFound
from services.cli.commands import adopt as module
from services.cli.commands.adopt import adopt
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings

ROWS = [
    {
        "symbol": s,
        "shares": 9.0,
        "level": 95.5,
        "price": 105.25,
        "stop": f"CT.sim-{s}-20250106-1-S1",
        "since": "now UTC",
    }
    for s in ("NVDA", "TSLA")
]
FILLS = [
    {"symbol": "TSLA", "side": "BUY", "witness": "order"},
    {"symbol": "TSLA", "side": "SELL", "witness": "execution"},
    {"symbol": "AMD", "side": "BUY", "witness": "execution"},
]


class Found:
    name = "sim"
    settings = Settings(watchlist=("TSLA", "NVDA"))

    def __init__(self) -> None:
        self.sent: list[object] = []
        self.rows_found = ROWS

    def rows(self, statement: str) -> list[dict[str, Any]]:
        return self.rows_found if "shares_found" in statement else FILLS


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Found:
    made = Found()

    @contextmanager
    def opened(_: object) -> Iterator[Found]:
        yield made

    def command(_: object, message: object) -> int:
        made.sent.append(message)
        return 0

    monkeypatch.setattr(module, "fleet", lambda config: made)
    monkeypatch.setattr(module.records, "opened", opened)
    monkeypatch.setattr(module, "command_risk", command)
    return made


def test_it_shows_shares_stop_level_price_and_witness(found: Found, capsys: pytest.CaptureFixture[str]) -> None:
    assert adopt(found=True, yes=True) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["SYMBOL", "SHARES", "PRICE", "STOP", "LEVEL", "KNOWN", "FROM", "SINCE"],
        ["NVDA", "9", "105.25", "CT.sim-NVDA-20250106-1-S1", "95.50", "stop", "now", "UTC"],
        ["TSLA", "9", "105.25", "CT.sim-TSLA-20250106-1-S1", "95.50", "order", "now", "UTC"],
    ]
    assert found.sent == [AdoptFound(None)]


def test_of_one_symbol(found: Found, capsys: pytest.CaptureFixture[str]) -> None:
    assert adopt("tsla", found=True, yes=True) == 0
    assert "NVDA" not in capsys.readouterr().out
    assert found.sent == [AdoptFound("TSLA")]


def test_without_yes_and_without_a_terminal_nothing_is_done(found: Found, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Refusal, match="say --yes to mean it"):
        adopt(found=True)
    assert "TSLA" in capsys.readouterr().out, "it shows what there is all the same"
    assert found.sent == []


def test_where_nothing_was_found(found: Found) -> None:
    with pytest.raises(Refusal, match="nothing to accept: no shares of AMD were found"):
        adopt("AMD", found=True, yes=True)
    assert found.sent == []


@pytest.mark.parametrize("arguments", [(), ("TSLA",)])
def test_otherwise_it_needs_a_ticker_and_a_number(found: Found, arguments: tuple[str, ...]) -> None:
    with pytest.raises(Refusal, match="give a ticker and a number of shares, or --found"):
        adopt(*arguments)
    with pytest.raises(Refusal, match="leave the quantity out"):
        adopt("TSLA", 5, found=True)
