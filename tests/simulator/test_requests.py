"""Every request, as the real client library writes it, is read to its last field in every version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ib_insync as ibi
import pytest
from ib_insync.client import Client as IbClient
from ib_insync.util import UNSET_DOUBLE

from services.simulator import requests
from services.simulator.contracts import Contract
from services.simulator.decode import UnreadableRequest, decode
from services.simulator.model import Ticket

VERSIONS = (157, 158, 160, 162, 163, 166, 169, 170, 174, 176)
STOCK = ibi.Stock("TSLA", "SMART", "USD")
TSLA = Contract(0, "TSLA", "STK", "SMART", "USD")


def sent(version: int, send: Callable[[IbClient], None]) -> list[str]:
    """The fields of the one request that ib_insync sends."""
    client = IbClient(wrapper=object())
    client.connState, client._serverVersion = client.CONNECTED, version
    messages: list[str] = []
    client.sendMsg = messages.append
    send(client)
    (message,) = messages
    return message.removesuffix("\0").split("\0")


def payload(fields: list[str]) -> bytes:
    return "".join(f"{field}\0" for field in fields).encode()


def placed(version: int, contract: ibi.Contract, order: ibi.Order) -> requests.PlaceOrder:
    request = decode(payload(sent(version, lambda c: c.placeOrder(7, contract, order))), version, client_id=3)
    assert isinstance(request, requests.PlaceOrder)
    return request


REQUESTS: list[tuple[Callable[[IbClient], None], requests.Request]] = [
    (lambda c: c.reqMktData(4, STOCK, "233", False, False, []), requests.MarketData(4, TSLA, False)),
    (lambda c: c.reqMktData(4, STOCK, "", True, False, [ibi.TagValue("a", "b")]), requests.MarketData(4, TSLA, True)),
    (lambda c: c.cancelMktData(4), requests.StopMarketData(4)),
    (lambda c: c.cancelOrder(9), requests.CancelOrder(9)),
    (lambda c: c.reqOpenOrders(), requests.OpenOrders()),
    (lambda c: c.reqAccountUpdates(True, "DU1"), requests.AccountUpdates(True, "DU1")),
    (lambda c: c.reqAccountUpdates(False, ""), requests.AccountUpdates(False, "")),
    (lambda c: c.reqExecutions(5, ibi.ExecutionFilter()), requests.Executions(5)),
    (
        lambda c: c.reqExecutions(
            5, ibi.ExecutionFilter(3, "DU1", "20220322-10:00:00", "TSLA", "STK", "NASDAQ", "BUY")
        ),
        requests.Executions(5, 3, "DU1", 1_647_943_200_000_000_000, "TSLA", "STK", "NASDAQ", "BUY"),
    ),
    (lambda c: c.reqIds(1), requests.NextId()),
    (lambda c: c.reqContractDetails(6, STOCK), requests.ContractDetails(6, TSLA)),
    (lambda c: c.reqAutoOpenOrders(True), requests.AutoOpenOrders(True)),
    (lambda c: c.reqAllOpenOrders(), requests.AllOpenOrders()),
    (lambda c: c.reqManagedAccts(), requests.ManagedAccounts()),
    (lambda c: c.reqCurrentTime(), requests.CurrentTime()),
    (lambda c: c.reqGlobalCancel(), requests.GlobalCancel()),
    (lambda c: c.reqMarketDataType(3), requests.MarketDataType(3)),
    (lambda c: c.reqPositions(), requests.Positions()),
    (lambda c: c.cancelPositions(), requests.StopPositions()),
    (lambda c: c.reqAccountSummary(8, "All", "A, B"), requests.AccountSummary(8, ("A", "B"))),
    (lambda c: c.cancelAccountSummary(8), requests.StopAccountSummary(8)),
    (lambda c: c.startApi(), requests.StartApi(-1)),
    (lambda c: c.reqAccountUpdatesMulti(8, "DU1", "", False), requests.AccountUpdatesMulti(8, "DU1")),
    (lambda c: c.cancelAccountUpdatesMulti(8), requests.StopAccountUpdatesMulti(8)),
    (lambda c: c.reqMatchingSymbols(8, "TS"), requests.MatchingSymbols(8, "TS")),
    (lambda c: c.reqMarketRule(26), requests.MarketRule(26)),
    (lambda c: c.reqCompletedOrders(True), requests.CompletedOrders(True)),
    (
        lambda c: c.reqHistoricalData(8, STOCK, "", "1 D", "1 min", "TRADES", True, 1, False, []),
        requests.NotSimulated("historical data", 8),
    ),
    (lambda c: c.cancelHistoricalData(8), requests.NotSimulated("historical data", 8)),
    (lambda c: c.reqRealTimeBars(8, STOCK, 5, "TRADES", True, []), requests.NotSimulated("real-time bars", 8)),
    (lambda c: c.cancelRealTimeBars(8), requests.NotSimulated("real-time bars", 8)),
    (lambda c: c.reqPositionsMulti(8, "DU1", ""), requests.NotSimulated("positions by model", 8)),
    (lambda c: c.cancelPositionsMulti(8), requests.NotSimulated("positions by model", 8)),
    (lambda c: c.reqHeadTimeStamp(8, STOCK, "TRADES", True, 1), requests.NotSimulated("head timestamps", 8)),
    (lambda c: c.cancelHeadTimeStamp(8), requests.NotSimulated("head timestamps", 8)),
    (lambda c: c.reqPnL(8, "DU1", ""), requests.NotSimulated("profit and loss", 8)),
    (lambda c: c.cancelPnL(8), requests.NotSimulated("profit and loss", 8)),
    (lambda c: c.reqPnLSingle(8, "DU1", "", 1), requests.NotSimulated("profit and loss", 8)),
    (lambda c: c.cancelPnLSingle(8), requests.NotSimulated("profit and loss", 8)),
    (
        lambda c: c.reqHistoricalTicks(8, STOCK, "", "", 9, "TRADES", True, False, []),
        requests.NotSimulated("historical ticks", 8),
    ),
    (lambda c: c.reqTickByTickData(8, STOCK, "Last", 0, False), requests.NotSimulated("tick by tick data", 8)),
    (lambda c: c.cancelTickByTickData(8), requests.NotSimulated("tick by tick data", 8)),
]


@pytest.mark.parametrize(("send", "expected"), REQUESTS)
def test_a_request_is_read_to_its_last_field(send: Callable[[IbClient], None], expected: requests.Request) -> None:
    for version in VERSIONS:
        fields = sent(version, send)
        assert decode(payload(fields), version, client_id=3) == expected
        with pytest.raises(UnreadableRequest, match="1 fields left over"):
            decode(payload([*fields, ""]), version, client_id=3)
        with pytest.raises(UnreadableRequest, match="missing"):
            decode(payload(fields[:-1]), version, client_id=3)


def test_combinations_are_read_to_their_last_field() -> None:
    pair = ibi.Bag(symbol="TSLA", comboLegs=[ibi.ComboLeg(1, 1, "BUY"), ibi.ComboLeg(2, 1, "SELL")])
    pair.deltaNeutralContract = ibi.DeltaNeutralContract(1, 0.5, 10.0)
    meant = Contract(0, "TSLA", "BAG", "", "")
    fields = sent(176, lambda c: c.reqMktData(4, pair, "", False, False, []))
    assert decode(payload(fields), 176, 3) == requests.MarketData(4, meant, False)
    fields = sent(176, lambda c: c.reqHistoricalData(8, pair, "", "1 D", "1 min", "TRADES", True, 1, False, []))
    assert decode(payload(fields), 176, 3) == requests.NotSimulated("historical data", 8)
    assert placed(176, pair, ibi.MarketOrder("BUY", 1)).unsupported == ("a combination", "delta neutral")


@pytest.mark.parametrize(("version", "count"), [(157, 110), (170, 115), (176, 115)])
def test_a_stock_order_has_the_fields_of_its_version(version: int, count: int) -> None:
    assert len(sent(version, lambda c: c.placeOrder(7, STOCK, ibi.MarketOrder("BUY", 1)))) == count


ORDERS: list[tuple[ibi.Order, dict[str, Any]]] = [
    (ibi.MarketOrder("BUY", 10), {"order_type": "MKT"}),
    (
        ibi.LimitOrder("SELL", 10, 2.5, tif="GTC"),
        {"order_type": "LMT", "side": "SELL", "limit_price": 2.5, "tif": "GTC"},
    ),
    (ibi.StopOrder("BUY", 10, 2.5, outsideRth=True), {"order_type": "STP", "stop_price": 2.5, "outside_rth": True}),
    (
        ibi.StopLimitOrder("BUY", 10, 2.6, 2.5, transmit=False, triggerMethod=2),
        {"order_type": "STP LMT", "stop_price": 2.5, "limit_price": 2.6, "transmit": False, "trigger_method": 2},
    ),
    (
        ibi.Order(
            orderType="TRAIL", action="SELL", totalQuantity=10, trailingPercent=10.0, parentId=6, trailStopPrice=2.0
        ),
        {"order_type": "TRAIL", "side": "SELL", "trailing_pct": 10.0, "parent_id": 6, "trail_stop_price": 2.0},
    ),
    (
        ibi.Order(orderType="TRAIL", action="SELL", totalQuantity=10, auxPrice=0.5),
        {"order_type": "TRAIL", "side": "SELL", "trailing_amount": 0.5},
    ),
    (
        ibi.Order(orderType="TRAIL LIMIT", action="SELL", totalQuantity=10, trailingPercent=5.0, lmtPriceOffset=0.05),
        {"order_type": "TRAIL LIMIT", "side": "SELL", "trailing_pct": 5.0, "limit_offset": 0.05},
    ),
    (
        ibi.LimitOrder("BUY", 10, 2.5, ocaGroup="g", ocaType=1, orderRef="r", account="DU1"),
        {"order_type": "LMT", "limit_price": 2.5, "oca_group": "g", "oca_type": 1, "order_ref": "r", "account": "DU1"},
    ),
    (
        ibi.LimitOrder("BUY", 10, 2.5, tif="GTD", goodTillDate="20220322 10:00:00 UTC"),
        {"order_type": "LMT", "limit_price": 2.5, "tif": "GTD", "good_till_ns": 1_647_943_200_000_000_000},
    ),
    (ibi.MarketOrder("BUY", 10, whatIf=True), {"order_type": "MKT", "what_if": True}),
    (
        ibi.StopOrder(
            "SELL",
            10,
            2.5,
            adjustedOrderType="TRAIL",
            triggerPrice=3.0,
            adjustedStopPrice=2.8,
            adjustedTrailingAmount=5.0,
            adjustableTrailingUnit=100,
        ),
        {
            "order_type": "STP",
            "side": "SELL",
            "stop_price": 2.5,
            "adjusted_order_type": "TRAIL",
            "adjusts_at": 3.0,
            "adjusted_stop_price": 2.8,
            "adjusted_trailing_pct": 5.0,
        },
    ),
    # As a client sends an order again that it learnt from the gateway: 0.0 and None where nothing was set.
    (
        ibi.Order(
            orderType="TRAIL",
            action="SELL",
            totalQuantity=10,
            trailingPercent=10.0,
            trailStopPrice=3.0,
            lmtPrice=0.0,
            auxPrice=0.0,
            deltaNeutralOrderType="None",
            adjustedOrderType="None",
            cashQty=0.0,
            clearingIntent="IB",
        ),
        {"order_type": "TRAIL", "side": "SELL", "trailing_pct": 10.0, "trail_stop_price": 3.0},
    ),
    (ibi.MarketOrder("BUY", 10, lmtPrice=0.0, auxPrice=0.0, trailStopPrice=1.0), {"order_type": "MKT"}),
]


@pytest.mark.parametrize(("order", "expected"), ORDERS)
def test_an_order_is_read_to_its_last_field(order: ibi.Order, expected: dict[str, Any]) -> None:
    details = {"side": "BUY", "quantity": 10.0, "account": "", **expected}
    ticket = Ticket(client_id=3, order_id=7, symbol="TSLA", **details)
    for version in VERSIONS:
        assert placed(version, STOCK, order) == requests.PlaceOrder(TSLA, ticket)


UNSUPPORTED = [
    ("a combination", ibi.Bag(symbol="TSLA", comboLegs=[ibi.ComboLeg(1, 1)] * 2), {}),
    ("goodAfterTime", STOCK, {"goodAfterTime": "20220322 10:00:00 UTC"}),
    ("allOrNone", STOCK, {"allOrNone": True}),
    ("minQty", STOCK, {"minQty": 5}),
    ("delta neutral", STOCK, {"deltaNeutralOrderType": "MKT"}),
    ("a scale order", STOCK, {"scalePriceIncrement": 0.1}),
    ("a hedge", STOCK, {"hedgeType": "D", "hedgeParam": "1"}),
    ("an algorithm", STOCK, {"algoStrategy": "Adaptive", "algoParams": [ibi.TagValue("adaptivePriority", "Normal")]}),
    ("conditions", STOCK, {"conditions": [ibi.PriceCondition(price=3.0), ibi.TimeCondition(time="x")]}),
    ("conditions", STOCK, {"conditions": [ibi.MarginCondition(), ibi.ExecutionCondition(), ibi.VolumeCondition()]}),
    ("conditions", STOCK, {"conditions": [ibi.PercentChangeCondition()]}),
    ("cashQty", STOCK, {"cashQty": 100.0}),
]


@pytest.mark.parametrize(("feature", "contract", "details"), UNSUPPORTED)
def test_what_is_not_simulated_is_named(feature: str, contract: ibi.Contract, details: dict[str, Any]) -> None:
    for version in VERSIONS:
        assert placed(version, contract, ibi.LimitOrder("BUY", 10, 2.5, **details)).unsupported == (feature,)


@pytest.mark.parametrize(
    "details",
    [
        {"orderType": "PEG BENCH"},
        {"orderType": "PEG MID"},
        {"orderType": "PEG BEST", "competeAgainstBestOffset": float("inf")},
        {"orderType": "PEG BEST"},
    ],
)
def test_pegged_orders_are_read_to_their_last_field(details: dict[str, Any]) -> None:
    for version in VERSIONS:
        assert placed(version, STOCK, ibi.Order(action="BUY", totalQuantity=1, **details)).ticket.symbol == "TSLA"
        at_ibkrats = ibi.Stock("TSLA", "IBKRATS", "USD")
        assert placed(version, at_ibkrats, ibi.Order(action="BUY", totalQuantity=1, **details)).ticket.quantity == 1


def test_versions_from_177_on_have_no_advisor_profile() -> None:
    fields = sent(176, lambda c: c.placeOrder(7, STOCK, ibi.LimitOrder("BUY", 10, 2.5, ocaGroup="g", ocaType=2)))
    profile = fields.index("g") + 21  # the field of the profile, counted from the OCA group on
    assert fields[profile] == ""
    without = fields[:profile] + fields[profile + 1 :]
    assert len(without) == 114
    for version in (177, 178):
        request = decode(payload(without), version, client_id=3)
        assert isinstance(request, requests.PlaceOrder)
        assert request == decode(payload(fields), 176, client_id=3)


def test_a_client_that_sends_nothing_for_unset_flags() -> None:
    fields = sent(176, lambda c: c.placeOrder(7, STOCK, ibi.LimitOrder("BUY", 10, 2.5)))
    empty = [fields[0], *("" if field in ("0", "0.0", "False") else field for field in fields[1:])]
    assert decode(payload(empty), 176, 3) == decode(payload(fields), 176, 3)
    assert empty != fields


def test_unset_prices_in_the_spelling_of_another_library() -> None:
    fields = sent(176, lambda c: c.placeOrder(7, STOCK, ibi.MarketOrder("BUY", 10)))
    spelled = [str(UNSET_DOUBLE) if at in (19, 20) else field for at, field in enumerate(fields)]
    assert decode(payload(spelled), 176, 3) == decode(payload(fields), 176, 3)


@pytest.mark.parametrize(
    ("fields", "request_id"),
    [
        (["777", "1"], -1),
        ([""], -1),
        (["x"], -1),
        (["3", "12", "0", "TSLA"], 12),
        (["2", "2", "4", "5"], 4),
        (["5", "1", "1"], -1),
        (sent(176, lambda c: c.placeOrder(7, STOCK, ibi.MarketOrder("HOLD", 1))), 7),
        (sent(176, lambda c: c.placeOrder(7, STOCK, ibi.MarketOrder("BUY", 1, goodTillDate="soon"))), 7),
        (sent(176, lambda c: c.placeOrder(7, STOCK, ibi.Order(action="BUY", conditions=[ibi.TimeCondition(2)]))), 7),
    ],
)
def test_what_cant_be_read_names_the_request(fields: list[str], request_id: int) -> None:
    with pytest.raises(UnreadableRequest) as caught:
        decode(payload(fields), 176, client_id=3)
    assert caught.value.request_id == request_id
