"""The state machine of a symbol: one table with a row for every event, and in it a cell for every state.

A cell says which state follows; `STAYS` says that nothing changes, and the row says why. The awkward rows are there
because reality forces them. docs/states.md is drawn from this table (`diagram.py`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = ["TABLE", "Event", "SymbolState", "Transitions", "after"]


class SymbolState(StrEnum):
    """Where a symbol stands."""

    NO_POSITION = "NO_POSITION"
    ENTRY_PENDING = "ENTRY_PENDING"
    POSITION_OPEN = "POSITION_OPEN"
    EXITING = "EXITING"
    """A sell is triggered or ordered, and not done."""
    COOLDOWN = "COOLDOWN"
    PAUSED = "PAUSED"
    """Waits for the operator: `crazy resume SYMBOL`."""


class Event(StrEnum):
    """What can happen to it."""

    ENTRY_SUBMITTED = "entry asked for"
    ENTRY_DENIED = "entry denied or dropped"
    ENTRY_CANCELLED = "entry cancelled or expired unfilled"
    ENTRY_REFUSED = "entry refused by the broker"
    REFUSED_TOO_OFTEN = "third refusal in a session"
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
    """What one event does in each state; `because` explains the cells in which nothing, or something odd, happens."""

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
        "Entries are asked for in NO_POSITION only."),
    E.ENTRY_DENIED: Transitions(NONE, NONE, OPEN, EXITING, COOLDOWN, PAUSED,
        "The answer concerns whoever waits for it. Denied is not refused: the broker never saw it, so nothing counts."),
    E.ENTRY_CANCELLED: Transitions(NONE, NONE, OPEN, EXITING, COOLDOWN, PAUSED,
        "Whoever holds shares holds them after the entry's end as well."),
    E.ENTRY_REFUSED: Transitions(NONE, NONE, OPEN, EXITING, COOLDOWN, PAUSED,
        "A rejection, Inactive or a cancel that nobody asked for: back-off, then armed again. Shares that filled "
        "before it stay held."),
    E.REFUSED_TOO_OFTEN: Transitions(PAUSED, PAUSED, OPEN, EXITING, COOLDOWN, PAUSED,
        "Whoever holds shares or rests after a stop-out is not paused by the refusal of something older."),
    E.ENTRY_FILLED: Transitions(OPEN, OPEN, OPEN, EXITING, OPEN, OPEN,
        "Executions win over everything said before: a fill after a cancel, after a rejection that was none, after the "
        "symbol gave up. A rest of the entry that fills while the stop sells is held until it is sold as well."),
    E.REMAINDER_ENDED: Transitions(NONE, PENDING, OPEN, EXITING, COOLDOWN, PAUSED,
        "A partial fill, then a cancel: what filled is held, and the gateway mends the stop's quantity."),
    E.STOP_TRIGGERED: Transitions(NONE, PENDING, EXITING, EXITING, COOLDOWN, PAUSED,
        "Without shares that are known it says nothing: the fill of the entry will be heard."),
    E.STOP_FILLED_PARTLY: Transitions(NONE, PENDING, EXITING, EXITING, COOLDOWN, PAUSED,
        "A part sold of what nobody knew to be held: the fill of the entry will be heard."),
    E.STOPPED_OUT: Transitions(COOLDOWN, COOLDOWN, COOLDOWN, COOLDOWN, COOLDOWN, PAUSED,
        "During recovery a stop-out is heard before its entry's fill, or while an older one still rests: it counts "
        "from its own time. PAUSED waits for the operator, and the cooldown runs meanwhile."),
    E.STOP_VANISHED: Transitions(NONE, PENDING, OPEN, OPEN, COOLDOWN, PAUSED,
        "The shares are held all the same; the gateway puts a stop back. A triggered stop that is gone sells no more."),
    E.FLATTEN_ORDERED: Transitions(PAUSED, PAUSED, EXITING, EXITING, PAUSED, PAUSED,
        "What is flat waits for the operator, whose word this is more than any cooldown's. A live entry is being "
        "cancelled; if it fills before that, the fill opens the position, and the gateway sells it."),
    E.SOLD_OTHERWISE: Transitions(NONE, PENDING, PAUSED, PAUSED, COOLDOWN, PAUSED,
        "Flattened, or sold by hand: only a stop-out is followed by a cooldown, so the operator decides. Who held "
        "nothing has lost nothing."),
    E.OWN_APPEARED: Transitions(OPEN, OPEN, OPEN, EXITING, OPEN, OPEN,
        "Adopted by the operator, or the rows that told of the fill are lost."),
    E.POSITION_DIFFERS: Transitions(NONE, PENDING, OPEN, EXITING, COOLDOWN, PAUSED,
        "Bought or sold by hand: entries freeze (`position_mismatch`) as long as it lasts, and nothing is adopted. The "
        "gateway shrinks a stop for shares that are gone."),
    E.HALTED: Transitions(NONE, PENDING, OPEN, EXITING, COOLDOWN, PAUSED,
        "The entry is being cancelled, and its end is what moves the state; nothing is armed until a trade follows."),
    E.ENTRIES_PAUSED: Transitions(NONE, PENDING, OPEN, EXITING, COOLDOWN, PAUSED,
        "A mark beside the state, so that no cooldown and no position is forgotten. A live entry is being cancelled."),
    E.RESUMED: Transitions(NONE, PENDING, OPEN, EXITING, COOLDOWN, NONE,
        "Only what waits for the operator goes on; a cooldown is cleared by a command of its own."),
    E.COOLDOWN_OVER: Transitions(NONE, PENDING, OPEN, EXITING, NONE, PAUSED,
        "Only who rests can be through with it: a fill or the operator came first."),
}
# fmt: on


def after(state: SymbolState, event: Event) -> SymbolState:
    """The state that follows."""
    return TABLE[event].cell(state)
