"""The table of states has a cell for every event in every state, and a reason for each event."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.symbol.diagram import markdown
from services.symbol.states import TABLE, Event, SymbolState, after

S, E = SymbolState, Event
EVERY = [(state, event) for event in Event for state in SymbolState]


@pytest.mark.parametrize("event", list(Event))
def test_every_state_and_event_has_a_cell(event: Event) -> None:
    """`after` knows no default: a pair without a cell raises, and this fails."""
    assert all(isinstance(after(state, event), SymbolState) for state in SymbolState)
    assert len(TABLE[event]) == len(SymbolState) + 1
    assert len(TABLE[event].because) > 20, "says why"


def test_the_columns_are_the_states() -> None:
    assert [field.upper() for field in TABLE[E.RESUMED]._fields[:-1]] == [state.value for state in SymbolState]


def test_no_row_is_of_something_else() -> None:
    assert set(TABLE) == set(Event)


def test_every_state_can_be_reached_and_left() -> None:
    moves = {(state, after(state, event)) for state, event in EVERY if after(state, event) is not state}
    assert {b for _, b in moves} == set(SymbolState) == {a for a, _ in moves}


def test_only_a_stop_out_leads_to_a_cooldown() -> None:
    into = {event for state, event in EVERY if after(state, event) is S.COOLDOWN and state is not S.COOLDOWN}
    assert into == {E.STOPPED_OUT}


def test_only_asking_or_a_live_entry_leads_to_an_entry() -> None:
    into = {event for state, event in EVERY if after(state, event) is S.ENTRY_PENDING and state is not S.ENTRY_PENDING}
    assert into == {E.ENTRY_SUBMITTED, E.ENTRY_FOUND}


def test_a_symbol_that_holds_shares_never_makes_an_entry() -> None:
    """Only the end of the shares leads out of POSITION_OPEN and EXITING."""
    holding = {S.POSITION_OPEN, S.EXITING}
    out = {event for state, event in EVERY if state in holding and after(state, event) not in holding}
    assert out == {E.STOPPED_OUT, E.SOLD_OTHERWISE}


@pytest.mark.parametrize(
    ("state", "event", "then"),
    [
        (S.NO_POSITION, E.ENTRY_FILLED, S.POSITION_OPEN),  # a fill after a cancel
        (S.POSITION_OPEN, E.REMAINDER_ENDED, S.POSITION_OPEN),  # a partial fill, then a cancel
        (S.NO_POSITION, E.POSITION_DIFFERS, S.NO_POSITION),  # a position that was bought manually
        (S.NO_POSITION, E.OWN_APPEARED, S.POSITION_OPEN),  # adopted
        (S.POSITION_OPEN, E.STOP_VANISHED, S.POSITION_OPEN),
        (S.EXITING, E.STOP_VANISHED, S.POSITION_OPEN),
        (S.ENTRY_PENDING, E.ENTRY_DENIED, S.NO_POSITION),
        (S.ENTRY_PENDING, E.ENTRY_REFUSED, S.NO_POSITION),
        (S.ENTRY_PENDING, E.HALTED, S.ENTRY_PENDING),
        (S.ENTRY_PENDING, E.STOPPED_OUT, S.COOLDOWN),  # during recovery, before the entry's fill
        (S.POSITION_OPEN, E.FLATTEN_ORDERED, S.EXITING),
        (S.COOLDOWN, E.FLATTEN_ORDERED, S.PAUSED),
        (S.PAUSED, E.ENTRY_FILLED, S.POSITION_OPEN),
    ],
)
def test_the_awkward_ones(state: SymbolState, event: Event, then: SymbolState) -> None:
    assert after(state, event) is then


def test_the_page_with_the_diagram_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "states.md"
    assert page.read_text() == markdown() + "\n", "renew it: python -m services.symbol.diagram > docs/states.md"
