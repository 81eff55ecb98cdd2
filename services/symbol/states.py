"""The state machine of a symbol: one table with a row for each event, and a cell for each state.

A cell is the state that follows. Where it is the same state, or an unexpected one, the row says why. Some rows are only
there because they happen in reality. docs/states.md is drawn from this table (`diagram.py`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = ["TABLE", "Event", "SymbolState", "Transitions", "after"]


class SymbolState(StrEnum):
    """The state of a symbol."""

    NO_POSITION = "NO_POSITION"
    ENTRY_PENDING = "ENTRY_PENDING"
    POSITION_OPEN = "POSITION_OPEN"
    EXITING = "EXITING"
    """A sale is triggered or ordered, and not complete."""
    COOLDOWN = "COOLDOWN"
    PAUSED = "PAUSED"
    """The symbol waits for the operator: `crazy resume SYMBOL`."""


class Event(StrEnum):
    """What can happen to a symbol."""

    ENTRY_SUBMITTED = "entry asked for"
    ENTRY_DENIED = "entry denied or dropped"
    ENTRY_CANCELLED = "entry cancelled or expired unfilled"
    ENTRY_REFUSED = "entry refused by the broker"
    REFUSED_TOO_OFTEN = "third refusal in a session"
    ENTRY_FOUND = "live entry reported that it did not know"
    ENTRY_FILLED = "entry fills"
    REMAINDER_ENDED = "rest of the entry ends"
    STOP_TRIGGERED = "stop triggered, not filled"
    STOP_FILLED_PARTLY = "stop fills in part"
    STOPPED_OUT = "stop fills, nothing is left"
    STOP_VANISHED = "stop cancelled, rejected or lost"
    FLATTEN_ORDERED = "flatten ordered"
    SOLD_OTHERWISE = "shares gone without a stop-out"
    OWN_APPEARED = "own shares without a fill"
    POSITION_DIFFERS = "account differs from own shares"
    HALTED = "halted by the exchange"
    ENTRIES_PAUSED = "paused by the operator"
    RESUMED = "resumed by the operator"
    COOLDOWN_OVER = "cooldown over or cleared"


class Transitions(NamedTuple):
    """The state that follows one event in each state. `because` explains cells that are not obvious."""

    no_position: SymbolState
    entry_pending: SymbolState
    position_open: SymbolState
    exiting: SymbolState
    cooldown: SymbolState
    paused: SymbolState
    because: str

    def cell(self, state: SymbolState) -> SymbolState:
        """The state that follows `state`."""
        return self[list(SymbolState).index(state)]  # type: ignore[return-value]


NONE, PENDING, OPEN = SymbolState.NO_POSITION, SymbolState.ENTRY_PENDING, SymbolState.POSITION_OPEN
EXITING, COOLDOWN, PAUSED = SymbolState.EXITING, SymbolState.COOLDOWN, SymbolState.PAUSED
E = Event

# fmt: off
TABLE: dict[Event, Transitions] = {
    #  in:                NO_POSITION ENTRY_PENDING POSITION_OPEN EXITING COOLDOWN PAUSED
    E.ENTRY_SUBMITTED: Transitions(PENDING, PENDING, OPEN, EXITING, COOLDOWN, PAUSED,
        "Entries are submitted in NO_POSITION only."),
    E.ENTRY_DENIED: Transitions(NONE, NONE, OPEN, EXITING, COOLDOWN, PAUSED,
        "The answer changes only a pending entry. Denied is not refused: the broker never saw the entry, so nothing "
        "counts."),
    E.ENTRY_CANCELLED: Transitions(NONE, NONE, OPEN, EXITING, COOLDOWN, PAUSED,
        "Shares that are held stay held after the end of the entry."),
    E.ENTRY_REFUSED: Transitions(NONE, NONE, OPEN, EXITING, COOLDOWN, PAUSED,
        "A rejection, Inactive, or a cancel that the bot did not request: back-off, then armed again. Shares that "
        "filled before stay held."),
    E.REFUSED_TOO_OFTEN: Transitions(PAUSED, PAUSED, OPEN, EXITING, COOLDOWN, PAUSED,
        "The refusal of an older entry does not pause a symbol that holds shares or has a cooldown."),
    E.ENTRY_FOUND: Transitions(PENDING, PENDING, OPEN, EXITING, COOLDOWN, PAUSED,
        "The symbol's records are lost, or an entry that was given up works after all. It is followed like any other, "
        "and taken back where no entry may rest."),
    E.ENTRY_FILLED: Transitions(OPEN, OPEN, OPEN, EXITING, OPEN, OPEN,
        "Executions win over all earlier reports: a fill may follow a cancel, a wrong rejection, or an entry that had "
        "ended. If the rest of the entry fills while the stop sells, it is held until it is sold as well."),
    E.REMAINDER_ENDED: Transitions(NONE, PENDING, OPEN, EXITING, COOLDOWN, PAUSED,
        "A partial fill, then a cancel: the filled shares are held, and the gateway corrects the stop's quantity."),
    E.STOP_TRIGGERED: Transitions(NONE, PENDING, EXITING, EXITING, COOLDOWN, PAUSED,
        "Without known shares nothing changes: the fill of the entry will be reported."),
    E.STOP_FILLED_PARTLY: Transitions(NONE, PENDING, EXITING, EXITING, COOLDOWN, PAUSED,
        "A part of unknown shares was sold: the fill of the entry will be reported."),
    E.STOPPED_OUT: Transitions(COOLDOWN, COOLDOWN, COOLDOWN, COOLDOWN, COOLDOWN, PAUSED,
        "During recovery a stop-out may be reported before its entry's fill, or during an older cooldown: the cooldown "
        "counts from its own time. PAUSED waits for the operator, and the cooldown runs meanwhile."),
    E.STOP_VANISHED: Transitions(NONE, PENDING, OPEN, OPEN, COOLDOWN, PAUSED,
        "The shares are still held, and the gateway places a new stop. A triggered stop that is gone sells no more."),
    E.FLATTEN_ORDERED: Transitions(PAUSED, PAUSED, EXITING, EXITING, PAUSED, PAUSED,
        "A flat symbol waits for the operator, whose command counts more than a cooldown. A live entry is being "
        "cancelled. If it fills before that, the fill opens the position, and the gateway sells it."),
    E.SOLD_OTHERWISE: Transitions(NONE, PENDING, PAUSED, PAUSED, COOLDOWN, PAUSED,
        "Flattened, or sold manually: only a stop-out has a cooldown, so the operator decides. A symbol that held "
        "nothing does not change."),
    E.OWN_APPEARED: Transitions(OPEN, OPEN, OPEN, EXITING, OPEN, OPEN,
        "Adopted by the operator, or the rows of the fill are lost."),
    E.POSITION_DIFFERS: Transitions(NONE, PENDING, OPEN, EXITING, COOLDOWN, PAUSED,
        "Bought or sold manually: entries are blocked (`position_mismatch`) while it lasts, and nothing is adopted. "
        "The gateway reduces a stop for shares that are gone."),
    E.HALTED: Transitions(NONE, PENDING, OPEN, EXITING, COOLDOWN, PAUSED,
        "The entry is being cancelled, and its end changes the state. Nothing is armed before the next trade."),
    E.ENTRIES_PAUSED: Transitions(NONE, PENDING, OPEN, EXITING, COOLDOWN, PAUSED,
        "The pause is a field beside the state, so the state stays known. A live entry is being cancelled."),
    E.RESUMED: Transitions(NONE, PENDING, OPEN, EXITING, COOLDOWN, NONE,
        "It ends only PAUSED. A command of its own clears a cooldown."),
    E.COOLDOWN_OVER: Transitions(NONE, PENDING, OPEN, EXITING, NONE, PAUSED,
        "It ends only COOLDOWN. In other states a fill or the operator came first."),
}
# fmt: on


def after(state: SymbolState, event: Event) -> SymbolState:
    """The state that follows."""
    return TABLE[event].cell(state)
