"""python -m tests.hostile [--inputs N] [--seed N] [--replay FILE]: attacks the simulated gateway, without a socket.

A failing run is saved, and replayed with --replay: it gets the same bytes again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from pathlib import Path

from tests.hostile.attacked_gateway import AttackedGateway, Input, inputs

WORLD = 2000
"""Inputs to one gateway; then a new one starts."""
FAILED = Path("var/fuzz")


def attack(seed: int, count: int) -> list[Input]:
    """One run. The inputs up to the one that broke an invariant; none if none did."""
    given: list[Input] = []
    with AttackedGateway(seed) as attacked:
        try:
            for each in inputs(seed, count):
                given.append(each)
                attacked.take(each)
            attacked.finish()
        except Exception as error:
            logging.getLogger(__name__).critical("world %d, input %d: %s", seed, len(given), error, exc_info=error)
            return given
    return []


def replay(path: Path) -> None:
    """Replays the same bytes; raises what they cause."""
    seed, *rows = [json.loads(line) for line in path.read_text().splitlines()]
    with AttackedGateway(seed) as attacked:
        for place, data, disconnect in rows:
            attacked.take(Input(place, bytes.fromhex(data), disconnect))
        attacked.finish()


def save(seed: int, given: list[Input]) -> Path:
    FAILED.mkdir(parents=True, exist_ok=True)
    path = FAILED / f"world-{seed}.jsonl"
    rows = [json.dumps([each.place, each.data.hex(), each.disconnect]) for each in given]
    path.write_text("\n".join([str(seed), *rows]) + "\n")
    return path


async def main() -> int:
    """Exit code 1 if an invariant broke."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first world; the next one has the next")
    parser.add_argument("--replay", type=Path)
    wanted = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL, format="%(message)s", stream=sys.stdout)
    if wanted.replay:
        replay(wanted.replay)
        print(f"{wanted.replay}: nothing breaks any more")
        return 0
    began, done, worlds, reported = time.monotonic(), 0, 0, 0.0
    while done < wanted.inputs:
        seed, count = wanted.seed + worlds, min(WORLD, wanted.inputs - done)
        if given := attack(seed, count):
            last = given[-1]
            print(f"failed: {last.data[:2000]!r}\nsaved: make fuzz REPLAY={save(seed, given)}")
            return 1
        done, worlds = done + count, worlds + 1
        elapsed = time.monotonic() - began
        if elapsed - reported >= 5 or done == wanted.inputs:
            reported = elapsed
            print(f"{done:>10,} inputs in {worlds:,} worlds, {done / elapsed:,.0f} a second, nothing broke", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
