"""`crazy symbols` on a fleet at rest: the overlay, and what is refused. Running: tests/day/test_changes.py."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.commands.symbols_add import symbols_add
from services.cli.commands.symbols_file import symbols_file
from services.cli.commands.symbols_list import symbols_list
from services.cli.commands.symbols_remove import symbols_remove
from services.cli.options import load
from services.configuration.refusal import Refusal
from services.fleet import watchlist_overlay
from services.fleet.places import Fleet


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CRAZY_HOME", str(tmp_path))
    with tempfile.TemporaryDirectory() as runtime:
        monkeypatch.setenv("CRAZY_RUNTIME_DIR", runtime)
        path = tmp_path / "config.yaml"
        path.write_text("watchlist: [TSLA, GME]\n")
        yield path


def traded(config: Path) -> tuple[str, ...]:
    return load(config).watchlist


def test_add_and_remove_outlive_the_command(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert symbols_add("nvda", "BRK B", "NVDA", config=config) == 0
    assert traded(config) == ("TSLA", "GME", "NVDA", "BRK B")
    assert symbols_add("TSLA", config=config) == 0
    assert symbols_remove("gme", config=config) == 0
    assert traded(config) == ("TSLA", "NVDA", "BRK B")
    assert symbols_list(config=config) == 0
    message = capsys.readouterr().out
    assert "added NVDA, BRK B; 4 symbols are traded" in message
    assert "all of them are traded already" in message
    assert "removed GME" in message
    assert config.read_text() == "watchlist: [TSLA, GME]\n", "the operator's file is never written to"


def test_a_symbol_that_has_traded_winds_down(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = Fleet(load(config), tmp_path)
    chosen.ledgers.mkdir(parents=True)
    chosen.ledger("symbol-GME").touch()
    symbols_remove("GME", config=config)
    assert "from the next start on" in capsys.readouterr().out
    assert load(config).winding_down == ("GME",)
    symbols_add("GME", config=config)
    assert (traded(config), load(config).winding_down) == (("TSLA", "GME"), ())


def test_an_edit_of_the_file_replaces_the_overlay(config: Path) -> None:
    symbols_add("NVDA", config=config)
    config.write_text("watchlist: [TSLA, AMC]\n")
    assert traded(config) == ("TSLA", "AMC")
    symbols_add("NVDA", config=config)
    assert traded(config) == ("TSLA", "AMC", "NVDA")


def test_a_watchlist_equal_to_the_file_has_no_overlay(config: Path, tmp_path: Path) -> None:
    symbols_add("NVDA", config=config)
    place = tmp_path / "var" / "sim" / "watchlist.json"
    assert watchlist_overlay.read(place) is not None
    symbols_remove("NVDA", config=config)
    assert not place.exists()


def test_a_list_from_a_file(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("# mine\nNVDA\n\ntsla   # first love\nBRK B\nNVDA\n")
    assert symbols_file(listed, config=config) == 0
    assert traded(config) == ("NVDA", "TSLA", "BRK B")
    assert capsys.readouterr().out.splitlines() == ["added NVDA, BRK B", "removed GME", "3 symbols are traded"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TSLA\nBRK.B\n", r"list.txt:2: BRK.B: no ticker"),
        ("# nothing\n", r"names no ticker"),
        (None, r"cannot be read"),
    ],
)
def test_a_bad_list_changes_nothing(config: Path, tmp_path: Path, text: str | None, message: str) -> None:
    listed = tmp_path / "list.txt"
    if text is not None:
        listed.write_text(text)
    with pytest.raises(Refusal, match=message):
        symbols_file(listed, config=config)
    assert traded(config) == ("TSLA", "GME")


def test_a_refusal_is_one_line(config: Path) -> None:
    for command, arguments, message in (
        (symbols_add, (), "at least one ticker"),
        (symbols_add, ("T$LA",), "no ticker"),
        (symbols_remove, ("NVDA",), "not in the watchlist"),
        (symbols_remove, ("TSLA", "GME"), "at least one symbol"),
    ):
        with pytest.raises(Refusal, match=message) as caught:
            command(*arguments, config=config)
        assert "\n" not in str(caught.value)
    assert traded(config) == ("TSLA", "GME")


def test_the_watchlist_is_no_longer_than_the_lines_of_the_login(config: Path) -> None:
    config.write_text("mode: paper\nwatchlist: [TSLA]\nmarket_data: {max_lines: 3}\n")
    symbols_add("AA", "BB", config=config)
    with pytest.raises(Refusal, match=r"4 symbols, market_data.max_lines is 3"):
        symbols_add("CC", config=config)
    assert traded(config) == ("TSLA", "AA", "BB")


def test_an_overlay_with_a_mistake_is_named(config: Path, tmp_path: Path) -> None:
    symbols_add("NVDA", config=config)
    config.write_text("mode: paper\nfleet: sim\nwatchlist: [TSLA, GME]\nmarket_data: {max_lines: 2}\n")
    with pytest.raises(Refusal, match=r"watchlist.json: watchlist: 3 symbols.*or remove this file"):
        load(config)
