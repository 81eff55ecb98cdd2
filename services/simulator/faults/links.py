"""Faults of connections: the socket, the link to the broker, the data farms, the daily and weekly restarts."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from services.simulator.faults.active import (
    ActiveFault,
    BeginFault,
    CountedFault,
    DeliverReports,
    Disconnect,
    Fault,
    ForgetStreams,
    Notice,
    ReviewStreams,
    Seconds,
    TimedFault,
)
from services.simulator.faults.data import DeadFeed
from services.simulator.venue.reports import QuoteReport, Report
from services.simulator.wire import errors
from services.simulator.wire.place_order import PlaceOrderRequest
from services.simulator.wire.requests import (
    AllOpenOrdersRequest,
    AutoOpenOrdersRequest,
    CancelOrderRequest,
    CompletedOrdersRequest,
    GlobalCancelRequest,
    OpenOrdersRequest,
    Request,
)

__all__ = [
    "BrokerLost",
    "ClientIdInUse",
    "Drop",
    "FarmDown",
    "GatewayRestart",
    "Hang",
    "Message",
    "Mute",
    "NightlyReset",
    "Pacing",
    "ReadOnly",
    "Refuse",
    "WeeklyReset",
]

LOST = (1100, "Connectivity between IB and Trader Workstation has been lost.")
BACK = {
    "kept": (1102, "Connectivity between IB and Trader Workstation has been restored - data maintained."),
    "lost": (1101, "Connectivity between IB and Trader Workstation has been restored - data lost."),
}
SERVER_BROKEN = (
    2110,
    "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
)

FARMS = {
    "usfarm": (2103, 2104, "Market data farm connection is {}:usfarm"),
    "ushmds": (2105, 2106, "HMDS data farm connection is {}:ushmds"),
    "secdefnj": (2157, 2158, "Sec-def data farm connection is {}:secdefnj"),
}

NOBODY = -1
"""The client id of a connection that hasn't started the API."""

TEXTS = {
    507: "Bad Message Length",
    1300: "TWS socket port has been reset and this connection is being dropped. Please reconnect on the new port -4003",
    2100: "New account data requested from TWS. API client has been unsubscribed from account data.",
    2108: "Market data farm connection is inactive but should be available upon demand.usfarm",
    2119: "Market data farm is connecting:usfarm",
}
"""IBKR's texts of some messages of the system."""

ORDER_QUESTIONS = (OpenOrdersRequest, AllOpenOrdersRequest, AutoOpenOrdersRequest, CompletedOrdersRequest)
ORDERS = (PlaceOrderRequest, CancelOrderRequest, GlobalCancelRequest)

Client = Annotated[int, Meta(ge=0)] | None


class Drop(Fault, frozen=True, kw_only=True):
    """The socket closes, without a word before it. Orders stay."""

    client: Client = None
    """Client id whose connection it is. Default: all."""

    def begin(self, active: ActiveFault) -> None:
        active.do(Disconnect(self.client))


class Hang(TimedFault, frozen=True, kw_only=True):
    """The socket stays open, and nothing comes out of it. What is asked meanwhile is answered when it is over.

    What happens to orders meanwhile is told then too, and of quotes the newest. A client for which too much waits (16
    MiB) is dropped.
    """

    client: Client = None
    """Client id whose connection it is. Default: all."""

    def hangs(self, client_id: int) -> bool:
        return self.client in (None, client_id)

    def end(self, active: ActiveFault) -> None:
        active.do(ReviewStreams())


class Mute(TimedFault, frozen=True, kw_only=True):
    """Who connects gets no answer, not even to its greeting. Who is connected goes on."""

    def hangs(self, client_id: int) -> bool:
        return client_id == NOBODY


class ReadOnly(TimedFault, frozen=True, kw_only=True):
    """The API is read-only: 321 for orders, for cancels and for questions about orders, which get no other answer.

    Only the error of an order has its id.
    """

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        if not isinstance(request, (*ORDERS, *ORDER_QUESTIONS)):
            return request
        order_id = request.ticket.order_id if isinstance(request, PlaceOrderRequest) else -1
        active.do(Notice(*errors.READ_ONLY, client_id, order_id))
        return None


class Refuse(TimedFault, frozen=True, kw_only=True):
    """Nobody listens on the port: connecting is refused. Who is connected stays."""

    def refuses(self, active: ActiveFault) -> bool:
        return True


class ClientIdInUse(CountedFault, frozen=True, kw_only=True):
    """Who connects hears that its client id is in use (326), as after a drop that the gateway has not noticed."""

    client: Client = None
    """Client id that is refused. Default: any."""

    def takes_id(self, active: ActiveFault, client_id: int) -> bool:
        return self.client in (None, client_id) and active.strikes()


class BrokerLost(TimedFault, frozen=True, kw_only=True):
    """The gateway loses its line to the broker: 1100; later 1102, or 1101 with every subscription gone.

    Orders go on working at the broker. Reports of that time are lost, quotes cease, orders and cancels sent get no
    answer; the socket stays open.
    """

    data: Literal["kept", "lost"] = "kept"
    """Whether market data subscriptions survive: `kept` ends with 1102, `lost` with 1101."""
    told: bool = False
    """Whether reports of that time are sent when the link is back."""

    def begin(self, active: ActiveFault) -> None:
        active.data["missed"] = []
        active.do(Notice(*LOST))

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        return None if isinstance(request, ORDERS) else request

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        active.data["missed"] += [report for report in reports if not isinstance(report, QuoteReport)]
        return []

    def end(self, active: ActiveFault) -> None:
        active.do(Notice(*BACK[self.data]))
        if self.data == "lost":
            active.do(ForgetStreams())
        if self.told:
            active.do(DeliverReports(tuple(active.data["missed"])))


class FarmDown(TimedFault, frozen=True, kw_only=True):
    """A data farm's line breaks (2103, 2105, 2157), and later is back (2104, 2106, 2158).

    While `usfarm` is away there are no quotes.
    """

    farm: Literal["usfarm", "ushmds", "secdefnj"] = "usfarm"
    """Market data, history, or contract definitions."""
    streams: Literal["kept", "dead"] = "kept"
    """`dead`: the farm is back, but quotes come only after the client subscribes again."""

    def begin(self, active: ActiveFault) -> None:
        code, _, text = FARMS[self.farm]
        active.do(Notice(code, text.format("broken")))

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        if self.farm != "usfarm":
            return reports
        return [report for report in reports if not isinstance(report, QuoteReport)]

    def end(self, active: ActiveFault) -> None:
        _, code, text = FARMS[self.farm]
        active.do(Notice(code, text.format("OK")))
        if self.streams == "dead":
            active.do(BeginFault(DeadFeed()))


class GatewayRestart(Fault, frozen=True, kw_only=True):
    """The gateway restarts: orders sent in its last second vanish, every socket closes, connecting is refused."""

    seconds: Annotated[float, Meta(gt=0, le=1_000_000)] = 30.0
    """How long nobody can connect."""
    lost_before: Seconds = 1.0
    """Seconds before the restart in which orders and cancels vanish."""

    def begin(self, active: ActiveFault) -> None:
        active.do(BeginFault(Vanish(seconds=max(self.lost_before, 1e-9))))
        active.later(self.lost_before, Disconnect(), BeginFault(Refuse(seconds=self.seconds)))


class Vanish(TimedFault, frozen=True, kw_only=True):
    """Orders and cancels get lost on their way, without an answer."""

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        return None if isinstance(request, ORDERS) else request


class NightlyReset(Fault, frozen=True, kw_only=True):
    """The broker's nightly reset: 1100, 2110 and broken farms, minutes later the farms and 1102 or 1101."""

    seconds: Annotated[float, Meta(gt=0, le=1_000_000)] = 180.0
    """How long it takes."""
    data: Literal["kept", "lost"] = "kept"
    """As in broker-lost."""
    restart: bool = False
    """Whether the gateway restarts too, as its daily restart does."""

    def begin(self, active: ActiveFault) -> None:
        code, text = SERVER_BROKEN
        active.do(
            BeginFault(BrokerLost(seconds=self.seconds, data=self.data)), BeginFault(Message(code=code, text=text))
        )
        for farm in ("usfarm", "ushmds", "secdefnj"):
            active.do(BeginFault(FarmDown(seconds=self.seconds, farm=farm)))
        if self.restart:
            active.later(self.seconds / 2, BeginFault(GatewayRestart(seconds=self.seconds / 4)))


class WeeklyReset(TimedFault, frozen=True, kw_only=True):
    """The weekly logout: 1100, every socket closes, and nobody can connect until somebody logs in (`fault clear`)."""

    def begin(self, active: ActiveFault) -> None:
        active.do(Notice(*LOST), Disconnect())

    def refuses(self, active: ActiveFault) -> bool:
        return True


class Pacing(Fault, frozen=True, kw_only=True):
    """The client counts as too fast: each of its next requests gets error 100 and is lost, then the socket closes."""

    lasts = True

    client: Client = None
    """Client id. Default: every client."""
    strikes: Annotated[int, Meta(ge=1, le=1000)] = errors.STRIKES
    """How many requests are lost before the disconnect."""

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        if self.client not in (None, client_id):
            return request
        seen = active.data[client_id] = active.data.get(client_id, 0) + 1
        active.do(Notice(*errors.TOO_FAST.about(50, 50 + seen, seen), client_id))
        if seen >= self.strikes:
            active.do(Disconnect(client_id))
            active.finish()
        return None


class Message(Fault, frozen=True, kw_only=True):
    """Any message of the system, as error with this code: 2119 connecting, 1300 another port, 2100 no account data."""

    code: Annotated[int, Meta(ge=1)]
    """Code of the message."""
    text: str = ""
    """Its text. Default: IBKR's, of 507, 1300, 2100, 2108 and 2119."""
    client: Client = None
    """Client id. Default: all."""
    request_id: int = -1
    """Request or order id that it is about."""

    def begin(self, active: ActiveFault) -> None:
        active.do(Notice(self.code, self.text or TEXTS.get(self.code, ""), self.client, self.request_id))
