"""Which faults are active, and what they do to what passes through the gateway. Pure: no clock, no socket.

There are three seams, and a fault acts at those it is about: a request on its way to the desk (`request`), the
exchange's reports on their way to clients (`reports`), frames on their way into a socket (`frames`). What a fault wants
done beside that is an *effect*, which `stage.py` performs. Chance comes from the seed and the number of the fault, and
time is market time, so that the same faults at the same times give the same day.

What faults there are stands in `catalogue.py`.
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
    "Ask",
    "Begin",
    "ByHand",
    "Counted",
    "Effect",
    "Fault",
    "Faults",
    "ForgetStreams",
    "Handle",
    "HangUp",
    "Lasting",
    "Live",
    "Notice",
    "ReviewStreams",
    "Say",
    "Seconds",
    "Tell",
    "fields_of",
    "with_field",
]

SECOND = 1_000_000_000

Seconds = Annotated[float, Meta(ge=0, le=1_000_000)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Chance = Annotated[float, Meta(gt=0, le=1)]


# Effects: what is to be done.


class Notice(msgspec.Struct, frozen=True):
    """An error message to one client, or to all; `request_id` -1 concerns no request."""

    code: int
    text: str
    client_id: int | None = None
    request_id: int = -1


class HangUp(msgspec.Struct, frozen=True):
    """Close the connection of one client, or of all."""

    client_id: int | None = None


class Say(msgspec.Struct, frozen=True):
    """Frames to a client, past all faults."""

    client_id: int
    frames: tuple[bytes, ...]


class Tell(msgspec.Struct, frozen=True):
    """Reports to whom they concern, past all faults."""

    reports: tuple[Report, ...]


class Ask(msgspec.Struct, frozen=True):
    """Something that happens at the exchange by itself; what it reports is told past all faults."""

    what: Callable[[Exchange], Sequence[Report]]


class Handle(msgspec.Struct, frozen=True):
    """A request that was held back reaches the desk."""

    client_id: int
    request: Any


class ByHand(msgspec.Struct, frozen=True):
    """A person enters an order at the broker."""

    ticket: Ticket


class ForgetStreams(msgspec.Struct, frozen=True):
    """Every market data subscription is gone, unsaid."""


class ReviewStreams(msgspec.Struct, frozen=True):
    """Market data subscriptions are looked at anew: rights have changed, or quotes were missed."""


class Begin(msgspec.Struct, frozen=True):
    """Another fault begins."""

    fault: Fault


Effect = Notice | HangUp | Say | Tell | Ask | Handle | ByHand | ForgetStreams | ReviewStreams | Begin


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault as it is asked for: its arguments. Frozen: what changes while it is active stands in `Live`."""

    lasts: ClassVar[bool] = False
    """Whether it is active for a time. Others are over when they have begun, or when their count is used up."""

    def begin(self, live: Live) -> None:
        """What happens at once."""

    def end(self, live: Live) -> None:
        """What happens when its time is over, its count used up, or when it is cleared."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        """The request as it reaches the desk, None if it doesn't."""
        return request

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        """The reports as clients hear of them."""
        return reports

    def frames(self, live: Live, client_id: int, frames: list[bytes]) -> list[bytes]:
        """The frames as they go out now."""
        return frames

    def hangs(self, client_id: int) -> bool:
        """Whether nothing of this client is read or written."""
        return False

    def denies(self, live: Live, symbol: str, *, anew: bool) -> int | None:
        """The code with which live data of this symbol are denied; `anew`: to a request, not to a running stream."""
        return None

    def refuses(self, live: Live) -> bool:
        """Whether nobody can connect."""
        return False

    def takes_id(self, live: Live, client_id: int) -> bool:
        """Whether the client id of who connects is in use already."""
        return False


class Lasting(Fault, frozen=True, kw_only=True):
    """A fault that is active for a time."""

    lasts: ClassVar[bool] = True

    seconds: Seconds = 0.0
    """How long, in market time; 0: until it is cleared."""


class Counted(Fault, frozen=True, kw_only=True):
    """A fault that strikes a number of times, then is over."""

    lasts: ClassVar[bool] = True

    count: Count = 1
    """How often it strikes; 0: until it is cleared."""
    probability: Chance = 1.0
    """How likely it strikes each time it could (drawn from the seed)."""


class Live:
    """A fault while it is active: what a fault knows and may do."""

    def __init__(self, faults: Faults, number: int, name: str, fault: Fault) -> None:
        self.number, self.name, self.fault = number, name, fault
        self.since_ns = faults.now_ns
        self.left = fault.count if isinstance(fault, Counted) else 0
        self.struck = 0
        self.over = False
        self.memory: dict[Any, Any] = {}
        """Whatever the fault has to remember."""
        self._faults = faults
        self._random = Random(f"{faults.seed}/{number}/{name}")

    @property
    def now_ns(self) -> int:
        """The market's time."""
        return self._faults.now_ns

    def find(self, client_id: int, order_id: int) -> Order | None:
        """The order that this client calls by this id."""
        return self._faults.find(client_id, order_id)

    def strikes(self) -> bool:
        """Whether it strikes this time; counts if it does."""
        fault = self.fault
        assert isinstance(fault, Counted)
        if self.over or self._random.random() >= fault.probability:
            return False
        self.struck += 1
        if fault.count:
            self.left -= 1
            if not self.left:
                self._faults.finish(self)
        return True

    def do(self, *effects: Effect) -> None:
        """Have this done once the present message is through."""
        self._faults.effects += effects

    def later(self, seconds: float, *effects: Effect) -> None:
        """Have this done after so much market time."""
        self._faults.schedule(self.now_ns + int(seconds * SECOND), effects)

    def finish(self) -> None:
        """It is over."""
        self._faults.finish(self)


class Faults:
    """The faults of one gateway. `now_ns` is told by whoever moves the market."""

    def __init__(self, seed: int = 0, now_ns: int = 0) -> None:
        self.seed = seed
        self.now_ns = now_ns
        self.active: list[Live] = []
        self.effects: list[Effect] = []
        self.find: Callable[[int, int], Order | None] = lambda _client_id, _order_id: None
        self._number = count(1)
        self._agenda: list[tuple[int, int, tuple[Effect, ...] | Live]] = []
        self._place = count()

    # What is active

    def begin(self, name: str, fault: Fault) -> Live:
        """A fault begins now."""
        live = Live(self, next(self._number), name, fault)
        if fault.lasts:
            self.active.append(live)
            if isinstance(fault, Lasting) and fault.seconds:
                self._put(self.now_ns + int(fault.seconds * SECOND), live)
        fault.begin(live)
        return live

    def clear(self, name: str = "") -> list[str]:
        """End all faults of this name, or all; their names."""
        ended = [live for live in self.active if name in ("", live.name)]
        for live in ended:
            self.finish(live)
        return [live.name for live in ended]

    def finish(self, live: Live) -> None:
        """A fault is over."""
        if not live.over:
            live.over = True
            self.active.remove(live)
            live.fault.end(live)

    def schedule(self, at_ns: int, effects: tuple[Effect, ...]) -> None:
        """Have this done at a time."""
        self._put(at_ns, effects)

    def next_ns(self) -> int | None:
        """When something is due."""
        return self._agenda[0][0] if self._agenda else None

    def pass_time(self, now_ns: int) -> None:
        """It is so late: what is due becomes effects, what has lasted its time ends."""
        self.now_ns = max(self.now_ns, now_ns)
        while self._agenda and self._agenda[0][0] <= self.now_ns:
            due = heapq.heappop(self._agenda)[2]
            if isinstance(due, Live):
                self.finish(due)
            else:
                self.effects += due

    def take_effects(self) -> list[Effect]:
        """What is to be done; the caller does it."""
        effects, self.effects = self.effects, []
        return effects

    # The seams

    def request(self, client_id: int, request: Request) -> Request | None:
        """A request on its way to the desk; None if it gets lost."""
        passed: Request | None = request
        for live in tuple(self.active):
            if passed is None:
                break
            if not live.over:
                passed = live.fault.request(live, client_id, passed)
        return passed

    def reports(self, reports: Sequence[Report]) -> list[Report]:
        """Reports on their way to the clients."""
        passed = list(reports)
        for live in tuple(self.active):
            if not live.over:
                passed = live.fault.reports(live, passed)
        return passed

    def frames(self, client_id: int, data: bytes) -> tuple[bytes, int]:
        """What is about to be written to a client, as it is written, and how many frames that is."""
        frames = _frames_of(data)
        for live in tuple(self.active):
            if not live.over:
                frames = live.fault.frames(live, client_id, frames)
        return b"".join(frames), len(frames)

    @property
    def refusing(self) -> bool:
        """Whether nobody can connect."""
        return any(live.fault.refuses(live) for live in self.active)

    def hangs(self, client_id: int) -> bool:
        """Whether nothing of this client is read or written."""
        return any(live.fault.hangs(client_id) for live in self.active)

    def denied(self, symbol: str, *, anew: bool) -> int | None:
        """The code with which live data of this symbol are denied, now that they are asked for or looked at again."""
        codes = (live.fault.denies(live, symbol, anew=anew) for live in tuple(self.active))
        return next((code for code in codes if code is not None), None)

    def takes_id(self, client_id: int) -> bool:
        """Whether the client id of who connects is in use already."""
        return any(live.fault.takes_id(live, client_id) for live in tuple(self.active))

    def _put(self, at_ns: int, what: tuple[Effect, ...] | Live) -> None:
        heapq.heappush(self._agenda, (at_ns, next(self._place), what))


def fields_of(frame: bytes) -> list[str]:
    """The fields of a frame; the first is what kind it is."""
    return frame[4:].decode(errors="replace").split("\0")[:-1]


def with_field(frame: bytes, changes: Iterable[tuple[int, object]]) -> bytes:
    """The frame with other values in these places."""
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
