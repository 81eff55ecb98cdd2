"""Faults of callbacks: late, lost, duplicated, reordered, or with a wrong number."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from services.simulator.faults.active import (
    ActiveFault,
    CountedFault,
    Seconds,
    SendFrames,
    TimedFault,
    fields_of,
    with_field,
)

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
    "accountSummary": "63",
    "accountSummaryEnd": "64",
    "accountUpdateMulti": "73",
    "accountUpdateMultiEnd": "74",
    "completedOrder": "101",
    "completedOrdersEnd": "102",
}
"""Callbacks by their name in client libraries, with their message id."""

Kind = Annotated[
    str,
    Meta(pattern=f"^({'|'.join(['any', *KINDS])})$", description=f"`any`, or a callback: {', '.join(KINDS)}"),
]


class _CallbackFault(CountedFault, frozen=True, kw_only=True):
    """A fault that strikes certain callbacks."""

    kind: Kind = "any"
    """Callback that it strikes."""
    client: Annotated[int, Meta(ge=0)] | None = None
    """Client id. Default: all."""

    def meets(self, active: ActiveFault, client_id: int, frame: bytes) -> bool:
        """Whether it strikes this frame."""
        if self.client not in (None, client_id) or active.over:
            return False
        return (self.kind == "any" or fields_of(frame)[0] == KINDS[self.kind]) and active.strikes()


class Delay(_CallbackFault, frozen=True, kw_only=True):
    """Callbacks come late; others overtake them."""

    seconds: Seconds = 5.0
    """How late, in market time."""

    def frames(self, active: ActiveFault, client_id: int, frames: list[bytes]) -> list[bytes]:
        passed = []
        for frame in frames:
            if self.meets(active, client_id, frame):
                active.later(self.seconds, SendFrames(client_id, (frame,)))
            else:
                passed.append(frame)
        return passed


class Lose(_CallbackFault, frozen=True, kw_only=True):
    """Callbacks never come."""

    def frames(self, active: ActiveFault, client_id: int, frames: list[bytes]) -> list[bytes]:
        return [frame for frame in frames if not self.meets(active, client_id, frame)]


class Duplicate(_CallbackFault, frozen=True, kw_only=True):
    """Callbacks come more than once."""

    copies: Annotated[int, Meta(ge=1, le=100)] = 1
    """How many extra copies."""

    def frames(self, active: ActiveFault, client_id: int, frames: list[bytes]) -> list[bytes]:
        passed = []
        for frame in frames:
            passed += [frame] * (1 + self.copies if self.meets(active, client_id, frame) else 1)
        return passed


class Reorder(_CallbackFault, frozen=True, kw_only=True):
    """A callback comes after the one that should follow it."""

    lasts = True

    def frames(self, active: ActiveFault, client_id: int, frames: list[bytes]) -> list[bytes]:
        passed: list[bytes] = []
        for frame in frames:
            held = active.data.pop(client_id, None)
            if held is None and self.meets(active, client_id, frame):
                active.data[client_id] = frame
            else:
                passed += [frame] if held is None else [frame, held]
        if active.over and client_id in active.data:
            active.do(SendFrames(client_id, (active.data.pop(client_id),)))
        return passed


class IdRollback(CountedFault, frozen=True, kw_only=True):
    """`nextValidId` falls back, as after a restart of the gateway: the ids named were used before."""

    to: Annotated[int, Meta(ge=1)] = 1
    """The id that is sent."""
    client: Annotated[int, Meta(ge=0)] | None = None
    """Client id. Default: all."""

    def frames(self, active: ActiveFault, client_id: int, frames: list[bytes]) -> list[bytes]:
        return [self._rolled(active, client_id, frame) for frame in frames]

    def _rolled(self, active: ActiveFault, client_id: int, frame: bytes) -> bytes:
        mine = self.client in (None, client_id) and fields_of(frame)[0] == KINDS["nextValidId"]
        return with_field(frame, [(2, self.to)]) if mine and active.strikes() else frame


class ClockSkew(TimedFault, frozen=True, kw_only=True):
    """The gateway's clock is wrong: `currentTime` is off."""

    by: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 60
    """Seconds that the clock is ahead; negative: behind."""

    def frames(self, active: ActiveFault, client_id: int, frames: list[bytes]) -> list[bytes]:
        return [
            with_field(frame, [(2, int(found[2]) + self.by)]) if (found := fields_of(frame))[0] == "49" else frame
            for frame in frames
        ]
