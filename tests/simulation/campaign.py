"""One run of a campaign: the outcome of a seed, and for a failure the shortest list of incidents that still fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from tests.simulation.incidents import FACTS, POINTS, Incident
from tests.simulation.run import Plan, plan_of, run
from tests.simulation.shrink import shrink

__all__ = ["MUST_HAPPEN", "Outcome", "never_happened", "one_run", "replay_command"]

TWICE_EVERY = 20
"""Every so many seeds a run is repeated, and must have the same trace."""

MUST_HAPPEN = (
    *(f"kill {point}" for point in POINTS),
    *(f"killed {process}" for process in ("gateway", "risk", "clock", "symbol")),
    *(f"process away {process}" for process in ("gateway", "risk", "clock", "symbol")),
    *(f"machine off {how}" for how in ("a while", "over the close", "over midnight", "over a weekend")),
    *(f"command lost {command}" for command in ("PlaceOrder", "CancelOrder")),
    *(f"fact {how} {fact}" for how in ("lost", "late", "doubled") for fact in FACTS),
    *(f"answer {how}" for how in ("lost", "failed", "late", "without completed orders")),
    *("answer without positions", "answer without one position"),
    *("disconnect", "1100 1101", "1100 1102", "command without a socket", "fact while the broker is away"),
    *("sale by hand", "purchase by hand", "stop cancelled by hand", "split", "halt"),
    *(f"ledger lost {what}" for what in ("all", "gateway", "risk", "clock", "symbol")),
    *("rejected entry", "rejected stop", "cancelled by the broker", "filled in part", "corrected", "busted"),
    *("doubled", "order ids roll back", "error", "flatten", "pause"),
    *("shares bought", "shares sold", "shares to protect", "entry placed", "stop placed", "stops changed"),
    *("stops cancelled", "more sells than shares", "event stopout_cooldown_started", "event stopout_cooldown_ended"),
)
"""What every campaign counts. It fails if one of them is zero: what never happened proves nothing."""


class Outcome(msgspec.Struct):
    """How the run of a seed ended. `keep`: of a failure, the places of the incidents that it needs; `kept`: these."""

    seed: int
    broken: str
    counts: Counter[str]
    keep: list[int] = []
    kept: list[Incident] = []


def one_run(seed: int) -> Outcome:
    """Run one seed; shrink it if it fails."""
    plan = plan_of(seed)
    result = run(plan)
    if not result.broken and seed % TWICE_EVERY == 0 and run(plan).trace_hash != result.trace_hash:
        return Outcome(seed, "replay: the same seed gave another trace", result.counts)
    if not result.broken:
        return Outcome(seed, "", result.counts)

    def fails(places: Sequence[int]) -> bool:
        part = Plan(plan.seed, plan.days, tuple(plan.incidents[place] for place in places))
        return run(part).rule == result.rule

    keep = shrink(len(plan.incidents), fails)
    kept = [plan.incidents[place] for place in keep]
    shortest = run(Plan(plan.seed, plan.days, tuple(kept)))
    return Outcome(seed, shortest.broken, result.counts, keep, kept)


def replay_command(outcome: Outcome) -> str:
    """The command that replays a failure with its trace."""
    places = ",".join(map(str, outcome.keep))
    return f".venv/bin/python -m tests.simulation --seed {outcome.seed} --keep '{places}'"


def never_happened(counts: Counter[str]) -> list[str]:
    """What should have happened and did not."""
    return [name for name in MUST_HAPPEN if not counts[name]]
