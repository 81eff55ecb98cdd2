"""Faults of what the client hears: callbacks late, lost, twice, out of order, or with a wrong number in them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from services.simulator.faults.active import Counted, Lasting, Live, Say, Seconds, fields_of, with_field

__all__ = ["KINDS", "ClockSkew", "Delay", "Duplicate", "IdRollback", "Lose", "Reorder"]

KINDS = {
    "tickPrice": "1",
    "tickSize": "2",
    "orderStatus": "3",
    "error": "4",
    "openOrder": "5",
    "accountValue": "6",
    "portfolioValue": "7",
    "accountTime": "8",
    "nextValidId": "9",
    "contractDetails": "10",
    "execDetails": "11",
    "managedAccounts": "15",
    "historicalData": "17",
    "tickGeneric": "45",
    "tickString": "46",
    "currentTime": "49",
    "contractDetailsEnd": "52",
    "openOrderEnd": "53",
    "accountDownloadEnd": "54",
    "execDetailsEnd": "55",
    "tickSnapshotEnd": "57",
    "marketDataType": "58",
    "commissionReport": "59",
    "position": "61",
    "positionEnd": "62",
    "completedOrder": "101",
    "completedOrdersEnd": "102",
}
"""Callbacks by the name that every client gives them, and the number they have on the wire."""

Kind = Annotated[
    str,
    Meta(pattern=f"^({'|'.join(['any', *KINDS])})$", description=f"`any`, or a callback: {', '.join(KINDS)}"),
]


class _OfKind(Counted, frozen=True, kw_only=True):
    """What these have in common: which callbacks they strike."""

    kind: Kind = "any"
    """Callback that it strikes."""
    client: Annotated[int, Meta(ge=0)] | None = None
    """Client id. Default: all."""

    def meets(self, live: Live, client_id: int, frame: bytes) -> bool:
        """Whether it strikes this frame."""
        if self.client not in (None, client_id) or live.over:
            return False
        return (self.kind == "any" or fields_of(frame)[0] == KINDS[self.kind]) and live.strikes()


class Delay(_OfKind, frozen=True, kw_only=True):
    """Callbacks come late; others overtake them."""

    seconds: Seconds = 5.0
    """How late, in market time."""

    def frames(self, live: Live, client_id: int, frames: list[bytes]) -> list[bytes]:
        passed = []
        for frame in frames:
            if self.meets(live, client_id, frame):
                live.later(self.seconds, Say(client_id, (frame,)))
            else:
                passed.append(frame)
        return passed


class Lose(_OfKind, frozen=True, kw_only=True):
    """Callbacks never come."""

    def frames(self, live: Live, client_id: int, frames: list[bytes]) -> list[bytes]:
        return [frame for frame in frames if not self.meets(live, client_id, frame)]


class Duplicate(_OfKind, frozen=True, kw_only=True):
    """Callbacks come more than once."""

    copies: Annotated[int, Meta(ge=1, le=100)] = 1
    """How often again."""

    def frames(self, live: Live, client_id: int, frames: list[bytes]) -> list[bytes]:
        passed = []
        for frame in frames:
            passed += [frame] * (1 + self.copies if self.meets(live, client_id, frame) else 1)
        return passed


class Reorder(_OfKind, frozen=True, kw_only=True):
    """A callback comes after the one that should follow it."""

    lasts = True

    def frames(self, live: Live, client_id: int, frames: list[bytes]) -> list[bytes]:
        passed: list[bytes] = []
        for frame in frames:
            held = live.memory.pop(client_id, None)
            if held is None and self.meets(live, client_id, frame):
                live.memory[client_id] = frame
            else:
                passed += [frame] if held is None else [frame, held]
        if live.over and client_id in live.memory:
            live.do(Say(client_id, (live.memory.pop(client_id),)))
        return passed


class IdRollback(Counted, frozen=True, kw_only=True):
    """`nextValidId` falls back, as after a restart of the gateway: the ids named were used before."""

    to: Annotated[int, Meta(ge=1)] = 1
    """The id that is told."""
    client: Annotated[int, Meta(ge=0)] | None = None
    """Client id. Default: all."""

    def frames(self, live: Live, client_id: int, frames: list[bytes]) -> list[bytes]:
        return [self._rolled(live, client_id, frame) for frame in frames]

    def _rolled(self, live: Live, client_id: int, frame: bytes) -> bytes:
        mine = self.client in (None, client_id) and fields_of(frame)[0] == KINDS["nextValidId"]
        return with_field(frame, [(2, self.to)]) if mine and live.strikes() else frame


class ClockSkew(Lasting, frozen=True, kw_only=True):
    """The gateway's clock is wrong: `currentTime` is off."""

    by: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 60
    """Seconds that it is ahead; negative: behind."""

    def frames(self, live: Live, client_id: int, frames: list[bytes]) -> list[bytes]:
        return [
            with_field(frame, [(2, int(found[2]) + self.by)]) if (found := fields_of(frame))[0] == "49" else frame
            for frame in frames
        ]
