"""Draws the state machine of a symbol out of its table, as docs/states.md.

python -m services.symbol.diagram > docs/states.md
"""

from __future__ import annotations

from services.symbol.states import TRANSITIONS, SymbolState

__all__ = ["markdown"]

HEADER = """# The states of a symbol

Drawn from the table in `services/symbol/states.py`; renew it with `python -m services.symbol.diagram > docs/states.md`.
What is not drawn changes no state.
"""


def markdown() -> str:
    """The page."""
    arrows = [f"    {before} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()]
    diagram = ["```mermaid", "stateDiagram-v2", f"    [*] --> {SymbolState.NO_POSITION}", *arrows, "```"]
    rows = [f"| `{before}` | {event} | `{after}` |" for (before, event), after in TRANSITIONS.items()]
    return "\n".join([HEADER, *diagram, "", "| state | event | next |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(markdown())
