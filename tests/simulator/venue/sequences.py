"""The steps of the tables in `test_sequences*.py`: a gateway's messages about orders, one by one.

One row is one sequence: actions of the client or the market, and the messages that the client receives, in order. Each
row runs at the oldest supported version, at that of ib_insync, and at the newest.

Messages are written `5 7 LMT 9 0` (openOrder of order 7: its type, limit and auxiliary price, the current level of
a trailing stop after `@`), `3 7 Submitted 0/5 trigger` (orderStatus: filled of all, and why it is held),
`11 7 BOT 5 10.01` (execDetails), `59 1` (commissionReport), `4 7 202` (an error or a warning).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ib_insync as ibi
import pytest

from messages.market import Session
from services.configuration.broker_policy import Policy
from services.simulator.server import TwsServer
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.persistence import SavedExchange
from services.simulator.venue.store import Store
from services.simulator.wire.framing import frame
from tests.hostile.corpus import STOCK, place_order, sent, start_api
from tests.hostile.mutations import written
from tests.simulator.connection import ClientConnection
from tests.simulator.coverage import ORDERS
from tests.simulator.on_the_wire import ACCOUNT, OPEN_NS, SECOND, SESSION, WrittenMarket, trades

__all__ = [
    "OCA_1",
    "OCA_2",
    "OCA_3",
    "VERSIONS",
    "GatewayWithLedger",
    "SequenceRow",
    "SequenceStep",
    "cancel",
    "cancel_all",
    "close",
    "place",
    "play",
    "restart",
    "sequences",
    "tick",
]

VERSIONS = (157, 176, 178)
DAY_NS = 24 * 3600 * SECOND
TOMORROW = Session("2022-03-23", SESSION.open_ns + DAY_NS, SESSION.close_ns + DAY_NS)
CALM = (10.0,) * 6


class SequenceStep(NamedTuple):
    """One action, and the messages that the client receives."""

    what: str
    expected: Sequence[str]
    order_id: int = 0
    order: ibi.Order | None = None


class SequenceRow(NamedTuple):
    """A row of the table."""

    name: str
    steps: list[SequenceStep]
    prices: Sequence[float] = CALM
    policy: Policy = Policy()


def place(order_id: int, side: str, kind: str, *expected: str, **details: Any) -> SequenceStep:
    order = ibi.Order(action=side, totalQuantity=details.pop("shares", 5), orderType=kind, **{"tif": "DAY", **details})
    return SequenceStep("place", expected, order_id, order)


def cancel(order_id: int, *expected: str) -> SequenceStep:
    return SequenceStep("cancel", expected, order_id)


def cancel_all(*expected: str) -> SequenceStep:
    return SequenceStep("cancel_all", expected)


def tick(*expected: str) -> SequenceStep:
    """The next trade of the market."""
    return SequenceStep("tick", expected)


def close(*expected: str) -> SequenceStep:
    """The session ends."""
    return SequenceStep("close", expected)


def restart(*expected: str) -> SequenceStep:
    """The gateway restarts from its ledger, and the client reconnects."""
    return SequenceStep("restart", expected)


OCA_1, OCA_2, OCA_3 = ({"ocaGroup": "g", "ocaType": kind} for kind in (1, 2, 3))


class GatewayWithLedger:
    """A gateway with one client, on a ledger that stays after it."""

    def __init__(self, row: SequenceRow, version: int) -> None:
        self._row, self.version = row, version
        self._events = trades("TSLA", *row.prices)
        self._store = Store(Path(":memory:"), ACCOUNT)
        self.start(None)

    def start(self, saved: SavedExchange | None) -> None:
        self.exchange = Exchange(
            WrittenMarket(self._events),
            [SESSION, TOMORROW],
            accounts=[AccountTerms(account=ACCOUNT)],
            start_ns=OPEN_NS - 60 * SECOND,
            policy=self._row.policy,
            saved=saved,
        )
        self.server = TwsServer(self.exchange, self._store, "127.0.0.1", 0)
        self.line = ClientConnection(self.server)
        self.line.send(b"API\0" + frame(f"v100..{self.version}".encode()) + frame(written(start_api(1))))

    def do(self, step: SequenceStep) -> list[str]:
        match step.what:
            case "place":
                assert step.order is not None
                self.ask(place_order(self.version, step.order_id, STOCK, step.order))
            case "cancel":
                self.ask(sent(self.version, lambda client: client.cancelOrder(step.order_id)))
            case "cancel_all":
                self.ask(sent(self.version, lambda client: client.reqGlobalCancel()))
            case "tick":
                due = self.exchange.next_event_ns()
                assert due is not None
                self.server.advance(due, one=True)
            case "close":
                self.server.advance(SESSION.close_ns + 600 * SECOND)
            case "restart":
                self.line.disconnect()
                self.start(self._store.load())
        return self.received()

    def ask(self, fields: list[str]) -> None:
        self.line.send(frame(written(fields)))

    def received(self) -> list[str]:
        rows = [payload.decode().removesuffix("\0").split("\0") for payload in self.line.taken()]
        return [line for fields in rows if (line := _short(fields, self.version))]


def _short(fields: list[str], version: int) -> str:
    match fields[0]:
        case "5":
            kind, limit, aux = fields[15], *map(float, fields[16:18])
            words = ["5", fields[1], kind, f"{limit:g}", f"{aux:g}"]
            if kind.startswith("TRAIL"):
                # The second field of the current level, which clients keep, counted from the end.
                level = fields[-14 - sum(version >= since for since in (159, 160, 162)) - 5 * (version >= 170)]
                words.append(f"@{level}")
            return " ".join(words)
        case "3":
            filled, remaining = float(fields[3]), float(fields[4])
            return f"3 {fields[1]} {fields[2]} {filled:g}/{filled + remaining:g} {fields[10]}".strip()
        case "11":
            side = fields.index("BOT") if "BOT" in fields else fields.index("SLD")
            return f"11 {fields[2]} {fields[side]} {float(fields[side + 1]):g} {float(fields[side + 2]):g}"
        case "59":
            return f"59 {float(fields[3]):g}"
        case "4" if fields[2] != "-1":
            return f"4 {fields[2]} {fields[3]}"
    return ""


def shown(row: SequenceRow) -> pytest.MarkDecorator:
    """The marker of a row, from its actions and messages."""
    asked = {"place": 3, "cancel": 4, "cancel_all": 58}
    received = {int(line.split()[0]) for step in row.steps for line in step.expected}
    taken = [
        f"{step.order.orderType}/{step.order.tif}"
        for step in row.steps
        if step.order is not None and any(line.startswith("5") for line in step.expected)
    ]
    features = {
        "transmit and family": any(step.order is not None and step.order.parentId for step in row.steps),
        "328": "328" in row.name,
        "modify": row.name.startswith("modify"),
        "cancel": row.name.startswith("cancel"),
        "global cancel": row.name == "global cancel",
        **{f"OCA {kind}": row.name.startswith(f"OCA {kind}") for kind in (1, 2, 3)},
        "trail ratchet": row.name.startswith("a trailing stop by"),
        "outside regular hours": row.name == "outside regular hours",
        "off hours (399)": row.name.startswith("399"),
        "survives a restart": row.name.endswith("restart"),
        "rejects": row.name.startswith("reject"),
        "what-if": row.name.startswith("a what-if"),
        "partial fills": row.policy.partial_fills,
        "adjustable stop": row.name.startswith("an adjustable"),
    }
    return pytest.mark.shows(
        feature=[name for name, shown in features.items() if shown],
        request=sorted({asked[step.what] for step in row.steps if step.what in asked}),
        reply=sorted(received),
        order=sorted(set(taken) & set(ORDERS)),
    )


def sequences(table: Sequence[SequenceRow]) -> pytest.MarkDecorator:
    """The rows as parameters `row`, each with its marker."""
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.name, marks=shown(row)) for row in table])


def play(row: SequenceRow, version: int) -> None:
    """Run the row at a version; the messages must be the expected ones."""

    async def run() -> None:
        simulator = GatewayWithLedger(row, version)
        simulator.received()
        for at, step in enumerate(row.steps, start=1):
            assert simulator.do(step) == list(step.expected), (
                f"{row.name}, step {at}: {step.what} {step.order_id or ''}"
            )

    asyncio.run(run())
