"""The messages of every protocol version, decoded as the client libraries decode them, and strictly."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from ib_insync.decoder import Decoder

from messages.broker import BrokerCommission
from services.gateway.ibkr import decoding
from services.gateway.ibkr.fields import Undecodable
from services.simulator.venue.instruments import contract_id
from services.simulator.venue.orders import Order, Ticket
from services.simulator.venue.reports import CommissionReport
from services.simulator.wire import order_replies, replies
from services.simulator.wire.fields import split
from tests.simulator.wire.test_replies import EXECUTION, HELD, NOON, ORDER, STOCK, TICKET

NEW_YORK = ZoneInfo("America/New_York")
VERSIONS = [157, 159, 163, 164, 170, 174, 176, 177, 178]


def fields_of(frame: bytes) -> list[str]:
    return split(frame[4:])


@pytest.mark.parametrize("version", VERSIONS)
def test_an_open_order(version: int) -> None:
    order = decoding.open_order_of(fields_of(order_replies.open_order(ORDER, STOCK, version)), version)
    assert (order.client_order_id, order.order_id, order.perm_id, order.client_id, order.parent_id) == (
        *("TSLA-1", 7, 77, 3),
        6,
    )
    assert (order.symbol, order.con_id, order.sec_type, order.currency) == ("TSLA", contract_id("TSLA"), "STK", "USD")
    assert (order.side, order.quantity, order.order_type, order.status) == ("SELL", 10.0, "TRAIL LIMIT", "PreSubmitted")
    assert (order.trailing_pct, order.trail_stop_price, order.limit_offset) == (10.0, 9.5, 0.05)
    assert (order.limit_price, order.stop_price, order.filled) == (None, None, 0.0)
    assert (order.tif, order.account, order.oca_group, order.oca_type) == ("GTC", "DU1", "76", 3)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_completed_order_has_its_time(version: int) -> None:
    fields = fields_of(order_replies.completed_order(ORDER, STOCK, version))
    order, trouble = decoding.completed_of(fields, version, NEW_YORK)
    assert trouble == ""
    assert (order.client_order_id, order.order_id, order.perm_id) == ("TSLA-1", 0, 77)
    assert (order.completed_status, order.completed_ns, order.filled) == ("Cancelled by Trader", NOON, 4.0)
    assert (order.trail_stop_price, order.limit_offset) == (9.5, 0.05)


@pytest.mark.parametrize(
    ("details", "limit", "stop", "trail"),
    [
        ({"order_type": "MKT"}, None, None, None),
        ({"order_type": "LMT", "limit_price": 2.5}, 2.5, None, None),
        ({"order_type": "STP", "stop_price": 2.4}, None, 2.4, None),
        ({"order_type": "STP LMT", "stop_price": 2.4, "limit_price": 2.5}, 2.5, 2.4, None),
        ({"order_type": "TRAIL", "trailing_pct": 10.0}, None, None, 10.0),
    ],
)
def test_only_the_prices_of_the_type_are_kept(details: dict[str, Any], limit: Any, stop: Any, trail: Any) -> None:
    ticket = Ticket(client_id=3, order_id=7, account="DU1", symbol="TSLA", side="BUY", quantity=1.0, **details)
    order = decoding.open_order_of(
        fields_of(order_replies.open_order(Order(ticket=ticket, perm_id=7), STOCK, 176)), 176
    )
    assert (order.limit_price, order.stop_price, order.trailing_pct) == (limit, stop, trail)


class Theirs:
    """What ib_insync's decoder makes of the same fields."""

    def __init__(self) -> None:
        self.calls: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.setdefault(name, arguments)


@pytest.mark.parametrize(
    "changes",
    [
        {"combo": ["1", "9", "1", "BUY", "SMART", "0", "0", "", "-1"]},
        {"conditions": ["2", "1", "a", "1", "9.5", "4", "SMART", "0", "7", "o", "0", "5", "4", "SMART", "1", "0"]},
        {"algo": ["Adaptive", "1", "adaptivePriority", "Normal"]},
        {"scale": ["0.5", *["1"] * 7]},
        {"hedge": ["B", "5"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_persons_order_of_another_kind_is_read_as_by_the_library(changes: dict[str, list[str]]) -> None:
    """Legs, conditions, algorithms: they move the fields that follow."""
    fields = fields_of(order_replies.open_order(ORDER, STOCK, 176))
    # the places of the counts and names in a plain order of version 176
    places = {"combo": 79, "scale": 84, "hedge": 85, "algo": 91, "conditions": 111}
    (name, inserted), *_ = changes.items()
    at = places[name]
    changed = fields[:at] + inserted + fields[at + 1 :]
    theirs = Theirs()
    decoder = Decoder(theirs, 176)  # type: ignore[arg-type]
    decoder.openOrder(list(changed))
    _, _, order, state = theirs.calls["openOrder"]
    ours = decoding.open_order_of(changed, 176)
    assert (ours.status, ours.trail_stop_price) == (state.status, order.trailStopPrice) == ("PreSubmitted", 9.5)
    assert ours.client_order_id == order.orderRef


@pytest.mark.parametrize("version", VERSIONS)
def test_an_execution(version: int) -> None:
    fields = fields_of(order_replies.execution_details(EXECUTION, STOCK, version, request_id=5))
    request_id, execution, trouble = decoding.execution_of(fields, ZoneInfo("UTC"), 0)
    assert (request_id, trouble, execution.time_guessed) == (5, "", False)
    assert (execution.exec_id, execution.client_order_id, execution.perm_id) == (EXECUTION.exec_id, "TSLA-1", 77)
    assert (execution.side, execution.quantity, execution.price) == ("SELL", 6.0, 12.25)
    assert (execution.cum_quantity, execution.avg_price, execution.account) == (10.0, 12.4, "DU1")
    assert (execution.time_ns, execution.con_id, execution.sec_type) == (NOON, contract_id("TSLA"), "STK")


@pytest.mark.parametrize(
    ("time", "guess"),
    [("20220322 10:00:00 XYZ", NOON - 2 * 3600 * 10**9), ("20220322 23:00:00 XYZ", NOON), ("garbage", NOON)],
)
def test_field_67_an_execution_with_an_unknown_zone_still_counts(time: str, guess: int) -> None:
    """Its time is the best guess, never later than now, and it says so."""
    fields = fields_of(order_replies.execution_details(EXECUTION, STOCK, 176))
    fields[15] = time
    _, execution, trouble = decoding.execution_of(fields, NEW_YORK, NOON)
    assert trouble
    assert (execution.quantity, execution.time_guessed, execution.time_ns) == (6.0, True, guess)


@pytest.mark.parametrize(("place", "value"), [(18, "SOLD"), (19, "NaN"), (20, "Infinite"), (14, ""), (21, "x")])
def test_field_65_an_execution_that_says_nothing_is_refused(place: int, value: str) -> None:
    fields = fields_of(order_replies.execution_details(EXECUTION, STOCK, 176))
    fields[place] = value
    with pytest.raises(Undecodable):
        decoding.execution_of(fields, NEW_YORK, NOON)
    assert decoding.subject_of(fields) == (7, "TSLA-1")


def test_the_subject_of_a_broken_message() -> None:
    open_order = fields_of(order_replies.open_order(ORDER, STOCK, 176))
    completed = fields_of(order_replies.completed_order(ORDER, STOCK, 176))
    status = fields_of(order_replies.order_status(ORDER))
    assert decoding.subject_of(open_order[:30]) == (7, "TSLA-1")
    assert decoding.subject_of(completed[:30]) == (0, "TSLA-1")
    assert decoding.subject_of(status) == (7, "")
    assert decoding.subject_of([""]) == (0, "")


def test_field_51_an_order_of_which_nothing_remains_is_filled() -> None:
    fields = fields_of(order_replies.order_status(msgspec.structs.replace(ORDER, status="Submitted")))
    assert decoding.order_status_of(fields).status == "Submitted"
    fields[3:5] = ["10", "0"]
    assert decoding.order_status_of(fields).status == "Filled"
    cancelled = [*fields[:2], "Cancelled", *fields[3:]]
    assert decoding.order_status_of(cancelled).status == "Cancelled"


@pytest.mark.parametrize(("theirs", "ours"), [("ApiPending", "PendingSubmit"), ("ApiCancelled", "Cancelled")])
def test_statuses_of_a_clients_library(theirs: str, ours: str) -> None:
    fields = fields_of(order_replies.order_status(msgspec.structs.replace(ORDER, status=theirs)))
    assert decoding.order_status_of(fields).status == ours


def test_a_commission_and_its_missing_profit() -> None:
    fields = fields_of(order_replies.commission_report(CommissionReport("x", 3, 1.0)))
    assert decoding.commission_of(fields) == BrokerCommission("x", 1.0, "USD", None)
    fields[5] = "nan"
    with pytest.raises(Undecodable, match="realizedPNL"):
        decoding.commission_of(fields)


def test_a_position_whose_cost_cannot_be_read_keeps_its_shares() -> None:
    fields = fields_of(replies.position(HELD, STOCK))
    position, trouble = decoding.position_of(fields)
    assert (position.account, position.symbol, position.quantity, position.avg_cost, trouble) == (
        *("DU1", "TSLA", -10.0, 12.5),
        "",
    )
    fields[15] = "NaN"
    position, trouble = decoding.position_of(fields)
    assert (position.quantity, position.avg_cost) == (-10.0, 0.0)
    assert "avgCost" in trouble
    fields[14] = "NaN"
    with pytest.raises(Undecodable, match="position"):
        decoding.position_of(fields)


@pytest.mark.parametrize("version", VERSIONS)
def test_contract_details(version: int) -> None:
    request_id, details = decoding.contract_of(fields_of(replies.contract_details(9, STOCK, version)), version)
    assert (request_id, details.con_id, details.ticker) == (9, contract_id("TSLA"), "TSLA")
    assert details.rules["SMART"] == 26


def test_a_market_rule() -> None:
    number, steps = decoding.market_rule_of(fields_of(replies.market_rule(26)))
    assert number == 26
    assert steps[-1][1] == 0.01
    with pytest.raises(Undecodable):
        decoding.market_rule_of(["93", "26", "1", "0", "0"])
    with pytest.raises(Undecodable):
        decoding.market_rule_of(["93", "26", "1000000", "0", "0"])


def test_the_samples_are_of_one_order() -> None:
    assert ORDER.ticket is TICKET
