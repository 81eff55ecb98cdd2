"""Where the time between a tick on the wire and its order on the wire goes, by the notes of the processes.

A stage ends with what it is named for, and begins where the one before it ended.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from pathlib import Path

import msgspec

from benchmarks.figures import percentile
from benchmarks.traced import Note

__all__ = ["STAGES", "Way", "stages", "table"]


class Way(msgspec.Struct, array_like=True):
    """One tick that led to an order: when the simulator wrote it, and when it read the order. Machine time."""

    symbol: str
    written_ns: int
    ordered_ns: int


STAGES: tuple[tuple[str, str, str], ...] = (
    ("gateway decodes the tick", "gateway", "Quote"),
    ("gateway publishes it", "gateway", "publish"),
    ("symbol receives it", "symbol", "Tick"),
    ("symbol decides, begins to commit", "symbol", "commit"),
    ("symbol has committed", "symbol", "committed"),
    ("risk receives the entry", "risk", "SubmitEntry"),
    ("risk decides, begins to commit", "risk", "commit"),
    ("risk has committed", "risk", "committed"),
    ("gateway receives the approval", "gateway", "EntryApproved"),
    ("gateway decides, begins to commit", "gateway", "commit"),
    ("gateway has committed", "gateway", "committed"),
    ("gateway hands the order to the library", "gateway", "place"),
)
"""What ends each stage: in words, the process (`symbol` is that of the tick), and the note. The last one, the
simulator's reading of the order, is in the way itself."""
LAST = "simulator reads the order"
FOR_ONE_SYMBOL = {"Quote", "publish", "Tick", "SubmitEntry", "EntryApproved", "place"}


class _Notes:
    """The notes of one process, to be searched by time."""

    def __init__(self, file: Path):
        self._times: dict[tuple[str, str], list[int]] = defaultdict(list)
        for note in msgspec.msgpack.decode(file.read_bytes(), type=list[Note]):
            self._times[note.what, note.symbol if note.what in FOR_ONE_SYMBOL else ""].append(note.at_ns)

    def next(self, what: str, symbol: str, from_ns: int) -> int | None:
        """When this was noted first from that time on."""
        times = self._times[what, symbol if what in FOR_ONE_SYMBOL else ""]
        place = bisect_left(times, from_ns)
        return times[place] if place < len(times) else None


def stages(folder: Path, ways: list[Way]) -> dict[str, list[float]]:
    """Microseconds of each stage, by its name, of every way whose notes are complete."""
    notes = {file.stem: _Notes(file) for file in folder.iterdir()}
    found: dict[str, list[float]] = {name: [] for name, _, _ in STAGES} | {LAST: []}
    for way in ways:
        at, spent = way.written_ns, []
        for _, process, what in STAGES:
            of = notes[f"symbol-{way.symbol}" if process == "symbol" else process]
            until = of.next(what, way.symbol, at)
            if until is None:
                break
            spent.append((until - at) / 1000)
            at = until
        else:
            if at <= way.ordered_ns:
                for name, us in zip(found, [*spent, (way.ordered_ns - at) / 1000], strict=True):
                    found[name].append(us)
    return found


def table(found: dict[str, list[float]]) -> str:
    """Median, p90 and p99 of each stage, in milliseconds."""
    lines = [f"  {'until':<42} {'p50':>7} {'p90':>7} {'p99':>7}  ms"]
    for name, values in found.items():
        figures = (
            " ".join(f"{percentile(values, percent) / 1000:7.3f}" for percent in (50, 90, 99)) if values else "none"
        )
        lines.append(f"  {name:<42} {figures}")
    return "\n".join(lines)
