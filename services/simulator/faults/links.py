"""Faults of the lines: the socket, the gateway's line to the broker, the data farms, the daily and weekly restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from services.simulator.faults.active import (
    Begin,
    Counted,
    Fault,
    ForgetStreams,
    HangUp,
    Lasting,
    Live,
    Notice,
    ReviewStreams,
    Seconds,
    Tell,
)
from services.simulator.faults.data import DeadFeed
from services.simulator.venue.reports import QuoteReport, Report
from services.simulator.wire import complaints

if TYPE_CHECKING:
    from services.simulator.wire.requests import Request

__all__ = [
    "BrokerLost",
    "ClientIdInUse",
    "Drop",
    "FarmDown",
    "GatewayRestart",
    "Hang",
    "Message",
    "NightlyReset",
    "Pacing",
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

ORDERS = ("PlaceOrder", "CancelOrder", "GlobalCancel")

Client = Annotated[int, Meta(ge=0)] | None


class Drop(Fault, frozen=True, kw_only=True):
    """The socket closes, without a word before it. Orders stay."""

    client: Client = None
    """Client id whose connection it is. Default: all."""

    def begin(self, live: Live) -> None:
        live.do(HangUp(self.client))


class Hang(Lasting, frozen=True, kw_only=True):
    """The socket stays open, and nothing comes out of it. What is asked meanwhile is answered when it is over.

    What happens to orders meanwhile is told then too, and of quotes the newest. A client for which too much waits (16
    MiB) is dropped.
    """

    client: Client = None
    """Client id whose connection it is. Default: all."""

    def hangs(self, client_id: int) -> bool:
        return self.client in (None, client_id)

    def end(self, live: Live) -> None:
        live.do(ReviewStreams())


class Refuse(Lasting, frozen=True, kw_only=True):
    """Nobody listens on the port: connecting is refused. Who is connected stays."""

    def refuses(self, live: Live) -> bool:
        return True


class ClientIdInUse(Counted, frozen=True, kw_only=True):
    """Who connects hears that its client id is in use (326), as after a drop that the gateway has not noticed."""

    client: Client = None
    """Client id that is refused. Default: any."""

    def takes_id(self, live: Live, client_id: int) -> bool:
        return self.client in (None, client_id) and live.strikes()


class BrokerLost(Lasting, frozen=True, kw_only=True):
    """The gateway loses its line to the broker: 1100; later 1102, or 1101 with every subscription gone.

    Orders go on working at the broker. Reports of that time are lost, quotes cease, orders and cancels sent get no
    answer; the socket stays open.
    """

    data: Literal["kept", "lost"] = "kept"
    """Whether market data subscriptions survive: `kept` ends with 1102, `lost` with 1101."""
    told: bool = False
    """Whether what happened meanwhile to orders is told when the line is back."""

    def begin(self, live: Live) -> None:
        live.memory["missed"] = []
        live.do(Notice(*LOST))

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        return None if type(request).__name__ in ORDERS else request

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        live.memory["missed"] += [report for report in reports if not isinstance(report, QuoteReport)]
        return []

    def end(self, live: Live) -> None:
        live.do(Notice(*BACK[self.data]))
        if self.data == "lost":
            live.do(ForgetStreams())
        if self.told:
            live.do(Tell(tuple(live.memory["missed"])))


class FarmDown(Lasting, frozen=True, kw_only=True):
    """A data farm's line breaks (2103, 2105, 2157), and later is back (2104, 2106, 2158).

    While `usfarm` is away there are no quotes.
    """

    farm: Literal["usfarm", "ushmds", "secdefnj"] = "usfarm"
    """Market data, history, or contract definitions."""
    streams: Literal["kept", "dead"] = "kept"
    """`dead`: the farm is back, yet nothing comes until the client subscribes anew."""

    def begin(self, live: Live) -> None:
        code, _, text = FARMS[self.farm]
        live.do(Notice(code, text.format("broken")))

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        if self.farm != "usfarm":
            return reports
        return [report for report in reports if not isinstance(report, QuoteReport)]

    def end(self, live: Live) -> None:
        _, code, text = FARMS[self.farm]
        live.do(Notice(code, text.format("OK")))
        if self.streams == "dead":
            live.do(Begin(DeadFeed()))


class GatewayRestart(Fault, frozen=True, kw_only=True):
    """The gateway restarts: orders sent in its last second vanish, every socket closes, connecting is refused."""

    seconds: Annotated[float, Meta(gt=0, le=1_000_000)] = 30.0
    """How long nobody can connect."""
    lost_before: Seconds = 1.0
    """How long before it goes orders and cancels vanish, in seconds."""

    def begin(self, live: Live) -> None:
        live.do(Begin(Vanish(seconds=max(self.lost_before, 1e-9))))
        live.later(self.lost_before, HangUp(), Begin(Refuse(seconds=self.seconds)))


class Vanish(Lasting, frozen=True, kw_only=True):
    """Orders and cancels get lost on their way, without an answer."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        return None if type(request).__name__ in ORDERS else request


class NightlyReset(Fault, frozen=True, kw_only=True):
    """The broker's nightly reset: 1100, 2110 and broken farms, minutes later the farms and 1102 or 1101."""

    seconds: Annotated[float, Meta(gt=0, le=1_000_000)] = 180.0
    """How long it takes."""
    data: Literal["kept", "lost"] = "kept"
    """As in broker-lost."""
    restart: bool = False
    """Whether the gateway restarts on this occasion, as it is configured to once a day."""

    def begin(self, live: Live) -> None:
        code, text = SERVER_BROKEN
        live.do(Begin(BrokerLost(seconds=self.seconds, data=self.data)), Begin(Message(code=code, text=text)))
        for farm in ("usfarm", "ushmds", "secdefnj"):
            live.do(Begin(FarmDown(seconds=self.seconds, farm=farm)))
        if self.restart:
            live.later(self.seconds / 2, Begin(GatewayRestart(seconds=self.seconds / 4)))


class WeeklyReset(Lasting, frozen=True, kw_only=True):
    """The weekly logout: 1100, every socket closes, and nobody can connect until somebody logs in (`fault clear`)."""

    def begin(self, live: Live) -> None:
        live.do(Notice(*LOST), HangUp())

    def refuses(self, live: Live) -> bool:
        return True


class Pacing(Fault, frozen=True, kw_only=True):
    """The client counts as too fast: each of its next requests gets error 100 and is lost, then the socket closes."""

    lasts = True

    client: Client = None
    """Client id. Default: whoever asks something."""
    strikes: Annotated[int, Meta(ge=1, le=1000)] = complaints.STRIKES
    """How many requests are lost before the disconnect."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        if self.client not in (None, client_id):
            return request
        seen = live.memory[client_id] = live.memory.get(client_id, 0) + 1
        live.do(Notice(*complaints.TOO_FAST.about(50, 50 + seen, seen), client_id))
        if seen >= self.strikes:
            live.do(HangUp(client_id))
            live.finish()
        return None


class Message(Fault, frozen=True, kw_only=True):
    """Any message of the system, as error with this code: 2119 connecting, 1300 another port, 2108 an idle farm."""

    code: Annotated[int, Meta(ge=1)]
    """Code of the message."""
    text: str = ""
    """Its text."""
    client: Client = None
    """Client id. Default: all."""
    request_id: int = -1
    """Request or order id that it is about."""

    def begin(self, live: Live) -> None:
        live.do(Notice(self.code, self.text, self.client, self.request_id))
