"""Which processes of a fleet are ready, as the watchdog reports it; waiting until they are."""

from __future__ import annotations

import time

import msgspec

from messages.operator import ProcessState, RollCall
from services.cli import records
from services.configuration.refusal import Refusal
from services.fleet import process_lock
from services.fleet.places import Fleet
from services.runtime.bus import NoAnswer, ask
from services.trading.ids import symbol_process

__all__ = [
    "POLL_S",
    "await_records",
    "gateway_refusal",
    "is_ready",
    "market_note",
    "roll_call",
    "wait_end",
    "wait_ready",
]


POLL_S = 0.1
"""Pause between two looks."""

RECORDS_S = 5.0
"""Longest wait until the records say what the processes say."""

ROLL_CALL_S = 1.0
"""Longest wait for the watchdog's answer."""


def roll_call(chosen: Fleet) -> dict[str, ProcessState]:
    """The state of each process by name, as the watchdog reports it; empty if it does not answer."""
    if process_lock.holder(chosen.lock("watchdog")) is None:
        return {}
    try:
        answer = ask(chosen.run, "watchdog", RollCall(), ROLL_CALL_S)
    except NoAnswer:
        return {}
    return process_states(answer.columns, answer.rows)


def process_states(columns: list[str], rows: list[list[object]]) -> dict[str, ProcessState]:
    """The state of each process by name, from the watchdog's answer."""
    states = (msgspec.convert(dict(zip(columns, row, strict=True)), ProcessState) for row in rows)
    return {state.process: state for state in states}


def wait_ready(chosen: Fleet, timeout_s: float) -> list[str]:
    """Wait until all processes are ready. The processes that are not when the time is up.

    It ends at once if the gateway or the simulator refuses to work.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        states = roll_call(chosen)
        missing = [name for name in required_processes(chosen) if not is_ready(chosen, name, states.get(name))]
        if not missing or time.monotonic() >= deadline or _refusal(states):
            return missing
        time.sleep(POLL_S)


def is_ready(chosen: Fleet, name: str, state: ProcessState | None) -> bool:
    """Whether this process is ready. The watchdog's report may be about its last run, so the pid must be the same."""
    return state is not None and state.ready and state.pid == process_lock.holder(chosen.lock(name))


def gateway_refusal(chosen: Fleet) -> str:
    """Why the gateway (a wrong account) or the simulator (an unusable market) refuses to work; '' if none does."""
    return _refusal(roll_call(chosen))


def _refusal(states: dict[str, ProcessState]) -> str:
    refusing = (states.get(name) for name in ("simulator", "gateway"))
    return next((state.note for state in refusing if state is not None and not state.ready and state.note), "")


def market_note(chosen: Fleet) -> str:
    """What the recorded market of a simulated fleet plays and leaves out; '' for any other market."""
    simulator = roll_call(chosen).get("simulator")
    return simulator.note if simulator is not None and simulator.ready else ""


def required_processes(chosen: Fleet) -> tuple[str, ...]:
    """The processes that must be there. A symbol that winds down may end at any time."""
    leaving = {symbol_process(symbol) for symbol in chosen.settings.winding_down}
    return tuple(name for name in chosen.processes if name not in leaving)


def wait_end(chosen: Fleet, timeout_s: float) -> list[str]:
    """Wait until the simulated market has ended and the end is recorded. What is missing when the time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        clock = roll_call(chosen).get("clock")
        if clock is None or clock.note != "ended":
            missing = "the clock's word that the market has ended"
        elif not _end_recorded(chosen):
            missing = "the recorder"
        else:
            return []
        if time.monotonic() >= deadline:
            return [missing]
        time.sleep(POLL_S)


def _end_recorded(chosen: Fleet) -> bool:
    try:
        with records.opened(chosen) as open_records:
            return bool(open_records.rows("SELECT 1 FROM events WHERE event_type = 'market_ended' LIMIT 1"))
    except Refusal:  # being restarted
        return False


def await_records(chosen: Fleet) -> None:
    """Wait until the records know that the fleet is ready: the recorder may be behind by a moment.

    A recorder that doesn't answer makes no ready fleet a failure; `crazy status` says what is wrong with it.
    """
    deadline = time.monotonic() + RECORDS_S
    while (left_s := deadline - time.monotonic()) > 0:
        try:
            rows = records.of_running(chosen, left_s).rows("SELECT up FROM links WHERE link = 'socket'")
        except Refusal:
            return
        if any(row["up"] for row in rows):
            return
        time.sleep(POLL_S)
