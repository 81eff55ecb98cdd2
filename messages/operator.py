"""What the operator says to the fleet, and what the fleet says of itself."""

from __future__ import annotations

import msgspec

from messages.watchlist import Watch

__all__ = [
    "Answer",
    "Command",
    "Happened",
    "Pause",
    "Paused",
    "ProcessState",
    "Refused",
    "Resume",
    "Resumed",
    "RollCall",
    "Sql",
    "SymbolStatus",
]


class Pause(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Command to risk: no more entries (of one symbol, or of all); unfilled ones are cancelled, stops stay."""

    symbol: str | None = None


class Resume(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Command to risk: entries again."""

    symbol: str | None = None


class RollCall(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Question to the watchdog: who is there? Answered by `ProcessState` per process in `Answer.rows`."""


class Sql(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Question to the recorder: a read-only statement."""

    statement: str


Command = Pause | Resume | RollCall | Sql | Watch


class ProcessState(msgspec.Struct, frozen=True):
    """One process as the watchdog sees it. `age_s`: seconds of machine time since it was last heard of."""

    process: str
    pid: int
    run: int
    ready: bool
    note: str
    age_s: float
    starts: int


class Answer(msgspec.Struct, frozen=True):
    """The answer to a command: `text` for a person; `columns` and `rows` where the question was for data."""

    ok: bool
    text: str = ""
    columns: list[str] = []
    rows: list[list[object]] = []


class Paused(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Event of risk: entries are paused (of one symbol, or of all when None)."""

    symbol: str | None
    by: str


class Resumed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Event of risk: entries are allowed again."""

    symbol: str | None
    by: str


class SymbolStatus(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A symbol actor's state, whenever it changed. `why` is a reason code, `figures` what stands behind it."""

    symbol: str
    state: str
    why: str
    figures: dict[str, float]
    cooldown_until_ns: int
    session_date: str
    entry_number: int
    entry_client_order_id: str
    stop_client_order_id: str
    own: float
    cost_usd: float
    time_ns: int


class Happened(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Something worth a line in the log and a row in `events`. `event` is a snake_case name, `fields` are flat."""

    event: str
    symbol: str
    level: str
    fields: dict[str, str | float | int | bool | None]
    time_ns: int


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A message raised or broke a constraint: it was rolled back and is skipped. Entries of `symbol` pause."""

    producer: str
    seq: int
    symbol: str
    error: str
