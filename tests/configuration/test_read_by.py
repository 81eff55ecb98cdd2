"""The marks of each key name the processes that read it: compared with their source, and with a day that runs."""

from __future__ import annotations

import sys
from datetime import date
from types import FrameType
from typing import Any

import msgspec
import pytest

from services.backtest.runner import run
from services.clock.calendar import sessions as trading_days
from services.configuration.keys import keys, sections
from services.configuration.settings import ReadBy, Section, Settings
from services.simulator.market.synthetic import SyntheticSource
from tests.architecture.layout import LIBRARIES
from tests.configuration.key_reads import MACHINERY, readers_by_source

COMMANDS = {"backtest", "cli"}
"""They read the settings anew each time they run, so a change needs no restart."""

READ_BY_COMMANDS_ONLY = {
    "fleet": "Settings.name gives it to everyone",
    "market_data.max_lines": "checks.py refuses a longer watchlist",
    "live.confirmation_days": "crazy golive",
}
"""Keys that no process reads by their own name, and why that is right."""

DECLARED = {key.path: key.read_by for key in keys()}


@pytest.mark.parametrize("key", DECLARED)
def test_a_key_is_marked_with_the_processes_whose_source_reads_it(key: str) -> None:
    assert DECLARED[key] == readers_by_source()[key] - COMMANDS


def test_every_key_is_read_by_a_process() -> None:
    """A key that nobody reads has no effect."""
    assert {key for key, read_by in DECLARED.items() if not read_by} == READ_BY_COMMANDS_ONLY.keys()


def test_every_mark_is_used() -> None:
    assert set().union(*DECLARED.values()) == set(ReadBy)


def test_reads_are_found_in_the_source() -> None:
    found = readers_by_source()
    assert found["cooldowns.after_stopout_minutes"] == {"symbol"}
    assert found["simulation.seed"] == {"simulator"}
    assert {"clock"} <= found["entries.cancel_before_close_minutes"]
    assert "gateway" in found["hours.allow_pre_market"], "by way of Hours.extended"
    assert {"risk", "symbol"} <= found["allocation.per_symbol_override"], "by way of Settings.entry_usd"


def reader(frame: FrameType | None) -> str:
    """The process, or `MACHINERY`, whose code stands nearest to this read; "" for code outside of `services/`."""
    while frame is not None:
        parts = frame.f_globals["__name__"].split(".")
        if parts[:2] != ["services", "configuration"]:
            folder = parts[1] if parts[0] == "services" else ""
            return MACHINERY if folder in LIBRARIES else folder
        frame = frame.f_back
    return ""


def test_no_process_reads_another_key_in_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day on the real cores, each read recorded where it happens, whatever the variable's name."""
    recorded: set[tuple[str, str]] = set()
    prefix = {Settings: "", **{kind: f"{name}." for name, kind in sections().items()}}

    def read(section: Section, name: str) -> Any:
        path = f"{prefix[type(section)]}{name}"
        if path in DECLARED:
            recorded.add((path, reader(sys._getframe(1))))
        return object.__getattribute__(section, name)

    settings = msgspec.convert({"watchlist": ["TSLA", "NVDA"], "stops": {"use_trailing_limit": True}}, Settings)
    days = trading_days("XNYS", date(2025, 1, 6), date(2025, 1, 6), today=date(2025, 1, 6))
    source = SyntheticSource(7, settings.watchlist, tick_s=30.0)
    monkeypatch.setattr(Section, "__getattribute__", read, raising=False)
    assert run(settings, source, days).fills
    by_processes = {(path, name) for path, name in recorded if name and name not in COMMANDS}
    assert len(by_processes) > 40
    assert {(path, name) for path, name in by_processes if name not in DECLARED[path]} == set()
