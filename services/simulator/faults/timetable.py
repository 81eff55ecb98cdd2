"""A timetable of faults, a YAML file: it says when each fault starts.

    faults:
      - {after: 30, fault: drop, client: 1}            # seconds of market time after the start
      - {at: 2025-01-06 10:00, fault: hang, seconds: 60}   # New York, unless a zone is given

Every mistake is named by file and line before anything starts.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from services.configuration.refusal import Refusal
from services.configuration.validation import Mistake, converted
from services.configuration.yaml_document import parse
from services.simulator.faults import catalogue
from services.simulator.faults.active import Fault

__all__ = ["TimetableEntry", "load"]

SECOND = 1_000_000_000
NEW_YORK = ZoneInfo("America/New_York")


class TimetableEntry(NamedTuple):
    """One fault of a timetable. `after_ns` counts from the start, `at_ns` is market time; one of them is None."""

    fault: Fault
    after_ns: int | None
    at_ns: int | None

    def due_ns(self, start_ns: int) -> int:
        """When it starts in a market that started at `start_ns`."""
        return self.at_ns if self.at_ns is not None else start_ns + (self.after_ns or 0)


def load(path: Path, symbols: Collection[str] | None = None) -> list[TimetableEntry]:
    """The timetable in this file, for a market of these symbols. Refusal with a line for each mistake."""
    try:
        document, lines = parse(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise Refusal(f"{path}: no such timetable of faults") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"{path}: can't be read ({error}); it must be a YAML file") from None
    except Mistake as mistake:
        raise Refusal(f"{path}:{mistake}") from None
    entries = document.get("faults")
    if set(document) - {"faults"} or not isinstance(entries, list):
        raise Refusal(f"{path}:1: a timetable has one key, `faults`, and below it a list")
    found: list[TimetableEntry] = []
    mistakes: list[str] = []
    for number, entry in enumerate(entries):
        try:
            found.append(_entry(entry))
            if symbols is not None:
                catalogue.check_symbol(found[-1].fault, symbols)
        except Refusal as refusal:
            mistakes.append(f"{path}:{lines.get(f'faults[{number}]', 1)}: {refusal}")
    if mistakes:
        raise Refusal("\n".join(mistakes))
    return found


def _entry(given: Any) -> TimetableEntry:
    if not isinstance(given, dict):
        raise Refusal(f"`{given}` is no entry; give `fault`, `at` or `after`, and the fault's arguments")
    rest = dict(given)
    name, at, after = rest.pop("fault", None), rest.pop("at", None), rest.pop("after", None)
    if not isinstance(name, str):
        raise Refusal("`fault` is missing; `crazy simulator fault list` shows all")
    fault = catalogue.fault(name, rest)
    if (at is None) == (after is None):
        raise Refusal(f"fault {name}: give either `at` (market time) or `after` (seconds from the start)")
    if after is not None:
        try:
            seconds = converted(after, float, strict=False)
        except msgspec.ValidationError:
            seconds = -1.0
        if not 0 <= seconds < 1e9:
            raise Refusal(f"fault {name}: after: `{after}` does not fit; give seconds of market time")
        return TimetableEntry(fault, int(seconds * SECOND), None)
    return TimetableEntry(fault, None, _time(name, at))


def _time(name: str, at: Any) -> int:
    """The market time, in New York unless the text names a zone."""
    try:
        moment = datetime.fromisoformat(at)
    except (TypeError, ValueError):
        raise Refusal(f"fault {name}: at: `{at}` does not fit; give a time like 2025-01-06 10:00 (New York)") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=NEW_YORK)
    return int(moment.timestamp()) * SECOND
