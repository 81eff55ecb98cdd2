"""One process of the fleet as it is, noting when it does what: python -m benchmarks.traced NOTES KIND SETTINGS [TICKER]

It runs `services.KIND` and writes a note at each step on the way of a tick: when it handles a message, when a commit
begins and ends, when a tick is published, when a row is sent, when an order goes to the broker's library. The notes go
to the file NOTES when the process ends. Machine time is the same clock in all processes of one machine, so that the
notes of several processes are put side by side (`benchmarks.stages`).
"""

from __future__ import annotations

import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from messages.broker import PlaceOrder, ToBroker
from services.runtime.actor import Actor
from services.runtime.bus import Bus
from services.runtime.ledger import SqliteLedger

__all__ = ["Note"]


class Note(msgspec.Struct, array_like=True):
    """At machine time `at_ns` a step began; `what` it was, and the symbol that it concerned ('' if of none)."""

    at_ns: int
    what: str
    symbol: str = ""


def symbol_of(message: Any) -> str:
    """The symbol that a message is about, '' if it is about none."""
    about = getattr(message, "plan", None) or getattr(message, "order", None) or message
    return str(getattr(about, "symbol", "") or "")


def before(owner: Any, name: str, note: Callable[..., None]) -> None:
    """Have a method noted each time before it runs."""
    method = getattr(owner, name)

    def noted(*arguments: Any, **named: Any) -> Any:
        note(*arguments)
        return method(*arguments, **named)

    setattr(owner, name, noted)


def main(notes: str, kind: str, *arguments: str) -> None:
    taken: list[Note] = []

    def note(what: str, symbol: str = "") -> None:
        taken.append(Note(time.monotonic_ns(), what, symbol))

    commit = SqliteLedger.commit

    def noted_commit(ledger: SqliteLedger, batch: Any) -> None:
        note("commit")
        commit(ledger, batch)
        note("committed")

    SqliteLedger.commit = noted_commit  # type: ignore[method-assign]
    before(Actor, "_handle", lambda _, message, *rest: note(type(message).__name__, symbol_of(message)))
    before(Bus, "publish", lambda _, topic, message: note("publish", topic))
    before(Bus, "send", lambda *_: note("send"))
    if kind == "gateway":
        # The library is imported where the fleet imports it: by the broker's edge of the gateway alone.
        from services.gateway.ibkr.connection import Broker

        def placed(_: Broker, command: ToBroker) -> None:
            if isinstance(command, PlaceOrder):
                note("place", symbol_of(command))

        before(Broker, "execute", placed)
    sys.argv = [kind, *arguments]
    try:
        runpy.run_module(f"services.{kind}", run_name="__main__", alter_sys=True)
    finally:
        Path(notes).write_bytes(msgspec.msgpack.encode(taken))


if __name__ == "__main__":
    main(*sys.argv[1:])
