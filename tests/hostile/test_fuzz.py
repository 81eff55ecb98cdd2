"""A short run of the fuzzer: mutated requests must not break an invariant. `make fuzz` runs longer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.simulator.venue.exchange import Exchange
from tests.hostile.__main__ import attack, replay, save
from tests.hostile.attacked_gateway import inputs
from tests.hostile.corpus import VERSIONS, valid_requests
from tests.hostile.mutations import EVIL, written

SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_input_breaks_an_invariant(seed: int) -> None:
    async def play() -> None:
        assert attack(seed, 1000) == []

    asyncio.run(play())


def test_a_seed_gives_the_same_inputs() -> None:
    assert list(inputs(7, 500)) == list(inputs(7, 500))
    assert list(inputs(7, 500)) != list(inputs(8, 500))


def test_a_failure_is_found_saved_and_replayed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The fuzzer can fail."""

    def stumble(_exchange: Exchange, *_: object) -> None:
        raise ZeroDivisionError("stumbled")

    monkeypatch.chdir(tmp_path)

    async def play() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Exchange, "cancel_all", stumble)
            given = attack(0, 2000)
            assert 0 < len(given) < 2000
            path = save(0, given)
            with pytest.raises(Exception, match="stumbled"):
                replay(path)
        replay(path)

    asyncio.run(play())


def test_every_version_has_its_requests_and_every_value_can_be_written() -> None:
    for version in VERSIONS:
        identifiers = {fields[0] for fields in valid_requests(version)}
        assert {"1", "3", "4", "20", "96", "97", "99"} <= identifiers
    assert written(EVIL).count(b"\0") == len(EVIL)
    with pytest.raises(UnicodeDecodeError):
        written(EVIL).decode()
