"""The tests on the wire run with either IBKR library."""

from __future__ import annotations

import pytest

from services.gateway.ibkr.library import LibraryName, is_installed
from tests.gateway import on_the_wire

LIBRARIES: tuple[LibraryName, ...] = ("ib_insync", "ib_async")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__.endswith("_wire"):
        metafunc.fixturenames.append("ibkr_library")
        metafunc.parametrize("ibkr_library", LIBRARIES, indirect=True)


@pytest.fixture
def ibkr_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_installed(request.param):
        pytest.skip(f"{request.param} is not installed: `make ibasync` installs it")
    monkeypatch.setattr(on_the_wire, "LIBRARY", request.param)
