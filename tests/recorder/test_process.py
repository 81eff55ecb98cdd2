"""The real process: it is killed in the midst of its work, and catches up with what it missed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from messages import Message
from messages.operator import Happened
from services.cli import records
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.fleet.places import Fleet
from services.runtime.actor import Actor
from services.runtime.bus import Bus
from services.runtime.core import Deadlines, Decision, Now, State
from services.runtime.ledger import MemoryLedger
from services.runtime.market_clock import MarketClock

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


class Teller:
    """A core that sends on everything it receives."""

    kinds: tuple[type, ...] = ()

    def handle(self, state: State, message: Message, now: Now) -> Decision:
        return Decision(messages=[("recorder", message)] if isinstance(message, Happened) else [])

    def deadlines(self, state: State, now: Now) -> Deadlines:
        return Deadlines()

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        return []

    def ready(self, state: State) -> bool:
        return True


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    with tempfile.TemporaryDirectory() as runtime:
        monkeypatch.setenv("CRAZY_RUNTIME_DIR", runtime)
        made = Fleet(Settings(watchlist=("TSLA",)), tmp_path)
        made.prepare()
        made.settings_file.write_bytes(made.settings.to_json())
        yield made


def started(fleet: Fleet) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUPERVISOR")}
    command = [sys.executable, "-m", "services.recorder", str(fleet.settings_file)]
    return subprocess.Popen(command, cwd=ROOT, env=environment)


def counted(fleet: Fleet) -> int:
    try:
        with records.opened(fleet) as db:
            return int(db.rows("SELECT count(*) AS n FROM events WHERE event_type = 'told'")[0]["n"])
    except Refusal:  # not there yet, or not there any more
        return -1


def test_nothing_is_lost_and_nothing_doubled(fleet: Fleet) -> None:
    ledger = MemoryLedger("gateway")
    actor = Actor("gateway", Teller(), ledger, dials={"recorder": ()}, market=MarketClock())
    sent = 0

    with Bus("gateway", fleet.run, dials=["recorder"], beats=False) as bus:

        def run_once() -> None:
            bus.poll(20)
            now = time.monotonic_ns()
            for peer, frame in bus.frames():
                actor.receive(peer, frame, now)
            actor.elapse(now)
            for peer, out in actor.flush(now).frames:
                bus.send(peer, out)

        def until(done: Callable[[], bool]) -> None:
            deadline = time.monotonic() + PATIENCE_S
            while not done():
                assert time.monotonic() < deadline, counted(fleet)
                run_once()

        actor.start(time.monotonic_ns())

        def send(count: int) -> None:
            nonlocal sent
            for _ in range(count):
                sent += 1
                actor.deliver(Happened("told", "", "INFO", {"n": sent}, sent), time.monotonic_ns())

        for _ in range(3):
            recorder = started(fleet)
            try:
                before = sent
                send(500)
                until(lambda before=before: counted(fleet) > before)  # type: ignore[misc]
            finally:
                recorder.kill()
                recorder.wait()
        send(1)  # so that the last one has something to do before it is stopped
        recorder = started(fleet)
        until(lambda: counted(fleet) == sent)
        with records.opened(fleet) as db:
            found = db.rows("SELECT count(DISTINCT payload_json->>'n') AS n FROM events WHERE event_type = 'told'")
        assert found == [{"n": sent}]
        recorder.terminate()
        assert recorder.wait(PATIENCE_S) == 0


def test_a_database_of_another_account_ends_it_in_one_line(fleet: Fleet) -> None:
    from services.recorder.store import DuckLedger

    DuckLedger(fleet.database, fleet=fleet.name, account="DU7654321").close()
    command = [sys.executable, "-m", "services.recorder", str(fleet.settings_file)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "holds the records of account DU***321, not DU***567" in ended.stderr
