"""What the operator says to the fleet, and what the fleet says of itself."""

from __future__ import annotations

from typing import Literal

import msgspec

from messages.watchlist import Watch

__all__ = [
    "Adopt",
    "Answer",
    "ClearCooldown",
    "Command",
    "Flatten",
    "Flattening",
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


class Flatten(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Command to risk, which pauses and passes it on: cancel entries, sell what is own, of one symbol or of all.

    The gateway alone sells. `withdraw` takes back a flatten that waits and has sold nothing yet.
    """

    symbol: str | None = None
    withdraw: bool = False


class Adopt(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Command to risk, which passes it on to the gateway: so many shares of the account become the bot's own."""

    symbol: str
    quantity: float


class ClearCooldown(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Command to risk, which passes it on to the symbol (or to all): end the rest after a stop-out."""

    symbol: str | None = None


class RollCall(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Question to the watchdog: who is there? Answered by `ProcessState` per process in `Answer.rows`."""


class Sql(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Question to the recorder: a read-only statement."""

    statement: str


Command = Pause | Resume | Flatten | Adopt | ClearCooldown | RollCall | Sql | Watch


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


class Flattening(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Event of the gateway: how far a flatten has come.

    `phase`: 'waiting' (it can't be executed now, `reason` says why), 'clearing' (own orders are being cancelled),
    'selling', 'done', 'failed' (the broker refuses the sale: the stop is placed again), 'withdrawn'. `quantity`: what
    is to be sold, or was.
    """

    symbol: str
    phase: Literal["waiting", "clearing", "selling", "done", "failed", "withdrawn"]
    quantity: float
    reason: str = ""


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
