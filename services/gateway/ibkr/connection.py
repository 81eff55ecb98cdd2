"""The only IBKR connection: turns the gateway's commands into requests, and raw messages into facts.

It uses the raw messages and not the library's own bookkeeping, which loses what is needed here: trailing levels,
corrections, recovered fills. It always connects with the same client id, because orders belong to it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import datetime, tzinfo
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from messages.broker import (
    BrokerAccount,
    BrokerError,
    BrokerMarketRule,
    BrokerOrder,
    BrokerUndecoded,
    CancelOrder,
    Connected,
    Disconnected,
    FromBroker,
    PlaceOrder,
    Qualify,
    RequestSnapshot,
    Resubscribe,
    StartStreams,
    Subscribe,
    ToBroker,
    UnknownOrderStatus,
)
from services.configuration.settings import Settings
from services.gateway.ibkr import decoding, error_codes
from services.gateway.ibkr.clock_check import ClockCheck
from services.gateway.ibkr.decoding import ContractDetails, order_key, with_status
from services.gateway.ibkr.error_codes import is_information
from services.gateway.ibkr.fields import Fields, Undecodable, integer_of, number_of
from services.gateway.ibkr.host_zone import HostZone
from services.gateway.ibkr.library import FIRST_REQUEST_ID, Socket, is_installed
from services.gateway.ibkr.market_rules import report_grids
from services.gateway.ibkr.qualification import qualify
from services.gateway.ibkr.quotes import Quotes
from services.gateway.ibkr.reconnecting import (
    LOGIN_ALERT_S,
    LONGEST_S,
    LONGEST_SIM_S,
    pause_after,
    restart_window,
)
from services.gateway.ibkr.snapshot import SnapshotParts

__all__ = ["Broker"]

log = logging.getLogger("gateway.broker")

CONNECT_S = 10.0
"""How long a connection and its login may take."""
TROUBLE_S, TROUBLE_SIM_S = 5.0, 30.0
"""How long there must be no connection until its cause is an event; in a simulation the gateway may start later."""
STABLE_S = 10.0
"""A connection that lasted so long ends the row of failures: the next attempt comes at once."""
HEARTBEAT_S, HEARTBEAT_ANSWER_S = 15.0, 10.0
"""Seconds of silence until the broker is asked for its time, and then until the socket counts as hung."""
WATCH_S = 1.0
"""Pause between two looks at the connection."""
STALLED_S = 5.0
"""This process was held up so long that it could not read: then silence means nothing."""
FOREVER_S = 30.0
"""A question about the time that has no answer after so long will have none."""

FINAL = frozenset({"Filled", "Cancelled"})
TICKS = frozenset({"1", "2", "45", "46", "58"})
"""Messages that come so often that an unreadable one is reported once a connection."""


class Broker:
    """The connection and the facts received on it. `on_facts` is called whenever facts are waiting.

    `facts` are in the order of the wire. Prices are kept separately: only the newest of each symbol matters, and in
    lock-step they wait for the clock process. `now_ns`: the market's time. `chance`: numbers between 0 and 1, for the
    pauses between two attempts to connect. `clock`: the wall clock, for the restarts of IB Gateway.
    """

    def __init__(
        self,
        settings: Settings,
        on_facts: Callable[[], None],
        *,
        now_ns: Callable[[], int] = time.time_ns,
        chance: Callable[[], float] | None = None,
        clock: Callable[[tzinfo], datetime] = datetime.now,
    ):
        self._settings = settings
        self._notify = on_facts
        self._now_ns = now_ns
        self._clock = clock
        self._chance = chance or Random(settings.ibkr.client_id).random
        zone = settings.ibkr.time_zone
        self._zone = ZoneInfo(zone) if zone else HostZone()
        self._harmless = frozenset(settings.ibkr.harmless_codes) - error_codes.LINKS
        self.facts: list[FromBroker] = []
        self.quotes = Quotes()
        self._symbols = (*settings.watchlist, *settings.winding_down)
        self._socket: Socket | None = None
        self._parts: SnapshotParts | None = None
        self._farms_down: set[str] = set()
        self._streamed_account = ""  # of this connection, once the core has commanded it
        self._orders: dict[int, BrokerOrder] = {}
        self._ended: dict[int, BrokerOrder] = {}
        """Orders that an openOrder reports as ended, until their status comes: it may never come."""
        self._account: dict[str, float] = {}
        self._account_others: dict[str, str] = {}
        self._contracts: dict[int, tuple[list[ContractDetails], asyncio.Future[list[ContractDetails]]]] = {}
        self._without_grid: dict[str, None] = {}
        """Symbols whose price grid was asked for and has not come."""
        self._rules: dict[int, asyncio.Future[tuple[tuple[float, float], ...]]] = {}
        self._time_questions: deque[tuple[float, bool]] = deque()
        """Questions about the broker's time: when each was asked, and whether the clock check asked it."""
        self._unreadable_ticks: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._lost = asyncio.Event()
        self._login_message: BrokerError | None = None
        self._troubles: set[int] = set()
        """Codes of what kept the connection from being made since the last one."""
        self._told: set[int] = set()
        """Those of them that were reported."""
        self._restarting = False
        self.clock_check = ClockCheck(self._ask_time_for_the_clock, self.report)
        self._handlers: dict[str, Callable[[list[str]], None]] = {
            "1": self._on_price,
            "2": self._on_size,
            "3": self._on_order_status,
            "4": self._on_error,
            "5": self._on_open_order,
            "6": self._on_account_value,
            "8": self._on_account_complete,
            "10": self._on_contract,
            "11": self._on_execution,
            "45": self._on_generic,
            "46": self._on_string,
            "49": self._on_current_time,
            "52": self._on_contract_end,
            "53": lambda _: self._end(5),
            "54": self._on_account_complete,
            "55": self._on_executions_end,
            "58": self._on_data_type,
            "59": self._on_commission,
            "61": self._on_position,
            "62": lambda _: self._end(61),
            "93": self._on_market_rule,
            "101": self._on_completed_order,
            "102": lambda _: self._end(101),
        }

    # Connection.

    async def run(self) -> None:
        """Keep one connection until cancelled, always with the same client id."""
        library = self._settings.ibkr.library
        if not is_installed(library):
            raise RuntimeError(f"ibkr.library is {library}, which is not installed; docs/operations.md says how")
        loop = asyncio.get_running_loop()
        window = loop.create_task(self._watch_restarts())
        longest_s = LONGEST_SIM_S if self._settings.mode == "sim" else LONGEST_S
        attempts, since_s, told = 0, time.monotonic(), False
        try:
            while True:
                self._lost.clear()
                trouble = await self._connect()
                if trouble is None:
                    connected_s = time.monotonic()
                    await self._lost.wait()
                    since_s, told = time.monotonic(), False
                    if since_s - connected_s >= STABLE_S or self._settings.mode == "sim":
                        attempts = 0
                        continue
                else:
                    self._report_trouble(trouble, time.monotonic() - since_s)
                    if not told and not self._restarting and time.monotonic() - since_s >= LOGIN_ALERT_S:
                        told = True
                        self._report_own(error_codes.LOGIN_NEEDED)
                attempts += 1
                await asyncio.sleep(pause_after(attempts, self._chance(), longest_s))
        finally:
            window.cancel()
            self.close()

    async def _connect(self) -> BrokerError | None:
        """One attempt. Returns what went wrong."""
        ibkr = self._settings.ibkr
        limit = ibkr.max_messages_per_s or (0 if self._settings.mode == "sim" else 45)
        self._login_message = None
        self._socket = socket = Socket(
            ibkr.library, per_second=limit, on_message=self.on_message, on_read=self.on_read, on_lost=self._on_lost
        )
        try:
            await socket.connect(ibkr.host, ibkr.port, ibkr.client_id, CONNECT_S)
        except TimeoutError:
            code, text = error_codes.NO_ANSWER, f"no answer within {CONNECT_S:.0f} s"
        except ConnectionRefusedError as error:
            code, text = error_codes.NO_CONNECTION, str(error)
        except ConnectionError as error:
            code, text = error_codes.CLOSED_AT_LOGIN, str(error)
        except OSError as error:
            code, text = error_codes.NO_CONNECTION, str(error) or type(error).__name__
        else:
            self._on_connected(socket)
            return None
        socket.abort(text)
        meaning = error_codes.meaning_of(code).text
        return self._login_message or BrokerError(-1, code, f"{ibkr.host}:{ibkr.port}: {meaning} ({text})")

    def _report_trouble(self, trouble: BrokerError, lasts_s: float) -> None:
        """Report each cause once until there is a connection. The broker's own message was reported as it came."""
        wait_s = TROUBLE_SIM_S if self._settings.mode == "sim" else TROUBLE_S
        if lasts_s >= wait_s and trouble.code not in self._told and trouble is not self._login_message:
            self._told.add(trouble.code)
            if not self._restarting:
                self.report(trouble)
        if trouble.code in self._troubles:
            return
        self._troubles.add(trouble.code)
        log.log(
            logging.INFO if self._restarting else logging.WARNING,
            "no connection to %s:%d, client id %d: %s",
            self._settings.ibkr.host,
            self._settings.ibkr.port,
            self._settings.ibkr.client_id,
            error_codes.with_remedy(trouble.code, trouble.text),
        )

    def _report_own(self, code: int, text: str = "") -> None:
        """Report a message of our own about the connection."""
        text = text or error_codes.meaning_of(code).text
        log.log(logging.INFO if self._restarting else logging.WARNING, "%s", error_codes.with_remedy(code, text))
        self.report(BrokerError(-1, code, text))

    def _on_connected(self, socket: Socket) -> None:
        """After the handshake: report it to the core, and request nothing before its command `StartStreams`."""
        self._parts = SnapshotParts(socket)
        self.quotes.clear()
        self._farms_down.clear()
        self._streamed_account = ""
        for kept in (self._orders, self._ended, self._account, self._account_others, self._contracts, self._rules):
            kept.clear()
        self._without_grid.clear()
        self._time_questions.clear()
        self._unreadable_ticks.clear()
        self._troubles.clear()
        self._told.clear()
        self._start("heartbeat", self._beat(socket))
        self.report(Connected(socket.accounts, socket.next_order_id, self._settings.ibkr.client_id))
        if self._restarting:
            self._report_own(error_codes.RESTART_BEGINS)

    def _end_tasks(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        self._parts = None

    def _on_lost(self, reason: str) -> None:
        self._end_tasks()
        if self._restarting:
            reason = error_codes.meaning_of(error_codes.RESTART_BEGINS).text
        self.report(Disconnected(reason))
        self._lost.set()

    async def _beat(self, socket: Socket) -> None:
        """Ask for the broker's time after a silence. A socket that stays silent hangs: close it."""
        asked_s, looked_s = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(WATCH_S)
            now_s = time.monotonic()
            stalled, looked_s = now_s - looked_s > WATCH_S + STALLED_S, now_s
            if stalled or (asked_s and socket.heard_s >= asked_s):
                asked_s = 0.0
            if stalled or not self._streamed_account:
                continue
            if not asked_s and now_s - socket.heard_s >= HEARTBEAT_S:
                asked_s = now_s
                self._ask_time(for_the_clock=False)
            elif asked_s and now_s - asked_s >= HEARTBEAT_ANSWER_S:
                seconds = now_s - socket.heard_s
                self._report_own(
                    error_codes.HUNG,
                    f"IB Gateway has not answered for {seconds:.0f} s; it is closed and connected anew",
                )
                socket.abort("no answer: the socket hangs")
                return

    async def _watch_restarts(self) -> None:
        """Report when IB Gateway's daily restart begins and ends. In between nothing is sent, and losses are quiet."""
        at, minutes = self._settings.nightly_restart, self._settings.ibkr.nightly_restart_minutes
        while at is not None:
            restarting = restart_window(self._clock(self._zone), at, minutes)
            if restarting is not self._restarting:
                self._restarting = restarting
                if self._ready is not None:
                    self._report_own(error_codes.RESTART_BEGINS if restarting else error_codes.RESTART_ENDS)
            await asyncio.sleep(WATCH_S)

    def close(self) -> None:
        """Disconnect cleanly; orders stay at the broker."""
        self._end_tasks()
        if self._socket is not None:
            self._socket.close()

    @property
    def _ready(self) -> Socket | None:
        """The socket, if the broker has accepted our client id on it."""
        return self._socket if self._socket is not None and self._socket.ready else None

    @property
    def asking(self) -> bool:
        """Whether a question to the broker is open, or a message waits to be sent."""
        socket = self._ready
        if socket is not None and socket.waiting:
            return True
        return any(name != "clock" and name != "heartbeat" and not task.done() for name, task in self._tasks.items())

    @property
    def wire(self) -> tuple[int, int]:
        """Frames (received, sent) on this connection, without the handshake's one each."""
        return self._socket.wire if self._socket is not None else (0, 0)

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task of this connection in place of the one of that name."""
        old = self._tasks.pop(name, None)
        if old is not None:
            old.cancel()
        task = self._tasks[name] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a question to the broker failed", exc_info=error)
        self._notify()

    # Commands.

    def execute(self, command: ToBroker) -> None:
        """Send the command once. Without a connection it is lost; the core then has the order in doubt."""
        if isinstance(command, Subscribe):
            self._symbols = command.symbols  # wanted, connected or not
        socket, parts = self._ready, self._parts
        if socket is None or parts is None:
            return
        match command:
            case PlaceOrder() | CancelOrder() if self._settings.observe:
                log.error("a fleet that only observes tried to send %s", command)
            case StartStreams(account):
                self._start_streams(socket, account)
            case Subscribe():
                self._stream(socket)
            case Resubscribe(symbol):
                self._restart_stream(socket, symbol)
            case PlaceOrder(order, transmit):
                socket.place_order(order, transmit=transmit)
            case CancelOrder(order_id):
                socket.cancel_order(order_id)
            case Qualify():
                self._start("qualify", qualify(self._ask_contract, self._symbols, self.report))
            case RequestSnapshot(question):
                self._start("snapshot", self._ask_snapshot(parts, question))

    async def _ask_snapshot(self, parts: SnapshotParts, question: int) -> None:
        before = self._tasks.get("qualify")
        self.report(await parts.ask(question, self._settings.ibkr.account or "", before))

    def _start_streams(self, socket: Socket, account: str) -> None:
        """Request the account's values and the prices, and start comparing clocks."""
        self._streamed_account = account
        socket.request_account(account)
        if self._settings.mode != "sim":
            socket.request_data_type(3 if self._settings.enters_on_delayed_data else 1)
            self._start("clock", self.clock_check.run())
        self._stream(socket)

    def _stream(self, socket: Socket) -> None:
        """Stream the prices of the symbols only. Before the core's command `StartStreams`, only store them."""
        if not self._streamed_account:
            return
        for request_id, symbol in self.quotes.streams.items():
            if symbol not in self._symbols:
                self.quotes.remove(request_id)
                socket.end_stream(request_id)
        streamed = set(self.quotes.streams.values())
        fresh = [symbol for symbol in self._symbols if symbol not in streamed]
        for symbol in fresh:
            self._start_stream(socket, symbol)
        if fresh:
            self._without_grid.update(dict.fromkeys(fresh))
            asked = report_grids(self._ask_contract, self._ask_rule, tuple(self._without_grid), self._report_grid)
            self._start("grids", asked)

    def _report_grid(self, rule: BrokerMarketRule) -> None:
        self._without_grid.pop(rule.symbol, None)
        self.report(rule)

    def _start_stream(self, socket: Socket, symbol: str) -> None:
        request_id = socket.new_request_id()
        self.quotes.add(request_id, symbol)
        socket.start_stream(request_id, symbol)

    def _restart_stream(self, socket: Socket, symbol: str) -> None:
        for request_id, streamed in self.quotes.streams.items():
            if streamed == symbol:
                self.quotes.remove(request_id)
                socket.end_stream(request_id)
        if self._streamed_account and symbol in self._symbols:
            self._start_stream(socket, symbol)

    def _restart_streams(self) -> None:
        """Real world: after 1101, and often after a farm was down, no more prices come, without any error."""
        socket = self._ready
        if socket is not None and self._streamed_account:
            for symbol in self._symbols:
                self._restart_stream(socket, symbol)

    async def _ask_contract(self, symbol: str) -> list[ContractDetails]:
        socket = self._ready
        if socket is None:
            raise ConnectionError("no connection")
        number = socket.request_contract(symbol)
        self._contracts[number] = ([], asyncio.get_running_loop().create_future())
        try:
            return await self._contracts[number][1]
        finally:
            self._contracts.pop(number, None)

    async def _ask_rule(self, rule: int) -> tuple[tuple[float, float], ...]:
        socket = self._ready
        if socket is None:
            raise ConnectionError("no connection")
        self._rules[rule] = asyncio.get_running_loop().create_future()
        socket.request_market_rule(rule)
        return await self._rules[rule]

    def _ask_time_for_the_clock(self) -> None:
        self._ask_time(for_the_clock=True)

    def _ask_time(self, *, for_the_clock: bool) -> None:
        socket = self._ready
        if socket is not None:
            self._time_questions.append((time.monotonic(), for_the_clock))
            socket.request_current_time()

    # Messages.

    def report(self, fact: FromBroker) -> None:
        """Add a fact and notify the loop."""
        self.facts.append(fact)
        self._notify()

    def on_read(self) -> None:
        """A read from the socket is decoded: its facts can be handled together."""
        for order in self._ended.values():
            self.facts.append(order)
        self._ended.clear()
        self._notify()

    def on_message(self, fields: list[str]) -> None:
        """One message. Nothing in it can raise: what can't be read is reported."""
        handler = self._handlers.get(fields[0])
        if handler is None:
            return
        try:
            handler(fields)
        except Undecodable as error:
            self._on_undecodable(fields, str(error))
        except Exception as error:
            log.exception("a message of the broker was not handled")
            self._on_undecodable(fields, f"{type(error).__name__}: {error}")

    def _on_undecodable(self, fields: list[str], text: str, *, spoils: bool = True) -> None:
        kind = fields[0]
        if kind in TICKS:
            if kind in self._unreadable_ticks:
                return
            self._unreadable_ticks.add(kind)
        order_id, reference = decoding.subject_of(fields)
        log.error("message %s of the broker can't be read: %s; its fields: %s", kind, text, fields)
        if spoils and self._parts is not None:
            self._parts.spoil(int(kind), text)
        self.facts.append(BrokerUndecoded(int(kind), order_id, reference, text))

    def _version(self) -> int:
        return self._socket.version if self._socket is not None else 0

    def _on_open_order(self, fields: list[str]) -> None:
        """The order's terms. They are reported with the status, which follows; real world: if not, then without it."""
        terms = decoding.open_order_of(fields, self._version())
        key = order_key(terms.order_id, terms.perm_id)
        known = self._orders.get(key)
        filled, price = (known.filled, known.avg_price) if known is not None else (0.0, 0.0)
        if terms.status == "Filled":
            filled = max(filled, terms.quantity)
        terms = replace(terms, filled=filled, avg_price=price)
        self._orders[key] = terms
        if self._parts is not None:
            self._parts.open_orders.item(key, terms)
        if terms.status in FINAL:
            self._ended[key] = terms

    def _on_order_status(self, fields: list[str]) -> None:
        """Report the status with the order's last terms."""
        status = decoding.order_status_of(fields)
        key = order_key(status.order_id, status.perm_id)
        terms = self._orders.get(key) or self._orders.get(order_key(status.order_id, 0))
        if terms is None:
            log.warning(
                "status %s of an unknown order: order id %d, perm id %d", status.status, status.order_id, status.perm_id
            )
            self.facts.append(UnknownOrderStatus(status.order_id, status.perm_id, status.status))
            return
        merged = with_status(terms, status)
        self._orders[key] = merged
        self._ended.pop(key, None)
        if self._parts is not None and key in self._parts.open_orders.items:
            self._parts.open_orders.item(key, merged)
        self.facts.append(merged)

    def _on_completed_order(self, fields: list[str]) -> None:
        order, trouble = decoding.completed_of(fields, self._version(), self._zone)
        if trouble:
            self._on_undecodable(fields, trouble, spoils=False)
        if self._parts is not None:
            self._parts.completed.item(len(self._parts.completed.items), order)

    def _on_execution(self, fields: list[str]) -> None:
        request_id, execution, trouble = decoding.execution_of(fields, self._zone, self._now_ns())
        if trouble:
            self._on_undecodable(fields, trouble, spoils=False)
        if self._parts is None or not self._parts.add_execution(request_id, execution):
            self.facts.append(execution)

    def _on_commission(self, fields: list[str]) -> None:
        fact = decoding.commission_of(fields)
        if self._parts is not None and self._parts.asking:
            self._parts.commissions.append(fact)
        self.facts.append(fact)

    def _on_position(self, fields: list[str]) -> None:
        position, trouble = decoding.position_of(fields)
        if trouble:
            self._on_undecodable(fields, trouble, spoils=False)
        if self._parts is not None:
            self._parts.positions.item((position.account, position.con_id, position.symbol), position)
        self.facts.append(position)

    def _end(self, message: int) -> None:
        """An answer is complete: that of positions, of open orders or of completed orders."""
        parts = self._parts
        if parts is None:
            return
        if message == 61:
            parts.end(parts.positions)
        else:
            parts.end(parts.open_orders if message == 5 else parts.completed)

    def _on_executions_end(self, fields: list[str]) -> None:
        if self._parts is not None:
            self._parts.end_executions(integer_of(fields[2], "reqId") or 0)

    def _on_account_value(self, fields: list[str]) -> None:
        f = Fields(fields)
        f.expect("the message's number", "version")
        tag, value, currency = f.text("key"), f.text("value"), f.text("currency")
        if currency != "USD":
            self._account_others[f"{tag} {currency}".rstrip()] = value
            return
        self._account.pop(tag, None)  # an old value must not stand for one that can't be read
        try:
            number = number_of(value, tag)
        except Undecodable:
            if value[:1].isdigit() or value.lower().lstrip("+-")[:3] in ("nan", "inf"):
                raise
            return  # a text
        if number is not None:
            self._account[tag] = number

    def _on_account_complete(self, _: list[str]) -> None:
        if self._account or self._account_others:
            self.facts.append(BrokerAccount(self._streamed_account, dict(self._account), dict(self._account_others)))

    def _on_error(self, fields: list[str]) -> None:
        f = Fields(fields)
        f.expect("the message's number", "version")
        request_id, code, text = f.integer("id"), f.integer("errorCode"), f.text("errorString")
        if self._ready is None and code in self._troubles:  # each attempt to connect has the same answer
            self._login_message = BrokerError(-1, code, text)
            return
        self._log_message(request_id, code, text, fields[5] if len(fields) > 5 else "")
        symbol = self.quotes.symbol_of(request_id)
        if symbol is not None:
            if not is_information(code) and code not in self._harmless:
                self.quotes.on_refusal(request_id, code)
            if error_codes.meaning_of(code).level and code not in self._harmless:
                self.facts.append(BrokerError(-1, code, f"{symbol}: {text}"))
            return
        if request_id in self._contracts:
            details, answer = self._contracts[request_id]
            if not answer.done():
                answer.set_result(details)
        if self._parts is not None and request_id >= FIRST_REQUEST_ID:
            self._parts.fail_executions(request_id, f"{code} {text}")
        if code in self._harmless:
            return
        error = BrokerError(request_id if 0 < request_id < FIRST_REQUEST_ID else -1, code, text)
        if code not in error_codes.DATA_UP or self._farms_down <= {error_codes.farm_of(text)}:
            self.facts.append(error)  # one farm that works says nothing about another one that is down
        if self._ready is None:
            self._login_message = error if code in error_codes.UNREACHABLE else self._login_message
            return
        self._follow_links(code, text)

    def _log_message(self, request_id: int, code: int, text: str, details: str) -> None:
        """Every message of the broker is in the log, with its code and its text."""
        about = self.quotes.symbol_of(request_id) or (f"id {request_id}" if request_id > 0 else "")
        level = error_codes.meaning_of(code).level
        quiet = level in ("", "INFO") or code in self._harmless or self._restarting
        log.log(
            logging.INFO if quiet else logging.WARNING,
            "message of the broker: %d%s: %s%s",
            code,
            f" ({about})" if about else "",
            error_codes.with_remedy(code, text),
            f" {details}" if details else "",
        )

    def _follow_links(self, code: int, text: str) -> None:
        """Restart the streams where the broker has forgotten them."""
        farm = error_codes.farm_of(text)
        if code in error_codes.DATA_DOWN:
            self._farms_down.add(farm)
        elif code in error_codes.STREAMS_GONE:
            self._farms_down.clear()
            self._restart_streams()
        elif code in error_codes.DATA_UP and farm in self._farms_down:
            self._farms_down.discard(farm)
            self._restart_streams()
        if self._restarting and code in error_codes.BROKER_UP:
            self._report_own(error_codes.RESTART_BEGINS)

    def _on_current_time(self, fields: list[str]) -> None:
        f = Fields(fields)
        f.expect("the message's number", "version")
        broker_s = f.integer("time")
        now_s = time.monotonic()
        while self._time_questions and now_s - self._time_questions[0][0] > FOREVER_S:
            self._time_questions.popleft()
        if self._time_questions and self._time_questions.popleft()[1]:
            self.clock_check.answer(broker_s)

    def _on_contract(self, fields: list[str]) -> None:
        request_id, details = decoding.contract_of(fields, self._version())
        if request_id in self._contracts:
            self._contracts[request_id][0].append(details)

    def _on_contract_end(self, fields: list[str]) -> None:
        details, answer = self._contracts.get(integer_of(fields[2], "reqId") or 0, ([], None))
        if answer is not None and not answer.done():
            answer.set_result(details)

    def _on_market_rule(self, fields: list[str]) -> None:
        number, steps = decoding.market_rule_of(fields)
        answer = self._rules.get(number)
        if answer is not None and not answer.done():
            answer.set_result(steps)

    # Prices.

    def _on_price(self, fields: list[str]) -> None:
        f = Fields(fields)
        f.expect("the message's number", "version")
        request_id, tick_type = f.integer("reqId"), f.integer("tickType")
        price = number_of(f.text("price"), "price")
        if price is not None:
            self.quotes.on_price(request_id, tick_type, price)

    def _on_size(self, fields: list[str]) -> None:
        """Sizes are not used, but they show that the feed lives."""
        if self._settings.mode != "sim":
            f = Fields(fields)
            f.expect("the message's number", "version")
            self.quotes.on_size(f.integer("reqId"), time.monotonic())

    def _on_generic(self, fields: list[str]) -> None:
        f = Fields(fields)
        f.expect("the message's number", "version")
        self.quotes.on_generic(f.integer("reqId"), f.integer("tickType"), f.number("value"))

    def _on_string(self, fields: list[str]) -> None:
        f = Fields(fields)
        f.expect("the message's number", "version")
        self.quotes.on_string(f.integer("reqId"), f.integer("tickType"), f.text("value"))

    def _on_data_type(self, fields: list[str]) -> None:
        f = Fields(fields)
        f.expect("the message's number", "version")
        self.quotes.on_market_data_type(f.integer("reqId"), f.integer("marketDataType"))
