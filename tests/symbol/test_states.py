"""The table of states is complete: what is not in it is left out on purpose, and said here."""

from __future__ import annotations

from pathlib import Path

from services.symbol.diagram import markdown
from services.symbol.states import TRANSITIONS, Event, SymbolState, after

S, E = SymbolState, Event

UNCHANGED = {
    # Entries are asked for in NO_POSITION only.
    (S.ENTRY_PENDING, E.ENTRY_SUBMITTED),
    (S.POSITION_OPEN, E.ENTRY_SUBMITTED),
    (S.EXITING, E.ENTRY_SUBMITTED),
    (S.COOLDOWN, E.ENTRY_SUBMITTED),
    (S.PAUSED, E.ENTRY_SUBMITTED),
    # The end of an entry means something only to who waits for it.
    (S.NO_POSITION, E.ENTRY_ENDED),
    (S.POSITION_OPEN, E.ENTRY_ENDED),
    (S.EXITING, E.ENTRY_ENDED),
    (S.COOLDOWN, E.ENTRY_ENDED),
    (S.PAUSED, E.ENTRY_ENDED),
    # Whoever holds shares, or rests after a stop-out, is not paused by a refusal of something older.
    (S.POSITION_OPEN, E.GAVE_UP),
    (S.EXITING, E.GAVE_UP),
    (S.COOLDOWN, E.GAVE_UP),
    (S.PAUSED, E.GAVE_UP),
    # A part of a stop that nobody knew to be held: the fill of the entry will be heard.
    (S.NO_POSITION, E.STOP_FILLED_PARTLY),
    (S.ENTRY_PENDING, E.STOP_FILLED_PARTLY),
    (S.COOLDOWN, E.STOP_FILLED_PARTLY),
    (S.PAUSED, E.STOP_FILLED_PARTLY),
    # Told again.
    (S.COOLDOWN, E.STOPPED_OUT),
    (S.PAUSED, E.STOPPED_OUT),
    # Nothing was held.
    (S.NO_POSITION, E.SOLD_OTHERWISE),
    (S.ENTRY_PENDING, E.SOLD_OTHERWISE),
    (S.COOLDOWN, E.SOLD_OTHERWISE),
    (S.PAUSED, E.SOLD_OTHERWISE),
    # Only a cooldown can be over, only a pause can be resumed.
    (S.NO_POSITION, E.COOLDOWN_OVER),
    (S.ENTRY_PENDING, E.COOLDOWN_OVER),
    (S.POSITION_OPEN, E.COOLDOWN_OVER),
    (S.EXITING, E.COOLDOWN_OVER),
    (S.PAUSED, E.COOLDOWN_OVER),
    (S.NO_POSITION, E.RESUMED),
    (S.ENTRY_PENDING, E.RESUMED),
    (S.POSITION_OPEN, E.RESUMED),
    (S.EXITING, E.RESUMED),
    (S.COOLDOWN, E.RESUMED),
}


def test_every_pair_is_in_the_table_or_left_out_on_purpose() -> None:
    every = {(state, event) for state in SymbolState for event in Event}
    assert set(TRANSITIONS) | UNCHANGED == every
    assert not set(TRANSITIONS) & UNCHANGED


def test_what_is_left_out_changes_nothing() -> None:
    assert all(after(state, event) is state for state, event in UNCHANGED)


def test_every_state_can_be_reached_and_left() -> None:
    moves = {(a, b) for (a, _), b in TRANSITIONS.items() if a is not b}
    assert {b for _, b in moves} == set(SymbolState) == {a for a, _ in moves}


def test_only_a_stop_out_leads_to_a_cooldown() -> None:
    assert {event for (_, event), to in TRANSITIONS.items() if to is S.COOLDOWN} == {E.STOPPED_OUT}


def test_the_page_with_the_diagram_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "states.md"
    assert page.read_text() == markdown() + "\n", "renew it: python -m services.symbol.diagram > docs/states.md"
