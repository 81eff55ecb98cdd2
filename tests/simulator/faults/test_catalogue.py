"""The catalogue of faults: names, arguments, and the real-life rows that they reproduce."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.configuration.refusal import Refusal
from services.simulator import faults_page
from services.simulator.broker import SimulatedBroker
from services.simulator.faults import catalogue, real_life, timetable
from services.simulator.faults.active import ActiveFault, Faults, TimedFault
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.store import Store
from tests.simulator.on_the_wire import ACCOUNT, CALM, OPEN_NS, SECOND, SESSION, WrittenMarket

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.mark.parametrize("name", catalogue.FAULTS)
def test_every_fault_is_described_and_tested_on_the_wire(name: str) -> None:
    kind = catalogue.FAULTS[name]
    assert kind.__doc__
    assert catalogue.meaning(kind).endswith(".")
    for argument in catalogue.arguments(kind):
        assert argument.meaning, argument
        assert argument.values, argument
    assert any(f'"{name}"' in path.read_text() for path in HERE.glob("test_*_wire.py"))


def test_every_row_of_real_life_that_a_gateway_can_cause_has_a_fault() -> None:
    assert list(real_life.ROWS) == list(range(1, 75))
    others = [number for number, row in real_life.ROWS.items() if not row.faults]
    assert others == [19, 25, 41, 45, 48, 57, 58, 59, 60, *range(69, 75)]
    needed = {"symbol": "TSLA", "text": "text"}
    for row in real_life.ROWS.values():
        assert bool(row.faults) != bool(row.not_ours)
        for typed in row.faults:
            name, *words = typed.split()
            given = dict(word.split("=", 1) for word in words)
            kind = catalogue.FAULTS[name]
            given |= {
                each.name: needed[each.name]
                for each in catalogue.arguments(kind)
                if each.default == "must be given" and each.name not in given
            }
            assert catalogue.fault(name, given)


def test_the_page_of_faults_is_up_to_date() -> None:
    remedy = f"renew it: .venv/bin/python -m services.simulator.faults_page > {faults_page.PAGE}"
    assert (ROOT / faults_page.PAGE).read_text() == faults_page.page(), remedy


def test_the_examples_of_the_documentation_are_valid(tmp_path: Path) -> None:
    handbook = (ROOT / "docs" / "simulator.md").read_text()
    (example,) = re.findall(r"```yaml\n(faults:.*?)```", handbook, re.DOTALL)
    path = tmp_path / "timetable.yaml"
    path.write_text(example)
    assert len(timetable.load(path)) == example.count("fault:")
    typed = re.findall(r"crazy simulator fault ([a-z-]+)([^#\n]*)", handbook)
    assert len(typed) > 5
    for name, rest in typed:
        if name not in ("list", "clear"):
            assert catalogue.fault(name, dict(word.split("=", 1) for word in rest.split() if "=" in word))


@pytest.mark.parametrize(
    ("name", "given", "complaint"),
    [
        ("hamg", {}, "fault hamg: there is none of this name; did you mean `hang`?"),
        ("hang", {"second": 3}, "fault hang: second: unknown argument; it has client, seconds"),
        ("hang", {"seconds": "soon"}, "fault hang: seconds: `soon` does not fit; give a number at least 0"),
        ("halt", {}, "fault halt: symbol is missing; give a symbol"),
        ("lose", {"kind": "tick"}, "fault lose: kind: `tick` does not fit; give `any`, or a callback: tickPrice"),
        ("reject", {"first": "none"}, "fault reject: first: `none` does not fit; give `error` or `status`"),
    ],
)
def test_an_invalid_fault_is_one_line(name: str, given: dict[str, object], complaint: str) -> None:
    with pytest.raises(Refusal) as refused:
        catalogue.fault(name, given)
    assert str(refused.value).startswith(complaint)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("faults: [", "1: not valid YAML"),
        ("drop: 1", "1: a timetable has one key, `faults`, and below it a list"),
        ("faults:\n  - drop", "2: `drop` is no entry"),
        ("faults:\n  - {after: 1, fault: dorp}", "2: fault dorp: there is none of this name; did you mean `drop`?"),
        ("faults:\n  - {fault: drop}", "2: fault drop: give either `at` (market time) or `after`"),
        ("faults:\n  - {after: 1, at: 2, fault: drop}", "2: fault drop: give either"),
        ("faults:\n\n  - {after: -1, fault: drop}", "3: fault drop: after: `-1` does not fit"),
        ("faults:\n  - {at: noon, fault: drop}", "2: fault drop: at: `noon` does not fit; give a time like"),
        ("faults:\n  - {after: 1}", "2: `fault` is missing"),
    ],
)
def test_a_wrong_timetable_is_named_by_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "timetable.yaml"
    path.write_text(text)
    with pytest.raises(Refusal) as refused:
        timetable.load(path)
    assert str(refused.value).startswith(f"{path}:{complaint}")


def test_times_of_a_timetable(tmp_path: Path) -> None:
    path = tmp_path / "timetable.yaml"
    path.write_text(
        "faults:\n"
        "  - {after: 1.5, fault: drop}\n"
        "  - {at: 2025-01-06 10:00, fault: drop}\n"
        "  - {at: 2025-01-06 10:00:00, fault: drop}\n"
        '  - {at: "2025-01-06T15:00:00+00:00", fault: drop}\n'
    )
    assert [entry.due_ns(7) for entry in timetable.load(path)] == [1_500_000_007, *[1_736_175_600 * 10**9] * 3]


def test_a_restarted_process_starts_no_fault_twice(tmp_path: Path) -> None:
    simulator = SimulatedBroker(
        WrittenMarket(CALM),
        [SESSION],
        Store(tmp_path / "ledger", ACCOUNT),
        accounts=[AccountTerms(account=ACCOUNT)],
        start_ns=OPEN_NS,
        host="127.0.0.1",
        port=0,
    )
    faults = simulator.server.dispatcher.faults
    wrong = timetable.TimetableEntry(catalogue.fault("halt", {"symbol": "GME"}), 5 * SECOND, None)
    entries = [timetable.TimetableEntry(catalogue.fault("drop", {}), seconds * SECOND, None) for seconds in (10, 100)]
    with pytest.raises(Refusal, match="GME is not in this market"):
        simulator.plan([*entries, wrong])
    assert faults.next_ns() is None
    simulator.plan(entries, simulator.exchange.now_ns - 60 * SECOND)  # the market began a minute ago
    assert faults.next_ns() == simulator.exchange.now_ns + 40 * SECOND
    faults.pass_time(simulator.exchange.now_ns + 40 * SECOND)
    assert faults.next_ns() is None


class RecordingFault(TimedFault, frozen=True, kw_only=True):
    """Notes when it ends."""

    def end(self, active: ActiveFault) -> None:
        active.data["over"] = active.now_ns


def test_a_timed_fault_ends_once() -> None:
    faults = Faults(now_ns=0)
    timed = faults.begin("told", RecordingFault(seconds=2))
    open_ended = faults.begin("told", RecordingFault())
    assert faults.next_ns() == 2 * 10**9
    faults.pass_time(5 * 10**9)
    assert (timed.data, open_ended.data) == ({"over": 5 * 10**9}, {})
    assert faults.clear("other") == []
    assert faults.clear() == ["told"]
    assert (faults.active, faults.next_ns()) == ([], None)
    cleared = faults.begin("told", RecordingFault(seconds=2))
    faults.clear()
    faults.pass_time(10 * 10**9)
    assert cleared.data == {"over": 5 * 10**9}
