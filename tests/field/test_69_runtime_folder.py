"""Row 69: sockets and locks lie where no sweeper comes, and are made again when they vanish under a running fleet."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from messages.operator import Answer, RollCall
from services.cli.preflight import place_notes
from services.configuration.settings import Settings
from services.fleet.places import RUNTIME_VARIABLE, Fleet, write_private
from services.fleet.process_lock import Lock, holder
from services.fleet.supervision import Supervisor
from services.runtime.bus import Bus, NoAnswer, ask
from tests.day.conftest import RunningFleet, fleets, until


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a short path, as a checkout in a home has one."""
    monkeypatch.delenv(RUNTIME_VARIABLE, raising=False)
    with tempfile.TemporaryDirectory(prefix="crazy-", dir="/tmp") as folder:
        yield Path(folder)


def fleet(root: Path, **settings: object) -> Fleet:
    return Fleet(Settings(**({"watchlist": ("TSLA",)} | settings)), root)  # type: ignore[arg-type]


def test_field_69_sockets_lie_with_the_records_and_not_where_a_logout_removes_them(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    chosen = fleet(short)
    chosen.prepare()
    assert chosen.run == short / "var" / "sim" / "run"
    assert chosen.lock("gateway").parent == short / "var" / "sim" / "locks"


def test_field_69_a_long_checkout_has_them_in_the_state_of_the_user(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short / "runtime"))
    (short / "runtime").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(short / "state"))
    chosen = fleet(short / ("d" * 80))
    chosen.prepare()
    assert chosen.run.is_relative_to(short / "state")
    assert chosen.lock("gateway").is_relative_to(chosen.var)


def test_field_69_the_start_warns_of_a_folder_that_does_not_last(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (short / "login").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short / "login"))
    monkeypatch.setenv(RUNTIME_VARIABLE, str(short / "login"))
    (note,) = place_notes(fleet(short))
    assert "the system removes it with your last logout; set CRAZY_RUNTIME_DIR" in note
    monkeypatch.setenv(RUNTIME_VARIABLE, str(short / "mine"))
    assert place_notes(fleet(short)) == []
    (records,) = place_notes(fleet(short, mode="paper"))
    assert records.startswith(f"the records of the fleet lie in {short}/var/paper: old files there are removed")
    monkeypatch.delenv(RUNTIME_VARIABLE)
    (sockets,) = place_notes(fleet(short))
    assert sockets.startswith(f"the sockets of the fleet lie in {short}/var/sim/run: old files there are removed")


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o277, 0o777])
def test_field_69_folders_and_files_are_private_whatever_the_umask_is(short: Path, umask: int) -> None:
    chosen = fleet(short)
    open_file = chosen.ledgers / "risk.sqlite"
    chosen.ledgers.mkdir(parents=True)
    open_file.touch()
    open_file.chmod(0o666)
    before = os.umask(umask)
    try:
        chosen.prepare()
        write_private(chosen.settings_file, chosen.settings.to_json())
        chosen.prepare()
    finally:
        os.umask(before)
    folders = (chosen.root / "var", chosen.var, chosen.ledgers, chosen.logs, chosen.programs, chosen.locks, chosen.run)
    assert {folder: oct(folder.stat().st_mode & 0o777) for folder in folders} == dict.fromkeys(folders, "0o700")
    for file in (chosen.settings_file, chosen.run_note, open_file):
        assert file.stat().st_mode & 0o777 == 0o600


def test_field_69_a_lock_that_vanished_is_made_again_and_never_has_two_holders(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "locks" / "risk.lock")
    lock.path.parent.mkdir()
    assert lock.take()
    assert lock.keep()
    shutil.rmtree(lock.path.parent)
    assert holder(lock.path) is None
    assert lock.keep()
    assert holder(lock.path) == os.getpid()
    assert not Lock(lock.path).take()
    lock.path.unlink()
    thief = Lock(lock.path)
    assert thief.take()
    assert not lock.keep()


def served(bus: Bus, run: Path) -> Answer:
    """The answer to a command, which this bus gives."""
    found: list[Answer | NoAnswer] = []

    def question() -> None:
        try:
            found.append(ask(run, bus.name, RollCall(), 5.0))
        except NoAnswer as error:
            found.append(error)

    asker = threading.Thread(target=question)
    asker.start()
    while asker.is_alive():
        bus.poll(20)
        for client, _ in bus.commands():
            bus.answer(client, Answer(True, "here"))
    (answer,) = found
    assert isinstance(answer, Answer)
    return answer


def test_field_69_a_socket_that_vanished_is_bound_again_and_living_connections_go_on(short: Path) -> None:
    run = short / "run"
    run.mkdir()
    with Bus("risk", run, binds=True, control=True) as risk, Bus("symbol-TSLA", run, dials=("risk",)) as symbol:
        frames: list[bytes] = []

        def sent(frame: bytes) -> bool:
            symbol.send("risk", frame)
            risk.poll(50)
            frames.extend(each for _, each in risk.frames())
            return frame in frames

        until(lambda: sent(b"before"), "the link is up")
        shutil.rmtree(run)
        risk.keep()
        assert served(risk, run).text == "here"
        assert sent(b"after") or sent(b"after"), "the connection from before was closed"
        with Bus("symbol-NVDA", run, dials=("risk",)) as late:

            def arrived() -> bool:
                late.send("risk", b"late")
                risk.poll(50)
                return any(peer == "symbol-NVDA" for peer, _ in risk.frames())

            until(arrived, "a new process reaches the socket")
        for _ in range(3):
            (run / "risk.control").unlink()
            risk.keep()
            assert served(risk, run).text == "here"


@pytest.mark.timeout(180)
def test_field_69_a_fleet_whose_folders_are_swept_can_still_be_seen_paused_and_stopped(tmp_path: Path) -> None:
    with fleets(tmp_path) as start:
        swept = start(mode="sim", watchlist=["TSLA", "NVDA"])
        _sweep_and_use(swept)


def _sweep_and_use(running: RunningFleet) -> None:
    chosen = Fleet(Settings.from_json(running.var / "settings.json"), running.home)
    run = Path(os.fsdecode((running.var / "run.path").read_bytes().strip()))
    before = running.pids()
    shutil.rmtree(run.parent)
    shutil.rmtree(chosen.locks)
    time.sleep(0.2)
    answers: Callable[[], bool] = lambda: running.crazy("status", check=False).returncode == 0  # noqa: E731
    until(answers, f"status is well again: {running.crazy('status', check=False)}", 30)
    assert run.stat().st_mode & 0o777 == 0o700
    assert running.pids() == before, "nothing was restarted"
    running.crazy("pause", "TSLA")
    running.crazy("resume", "TSLA")
    until(lambda: (run / "supervisor.sock").exists(), "supervisord has its socket again", 20)
    assert {process.state for process in Supervisor(chosen).processes()} == {"RUNNING"}
    assert running.kill("risk")
    until(lambda: running.pids().get("risk") not in (None, before["risk"]), "what dies is started again", 30)
    until(answers, "the fleet is whole again", 30)
    shutil.rmtree(run.parent)
    assert running.crazy("down").stdout.startswith("fleet t0 is down")
    running.crazy("up")
