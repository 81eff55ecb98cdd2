"""`crazy config check`: every value that holds, and where it comes from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.commands.config_check import config_check
from services.cli.commands.symbols_add import symbols_add
from services.configuration.keys import keys
from services.configuration.refusal import Refusal

TEXT = """\
mode: sim
fleet: mine
watchlist:
  - TSLA
entries:
  buy_stop_pct_above_last: 4.0
"""


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A folder for sockets; pytest's own are too deep for one."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def config(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRAZY_HOME", str(tmp_path))
    monkeypatch.setenv("CRAZY_RUNTIME_DIR", str(runtime))
    path = tmp_path / "my.yaml"
    path.write_text(TEXT)
    return path


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str]]:
    """Key to (value, origin)."""
    rows = {}
    for line in capsys.readouterr().out.splitlines():
        cells = [cell for cell in line.split("  ") if cell.strip()]
        if len(cells) == 3:
            rows[cells[0].strip()] = (cells[1].strip(), cells[2].strip())
    return rows


def test_every_key_with_its_value_and_its_origin(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert config_check(config=config) == 0
    rows = shown(capsys)
    assert {key.path for key in keys()} <= rows.keys()
    assert rows["mode"] == ("sim", f"{config}:1")
    assert rows["entries.buy_stop_pct_above_last"] == ("4.0", f"{config}:6")
    assert rows["stops.trailing_stop_pct"] == ("10.0", "default")
    assert rows["ibkr.client_id"][1] == "derived from fleet"
    assert rows["ibkr.account"] == ("DU1234567", "derived from mode: sim")
    assert rows["watchlist"][1] == f"{config}:3"


def test_changes_by_a_command_or_an_option(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    symbols_add("NVDA", config=config)
    capsys.readouterr()
    config_check(observe=True, config=config)
    rows = shown(capsys)
    assert rows["watchlist"] == ('["TSLA","NVDA"]', f"{config.parent}/var/mine/watchlist.json (crazy symbols)")
    assert rows["observe"] == ("true", "--observe")
    config.write_text(TEXT.replace("- TSLA", "- AMC"))
    config_check(config=config)
    assert "is older than the watchlist in" in capsys.readouterr().out


def test_a_mistake_is_named(config: Path) -> None:
    config.write_text(TEXT + "stops: {trailing_stop_pct: 100}\n")
    with pytest.raises(Refusal, match=r"my.yaml:7: stops.trailing_stop_pct: `100` does not fit"):
        config_check(config=config)
