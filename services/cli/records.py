"""Requests to a fleet: SQL on its records (through the recorder, or on the file), commands to its processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from messages.operator import Answer, Command, Sql
from services.configuration.refusal import Refusal
from services.fleet import process_lock
from services.fleet.places import Fleet
from services.runtime.bus import NoAnswer, ask
from services.runtime.ledger import LedgerError

__all__ = ["Records", "command", "of_running", "opened"]

ANSWER_S = 3.0
"""Longest wait for the answer of a process."""

SQL_ANSWER_S = 15.0
"""Longest wait for the recorder: a statement may run for 10 s."""

PAGE = 10_000
"""Rows per request; an answer has no more."""


class Records:
    """Read-only SQL on one fleet's database."""

    def __init__(self, answer: Callable[[str], Answer]):
        self._answer = answer

    def run(self, statement: str) -> Answer:
        """The answer to one statement, whether it succeeded or failed."""
        return self._answer(statement)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """The rows of one statement, each by column name. Refusal if it fails."""
        answer = self._answer(statement)
        if not answer.ok:
            raise Refusal(answer.text)
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]

    def all_rows(self, select: str, order_by: str) -> Iterator[dict[str, Any]]:
        """All rows of a statement, page by page: one answer may not hold them all."""
        offset = 0
        while True:
            page = self.rows(f"SELECT * FROM ({select}) ORDER BY {order_by} LIMIT {PAGE} OFFSET {offset}")
            yield from page
            if len(page) < PAGE:
                return
            offset += PAGE


@contextmanager
def opened(fleet: Fleet) -> Iterator[Records]:
    """The records of a fleet, whether it runs or not. Refusal if there are none."""
    if process_lock.holder(fleet.lock("recorder")) is not None:
        yield of_running(fleet)
        return
    if not fleet.database.exists():
        raise Refusal(f"{fleet.database}: no records of fleet {fleet.name} yet; start it with `crazy up`")
    # Imported here, so that a command that asks the recorder does not load DuckDB.
    from services.recorder.sql import ReadOnlySql
    from services.recorder.store import open_at_rest

    try:
        connection = open_at_rest(fleet.database)
    except LedgerError as error:
        if process_lock.holder(fleet.lock("recorder")) is None:
            raise Refusal(str(error)) from error
        yield of_running(fleet)  # it was started just now
        return
    with connection:
        yield Records(ReadOnlySql(connection).run)


def of_running(fleet: Fleet, timeout_s: float = SQL_ANSWER_S) -> Records:
    """The records of a fleet whose recorder runs."""
    return Records(lambda statement: command(fleet, "recorder", Sql(statement), timeout_s))


def command(fleet: Fleet, process: str, request: Command, timeout_s: float = ANSWER_S) -> Answer:
    """Send a command to a process. Its answer, or Refusal if it does not run or does not answer."""
    if process_lock.holder(fleet.lock(process)) is None:
        raise Refusal(f"{process} of fleet {fleet.name} is not running; `crazy up` starts the fleet")
    try:
        return ask(fleet.run, process, request, timeout_s)
    except NoAnswer:
        raise Refusal(
            f"{process} of fleet {fleet.name} lives but has not answered within {timeout_s:g} s; "
            f"see `crazy logs {process}`"
        ) from None
