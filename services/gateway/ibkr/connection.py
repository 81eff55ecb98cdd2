"""The only IBKR socket: turns the gateway's commands into calls of the library, and its raw callbacks into facts.

Only this file imports the IBKR library. It uses the raw callbacks and not the library's own bookkeeping, which loses
what is needed here: trailing levels, corrections, recovered fills. It always connects with the same client id, because
orders belong to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from ib_insync import IB, Stock
from ib_insync import Order as IbOrder
from ib_insync.client import Client
from ib_insync.wrapper import Wrapper

from messages.broker import (
    BrokerAccount,
    BrokerCommission,
    BrokerError,
    BrokerExecution,
    BrokerOrder,
    BrokerPosition,
    BrokerSnapshot,
    CancelOrder,
    Connected,
    Disconnected,
    FromBroker,
    PlaceOrder,
    Qualify,
    RequestSnapshot,
    SnapshotFailed,
    StartStreams,
    Subscribe,
    ToBroker,
)
from messages.orders import OrderRecord
from services.configuration.settings import Settings
from services.gateway.ibkr.clock_check import ClockCheck
from services.gateway.ibkr.error_codes import DATA_DOWN, DATA_UP, STREAMS_GONE, is_information
from services.gateway.ibkr.market_rules import report_grids
from services.gateway.ibkr.qualification import qualify
from services.gateway.ibkr.quotes import Quotes
from services.gateway.ibkr.translation import (
    UNSET,
    commission_of,
    completed_of,
    execution_of,
    order_key,
    position_of,
    terms_of,
    with_status,
)

__all__ = ["Broker"]

log = logging.getLogger("gateway.broker")
logging.getLogger("ib_insync").setLevel(
    logging.CRITICAL
)  # the library logs each failed attempt three times; this file logs each new reason once

REQUEST_IDS = 1 << 30
"""The library's request ids start here, far from our order ids, so that the id of an error is never ambiguous."""
CONNECT_S, ANSWER_S = 10.0, 30.0
RETRY_S, RETRY_MAX_S = 0.2, 10.0


class _SnapshotParts:
    """The parts of a snapshot that have arrived so far."""

    def __init__(self) -> None:
        self.positions: dict[tuple[str, int], BrokerPosition] = {}
        self.open_orders: dict[int, BrokerOrder] = {}
        self.completed: list[BrokerOrder] = []
        self.executions: list[BrokerExecution] = []
        self.commissions: list[BrokerCommission] = []

    def snapshot(self, account: str, question: int) -> BrokerSnapshot:
        """The complete answer."""
        return BrokerSnapshot(
            account=account,
            positions=tuple(self.positions.values()),
            open_orders=tuple(self.open_orders.values()),
            completed_orders=tuple(self.completed),
            executions=tuple(self.executions),
            commissions=tuple(self.commissions),
            question=question,
        )


class _RawWrapper(Wrapper):
    """The library's callbacks, as they come from the wire.

    The ends of requests also go to the library, which has the futures.
    """

    def __init__(self, ib: IB, broker: Broker):
        super().__init__(ib)
        self._broker = broker

    def nextValidId(self, reqId: int) -> None:
        self._broker.next_order_id = reqId

    def openOrder(self, orderId: int, contract: Any, order: Any, orderState: Any) -> None:
        self._broker.on_open_order(orderId, contract, order, orderState)

    def orderStatus(
        self, orderId: int, status: str, filled: float, remaining: float, avgFillPrice: float, permId: int, *rest: Any
    ) -> None:
        self._broker.on_order_status(orderId, status, filled, avgFillPrice, permId, rest[0], rest[3])

    def completedOrder(self, contract: Any, order: Any, orderState: Any) -> None:
        self._broker.on_completed_order(contract, order, orderState)

    def execDetails(self, reqId: int, contract: Any, execution: Any) -> None:
        self._broker.on_execution(reqId, contract, execution)

    def commissionReport(self, report: Any) -> None:
        self._broker.on_commission(report)

    def position(self, account: str, contract: Any, posSize: float, avgCost: float) -> None:
        self._broker.on_position(account, contract, posSize, avgCost)

    def updateAccountValue(self, tag: str, val: str, currency: str, account: str) -> None:
        self._broker.on_account_value(tag, val, currency, account)

    def updateAccountTime(self, timestamp: str) -> None:
        self._broker.on_account_complete()

    def accountDownloadEnd(self, account: str) -> None:
        self._broker.on_account_complete()
        super().accountDownloadEnd(account)

    def updatePortfolio(self, *args: Any) -> None:
        """Positions have a callback of their own."""

    def error(self, reqId: int, errorCode: int, errorString: str, advancedOrderRejectJson: str = "") -> None:
        self._broker.on_error(reqId, errorCode, errorString)
        if reqId in self._futures:
            super().error(reqId, errorCode, errorString, advancedOrderRejectJson)

    def priceSizeTick(self, reqId: int, tickType: int, price: float, size: float) -> None:
        self._broker.quotes.on_price(reqId, tickType, price)

    def tickSize(self, reqId: int, tickType: int, size: float) -> None:
        """Sizes are not used."""

    def tickString(self, reqId: int, tickType: int, value: str) -> None:
        self._broker.quotes.on_string(reqId, tickType, value)

    def tickGeneric(self, reqId: int, tickType: int, value: float) -> None:
        self._broker.quotes.on_generic(reqId, tickType, value)

    def currentTime(self, time: int) -> None:
        self._broker.clock_check.answer(time)

    def tickReqParams(self, *args: Any) -> None:
        """Tick sizes come from market rules."""

    def marketDataType(self, reqId: int, marketDataId: int) -> None:
        self._broker.quotes.on_market_data_type(reqId, marketDataId)

    def tcpDataProcessed(self) -> None:
        self._broker.on_read()


class Broker:
    """The connection and the facts received on it. `on_facts` is called whenever facts are waiting.

    `facts` are in the order of the wire. Prices are kept separately: only the newest of each symbol matters, and in
    lock-step they wait for the clock process.
    """

    def __init__(self, settings: Settings, on_facts: Callable[[], None]):
        self._settings = settings
        self._notify = on_facts
        self.facts: list[FromBroker] = []
        self.next_order_id = 0
        self.quotes = Quotes()
        self._farm_was_down = False
        self._streamed_account = ""  # of this connection, once the core has commanded it
        self._orders: dict[int, BrokerOrder] = {}
        self._account: dict[str, float] = {}
        self._account_others: dict[str, str] = {}
        self._parts: _SnapshotParts | None = None
        self._snapshot_task: asyncio.Task[None] | None = None
        self._symbols = (*settings.watchlist, *settings.winding_down)
        self._clock_task: asyncio.Task[None] | None = None
        self._grid_task: asyncio.Task[None] | None = None
        self._qualify_task: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self._ib = self._library()
        self.clock_check = ClockCheck(self._ib.client.reqCurrentTime, self.report)

    def _library(self) -> IB:
        ib = IB()
        ib.wrapper = _RawWrapper(ib, self)
        ib.client = Client(ib.wrapper)
        ib.client.apiEnd += self._on_lost
        if self._settings.mode == "sim":
            ib.client.MaxRequests = 0  # the broker's limit is per second of simulated time, which runs faster
        return ib

    # Connection.

    async def run(self) -> None:
        """Keep one connection until cancelled, always with the same client id."""
        ibkr = self._settings.ibkr
        pause, last_reason = RETRY_S, ""
        try:
            while True:
                self._lost.clear()
                try:
                    await self._ib.client.connectAsync(ibkr.host, ibkr.port, ibkr.client_id, CONNECT_S)
                    self._on_connected()
                except (OSError, ConnectionError, TimeoutError) as error:
                    reason = f"{type(error).__name__}: {error}"
                    if reason != last_reason:
                        log.warning(
                            "no connection to %s:%d, client id %d: %s", ibkr.host, ibkr.port, ibkr.client_id, reason
                        )
                        last_reason = reason
                    self._ib.client.disconnect()
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, RETRY_S * 2 if self._settings.mode == "sim" else RETRY_MAX_S)
                    continue
                pause, last_reason = RETRY_S, ""
                await self._lost.wait()
        finally:
            self._ib.client.disconnect()

    def _on_connected(self) -> None:
        """After the handshake: report it to the core, and request nothing before its command `StartStreams`."""
        client = self._ib.client
        client.updateReqId(REQUEST_IDS)
        self.quotes.clear()
        self._farm_was_down = False
        self._streamed_account = ""
        self._orders.clear()
        self._account.clear()
        self._account_others.clear()
        self.report(Connected(tuple(client.getAccounts()), self.next_order_id, client.clientId))

    def _start_streams(self, account: str) -> None:
        """Request the account's values and the prices, and start comparing clocks."""
        client, self._streamed_account = self._ib.client, account
        client.reqAccountUpdates(True, account)
        if self._settings.mode != "sim":
            client.reqMarketDataType(3 if self._settings.enters_on_delayed_data else 1)
            self._clock_task = asyncio.get_running_loop().create_task(self.clock_check.run())
        self._stream(self._symbols)

    def _stream(self, symbols: tuple[str, ...]) -> None:
        """Stream the prices of these symbols only. Before the core's command `StartStreams`, only store them."""
        client, self._symbols = self._ib.client, symbols
        if not self._streamed_account:
            return
        for request_id, symbol in self.quotes.streams.items():
            if symbol not in symbols:
                self.quotes.remove(request_id)
                client.cancelMktData(request_id)
        streamed = set(self.quotes.streams.values())
        fresh = [symbol for symbol in symbols if symbol not in streamed]
        for symbol in fresh:
            request_id = client.getReqId()
            self.quotes.add(request_id, symbol)
            client.reqMktData(request_id, _ib_contract(symbol), "", False, False, [])
        if fresh:
            asked = report_grids(self._ib, map(_ib_contract, fresh), self.report)
            self._grid_task = asyncio.get_running_loop().create_task(asked)
            self._grid_task.add_done_callback(lambda _: self._notify())

    def _restart_streams(self) -> None:
        """Real world: after 1101, and often after a farm was down, no more prices come, without any error."""
        self._farm_was_down, symbols = False, self._symbols
        self._stream(())
        self._stream(symbols)

    def _on_lost(self) -> None:
        for task in (self._snapshot_task, self._clock_task, self._grid_task, self._qualify_task):
            if task is not None:
                task.cancel()
        self._snapshot_task = self._clock_task = self._grid_task = self._qualify_task = None
        self._parts = None
        self.report(Disconnected("socket closed"))
        self._lost.set()

    @property
    def asking(self) -> bool:
        """Whether a question to the broker is open."""
        tasks = (self._snapshot_task, self._grid_task, self._qualify_task)
        return any(task is not None and not task.done() for task in tasks)

    @property
    def wire(self) -> tuple[int, int]:
        """Frames (received, sent) on this connection, without the handshake's one each."""
        if not self._ib.client.isReady():
            return (0, 0)
        stats = self._ib.client.connectionStats()
        return (stats.numMsgRecv - 1, stats.numMsgSent - 1)

    # Commands.

    def execute(self, command: ToBroker) -> None:
        """Send the command once. Without a connection it is lost; the core then has the order in doubt."""
        client = self._ib.client
        if isinstance(command, Subscribe):
            self._symbols = command.symbols  # wanted, connected or not
        if not client.isReady():
            return
        match command:
            case PlaceOrder() | CancelOrder() if self._settings.observe:
                log.error("a fleet that only observes tried to send %s", command)
            case StartStreams(account):
                self._start_streams(account)
            case Subscribe(symbols):
                self._stream(symbols)
            case PlaceOrder(order, transmit):
                contract = _ib_contract(order.symbol, order.con_id)
                client.placeOrder(order.order_id, contract, _ib_order(order, transmit))
            case CancelOrder(order_id):
                client.cancelOrder(order_id, "")
            case Qualify():
                self._qualify_task = asyncio.get_running_loop().create_task(
                    qualify(self._ib, list(map(_ib_contract, self._symbols)), self.report)
                )
                self._qualify_task.add_done_callback(lambda _: self._notify())
            case RequestSnapshot(question):
                if self._snapshot_task is not None:
                    self._snapshot_task.cancel()
                self._snapshot_task = asyncio.get_running_loop().create_task(self._collect_snapshot(question))

    async def _collect_snapshot(self, question: int) -> None:
        """Ask for positions, all open orders and completed orders, then executions. A missing answer is a failure."""
        ib, parts = self._ib, _SnapshotParts()
        self._parts = parts
        try:
            async with asyncio.timeout(ANSWER_S):
                if self._qualify_task is not None:
                    await asyncio.wait((self._qualify_task,))
                await asyncio.gather(
                    ib.reqPositionsAsync(), ib.reqAllOpenOrdersAsync(), ib.reqCompletedOrdersAsync(False)
                )
                await ib.reqExecutionsAsync()
        except (TimeoutError, ConnectionError) as error:
            self.report(
                SnapshotFailed(
                    f"{type(error).__name__}: {error}" if str(error) else "no complete answer in time", question
                )
            )
            return
        finally:
            if self._parts is parts:
                self._parts = None
        self.report(parts.snapshot(self._settings.ibkr.account or "", question))

    def close(self) -> None:
        """Disconnect cleanly; orders stay at the broker."""
        with contextlib.suppress(OSError, ConnectionError):
            self._ib.client.disconnect()

    # Facts.

    def report(self, fact: FromBroker) -> None:
        """Add a fact and notify the loop."""
        self.facts.append(fact)
        self._notify()

    def on_read(self) -> None:
        """A read from the socket is decoded: its facts can be handled together."""
        self._notify()

    def on_open_order(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        """The order's terms. They are reported with the status, which follows."""
        terms = terms_of(order_id, contract, order, state.status)
        key = order_key(order_id, order.permId)
        self._orders[key] = terms
        if self._parts is not None:
            self._parts.open_orders[key] = terms

    def on_order_status(
        self, order_id: int, status: str, filled: float, avg_price: float, perm_id: int, parent_id: int, why_held: str
    ) -> None:
        """Report the status with the order's last terms."""
        key = order_key(order_id, perm_id)
        terms = self._orders.get(key) or self._orders.get(order_key(order_id, 0))
        if terms is None:
            log.warning("status %s of an unknown order: order id %d, perm id %d", status, order_id, perm_id)
            return
        merged = with_status(terms, status, filled, avg_price, perm_id, parent_id, why_held)
        self._orders[key] = merged
        if self._parts is not None and key in self._parts.open_orders:
            self._parts.open_orders[key] = merged
        self.facts.append(merged)

    def on_completed_order(self, contract: Any, order: Any, state: Any) -> None:
        if self._parts is not None:
            self._parts.completed.append(completed_of(contract, order, state))

    def on_execution(self, request_id: int, contract: Any, execution: Any) -> None:
        fact = execution_of(contract, execution)
        if request_id >= 0 and self._parts is not None:
            self._parts.executions.append(fact)
        else:
            self.facts.append(fact)

    def on_commission(self, report: Any) -> None:
        fact = commission_of(report)
        if self._parts is not None:
            self._parts.commissions.append(fact)
        self.facts.append(fact)

    def on_position(self, account: str, contract: Any, quantity: float, avg_cost: float) -> None:
        fact = position_of(account, contract, quantity, avg_cost)
        if self._parts is not None:
            self._parts.positions[account, contract.conId] = fact
        self.facts.append(fact)

    def on_account_value(self, tag: str, value: str, currency: str, account: str) -> None:
        if currency == "USD":
            with contextlib.suppress(ValueError):
                self._account[tag] = float(value)
        else:
            self._account_others[f"{tag} {currency}".rstrip()] = value

    def on_account_complete(self) -> None:
        if self._account or self._account_others:
            self.facts.append(BrokerAccount(self._streamed_account, dict(self._account), dict(self._account_others)))

    def on_error(self, request_id: int, code: int, text: str) -> None:
        symbol = self.quotes.symbol_of(request_id)
        if symbol is not None:
            log.warning("%s: market data: %d %s", symbol, code, text)
            if not is_information(code):
                self.quotes.on_refusal(request_id, code)
            return
        self.facts.append(BrokerError(request_id if 0 < request_id < REQUEST_IDS else -1, code, text))
        if code in DATA_DOWN:
            self._farm_was_down = True
        elif code in STREAMS_GONE or (self._farm_was_down and code in DATA_UP):
            self._restart_streams()


def _ib_contract(symbol: str, con_id: int = 0) -> Stock:
    """The contract of a symbol. With its id the broker finds it even under another ticker."""
    return Stock("" if con_id else symbol, "SMART", "USD", conId=con_id)


def _ib_order(order: OrderRecord, transmit: bool) -> IbOrder:
    """An order as the library's type. A trailing order has a percentage, never an auxPrice."""
    ours = IbOrder(
        orderId=order.order_id,
        action=order.side,
        orderType=order.order_type,
        totalQuantity=order.quantity,
        tif=order.tif,
        account=order.account,
        orderRef=order.client_order_id,
        parentId=order.parent_id,
        transmit=transmit,
        ocaGroup=order.oca_group,
        ocaType=order.oca_type,
        outsideRth=order.outside_rth,
    )
    if order.limit_price is not None:
        ours.lmtPrice = order.limit_price
    if order.order_type.startswith("TRAIL"):
        ours.trailingPercent = order.trailing_pct or UNSET
        if order.trail_stop_price is not None:
            ours.trailStopPrice = order.trail_stop_price
        if order.limit_offset is not None:
            ours.lmtPriceOffset = order.limit_offset
    elif order.stop_price is not None:
        ours.auxPrice = order.stop_price
    return ours
