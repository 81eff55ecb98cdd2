"""The evidence from the paper fleets that `crazy golive` shows."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from messages.account import PerformanceSnapshot
from messages.market import Session, SessionOpened
from messages.operator import Happened
from messages.orders import OrderPlaced, ProtectionChanged
from services.cli.commands.golive import golive
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.fleet import probe_results
from services.fleet.places import Fleet
from services.fleet.probe_results import Probed, Results
from services.recorder.store import DuckLedger
from tests.recorder.scenario import SECOND, T0, first_release, order, record

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def paper(config: Path, tmp_path: Path) -> Fleet:
    config.write_text("mode: live\nwatchlist: [TSLA]\nibkr: {port: 4001, account: U1234567}\n")
    made = Fleet(Settings(mode="paper", watchlist=("TSLA",)), tmp_path)
    made.prepare()
    made.settings_file.write_bytes(made.settings.to_json())
    return made


def shown(config: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(Refusal, match="that is not U1234567; nothing is confirmed"):
        golive(without_probe=True, config=config)
    return capsys.readouterr().out.splitlines()


def test_sessions_audits_restarts_and_seconds_without_a_stop(
    paper: Fleet, config: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = DuckLedger(paper.database, fleet=paper.name, account="DU1")
    audits = [Happened(f"audit_{finding}", "TSLA", "INFO", {}, T0) for finding in ("passed", "failed", "passed")]
    record(
        made,
        SessionOpened(Session("2022-03-22", T0, T0 + 3_600 * SECOND), 0),
        PerformanceSnapshot("2022-03-22", 1e5, 1e5, 0.0, 0.0, 0.0, 0.0, 0, 1),
        OrderPlaced(order(filled=10.0)),
        *audits,
        Happened("process_restarted", "", "WARNING", {}, T0),
        Happened("position_unprotected", "TSLA", "ERROR", {}, T0),
        ProtectionChanged("TSLA", 10.0, 0.0, T0 + 3_590 * SECOND),
        ProtectionChanged("TSLA", 10.0, 10.0, T0 + 4_600 * SECOND + SECOND // 2),
    )
    made.close()
    assert shown(config, capsys, monkeypatch)[1:4] == [
        "  paper fleet paper: 1 session, 1 filled entry, 1 restart survived",
        "    3 morning audits of what was held, 2 clean",
        "    shares without a stop: 10.0 s while the market was open, 1,000.5 s while it was closed; 1 alert",
    ]


def test_the_answers_of_a_paper_probe_are_asked_for(
    paper: Fleet, config: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        Refusal, match="run `crazy paper-probe --buy` on your paper account first, or say --without-probe"
    ):
        golive(config=config)
    unanswered = Probed("", "the market was closed", "2025-01-06")
    probe_results.write(paper.probe_results, Results("DU1", "paper", {"filled_told": unanswered}))
    with pytest.raises(Refusal, match="paper-probe"):
        golive(config=config)
    answers = {
        name: Probed(value, "", "2025-01-06")
        for name, value in (("tif_may_change", "true"), ("far_limits", "immediate_end"))
    }
    told = {"filled_told": unanswered, **answers}
    probe_results.write(paper.probe_results, Results("DU1", "sim", told))
    with pytest.raises(Refusal, match="paper-probe"):
        golive(config=config)
    probe_results.write(paper.probe_results, Results("DU1", "paper", told))
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(Refusal, match="nothing is confirmed"):
        golive(config=config)
    assert (
        "  paper-probe of DU1: 2 answers; not as the simulator assumes: tif_may_change true" in capsys.readouterr().out
    )


def test_records_of_a_release_that_did_not_count_them(
    paper: Fleet, config: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_release(paper.database)
    assert shown(config, capsys, monkeypatch)[1:4] == [
        "  paper fleet paper: 1 session, 1 filled entry, 0 restarts survived",
        "    0 morning audits of what was held, 0 clean",
        "    shares without a stop: not counted by the release that traded; 0 alerts",
    ]
