"""A full disk: entries stop while there is still space to record protection."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from messages.broker import DiskSpace
from messages.entries import EntryDropped
from messages.interlock import EntriesBlocked, EntriesUnblocked
from services.gateway import __main__ as shell
from tests.gateway.scenario import Gateway


def test_low_space_blocks_entries_and_not_protection() -> None:
    gateway = Gateway()
    gateway.wait(15)
    gateway.holding()
    gateway.receive(DiskSpace(199.4))
    (blocked,) = gateway.events(EntriesBlocked)
    assert (blocked.reason, blocked.figures) == ("disk_full", {"free_mb": 199.0})
    assert "199 MB are left" in blocked.text
    gateway.enter(symbol="NVDA")
    assert [(m.symbol, m.reason) for m in gateway.events(EntryDropped)] == [("NVDA", "disk_full")]
    gateway.clear()
    gateway.receive(gateway.status("CT-TSLA-20250106-1-S1", "Cancelled"))
    gateway.wait(2)
    assert gateway.orders_sent() == ["SELL 10 TRAIL"]


@pytest.mark.parametrize(("free_mb", "over"), [(200.0, False), (399.9, False), (400.0, True)])
def test_entries_stay_blocked_until_there_is_enough_space(free_mb: float, over: bool) -> None:
    gateway = Gateway()
    gateway.receive(DiskSpace(10.0))
    gateway.receive(DiskSpace(10.0))
    assert len(gateway.events(EntriesBlocked)) == 1
    gateway.receive(DiskSpace(free_mb))
    assert [m.reason for m in gateway.events(EntriesUnblocked)] == (["disk_full"] if over else [])


def test_enough_space_is_not_reported() -> None:
    gateway = Gateway()
    gateway.receive(DiskSpace(200.0))
    assert gateway.events(EntriesBlocked) == []


def test_low_space_is_reported_and_its_end_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shell, "POLL_S", 0.0)
    rooms = iter([5_000, 399, 100, 400, 5_000])
    reports: list[float] = []

    def free(path: Path) -> int:
        assert path == tmp_path
        return next(rooms) * 1_000_000

    with pytest.raises(RuntimeError):  # (a coroutine that runs out of answers)
        asyncio.run(shell.watch_disk(tmp_path, lambda space: reports.append(space.free_mb), free))
    assert reports == [399.0, 100.0, 400.0]
