"""The state machine of a symbol, as one table.

What is not in the table changes no state. The awkward rows say why they exist: reality forces them.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["TRANSITIONS", "Event", "SymbolState", "after"]


class SymbolState(StrEnum):
    """Where a symbol stands."""

    NO_POSITION = "NO_POSITION"
    ENTRY_PENDING = "ENTRY_PENDING"
    POSITION_OPEN = "POSITION_OPEN"
    EXITING = "EXITING"
    COOLDOWN = "COOLDOWN"
    PAUSED = "PAUSED"


class Event(StrEnum):
    """What can happen to it."""

    ENTRY_SUBMITTED = "entry submitted"
    ENTRY_ENDED = "entry denied, dropped, cancelled or rejected, nothing filled"
    ENTRY_FILLED = "entry filled (in part or whole)"
    STOP_FILLED_PARTLY = "stop filled in part"
    STOPPED_OUT = "stop filled, nothing left"
    SOLD_OTHERWISE = "own shares sold by something else than a stop, nothing left"
    COOLDOWN_OVER = "cooldown over"
    GAVE_UP = "too many refusals in a session"
    RESUMED = "resumed by the operator"


S, E = SymbolState, Event

TRANSITIONS: dict[tuple[SymbolState, Event], SymbolState] = {
    (S.NO_POSITION, E.ENTRY_SUBMITTED): S.ENTRY_PENDING,
    (S.ENTRY_PENDING, E.ENTRY_ENDED): S.NO_POSITION,
    (S.ENTRY_PENDING, E.ENTRY_FILLED): S.POSITION_OPEN,
    (S.ENTRY_PENDING, E.GAVE_UP): S.PAUSED,
    (S.NO_POSITION, E.GAVE_UP): S.PAUSED,
    (S.POSITION_OPEN, E.ENTRY_FILLED): S.POSITION_OPEN,
    (S.POSITION_OPEN, E.STOP_FILLED_PARTLY): S.EXITING,
    (S.POSITION_OPEN, E.STOPPED_OUT): S.COOLDOWN,
    (S.POSITION_OPEN, E.SOLD_OTHERWISE): S.PAUSED,
    (S.EXITING, E.STOP_FILLED_PARTLY): S.EXITING,
    (S.EXITING, E.STOPPED_OUT): S.COOLDOWN,
    (S.EXITING, E.SOLD_OTHERWISE): S.PAUSED,
    (S.COOLDOWN, E.COOLDOWN_OVER): S.NO_POSITION,
    (S.PAUSED, E.RESUMED): S.NO_POSITION,
    # A fill after a cancel, or after a rejection that was none: the broker's executions win over what was said before.
    (S.NO_POSITION, E.ENTRY_FILLED): S.POSITION_OPEN,
    (S.COOLDOWN, E.ENTRY_FILLED): S.POSITION_OPEN,
    (S.PAUSED, E.ENTRY_FILLED): S.POSITION_OPEN,
    # A remainder of the entry that fills while the stop is already selling: what is left is held again until it is
    # sold.
    (S.EXITING, E.ENTRY_FILLED): S.EXITING,
    # A stop-out is heard before the entry's own fill when both happened while nobody listened.
    (S.ENTRY_PENDING, E.STOPPED_OUT): S.COOLDOWN,
    (S.NO_POSITION, E.STOPPED_OUT): S.COOLDOWN,
}


def after(state: SymbolState, event: Event) -> SymbolState:
    """The state that follows; unchanged where the table has no row."""
    return TRANSITIONS.get((state, event), state)
