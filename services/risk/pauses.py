"""Which entries are stopped, why, and until when: the operator's pauses and tripped guards, one record each.

`Paused` is sent when the first cause of a scope comes, `Resumed` when its last cause is gone. Shares stay protected.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from messages.operator import Paused, Resumed
from services.runtime.core import Draft, State

__all__ = [
    "FLEET",
    "NEXT_SESSION",
    "OPERATOR",
    "RESUME",
    "PauseRecord",
    "SymbolBlock",
    "lift",
    "pause",
    "paused_by",
    "pauses_of",
]

FLEET = "fleet"
"""The scope of all symbols."""
OPERATOR = "operator"
NEXT_SESSION, RESUME = "next_session", "resume"
"""What ends a pause."""


class PauseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Entries of `scope` (a symbol, or 'fleet') are stopped for `cause`: 'operator', 'flatten', or a guard's name.

    `by`: the cause as users see it. `figures`: its figures. `resets`: what ends it, 'resume' (the operator) or
    'next_session'.
    """

    scope: str
    cause: str = OPERATOR
    by: str = OPERATOR
    resets: str = RESUME
    figures: dict[str, float] = {}
    since_ns: int = 0

    @property
    def key(self) -> str:
        return f"{self.scope}:{self.cause}"

    @property
    def symbol(self) -> str | None:
        return None if self.scope == FLEET else self.scope

    @property
    def is_guard(self) -> bool:
        return self.by.startswith("guard ")

    @property
    def reason(self) -> str:
        """The reason code of a denial."""
        return f"guard_{self.cause}" if self.is_guard else "paused"


class SymbolBlock(msgspec.Struct, frozen=True):
    """The gateway blocks the entries of one symbol: its contract is in question, or shares of it were found."""

    symbol: str
    reason: str
    figures: dict[str, float] = {}

    @property
    def key(self) -> str:
        return f"{self.reason} {self.symbol}"


def pauses_of(state: State | Draft, scope: str) -> list[PauseRecord]:
    """The pauses of one scope, oldest first."""
    found = [p for p in state.table(PauseRecord).values() if p.scope == scope]
    return sorted(found, key=lambda p: (p.since_ns, p.key))


def paused_by(state: State | Draft, symbol: str) -> PauseRecord | None:
    """The pause that stops the entries of a symbol, the fleet's before its own; None if there is none."""
    return next(iter((*pauses_of(state, FLEET), *pauses_of(state, symbol))), None)


def pause(d: Draft, record: PauseRecord) -> None:
    """Stop the entries of a scope for one more cause. Nothing happens if this cause is there already."""
    first = not pauses_of(d, record.scope)
    if d.get(PauseRecord, record.key) is not None:
        return
    d.put(msgspec.structs.replace(record, since_ns=d.now.market_ns))
    if first or record.cause == OPERATOR:
        d.send(record.scope, Paused(record.symbol, record.by))
    d.note("entries_paused", record.symbol or "", "WARNING", by=record.by)


def lift(d: Draft, scope: str, ends: Callable[[PauseRecord], bool], by: str) -> None:
    """End the pauses of a scope for which `ends` is true."""
    before = pauses_of(d, scope)
    for record in before:
        if ends(record):
            d.drop(PauseRecord, record.key)
            if record.is_guard:
                d.note("guard_reset", record.symbol or "", guard=record.cause, by=by)
    left = pauses_of(d, scope)
    if (before and not left) or (by == OPERATOR and scope != FLEET):
        # A symbol that is resumed by name arms again, even if it had stopped by itself.
        symbol = None if scope == FLEET else scope
        d.send(scope, Resumed(symbol, by))
        d.note("entries_resumed", symbol or "", by=by)
        if left:
            d.send(scope, Paused(symbol, left[0].by))
