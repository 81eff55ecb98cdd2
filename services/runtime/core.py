"""The parts of a core: state, draft, decision.

A core is `handle(state, message, now) -> Decision`. It reads records, and drafts changed records and messages. It uses
nothing else: no clock, no random number, no file, no socket, no iteration over unordered sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Protocol, TypeVar

import msgspec

from messages import Message
from messages.frames import Envelope
from messages.operator import Happened

__all__ = ["Core", "Deadlines", "Decision", "Draft", "Now", "Record", "State", "is_volatile", "record_types"]


class Record(Protocol):
    """A keyed, frozen struct: the unit that a ledger keeps.

    A type that is in memory only (the newest price, a link's state) declares `volatile: ClassVar[bool] = True`.
    """

    @property
    def key(self) -> str: ...


def is_volatile(kind: type) -> bool:
    """Whether records of this type are in memory only. No ledger keeps them, and a restart loses them."""
    return getattr(kind, "volatile", False)


def record_types(module: ModuleType) -> tuple[type, ...]:
    """Every record type that a module lists in `__all__`."""
    public = (getattr(module, name) for name in module.__all__)
    return tuple(kind for kind in public if isinstance(kind, type) and hasattr(kind, "key"))


R = TypeVar("R", bound=Record)


class Now(msgspec.Struct, frozen=True, gc=False):
    """The two times of a message, set by the shell, and the envelope of its row (None for ticks, timers, the broker).

    `stale`: the clock process has been silent for too long, so market time is uncertain: no entries.
    """

    market_ns: int
    machine_ns: int
    source: Envelope | None = None
    stale: bool = False


class Deadlines(msgspec.Struct, frozen=True, gc=False):
    """When the core wants `Elapsed`, in market time and in machine time; None for never. It follows from the state."""

    market_ns: int | None = None
    machine_ns: int | None = None


class Decision(msgspec.Struct):
    """The effects of a message.

    `changes`: (record type, key, record or None). `messages`: (recipient, message) that must arrive; the recipient is a
    process, a topic, or 'broker'. `published`: (topic, message); only the newest of a topic matters.
    """

    changes: list[tuple[type, str, Any]] = []
    messages: list[tuple[str, Message]] = []
    published: list[tuple[str, Message]] = []

    def __bool__(self) -> bool:
        return bool(self.changes or self.messages)


class State:
    """All records of a process, by type and key."""

    def __init__(self, kinds: tuple[type, ...]):
        self.kinds = kinds
        self._tables: dict[type, dict[str, Any]] = {kind: {} for kind in kinds}

    def get(self, kind: type[R], key: str) -> R | None:
        return self._tables[kind].get(key)

    def table(self, kind: type[R]) -> Mapping[str, R]:
        """The records of one type in order of arrival (after a restart: by key)."""
        return self._tables[kind]

    def apply(self, changes: list[tuple[type, str, Any]]) -> None:
        for kind, key, record in changes:
            if record is None:
                self._tables[kind].pop(key, None)
            else:
                self._tables[kind][key] = record


class Draft:
    """A decision under construction. Reads see what it has changed."""

    def __init__(self, state: State, now: Now):
        self.state = state
        self.now = now
        self._changed: dict[tuple[type, str], Any] = {}
        self._messages: list[tuple[str, Message]] = []
        self._published: list[tuple[str, Message]] = []

    def get(self, kind: type[R], key: str) -> R | None:
        if (kind, key) in self._changed:
            return self._changed[kind, key]  # type: ignore[no-any-return]
        return self.state.get(kind, key)

    def table(self, kind: type[R]) -> dict[str, R]:
        """The records of one type as they would be after this decision."""
        table = dict(self.state.table(kind))
        for (changed, key), record in self._changed.items():
            if changed is kind:
                if record is None:
                    table.pop(key, None)
                else:
                    table[key] = record
        return table

    def put(self, record: R) -> R:
        self._changed[type(record), record.key] = record
        return record

    def drop(self, kind: type[Record], key: str) -> None:
        self._changed[kind, key] = None

    def send(self, recipient: str, message: Message) -> None:
        self._messages.append((recipient, message))

    def publish(self, topic: str, message: Message) -> None:
        self._published.append((topic, message))

    def note(
        self, event: str, symbol: str = "", level: str = "INFO", /, **fields: str | float | int | bool | None
    ) -> None:
        """Add a line to the log and a row to `events`."""
        self.send("recorder", Happened(event, symbol, level, fields, self.now.market_ns))

    @property
    def decision(self) -> Decision:
        changes = [(kind, key, record) for (kind, key), record in self._changed.items()]
        return Decision(changes, self._messages, self._published)


class Core(Protocol):
    """The interface of every core."""

    kinds: tuple[type, ...]
    """The record types it keeps."""

    def handle(self, state: State, message: Message, now: Now) -> Decision: ...

    def deadlines(self, state: State, now: Now) -> Deadlines: ...

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        """Its state as (topic, message), for a consumer whose rows are gone. It must be safe to handle twice."""

    def ready(self, state: State) -> bool:
        """Whether other processes may rely on it."""
