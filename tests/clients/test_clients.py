"""Third-party clients work with the simulated gateway as with the real one: one scenario, one table, four clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from tests.clients.client_programs import CLIENTS, Client, Program, program, short
from tests.simulator.on_the_wire import ACCOUNT, Gateway, gateway, trades

MARKET = trades("TSLA", 10.0, 10.2, 10.6, 11.0, 12.0, 11.5, 11.5, 11.5, 11.5, 11.5)

ENTRY = {
    "orderId": 101, "action": "BUY", "totalQuantity": 10, "orderType": "STP LMT", "lmtPrice": 10.8, "auxPrice": 10.5,
    "tif": "DAY", "orderRef": "entry", "transmit": False,
}  # fmt: skip
STOP = {
    "orderId": 102, "parentId": 101, "action": "SELL", "totalQuantity": 10, "orderType": "TRAIL",
    "trailingPercent": 10, "tif": "GTC", "orderRef": "stop", "transmit": True,
}  # fmt: skip
ECHO = {"ocaGroup": "1000001", "ocaType": 3}
"""The broker's OCA group of the child: a modification repeats it, or leaves it out."""


def resting(order_id: int, action: str, order_type: str, **more: Any) -> dict[str, Any]:
    return {
        "orderId": order_id, "action": action, "totalQuantity": 5, "orderType": order_type, "tif": "GTC",
        "transmit": True, **more,
    }  # fmt: skip


Step = tuple[str, dict[str, Any], Sequence[str]]
"""The command (`move`: run so many market events), its details, and the callbacks of every client."""

SCENARIO: list[Step] = [
    ("details", {}, ["details TSLA 0.01"]),
    ("move", {"events": 1}, []),
    # A bracket: there is no message about the parent until the child transmits it.
    ("place", {"order": ENTRY}, []),
    (
        "place",
        {"order": STOP},
        [
            "order 101 BUY 10 STP LMT 10.8 10.5 PreSubmitted",
            "status 101 PreSubmitted 0 of 10 trigger",
            "order 102 SELL 10 TRAIL 10% - PreSubmitted",
            "status 102 PreSubmitted 0 of 10 child,trigger",
        ],
    ),
    (
        "place",
        {"order": ENTRY | {"lmtPrice": 10.9, "transmit": True}},
        ["order 101 BUY 10 STP LMT 10.9 10.5 PreSubmitted", "status 101 PreSubmitted 0 of 10 trigger"],
    ),
    ("move", {"events": 1}, []),
    (
        "move",
        {"events": 1},
        [
            "order 101 BUY 10 STP LMT 10.9 10.5 Submitted",
            "status 101 Submitted 0 of 10",
            "execution 101 BOT 10 at 10.61",
            *["order 101 BUY 10 STP LMT 10.9 10.5 Filled", "status 101 Filled 10 of 10 at 10.61"] * 2,
            "commission 1",
            "position TSLA 10 at 10.71",
            "order 102 SELL 10 TRAIL 10% 9.54 PreSubmitted",
            "status 102 PreSubmitted 0 of 10 trigger",
        ],
    ),
    (
        "move",
        {"events": 2},
        [
            "order 102 SELL 10 TRAIL 10% 9.9 PreSubmitted",
            "status 102 PreSubmitted 0 of 10 trigger",
            "order 102 SELL 10 TRAIL 10% 10.8 PreSubmitted",
            "status 102 PreSubmitted 0 of 10 trigger",
        ],
    ),
    (
        "place",
        {"order": STOP | {"trailingPercent": 6}},
        ["order 102 SELL 10 TRAIL 6% 10.8 PreSubmitted", "status 102 PreSubmitted 0 of 10 trigger"],
    ),
    (
        "place",
        {"order": STOP | ECHO | {"trailingPercent": 5}},
        ["order 102 SELL 10 TRAIL 5% 10.8 PreSubmitted", "status 102 PreSubmitted 0 of 10 trigger"],
    ),
    ("cancel", {"id": 102}, ["status 102 Cancelled 0 of 10", "error 102 202"]),
    (
        "place",
        {"order": resting(103, "SELL", "MKT", totalQuantity=10, tif="DAY")},
        ["order 103 SELL 10 MKT PreSubmitted", "status 103 PreSubmitted 0 of 10"],
    ),
    (
        "move",
        {"events": 1},
        [
            "execution 103 SLD 10 at 11.49",
            *["order 103 SELL 10 MKT Filled", "status 103 Filled 10 of 10 at 11.49"] * 2,
            "commission 1 earned 6.8",
            "position TSLA 0 at 0",
        ],
    ),
    # A bracket with profit and stop; the end of the parent is the end of both.
    ("place", {"order": resting(104, "BUY", "LMT", lmtPrice=9.0, transmit=False)}, []),
    ("place", {"order": resting(105, "SELL", "LMT", lmtPrice=12.0, parentId=104, transmit=False)}, []),
    (
        "place",
        {"order": resting(106, "SELL", "STP", auxPrice=8.0, parentId=104)},
        [
            "order 104 BUY 5 LMT 9 Submitted",
            "status 104 Submitted 0 of 5",
            "order 105 SELL 5 LMT 12 PreSubmitted",
            "status 105 PreSubmitted 0 of 5 child",
            "order 106 SELL 5 STP 8.03 8 PreSubmitted",
            "status 106 PreSubmitted 0 of 5 child,trigger",
        ],
    ),
    (
        "cancel",
        {"id": 104},
        [line for number in (104, 105, 106) for line in (f"status {number} Cancelled 0 of 5", f"error {number} 202")],
    ),
    # Refusals.
    ("cancel", {"id": 104}, ["error 104 10148"]),
    ("cancel", {"id": 777}, ["error 777 10147"]),
    ("place", {"order": resting(107, "BUY", "LMT", lmtPrice=9.001)}, ["error 107 110"]),
    ("place", {"order": resting(108, "BUY", "LMT", lmtPrice=9.0, tif="NEVER")}, ["error 108 10052"]),
    # Requests.
    (
        "executions",
        {},
        [
            "again execution 101 BOT 10 at 10.61",
            "commission 1",
            "again execution 103 SLD 10 at 11.49",
            "commission 1 earned 6.8",
        ],
    ),
    (
        "completed",
        {},
        [
            "completed STP LMT BUY Filled: Filled Size: 10",
            "completed TRAIL SELL Cancelled: Cancelled by Trader",
            "completed MKT SELL Filled: Filled Size: 10",
            "completed LMT BUY Cancelled: Cancelled by Trader",
            "completed LMT SELL Cancelled: Cancelled by Trader",
            "completed STP SELL Cancelled: Cancelled by Trader",
        ],
    ),
    # Disconnect and reconnect.
    (
        "place",
        {"order": resting(109, "BUY", "LMT", lmtPrice=9.0)},
        ["order 109 BUY 5 LMT 9 Submitted", "status 109 Submitted 0 of 5"],
    ),
    (
        "place",
        {"order": resting(110, "BUY", "STP", auxPrice=20.0)},
        ["order 110 BUY 5 STP 20.03 20 PreSubmitted", "status 110 PreSubmitted 0 of 5 trigger"],
    ),
]

SYNC = ("positions", "open_orders", "completed", "account", "executions")
"""What ib_insync and ib_async ask for by themselves when they connect."""


async def enter(it: Program) -> list[dict[str, Any]]:
    seen = await it.do("connect")
    for what in SYNC:
        seen += await it.do(what)
    return seen + await it.do("summary")


async def move(simulator: Gateway, it: Program, events: int) -> list[dict[str, Any]]:
    for _ in range(events):
        due = simulator.exchange.next_event_ns()
        assert due is not None, "the market is over"
        simulator.server.advance(due, one=True)
    return await it.do("wait")


def quotes(events: Iterable[dict[str, Any]]) -> dict[int, float]:
    """The last value of each tick type, without exchange letters."""
    reported = [event for event in events if event["saw"] == "tick" and event["kind"] not in (32, 33, 84)]
    return {event["kind"]: float(event["value"]) for event in reported}


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    if found.missing:
        pytest.skip(found.missing)
    return found


@pytest.mark.shows(
    request=(3, 4, 5, 6, 7, 9, 49, 58, 61, 62, 71, 99),
    reply=(3, 4, 5, 6, 9, 10, 11, 15, 49, 52, 53, 54, 55, 59, 61, 62, 63, 64, 101, 102),
    order=("STP LMT/DAY", "TRAIL/GTC", "MKT/DAY", "LMT/GTC", "STP/GTC"),
    feature=("transmit and family", "modify", "cancel", "global cancel", "rejects", "trail ratchet"),
)
def test_the_whole_scenario(client: Client) -> None:
    async def play() -> None:
        async with gateway(MARKET) as simulator, program(client, simulator.server.port) as it:
            entered = await enter(it)
            assert set(short(entered)) == {
                f"accounts {ACCOUNT}", "next_id 1", "error -1 2104", "error -1 2106", "error -1 2158", "orders_end",
                "cash 100000", "worth 100000",
            }  # fmt: skip
            assert [event["version"] for event in entered if event["saw"] == "version"] == [client.version]

            seen: list[dict[str, Any]] = []
            for at, (what, details, expected) in enumerate(SCENARIO):
                if what == "move":
                    events = await move(simulator, it, **details)
                else:
                    events = await it.do(what, **details)
                assert short(events) == list(expected), f"step {at}: {what} {details}"
                seen += events

            reported = [event for event in seen if "perm" in event and "id" in event]
            assert {event["id"]: event["perm"] - 1_000_000 for event in reported} == {
                number: number - 100 for number in (*range(101, 107),)
            } | {109: 7, 110: 8}
            assert {event["account"] for event in seen if "account" in event} == {ACCOUNT}
            live, again = (
                [(e["exec_id"], e["time"]) for e in seen if e["saw"] == "execution" and (e["request"] == -1) is live]
                for live in (True, False)
            )
            assert live == again
            hour = "09" if client.name == "stoqey" else "13"  # it shows US/Eastern as it came, the others show UTC
            assert [time for _, time in live] == [f"20220322 {hour}:30:02", f"20220322 {hour}:30:05"]
            for event in await it.do("belief"):
                assert event["trades"] == [
                    ["Filled", 10], ["Cancelled", 0], ["Filled", 10], *[["Cancelled", 0]] * 3,
                    ["Submitted", 0], ["PreSubmitted", 0],
                ]  # fmt: skip
            await it.do("leave")
            async with asyncio.timeout(5):
                while simulator.server.connections:
                    await asyncio.sleep(0.001)

            async with program(client, simulator.server.port) as back:
                entered = await back.do("connect")
                assert short(entered)[:6] == [
                    "order 109 BUY 5 LMT 9 Submitted",
                    "status 109 Submitted 0 of 5",
                    "order 110 BUY 5 STP 20 PreSubmitted",
                    "status 110 PreSubmitted 0 of 5 trigger",
                    "orders_end",
                    f"accounts {ACCOUNT}",
                ]
                assert "next_id 111" in short(entered)
                assert short(await back.do("cancel_all")) == [
                    "status 109 Cancelled 0 of 5", "error 109 202", "status 110 Cancelled 0 of 5", "error 110 202",
                    *[f"error {number} 161" for number in (102, 104, 105, 106)],
                ]  # fmt: skip

    asyncio.run(play())


@pytest.mark.shows(request=(1, 2), reply=(1, 2, 45, 46, 58))
def test_quotes(client: Client) -> None:
    lot = 100 if client.version < 159 else 1

    async def play() -> None:
        async with gateway(MARKET) as simulator, program(client, simulator.server.port) as it:
            await it.do("connect")
            await it.do("details")
            await move(simulator, it, 1)
            first = await it.do("stream")
            assert [event["kind"] for event in first if event["saw"] == "data_type"] == [1]
            assert quotes(first) == {
                1: 9.99, 0: 200 // lot, 2: 10.01, 3: 300 // lot, 45: 1_647_955_800, 4: 10.0, 5: 100 // lot,
                8: 1, 6: 10.0, 7: 10.0, 14: 10.0, 49: 0,
            }  # fmt: skip
            assert quotes(await move(simulator, it, 1)) == {
                1: 10.19, 0: 200 // lot, 2: 10.21, 3: 300 // lot, 45: 1_647_955_801, 4: 10.2, 5: 101 // lot,
                8: 2, 6: 10.2,
            }  # fmt: skip
            await it.do("unstream")
            assert quotes(await move(simulator, it, 1)) == {}

    asyncio.run(play())


@pytest.mark.shows(request=71, reply=4)
def test_a_client_id_in_use(client: Client) -> None:
    async def play() -> None:
        async with (
            gateway(MARKET) as simulator,
            program(client, simulator.server.port) as first,
            program(client, simulator.server.port) as second,
        ):
            await first.do("connect")
            assert "error -1 326" in short(await second.do("connect", patience=0.3))
            assert short(await first.do("details")) == ["details TSLA 0.01"]

    asyncio.run(play())


@pytest.mark.shows(
    request=(3, 20, 50, 51, 74, 75, 81, 87, 91, 92, 93, 94, 95, 96, 97, 98),
    reply=(5, 17, 50, 71, 72, 79, 88, 93, 94, 95, 98, 99),
    feature="what-if",
)
def test_questions(client: Client) -> None:
    """Historical data, ticks, bars, profits and other requests: the same answers for all clients."""
    lot = 100 if client.version < 159 else 1
    zone = " UTC" if client.version >= 174 else ""

    async def play() -> None:
        async with gateway(MARKET) as simulator, program(client, simulator.server.port) as it:
            await it.do("connect")
            await it.do("details")
            await move(simulator, it, 1)
            assert short(await it.do("singles")) == []
            assert short(await it.do("live_bars")) == []
            assert short(await it.do("profit", account=ACCOUNT)) == ["profit 0 0 0", "profit_of_one 0 0/0/0/0"]
            what_if = resting(101, "BUY", "MKT", totalQuantity=10, tif="DAY", whatIf=True)
            assert short(await it.do("place", order=what_if)) == ["order 101 BUY 10 MKT PreSubmitted", "margin 25 1"]
            await it.do("place", order=what_if | {"orderId": 102, "whatIf": False})
            bought = short(await move(simulator, it, 1))
            assert f"single 1647955801 10.2 {101 // lot}" in bought
            assert "execution 102 BOT 10 at 10.21" in bought
            assert short(await move(simulator, it, 4)) == [
                f"single 1647955802 10.6 {102 // lot}", "profit 2.9 2.9 0", "profit_of_one 10 2.9/2.9/0/106",
                f"single 1647955803 11 {103 // lot}", "profit 6.9 6.9 0", "profit_of_one 10 6.9/6.9/0/110",
                f"single 1647955804 12 {104 // lot}", "profit 16.9 16.9 0", "profit_of_one 10 16.9/16.9/0/120",
                f"single 1647955805 11.5 {105 // lot}", "live_bar 1647955800 10.2/12/10.2/12 4",
                "profit 11.9 11.9 0", "profit_of_one 10 11.9/11.9/0/115",
            ]  # fmt: skip
            held = [f"position_multi {ACCOUNT} TSLA 10 10.31"]
            assert short(await it.do("positions_multi", account=ACCOUNT)) == held
            assert short(await it.do("no_more", account=ACCOUNT)) == []
            assert short(await move(simulator, it, 1)) == []
            answers = {
                "matching": ["matching TSLA"],
                "rule": ["rule 0/0.0001/1/0.01"],
                "head": ["head 1647955800"],
                "past_ticks": [
                    "past "
                    + " ".join(
                        f"{price}/{size // lot}" for price, size in ((11, 103), (12, 104), (11.5, 105), (11.5, 106))
                    )
                ],
                "history": ["bars 10/12/10/11.5"],
            }
            details = {"account": ACCOUNT, "pattern": "TS", "rule": 26, "duration": "1 D", "bar": "1 min"}
            for what, expected in answers.items():
                given = details | {"start": f"20220322 13:30:03{zone}"}
                assert short(await it.do(what, **given)) == expected, what

    asyncio.run(play())
