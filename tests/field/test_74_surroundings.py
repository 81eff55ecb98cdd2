"""Row 74: odd paths, terminals, hosts and outputs. It works, or one clear line says what is wrong."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.preflight import broker_notes, check
from services.configuration.refusal import Refusal
from services.configuration.settings import Ibkr, Settings
from services.fleet import programs, supervision
from services.fleet.places import Fleet
from services.fleet.supervision import Supervisor
from tests.day.conftest import fleets, until
from tests.fleet.conftest import idle, runtime

__all__ = ["idle", "runtime"]

ROOT = Path(__file__).parents[2]
ODD = """100% %(x)s "it's" {b} $HOME; #1 [a]* für"""
"""The name of a folder with characters that some tool on the way gives a meaning."""


def crazy(
    *words: str, home: Path, out: object = subprocess.PIPE, patch: str = "", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """The program in a process of its own; `patch` is Python that runs before it."""
    program = f"import sys; {patch}\nfrom services.cli.__main__ import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=ROOT,
        env={**os.environ, "CRAZY_HOME": str(home), "CRAZY_CONFIG": str(home / "my.yaml"), **environment},
        stdout=out,  # type: ignore[call-overload]
        stderr=subprocess.PIPE,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "my.yaml").write_text("watchlist: [TSLA]\n")
    return tmp_path


def test_field_74_any_character_in_the_path_of_the_checkout(idle: Path, runtime: Path, tmp_path: Path) -> None:
    odd = tmp_path / ODD
    shutil.move(idle, odd)
    supervision.CODE = odd  # the fixture `idle` puts it back
    fleet = Fleet(Settings(watchlist=("TSLA", "BRK B")), odd)
    fleet.prepare()
    fleet.settings_file.write_bytes(fleet.settings.to_json())
    programs.write(fleet)
    supervisor = Supervisor(fleet)
    supervisor.start()
    try:
        until(lambda: set(supervisor.survivors()) == set(fleet.processes), "all run", 60)
        assert (fleet.logs / "gateway.out").exists()
        programs.write(Fleet(Settings(watchlist=("TSLA", "NVDA")), odd))
        supervisor.update()
        until(lambda: {each.name for each in supervisor.processes()} >= {"symbol-NVDA"}, "a program is added", 30)
    finally:
        supervisor.stop()


def test_field_74_a_folder_in_which_the_database_fails_is_refused(home: Path) -> None:
    odd = home / "what?"
    odd.mkdir()
    (odd / "my.yaml").write_text("watchlist: [TSLA]\n")
    done = crazy("up", home=odd)
    assert done.returncode == 4
    assert "DuckDB keeps no journal in a folder with a `?`" in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.timeout(180)
def test_field_74_a_whole_fleet_in_such_a_folder(tmp_path: Path) -> None:
    odd = tmp_path / ODD
    odd.mkdir()
    with fleets(odd) as start:
        fleet = start(mode="sim", watchlist=["TSLA"])
        assert fleet.status()["problems"] == []
        fleet.until("SELECT 1 FROM events")
        fleet.crazy("down")
        assert fleet.sql("SELECT count(*) AS n FROM events")[0]["n"] > 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_field_74_a_terminal_without_our_characters(home: Path, encoding: str) -> None:
    patch = "import services.cli.app as app; app.run = lambda _: print('−7.1% · a … b → 株')"
    done = crazy("status", home=home, patch=patch, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode(encoding)
    assert shown.startswith("−7.1% ·" if encoding == "utf-8" else "-7.1% ")
    assert crazy("config", "keys", home=home, PYTHONIOENCODING=encoding).returncode == 0


def test_field_74_a_full_output_is_one_line_and_an_exit_code_of_its_own(home: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = crazy("config", "keys", home=home, out=full)
    assert done.returncode == 74
    assert done.stderr.decode().splitlines() == [
        "crazy: the output or a file: No space left on device; free space there, or permit it, and repeat the command"
    ]


@pytest.mark.parametrize("words", [("config", "keys"), ("config", "show"), ("--help",)])
def test_field_74_an_output_that_nobody_reads_is_no_error_and_not_well(home: Path, words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = crazy(*words, home=home, out=write)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_field_74_a_closed_output_is_nowhere(home: Path) -> None:
    command = [sys.executable, "-m", "services.cli", "config", "keys"]
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", *command],
        cwd=ROOT,
        env=os.environ | {"CRAZY_HOME": str(home)},
        check=False,
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("patch", "code", "last"),
    [
        ("raise ZeroDivisionError('no')", 70, "crazy: this is a bug: ZeroDivisionError: no"),
        (
            "raise OSError(13, 'Permission denied', '/x')",
            74,
            "crazy: /x: Permission denied; free space there, or permit",
        ),
        ("raise BrokenPipeError", 141, ""),
        ("raise KeyboardInterrupt", 130, ""),
    ],
)
def test_field_74_a_crash_has_no_exit_code_of_status(home: Path, patch: str, code: int, last: str) -> None:
    definition = f"import services.cli.app as app\ndef run(_):\n    {patch}\napp.run = run"
    done = crazy("status", home=home, patch=definition)
    assert done.returncode == code
    assert done.stderr.decode().rstrip().rpartition("\n")[2].startswith(last)


def test_field_74_a_broken_installation_has_an_exit_code_of_its_own(home: Path) -> None:
    done = crazy("status", home=home, patch="sys.modules['cyclopts'] = None")
    assert done.returncode == 70


def test_field_74_ipv6_and_unknown_hosts(tmp_path: Path, runtime: Path) -> None:
    def fleet(host: str, port: int = 1, mode: str = "sim") -> Fleet:
        return Fleet(
            Settings(mode=mode, watchlist=("TSLA",), ibkr=Ibkr(host=host, port=port)),  # type: ignore[arg-type]
            tmp_path,
        )

    def refusal(chosen: Fleet) -> str:
        with pytest.raises(Refusal) as refused:
            check(chosen, Supervisor(chosen), "crazy down")
        return str(refused.value)

    if socket.has_ipv6:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
            port = taken.getsockname()[1]
            assert refusal(fleet("::1", port)).startswith(f"[::1]:{port}: the simulated gateway cannot listen there (")
        check(fleet("::1", port), Supervisor(fleet("::1")), "crazy down")
        assert broker_notes(fleet("::1", port, "paper"))[0].startswith(
            f"nothing answers at [::1]:{port}; log IB Gateway"
        )
    for host in ("no.such.host.invalid", "a..b", "x" * 70):
        assert refusal(fleet(host)).startswith(f"ibkr.host: {host}: no such host (")
        assert broker_notes(fleet(host, mode="paper"))[0].startswith(f"ibkr.host: {host}: no such host (")


def test_field_74_a_byte_order_mark_in_files_that_a_person_edits(home: Path) -> None:
    (home / "my.yaml").write_bytes("\ufeffwatchlist: [TSLA]\r\n".encode())
    (home / "list.txt").write_bytes("\ufeffNVDA\r\nTSLA\r\n".encode())
    done = crazy("symbols", "file", str(home / "list.txt"), home=home)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines()[0] == "added NVDA"
