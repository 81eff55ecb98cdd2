"""What holds for every test.

A test that says what it shows (`@pytest.mark.shows`) is held to it: those messages must have passed the wire, unless it
was skipped or failed before. And while `make mutate` plants faults, properties are tried on few examples, always the
same ones.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from services.simulator.requests.client import Client
from services.simulator.server import _Connection

settings.register_profile(
    "mutation",
    derandomize=True,
    database=None,
    max_examples=20,
    stateful_step_count=20,
    # mutmut runs the same tests several times in one process.
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)
if "MUTANT_UNDER_TEST" in os.environ:
    settings.load_profile("mutation")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first: the processors that share the tests end together."""
    items.sort(key=lambda item: "tests/simulation/test_absences" not in item.nodeid)


@pytest.fixture(autouse=True, scope="session")
def _state_of_its_own() -> Iterator[None]:
    """Sockets that don't fit into a test's own folder lie in that of the user's state: here in a short, private one."""
    with tempfile.TemporaryDirectory(prefix="crazy-", dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", folder)
        yield


PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the test itself passed."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture(autouse=True)
def _kept_promises(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compares the requests and replies of a test's markers with those that a gateway read and wrote meanwhile."""
    promised: dict[str, set[int]] = {"request": set(), "reply": set()}
    for mark in request.node.iter_markers("shows"):
        for kind, ids in promised.items():
            keys = mark.kwargs.get(kind, ())
            ids |= set(keys) if isinstance(keys, tuple | list) else {keys}
    if not any(promised.values()):
        yield
        return
    passed: dict[str, set[int]] = {"request": set(), "reply": set()}
    receive, take = _Connection._receive, Client.take

    def received(connection: _Connection, payload: bytes) -> None:
        name = payload.split(b"\0", 1)[0]
        passed["request"] |= {int(name)} if name.isdigit() else set()
        receive(connection, payload)

    def taken(client: Client) -> bytes:
        data = take(client)
        at = 0
        while at < len(data):
            payload = data[at + 4 : (end := at + 4 + int.from_bytes(data[at : at + 4], "big"))]
            passed["reply"].add(int(payload.split(b"\0", 1)[0]))
            at = end
        return data

    monkeypatch.setattr(_Connection, "_receive", received)
    monkeypatch.setattr(Client, "take", taken)
    yield
    if not request.node.stash.get(PASSED, False):
        return
    missing = {kind: ids - passed[kind] for kind, ids in promised.items()}
    assert not any(missing.values()), f"the marker `shows` promises what didn't happen: {missing}"
