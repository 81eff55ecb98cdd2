"""The Python API of the simulator: a thread, a free port, control of time and faults."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ib_insync as ibi
import pytest

from services.cli.__main__ import main
from services.configuration.refusal import Refusal
from services.simulator.control import default_path
from services.simulator.testing import Simulator


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="crazy-", dir="/tmp") as folder:
        monkeypatch.setenv("CRAZY_RUNTIME_DIR", folder)
        yield


async def eventually(what: object) -> None:
    async with asyncio.timeout(5):
        while not what():  # type: ignore[operator]
            await asyncio.sleep(0.005)


def test_time_and_faults_are_controlled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timetable = tmp_path / "timetable.yaml"
    timetable.write_text("faults:\n  - {after: 600, fault: message, code: 2119, text: soon}\n")

    async def play(simulator: Simulator) -> None:
        ib = ibi.IB()
        received: list[int] = []
        ib.errorEvent += lambda _id, code, *_rest: received.append(code)
        await ib.connectAsync(simulator.host, simulator.port, 1)
        simulator.fault("reject", code=201, count=1)
        refused = ib.placeOrder(ibi.Stock("TSLA", "SMART", "USD"), ibi.MarketOrder("BUY", 1))
        await eventually(lambda: 201 in received)
        taken = ib.placeOrder(ibi.Stock("TSLA", "SMART", "USD"), ibi.MarketOrder("BUY", 1))
        await ib.reqCurrentTimeAsync()
        before = simulator.now_ns
        assert simulator.advance(seconds=120) == before + 120 * 10**9
        await eventually(taken.isDone)
        assert (refused.filled(), taken.filled()) == (0, 1)
        simulator.advance(seconds=500)
        await eventually(lambda: 2119 in received)

        monkeypatch.setattr("sys.argv", ["crazy", "simulator", "fault", "drop", "--port", str(simulator.port)])
        with pytest.raises(SystemExit) as left:
            main()
        assert (left.value.code, capsys.readouterr().out) == (0, "drop begins\n")
        await eventually(lambda: not ib.isConnected())

    with Simulator(symbols=("TSLA",), faults=timetable) as simulator:
        with pytest.raises(Refusal, match="there is none of this name"):
            simulator.fault("nonsense")
        with pytest.raises(Refusal, match="symbol: GME is not in this market: TSLA"):
            simulator.fault("halt", symbol="GME")
        simulator.fault("hang", client=9)
        assert simulator.active() == ["hang  seconds=0.0 client=9"]
        simulator.clear("hang")
        assert simulator.active() == []
        asyncio.run(play(simulator))
        socket = default_path(simulator.port)
        assert socket.exists()
    assert not socket.exists()


def test_invalid_options_are_refused_at_the_start() -> None:
    with pytest.raises(Refusal, match="--speed"), Simulator(speed=-1.0):
        pass


def test_the_example_of_the_documentation_runs() -> None:
    handbook = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", handbook, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/simulator.md", "exec"), names)
    with Simulator(symbols=("TSLA",)) as running:
        names["test_my_bot_survives_a_rejection"](running)


def test_with_extended_hours_it_begins_at_four_in_the_morning() -> None:
    with Simulator(symbols=("TSLA",), extended_hours=True) as simulator:
        simulator.advance(events=1)
        assert 0 <= simulator.now_ns - 1_736_154_000 * 10**9 < 60 * 10**9  # 2025-01-06 04:00 in New York
