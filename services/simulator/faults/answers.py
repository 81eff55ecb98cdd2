"""Faults of what is told: positions that are missing, numbers that are none, times in another form."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from services.configuration.broker_policy import ExecutionTimeForm
from services.simulator.faults.active import ActiveFault, CountedFault, fields_of, with_field
from services.simulator.faults.callbacks import KINDS
from services.simulator.wire.fields import UNSET_FLOAT, execution_time, nanoseconds

__all__ = ["BadNumber", "StalePositions", "TimeForm"]

Client = Annotated[int, Meta(ge=0)] | None

NUMBERS: dict[str, dict[str, int]] = {
    "tickPrice": {"price": 4, "quantity": 5},
    "orderStatus": {"quantity": 3, "price": 8, "average": 5},
    "openOrder": {"quantity": 14, "price": 17},
    "accountValue": {"price": 3},
    "portfolioValue": {"quantity": 13, "price": 14, "average": 16},
    "execDetails": {"quantity": 19, "price": 20, "average": 25},
    "commissionReport": {"price": 3},
    "position": {"quantity": 14, "average": 15},
}
"""The fields of some callbacks that are numbers: shares (of a status: filled ones), a price or amount, an average."""

VALUES = {"nan": "nan", "inf": "inf", "-inf": "-inf", "unset": UNSET_FLOAT, "huge": "1e300", "empty": ""}

_EXECUTION_TIME = 15
_POSITION_SYMBOL = 4


class StalePositions(CountedFault, frozen=True, kw_only=True):
    """An answer to reqPositions lacks positions, as after a reconnect; the next one is right."""

    symbol: Annotated[str, Meta(description="a symbol, or nothing for all")] = ""
    """Symbol whose position is missing. Default: all, the answer is empty."""
    client: Client = None
    """Client id. Default: all."""

    def frames(self, active: ActiveFault, client_id: int, frames: list[bytes]) -> list[bytes]:
        ends = any(fields_of(frame)[0] == KINDS["positionEnd"] for frame in frames)
        if not ends or self.client not in (None, client_id) or not active.strikes():
            return frames
        return [frame for frame in frames if not self._missing(fields_of(frame))]

    def _missing(self, fields: list[str]) -> bool:
        return fields[0] == KINDS["position"] and self.symbol in ("", fields[_POSITION_SYMBOL])


class BadNumber(CountedFault, frozen=True, kw_only=True):
    """A number of a callback is none: NaN, an infinity, the largest double, nothing."""

    kind: Literal[
        "tickPrice",
        "orderStatus",
        "openOrder",
        "accountValue",
        "portfolioValue",
        "execDetails",
        "commissionReport",
        "position",
    ] = "position"
    """Callback that it strikes."""
    number: Literal["quantity", "price", "average"] = "quantity"
    """Which of its numbers: shares, a price or amount, an average. Of a callback without it: its first."""
    value: Literal["nan", "inf", "-inf", "unset", "huge", "empty"] = "nan"
    """What it is instead."""
    client: Client = None
    """Client id. Default: all."""

    def frames(self, active: ActiveFault, client_id: int, frames: list[bytes]) -> list[bytes]:
        if self.client not in (None, client_id):
            return frames
        return [self._spoilt(frame) if self._meets(active, frame) else frame for frame in frames]

    def _meets(self, active: ActiveFault, frame: bytes) -> bool:
        return not active.over and fields_of(frame)[0] == KINDS[self.kind] and active.strikes()

    def _spoilt(self, frame: bytes) -> bytes:
        places = NUMBERS[self.kind]
        return with_field(frame, [(places.get(self.number, next(iter(places.values()))), VALUES[self.value])])


class TimeForm(CountedFault, frozen=True, kw_only=True):
    """The time of an execution comes in another form. The switch `execution_time` is for all of them."""

    form: ExecutionTimeForm = ExecutionTimeForm.JST
    """`jst` names a zone that few clients know, `utc_dash` is UTC and doesn't say so."""
    client: Client = None
    """Client id. Default: all."""

    def frames(self, active: ActiveFault, client_id: int, frames: list[bytes]) -> list[bytes]:
        if self.client not in (None, client_id):
            return frames
        return [self._told(active, frame) for frame in frames]

    def _told(self, active: ActiveFault, frame: bytes) -> bytes:
        fields = fields_of(frame)
        if active.over or fields[0] != KINDS["execDetails"] or not active.strikes():
            return frame
        time_ns = nanoseconds(fields[_EXECUTION_TIME])
        assert time_ns is not None, "an execution has a time"
        return with_field(frame, [(_EXECUTION_TIME, execution_time(time_ns, 174, self.form))])
