"""Each question of `crazy paper-probe` against simulated brokers that answer it differently.

The judge is the policy that the simulated broker was started with.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.cli import broker_probes
from services.cli.broker_probes import RESTING_PROBES, SHARE_PROBES
from services.cli.commands import paper_probe as command
from services.cli.commands.paper_probe import paper_probe
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.fleet import probe_results
from services.fleet.places import Fleet
from services.fleet.probe_results import Probed, Results
from services.simulator.testing import Simulator

Capture = pytest.CaptureFixture[str]

BROKERS: tuple[dict[str, str], ...] = (
    {
        "trail_child_on_stop_parent": "false",
        "child_oca_overwritten": "true",
        "child_change": "group_left_out",
        "child_survives_parent_cancel": "false",
        "oca_client_cancel_cascades": "true",
        "order_ids_must_rise": "true",
        "cancelled_id_is_a_change": "true",
        "tif_may_change": "false",
        "stops_trade_outside_rth": "false",
        "other_clients_may_cancel": "true",
        "filled_told": "twice",
        "filled_before_execution": "false",
        "completed_orders_told": "since_midnight",
        "far_limits": "immediate_end",
    },
    {
        "trail_child_on_stop_parent": "true",
        "child_oca_overwritten": "false",
        "child_change": "none",
        "child_survives_parent_cancel": "true",
        "oca_client_cancel_cascades": "false",
        "order_ids_must_rise": "false",
        "cancelled_id_is_a_change": "false",
        "tif_may_change": "true",
        "stops_trade_outside_rth": "true",
        "other_clients_may_cancel": "false",
        "filled_told": "once",
        "filled_before_execution": "true",
        "completed_orders_told": "never",
        "far_limits": "fill",
    },
    {
        "child_change": "group_named",
        "filled_told": "by_execution",
        "far_limits": "all_end",
    },
)
"""Brokers that answer differently: each switch that is asked about, with each value that it can have."""

PROBES = {name: probe for probe in (*RESTING_PROBES, *SHARE_PROBES) for name in probe.switches}


@contextmanager
def broker(config: Path, **policy: str) -> Iterator[Simulator]:
    """A simulated broker with these switches, whose market moves by itself."""
    with Simulator(symbols=("TSLA",), accounts=("DU1234567",), policy=policy) as simulator:
        simulator.advance(seconds=60)
        config.write_text(f"mode: paper\nwatchlist: [TSLA]\nibkr: {{port: {simulator.port}, account: DU1234567}}\n")
        over = threading.Event()

        def move() -> None:
            while not over.wait(0.02):
                simulator.advance(seconds=1)

        mover = threading.Thread(target=move)
        mover.start()
        try:
            yield simulator
        finally:
            over.set()
            mover.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_probes, "SETTLE_S", 0.2)


@pytest.fixture
def fleet(config: Path, tmp_path: Path) -> Fleet:
    return Fleet(Settings(mode="paper", watchlist=("TSLA",)), tmp_path)


def nothing_left(simulator: Simulator) -> bool:
    exchange = simulator._call(lambda: simulator._running.broker.exchange)
    return not exchange.open_orders() and not any(p.quantity for p in exchange.positions("DU1234567"))


def test_every_switch_that_is_asked_about_is_tried_both_ways() -> None:
    assert all(sum(name in switches for switches in BROKERS) >= 2 for name in PROBES)
    assert BROKERS[0].keys() == PROBES.keys()


@pytest.mark.parametrize("switches", BROKERS, ids=("documented", "other", "third"))
def test_the_probe_finds_the_switches(switches: dict[str, str], config: Path, fleet: Fleet) -> None:
    with broker(config, **switches) as simulator:
        assert paper_probe(buy=True, yes=True, config=config) == 0
        assert nothing_left(simulator)
    results = probe_results.read(fleet.probe_results)
    assert results is not None
    assert (results.account, results.mode) == ("DU1234567", "paper")
    assert {name: results.switches[name].value for name in switches} == switches
    assert results.executions, "to be asked about on a later day"


def test_only_what_differs_from_the_simulated_broker_is_named(config: Path, fleet: Fleet, capsys: Capture) -> None:
    with broker(config, tif_may_change="true"):
        assert paper_probe(yes=True, config=config) == 0
    printed = capsys.readouterr().out.splitlines()
    at = printed.index("simulation:")
    assert printed[at : at + 3] == ["simulation:", "  policy:", "    tif_may_change: true"]
    assert printed[at + 3].startswith("kept in ")


@pytest.mark.parametrize("told", ["since_midnight", "seven_days"])
def test_a_later_run_asks_for_executions_of_an_earlier_day(
    told: str, config: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "RESTING_PROBES", ())
    monkeypatch.setattr(command, "SHARE_PROBES", SHARE_PROBES[:1])
    with broker(config, executions_told=told) as simulator:
        assert paper_probe(buy=True, yes=True, config=config) == 0
        before = probe_results.read(fleet.probe_results)
        assert before is not None
        assert "executions_told" not in before.switches
        before.executions = dict.fromkeys(before.executions, "2020-01-02")
        probe_results.write(fleet.probe_results, before)
        simulator.advance(seconds=86_400 * 1.0)
        assert paper_probe(yes=True, config=config) == 0
    after = probe_results.read(fleet.probe_results)
    assert after is not None
    assert after.switches["executions_told"].value == told


def test_never_in_live_mode(config: Path) -> None:
    config.write_text("mode: live\nwatchlist: [TSLA]\nibkr: {port: 4001, account: U1234567}\n")
    with pytest.raises(Refusal, match="mode is live"):
        paper_probe(yes=True, config=config)


def test_without_yes_nothing_is_done(config: Path) -> None:
    with broker(config) as simulator:
        with pytest.raises(Refusal, match="say --yes to mean it"):
            paper_probe(config=config)
        assert nothing_left(simulator)


def test_answers_of_another_account_are_forgotten(config: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "RESTING_PROBES", RESTING_PROBES[:1])
    probe_results.write(fleet.probe_results, Results("DU9", "paper", {"far_limits": Probed("fill", "", "2020-01-02")}))
    with broker(config):
        assert paper_probe(yes=True, config=config) == 0
    results = probe_results.read(fleet.probe_results)
    assert results is not None
    assert list(results.switches) == ["trail_child_on_stop_parent"]
