"""The operator's commands and their answers, and what the processes report about themselves.

`cli` is the `crazy` command. A command goes over the control socket of a process, which answers with `Answer`. Risk
checks a command first; some it passes on.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from messages.watchlist import Watch

__all__ = [
    "ROUTES",
    "Adopt",
    "AdoptFound",
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
    """Stop entries and cancel unfilled ones; protective stops stay.

    `symbol`: the ticker; None: all symbols.
    """

    symbol: str | None = None


class Resume(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Allow entries again.

    `symbol`: the ticker; None: all symbols.
    """

    symbol: str | None = None


class Flatten(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Cancel entries and sell the bot's own shares.

    Risk pauses the entries and passes the command on; only the gateway sells.

    `symbol`: the ticker; None: all symbols.
    `withdraw`: True: take back a flatten that is waiting and has sold nothing yet.
    """

    symbol: str | None = None
    withdraw: bool = False


class Adopt(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Make shares of the account the bot's own, so that they get a protective stop.

    `quantity` (shares): how many.
    """

    symbol: str
    quantity: float


class AdoptFound(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Accept the shares that the gateway found under stops of ours, without a record of their purchase.

    Until then they are protected, and entries of the symbol are blocked (`shares_found`).

    `symbol`: the ticker; None: all symbols.
    """

    symbol: str | None = None


class ClearCooldown(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """End the cooldown after a stop-out.

    `symbol`: the ticker; None: all symbols.
    """

    symbol: str | None = None


class RollCall(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Ask the watchdog which processes run, or the clock which symbols are traded.

    The watchdog's `Answer` has one row for each process, the clock's has one for each symbol.
    """


class Sql(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Ask the recorder for the result of a read-only SQL statement.

    `statement`: the SQL.
    """

    statement: str


Command = Pause | Resume | Flatten | Adopt | AdoptFound | ClearCooldown | RollCall | Sql | Watch


class ProcessState(msgspec.Struct, frozen=True):
    """One process as the watchdog sees it: one row of the `Answer` to `RollCall`.

    `age_s`: seconds of machine time since its last heartbeat.
    `starts`: how many runs of it the watchdog has seen.
    """

    process: str
    pid: int
    run: int
    ready: bool
    note: str
    age_s: float
    starts: int


class Answer(msgspec.Struct, frozen=True):
    """The answer to a command.

    `ok`: False when the command was refused; `text` says why.
    `text`: a sentence for the operator.
    `columns`: names of the columns, when the command asked for data.
    `rows`: the data. A row of the watchdog's answer to `RollCall` has the fields of `ProcessState`.
    """

    ok: bool
    text: str = ""
    columns: list[str] = []
    rows: list[list[object]] = []


class Paused(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Entries are paused.

    `symbol`: the ticker; None: all symbols.
    """

    symbol: str | None
    by: str


class Resumed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Entries are allowed again.

    `symbol`: the ticker; None: all symbols.
    """

    symbol: str | None
    by: str


class Flattening(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How far a flatten has come.

    `phase`: 'waiting' (it cannot sell now, `reason` says why), 'clearing' (own orders are being cancelled), 'selling',
    'done', 'failed' (the broker refuses the sale, and the stop is placed again), 'withdrawn'.
    `quantity` (shares): what is to be sold, or was sold.
    `reason`: why it waits or failed; '' otherwise.
    """

    symbol: str
    phase: Literal["waiting", "clearing", "selling", "done", "failed", "withdrawn"]
    quantity: float
    reason: str = ""


class SymbolStatus(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The state of a symbol, sent whenever it changes.

    `state`: a state of docs/states.md.
    `why`: reason code of the state (docs/reasons.md).
    `time_ns`: when it changed.
    `cooldown_until_ns`: when the cooldown ends; 0: none.
    `entry_number`: how many entries the symbol asked for in this session, denied and dropped ones included.
    `entry_client_order_id`: its newest entry; '' for none.
    `stop_client_order_id`: its newest protective stop; '' for none.
    """

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
    """Something that deserves a line in the log and a row in the table `events`.

    `event`: its name, in snake_case.
    `symbol`: the ticker; '' when it is not about one symbol.
    `level`: the log level: INFO, WARNING, ERROR.
    `fields`: its details, by name.
    """

    event: str
    symbol: str
    level: str
    fields: dict[str, str | float | int | bool | None]
    time_ns: int


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A message raised an error or broke a constraint; it is rolled back and skipped.

    Entries of its symbol are paused.

    `producer`: the process that sent the message.
    `seq`: the message's row; 0 when it was no row.
    `symbol`: the symbol that it was about; '' for none.
    `error`: the message's class, and the error.
    """

    producer: str
    seq: int
    symbol: str
    error: str


ROUTES: dict[type[msgspec.Struct], str] = {
    Pause: "cli -> risk",
    Resume: "cli -> risk",
    Flatten: "cli -> risk -> gateway",
    Adopt: "cli -> risk -> gateway",
    AdoptFound: "cli -> risk -> gateway",
    ClearCooldown: "cli -> risk -> symbol",
    RollCall: "cli -> clock, watchdog",
    Sql: "cli -> recorder",
    Answer: "clock, recorder, risk, watchdog -> cli",
    Paused: "risk -> recorder, symbol",
    Resumed: "risk -> recorder, symbol",
    Flattening: "gateway -> risk, symbol",
    SymbolStatus: "symbol -> recorder",
    Happened: "every process -> recorder",
    Refused: "every process -> recorder, risk, symbol",
}
