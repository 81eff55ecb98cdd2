"""Fields of the wire: numbers, flags and times. Reads the fields of requests and composes messages.

A payload is a row of texts, each ended by a NUL. Clients write "unset" in many ways (empty, the largest double, the
largest int, nan); all of them are read as None or as the default of the field.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from services.configuration.broker_policy import ExecutionTimeForm
from services.simulator.wire.framing import frame

__all__ = [
    "UNSET_FLOAT",
    "UNSET_INT",
    "Field",
    "FieldError",
    "FieldReader",
    "date_time",
    "execution_time",
    "local_time",
    "market_size",
    "message",
    "nanoseconds",
    "quantity",
    "split",
]

UNSET_FLOAT = "1.7976931348623157E308"
UNSET_INT = "2147483647"

_LARGEST = float(UNSET_FLOAT)
_CONCEIVABLE = 1e15
"""The largest accepted number: a double is exact to less than a dollar, and computing with it does not overflow."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?|[+-]?nan", re.ASCII | re.IGNORECASE)
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_NS = 1_000_000_000
_EASTERN, _TOKYO = ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")

Field = str | int | float | bool | None


class FieldError(Exception):
    """A request that can't be read: a field is missing, left over, or not what it should be."""


def split(payload: bytes) -> list[str]:
    """The fields of a payload."""
    return payload.decode(errors="backslashreplace").removesuffix("\0").split("\0")


def message(*fields: Field) -> bytes:
    """One frame with these fields: None is empty, a flag 0 or 1, a float its shortest exact text."""
    return frame("".join(f"{_encoded(field)}\0" for field in fields).encode())


def _encoded(field: Field) -> str:
    if field is None:
        return ""
    if isinstance(field, bool):
        return "1" if field else "0"
    return str(field)


def quantity(shares: float) -> str:
    """Shares, without `.0`: clients below version 163 read them as integers."""
    return str(int(shares)) if shares == int(shares) else str(shares)


def market_size(shares: int, *, lots: bool) -> str:
    """A size of market data: in shares, or in round lots of 100 for old clients."""
    return str(shares // 100 if lots else shares)


class FieldReader:
    """Reads the fields of one request from left to right.

    `request_id` is the request or order id after it was read, for error messages; -1 before.
    """

    def __init__(self, fields: list[str]) -> None:
        self._fields = fields
        self._next = 0
        self.request_id = -1

    def text(self) -> str:
        """The next field as it is."""
        if self._next >= len(self._fields):
            raise FieldError(f"field {self._next + 1} is missing")
        self._next += 1
        return self._fields[self._next - 1]

    def skip(self, count: int = 1) -> None:
        """Skips fields that are not used here."""
        for _ in range(count):
            self.text()

    def number(self) -> float | None:
        """A number in the range of prices, quantities and times; None if unset."""
        text = self.text()
        if text in ("", UNSET_INT):
            return None
        if not _NUMBER.fullmatch(text):
            raise FieldError(f"field {self._next} should be a number and is {text[:40]!r}")
        value = float(text)
        if math.isnan(value) or value == _LARGEST:
            return None
        if abs(value) > _CONCEIVABLE:
            raise FieldError(f"field {self._next} is out of range: {text[:40]}")
        return value

    def number_or_infinite(self) -> float | None:
        """The same, for a field that may be `Infinite`."""
        if self._fields[self._next : self._next + 1] == ["Infinite"]:
            self.skip()
            return math.inf
        return self.number()

    def integer(self, default: int = 0) -> int:
        """A whole number of 32 bits; `default` if unset."""
        value = self.number()
        if value is None:
            return default
        if value != value // 1:
            raise FieldError(f"field {self._next} should be a whole number and is {value!r}")
        if not -(2**31) <= value < 2**31:
            raise FieldError(f"field {self._next} is out of range: {value:.0f}")
        return int(value)

    def flag(self, default: bool = False) -> bool:
        """0 or 1; `default` if unset (one client sends an empty field for an unset flag)."""
        return bool(self.integer(int(default)))

    def identity(self) -> int:
        """The request or order id; also kept as `request_id`."""
        self.request_id = self.integer()
        return self.request_id

    def count(self) -> int:
        """The number of groups that follow."""
        count = self.integer()
        if not 0 <= count <= len(self._fields):
            raise FieldError(f"field {self._next} can't be a count: {count}")
        return count

    def finish(self) -> None:
        """FieldError if a field is left over: then the request was misread."""
        if left := self._fields[self._next :]:
            raise FieldError(f"{len(left)} fields left over from field {self._next + 1} on")


# Times. Since version 174 they name their zone, that of the market. Before, they are in the gateway's own zone, here
# UTC: for a client on a machine that is set to UTC they are right.


def date_time(ns: int) -> str:
    """`20220322 09:30:00 US/Eastern`."""
    return f"{_in(_EASTERN, ns):%Y%m%d %H:%M:%S} US/Eastern"


def local_time(ns: int, version: int) -> str:
    """A time with its zone since version 174; two spaces and the gateway's own zone before."""
    return date_time(ns) if version >= 174 else f"{_in(UTC, ns):%Y%m%d  %H:%M:%S}"


def execution_time(ns: int, version: int, form: ExecutionTimeForm = ExecutionTimeForm.EASTERN) -> str:
    """The time of an execution, since version 174 in this form."""
    if version < 174 or form is ExecutionTimeForm.EASTERN:
        return local_time(ns, version)
    if form is ExecutionTimeForm.JST:
        return f"{_in(_TOKYO, ns):%Y%m%d %H:%M:%S} JST"
    if form is ExecutionTimeForm.UTC_DASH:
        return f"{_in(UTC, ns):%Y%m%d-%H:%M:%S}"
    return f"{_in(UTC, ns):%Y%m%d %H:%M:%S} UTC"


def nanoseconds(text: str) -> int | None:
    """The reverse, for `20220322 13:30:00 US/Eastern` and `20220322-13:30:00`; UTC without a zone."""
    date, *rest = text.replace("-", " ").split()[:3] or [""]
    if not date:
        return None
    time, zone = (*rest, "00:00:00", "UTC")[:2] if len(rest) != 1 else (rest[0], "UTC")
    try:
        moment = datetime.strptime(f"{date} {time}", "%Y%m%d %H:%M:%S").replace(tzinfo=ZoneInfo(zone))
    except (ValueError, LookupError, OSError):
        raise FieldError(f"not a time: {text[:40]!r}") from None
    if not _FIRST_YEAR < moment.year < _LAST_YEAR:
        raise FieldError(f"not a time of ours: {text[:40]!r}")
    return int(moment.timestamp()) * _NS


def _in(zone: tzinfo, ns: int) -> datetime:
    return datetime.fromtimestamp(ns // _NS, zone)
