"""The active faults, and how they change what passes through the gateway. Pure: no clock, no socket.

A fault acts at one or more of three places: a request on its way to the dispatcher (`request`), the exchange's reports
on their way to clients (`reports`), frames on their way to a socket (`frames`). Anything else is an *effect*, which
`fault_effects.py` performs. Random numbers come from the seed and the number of the fault, and time is market time, so
that the same faults at the same times give the same day.

`catalogue.py` lists all faults.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from services.simulator.venue.orders import Order, Ticket
from services.simulator.venue.reports import Report

if TYPE_CHECKING:
    from services.simulator.venue.exchange import Exchange
    from services.simulator.wire.requests import Request

__all__ = [
    "ActiveFault",
    "BeginFault",
    "CountedFault",
    "DeliverReports",
    "Disconnect",
    "Effect",
    "EnterManualOrder",
    "Fault",
    "Faults",
    "ForgetStreams",
    "HandleRequest",
    "Notice",
    "ReviewStreams",
    "RunExchangeAction",
    "Seconds",
    "SendFrames",
    "TimedFault",
    "fields_of",
    "with_field",
]

SECOND = 1_000_000_000

Seconds = Annotated[float, Meta(ge=0, le=1_000_000)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Chance = Annotated[float, Meta(gt=0, le=1)]


# Effects: actions that `fault_effects.py` performs.


class Notice(msgspec.Struct, frozen=True):
    """An error message to one client, or to all; `request_id` -1 means no request."""

    code: int
    text: str
    client_id: int | None = None
    request_id: int = -1


class Disconnect(msgspec.Struct, frozen=True):
    """Close the connection of one client, or of all."""

    client_id: int | None = None


class SendFrames(msgspec.Struct, frozen=True):
    """Send frames to a client, unaffected by faults."""

    client_id: int
    frames: tuple[bytes, ...]


class DeliverReports(msgspec.Struct, frozen=True):
    """Deliver reports to their clients, unaffected by faults."""

    reports: tuple[Report, ...]


class RunExchangeAction(msgspec.Struct, frozen=True):
    """Run an action at the exchange; its reports are delivered unaffected by faults."""

    what: Callable[[Exchange], Sequence[Report]]


class HandleRequest(msgspec.Struct, frozen=True):
    """Process a request that was held back."""

    client_id: int
    request: Any


class EnterManualOrder(msgspec.Struct, frozen=True):
    """A person enters an order at the broker."""

    ticket: Ticket


class ForgetStreams(msgspec.Struct, frozen=True):
    """Drop every market data subscription, without a message."""


class ReviewStreams(msgspec.Struct, frozen=True):
    """Check all market data subscriptions again: entitlements changed, or quotes were missed."""


class BeginFault(msgspec.Struct, frozen=True):
    """Start another fault."""

    fault: Fault


Effect = (
    Notice
    | Disconnect
    | SendFrames
    | DeliverReports
    | RunExchangeAction
    | HandleRequest
    | EnterManualOrder
    | ForgetStreams
    | ReviewStreams
    | BeginFault
)


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a fault. Frozen: `ActiveFault` has what changes while it is active."""

    lasts: ClassVar[bool] = False
    """Whether it stays active. Other faults are over as soon as they have begun."""

    def begin(self, active: ActiveFault) -> None:
        """Called when it starts."""

    def end(self, active: ActiveFault) -> None:
        """Called when its time is over, its count is used up, or it is cleared."""

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        """The request as it reaches the dispatcher; None if it gets lost."""
        return request

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        """The reports as they are delivered to the clients."""
        return reports

    def frames(self, active: ActiveFault, client_id: int, frames: list[bytes]) -> list[bytes]:
        """The frames as they are written now."""
        return frames

    def hangs(self, client_id: int) -> bool:
        """Whether nothing of this client is read or written."""
        return False

    def denies(self, active: ActiveFault, symbol: str, *, anew: bool) -> int | None:
        """The code that denies live data of this symbol. `anew`: for a new request, not for a running stream."""
        return None

    def refuses(self, active: ActiveFault) -> bool:
        """Whether nobody can connect."""
        return False

    def takes_id(self, active: ActiveFault, client_id: int) -> bool:
        """Whether this client id is refused as already in use."""
        return False


class TimedFault(Fault, frozen=True, kw_only=True):
    """A fault that is active for a time."""

    lasts: ClassVar[bool] = True

    seconds: Seconds = 0.0
    """How long, in market time; 0: until it is cleared."""


class CountedFault(Fault, frozen=True, kw_only=True):
    """A fault that strikes a number of times, then is over."""

    lasts: ClassVar[bool] = True

    count: Count = 1
    """How often it strikes; 0: until it is cleared."""
    probability: Chance = 1.0
    """How likely it strikes each time it could (drawn from the seed)."""


class ActiveFault:
    """A fault while it is active: its state, and what it may do."""

    def __init__(self, faults: Faults, number: int, name: str, fault: Fault) -> None:
        self.number, self.name, self.fault = number, name, fault
        self.since_ns = faults.now_ns
        self.left = fault.count if isinstance(fault, CountedFault) else 0
        self.struck = 0
        self.over = False
        self.data: dict[Any, Any] = {}
        """State of the fault's own."""
        self._faults = faults
        self._random = Random(f"{faults.seed}/{number}/{name}")

    @property
    def now_ns(self) -> int:
        """The market's time."""
        return self._faults.now_ns

    def find(self, client_id: int, order_id: int) -> Order | None:
        """The order of this client and id."""
        return self._faults.find(client_id, order_id)

    def strikes(self) -> bool:
        """Whether it strikes this time; counts if it does."""
        fault = self.fault
        assert isinstance(fault, CountedFault)
        if self.over or self._random.random() >= fault.probability:
            return False
        self.struck += 1
        if fault.count:
            self.left -= 1
            if not self.left:
                self._faults.finish(self)
        return True

    def do(self, *effects: Effect) -> None:
        """Perform these effects after the present message."""
        self._faults.effects += effects

    def later(self, seconds: float, *effects: Effect) -> None:
        """Perform these effects after `seconds` of market time."""
        self._faults.schedule(self.now_ns + int(seconds * SECOND), effects)

    def finish(self) -> None:
        """End it."""
        self._faults.finish(self)


class Faults:
    """The faults of one gateway. `pass_time` sets `now_ns` when the market moves."""

    def __init__(self, seed: int = 0, now_ns: int = 0) -> None:
        self.seed = seed
        self.now_ns = now_ns
        self.active: list[ActiveFault] = []
        self.effects: list[Effect] = []
        self.find: Callable[[int, int], Order | None] = lambda _client_id, _order_id: None
        self._number = count(1)
        self._agenda: list[tuple[int, int, tuple[Effect, ...] | ActiveFault]] = []
        self._place = count()

    # What is active

    def begin(self, name: str, fault: Fault) -> ActiveFault:
        """Start a fault now."""
        active = ActiveFault(self, next(self._number), name, fault)
        if fault.lasts:
            self.active.append(active)
            if isinstance(fault, TimedFault) and fault.seconds:
                self._put(self.now_ns + int(fault.seconds * SECOND), active)
        fault.begin(active)
        return active

    def clear(self, name: str = "") -> list[str]:
        """End all faults of this name, or all. Returns their names."""
        ended = [active for active in self.active if name in ("", active.name)]
        for active in ended:
            self.finish(active)
        return [active.name for active in ended]

    def finish(self, active: ActiveFault) -> None:
        """End a fault."""
        if not active.over:
            active.over = True
            self.active.remove(active)
            active.fault.end(active)

    def schedule(self, at_ns: int, effects: tuple[Effect, ...]) -> None:
        """Perform these effects at `at_ns`."""
        self._put(at_ns, effects)

    def next_ns(self) -> int | None:
        """When the next effect or end is due; None if never."""
        return self._agenda[0][0] if self._agenda else None

    def pass_time(self, now_ns: int) -> None:
        """Set the time: due effects become pending, and faults whose time is over end."""
        self.now_ns = max(self.now_ns, now_ns)
        while self._agenda and self._agenda[0][0] <= self.now_ns:
            due = heapq.heappop(self._agenda)[2]
            if isinstance(due, ActiveFault):
                self.finish(due)
            else:
                self.effects += due

    def take_effects(self) -> list[Effect]:
        """The pending effects; the caller performs them."""
        effects, self.effects = self.effects, []
        return effects

    # Requests, reports and frames

    def request(self, client_id: int, request: Request) -> Request | None:
        """A request on its way to the dispatcher; None if it gets lost."""
        passed: Request | None = request
        for active in tuple(self.active):
            if passed is None:
                break
            if not active.over:
                passed = active.fault.request(active, client_id, passed)
        return passed

    def reports(self, reports: Sequence[Report]) -> list[Report]:
        """Reports on their way to the clients."""
        passed = list(reports)
        for active in tuple(self.active):
            if not active.over:
                passed = active.fault.reports(active, passed)
        return passed

    def frames(self, client_id: int, data: bytes) -> tuple[bytes, int]:
        """The bytes to write to a client instead of `data`, and their number of frames."""
        frames = _frames_of(data)
        for active in tuple(self.active):
            if not active.over:
                frames = active.fault.frames(active, client_id, frames)
        return b"".join(frames), len(frames)

    @property
    def refusing(self) -> bool:
        """Whether nobody can connect."""
        return any(active.fault.refuses(active) for active in self.active)

    def hangs(self, client_id: int) -> bool:
        """Whether nothing of this client is read or written."""
        return any(active.fault.hangs(client_id) for active in self.active)

    def denied(self, symbol: str, *, anew: bool) -> int | None:
        """The code with which live data of this symbol are denied, None if they aren't."""
        codes = (active.fault.denies(active, symbol, anew=anew) for active in tuple(self.active))
        return next((code for code in codes if code is not None), None)

    def takes_id(self, client_id: int) -> bool:
        """Whether this client id is refused as already in use."""
        return any(active.fault.takes_id(active, client_id) for active in tuple(self.active))

    def _put(self, at_ns: int, what: tuple[Effect, ...] | ActiveFault) -> None:
        heapq.heappush(self._agenda, (at_ns, next(self._place), what))


def fields_of(frame: bytes) -> list[str]:
    """The fields of a frame; the first is the message id."""
    return frame[4:].decode(errors="replace").split("\0")[:-1]


def with_field(frame: bytes, changes: Iterable[tuple[int, object]]) -> bytes:
    """The frame with some fields replaced."""
    fields = fields_of(frame)
    for place, value in changes:
        fields[place] = str(value)
    payload = "".join(f"{field}\0" for field in fields).encode()
    return len(payload).to_bytes(4, "big") + payload


def _frames_of(data: bytes) -> list[bytes]:
    frames, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        frames.append(data[at:end])
        at = end
    return frames
