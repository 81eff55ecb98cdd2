"""The folders of a fleet that does not run, and processes that only answer."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from messages.operator import Answer, Command
from services.configuration.settings import Settings
from services.fleet.places import Fleet
from services.fleet.process_lock import Lock
from services.runtime.bus import serve_control


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A configuration whose fleet has folders of its own, and sockets with short paths."""
    monkeypatch.setenv("CRAZY_HOME", str(tmp_path))
    with tempfile.TemporaryDirectory() as runtime:
        monkeypatch.setenv("CRAZY_RUNTIME_DIR", runtime)
        path = tmp_path / "config.yaml"
        path.write_text("watchlist: [TSLA]\n")
        yield path


@pytest.fixture
def fleet(config: Path, tmp_path: Path) -> Fleet:
    made = Fleet(Settings(watchlist=("TSLA",)), tmp_path)
    made.prepare()
    return made


@contextmanager
def running(fleet: Fleet, process: str, handler: Callable[[Command], Answer]) -> Iterator[None]:
    """A process that holds its lock and answers on its control socket."""
    lock, stopped = Lock(fleet.lock(process)), threading.Event()
    assert lock.take()
    served = threading.Thread(target=serve_control, args=(fleet.run, process, handler, stopped.is_set))
    served.start()
    try:
        yield
    finally:
        stopped.set()
        served.join()
        lock.release()
