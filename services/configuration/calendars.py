"""The names of the exchange calendars, each with its time zone.

The names are those of exchange_calendars, which needs a second and 77 MiB to import. With this table, the check of a
configuration and the output of a time do not need it. A test compares the table with the library.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

__all__ = ["EXTENDED", "ZONES", "ZONE_NAMES", "zone_of", "zone_word"]

_NAMES = {
    "Africa/Johannesburg": "XJSE",
    "America/Argentina/Buenos_Aires": "XBUE",
    "America/Chicago": "CBOT CFE CME CMES COMEX NYMEX XCBF",
    "America/Lima": "XLIM",
    "America/Mexico_City": "XMEX",
    "America/New_York": "ARCX BATS ICE ICEUS IEPA NASDAQ NYFE NYSE OOTC XASE XBOG XNAS XNYS",
    "America/Santiago": "XSGO",
    "America/Sao_Paulo": "BMF BVMF",
    "America/Toronto": "TSX XTSE XTSX",
    "Asia/Almaty": "AIXK",
    "Asia/Bangkok": "XBKK",
    "Asia/Hong_Kong": "HKEX XHKG",
    "Asia/Jakarta": "JKT XIDX",
    "Asia/Karachi": "XKAR",
    "Asia/Kolkata": "BSE XBOM",
    "Asia/Kuala_Lumpur": "XKLS",
    "Asia/Manila": "XPHS",
    "Asia/Nicosia": "XCYS",
    "Asia/Riyadh": "XSAU",
    "Asia/Seoul": "XKRX",
    "Asia/Shanghai": "SSE XSHG",
    "Asia/Singapore": "XSES",
    "Asia/Taipei": "XTAI",
    "Asia/Tel_Aviv": "TASE XTAE",
    "Asia/Tokyo": "JPX XTKS",
    "Atlantic/Bermuda": "XBDA",
    "Atlantic/Reykjavik": "XICE",
    "Australia/Sydney": "ASX XASX",
    "Europe/Amsterdam": "XAMS",
    "Europe/Athens": "ASEX",
    "Europe/Belgrade": "XBEL",
    "Europe/Berlin": "FWB XEEE XETR XEUR XFRA XSTU",
    "Europe/Bratislava": "XBRA",
    "Europe/Brussels": "XBRU XDUS XHAM",
    "Europe/Bucharest": "BVB XBSE",
    "Europe/Budapest": "XBUD",
    "Europe/Copenhagen": "XCSE",
    "Europe/Dublin": "XDUB",
    "Europe/Helsinki": "XHEL",
    "Europe/Istanbul": "XIST",
    "Europe/Lisbon": "XLIS",
    "Europe/Ljubljana": "XLJU",
    "Europe/London": "LSE XLON",
    "Europe/Luxembourg": "LUXSE XLUX",
    "Europe/Madrid": "XMAD",
    "Europe/Moscow": "XMOS",
    "Europe/Oslo": "OSE XOSL",
    "Europe/Paris": "XPAR",
    "Europe/Prague": "XPRA",
    "Europe/Riga": "XRIS",
    "Europe/Rome": "XMIL",
    "Europe/Stockholm": "XSTO",
    "Europe/Tallinn": "XTAL",
    "Europe/Vienna": "XWBO",
    "Europe/Vilnius": "XLIT",
    "Europe/Warsaw": "XWAR",
    "Europe/Zagreb": "XZAG",
    "Europe/Zurich": "SIX XSWX",
    "Pacific/Auckland": "XNZE",
}

ZONES: dict[str, str] = {name: zone for zone, names in _NAMES.items() for name in names.split()}
"""Calendar name, and the IANA name of its time zone."""

ZONE_NAMES = frozenset({"UTC", *ZONES.values()})
"""The time zones that a configuration may name."""

EXTENDED = frozenset({"ARCX", "BATS", "NASDAQ", "NYSE", "XASE", "XNAS", "XNYS"})
"""Calendars whose pre- and after-market is known: 04:00 to 20:00 in New York, four hours after an early close."""


def zone_of(calendar: str) -> ZoneInfo:
    """The time zone of the exchange; New York's for an unknown name."""
    return ZoneInfo(ZONES.get(calendar, "America/New_York"))


def zone_word(calendar: str) -> str:
    """The label behind a time of this exchange: ET in New York, else the city (Tokyo time)."""
    zone = zone_of(calendar).key
    return "ET" if zone == "America/New_York" else f"{zone.rpartition('/')[2].replace('_', ' ')} time"
