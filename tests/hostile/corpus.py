"""Valid requests of every server version, as a real client library writes them: what the fuzzer mutates.

ib_insync writes them at each start, at most in version 176. For these requests the two later versions differ only by
one field of placeOrder, which is removed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import ib_insync as ibi
from ib_insync.client import Client as IbClient

from services.simulator.wire.framing import MAX_VERSION, MIN_VERSION
from tests.simulator.wire.test_requests import REQUESTS

__all__ = ["VERSIONS", "place_order", "sent", "start_api", "valid_requests"]

VERSIONS = range(MIN_VERSION, MAX_VERSION + 1)
LAST_OF_IB_INSYNC = 176
PROFILE = "the advisor's profile"

STOCK = ibi.Stock("TSLA", "SMART", "USD")
OTHER = ibi.Stock("TSM", "SMART", "USD")
PAIR = ibi.Bag(
    symbol="TSLA",
    exchange="SMART",
    currency="USD",
    comboLegs=[ibi.ComboLeg(1, 1, "BUY"), ibi.ComboLeg(2, 1, "SELL")],
    deltaNeutralContract=ibi.DeltaNeutralContract(1, 0.5, 10.0),
)

Send = Callable[[IbClient], None]

ASKING: list[Send] = [
    lambda c: c.reqMktData(4, STOCK, "233", False, False, []),
    lambda c: c.reqMktData(5, OTHER, "", True, False, []),
    lambda c: c.reqMktData(6, PAIR, "", False, False, []),
    lambda c: c.cancelMktData(4),
    lambda c: c.reqMarketDataType(3),
    lambda c: c.reqMarketDataType(1),
    lambda c: c.reqTickByTickData(7, STOCK, "AllLast", 0, False),
    lambda c: c.reqTickByTickData(8, STOCK, "BidAsk", 10, True),
    lambda c: c.cancelTickByTickData(7),
    lambda c: c.reqRealTimeBars(9, STOCK, 5, "TRADES", True, []),
    lambda c: c.cancelRealTimeBars(9),
    lambda c: c.reqHistoricalData(10, STOCK, "", "1 D", "1 min", "TRADES", True, 1, False, []),
    lambda c: c.reqHistoricalData(10, STOCK, "20220322 14:00:00 UTC", "600 S", "5 secs", "BID_ASK", False, 2, True, []),
    lambda c: c.reqHistoricalData(11, PAIR, "", "1 D", "1 min", "TRADES", True, 1, False, []),
    lambda c: c.cancelHistoricalData(10),
    lambda c: c.reqHistoricalTicks(12, STOCK, "20220322 13:30:00 UTC", "", 9, "TRADES", True, False, []),
    lambda c: c.reqHistoricalTicks(12, STOCK, "", "20220322 13:31:00 UTC", 9, "BID_ASK", True, True, []),
    lambda c: c.reqHeadTimeStamp(13, STOCK, "TRADES", True, 1),
    lambda c: c.cancelHeadTimeStamp(13),
    lambda c: c.reqOpenOrders(),
    lambda c: c.reqAllOpenOrders(),
    lambda c: c.reqAutoOpenOrders(True),
    lambda c: c.reqCompletedOrders(False),
    lambda c: c.reqExecutions(14, ibi.ExecutionFilter()),
    lambda c: c.reqExecutions(14, ibi.ExecutionFilter(3, "DU1234567", "20220322-10:00:00", "TSLA", "STK", "", "BUY")),
    lambda c: c.reqIds(1),
    lambda c: c.reqManagedAccts(),
    lambda c: c.reqCurrentTime(),
    lambda c: c.reqContractDetails(15, STOCK),
    lambda c: c.reqMatchingSymbols(16, "TS"),
    lambda c: c.reqMarketRule(26),
    lambda c: c.reqAccountUpdates(True, "DU1234567"),
    lambda c: c.reqAccountUpdates(False, ""),
    lambda c: c.reqAccountUpdatesMulti(17, "DU1234567", "", False),
    lambda c: c.cancelAccountUpdatesMulti(17),
    lambda c: c.reqAccountSummary(18, "All", "NetLiquidation,BuyingPower"),
    lambda c: c.cancelAccountSummary(18),
    lambda c: c.reqPositions(),
    lambda c: c.cancelPositions(),
    lambda c: c.reqPositionsMulti(19, "DU1234567", ""),
    lambda c: c.cancelPositionsMulti(19),
    lambda c: c.reqPnL(20, "DU1234567", ""),
    lambda c: c.cancelPnL(20),
    lambda c: c.reqPnLSingle(21, "DU1234567", "", 1_430_592_268),
    lambda c: c.cancelPnLSingle(21),
    lambda c: c.cancelOrder(2),
    lambda c: c.reqGlobalCancel(),
]

ORDERS: list[tuple[ibi.Contract, ibi.Order]] = [
    (STOCK, ibi.MarketOrder("BUY", 10)),
    (STOCK, ibi.MarketOrder("SELL", 5, tif="IOC")),
    (OTHER, ibi.LimitOrder("BUY", 10, 9.5, tif="GTC", orderRef="ours")),
    (STOCK, ibi.LimitOrder("SELL", 5, 10.5, tif="GTD", goodTillDate="20220322 15:00:00 US/Eastern")),
    (STOCK, ibi.LimitOrder("BUY", 5, 9.9, ocaGroup="pair", ocaType=1)),
    (STOCK, ibi.LimitOrder("BUY", 5, 9.8, ocaGroup="pair", ocaType=3)),
    (STOCK, ibi.StopOrder("BUY", 10, 10.3, outsideRth=True)),
    (OTHER, ibi.StopOrder("SELL", 10, 9.3, tif="GTC", triggerMethod=2)),
    (STOCK, ibi.StopLimitOrder("BUY", 10, 10.8, 10.2, transmit=False)),
    (STOCK, ibi.Order(orderType="TRAIL", action="SELL", totalQuantity=10, trailingPercent=10.0, parentId=9, tif="GTC")),
    (STOCK, ibi.Order(orderType="TRAIL", action="SELL", totalQuantity=10, auxPrice=0.5, trailStopPrice=9.25)),
    (
        OTHER,
        ibi.Order(orderType="TRAIL LIMIT", action="SELL", totalQuantity=5, trailingPercent=3.0, lmtPriceOffset=0.05),
    ),
    (STOCK, ibi.MarketOrder("BUY", 1000, whatIf=True)),
    (STOCK, ibi.StopOrder("SELL", 5, 9.0, adjustedOrderType="TRAIL", triggerPrice=11.0, adjustedTrailingAmount=0.5)),
    (PAIR, ibi.LimitOrder("BUY", 1, 0.5, smartComboRoutingParams=[ibi.TagValue("NonGuaranteed", "1")])),
    (STOCK, ibi.LimitOrder("BUY", 1, 9.0, algoStrategy="Adaptive", algoParams=[ibi.TagValue("adaptivePriority", "x")])),
    (
        STOCK,
        ibi.LimitOrder("BUY", 1, 9.0, conditions=[ibi.PriceCondition(price=3.0), ibi.TimeCondition(time="20220322")]),
    ),
    (STOCK, ibi.LimitOrder("BUY", 1, 9.0, conditions=[ibi.MarginCondition(), ibi.ExecutionCondition()])),
    (STOCK, ibi.LimitOrder("BUY", 1, 9.0, conditions=[ibi.VolumeCondition(), ibi.PercentChangeCondition()])),
    (STOCK, ibi.LimitOrder("BUY", 1, 9.0, scalePriceIncrement=0.1, scaleInitLevelSize=1)),
    (STOCK, ibi.LimitOrder("BUY", 1, 9.0, hedgeType="D", hedgeParam="1", goodAfterTime="20220322 10:00:00 UTC")),
    (STOCK, ibi.LimitOrder("BUY", 1, 9.0, deltaNeutralOrderType="MKT", allOrNone=True, minQty=1, cashQty=5.0)),
    (STOCK, ibi.Order(action="BUY", totalQuantity=1, orderType="PEG MID")),
    (STOCK, ibi.Order(action="BUY", totalQuantity=1, orderType="PEG BENCH")),
    (STOCK, ibi.Order(action="BUY", totalQuantity=1, orderType="PEG BEST", competeAgainstBestOffset=float("inf"))),
    (
        ibi.Stock("TSLA", "IBKRATS", "USD"),
        ibi.Order(action="BUY", totalQuantity=1, orderType="PEG BEST", minTradeQty=1),
    ),
]


def start_api(client_id: int) -> list[str]:
    """The fields of the first request."""
    return ["71", "2", str(client_id), ""]


@cache
def valid_requests(version: int) -> list[list[str]]:
    """The fields of each request in this version; the orders have the ids 1, 2, 3 and so on."""
    requests = [sent(version, send) for send in (*ASKING, *(send for send, _ in REQUESTS))]
    for number, (contract, order) in enumerate(ORDERS, start=1):
        requests.append(place_order(version, number, contract, order))
    return requests


def place_order(version: int, order_id: int, contract: ibi.Contract, order: ibi.Order) -> list[str]:
    """The fields of one placeOrder."""
    order.faProfile = PROFILE
    fields = sent(version, lambda client: client.placeOrder(order_id, contract, order))
    profile = fields.index(PROFILE)
    fields[profile : profile + 1] = [""] if version <= LAST_OF_IB_INSYNC else []
    return fields


def sent(version: int, send: Send) -> list[str]:
    """The fields of the one request that ib_insync sends."""
    messages: list[str] = []
    _CLIENT._serverVersion = min(version, LAST_OF_IB_INSYNC)
    _CLIENT.sendMsg = messages.append
    send(_CLIENT)
    (message,) = messages
    return message.removesuffix("\0").split("\0")


_CLIENT = IbClient(wrapper=object())
_CLIENT.connState = _CLIENT.CONNECTED
_CLIENT.MaxRequests = 0  # it would hold back what exceeds 45 requests a second
