"""What the edge makes of single messages: facts without NaN, whatever comes; nothing raises, nothing is silent."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.broker import (
    BrokerAccount,
    BrokerError,
    BrokerExecution,
    BrokerOrder,
    BrokerUndecoded,
    UnknownOrderStatus,
)
from services.configuration.settings import Settings
from services.gateway.ibkr.connection import Broker
from services.gateway.ibkr.library import Socket
from services.simulator.venue.reports import CommissionReport
from services.simulator.wire import order_replies, replies
from services.simulator.wire.fields import split
from tests.simulator.wire.test_replies import EXECUTION, HELD, NOON, ORDER, STOCK

VERSION = 157
"""The layout that the edge reads before a handshake has named another one."""


def edge(**ibkr: Any) -> Broker:
    fields = {"watchlist": ["TSLA"], "ibkr": {"time_zone": "UTC", **ibkr}}
    return Broker(msgspec.convert(fields, Settings), lambda: None, now_ns=lambda: NOON)


def received(*messages: Sequence[str], broker: Broker | None = None) -> list[Any]:
    made = broker or edge()
    for message in messages:
        made.on_message(list(message))
    made.on_read()
    return made.facts


def fields_of(frame: bytes) -> list[str]:
    return split(frame[4:])


def open_order(order_id: int, perm_id: int, quantity: float, ref: str, status: str = "PendingSubmit") -> list[str]:
    ticket = msgspec.structs.replace(ORDER.ticket, order_id=order_id, quantity=quantity, order_ref=ref)
    order = msgspec.structs.replace(ORDER, ticket=ticket, perm_id=perm_id, status=status, filled=0.0)
    fields = fields_of(order_replies.open_order(order, STOCK, VERSION))
    fields[25] = str(perm_id)
    return fields


def order_status(order_id: int, perm_id: int, status: str, filled: float = 0.0, remaining: float = 1.0) -> list[str]:
    return ["3", str(order_id), status, str(filled), str(remaining), "0", str(perm_id), "0", "0", "3", "", "0"]


def orders(facts: Sequence[Any]) -> list[tuple[str, int, int, str]]:
    return [(f.client_order_id, f.order_id, f.perm_id, f.status) for f in facts if isinstance(f, BrokerOrder)]


def test_two_orders_without_a_perm_id_stay_separate() -> None:
    """Callbacks of a bracket before it is acknowledged: neither order gets the other's terms."""
    facts = received(
        open_order(1, 0, 10.0, "CT-1"),
        open_order(2, 0, 5.0, "CT-1-S1"),
        order_status(1, 0, "PreSubmitted"),
        order_status(2, 0, "PreSubmitted"),
    )
    assert orders(facts) == [("CT-1", 1, 0, "PreSubmitted"), ("CT-1-S1", 2, 0, "PreSubmitted")]


def test_the_status_may_bring_the_perm_id() -> None:
    facts = received(open_order(1, 0, 10.0, "CT-1"), order_status(1, 77, "Submitted"))
    assert orders(facts) == [("CT-1", 1, 77, "Submitted")]


def test_field_06_two_orders_with_one_order_id_stay_separate() -> None:
    facts = received(
        open_order(1, 77, 10.0, "CT-1"),
        open_order(1, 78, 4.0, "CT-1"),
        order_status(1, 77, "Submitted"),
        order_status(1, 78, "Cancelled"),
    )
    assert orders(facts) == [("CT-1", 1, 77, "Submitted"), ("CT-1", 1, 78, "Cancelled")]


def test_a_status_of_an_unknown_order_is_reported() -> None:
    assert received(order_status(1, 77, "Submitted")) == [UnknownOrderStatus(1, 77, "Submitted")]


def test_field_51_an_open_order_that_says_filled_needs_no_status() -> None:
    facts = received(open_order(1, 77, 10.0, "CT-1", "Filled"))
    assert [(f.status, f.filled, f.quantity) for f in facts] == [("Filled", 10.0, 10.0)]


def test_an_open_order_that_ended_waits_for_the_status_of_the_same_read() -> None:
    facts = received(open_order(1, 77, 10.0, "CT-1", "Filled"), order_status(1, 77, "Filled", 10.0, 0.0))
    assert [(f.status, f.filled) for f in facts] == [("Filled", 10.0)]


def test_an_open_order_that_comes_again_keeps_what_filled() -> None:
    broker = edge()
    received(open_order(1, 77, 10.0, "CT-1"), order_status(1, 77, "Submitted", 4.0, 6.0), broker=broker)
    broker.facts.clear()
    facts = received(open_order(1, 77, 10.0, "CT-1", "Cancelled"), broker=broker)
    assert [(f.status, f.filled) for f in facts] == [("Cancelled", 4.0)]


def test_field_67_a_time_in_an_unknown_zone_is_reported_and_the_shares_count() -> None:
    fields = fields_of(order_replies.execution_details(EXECUTION, STOCK, VERSION))
    fields[15] = "20220322 12:00:00 XYZ"
    facts = received(fields)
    assert [type(fact) for fact in facts] == [BrokerUndecoded, BrokerExecution]
    assert (facts[0].order_id, facts[0].client_order_id) == (7, "TSLA-1")
    assert "XYZ" in facts[0].text
    assert (facts[1].quantity, facts[1].time_guessed) == (6.0, True)


def test_field_67_a_time_in_utc_is_not_read_in_the_hosts_zone() -> None:
    fields = fields_of(order_replies.execution_details(EXECUTION, STOCK, VERSION))
    fields[15] = "20220322-16:00:00"
    (fact,) = received(fields, broker=edge(time_zone="Asia/Tokyo"))
    assert fact.time_ns == NOON


def test_field_65_a_value_that_is_no_number_takes_its_old_one_away() -> None:
    broker = edge()
    value = fields_of(replies.account_value("NetLiquidation", 5.0, "USD", "DU1"))
    facts = received(value, ["8", "1", "12:00"], broker=broker)
    assert facts[-1] == BrokerAccount("", {"NetLiquidation": 5.0}, {})
    value[3] = "NaN"
    facts = received(value, ["6", "2", "AccountType", "INDIVIDUAL", "", "DU1"], ["8", "1", "12:00"], broker=broker)
    assert isinstance(facts[-2], BrokerUndecoded)
    assert facts[-1] == BrokerAccount("", {}, {"AccountType": "INDIVIDUAL"})


def test_field_68_every_message_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway.broker")
    facts = received(["4", "2", "-1", "321", "Error validating request: the API is Read-Only."])
    assert facts == [BrokerError(-1, 321, "Error validating request: the API is Read-Only.")]
    (line,) = [record.getMessage() for record in caplog.records]
    assert "321" in line
    assert "Read-Only." in line
    assert "untick Read-Only API" in line


def test_harmless_codes_are_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway.broker")
    broker = edge(harmless_codes=[10349, 555, 1100])
    message = [["4", "2", order_id, code, "text"] for order_id, code in (("7", "555"), ("-1", "555"), ("-1", "1100"))]
    assert received(*message, broker=broker) == [BrokerError(-1, 1100, "text")], "a link is never harmless"
    assert len(caplog.records) == 3


def test_field_12_one_farm_that_works_says_nothing_about_another() -> None:
    def farm(code: int, name: str) -> list[str]:
        return ["4", "2", "-1", str(code), f"Market data farm connection:{name}"]

    broker = edge()
    broker._farms_down.add("usfarm")
    assert received(farm(2104, "eufarm"), broker=broker) == []
    assert [fact.code for fact in received(farm(2104, "usfarm"), broker=broker)] == [2104]


def test_a_message_of_a_wrong_shape_is_reported() -> None:
    assert [type(fact) for fact in received(["61", "3"], ["59"], ["4", "2"])] == [BrokerUndecoded] * 3


SAMPLES = [
    open_order(7, 77, 10.0, "TSLA-1"),
    order_status(7, 77, "Submitted"),
    fields_of(order_replies.execution_details(EXECUTION, STOCK, VERSION)),
    fields_of(order_replies.commission_report(CommissionReport("x", 3, 1.0))),
    fields_of(order_replies.completed_order(ORDER, STOCK, VERSION)),
    fields_of(replies.position(HELD, STOCK)),
    fields_of(replies.account_value("NetLiquidation", 1.0, "USD", "DU1")),
    fields_of(replies.contract_details(1 << 30, STOCK, VERSION)),
    fields_of(replies.market_rule(26)),
    fields_of(replies.current_time(NOON)),
    fields_of(replies.executions_end(1)),
    fields_of(replies.contract_details_end(1)),
    fields_of(replies.market_data_type(1, 1)),
    ["4", "2", "7", "201", "Order rejected", ""],
    ["1", "6", "1", "4", "10.0", "100", "0"],
    ["2", "6", "1", "0", "100"],
    ["45", "6", "1", "49", "0.0"],
    ["46", "6", "1", "45", "1647964800"],
]
NASTY = st.sampled_from(
    [
        *(
            "",
            "nan",
            "NaN",
            "inf",
            "-inf",
            "Infinite",
            "1e999",
            "-0.0",
            "1.7976931348623157E308",
            "2147483647",
            "-1",
            "x",
        ),
        *("9223372036854775807", "99999999999999999999", "20261127 14:31:05 JST", "20261127 14:31:05 XYZ", "٣", "1_0"),
    ]
)


def numbers(value: Any) -> list[float]:
    """All floats in a fact."""
    if isinstance(value, float):
        return [value]
    if isinstance(value, msgspec.Struct):
        return numbers(list(msgspec.structs.astuple(value)))
    if isinstance(value, dict):
        return numbers(list(value.values()))
    return [n for item in value for n in numbers(item)] if isinstance(value, list | tuple) else []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(range(len(SAMPLES))),
            st.lists(st.tuples(st.integers(1, 140), NASTY | st.text(max_size=12)), max_size=3),
            st.integers(0, 140),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_field_65_any_text_in_any_field(plays: list[tuple[int, list[tuple[int, str]], int]]) -> None:
    """Nothing raises, and no fact has a NaN or an infinity. A third of the messages are cut short."""
    broker = edge()
    broker.quotes.add(1, "TSLA")
    logging.getLogger("gateway.broker").disabled = True
    try:
        for number, changes, cut in plays:
            fields = list(SAMPLES[number])
            for place, text in changes:
                if place < len(fields):
                    fields[place] = text
            broker.on_message(fields[: cut + 1] if cut < len(fields) and cut % 3 == 0 else fields)
        broker.on_read()
    finally:
        logging.getLogger("gateway.broker").disabled = False
    for fact in [*broker.facts, *broker.quotes.take()]:
        assert all(map(math.isfinite, numbers(fact))), fact
        msgspec.json.encode(fact)


def test_the_samples_are_read_when_they_are_whole() -> None:
    """Otherwise the test above would show nothing."""
    broker = edge()
    facts = received(*SAMPLES, broker=broker)
    assert not [fact for fact in facts if isinstance(fact, BrokerUndecoded)]
    assert {type(fact).__name__ for fact in facts} >= {"BrokerOrder", "BrokerExecution", "BrokerPosition"}


@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([b"\0\0\0\x0d176\x002022\0now\0", b"\0\0\0\x04ab"]), max_size=6)
)
def test_any_bytes_on_the_socket(reads: list[bytes]) -> None:
    """Half a message, a message of a gigabyte, a handshake that is none: the connection ends, and nothing raises."""

    async def play() -> None:
        messages: list[list[str]] = []
        socket = Socket(
            "ib_insync", per_second=0, on_message=messages.append, on_read=lambda: None, on_lost=lambda _: None
        )
        for data in reads:
            socket._on_data(data)
        socket.close()

    asyncio.run(play())
