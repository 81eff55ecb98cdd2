"""The standalone gateway as a process: its flags, its output, its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import ib_insync as ibi
import pytest

from services.cli.__main__ import main
from services.simulator.control import ask, default_path

ROOT = Path(__file__).parents[2]

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for sockets; pytest's paths are too long for one."""
    with tempfile.TemporaryDirectory(prefix="crazy-", dir="/tmp") as folder:
        monkeypatch.setenv("CRAZY_RUNTIME_DIR", folder)
        yield Path(folder)


@pytest.fixture
def crazy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[int, list[str], list[str]]:
        monkeypatch.setattr(sys, "argv", ["crazy", *words])
        with pytest.raises(SystemExit) as left:
            main()
        output = capsys.readouterr()
        return int(left.value.code or 0), output.out.splitlines(), output.err.splitlines()

    return run


@contextmanager
def alone(*flags: str) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """The process after it listens, its port, and its first line."""
    words = [sys.executable, "-m", "services.cli", "simulator", "--port", "0", *flags]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on 127.0.0.1:"), line + process.stdout.read()
            yield process, int(line.split(":")[1].split()[0]), line
        finally:
            process.kill()


def test_a_restart_from_the_ledger_keeps_orders(tmp_path: Path) -> None:
    async def buy(port: int) -> int:
        ib = ibi.IB()
        await ib.connectAsync("127.0.0.1", port, 7)
        assert ib.managedAccounts() == ["DU7654321"]
        trade = ib.placeOrder(ibi.Stock("NVDA", "SMART", "USD"), ibi.MarketOrder("BUY", 3))
        ask(default_path(port), {"do": "advance", "seconds": 120})
        async with asyncio.timeout(5):
            while not trade.isDone():
                await asyncio.sleep(0.01)
        assert trade.orderStatus.status == "Filled"
        ib.disconnect()
        return int(trade.fills[0].execution.permId)

    async def look(port: int) -> list[int]:
        ib = ibi.IB()
        await ib.connectAsync("127.0.0.1", port, 7)
        assert [position.position for position in ib.positions()] == [3]
        assert ib.client.getReqId() >= 4
        found = [int(fill.execution.permId) for fill in ib.fills()]
        ib.disconnect()
        return found

    flags = ("--account", "DU7654321", "--pace", "manual", "--ledger", str(tmp_path / "ledger"), "--seed", "3")
    with alone(*flags) as (process, port, line):
        assert "account DU7654321  market synthetic, seed 3: SPY, AAPL, TSLA, NVDA, AMD" in line
        assert "Mon 2025-01-06 09:29:00 ET" in line
        perm_id = asyncio.run(buy(port))
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0
        assert "stopped; clients are disconnected" in process.stdout.read()  # type: ignore[union-attr]
        assert not default_path(port).exists()
    with alone(*flags) as (process, port, line):
        assert "Mon 2025-01-06 09:31:00 ET" in line
        assert asyncio.run(look(port)) == [perm_id]
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


def test_its_own_timer_moves_the_market_and_skips_what_is_closed() -> None:
    with alone("--speed", "100000", "--symbols", "AAA,BBB", "--tick-s", "600", "--end", "2025-01-07") as (
        process,
        _,
        _,
    ):
        assert process.stdout is not None
        ended = process.stdout.readline()
        assert ended.startswith("the market has ended (Tue 2025-01-07 1"), ended


BARS = """\
symbol,ts,open,high,low,close,volume
ABC,2024-03-04 14:30:00,10,11,9,10.5,400
XYZ,2024-03-04 14:31:00,5,5,5,5,4
"""


def test_a_market_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    file.write_text(BARS)
    with alone("--market", str(file), "--zone", "UTC", "--pace", "manual") as (_, port, line):
        assert f"market {file}: ABC, XYZ  Mon 2024-03-04 09:29:00 ET, moved by hand" in line
        assert ask(default_path(port), {"do": "advance", "events": 5})["text"] == "it is Mon 2024-03-04 09:31:00 ET"


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--market", "nowhere.parquet"), "--market: nowhere.parquet: no such file"),
        (("--speed", "0"), "--speed: `0.0` does not fit; give a number above 0"),
        (("--account", "me"), "--account: `me` does not fit; give an IBKR account id like DU1234567"),
        (("--symbols", "tsla"), "--symbols[0]: `tsla` does not fit; give a ticker as IBKR writes it"),
        (("--calendar", "MARS"), "--calendar: no calendar MARS; did you mean XNYS?"),
        (("--start", "2025-02-01", "--end", "2025-01-01"), "--end: 2025-01-01 is before --start 2025-02-01"),
        (("--policy", "oops=1"), "--policy oops: unknown switch; there are "),
        (
            ("--policy", "ratchet_outside_rth=maybe"),
            "--policy ratchet_outside_rth: `maybe` does not fit; give true or false",
        ),
        (("--policy", "oops"), "--policy: 'oops' is not NAME=VALUE"),
        (("--ledger", "/dev/null/x"), "/dev/null/x: can't be used as the simulator's ledger"),
        (("--control", "/nowhere/x.sock", "--port", "0"), "/nowhere/x.sock: no command socket can be made there"),
    ],
)
def test_a_bad_flag_is_one_line(crazy: Run, flags: tuple[str, ...], complaint: str) -> None:
    code, output, errors = crazy("simulator", *flags)
    assert (code, output, len(errors)) == (4, [], 1)
    assert errors[0].startswith(f"crazy: {complaint}")


def test_a_port_in_use_is_one_line(crazy: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output, errors = crazy("simulator", "--port", str(port))
    assert (code, output) == (4, [])
    assert errors == [
        f"crazy: 127.0.0.1:{port}: can't listen there (Address already in use); give --port a free port, or 0 for any"
    ]


def test_a_command_without_a_simulator_is_refused(crazy: Run) -> None:
    code, _, errors = crazy("simulator", "advance", "5", "--port", "1")
    assert code == 4
    assert "no simulator takes commands there" in errors[0]


def test_only_its_own_user_can_command(runtime: Path) -> None:
    with alone("--pace", "manual") as (_, port, _):
        path = default_path(port)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(path))
            line.sendall(b'{"do": "status"}\nrubbish\n{"do": "fly"}\n')
            answers = [json.loads(answer) for _, answer in zip(range(3), line.makefile("rb"), strict=False)]
        assert [answer["ok"] for answer in answers] == [True, False, False]
        assert answers[2]["text"].startswith("unknown command 'fly'")
        if os.getuid() == 0:  # another user, with access to the folder
            path.parent.parent.chmod(0o755)
            path.parent.chmod(0o755)
            path.chmod(0o666)
            stranger = subprocess.run([sys.executable, "-c", STRANGER, path], check=False, capture_output=True)
            assert stranger.returncode == 0, stranger


STRANGER = """
import contextlib, os, socket, sys
os.setuid(65534)
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
with contextlib.suppress(ConnectionError):
    line.sendall(b'{"do": "status"}\\n')
    sys.exit(line.recv(100))
"""
