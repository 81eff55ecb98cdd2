"""What `crazy rescue` shows, asks and does at the broker."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from messages.broker import BrokerError, BrokerExecution, BrokerOrder
from messages.orders import LIVE_STATUSES, OrderRecord
from services.cli.broker_session import BrokerSession, connected
from services.cli.render import console, table
from services.cli.rescue_survey import TradedContract, survey
from services.cli.wording import counted, price
from services.configuration.calendars import zone_of
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.trading.ids import is_own_reference, order_reference, stop_reference

__all__ = ["Rescuer"]

UNPROTECTED = 2
"""Exit code, as that of `crazy status`: shares without a stop."""

FILL_S = 20.0
"""How long to wait for the execution of a market order."""

BEFORE_CLOSE = timedelta(seconds=60)
"""So shortly before the close no stop is cancelled for a sale: the sale might not be executed any more."""

CANCELLED = 202
"""The code with which IBKR announces a cancelled order; its status says the same."""


class Rescuer:
    """The command: what it shows, what it asks, what it does."""

    def __init__(self, settings: Settings, symbol: str | None, quantity: int | None, *, yes: bool):
        self._settings = settings
        self._symbol = symbol
        self._quantity = quantity
        self._yes = yes
        zone = zone_of(settings.hours.calendar)
        now = datetime.now(UTC).astimezone(zone)
        self._date, self._number = now.date().isoformat(), int(now.strftime("%H%M%S"))

    async def run(self, wanted: Sequence[str]) -> int:
        """Show, do what is wanted, or ask until nothing more is wanted. The exit code."""
        async with connected(self._settings) as broker:
            contracts = await self._show(broker)
            for action in wanted:
                await self._act(broker, contracts, action)
                contracts = await self._survey(broker)
            if wanted:
                await self._show(broker)
            elif sys.stdin.isatty():
                while action := self._choose(contracts):
                    await self._act(broker, contracts, action)
                    contracts = await self._show(broker)
            return UNPROTECTED if any(c.uncovered for c in contracts if self._may_protect(c)) else 0

    async def _survey(self, broker: BrokerSession) -> list[TradedContract]:
        return survey(await broker.snapshot(), broker.account, self._is_ours)

    async def _show(self, broker: BrokerSession) -> list[TradedContract]:
        contracts = await self._survey(broker)
        ibkr = self._settings.ibkr
        print(
            f"{self._settings.mode.upper()}  account {broker.account}  fleet {self._settings.name}  "
            f"{ibkr.host}:{ibkr.port} client id {ibkr.client_id}"
        )
        if not contracts:
            print("no position and no live order")
        else:
            rows = [self._row(c) for c in contracts]
            console().print(table(("SYMBOL", "SHARES", "OURS", "STOPPED", "STOP", "BARE", "ENTRY", "NOT OURS"), rows))
        return contracts

    def _row(self, c: TradedContract) -> tuple[object, ...]:
        name = c.symbol if c.is_stock else f"{c.symbol} {c.sec_type} {c.currency}"
        stops = ", ".join(f"{o.quantity - o.filled:g} at {_level(o)}" for o in c.stops)
        entries = ", ".join(f"{o.quantity:g} at {_level(o)}" for o in c.entries)
        others = ", ".join(f"{o.side.lower()} {o.quantity:g} {o.order_type}" for o in c.others)
        bare = c.uncovered if c.is_stock else ""
        return name, f"{c.shares:g}", c.claimed or "", c.protected or "", stops, bare, entries, others

    def _choose(self, contracts: Sequence[TradedContract]) -> str:
        """What the operator wants next; '' for nothing."""
        offers = {
            "entries": f"cancel {counted(sum(len(c.entries) for c in contracts), 'entry', 'entries')} of the bot",
            "stops": "place stops: " + ", ".join(f"{c.uncovered} {c.symbol}" for c in self._bare(contracts)),
            "flatten": "sell the bot's shares: "
            + ", ".join(f"{self._ours(c)} {c.symbol}" for c in self._sold(contracts)),
        }
        possible = {
            "entries": any(c.entries for c in contracts),
            "stops": bool(self._bare(contracts)),
            "flatten": bool(self._sold(contracts)),
        }
        names = [name for name in offers if possible[name]]
        if not names:
            print("nothing to do")
            return ""
        for number, name in enumerate(names, 1):
            print(f"  {number}  {offers[name]}")
        print("Type a number, or nothing to end: ", end="", flush=True)
        answer = sys.stdin.readline().strip()
        return names[int(answer) - 1] if answer.isdecimal() and 0 < int(answer) <= len(names) else ""

    async def _act(self, broker: BrokerSession, contracts: Sequence[TradedContract], action: str) -> None:
        match action:
            case "entries":
                for c in contracts:
                    if self._is_chosen(c):
                        await self._cancel(broker, c.entries)
            case "stops":
                for c in self._bare(contracts):
                    await self._place_stop(broker, c)
            case "flatten":
                sold = self._sold(contracts)
                if not sold:
                    raise Refusal(
                        "no order and no execution shows which shares are the bot's: say --symbol and --quantity"
                    )
                self._check_open()
                for c in sold:
                    await self._flatten(broker, c)

    # Which contracts.

    def _is_chosen(self, c: TradedContract) -> bool:
        return self._symbol is None or (c.is_stock and c.symbol == self._symbol)

    def _may_protect(self, c: TradedContract) -> bool:
        """Whether the bot could have bought these shares."""
        settings = self._settings
        known = (*settings.watchlist, *settings.winding_down)
        return c.is_stock and (c.symbol in known or c.claimed > 0 or c.symbol == self._symbol)

    def _bare(self, contracts: Sequence[TradedContract]) -> list[TradedContract]:
        return [c for c in contracts if self._is_chosen(c) and self._may_protect(c) and c.uncovered > 0]

    def _sold(self, contracts: Sequence[TradedContract]) -> list[TradedContract]:
        return [c for c in contracts if self._is_chosen(c) and c.is_stock and self._ours(c) > 0]

    def _ours(self, c: TradedContract) -> int:
        """How many shares a sale sells: those that are the bot's, or as many as the operator says."""
        return c.claimed if self._quantity is None else min(c.whole, self._quantity)

    def _is_ours(self, reported: BrokerOrder | BrokerExecution) -> bool:
        client_id = self._settings.ibkr.client_id
        return is_own_reference(reported.client_order_id, reported.client_id, self._settings.name, client_id)

    # What is done.

    def _confirm(self, what: str) -> bool:
        """Whether the operator wants it."""
        if self._yes:
            print(what)
            return True
        if not sys.stdin.isatty():
            raise Refusal(f"{what}: say --yes to mean it")
        print(f"{what}? Type yes: ", end="", flush=True)
        return sys.stdin.readline().strip().lower() == "yes"

    async def _cancel(self, broker: BrokerSession, orders: Sequence[BrokerOrder]) -> bool:
        """Cancel these orders, one after another. True if the broker has confirmed the end of each."""
        ended = True
        for order in orders:
            what = f"cancel {order.side} {order.quantity:g} {order.symbol} {order.order_type} ({order.client_order_id})"
            if order.order_id <= 0:
                print(f"{what}: it is of another client; cancel it in TWS")
                ended = False
                continue
            if not self._confirm(what):
                ended = False
                continue
            broker.cancel(order.order_id, order.client_order_id)
            answer = await broker.report(order.order_id, lambda o: o.status not in LIVE_STATUSES)
            while isinstance(answer, BrokerError) and answer.code == CANCELLED:
                answer = await broker.report(order.order_id, lambda o: o.status not in LIVE_STATUSES)
            print(f"  {_outcome(answer)}")
            ended = ended and isinstance(answer, BrokerOrder)
        return ended

    async def _place_stop(self, broker: BrokerSession, c: TradedContract) -> None:
        pct = self._settings.stops.trailing_stop_pct
        shares = c.uncovered if self._quantity is None else min(c.uncovered, self._quantity)
        what = f"place a trailing stop, {pct:g} %, good till cancelled, for {shares} {c.symbol}"
        taken = "" if c.claimed >= shares else " (the fleet will take these shares for the bot's)"
        if not self._confirm(what + taken):
            return
        self._number += 1
        reference = stop_reference(order_reference(self._settings.name, c.symbol, self._date, self._number, "R"), 1)
        order = OrderRecord(
            client_order_id=reference,
            symbol=c.symbol,
            role="stop",
            side="SELL",
            order_type="TRAIL",
            quantity=float(shares),
            trailing_pct=pct,
            tif="GTC",
            order_id=broker.new_id(),
            account=broker.account,
            con_id=c.con_id,
        )
        broker.place(order)
        answer = await broker.report(order.order_id, lambda o: o.status in ("PreSubmitted", "Submitted", "Inactive"))
        print(f"  {_outcome(answer)}")

    async def _flatten(self, broker: BrokerSession, c: TradedContract) -> None:
        """Cancel and await the end of every own order, then sell: never two sells for the same shares."""
        shares = self._ours(c)
        others = sum(o.quantity - o.filled for o in c.others if o.side == "SELL")
        if others > c.whole - shares:
            print(
                f"{c.symbol}: an order that is not the bot's would still sell {others:g} of {c.whole - shares} left: "
                "cancel it in TWS first, or the account may end short"
            )
        if not self._confirm(f"cancel the bot's orders in {c.symbol} and sell {shares} {c.symbol} at the market"):
            return
        asking, self._yes = self._yes, True
        try:
            if not await self._cancel(broker, (*c.entries, *c.stops)):
                print(f"  {c.symbol}: not every order has ended; nothing is sold. Look again in a minute")
                return
        finally:
            self._yes = asking
        now = next((n for n in await self._survey(broker) if n.con_id == c.con_id), None)
        shares = min(shares, now.whole if now else 0)
        if shares < 1:
            print(f"  {c.symbol}: sold meanwhile")
            return
        self._number += 1
        order = OrderRecord(
            client_order_id=order_reference(self._settings.name, c.symbol, self._date, self._number, "F"),
            symbol=c.symbol,
            role="flatten",
            side="SELL",
            order_type="MKT",
            quantity=float(shares),
            order_id=broker.new_id(),
            account=broker.account,
            con_id=c.con_id,
        )
        broker.place(order)
        answer = await broker.report(order.order_id, lambda o: o.status not in LIVE_STATUSES, FILL_S)
        print(f"  {_outcome(answer)}")
        if not isinstance(answer, BrokerOrder) or answer.status != "Filled":
            print(f"  {c.symbol}: the sale is not done, and its stop is cancelled: look again, or place a stop")

    def _check_open(self) -> None:
        """A sale must be executable at once: for it the stops are cancelled. (A simulated market has its own time.)"""
        if self._settings.mode == "sim":
            return
        from services.clock.calendar import sessions  # (it takes seconds to import)

        now = datetime.now(UTC)
        today = now.astimezone(zone_of(self._settings.hours.calendar)).date()
        try:
            found = sessions(self._settings.hours.calendar, today, today, today=today)
        except Refusal:
            found = ()
        now_ns = int(now.timestamp() * 1e9)
        room_ns = int(BEFORE_CLOSE.total_seconds() * 1e9)
        if not any(
            (s.regular_open_ns or s.open_ns) <= now_ns < (s.regular_close_ns or s.close_ns) - room_ns for s in found
        ):
            raise Refusal("the exchange is closed or about to close: a sale would wait without a stop. The stops stay")


def _level(order: BrokerOrder) -> str:
    level = order.trail_stop_price or order.stop_price or order.limit_price
    return price(level) if level is not None else order.order_type


def _outcome(answer: BrokerOrder | BrokerError | None) -> str:
    match answer:
        case None:
            return "the broker has not answered; look again"
        case BrokerError(code=code, text=text):
            return f"the broker: {code} {text}"
        case BrokerOrder(status=status, filled=filled, avg_price=average):
            return f"{status}" + (f", {filled:g} at {price(average)}" if filled else "")
