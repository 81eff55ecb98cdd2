"""python -m tests.simulation: the fleet's cores through two-week runs in which things go wrong. See docs/simulation.md.

    --days N        sessions in all, in runs of ten (default 1000)
    --seed N        the seed of the first run; the next one has the next
    --keep 3,7      of this one seed, only these incidents: the replay of a failure; prints the trace
    --jobs N        processes (default: all)

The last lines are the counts. Exit code 1 if a promise was broken, or if a kind of incident never happened.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context

from tests.simulation.campaign import Outcome, never_happened, one_run, replay_command
from tests.simulation.run import Plan, plan_of, run

DAYS = 10
"""Sessions of one run."""


def replay(seed: int, keep: str) -> int:
    """One run with a part of its incidents, with its trace."""
    plan = plan_of(seed, DAYS)
    places = [int(place) for place in keep.split(",") if place]
    plan = Plan(plan.seed, plan.days, tuple(plan.incidents[place] for place in places))
    result = run(plan, keep_trace=True)
    print("\n".join(result.trace))
    print(f"trace {result.trace_hash}; {result.broken or 'no promise was broken'}")
    return 1 if result.broken else 0


def outcomes(first: int, count: int, jobs: int) -> Iterator[Outcome]:
    """The runs of these seeds, as they end."""
    seeds = range(first, first + count)
    if jobs == 1:
        yield from map(one_run, seeds)
        return
    with get_context("fork").Pool(jobs) as pool:
        yield from pool.imap_unordered(one_run, seeds, chunksize=4)


def main() -> int:
    """Exit code 1 if a run failed."""
    parser = argparse.ArgumentParser(
        prog="make simulate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.keep is not None:
        return replay(given.seed, given.keep)
    runs = max(1, given.days // DAYS)
    counts: Counter[str] = Counter()
    failed = 0
    began = shown = time.monotonic()
    for done, outcome in enumerate(outcomes(given.seed, runs, given.jobs), 1):
        counts.update(outcome.counts)
        if outcome.broken:
            failed += 1
            print(f"\nseed {outcome.seed}: {outcome.broken}\n  {replay_command(outcome)}", flush=True)
            for incident in outcome.kept:
                print(f"  {incident}", flush=True)
        now = time.monotonic()
        if now - shown >= 1.0 or done == runs:
            shown = now
            rate = done / (now - began)
            left_s = (runs - done) / rate
            line = f"{done} of {runs} runs, {failed} failed, {rate * DAYS:.0f} days a second, {left_s:.0f} s left "
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for name, number in sorted(counts.items()):
        print(f"{number:>9} {name}")
    missing = never_happened(counts)
    if missing:
        print(f"never happened: {', '.join(missing)}")
    print(f"{runs} runs of {DAYS} sessions, {failed} broke a promise, {time.monotonic() - began:.0f} s")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main())
