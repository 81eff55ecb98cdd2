"""Which processes of a fleet are ready, as the watchdog reports them, and waiting for that."""

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

__all__ = ["POLL_S", "ROLL_CALL_S", "is_ready", "parsed", "refused", "roll_call", "staying", "wait_end", "wait_ready"]


POLL_S = 0.1


ROLL_CALL_S = 1.0


def roll_call(chosen: Fleet) -> dict[str, ProcessState]:
    """The processes as the watchdog sees them; empty when it does not answer."""
    if process_lock.holder(chosen.lock("watchdog")) is None:
        return {}
    try:
        answer = ask(chosen.run, "watchdog", RollCall(), ROLL_CALL_S)
    except NoAnswer:
        return {}
    return parsed(answer.columns, answer.rows)


def parsed(columns: list[str], rows: list[list[object]]) -> dict[str, ProcessState]:
    """The watchdog's table, by process name."""
    states = (msgspec.convert(dict(zip(columns, row, strict=True)), ProcessState) for row in rows)
    return {state.process: state for state in states}


def wait_ready(chosen: Fleet, timeout_s: float) -> list[str]:
    """The processes that are not ready when the time is up; empty as soon as all are."""
    deadline = time.monotonic() + timeout_s
    while True:
        states = roll_call(chosen)
        missing = [name for name in staying(chosen) if not is_ready(chosen, name, states.get(name))]
        if not missing or time.monotonic() >= deadline or _refusal(states):
            return missing
        time.sleep(POLL_S)


def is_ready(chosen: Fleet, name: str, state: ProcessState | None) -> bool:
    """Whether this process lives and said so itself: the watchdog's word may be of one that was killed just now."""
    return state is not None and state.ready and state.pid == process_lock.holder(chosen.lock(name))


def refused(chosen: Fleet) -> str:
    """Why the gateway does nothing at all (a wrong account); '' when it does not say so."""
    return _refusal(roll_call(chosen))


def _refusal(states: dict[str, ProcessState]) -> str:
    gateway = states.get("gateway")
    return gateway.note if gateway is not None and not gateway.ready else ""


def staying(chosen: Fleet) -> tuple[str, ...]:
    """The processes that must be there: one that winds down may leave at any time."""
    leaving = {symbol_process(symbol) for symbol in chosen.settings.winding_down}
    return tuple(name for name in chosen.processes if name not in leaving)


def wait_end(chosen: Fleet, timeout_s: float) -> list[str]:
    """What is still missing at the end of the market when the time is up; empty as soon as nothing is."""
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
