"""python insync.py ib_insync|ib_async PORT CLIENT_ID: either library, through its public API.

The raw callbacks are recorded, so that they can be compared with the state that the library made of them.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from typing import Any

from talk import commands, order_wanted, saw, saw_completed, saw_execution, saw_order, saw_status

library: Any = importlib.import_module(sys.argv[1])
wrappers: Any = importlib.import_module(f"{sys.argv[1]}.wrapper")
entrance: Any = importlib.import_module(f"{sys.argv[1]}.ib")


class Overheard(wrappers.Wrapper):  # type: ignore[misc]
    """The library's wrapper, which also prints the callbacks."""

    def managedAccounts(self, accountsList: str) -> None:
        saw("accounts", accounts=accountsList)
        super().managedAccounts(accountsList)

    def nextValidId(self, reqId: int) -> None:
        saw("next_id", id=reqId)
        super().nextValidId(reqId)

    def error(self, reqId: int, errorCode: int, errorString: str, advancedOrderRejectJson: str = "") -> None:
        saw("error", id=reqId, code=errorCode, text=errorString)
        super().error(reqId, errorCode, errorString, advancedOrderRejectJson)

    def openOrder(self, orderId: int, contract: Any, order: Any, orderState: Any) -> None:
        saw_order(orderId, contract, order, orderState)
        super().openOrder(orderId, contract, order, orderState)

    def openOrderEnd(self) -> None:
        saw("orders_end")
        super().openOrderEnd()

    def completedOrder(self, contract: Any, order: Any, orderState: Any) -> None:
        saw_completed(contract, order, orderState)
        super().completedOrder(contract, order, orderState)

    def orderStatus(self, orderId: int, status: str, filled: float, remaining: float, *rest: Any) -> None:
        saw_status(orderId, status, filled, remaining, *rest)
        super().orderStatus(orderId, status, filled, remaining, *rest)

    def execDetails(self, reqId: int, contract: Any, execution: Any) -> None:
        saw_execution(reqId, contract, execution, execution.time.strftime("%Y%m%d %H:%M:%S"))
        super().execDetails(reqId, contract, execution)

    def commissionReport(self, commissionReport: Any) -> None:
        earned = commissionReport.realizedPNL
        saw("commission", exec_id=commissionReport.execId, amount=commissionReport.commission, earned=earned)
        super().commissionReport(commissionReport)

    def position(self, account: str, contract: Any, posSize: float, avgCost: float) -> None:
        saw("position", account=account, symbol=contract.symbol, quantity=posSize, cost=avgCost)
        super().position(account, contract, posSize, avgCost)

    def priceSizeTick(self, reqId: int, tickType: int, price: float, size: float) -> None:
        saw("tick", request=reqId, kind=tickType, value=price)
        super().priceSizeTick(reqId, tickType, price, size)

    def tickSize(self, reqId: int, tickType: int, size: float) -> None:
        saw("tick", request=reqId, kind=tickType, value=size)
        super().tickSize(reqId, tickType, size)

    def tickString(self, reqId: int, tickType: int, value: str) -> None:
        saw("tick", request=reqId, kind=tickType, value=value)
        super().tickString(reqId, tickType, value)

    def tickGeneric(self, reqId: int, tickType: int, value: float) -> None:
        saw("tick", request=reqId, kind=tickType, value=value)
        super().tickGeneric(reqId, tickType, value)

    def marketDataType(self, reqId: int, marketDataId: int) -> None:
        saw("data_type", request=reqId, kind=marketDataId)
        super().marketDataType(reqId, marketDataId)

    def tickByTickAllLast(self, reqId: int, tickType: int, time: int, price: float, size: float, *rest: Any) -> None:
        saw("single", time=time, price=price, size=size)
        super().tickByTickAllLast(reqId, tickType, time, price, size, *rest)

    def realtimeBar(self, reqId: int, time: int, *figures: Any) -> None:
        saw("live_bar", time=time, prices=figures[:4], count=figures[-1])
        super().realtimeBar(reqId, time, *figures)

    def pnl(self, reqId: int, dailyPnL: float, unrealizedPnL: float, realizedPnL: float) -> None:
        saw("profit", daily=dailyPnL, unrealized=unrealizedPnL, realized=realizedPnL)
        super().pnl(reqId, dailyPnL, unrealizedPnL, realizedPnL)

    def pnlSingle(self, reqId: int, pos: float, *figures: float) -> None:
        saw("profit_of_one", quantity=pos, figures=figures)
        super().pnlSingle(reqId, pos, *figures)

    def positionMulti(self, reqId: int, account: str, modelCode: str, contract: Any, *held: float) -> None:
        saw("position_multi", account=account, symbol=contract.symbol, quantity=held[0], cost=held[1])


class Program:
    """One connection and its commands."""

    def __init__(self, port: int, client_id: int) -> None:
        self.ib = library.IB()
        self.port, self.client_id = port, client_id
        self.stocks: dict[str, Any] = {}
        self.bars: Any = None

    async def connect(self, wanted: dict[str, Any]) -> None:
        try:
            patience = wanted.get("patience", 10)
            await self.ib.connectAsync("127.0.0.1", self.port, self.client_id, timeout=patience)
        except (ConnectionError, TimeoutError):
            saw("refused")
        else:
            saw("version", version=self.ib.client.serverVersion())

    async def leave(self, _: dict[str, Any]) -> None:
        self.ib.disconnect()

    async def details(self, wanted: dict[str, Any]) -> None:
        for found in await self.ib.reqContractDetailsAsync(self.stock(wanted)):
            self.stocks[found.contract.symbol] = found.contract
            saw("details", symbol=found.contract.symbol, id=found.contract.conId, min_tick=found.minTick)

    async def stream(self, wanted: dict[str, Any]) -> None:
        self.ib.reqMktData(self.stock(wanted))

    async def unstream(self, wanted: dict[str, Any]) -> None:
        self.ib.cancelMktData(self.stock(wanted))

    async def place(self, wanted: dict[str, Any]) -> None:
        self.ib.placeOrder(self.stock(wanted), order_wanted(library.Order(), wanted["order"]))

    async def cancel(self, wanted: dict[str, Any]) -> None:
        self.ib.client.cancelOrder(wanted["id"])

    async def cancel_all(self, _: dict[str, Any]) -> None:
        self.ib.reqGlobalCancel()

    async def positions(self, _: dict[str, Any]) -> None:
        await self.ib.reqPositionsAsync()

    async def open_orders(self, _: dict[str, Any]) -> None:
        await self.ib.reqOpenOrdersAsync()

    async def completed(self, _: dict[str, Any]) -> None:
        await self.ib.reqCompletedOrdersAsync(False)

    async def executions(self, _: dict[str, Any]) -> None:
        await self.ib.reqExecutionsAsync()

    async def account(self, _: dict[str, Any]) -> None:
        await self.ib.reqAccountUpdatesAsync("")
        for value in self.ib.accountValues():
            if value.tag == "TotalCashValue":
                saw("cash", value=float(value.value))

    async def summary(self, _: dict[str, Any]) -> None:
        for value in await self.ib.accountSummaryAsync():
            if value.tag == "NetLiquidation":
                saw("worth", value=float(value.value))

    async def history(self, wanted: dict[str, Any]) -> None:
        bars = await self.ib.reqHistoricalDataAsync(
            self.stock(wanted), "", wanted["duration"], wanted["bar"], "TRADES", True, 2
        )
        saw("bars", bars=[[bar.open, bar.high, bar.low, bar.close] for bar in bars or []])

    async def head(self, wanted: dict[str, Any]) -> None:
        found = await self.ib.reqHeadTimeStampAsync(self.stock(wanted), "TRADES", True, 2)
        saw("head", time=int(found.timestamp()))

    async def past_ticks(self, wanted: dict[str, Any]) -> None:
        ticks = await self.ib.reqHistoricalTicksAsync(self.stock(wanted), wanted["start"], "", 10, "TRADES", True)
        saw("past_ticks", ticks=[[tick.price, tick.size] for tick in ticks])

    async def singles(self, wanted: dict[str, Any]) -> None:
        self.ib.reqTickByTickData(self.stock(wanted), "AllLast")

    async def live_bars(self, wanted: dict[str, Any]) -> None:
        self.bars = self.ib.reqRealTimeBars(self.stock(wanted), 5, "TRADES", True)

    async def profit(self, wanted: dict[str, Any]) -> None:
        self.ib.reqPnL(wanted["account"], "")
        self.ib.reqPnLSingle(wanted["account"], "", self.stock(wanted).conId)

    async def no_more(self, wanted: dict[str, Any]) -> None:
        """Cancels the requests of singles, live_bars, profit and positions_multi."""
        self.ib.cancelTickByTickData(self.stock(wanted), "AllLast")
        self.ib.cancelRealTimeBars(self.bars)
        self.ib.client.cancelPositionsMulti(905)
        self.ib.cancelPnL(wanted["account"], "")
        self.ib.cancelPnLSingle(wanted["account"], "", self.stock(wanted).conId)

    async def positions_multi(self, wanted: dict[str, Any]) -> None:
        self.ib.client.reqPositionsMulti(905, wanted["account"], "")

    async def matching(self, wanted: dict[str, Any]) -> None:
        found = await self.ib.reqMatchingSymbolsAsync(wanted["pattern"])
        saw("matching", symbols=[each.contract.symbol for each in found])

    async def rule(self, wanted: dict[str, Any]) -> None:
        steps = await self.ib.reqMarketRuleAsync(wanted["rule"])
        saw("rule", steps=[[step.lowEdge, step.increment] for step in steps])

    async def wait(self, _: dict[str, Any]) -> None:
        """Does nothing: the time request after each command waits until everything before it has arrived."""

    async def belief(self, _: dict[str, Any]) -> None:
        """The library's state of the accepted orders."""
        trades = sorted(self.ib.trades(), key=lambda trade: trade.order.permId)
        trades = [trade for trade in trades if trade.order.permId]
        saw("belief", trades=[[trade.orderStatus.status, trade.filled()] for trade in trades])

    async def time(self) -> None:
        await self.ib.reqCurrentTimeAsync()

    def stock(self, wanted: dict[str, Any]) -> Any:
        """The contract from the gateway's details: ib_async streams no other."""
        return self.stocks.get(wanted["symbol"]) or library.Stock(wanted["symbol"], "SMART", "USD")


async def main() -> None:
    logging.disable()
    program = Program(int(sys.argv[2]), int(sys.argv[3]))
    loop = asyncio.get_running_loop()
    waiting = commands()
    while (wanted := await loop.run_in_executor(None, next, waiting, None)) is not None:
        await getattr(program, wanted["do"])(wanted)
        if program.ib.isConnected():
            await program.time()
        saw("done")


entrance.Wrapper = Overheard
asyncio.run(main())
