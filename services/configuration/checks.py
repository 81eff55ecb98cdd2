"""Checks the document of a configuration: every mistake with its key and its remedy, or the settings. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import msgspec

from services.configuration.broker_switches import mistakes as switch_mistakes
from services.configuration.calendars import EXTENDED, ZONE_NAMES, ZONES
from services.configuration.keys import is_section, sections
from services.configuration.settings import Settings
from services.configuration.validation import Misread, Mistake, as_given, closest, describe, fits, misfit, suggestion
from services.trading.ids import is_paper_account

__all__ = ["check", "contradictions"]


def check(document: dict[str, Any]) -> tuple[Settings | None, list[Mistake]]:
    """The settings that the document asks for and no mistakes, or None and every mistake in it."""
    completed = _completed(document)
    mistakes = list(_mistakes(completed, Settings, ""))
    if mistakes:
        return None, mistakes
    settings = msgspec.convert(completed, Settings)
    mistakes = list(contradictions(settings))
    return (None, mistakes) if mistakes else (settings, [])


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """Complete a document by what follows from it. A value in the document always wins.

    - A section without a key below it is the default section.
    - A fleet with a name of its own gets a client id of its own. If it is simulated, it also gets a port of its own
      between 20000 and 29999, below the range from which systems choose ports. So fleets run side by side.
    """
    done = {key: {} if value is None and key in sections() else value for key, value in document.items()}
    for section, key, filled in (
        ("allocation", "per_symbol_override", lambda value: {} if value is None else value),
        ("logging", "level", lambda value: value.upper() if isinstance(value, str) else value),
    ):
        found = done.get(section)
        if isinstance(found, dict) and key in found:
            done[section] = {**found, key: filled(found[key])}
    mode, name, ibkr = done.get("mode", "sim"), done.get("fleet"), done.get("ibkr", {})
    if isinstance(name, str) and name != mode and isinstance(ibkr, dict):
        number = zlib.crc32(name.encode())
        own = {"client_id": 1000 + number % 30_000}
        if mode == "sim":
            own["port"] = 20_000 + number % 10_000
        done["ibkr"] = {**own, **ibkr}
    return done


def _mistakes(document: Any, kind: type[msgspec.Struct], path: str) -> Iterator[Mistake]:
    """The mistakes in the keys below `path`, each key checked by itself."""
    if not isinstance(document, dict):
        yield Mistake(path, f"`{_short(document)}` is not a group of keys; indent its keys below it")
        return
    kinds = get_type_hints(kind, include_extras=True)
    for key, value in document.items():
        inner = f"{path}.{key}" if path else str(key)
        if key not in kinds:
            yield Mistake(inner, f"unknown key; {_hint(str(key), path, list(kinds))}")
        elif is_section(kinds[key]):
            yield from _mistakes(value, kinds[key], inner)
        else:
            yield from _misfits(value, kinds[key], inner)
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in document:
            yield Mistake(
                f"{path}.{field.name}" if path else field.name, f"missing; give {describe(kinds[field.name])}"
            )


def _misfits(value: Any, kind: Any, path: str) -> Iterator[Mistake]:
    """The mistakes below one key; items of a list and entries of a mapping are named one by one."""
    plain = get_args(kind)[0] if hasattr(kind, "__metadata__") else kind
    found: list[Mistake] = []
    if get_origin(plain) is tuple and isinstance(value, list):
        for number, item in enumerate(value):
            found += _misfits(item, get_args(plain)[0], f"{path}[{number}]")
    elif get_origin(plain) is dict and isinstance(value, dict):
        name_kind, item_kind = get_args(plain)
        for name, item in value.items():
            found += [*_misfits(name, name_kind, f"{path}.{name}"), *_misfits(item, item_kind, f"{path}.{name}")]
    if isinstance(value, Misread):
        found = [Mistake(path, value.why)]
    elif not found and not fits(value, kind):
        found = [Mistake(path, misfit(_short(value), describe(kind)))]
    yield from found


def _hint(key: str, path: str, known: list[str]) -> str:
    """What an unknown key may have been meant to be."""
    otherwise = f"{f'`{path}`' if path else 'the top level'} has {', '.join(known)}"
    for name, kind in sections().items():
        if key in get_type_hints(kind):
            otherwise = f"it belongs under `{name}`"
            break
    return suggestion(key, known, otherwise)


def _short(value: Any) -> str:
    """The value as the operator may have written it, 40 characters of it at most."""
    text = as_given(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True


def contradictions(settings: Settings) -> Iterator[Mistake]:
    """The mistakes of keys that are right each by itself and wrong together."""
    seen: set[str] = set()
    for number, symbol in enumerate(settings.watchlist):
        if symbol in seen:
            yield Mistake(f"watchlist[{number}]", f"`{symbol}` is there already; each ticker stands once")
        seen.add(symbol)
    for number, symbol in enumerate(settings.winding_down):
        if symbol in seen:
            yield Mistake(f"winding_down[{number}]", f"`{symbol}` is there already, or traded; it stands in one list")
        seen.add(symbol)
    lines = settings.market_data.max_lines
    if settings.mode != "sim" and len(seen) > lines:
        count = len(seen)
        yield Mistake(
            "watchlist", f"{count} symbols, market_data.max_lines is {lines}; shorten the one or raise the other"
        )
    if settings.entries.native_stp and settings.entries.type != "buy_stop":
        yield Mistake("entries.native_stp", "a bare STP has no limit: set `entries.type: buy_stop`")
    hours = settings.hours
    if hours.calendar not in ZONES:
        near = closest(hours.calendar, ZONES) or "XNYS"
        yield Mistake("hours.calendar", f"no calendar {hours.calendar}; did you mean {near}? XNYS is New York")
    elif hours.extended and hours.calendar not in EXTENDED:
        key = "hours.allow_pre_market" if hours.allow_pre_market else "hours.allow_after_hours"
        yield Mistake(key, f"known for New York only, not for {hours.calendar}; set it to false")
    zone = settings.ibkr.time_zone
    if zone is not None and not _is_zone(zone):
        yield Mistake("ibkr.time_zone", f"no time zone {zone}; name one like America/New_York or Asia/Tokyo")
    account = settings.ibkr.account
    if settings.mode == "live" and account is None:
        yield Mistake("ibkr.account", "live is never left to guess; give the id of the account (`U…`)")
    if settings.mode == "live" and settings.ibkr.allow_delayed:
        yield Mistake("ibkr.allow_delayed", "live never enters on delayed data; remove it")
    if settings.mode != "sim" and account is not None and is_paper_account(account) is not (settings.mode == "paper"):
        kind = "paper" if is_paper_account(account) else "live"
        yield Mistake("ibkr.account", f"{account} is a {kind} account and mode is {settings.mode}; correct one of them")
    if settings.mode == "live" and settings.stops.tif != "GTC":
        yield Mistake("stops.tif", "live needs `GTC`: a DAY stop leaves what is held unprotected overnight")
    market = settings.simulation
    if settings.mode == "sim" and market.market == "files" and not market.files:
        yield Mistake(
            "simulation.files", "the market is `files` and none is named; name one, or set simulation.market: synthetic"
        )
    if market.zone is not None and market.zone not in ZONE_NAMES:
        near = closest(market.zone, ZONE_NAMES) or "America/New_York"
        yield Mistake("simulation.zone", f"no zone {market.zone}; did you mean {near}?")
    for name, text in switch_mistakes(market.policy):
        yield Mistake(f"simulation.policy.{name}", text)
    if market.start and market.end and market.end < market.start:
        yield Mistake("simulation.end", f"{market.end} is before simulation.start {market.start}; swap them")
