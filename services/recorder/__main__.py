"""python -m services.recorder SETTINGS"""

import threading

from services import pollloop, process
from services.bus import serve_control
from services.recorder.core import RecorderCore
from services.recorder.sql import ReadOnlySql
from services.recorder.store import DuckLedger


def main() -> None:
    """Record; questions are answered in a thread of their own, so that a long one keeps no row waiting."""
    with process.enter("recorder") as p:
        store = DuckLedger(p.fleet.database, fleet=p.fleet.name, account=p.settings.ibkr.account)
        stopped = threading.Event()
        questions = threading.Thread(
            target=serve_control,
            args=(p.fleet.run, "recorder", ReadOnlySql(store.reader()).answer, stopped.is_set),
            daemon=True,
        )
        questions.start()
        try:
            pollloop.run(p.actor(RecorderCore(), store), p.bus(), p.log)
        finally:
            stopped.set()
            questions.join(2.0)
            store.close()


if __name__ == "__main__":
    main()
