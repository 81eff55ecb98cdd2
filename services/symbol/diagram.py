"""Draws docs/states.md from the table of a symbol's states.

python -m services.symbol.diagram > docs/states.md
"""

from __future__ import annotations

from services.symbol.states import TABLE, SymbolState

__all__ = ["markdown"]

HEADER = """# The states of a symbol

Drawn from the table in `services/symbol/states.py`; renew it with `python -m services.symbol.diagram > docs/states.md`.
The picture shows the events that change the state. The table has every event in every state; below are the reasons.
"""


def markdown() -> str:
    """The page."""
    diagram = ["```mermaid", "stateDiagram-v2", f"    [*] --> {SymbolState.NO_POSITION}", *_arrows(), "```"]
    head = ["| event | " + " | ".join(f"in {state}" for state in SymbolState) + " |", "|---" * 7 + "|"]
    return "\n".join([HEADER, *diagram, "", *head, *_rows(), "", "Why:", "", *_reasons()])


def _arrows() -> list[str]:
    """One arrow per pair of states, with all its events."""
    events: dict[tuple[SymbolState, SymbolState], list[str]] = {}
    for event, row in TABLE.items():
        for before in SymbolState:
            if row.cell(before) is not before:
                events.setdefault((before, row.cell(before)), []).append(event)
    order = list(SymbolState)
    pairs = sorted(events, key=lambda pair: (order.index(pair[0]), order.index(pair[1])))
    return [f"    {before} --> {to}: {'<br/>'.join(events[before, to])}" for before, to in pairs]


def _rows() -> list[str]:
    rows = []
    for event, row in TABLE.items():
        cells = (f"**{row.cell(state)}**" if row.cell(state) is not state else "stays" for state in SymbolState)
        rows.append(f"| {event} | " + " | ".join(cells) + " |")
    return rows


def _reasons() -> list[str]:
    return [f"- *{event}*: {row.because}" for event, row in TABLE.items()]


if __name__ == "__main__":
    print(markdown())
