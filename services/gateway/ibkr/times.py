"""The times that IBKR writes into executions and orders, in every form it uses. Pure.

- `20261127  14:31:05`: in the time zone of the gateway's machine, which the text does not name.
- `20261127 14:31:05 US/Eastern`, `… EST`, `… British Summer Time`: in the zone that it names.
- `20261127-14:31:05`: UTC.

A library that reads them in another zone is hours off; one that does not know a zone drops the whole execution.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

from services.gateway.ibkr.fields import Undecodable

__all__ = ["UnknownZone", "wall_time", "when"]

SECOND = 1_000_000_000
FORM = re.compile(r"(\d{8})(-| +)(\d{2}:\d{2}:\d{2})(?: +(\S.*))?", re.ASCII)
OFFSET = re.compile(r"(?:GMT|UTC|Z)? ?([+-])(\d{1,2})(?::?(\d{2}))?", re.ASCII)

ZONES = {
    # Java, in which the gateway is written, prints the short names of winter in summer, too: EST may mean EDT.
    **dict.fromkeys(("EST", "EDT", "ET", "Eastern Standard Time", "Eastern Daylight Time"), "America/New_York"),
    **dict.fromkeys(("CDT", "Central Standard Time", "Central Daylight Time"), "America/Chicago"),
    **dict.fromkeys(("MST", "MDT", "Mountain Standard Time", "Mountain Daylight Time"), "America/Denver"),
    **dict.fromkeys(("PST", "PDT", "Pacific Standard Time", "Pacific Daylight Time"), "America/Los_Angeles"),
    **dict.fromkeys(("AKST", "AKDT", "Alaska Standard Time", "Alaska Daylight Time"), "America/Anchorage"),
    **dict.fromkeys(("HST", "Hawaii Standard Time"), "Pacific/Honolulu"),
    **dict.fromkeys(("Atlantic Standard Time", "Atlantic Daylight Time"), "America/Halifax"),
    **dict.fromkeys(("BRT", "Brasilia Time", "Brasilia Standard Time"), "America/Sao_Paulo"),
    **dict.fromkeys(("UTC", "GMT", "Z", "Coordinated Universal Time", "Greenwich Mean Time"), "UTC"),
    **dict.fromkeys(("BST", "British Summer Time"), "Europe/London"),
    **dict.fromkeys(("Irish Standard Time",), "Europe/Dublin"),
    **dict.fromkeys(("WET", "WEST", "Western European Time", "Western European Summer Time"), "Europe/Lisbon"),
    **dict.fromkeys(
        ("CET", "CEST", "MET", "MEST", "MEZ", "MESZ", "Central European Time", "Central European Summer Time"),
        "Europe/Berlin",
    ),
    **dict.fromkeys(("Central European Standard Time",), "Europe/Berlin"),
    **dict.fromkeys(("EET", "EEST", "Eastern European Time", "Eastern European Summer Time"), "Europe/Athens"),
    **dict.fromkeys(("Eastern European Standard Time",), "Europe/Athens"),
    **dict.fromkeys(("MSK", "Moscow Standard Time", "Moscow Time"), "Europe/Moscow"),
    **dict.fromkeys(("TRT", "Turkey Time"), "Europe/Istanbul"),
    **dict.fromkeys(("SAST", "South Africa Standard Time"), "Africa/Johannesburg"),
    **dict.fromkeys(("Israel Standard Time", "Israel Daylight Time", "IDT"), "Asia/Jerusalem"),
    **dict.fromkeys(("Gulf Standard Time",), "Asia/Dubai"),
    **dict.fromkeys(("India Standard Time",), "Asia/Kolkata"),
    **dict.fromkeys(("ICT", "Indochina Time"), "Asia/Bangkok"),
    **dict.fromkeys(("China Standard Time",), "Asia/Shanghai"),
    **dict.fromkeys(("HKT", "Hong Kong Time", "Hong Kong Standard Time"), "Asia/Hong_Kong"),
    **dict.fromkeys(("SGT", "Singapore Time", "Singapore Standard Time"), "Asia/Singapore"),
    **dict.fromkeys(("Taipei Standard Time",), "Asia/Taipei"),
    **dict.fromkeys(("JST", "Japan Standard Time", "Japan Time"), "Asia/Tokyo"),
    **dict.fromkeys(("KST", "Korea Standard Time", "Korean Standard Time"), "Asia/Seoul"),
    **dict.fromkeys(("AWST", "Australian Western Standard Time"), "Australia/Perth"),
    **dict.fromkeys(
        ("AEST", "AEDT", "Australian Eastern Standard Time", "Australian Eastern Daylight Time"), "Australia/Sydney"
    ),
    **dict.fromkeys(("NZST", "NZDT", "New Zealand Standard Time", "New Zealand Daylight Time"), "Pacific/Auckland"),
}
"""Names that are no names of the zone database. CST and IST mean several zones: only the gateway's own zone tells."""


class UnknownZone(Undecodable):
    """The time has a zone of which nobody knows what it is."""


def when(text: str, gateway_zone: tzinfo) -> int:
    """The time as nanoseconds since 1970. `gateway_zone`: the zone of the gateway's machine. Raises Undecodable."""
    time, dash, name = _parts(text)
    if name:
        zone = _zone(name, gateway_zone, time)
    else:
        zone = UTC if dash else gateway_zone
    return _at(time, zone)


def wall_time(text: str, gateway_zone: tzinfo) -> int:
    """The time as if it were in the gateway's zone, whatever zone it names. Raises Undecodable."""
    return _at(_parts(text)[0], gateway_zone)


def _at(time: datetime, zone: tzinfo) -> int:
    try:
        return int(time.replace(tzinfo=zone).timestamp()) * SECOND
    except (OverflowError, ValueError) as error:
        raise Undecodable(f"the time is out of range: {time}") from error


def _parts(text: str) -> tuple[datetime, bool, str]:
    """(the time as written, whether it has the dash of UTC, the zone's name)."""
    found = FORM.fullmatch(text.strip())
    if found is None:
        raise Undecodable(f"no time: {text[:60]!r}")
    day, separator, clock, name = found.groups()
    try:
        time = datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S")
    except ValueError as error:
        raise Undecodable(f"no time: {text[:60]!r}") from error
    return time, separator == "-", (name or "").strip()


def _zone(name: str, gateway_zone: tzinfo, time: datetime) -> tzinfo:
    if name in {
        gateway_zone.tzname(moment) for moment in (time, time.replace(month=1, day=1), time.replace(month=7, day=1))
    }:
        return gateway_zone
    known = ZONES.get(name)
    found = _of_database(known or name)
    if found is None:
        found = _offset(name)
    if found is None:
        raise UnknownZone(
            f"the time zone {name[:60]!r} is unknown; set ibkr.time_zone to that of the gateway's machine"
        )
    return found


@cache
def _of_database(name: str) -> tzinfo | None:
    if name != "UTC" and "/" not in name and name not in ("Japan", "Hongkong", "Singapore", "Israel", "PRC", "ROK"):
        return None  # the database's short names (EST, MST, CST6CDT) have no summer time, or are not what is meant
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return None


def _offset(name: str) -> tzinfo | None:
    found = OFFSET.fullmatch(name)
    if found is None:
        return None
    sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if offset >= timedelta(hours=24):
        return None
    return timezone(offset if sign == "+" else -offset)
