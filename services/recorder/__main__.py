"""python -m services.recorder SETTINGS"""

import contextlib
import threading
from collections.abc import Iterator

from services.recorder.core import RecorderCore
from services.recorder.sql import TIMEOUT_S, ReadOnlySql
from services.recorder.store import DuckLedger
from services.runtime import poll_loop, process
from services.runtime.bus import serve_control
from services.runtime.ledger import LedgerError
from services.runtime.process import RunningProcess


def main() -> None:
    """Record, and answer SQL."""
    with process.enter("recorder") as p, contextlib.closing(opened(p)) as store, answering(p, store):
        poll_loop.run(p.actor(RecorderCore(), store), p.bus(), p.log)


def opened(p: RunningProcess) -> DuckLedger:
    """The open database. If it can't be used, the process ends with one clear line."""
    try:
        store = DuckLedger(
            p.fleet.database, fleet=p.fleet.name, account=p.settings.ibkr.account, patience_s=2 * TIMEOUT_S
        )
    except LedgerError as error:
        p.log.event("process_failed", level="ERROR", error=str(error))
        raise SystemExit(f"recorder: {error}") from None
    p.count_start(store)
    return store


@contextlib.contextmanager
def answering(p: RunningProcess, store: DuckLedger) -> Iterator[None]:
    """Answer SQL in a separate thread, so that a long statement delays no row."""
    reader, stopped = store.reader(), threading.Event()
    answer = ReadOnlySql(reader).answer
    questions = threading.Thread(target=serve_control, args=(p.fleet.run, p.name, answer, stopped.is_set), daemon=True)
    questions.start()
    try:
        yield
    finally:
        stopped.set()
        reader.interrupt()
        questions.join()


if __name__ == "__main__":
    main()
