"""Every request, as the real client library writes it, is read to its last field in every version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ib_insync as ibi
import pytest
from ib_insync.client import Client as IbClient
from ib_insync.util import UNSET_DOUBLE

from services.simulator.venue.orders import Ticket
from services.simulator.wire import requests
from services.simulator.wire.contracts import Contract
from services.simulator.wire.decode import UnreadableRequest, decode
from services.simulator.wire.market_requests import (
    DepthRequest,
    HeadTimestampRequest,
    HistogramRequest,
    HistoricalDataRequest,
    HistoricalTicksRequest,
    MarketDataRequest,
    MarketDataTypeRequest,
    RealTimeBarsRequest,
    StopDepthRequest,
    StopHeadTimestampRequest,
    StopHistogramRequest,
    StopHistoricalDataRequest,
    StopMarketDataRequest,
    StopRealTimeBarsRequest,
    StopTickByTickRequest,
    TickByTickRequest,
)
from services.simulator.wire.unsupported_requests import Subject, UnsupportedRequest

VERSIONS = range(157, 177)
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


def placed(version: int, contract: ibi.Contract, order: ibi.Order) -> requests.PlaceOrderRequest:
    request = decode(payload(sent(version, lambda c: c.placeOrder(7, contract, order))), version, client_id=3)
    assert isinstance(request, requests.PlaceOrderRequest)
    return request


REQUESTS: list[tuple[Callable[[IbClient], None], requests.Request]] = [
    (lambda c: c.reqMktData(4, STOCK, "233", False, False, []), MarketDataRequest(4, TSLA, False, "233")),
    (lambda c: c.reqMktData(4, STOCK, "", True, False, [ibi.TagValue("a", "b")]), MarketDataRequest(4, TSLA, True)),
    (lambda c: c.cancelMktData(4), StopMarketDataRequest(4)),
    (lambda c: c.cancelOrder(9), requests.CancelOrderRequest(9)),
    (lambda c: c.reqOpenOrders(), requests.OpenOrdersRequest()),
    (lambda c: c.reqAccountUpdates(True, "DU1"), requests.AccountUpdatesRequest(True, "DU1")),
    (lambda c: c.reqAccountUpdates(False, ""), requests.AccountUpdatesRequest(False, "")),
    (lambda c: c.reqExecutions(5, ibi.ExecutionFilter()), requests.ExecutionsRequest(5)),
    (
        lambda c: c.reqExecutions(
            5, ibi.ExecutionFilter(3, "DU1", "20220322-10:00:00", "TSLA", "STK", "NASDAQ", "BUY")
        ),
        requests.ExecutionsRequest(5, 3, "DU1", 1_647_943_200_000_000_000, "TSLA", "STK", "NASDAQ", "BUY"),
    ),
    (lambda c: c.reqIds(1), requests.NextIdRequest()),
    (lambda c: c.reqContractDetails(6, STOCK), requests.ContractDetailsRequest(6, TSLA)),
    (lambda c: c.reqAutoOpenOrders(True), requests.AutoOpenOrdersRequest(True)),
    (lambda c: c.reqAllOpenOrders(), requests.AllOpenOrdersRequest()),
    (lambda c: c.reqManagedAccts(), requests.ManagedAccountsRequest()),
    (lambda c: c.reqCurrentTime(), requests.CurrentTimeRequest()),
    (lambda c: c.reqGlobalCancel(), requests.GlobalCancelRequest()),
    (lambda c: c.reqMarketDataType(3), MarketDataTypeRequest(3)),
    (lambda c: c.reqPositions(), requests.PositionsRequest()),
    (lambda c: c.cancelPositions(), requests.StopPositionsRequest()),
    (lambda c: c.reqAccountSummary(8, "All", "A, B"), requests.AccountSummaryRequest(8, ("A", "B"))),
    (lambda c: c.cancelAccountSummary(8), requests.StopAccountSummaryRequest(8)),
    (lambda c: c.startApi(), requests.StartApiRequest(-1)),
    (lambda c: c.reqAccountUpdatesMulti(8, "DU1", "", False), requests.AccountUpdatesMultiRequest(8, "DU1", "")),
    (lambda c: c.cancelAccountUpdatesMulti(8), requests.StopAccountUpdatesMultiRequest(8)),
    (lambda c: c.reqMatchingSymbols(8, "TS"), requests.MatchingSymbolsRequest(8, "TS")),
    (lambda c: c.reqMarketRule(26), requests.MarketRuleRequest(26)),
    (lambda c: c.reqCompletedOrders(True), requests.CompletedOrdersRequest(True)),
    (lambda c: c.reqPositionsMulti(8, "DU1", "m"), requests.PositionsMultiRequest(8, "DU1", "m")),
    (lambda c: c.cancelPositionsMulti(8), requests.StopPositionsMultiRequest(8)),
    (lambda c: c.reqPnL(8, "DU1", "m"), requests.ProfitRequest(8, "DU1", "m")),
    (lambda c: c.cancelPnL(8), requests.StopProfitRequest(8)),
    (lambda c: c.reqPnLSingle(8, "DU1", "", 1), requests.ProfitSingleRequest(8, "DU1", "", 1)),
    (lambda c: c.cancelPnLSingle(8), requests.StopProfitSingleRequest(8)),
    # The market
    (
        lambda c: c.reqHistoricalData(8, STOCK, "", "1 D", "1 min", "TRADES", True, 2, True, []),
        HistoricalDataRequest(8, TSLA, "", "1 min", "1 D", True, "TRADES", 2, True),
    ),
    (
        lambda c: c.reqHistoricalData(8, STOCK, "20220322 10:00:00 UTC", "2 W", "1 day", "BID", False, 1, False, []),
        HistoricalDataRequest(8, TSLA, "20220322 10:00:00 UTC", "1 day", "2 W", False, "BID", 1, False),
    ),
    (lambda c: c.cancelHistoricalData(8), StopHistoricalDataRequest(8)),
    (lambda c: c.reqRealTimeBars(8, STOCK, 5, "TRADES", True, []), RealTimeBarsRequest(8, TSLA, "TRADES", True)),
    (lambda c: c.cancelRealTimeBars(8), StopRealTimeBarsRequest(8)),
    (lambda c: c.reqHeadTimeStamp(8, STOCK, "TRADES", True, 2), HeadTimestampRequest(8, TSLA, True, "TRADES", 2)),
    (lambda c: c.cancelHeadTimeStamp(8), StopHeadTimestampRequest(8)),
    (
        lambda c: c.reqHistoricalTicks(8, STOCK, "a", "b", 9, "TRADES", True, False, []),
        HistoricalTicksRequest(8, TSLA, "a", "b", 9, "TRADES", True, False),
    ),
    (lambda c: c.reqHistogramData(8, STOCK, True, "3 days"), HistogramRequest(8, TSLA, True, "3 days")),
    (lambda c: c.cancelHistogramData(8), StopHistogramRequest(8)),
    (lambda c: c.reqTickByTickData(8, STOCK, "Last", 5, True), TickByTickRequest(8, TSLA, "Last", 5, True)),
    (lambda c: c.cancelTickByTickData(8), StopTickByTickRequest(8)),
    (lambda c: c.reqMktDepth(8, STOCK, 5, True, []), DepthRequest(8, TSLA)),
    (lambda c: c.cancelMktDepth(8, True), StopDepthRequest(8)),
    # Unsupported requests
    (lambda c: c.reqNewsBulletins(True), UnsupportedRequest(Subject.BULLETINS)),
    (lambda c: c.cancelNewsBulletins(), UnsupportedRequest(Subject.BULLETINS)),
    (lambda c: c.setServerLogLevel(2), UnsupportedRequest(Subject.LOG_LEVEL)),
    (lambda c: c.requestFA(1), UnsupportedRequest(Subject.ADVISOR)),
    (lambda c: c.replaceFA(8, 1, "<x/>"), UnsupportedRequest(Subject.ADVISOR, 8)),
    (lambda c: c.exerciseOptions(8, STOCK, 1, 1, "DU1", 0), UnsupportedRequest(Subject.EXERCISE, 8)),
    (
        lambda c: c.reqScannerSubscription(8, ibi.ScannerSubscription(scanCode="TOP_PERC_GAIN"), [], []),
        UnsupportedRequest(Subject.SCANNER, 8),
    ),
    (lambda c: c.cancelScannerSubscription(8), UnsupportedRequest(Subject.SCANNER_STOP, 8)),
    (lambda c: c.reqScannerParameters(), UnsupportedRequest(Subject.SCANNER_PARAMETERS)),
    (lambda c: c.reqFundamentalData(8, STOCK, "ReportSnapshot", []), UnsupportedRequest(Subject.FUNDAMENTALS, 8)),
    (lambda c: c.cancelFundamentalData(8), UnsupportedRequest(Subject.FUNDAMENTALS_STOP, 8)),
    (lambda c: c.calculateImpliedVolatility(8, STOCK, 1.0, 2.0, []), UnsupportedRequest(Subject.CALCULATION, 8)),
    (lambda c: c.calculateOptionPrice(8, STOCK, 1.0, 2.0, []), UnsupportedRequest(Subject.CALCULATION, 8)),
    (lambda c: c.cancelCalculateImpliedVolatility(8), UnsupportedRequest(Subject.CALCULATION_STOP, 8)),
    (lambda c: c.cancelCalculateOptionPrice(8), UnsupportedRequest(Subject.CALCULATION_STOP, 8)),
    (lambda c: c.verifyRequest("x", "1"), UnsupportedRequest(Subject.VERIFICATION)),
    (lambda c: c.verifyMessage("x"), UnsupportedRequest(Subject.VERIFICATION)),
    (lambda c: c.verifyAndAuthRequest("x", "1", "k"), UnsupportedRequest(Subject.VERIFICATION)),
    (lambda c: c.verifyAndAuthMessage("x", "y"), UnsupportedRequest(Subject.VERIFICATION)),
    (lambda c: c.queryDisplayGroups(8), UnsupportedRequest(Subject.DISPLAY_GROUPS, 8)),
    (lambda c: c.subscribeToGroupEvents(8, 1), UnsupportedRequest(Subject.GROUP_EVENTS, 8)),
    (lambda c: c.updateDisplayGroup(8, "none"), UnsupportedRequest(Subject.GROUP_UPDATE, 8)),
    (lambda c: c.unsubscribeFromGroupEvents(8), UnsupportedRequest(Subject.GROUP_UPDATE, 8)),
    (lambda c: c.reqSecDefOptParams(8, "TSLA", "", "STK", 76), UnsupportedRequest(Subject.OPTION_CHAIN, 8, "76")),
    (lambda c: c.reqSoftDollarTiers(8), UnsupportedRequest(Subject.SOFT_DOLLARS, 8)),
    (lambda c: c.reqFamilyCodes(), UnsupportedRequest(Subject.FAMILY_CODES)),
    (lambda c: c.reqMktDepthExchanges(), UnsupportedRequest(Subject.DEPTH_EXCHANGES)),
    (lambda c: c.reqSmartComponents(8, "9c0001"), UnsupportedRequest(Subject.SMART_COMPONENTS, 8, "9c0001")),
    (lambda c: c.reqNewsProviders(), UnsupportedRequest(Subject.NEWS_PROVIDERS)),
    (lambda c: c.reqNewsArticle(8, "BRFG", "x", []), UnsupportedRequest(Subject.NEWS_ARTICLE, 8)),
    (lambda c: c.reqHistoricalNews(8, 76, "BRFG", "", "", 9, []), UnsupportedRequest(Subject.HISTORICAL_NEWS, 8)),
    (lambda c: c.reqWshMetaData(8), UnsupportedRequest(Subject.WSH_META, 8)),
    (lambda c: c.cancelWshMetaData(8), UnsupportedRequest(Subject.WSH_META_STOP, 8)),
    (lambda c: c.reqWshEventData(8, ibi.WshEventData()), UnsupportedRequest(Subject.WSH_EVENTS, 8)),
    (lambda c: c.cancelWshEventData(8), UnsupportedRequest(Subject.WSH_EVENTS_STOP, 8)),
    (lambda c: c.reqUserInfo(8), UnsupportedRequest(Subject.USER_INFO, 8)),
]


@pytest.mark.parametrize(("send", "expected"), REQUESTS)
def test_a_request_is_read_to_its_last_field(send: Callable[[IbClient], None], expected: requests.Request) -> None:
    for version in VERSIONS:
        fields = sent(version, send)
        assert decode(payload(fields), version, client_id=3) == expected
        with pytest.raises(UnreadableRequest, match="1 fields left over"):
            decode(payload([*fields, ""]), version, client_id=3)
        if len(fields) > 1:
            with pytest.raises(UnreadableRequest, match="missing"):
                decode(payload(fields[:-1]), version, client_id=3)


def test_combinations_are_read_to_their_last_field() -> None:
    pair = ibi.Bag(symbol="TSLA", comboLegs=[ibi.ComboLeg(1, 1, "BUY"), ibi.ComboLeg(2, 1, "SELL")])
    pair.deltaNeutralContract = ibi.DeltaNeutralContract(1, 0.5, 10.0)
    meant = Contract(0, "TSLA", "BAG", "", "")
    fields = sent(176, lambda c: c.reqMktData(4, pair, "", False, False, []))
    assert decode(payload(fields), 176, 3) == MarketDataRequest(4, meant, False)
    fields = sent(176, lambda c: c.reqHistoricalData(8, pair, "", "1 D", "1 min", "TRADES", True, 1, False, []))
    assert decode(payload(fields), 176, 3) == HistoricalDataRequest(
        8, meant, "", "1 min", "1 D", True, "TRADES", 1, False
    )
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
    # An order sent again as the gateway reported it: unset fields are 0.0 or None.
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
        assert placed(version, STOCK, order) == requests.PlaceOrderRequest(TSLA, ticket, preset=not order.tif)


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
def test_unsupported_features_are_named(feature: str, contract: ibi.Contract, details: dict[str, Any]) -> None:
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
        assert isinstance(request, requests.PlaceOrderRequest)
        assert request == decode(payload(fields), 176, client_id=3)


def test_a_client_that_sends_nothing_for_unset_flags() -> None:
    fields = sent(176, lambda c: c.placeOrder(7, STOCK, ibi.LimitOrder("BUY", 10, 2.5)))
    empty = [fields[0], *("" if field in ("0", "0.0", "False") else field for field in fields[1:])]
    assert decode(payload(empty), 176, 3) == decode(payload(fields), 176, 3)
    assert empty != fields


def test_unset_prices_in_the_format_of_another_library() -> None:
    fields = sent(176, lambda c: c.placeOrder(7, STOCK, ibi.MarketOrder("BUY", 10)))
    encoded = [str(UNSET_DOUBLE) if at in (19, 20) else field for at, field in enumerate(fields)]
    assert decode(payload(encoded), 176, 3) == decode(payload(fields), 176, 3)


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
def test_an_unreadable_request_names_its_id(fields: list[str], request_id: int) -> None:
    with pytest.raises(UnreadableRequest) as caught:
        decode(payload(fields), 176, client_id=3)
    assert caught.value.request_id == request_id


def test_every_method_of_the_library_is_in_the_table() -> None:
    """Every request of the client library is tested: a method that is missing in this table fails."""
    names = {name for name in vars(IbClient) if name.startswith(("req", "cancel", "calculate", "verify", "query"))}
    source = Path(__file__).read_text()
    assert {name for name in names if f"c.{name}(" not in source} == set()
