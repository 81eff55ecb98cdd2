"""A fleet of real processes that do nothing but take their lock, in folders of their own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.configuration.settings import Settings
from services.fleet import supervision
from services.fleet.places import Fleet
from services.fleet.supervision import Supervisor

ROOT = Path(__file__).parents[2]

IDLE = """
import signal, sys
from services.fleet import process_lock
from services.fleet.places import Fleet
names = {argument: name for name, argument in Fleet.of(sys.argv[1]).symbols.items()}
lock = process_lock.enter(Fleet.of(sys.argv[1]), names[sys.argv[2]] if sys.argv[2:] else "NAME")
signal.sigwait([signal.SIGTERM])
"""


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for sockets; pytest's own are too deep for one."""
    with tempfile.TemporaryDirectory(prefix="crazy-", dir="/tmp") as folder:
        monkeypatch.setenv("CRAZY_RUNTIME_DIR", folder)
        monkeypatch.delenv("SUPERVISOR_ENABLED", raising=False)
        yield Path(folder)


@pytest.fixture
def fleet(tmp_path: Path, runtime: Path) -> Iterator[Fleet]:
    """A fleet that is ready to start, in a folder whose name holds a blank and brackets."""
    chosen = Fleet(Settings(watchlist=("TSLA", "BRK B")), tmp_path / "my [own] folder")
    chosen.prepare()
    chosen.settings_file.write_bytes(chosen.settings.to_json())
    yield chosen
    Supervisor(chosen).stop()


@pytest.fixture
def idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose processes are idle; supervisord is started from it."""
    code = tmp_path / "code"
    (code / "services").mkdir(parents=True)
    shutil.copy(ROOT / "services" / "__init__.py", code / "services")
    for library in ("trading", "configuration", "fleet", "runtime"):
        shutil.copytree(ROOT / "services" / library, code / "services" / library)
    for name in ("gateway", "risk", "clock", "recorder", "watchdog", "simulator", "symbol"):
        (code / "services" / name).mkdir()
        (code / "services" / name / "__main__.py").write_text(IDLE.replace("NAME", name))
    shutil.copy(ROOT / "supervisord.conf", code)
    monkeypatch.setattr(supervision, "CODE", code)
    monkeypatch.setenv("PYTHONPATH", str(code))
    return code
