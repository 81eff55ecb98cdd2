"""Figures and reasons as text for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from services.configuration.calendars import zone_of

__all__ = ["clock", "counted", "details", "dollars", "price", "reason", "signed", "span"]

INSTANT_NS = 10**17
"""Nanoseconds from here on (1973) are a moment, below it a length of time."""


def clock(moment: datetime, form: str, calendar: str = "XNYS") -> str:
    """A UTC time without a zone, as the database has it, in the time of this calendar's exchange."""
    return moment.replace(tzinfo=UTC).astimezone(zone_of(calendar)).strftime(form)


def details(fields: Mapping[str, Any], zone: tzinfo) -> str:
    """The fields of an event that have a value, as name=value; moments in this zone."""
    return " ".join(_detail(name, value, zone) for name, value in fields.items() if value is not None)


def _detail(name: str, value: Any, zone: tzinfo) -> str:
    if name.endswith("_ns") and isinstance(value, int | float) and value >= INSTANT_NS:
        moment = datetime.fromtimestamp(value // 1_000_000_000, zone)
        return f"{name.removesuffix('_ns')}={moment:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{name}={value:.10g}"
    return f"{name}={value}"


def span(length: timedelta) -> str:
    """A length of time: '6 h 12 m', '9 m', '41 s'."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{days} d" if days else "", f"{hours} h" if hours or days else "", f"{minutes} m" if not days else ""]
    return " ".join(part for part in parts if part)


def counted(count: int, one: str, more: str = "") -> str:
    """'1 session', '2 sessions'."""
    return f"{count} {one if count == 1 else more or f'{one}s'}"


def dollars(amount: float, digits: int = 0) -> str:
    """$1,234, or −$4.00 with digits."""
    return f"{'−' if amount < 0 else ''}${abs(amount):,.{digits}f}"


def signed(amount: float, digits: int = 2) -> str:
    """+$41.20 or −$4.00."""
    return ("+" if amount >= 0 else "") + dollars(amount, digits)


def price(value: float) -> str:
    """A price in cents, or finer where it has more."""
    return f"{value:,.2f}" if round(value, 2) == round(value, 4) else f"{value:,.4f}"


def reason(code: str, figures: Mapping[str, float]) -> str:
    """A reason code with its figures; the most frequent ones in plain words."""
    match code:
        case "waits_for_trigger" if "trigger" in figures:
            return f"waits for {price(figures['trigger'])}"
        case "protected_by_stop":
            return "stop live at the broker"
        case "price_above_allocation" if {"last", "allocation_usd"} <= figures.keys():
            return f"{code}: {dollars(figures['last'])} > {dollars(figures['allocation_usd'])}"
        case _:
            shown = ", ".join(_figure(name, value) for name, value in figures.items())
            return f"{code}: {shown}" if shown else code


def _figure(name: str, value: float) -> str:
    if name.endswith("_usd"):
        return f"{name.removesuffix('_usd')} {dollars(value)}"
    if name.endswith("_s"):
        return f"{name.removesuffix('_s')} {value:g} s"
    return f"{name} {value:g}"
