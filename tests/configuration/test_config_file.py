"""The operator's YAML: what is accepted, what is refused, and with which message."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from services.configuration import config_file
from services.configuration.config_file import ConfigurationError
from services.configuration.notices import notices
from services.configuration.settings import Settings

ROOT = Path(__file__).parents[2]


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "my.yaml"
    path.write_text(text)
    return config_file.load(path)


def refused(folder: Path, text: str) -> list[str]:
    """The lines of the refusal, without the folder."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, text)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("text", "line", "remedy"),
    [
        ("watchlist: [TSLA]\nmode: simm", "my.yaml:2: mode: `simm` does not fit", "`live` or `paper` or `sim`"),
        ("watchlist: [TSLA]\nibkr:\n  port: x", "my.yaml:3: ibkr.port: `x` does not fit", "a whole number"),
        ("watchlist: [TSLA]\nibkr: {port: 70000}", "my.yaml:2: ibkr.port: `70000`", "at most 65,535"),
        ("watchlist: [TSLA]\nibkr: {port: true}", "my.yaml:2: ibkr.port: `true`", "a whole number"),
        ("watchlist: [TSLA]\nrisk: 5", "my.yaml:2: risk: `5` is not a group", "indent"),
        ("watchlist: [TSLA]\nentries:\n  tif: GTC", "my.yaml:3: entries.tif: `GTC`", "give `DAY`"),
        (
            "watchlist: [TSLA]\nentries: {buy_stop_pct_above_last: -1}",
            "my.yaml:2: entries.buy_stop_pct_above_last: `-1`",
            "above 0 and below 100",
        ),
        (
            "watchlist: [TSLA]\nentries: {buy_stop_pct_above_last: .nan}",
            "my.yaml:2: entries.buy_stop_pct_above_last:",
            "above 0 and below 100",
        ),
        (
            "watchlist: [TSLA]\nentries:\n  buy_stop_pct_above: 5",
            "my.yaml:3: entries.buy_stop_pct_above: unknown key",
            "did you mean `buy_stop_pct_above_last`?",
        ),
        ("watchlist: [TSLA]\nclient_id: 5", "my.yaml:2: client_id: unknown key", "belongs under `ibkr`"),
        ("watchlist: [TSLA]\nstops: {zzz: 5}", "my.yaml:2: stops.zzz: unknown key", "`stops` has trailing_stop_pct"),
        ("mode: sim\nmode: paper", "my.yaml:2: mode: given twice (first in line 1)", "remove one"),
        ("stops:\n  tif: GTC\n  tif: GTC", "my.yaml:3: stops.tif: given twice (first in line 2)", "remove one"),
        ("mode: sim", "my.yaml:1: watchlist: missing", "give a list"),
        ("", "my.yaml:1: watchlist: missing", "give a list"),
        ("watchlist: TSLA", "my.yaml:1: watchlist: `TSLA` does not fit", "give a list"),
        ("watchlist: []", "my.yaml:1: watchlist: `[]` does not fit", "give a list"),
        ("watchlist:\n- TSLA\n- tsla", "my.yaml:3: watchlist[1]: `tsla`", "in upper case"),
        ("watchlist: [BRK.B]", "my.yaml:1: watchlist[0]: `BRK.B`", "BRK B"),
        ("watchlist:\n- TSLA\n- NVDA\n- TSLA", "my.yaml:4: watchlist[2]: `TSLA` is there already", "stands once"),
        ("watchlist: [TSLA]\nfleet: My Fleet", "my.yaml:2: fleet: `My Fleet`", "a-z, 0-9 and -"),
        (
            "watchlist: [TSLA]\nallocation:\n  per_symbol_override: {TSLA: -5}",
            "my.yaml:3: allocation.per_symbol_override.TSLA: `-5`",
            "above 0",
        ),
        ("watchlist: [TSLA]\nsimulation: {start: 2025-13-01}", "my.yaml:2: simulation.start: `2025-13-01`", "a date"),
        (
            "watchlist: [TSLA]\nsimulation: {start: 2025-02-01, end: 2025-01-01}",
            "my.yaml:2: simulation.end: 2025-01-01 is before",
            "swap",
        ),
        ("watchlist: [TSLA]\nsimulation: {market: files}", "my.yaml:2: simulation.files:", "name one"),
        (
            "watchlist: [TSLA]\nentries: {type: buy_stop_limit, native_stp: true}",
            "my.yaml:2: entries.native_stp: a bare STP has no limit",
            "buy_stop",
        ),
        (
            "mode: live\nwatchlist: [TSLA]\nstops: {tif: DAY}\nibkr: {account: U1234567}",
            "my.yaml:3: stops.tif: live needs `GTC`",
            "overnight",
        ),
        (
            "watchlist: [TSLA]\nibkr: {time_zone: Europe/Zurigo}",
            "my.yaml:2: ibkr.time_zone: no time zone Europe/Zurigo",
            "America/New_York",
        ),
        (
            "watchlist: [TSLA]\nhours: {calendar: XNSY}",
            "my.yaml:2: hours.calendar: no calendar XNSY",
            "did you mean XNYS?",
        ),
        (
            "watchlist: [TSLA]\nhours: {calendar: XLON, allow_after_hours: true}",
            "my.yaml:2: hours.allow_after_hours: known for New York only",
            "set it to false",
        ),
        ("mode: live\nwatchlist: [TSLA]", "my.yaml:1: ibkr.account: live is never left to guess", "give the id"),
        (
            "mode: live\nwatchlist: [TSLA]\nibkr: {account: U1234567, allow_delayed: true}",
            "my.yaml:3: ibkr.allow_delayed: live never",
            "remove it",
        ),
        (
            "mode: live\nwatchlist: [TSLA]\nibkr: {account: DU1234567}",
            "my.yaml:3: ibkr.account: DU1234567 is a paper account and mode is live",
            "correct one",
        ),
        (
            "mode: paper\nwatchlist: [TSLA]\nibkr: {account: U1234567}",
            "my.yaml:3: ibkr.account: U1234567 is a live account and mode is paper",
            "correct one",
        ),
        (
            "watchlist: [TSLA]\nwinding_down: [GME, TSLA]",
            "my.yaml:2: winding_down[1]: `TSLA` is there already",
            "one list",
        ),
        (
            "mode: paper\nwatchlist: [AA, BB]\nmarket_data: {max_lines: 1}",
            "my.yaml:2: watchlist: 2 symbols, market_data.max_lines is 1",
            "raise",
        ),
        ("watchlist: [TSLA", "my.yaml:1: not valid YAML", "indentation"),
        ("- TSLA", "my.yaml:1: holds no keys", "watchlist"),
    ],
)
def test_a_mistake_is_one_line_with_file_line_key_and_remedy(tmp_path: Path, text: str, line: str, remedy: str) -> None:
    (message,) = refused(tmp_path, text)
    assert message.startswith(line)
    assert remedy in message


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    lines = refused(tmp_path, "mode: simm\nwatchlist: [tsla]\nibkr: {port: x, hots: y}")
    assert [line.split(": ")[1] for line in lines] == ["mode", "watchlist[0]", "ibkr.port", "ibkr.hots"]


@pytest.mark.parametrize("name", ["", "folder"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / (name or "missing.yaml")
    if name:
        path.mkdir()
    with pytest.raises(ConfigurationError) as caught:
        config_file.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_tickers_that_yaml_takes_for_booleans(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "watchlist: [ON, NO, TRUE, Y]\nallocation: {per_symbol_override: {ON: 500}}")
    assert settings.watchlist == ("ON", "NO", "TRUE", "Y")
    assert settings.entry_usd("ON") == 500
    assert settings.entry_usd("NO") == 1000


REPLACED_BOT = """
ibkr:
  host: "127.0.0.1"
  port: 5000
  client_id: 12
  account: null
mode: paper
watchlist:
  - TSLA
  - NVDA
allocation:
  total_usd_cap: 20000
  per_symbol_usd: 1000
  per_symbol_override:
  min_cash_reserve_percent: 10
  allow_fractional: false
entries:
  type: buy_stop
  buy_stop_pct_above_last: 5.0
  stop_limit_max_slip_pct: 1.0
  tif: DAY
  cancel_at_close: true
  rearm_next_session: true
stops:
  trailing_stop_pct: 10.0
  use_trailing_limit: false
  trail_limit_offset_pct: 0.2
  tif: GTC
risk:
  max_total_exposure_usd: 20000
  max_symbol_exposure_usd: 2000
hours:
  calendar: XNYS
  allow_pre_market: false
  allow_after_hours: false
cooldowns:
  after_stopout_minutes: 20
logging:
  level: info
"""


def test_the_replaced_bots_file_runs_unchanged_and_its_values_are_the_defaults(tmp_path: Path) -> None:
    assert loaded(tmp_path, REPLACED_BOT) == Settings(mode="paper", watchlist=("TSLA", "NVDA"))


def test_values_that_follow_from_the_mode(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "watchlist: [TSLA]\nrisk:\n")
    assert (settings.mode, settings.name, settings.ibkr.account) == ("sim", "sim", "DU1234567")
    assert settings.simulation.start == date(2025, 1, 6)
    paper = loaded(tmp_path, "mode: paper\nwatchlist: [TSLA]")
    assert (paper.name, paper.ibkr.account) == ("paper", None)


def test_fleets_of_other_names_run_side_by_side(tmp_path: Path) -> None:
    one, two = (loaded(tmp_path, f"fleet: {name}\nwatchlist: [TSLA]").ibkr for name in ("one", "two"))
    assert len({one.port, two.port, 5000}) == 3
    assert len({one.client_id, two.client_id, 12}) == 3
    assert 20_000 <= one.port < 30_000
    again = loaded(tmp_path, "fleet: one\nwatchlist: [TSLA]").ibkr
    assert again == one
    given = loaded(tmp_path, "fleet: one\nwatchlist: [TSLA]\nibkr: {port: 7000, client_id: 3}").ibkr
    assert (given.port, given.client_id) == (7000, 3)
    paper = loaded(tmp_path, "mode: paper\nfleet: one\nwatchlist: [TSLA]").ibkr
    assert (paper.port, paper.client_id) == (5000, one.client_id)


def test_market_files_start_at_the_folder_of_the_configuration(tmp_path: Path) -> None:
    text = "watchlist: [TSLA]\nsimulation: {market: files, files: [bars.csv, /data/ticks.parquet]}"
    settings = loaded(tmp_path, text)
    assert settings.simulation.files == (str(tmp_path / "bars.csv"), "/data/ticks.parquet")
    assert settings.simulation.start is None


def test_settings_reach_the_processes_unchanged(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "watchlist: [TSLA]\nsimulation: {start: 2022-03-22, files: [a.csv]}")
    path = tmp_path / "settings.json"
    path.write_bytes(settings.to_json())
    assert Settings.from_json(path) == settings


@pytest.mark.parametrize("name", ["config.yaml", "paper.example.yaml", "live.example.yaml"])
def test_the_examples_are_valid(name: str) -> None:
    settings = config_file.load(ROOT / "config" / name)
    assert settings.mode == {"c": "sim", "p": "paper", "l": "live"}[name[0]]
    assert notices(settings) == []


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("hours: {allow_pre_market: true}", "outside regular hours too"),
        ("allocation: {allow_fractional: true}", "below one share has no stop"),
        ("allocation: {per_symbol_override: {GME: 5}}", "GME not in the watchlist"),
        ("allocation: {total_usd_cap: 1000}", "need $1,050, the cap is $1,000"),
        ("allocation: {total_usd_cap: 1000}\nentries: {type: buy_stop_limit}", "need $1,010, the cap is $1,000"),
    ],
)
def test_notices(tmp_path: Path, text: str, notice: str) -> None:
    (message,) = notices(loaded(tmp_path, f"watchlist: [TSLA]\n{text}"))
    assert notice in message


def test_a_wrong_switch_of_the_simulated_broker_is_named(tmp_path: Path) -> None:
    text = "watchlist: [TSLA]\nsimulation:\n  policy:\n    funds_checked: false\n    fund_checked: true\n"
    with pytest.raises(ConfigurationError, match=r":5: simulation.policy.fund_checked: unknown switch; did you mean"):
        loaded(tmp_path, text)
    good = loaded(tmp_path, text.replace("    fund_checked: true\n", ""))
    assert good.simulation.policy == {"funds_checked": False}
    assert Settings.from_json(_written(tmp_path, good)) == good


def _written(folder: Path, settings: Settings) -> Path:
    path = folder / "settings.json"
    path.write_bytes(settings.to_json())
    return path
