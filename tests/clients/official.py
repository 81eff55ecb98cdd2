"""python official.py PORT CLIENT_ID: IBKR's library, with its reader thread and its callbacks."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.wrapper import EWrapper
from talk import commands, order_wanted, saw, saw_completed, saw_execution, saw_order, saw_status

PATIENCE_S = 5.0


class Program(EWrapper, EClient):  # type: ignore[misc]
    """Client and wrapper of the library in one object, as in its examples."""

    def __init__(self, port: int, client_id: int) -> None:
        EClient.__init__(self, self)
        self.port, self.client_number = port, client_id
        self.answered = threading.Event()
        self.told_time = threading.Event()
        self.requests = 0
        self.streams: dict[str, int] = {}
        self.numbers: dict[str, int] = {}
        self.rows: list[list[float]] = []

    # Callbacks

    def managedAccounts(self, accountsList: str) -> None:
        saw("accounts", accounts=accountsList)

    def nextValidId(self, orderId: int) -> None:
        saw("next_id", id=orderId)
        self.answered.set()

    def error(self, reqId: int, errorCode: int, errorString: str) -> None:
        saw("error", id=reqId, code=errorCode, text=errorString)
        self.answered.set()

    def connectionClosed(self) -> None:
        self.answered.set()

    def currentTime(self, time: int) -> None:
        self.told_time.set()

    def openOrder(self, orderId: int, contract: Any, order: Any, orderState: Any) -> None:
        saw_order(orderId, contract, order, orderState)

    def openOrderEnd(self) -> None:
        saw("orders_end")
        self.answered.set()

    def completedOrder(self, contract: Any, order: Any, orderState: Any) -> None:
        saw_completed(contract, order, orderState)

    def completedOrdersEnd(self) -> None:
        self.answered.set()

    def orderStatus(self, orderId: int, status: str, filled: float, remaining: float, *rest: Any) -> None:
        saw_status(orderId, status, filled, remaining, *rest)

    def execDetails(self, reqId: int, contract: Any, execution: Any) -> None:
        saw_execution(reqId, contract, execution, " ".join(execution.time.split()[:2]))

    def execDetailsEnd(self, reqId: int) -> None:
        self.answered.set()

    def commissionReport(self, report: Any) -> None:
        saw("commission", exec_id=report.execId, amount=report.commission, earned=report.realizedPNL)

    def position(self, account: str, contract: Any, position: float, avgCost: float) -> None:
        saw("position", account=account, symbol=contract.symbol, quantity=position, cost=avgCost)

    def positionEnd(self) -> None:
        self.answered.set()

    def tickPrice(self, reqId: int, tickType: int, price: float, attrib: Any) -> None:
        saw("tick", request=reqId, kind=tickType, value=price)

    def tickSize(self, reqId: int, tickType: int, size: int) -> None:
        saw("tick", request=reqId, kind=tickType, value=size)

    def tickString(self, reqId: int, tickType: int, value: str) -> None:
        saw("tick", request=reqId, kind=tickType, value=value)

    def tickGeneric(self, reqId: int, tickType: int, value: float) -> None:
        saw("tick", request=reqId, kind=tickType, value=value)

    def marketDataType(self, reqId: int, marketDataType: int) -> None:
        saw("data_type", request=reqId, kind=marketDataType)

    def contractDetails(self, reqId: int, contractDetails: Any) -> None:
        contract = contractDetails.contract
        self.numbers[contract.symbol] = contract.conId
        saw("details", symbol=contract.symbol, id=contract.conId, min_tick=contractDetails.minTick)

    def contractDetailsEnd(self, reqId: int) -> None:
        self.answered.set()

    def updateAccountValue(self, key: str, val: str, currency: str, accountName: str) -> None:
        if key == "TotalCashValue" and self.asked == "account":
            saw("cash", value=float(val))

    def accountDownloadEnd(self, accountName: str) -> None:
        self.answered.set()

    def accountSummary(self, reqId: int, account: str, tag: str, value: str, currency: str) -> None:
        if tag == "NetLiquidation" and self.asked == "summary":
            saw("worth", value=float(value))

    def accountSummaryEnd(self, reqId: int) -> None:
        self.answered.set()

    def historicalData(self, reqId: int, bar: Any) -> None:
        self.rows.append([bar.open, bar.high, bar.low, bar.close])

    def historicalDataEnd(self, reqId: int, start: str, end: str) -> None:
        self.answered.set()

    def headTimestamp(self, reqId: int, headTimestamp: str) -> None:
        saw("head", time=int(headTimestamp))
        self.answered.set()

    def historicalTicksLast(self, reqId: int, ticks: Any, done: bool) -> None:
        saw("past_ticks", ticks=[[tick.price, tick.size] for tick in ticks])
        self.answered.set()

    def tickByTickAllLast(self, reqId: int, tickType: int, time: int, price: float, size: int, *rest: Any) -> None:
        saw("single", time=time, price=price, size=size)

    def realtimeBar(self, reqId: int, time: int, *figures: Any) -> None:
        saw("live_bar", time=time, prices=figures[:4], count=figures[-1])

    def pnl(self, reqId: int, dailyPnL: float, unrealizedPnL: float, realizedPnL: float) -> None:
        saw("profit", daily=dailyPnL, unrealized=unrealizedPnL, realized=realizedPnL)

    def pnlSingle(self, reqId: int, pos: int, *figures: float) -> None:
        saw("profit_of_one", quantity=pos, figures=figures)

    def positionMulti(self, reqId: int, account: str, modelCode: str, contract: Any, *held: float) -> None:
        saw("position_multi", account=account, symbol=contract.symbol, quantity=held[0], cost=held[1])

    def positionMultiEnd(self, reqId: int) -> None:
        self.answered.set()

    def symbolSamples(self, reqId: int, contractDescriptions: Any) -> None:
        saw("matching", symbols=[each.contract.symbol for each in contractDescriptions])
        self.answered.set()

    def marketRule(self, marketRuleId: int, priceIncrements: Any) -> None:
        saw("rule", steps=[[step.lowEdge, step.increment] for step in priceIncrements])
        self.answered.set()

    # Commands; True if an answer must be awaited

    asked = ""

    def do(self, wanted: dict[str, Any]) -> None:
        self.asked = wanted["do"]
        self.answered.clear()
        if getattr(self, f"do_{self.asked}")(wanted) and not self.answered.wait(PATIENCE_S):
            saw("silence", about=self.asked)
        if self.asked == "history":
            saw("bars", bars=self.rows)
        if self.isConnected():
            self.told_time.clear()
            self.reqCurrentTime()
            self.told_time.wait(PATIENCE_S)

    def do_connect(self, _: dict[str, Any]) -> bool:
        self.connect("127.0.0.1", self.port, self.client_number)
        saw("version", version=self.serverVersion())
        threading.Thread(target=self.run, daemon=True).start()
        return True

    def do_leave(self, _: dict[str, Any]) -> None:
        self.disconnect()

    def do_details(self, wanted: dict[str, Any]) -> bool:
        self.reqContractDetails(self.next_request(), self.stock(wanted))
        return True

    def do_stream(self, wanted: dict[str, Any]) -> None:
        self.streams[wanted["symbol"]] = self.next_request()
        self.reqMktData(self.requests, self.stock(wanted), "", False, False, [])

    def do_unstream(self, wanted: dict[str, Any]) -> None:
        self.cancelMktData(self.streams.pop(wanted["symbol"]))

    def do_place(self, wanted: dict[str, Any]) -> None:
        order = order_wanted(Order(), wanted["order"])
        order.eTradeOnly = order.firmQuoteOnly = False
        self.placeOrder(order.orderId, self.stock(wanted), order)

    def do_cancel(self, wanted: dict[str, Any]) -> None:
        self.cancelOrder(wanted["id"])

    def do_cancel_all(self, _: dict[str, Any]) -> None:
        self.reqGlobalCancel()

    def do_positions(self, _: dict[str, Any]) -> bool:
        self.reqPositions()
        return True

    def do_open_orders(self, _: dict[str, Any]) -> bool:
        self.reqOpenOrders()
        return True

    def do_completed(self, _: dict[str, Any]) -> bool:
        self.reqCompletedOrders(False)
        return True

    def do_executions(self, _: dict[str, Any]) -> bool:
        self.reqExecutions(self.next_request(), ExecutionFilter())
        return True

    def do_account(self, _: dict[str, Any]) -> bool:
        self.reqAccountUpdates(True, "")
        return True

    def do_summary(self, _: dict[str, Any]) -> bool:
        self.reqAccountSummary(self.next_request(), "All", "NetLiquidation")
        return True

    def do_history(self, wanted: dict[str, Any]) -> bool:
        self.rows = []
        self.reqHistoricalData(
            self.next_request(), self.stock(wanted), "", wanted["duration"], wanted["bar"], "TRADES",
            1, 2, False, [],
        )  # fmt: skip
        return True

    def do_head(self, wanted: dict[str, Any]) -> bool:
        self.reqHeadTimeStamp(self.next_request(), self.stock(wanted), "TRADES", 1, 2)
        return True

    def do_past_ticks(self, wanted: dict[str, Any]) -> bool:
        self.reqHistoricalTicks(
            self.next_request(), self.stock(wanted), wanted["start"], "", 10, "TRADES", 1, False, []
        )
        return True

    def do_singles(self, wanted: dict[str, Any]) -> None:
        self.reqTickByTickData(901, self.stock(wanted), "AllLast", 0, False)

    def do_live_bars(self, wanted: dict[str, Any]) -> None:
        self.reqRealTimeBars(902, self.stock(wanted), 5, "TRADES", True, [])

    def do_profit(self, wanted: dict[str, Any]) -> None:
        self.reqPnL(903, wanted["account"], "")
        self.reqPnLSingle(904, wanted["account"], "", self.numbers[wanted["symbol"]])

    def do_no_more(self, _: dict[str, Any]) -> None:
        self.cancelTickByTickData(901)
        self.cancelRealTimeBars(902)
        self.cancelPnL(903)
        self.cancelPnLSingle(904)
        self.cancelPositionsMulti(905)

    def do_positions_multi(self, wanted: dict[str, Any]) -> bool:
        self.reqPositionsMulti(905, wanted["account"], "")
        return True

    def do_matching(self, wanted: dict[str, Any]) -> bool:
        self.reqMatchingSymbols(self.next_request(), wanted["pattern"])
        return True

    def do_rule(self, wanted: dict[str, Any]) -> bool:
        self.reqMarketRule(wanted["rule"])
        return True

    def do_wait(self, _: dict[str, Any]) -> None:
        """Does nothing: see insync.py."""

    def do_belief(self, _: dict[str, Any]) -> None:
        """The library keeps no state."""

    def next_request(self) -> int:
        self.requests += 1
        return self.requests

    def stock(self, wanted: dict[str, Any]) -> Any:
        contract = Contract()
        contract.symbol, contract.secType, contract.exchange, contract.currency = (
            wanted["symbol"],
            "STK",
            "SMART",
            "USD",
        )
        return contract


logging.disable()
program = Program(int(sys.argv[1]), int(sys.argv[2]))
for wanted in commands():
    program.do(wanted)
    saw("done")
sys.stdout.flush()
os._exit(0)  # its reader thread would keep the process alive
