"""The one file that knows the IBKR library, ib_insync or ib_async: it opens the socket and writes requests.

What comes in is not decoded by the library: each message goes on as its raw fields, because the library's decoder
swallows what it can't read. One object is one connection; the next connection gets a new one, so that nothing of a
dead or hung socket is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import time
from collections.abc import Callable
from typing import Any, Literal

from messages.orders import OrderRecord
from services.gateway.ibkr.fields import UNSET_DOUBLE
from services.gateway.ibkr.outbox import Outbox, Urgency
from services.trading.ids import referenced

__all__ = ["LibraryName", "Socket", "is_installed"]

LibraryName = Literal["ib_insync", "ib_async"]

for _name in ("ib_insync", "ib_async"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # it logs each failed attempt three times; the caller once

FIRST_REQUEST_ID = 1 << 30
"""Request ids start here, far from our order ids, so that the id of an error is never ambiguous."""
MAX_FRAME = 0xFFFFFF
"""IBKR's longest message, in bytes. A longer one means that something else speaks there."""


def is_installed(name: LibraryName) -> bool:
    """Whether this library can be imported."""
    return importlib.util.find_spec(name) is not None


def _imported(name: LibraryName) -> Any:
    if name == "ib_async":
        import ib_async

        return ib_async
    import ib_insync

    return ib_insync


class _NoWrapper:
    """The library calls these on its wrapper. Everything else of its bookkeeping is not used."""

    def setEventsDone(self) -> None:
        """The library's futures: there are none."""

    def connectionClosed(self) -> None:
        """`on_lost` reports it."""

    def connectAck(self) -> None:
        """The handshake goes on by itself."""


class Socket:
    """One connection. `on_message` gets the fields of each message, `on_read` is called after each read.

    `on_lost` is called once if the connection ends after `connect` has succeeded, with the reason.
    `per_second`: most messages a second; 0: no limit.
    """

    def __init__(
        self,
        library: LibraryName,
        *,
        per_second: int,
        on_message: Callable[[list[str]], None],
        on_read: Callable[[], None],
        on_lost: Callable[[str], None],
    ):
        self._library = _imported(library)
        self._client: Any = self._library.client.Client(_NoWrapper())
        self._client.sendMsg = self._take_encoded
        self._client.conn.data_received = self._on_data
        self._client.conn.disconnected += self._on_disconnected
        self._on_message, self._on_read, self._lost = on_message, on_read, on_lost
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[str] = self._loop.create_future()
        self._buffer = bytearray()
        self._outbox = Outbox(per_second)
        self._timer: asyncio.TimerHandle | None = None
        self._encoded = ""
        self._next_id = 0
        self._request_id = FIRST_REQUEST_ID - 1
        self._logged_in = self._over = False
        self.heard_s = time.monotonic()
        """When the last bytes came, by the event loop's clock."""

    # The connection.

    async def connect(self, host: str, port: int, client_id: int, timeout_s: float) -> None:
        """Connect and log in. Raises OSError, TimeoutError or ConnectionError."""
        attempt = self._loop.create_task(self._client.connectAsync(host, port, client_id, timeout_s))
        try:
            await asyncio.wait((attempt, self._closed), return_when=asyncio.FIRST_COMPLETED)
            if not attempt.done():
                raise ConnectionError(self._closed.result() or "the connection was closed during the login")
            attempt.result()
        finally:
            attempt.cancel()
            await asyncio.gather(attempt, return_exceptions=True)

    def close(self) -> None:
        """Close cleanly. `on_lost` is not called."""
        self._end()
        with contextlib.suppress(OSError, ConnectionError, RuntimeError):
            self._client.disconnect()

    def abort(self, reason: str) -> None:
        """Close at once, without waiting for the peer: it hangs, or is no IB Gateway."""
        lost = self.ready and not self._over
        self._end()
        transport = self._client.conn.transport
        if transport is not None:
            transport.abort()
        if not self._closed.done():
            self._closed.set_result(reason)
        if lost:
            self._lost(reason)

    def _is_over(self) -> bool:
        """A method, because a message that was just handled may have ended the connection."""
        return self._over

    def _end(self) -> None:
        self._over = True
        self._outbox.clear()
        if self._timer is not None:
            self._timer.cancel()

    @property
    def ready(self) -> bool:
        """Whether the broker has accepted our client id."""
        return self._logged_in and not self._over

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(self._client.getAccounts())

    @property
    def next_order_id(self) -> int:
        """The first order id that is free, by the broker."""
        return self._next_id

    @property
    def version(self) -> int:
        """The version of the protocol that both sides agreed on."""
        return int(self._client.serverVersion())

    @property
    def wire(self) -> tuple[int, int]:
        """Frames (received, sent), without the handshake's one each."""
        if not self.ready:
            return (0, 0)
        return (self._client._numMsgRecv - 1, self._client.conn.numMsgSent - 1)

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent."""
        return len(self._outbox)

    def _on_disconnected(self, reason: str) -> None:
        lost = self.ready
        self._end()
        if not self._closed.done():
            self._closed.set_result(reason)
        if lost:
            self._lost(reason or "socket closed")

    # What comes in.

    def _on_data(self, data: bytes) -> None:
        """The bytes of one read, as the library's own method of this name, but without a byte that can raise."""
        if self._over:
            return
        self.heard_s = time.monotonic()
        buffer, at = self._buffer, 0
        buffer += data
        while len(buffer) >= at + 4:
            size = int.from_bytes(buffer[at : at + 4], "big")
            if size > MAX_FRAME:
                self.abort(f"a message of {size} bytes: that is no IB Gateway")
                return
            if len(buffer) < at + 4 + size:
                break
            fields = buffer[at + 4 : at + 4 + size].decode(errors="backslashreplace").removesuffix("\0").split("\0")
            at += 4 + size
            self._client._numMsgRecv += 1
            if self._client._serverVersion:
                self._log_in(fields)
                self._on_message(fields)
            else:
                self._shake_hands(fields)
            if self._is_over():
                return
        del buffer[:at]
        self._on_read()

    def _shake_hands(self, fields: list[str]) -> None:
        version = fields[0]
        least, most = self._client.MinClientVersion, self._client.MaxClientVersion
        if len(fields) != 2 or not version.isdecimal() or not version.isascii() or len(version) > 4:
            self.abort("its first message is not that of an IB Gateway")
        elif not least <= int(version) <= most:
            self.abort(f"its protocol version {version} is not between {least} and {most}: use another IB Gateway")
        else:
            self._client._serverVersion = int(version)
            self._client.connState = self._client.CONNECTED
            self._client.startApi()
            self._send_now(self._encoded)

    def _log_in(self, fields: list[str]) -> None:
        """The connection is ready once the next order id and the accounts have come."""
        match fields:
            case ["9", _, number] if number.isdecimal() and number.isascii() and len(number) < 11:
                self._next_id = int(number)
            case ["15", _, accounts] if not self._logged_in:
                self._client._accounts = [account for account in accounts.split(",") if account]
            case _:
                return
        if self._next_id and self._client._accounts and not self._logged_in:
            self._client._apiReady = self._logged_in = True
            self._client.apiStart.emit()

    # Requests.

    def new_request_id(self) -> int:
        self._request_id += 1
        return self._request_id

    def place_order(self, order: OrderRecord, *, transmit: bool) -> None:
        """Place an order or change it. Orders that are not to be transmitted yet wait for their child."""
        contract, details = self._contract(order.symbol, order.con_id), self._order(order, transmit)
        message = self._encode(lambda: self._client.placeOrder(order.order_id, contract, details))
        self._outbox.put_order(message, order.order_id, order.parent_id, sells=order.side == "SELL", transmit=transmit)
        self._pump()

    def cancel_order(self, order_id: int) -> None:
        self._outbox.put_cancel(self._encode(lambda: self._client.cancelOrder(order_id, "")), order_id)
        self._pump()

    def request_current_time(self) -> None:
        self._ask(self._client.reqCurrentTime)

    def request_account(self, account: str) -> None:
        self._ask(lambda: self._client.reqAccountUpdates(True, account))

    def request_positions(self) -> None:
        self._ask(self._client.reqPositions)

    def request_open_orders(self) -> None:
        self._ask(self._client.reqAllOpenOrders)

    def request_completed_orders(self) -> None:
        self._ask(lambda: self._client.reqCompletedOrders(False))

    def request_executions(self) -> int:
        """Ask for the executions. Returns the request's id."""
        number = self.new_request_id()
        self._ask(lambda: self._client.reqExecutions(number, self._library.ExecutionFilter()))
        return number

    def request_contract(self, symbol: str) -> int:
        """Ask for a contract's details. Returns the request's id."""
        number = self.new_request_id()
        self._ask(lambda: self._client.reqContractDetails(number, self._contract(symbol, 0)))
        return number

    def request_market_rule(self, rule: int) -> None:
        self._ask(lambda: self._client.reqMarketRule(rule))

    def request_data_type(self, kind: int) -> None:
        """1: live prices, 3: delayed ones."""
        self._ask(lambda: self._client.reqMarketDataType(kind))

    def start_stream(self, request_id: int, symbol: str) -> None:
        self._ask(lambda: self._client.reqMktData(request_id, self._contract(symbol, 0), "", False, False, []))

    def end_stream(self, request_id: int) -> None:
        self._ask(lambda: self._client.cancelMktData(request_id))

    def _ask(self, write: Callable[[], None]) -> None:
        self._outbox.put(self._encode(write), Urgency.ASK)
        self._pump()

    def _encode(self, write: Callable[[], None]) -> str:
        write()
        return self._encoded

    def _take_encoded(self, message: str) -> None:
        """In place of the library's own sending: it has one queue for everything."""
        self._encoded = message

    def _pump(self) -> None:
        """Send what may leave now; the rest as soon as it may."""
        if self._over:
            return
        for message in self._outbox.release(time.monotonic()):
            self._send_now(message)
        wait_s = self._outbox.wait_s(time.monotonic())
        if wait_s is not None and self._timer is None:
            self._timer = self._loop.call_later(wait_s + 0.001, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._pump()

    def _send_now(self, message: str) -> None:
        payload = message.encode()
        self._client.conn.sendMsg(len(payload).to_bytes(4, "big") + payload)

    # The library's types.

    def _contract(self, symbol: str, con_id: int) -> Any:
        """The contract of a symbol. With its id the broker finds it even under another ticker."""
        return self._library.Stock("" if con_id else symbol, "SMART", "USD", conId=con_id)

    def _order(self, order: OrderRecord, transmit: bool) -> Any:
        """An order as the library's type. A trailing order has a percentage, never an auxPrice."""
        ours = self._library.Order(
            orderId=order.order_id,
            action=order.side,
            orderType=order.order_type,
            totalQuantity=order.quantity,
            tif=order.tif,
            account=order.account,
            orderRef=referenced(order.client_order_id),
            parentId=order.parent_id,
            transmit=transmit,
            ocaGroup=order.oca_group,
            ocaType=order.oca_type,
            outsideRth=order.outside_rth,
        )
        if order.limit_price is not None:
            ours.lmtPrice = order.limit_price
        if order.order_type.startswith("TRAIL"):
            ours.trailingPercent = order.trailing_pct or UNSET_DOUBLE
            if order.trail_stop_price is not None:
                ours.trailStopPrice = order.trail_stop_price
            if order.limit_offset is not None:
                ours.lmtPriceOffset = order.limit_offset
        elif order.stop_price is not None:
            ours.auxPrice = order.stop_price
        return ours
