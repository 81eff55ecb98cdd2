"""The commands `crazy up`, `down`, `logs` and `config`, from their arguments to their output."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli.__main__ import main
from services.cli.app import COMMANDS, FAMILIES
from services.configuration.settings import Settings
from services.fleet.places import Fleet
from services.fleet.supervision import Supervisor
from services.runtime import log

pytestmark = pytest.mark.usefixtures("runtime")

DOWN = "fleet sim is down; its orders at the broker stay where they are"

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRAZY_HOME", str(tmp_path))
    monkeypatch.delenv("CRAZY_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def crazy(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command: its exit code, its output lines, its error lines."""
    # Idle processes do not report readiness on the bus, so their locks stand for it.
    monkeypatch.setattr("services.cli.commands.up.wait_ready", ready_by_lock)
    monkeypatch.setattr("services.cli.commands.up.show_status", lambda fleet, _: print(f"status of {fleet.name}"))

    def run(*arguments: str) -> tuple[int, list[str], list[str]]:
        monkeypatch.setattr(sys, "argv", ["crazy", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out = capsys.readouterr()
        return int(left.value.code or 0), out.out.splitlines(), out.err.splitlines()

    return run


def ready_by_lock(fleet: Fleet, timeout_s: float) -> list[str]:
    deadline = time.monotonic() + min(timeout_s, 30)
    while missing := set(fleet.processes) - set(Supervisor(fleet).survivors()):
        if time.monotonic() >= deadline:
            break
        time.sleep(0.05)
    return sorted(missing)


def configured(home: Path, text: str = "") -> str:
    """A configuration on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = home / "my.yaml"
    path.write_text(f"watchlist: [TSLA]\nibkr: {{port: {port}}}\n{text}")
    return str(path)


@pytest.mark.usefixtures("idle")
def test_up_twice_kill_9_up_again_and_down_twice(home: Path, crazy: Run) -> None:
    config = configured(home)
    code, out, errors = crazy("up", "--config", config)
    try:
        assert (code, errors) == (0, [])
        assert out[0].startswith("fleet sim is ready after")
        assert out[1] == "status of sim"
        assert f"status --config {config}" in "\n".join(out[2:])
        supervisord = int((home / "var" / "sim" / "supervisord.pid").read_text())

        code, out, _ = crazy("up", "--config", config)
        assert (code, out[0]) == (0, f"fleet sim is running already (supervisord {supervisord})")

        Path(config).write_text(Path(config).read_text() + "risk: {max_symbol_exposure_usd: 1}\n")
        code, _, errors = crazy("up", "--config", config)
        assert code == 4
        assert "runs with another configuration; stop it first: " in errors[0]

        os.kill(supervisord, signal.SIGKILL)
        code, out, _ = crazy("up", "--config", config)
        assert code == 0
        assert out[0].startswith("fleet sim is ready after")
    finally:
        code, out, _ = crazy("down", "--config", config)
    assert (code, out) == (0, [DOWN])
    assert crazy("down", "--config", config)[:2] == (0, ["fleet sim is not running"])


def one_line(crazy: Run, home: Path, config: str) -> str:
    """The one line with which `crazy up` refuses; nothing is started."""
    code, out, errors = crazy("up", "--config", config)
    assert (code, out, len(errors)) == (4, [], 1)
    assert not (home / "var" / "sim" / "settings.json").exists()
    return errors[0]


def test_a_broken_configuration(home: Path, crazy: Run) -> None:
    assert ": entris: unknown key; did you mean `entries`?" in one_line(crazy, home, configured(home, "entris: {}"))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("frobnicate", 'crazy: Unknown command "frobnicate". Available commands: up, down, '),
        ("status extra more", "crazy: too many words: extra more. See `crazy status --help`."),
        ("status --jsn", "crazy: Unknown option: --jsn. Did you mean --json? See `crazy status --help`."),
        ("sql", 'crazy: Command "sql" parameter --statement requires an argument. See `crazy sql --help`.'),
        (
            "cooldown frob",
            'crazy: Unknown command "frob". Available commands: list, clear. See `crazy cooldown --help`.',
        ),
    ],
)
def test_wrong_arguments_are_one_line_and_no_exit_code_of_status(crazy: Run, arguments: str, error: str) -> None:
    code, out, errors = crazy(*arguments.split())
    assert (code, out, len(errors)) == (4, [], 1)
    assert errors[0].startswith(error)


def test_an_interrupt_is_no_traceback(crazy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("services.cli.app.run", interrupted)
    assert crazy("status") == (130, [], [""])


def live(home: Path) -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = home / "my.yaml"
    path.write_text(f"mode: live\nwatchlist: [TSLA]\nibkr: {{port: {port}, account: U1234567}}\n")
    return str(path)


@pytest.mark.usefixtures("idle")
def test_the_first_live_start_needs_a_confirmation_and_later_ones_do_not(
    home: Path, crazy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, confirmation = live(home), home / "var" / "live" / "confirmation.json"
    code, _, errors = crazy("up", "--config", config)
    assert (code, len(errors)) == (4, 1)
    assert "only after its owner's word: " in errors[0]
    assert f"golive --config {config}" in errors[0]

    for typed, code in (("U7654321\n", 4), ("\n", 4), ("U1234567\n", 0)):
        assert not confirmation.exists()
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert crazy("golive", "--without-probe", "--config", config)[0] == code
    assert confirmation.stat().st_mode & 0o777 == 0o600

    # Without a confirmation, but with records: positions may need protection, so it starts.
    fleet = Fleet(Settings(mode="live", watchlist=("TSLA",)), home)
    try:
        assert crazy("up", "--config", config)[0] == 0
        crazy("down", "--config", config)
        fleet.ledger("gateway").touch()
        assert crazy("golive", "--revoke", "--config", config)[0] == 0
        assert not confirmation.exists()
        assert crazy("up", "--config", config)[0] == 0
    finally:
        crazy("down", "--config", config)


def test_only_live_is_confirmed(home: Path, crazy: Run) -> None:
    code, _, errors = crazy("golive", "--without-probe", "--config", configured(home))
    assert (code, "only `mode: live` is confirmed" in errors[0]) == (4, True)


@pytest.mark.usefixtures("idle")
def test_observe_is_part_of_the_running_configuration(home: Path, crazy: Run) -> None:
    config = configured(home)
    try:
        assert crazy("up", "--observe", "--config", config)[0] == 0
        assert Settings.from_json(home / "var" / "sim" / "settings.json").observe
        code, _, errors = crazy("up", "--config", config)
        assert (code, "runs with another configuration" in errors[0]) == (4, True)
    finally:
        crazy("down", "--config", config)


def test_a_missing_market_file(home: Path, crazy: Run) -> None:
    config = configured(home, "simulation: {market: files, files: [bars.parquet]}")
    assert f"{home}/bars.parquet: no such market file; " in one_line(crazy, home, config)


def test_a_timetable_of_faults_is_checked_before_anything_starts(home: Path, crazy: Run) -> None:
    config = configured(home, "simulation: {faults: faults.yaml}")
    assert f"{home}/faults.yaml: no such timetable of faults" in one_line(crazy, home, config)
    (home / "faults.yaml").write_text("faults:\n  - {after: 1, fault: dorp}\n")
    assert f"{home}/faults.yaml:2: fault dorp: there is none of this name; did you mean `drop`?" in one_line(
        crazy, home, config
    )
    (home / "faults.yaml").write_text("faults:\n\n  - {after: 2, fault: halt, symbol: GME}\n")
    wrong = f"{home}/faults.yaml:3: fault halt: symbol: GME is not in this market: TSLA"
    assert wrong in one_line(crazy, home, config)
    code, _, errors = crazy("config", "check", "--config", config)
    assert (code, len(errors)) == (4, 1)
    assert wrong in errors[0]


def test_a_port_in_use(home: Path, crazy: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = home / "my.yaml"
        path.write_text(f"watchlist: [TSLA]\nibkr: {{port: {taken.getsockname()[1]}}}\n")
        out = one_line(crazy, home, str(path))
    assert "the simulated gateway cannot listen there (Address already in use)" in out
    assert "set ibkr.port" in out


def test_no_write_permission(home: Path, crazy: Run) -> None:
    (home / "var").write_text("in the way")
    assert "no write permission" in one_line(crazy, home, configured(home))


def test_a_socket_path_over_107_bytes(home: Path, crazy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = home / ("d" * 100)
    deep.mkdir()
    monkeypatch.setenv("CRAZY_RUNTIME_DIR", str(deep))
    assert "the system allows 107" in one_line(crazy, home, configured(home))


def test_the_configuration_is_chosen_by_option_environment_or_default(
    home: Path, crazy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(*arguments: str) -> str:
        return next(line for line in crazy("config", "show", *arguments)[1] if line.startswith("fleet:"))

    for name in ("one", "two", "three"):
        (home / f"{name}.yaml").write_text(f"watchlist: [TSLA]\nfleet: {name}\n")
    (home / "config").mkdir()
    (home / "one.yaml").rename(home / "config" / "config.yaml")
    assert shown() == "fleet: one"
    monkeypatch.setenv("CRAZY_CONFIG", str(home / "two.yaml"))
    assert shown() == "fleet: two"
    assert shown("--config", str(home / "three.yaml")) == "fleet: three"


def test_config_keys_explains_every_key(crazy: Run) -> None:
    code, out, _ = crazy("config", "keys")
    assert code == 0
    assert "entries.buy_stop_pct_above_last: 5.0" in out


def test_logs_of_all_processes_in_the_order_in_which_they_happened(home: Path, crazy: Run) -> None:
    config = configured(home)
    logs = home / "var" / "sim" / "logs"
    for number, process in enumerate(("gateway", "symbol-TSLA", "gateway", "risk")):
        log.open(process, logs / f"{process}.jsonl").event("told", market_ns=number * 10**9, number=number)
        time.sleep(0.002)  # the order is by the millisecond
    code, out, _ = crazy("logs", "--config", config)
    assert code == 0
    assert [line.split("  ")[1].split()[0] for line in out] == ["gateway", "symbol-TSLA", "gateway", "risk"]
    assert out[1] == "1969-12-31 19:00:01.000  symbol-TSLA  told number=1"
    assert crazy("logs", "tsla", "--config", config)[1] == out[1:2]
    assert crazy("logs", "--lines", "2", "--config", config)[1] == out[2:]
    assert json.loads(crazy("logs", "risk", "--raw", "--config", config)[1][0])["number"] == 3


def test_logs_of_a_process_that_does_not_exist(home: Path, crazy: Run) -> None:
    code, _, errors = crazy("logs", "GME", "--config", configured(home))
    assert code == 4
    assert errors[0].startswith("crazy: GME: no process of fleet sim; there are simulator, gateway, ")


@pytest.mark.parametrize("given", [(), ("--help",), ("config",)])
def test_a_list_of_commands_says_what_each_is_for(crazy: Run, given: tuple[str, ...]) -> None:
    files = [file for files in COMMANDS.values() for file in files]
    names = {file.partition("_")[0] if file.partition("_")[0] in FAMILIES else file.replace("_", "-") for file in files}
    if given == ("config",):
        names = {file.removeprefix("config_") for file in files if file.startswith("config_")}
    code, out, _ = crazy(*given)
    listed = {cells[1]: cells[2:-1] for line in out if len(cells := line.split()) > 2}
    assert code == 0
    assert {name for name in names if listed.get(name)} == names


@pytest.mark.usefixtures("idle")
def test_a_running_fleet_whose_file_has_mistakes_can_be_stopped(home: Path, crazy: Run) -> None:
    config = configured(home)
    assert crazy("up", "--config", config)[0] == 0
    Path(config).write_text("watchlist: [TSLA]\nrisk: oops\n")
    assert crazy("up", "--config", config)[0] == 4
    assert crazy("down", "--config", config)[:2] == (0, [DOWN])


def test_a_process_that_crashes_is_named_with_its_last_output(
    home: Path, crazy: Run, idle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (idle / "services" / "risk" / "__main__.py").write_text("raise RuntimeError('no luck')")
    monkeypatch.setattr("services.cli.commands.up.READY_S", 2.0)
    config = configured(home)
    code, _, errors = crazy("up", "--config", config)
    crazy("down", "--config", config)
    assert code == 4
    assert errors[0].startswith("crazy: fleet sim: not ready after 2 s: risk; see ")
    assert errors[1:] == ["crazy: risk: RuntimeError: no luck"]


@pytest.mark.usefixtures("idle")
def test_a_broker_that_is_not_there_is_a_note(home: Path, crazy: Run) -> None:
    config = configured(home, "mode: paper")
    code, _, notes = crazy("up", "--config", config)
    crazy("down", "--config", config)
    assert code == 0
    assert [note for note in notes if note.startswith("note: nothing answers at 127.0.0.1:")]
