"""Prints docs/order-states.md, with a diagram, from the table of the states of an order.

python -m services.gateway.orders.diagram > docs/order-states.md
"""

from __future__ import annotations

from services.gateway.orders.states import MEANING, TABLE, BrokerReport, Effect, OrderState, after

__all__ = ["markdown"]

HEADER = """# The states of an order

Drawn from the table in `services/gateway/orders/states.py`; renew it with
`python -m services.gateway.orders.diagram > docs/order-states.md`.

The gateway keeps a record of each order, and the record has a state. A *live* order may still trade.

The picture shows the reports of the broker that change the state. The frame holds the live states. An arrow that starts
at the frame holds for every live state.

The table has a row for every report and a column for every state. A cell names the effect of the report on a record in
that state; "–" means *ignored*. A report that waits for its executions settles no doubt: the order stays in doubt until
they are here."""


def markdown() -> str:
    """The page."""
    diagram = ["```mermaid", "stateDiagram-v2", *_arrows(), "```"]
    columns = ["the broker reports", "settles a doubt", *(f"in {state}" for state in OrderState)]
    head = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    effects = [f"- *{effect}*: {MEANING[effect]}" for effect in Effect]
    reasons = [f"- *{report}*: {row.because}" for report, row in TABLE.items()]
    parts = [HEADER, "", *diagram, "", *head, *_rows(), "", "The effects:", "", *effects, "", "Why:", "", *reasons]
    return "\n".join(parts)


def _picture_name(state: OrderState) -> str:
    """A state's name without blanks, as the diagram needs it."""
    return state.replace(" ", "_")


def _arrows() -> list[str]:
    """One arrow per pair of states, with its reports; one for all live states if they agree."""
    live = [state for state in OrderState if state.live]
    inner, outer = [f"        [*] --> {_picture_name(OrderState.IN_FLIGHT)}"], []
    for before in OrderState:
        for to in OrderState:
            reports = _between(before, to)
            arrow = f"{_picture_name(before)} --> {_picture_name(to)}: {'<br/>'.join(reports)}"
            if not reports:
                continue
            if before.live and to.live:
                inner.append(f"        {arrow}")
            elif before.live and all(_between(other, to) == reports for other in live):
                if before is live[0]:
                    outer.append(f"    live --> {_picture_name(to)}: {'<br/>'.join(reports)}")
            else:
                outer.append(f"    {arrow}")
    return ["    state live {", *inner, "    }", *outer]


def _between(before: OrderState, to: OrderState) -> list[BrokerReport]:
    """The reports that lead from one state to another."""
    return [report for report in TABLE if to is not before and after(before, report) is to]


def _rows() -> list[str]:
    rows = []
    for report, row in TABLE.items():
        effects = (row.cell(state) for state in OrderState)
        cells = ("–" if effect is Effect.IGNORED else f"**{effect}**" for effect in effects)
        rows.append(f"| {report} | {'yes' if row.settles else 'no'} | " + " | ".join(cells) + " |")
    return rows


if __name__ == "__main__":
    print(markdown())
