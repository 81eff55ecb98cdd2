"""Questions to a broker that its documents do not answer: each is asked with orders of one share.

An answer is the value of a switch of the simulated broker (docs/switches.md). Every order of a probe is far from the
market, except those of `SHARE_PROBES`, which buy one share. Whatever happens, `clean_up` cancels what is left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from messages.broker import BrokerError, BrokerExecution, BrokerOrder, FromBroker
from messages.orders import LIVE_STATUSES, OrderRecord
from services.cli.broker_session import BrokerSession, NoBroker
from services.trading.prices import US_STOCKS, round_up

__all__ = ["RESTING_PROBES", "SHARE_PROBES", "BrokerProbe", "Prober", "Unanswered"]

SETTLE_S = 3.0
"""How long the reports about an order may take."""

FAR, FAR_BELOW = 1.3, 0.6
"""Factors of the price: a buy stop so far above, and a buy limit so far below, do not trade."""

MARK = "PROBE-"
"""How the reference of every order of a probe begins. To a fleet they are not its own."""

ATTACHED_REFUSED, TRAIL_REFUSED, OUTSIDE_RTH_IGNORED = 10326, 328, 2109


class Unanswered(Exception):
    """The broker's reports do not answer the question; the text says what they were."""


class Prober:
    """Places the orders of probes, of one share each, and collects what is reported about them."""

    def __init__(
        self,
        broker: BrokerSession,
        symbol: str,
        con_id: int,
        last: float,
        stranger: Callable[[], AbstractAsyncContextManager[BrokerSession]],
        first_number: int,
    ):
        self.broker = broker
        self.symbol = symbol
        self.con_id = con_id
        self.last = last
        self.stranger = stranger
        self.executions: list[BrokerExecution] = []
        self._number = first_number
        self._placed: dict[int, OrderRecord] = {}

    def order(self, order_type: str, side: str = "BUY", **more: Any) -> OrderRecord:
        """An order of one share; `more`: fields of the record. Not sent yet."""
        self._number += 1
        fields: dict[str, Any] = {
            "client_order_id": f"{MARK}{self._number}",
            "symbol": self.symbol,
            "role": "entry" if side == "BUY" else "stop",
            "side": side,
            "order_type": order_type,
            "quantity": 1.0,
            "order_id": self.broker.new_id(),
            "account": self.broker.account,
            "con_id": self.con_id,
        }
        return OrderRecord(**(fields | more))

    def far_buy(self, order_type: str = "STP LMT", **more: Any) -> OrderRecord:
        """A buy stop far above the market, or a buy limit far below it."""
        if order_type == "LMT":
            return self.order("LMT", limit_price=self.price(FAR_BELOW), **more)
        trigger = self.price(FAR)
        limit = round_up(trigger * 1.01, US_STOCKS) if order_type == "STP LMT" else None
        return self.order(order_type, stop_price=trigger, limit_price=limit, **more)

    def child(self, parent: OrderRecord, **more: Any) -> OrderRecord:
        """A trailing stop that is attached to this order."""
        return self.order("TRAIL", "SELL", trailing_pct=10.0, tif="GTC", parent_id=parent.order_id, **more)

    def price(self, factor: float) -> float:
        """So far from the market, on the price grid."""
        return round_up(self.last * factor, US_STOCKS)

    async def send(self, *orders: OrderRecord) -> Reports:
        """Send these orders, the last of them with transmit; and what is reported."""
        for order in orders:
            self._placed[order.order_id] = order
            self.broker.place(order, transmit=order is orders[-1])
        return await self.reports()

    async def cancel(self, order: OrderRecord) -> Reports:
        """Cancel an order; and what is reported."""
        self.broker.cancel(order.order_id, order.client_order_id)
        return await self.reports()

    async def reports(self) -> Reports:
        """What is reported from now on until all is quiet."""
        reports = Reports(await self.broker.listen(SETTLE_S))
        self.executions += [fact for fact in reports.facts if isinstance(fact, BrokerExecution)]
        return reports

    async def live(self) -> set[int]:
        """The ids of our own orders that live, by a complete answer."""
        snapshot = await self.broker.snapshot()
        return {o.order_id for o in snapshot.open_orders if o.status in LIVE_STATUSES and o.order_id in self._placed}

    async def clean_up(self) -> None:
        """Cancel every order that is left, and sell the share if it was bought."""
        for order_id in sorted(await self.live()):
            self.broker.cancel(order_id, self._placed[order_id].client_order_id)
        await self.reports()
        held = sum(
            e.quantity if e.side == "BUY" else -e.quantity for e in {e.exec_id: e for e in self.executions}.values()
        )
        if held > 0:
            reports = await self.send(self.order("MKT", "SELL", role="flatten", quantity=held))
            if not any(isinstance(fact, BrokerExecution) for fact in reports.facts):
                raise Unanswered(
                    f"{held:g} {self.symbol} bought by the probe could not be sold; `crazy rescue` sells them"
                )
        if left := await self.live():
            raise Unanswered(f"orders of the probe are still live: {sorted(left)}; cancel them in TWS")


class Reports:
    """What was reported within a few seconds."""

    def __init__(self, facts: Sequence[FromBroker]):
        self.facts = facts

    def codes(self, order: OrderRecord) -> list[int]:
        """The codes of the errors and warnings about an order."""
        return [f.code for f in self.facts if isinstance(f, BrokerError) and f.order_id == order.order_id]

    def states(self, order: OrderRecord) -> list[BrokerOrder]:
        """The reports of an order, oldest first."""
        return [f for f in self.facts if isinstance(f, BrokerOrder) and f.order_id == order.order_id]

    def works(self, order: OrderRecord) -> bool:
        """Whether its newest report says that it lives."""
        states = self.states(order)
        return bool(states) and states[-1].status in LIVE_STATUSES


class BrokerProbe(msgspec.Struct, frozen=True):
    """One question. `switches`: which ones it answers; `ask` returns their values."""

    switches: tuple[str, ...]
    question: str
    ask: Callable[[Prober], Awaitable[dict[str, str]]]


def _flag(on: bool) -> str:
    return "true" if on else "false"


async def _bracket(p: Prober, **child: Any) -> tuple[OrderRecord, OrderRecord, BrokerOrder]:
    """A resting bracket: parent, child, and the broker's newest report of the child."""
    parent = p.far_buy()
    stop = p.child(parent, **child)
    reports = await p.send(parent, stop)
    if not reports.works(parent) or not reports.works(stop):
        raise Unanswered(f"the broker did not accept a bracket: {reports.codes(parent) + reports.codes(stop)}")
    return parent, stop, reports.states(stop)[-1]


async def trail_child_on_stop_parent(p: Prober) -> dict[str, str]:
    parent = p.far_buy("STP")
    stop = p.child(parent)
    reports = await p.send(parent, stop)
    if TRAIL_REFUSED in reports.codes(stop):
        return {"trail_child_on_stop_parent": "false"}
    if reports.works(stop):
        return {"trail_child_on_stop_parent": "true"}
    raise Unanswered(f"neither accepted nor refused: {reports.codes(parent) + reports.codes(stop)}")


async def child_oca(p: Prober) -> dict[str, str]:
    _, stop, reported = await _bracket(p, oca_group="CTPROBE", oca_type=1)
    return {"child_oca_overwritten": _flag(reported.oca_group != stop.oca_group)}


async def child_change(p: Prober) -> dict[str, str]:
    _, stop, reported = await _bracket(p)
    changed = msgspec.structs.replace(stop, trailing_pct=11.0)
    tries = {
        "group_left_out": changed,
        "group_named": msgspec.structs.replace(changed, oca_group=reported.oca_group, oca_type=reported.oca_type),
    }
    for value, order in tries.items():
        reports = await p.send(order)
        if ATTACHED_REFUSED not in reports.codes(stop) and any(o.trailing_pct == 11.0 for o in reports.states(stop)):
            return {"child_change": value}
    return {"child_change": "none"}


async def child_survives(p: Prober) -> dict[str, str]:
    parent, stop, _ = await _bracket(p)
    await p.cancel(parent)
    live = await p.live()
    if parent.order_id in live:
        raise Unanswered("the parent was not cancelled")
    return {"child_survives_parent_cancel": _flag(stop.order_id in live)}


async def oca_cancel(p: Prober) -> dict[str, str]:
    group = f"CTPROBE{p.broker.new_id()}"
    first, second = (p.far_buy("LMT", oca_group=group, oca_type=1) for _ in range(2))
    for order in (first, second):
        if not (await p.send(order)).works(order):
            raise Unanswered("the broker did not accept an order in an OCA group")
    await p.cancel(first)
    live = await p.live()
    if first.order_id in live:
        raise Unanswered("the order was not cancelled")
    return {"oca_client_cancel_cascades": _flag(second.order_id not in live)}


async def ids_rise(p: Prober) -> dict[str, str]:
    lower, higher = p.far_buy("LMT"), p.far_buy("LMT")
    if not (await p.send(higher)).works(higher):
        raise Unanswered("the broker did not accept an order")
    reports = await p.send(lower)
    return {"order_ids_must_rise": _flag(not reports.works(lower))}


async def cancelled_id(p: Prober) -> dict[str, str]:
    order = p.far_buy("LMT")
    await p.send(order)
    await p.cancel(order)
    codes = (await p.send(order)).codes(order)
    for code, value in ((104, "true"), (103, "false")):
        if code in codes:
            return {"cancelled_id_is_a_change": value}
    raise Unanswered(f"neither 103 nor 104: {codes}")


async def tif_change(p: Prober) -> dict[str, str]:
    order = p.far_buy("LMT")
    await p.send(order)
    reports = await p.send(msgspec.structs.replace(order, tif="GTC"))
    return {"tif_may_change": _flag(any(o.tif == "GTC" for o in reports.states(order)))}


async def outside_rth(p: Prober) -> dict[str, str]:
    order = p.far_buy("STP", outside_rth=True)
    reports = await p.send(order)
    if not reports.works(order):
        raise Unanswered(f"the broker did not accept the order: {reports.codes(order)}")
    return {"stops_trade_outside_rth": _flag(OUTSIDE_RTH_IGNORED not in reports.codes(order))}


async def other_client(p: Prober) -> dict[str, str]:
    order = p.far_buy("LMT")
    await p.send(order)
    async with p.stranger() as stranger:
        await stranger.snapshot()  # it has seen the order
        stranger.cancel(order.order_id, order.client_order_id)
        await stranger.listen(SETTLE_S)
    return {"other_clients_may_cancel": _flag(order.order_id not in await p.live())}


RESTING_PROBES: tuple[BrokerProbe, ...] = (
    BrokerProbe(("trail_child_on_stop_parent",), "does a plain STP take a trailing child?", trail_child_on_stop_parent),
    BrokerProbe(("child_oca_overwritten",), "does a child keep its own OCA group?", child_oca),
    BrokerProbe(("child_change",), "how may an attached stop be changed?", child_change),
    BrokerProbe(("child_survives_parent_cancel",), "does a child outlive its cancelled parent?", child_survives),
    BrokerProbe(("oca_client_cancel_cascades",), "does the cancel of one member end the whole OCA group?", oca_cancel),
    BrokerProbe(("order_ids_must_rise",), "is an unused order id below the highest one refused?", ids_rise),
    BrokerProbe(("cancelled_id_is_a_change",), "what is an order under the id of a cancelled one?", cancelled_id),
    BrokerProbe(("tif_may_change",), "may a change name another time in force?", tif_change),
    BrokerProbe(("stops_trade_outside_rth",), "does a stop keep outsideRth?", outside_rth),
    BrokerProbe(("other_clients_may_cancel",), "may another client cancel our order?", other_client),
)
"""Questions that need no share."""


async def far_limit(p: Prober) -> dict[str, str]:
    at_once = p.order("LMT", limit_price=p.price(1.2), tif="IOC")
    if any(isinstance(f, BrokerExecution) for f in (await p.send(at_once)).facts):
        return {"far_limits": "fill"}
    waiting = p.order("LMT", limit_price=p.price(1.2))
    filled = any(isinstance(f, BrokerExecution) for f in (await p.send(waiting)).facts)
    return {"far_limits": "immediate_end" if filled else "all_end"}


async def how_filled_is_told(p: Prober) -> dict[str, str]:
    order = p.order("LMT", limit_price=p.price(1.02))
    reports = await p.send(order)
    kinds = ["execution" if isinstance(f, BrokerExecution) else "filled" for f in reports.facts if _ends(f, order)]
    if "execution" not in kinds:
        raise Unanswered("a marketable order did not fill; is the market open?")
    told = kinds.count("filled")
    value = "by_execution" if not told else "once" if told == 1 else "twice"
    return {"filled_told": value, "filled_before_execution": _flag(kinds[0] == "filled")}


def _ends(fact: FromBroker, order: OrderRecord) -> bool:
    match fact:
        case BrokerExecution(order_id=order.order_id):
            return True
        case BrokerOrder(order_id=order.order_id, status="Filled"):
            return True
    return False


async def completed_orders(p: Prober) -> dict[str, str]:
    """Asked after a share was bought: its order has ended."""
    try:
        snapshot = await p.broker.snapshot()
    except NoBroker:
        return {"completed_orders_told": "never_ended"}
    if "completed_orders" in snapshot.missing:
        return {"completed_orders_told": "never_ended"}
    listed = any(o.client_order_id.startswith(MARK) and o.filled for o in snapshot.completed_orders)
    return {"completed_orders_told": "since_midnight" if listed else "never"}


SHARE_PROBES: tuple[BrokerProbe, ...] = (
    BrokerProbe(("filled_told", "filled_before_execution"), "how is a fill reported?", how_filled_is_told),
    BrokerProbe(("completed_orders_told",), "are completed orders listed?", completed_orders),
    BrokerProbe(("far_limits",), "is a limit 20 % above the market accepted?", far_limit),
)
"""Questions that buy a share; it is sold at the end."""
