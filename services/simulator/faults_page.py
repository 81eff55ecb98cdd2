"""`python -m services.simulator.faults_page > docs/faults.md`: generates the reference of the faults."""

from __future__ import annotations

from services.simulator.faults import catalogue, real_life

__all__ = ["PAGE", "page"]

PAGE = "docs/faults.md"

_HEAD = """\
# Faults on demand

Made of `services/simulator/faults/` by `.venv/bin/python -m services.simulator.faults_page > docs/faults.md`.

How one is asked for, by command, by timetable or from Python: [simulator.md](simulator.md#faults). All times are market
time. An argument's default stands in brackets. `count=0` strikes until the fault is cleared, `seconds=0` lasts until
then; `probability` is drawn from the seed, so that the same run fails in the same way.

## Every fault
"""

_FIELD = """\
## What goes wrong with bots in real life

Seventy-four ways in which real bots on IBKR, and this fleet, lost orders, money or sleep. The tests of this project
that replay one carry its number (`test_field_05_order_id_rolls_back`).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, catalogue.markdown(), "", _FIELD, real_life.markdown(), ""])


if __name__ == "__main__":
    print(page(), end="")
