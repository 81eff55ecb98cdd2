"""Row 73: a scalar of the configuration is read by the declared type of its key, never by YAML's own rules."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from services.configuration import config_file
from services.configuration.config_file import ConfigurationError
from services.configuration.settings import Settings
from services.simulator.faults import timetable

TICKERS = ("ON", "NO", "Y", "N", "YES", "OFF", "TRUE", "FALSE", "NAN", "INF", "NULL", "T", "F", "E")


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "my.yaml"
    path.write_text(text)
    return config_file.load(path)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, text)
    return str(caught.value).removeprefix(f"{folder}/")


@pytest.mark.parametrize("ticker", TICKERS)
def test_field_73_every_ticker_is_text_wherever_tickers_stand(tmp_path: Path, ticker: str) -> None:
    settings = loaded(
        tmp_path,
        f"watchlist: [{ticker}, TSLA]\n"
        f"winding_down: [GME]\n"
        f"guards:\n  restricted: [{ticker}]\n  blackouts: {{{ticker}: [2025-02-26]}}\n"
        f"allocation:\n  per_symbol_override:\n    {ticker}: 1500\n",
    )
    assert settings.watchlist == (ticker, "TSLA")
    assert settings.guards.restricted == (ticker,)
    assert settings.guards.blackouts == {ticker: (date(2025, 2, 26),)}
    assert settings.allocation.per_symbol_override == {ticker: 1500.0}
    assert loaded(tmp_path, f"watchlist: [TSLA]\nwinding_down:\n- {ticker}\n").winding_down == (ticker,)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("012", "`012` has a leading zero, with which YAML counts in eights; write 12"),
        ("08", "`08` has a leading zero, with which YAML counts in eights; write 8"),
        ("1:30", "`1:30` is a number to base 60 in YAML; write a plain number, without a colon"),
        ("0x1F", "`0x1F` is not decimal; write a plain number"),
        ("on", "`on` does not fit; give a whole number at least 1"),
    ],
)
def test_field_73_a_number_that_yaml_misreads_is_refused_by_name(tmp_path: Path, value: str, why: str) -> None:
    assert refused(tmp_path, f"watchlist: [TSLA]\nibkr:\n  client_id: {value}\n").startswith(
        f"my.yaml:3: ibkr.client_id: {why}"
    )


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("risk: {max_symbol_exposure_usd: 01000}", "my.yaml:2: risk.max_symbol_exposure_usd: `01000` has a leading"),
        ("allocation: {per_symbol_override: {ON: 1:30}}", "my.yaml:2: allocation.per_symbol_override.ON: `1:30` is"),
        ("simulation: {policy: {server_version: 0170}}", "my.yaml:2: simulation.policy.server_version: "),
        ("entries: {open_delay_s: 0:15}", "my.yaml:2: entries.open_delay_s: `0:15` is a number to base 60"),
    ],
)
def test_field_73_wherever_a_number_stands(tmp_path: Path, line: str, start: str) -> None:
    assert refused(tmp_path, f"watchlist: [TSLA]\n{line}\n").startswith(start)


def test_field_73_plain_numbers_booleans_and_nulls_stay_what_they_were(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        "watchlist: [TSLA]\nobserve: yes\nfleet: null\nrisk:\nibkr: {client_id: 1_000, account: ~}\n"
        "allocation: {total_usd_cap: 2e4, per_symbol_usd: 1_000.50}\n"
        "guards: {drawdown_pct: null, price_band_pct: .5}\n"
        "simulation: {start: 2025-02-03, policy: {funds_checked: no}}\n",
    )
    assert (settings.observe, settings.name, settings.ibkr.client_id) == (True, "sim", 1000)
    assert (settings.allocation.total_usd_cap, settings.allocation.per_symbol_usd) == (20_000.0, 1_000.5)
    assert (settings.guards.drawdown_pct, settings.guards.price_band_pct) == (None, 0.5)
    assert settings.simulation.start == date(2025, 2, 3)
    assert settings.simulation.policy == {"funds_checked": False}


def test_field_73_a_fleet_with_a_misread_number_can_still_be_named_and_stopped(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("fleet: no\nwatchlist: [TSLA]\nibkr: {client_id: 012}\n")
    assert config_file.fleet_name(path) == "no"


def test_field_73_a_timetable_of_faults_reads_its_tickers_as_text(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(
        "faults:\n- {after: 1.5, fault: halt, symbol: ON}\n- {at: 2025-01-06 10:00, fault: hang, seconds: 9}\n"
    )
    halt, hang = timetable.load(path, ("ON",))
    assert (halt.after_ns, getattr(halt.fault, "symbol", None)) == (1_500_000_000, "ON")
    assert getattr(hang.fault, "seconds", None) == 9.0
