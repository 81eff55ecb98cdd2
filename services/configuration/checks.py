"""From the operator's YAML to validated settings: strict, every mistake named by file, line and key, with its remedy.

`judge` is pure: a document in, settings or all its mistakes out. `load` reads the file and places it.
"""

from __future__ import annotations

import difflib
import math
import zlib
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import yaml

from services.configuration.broker_switches import mistakes as policy_mistakes
from services.configuration.calendars import EXTENDED, ZONES
from services.configuration.keys import in_words, is_section, keys, sections
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings

__all__ = [
    "ConfigurationError",
    "contradictions",
    "derive",
    "fleet_name",
    "judge",
    "load",
    "notices",
    "origins",
    "parse",
    "value_of",
]

TICKERS = ("watchlist", "allocation.per_symbol_override")
"""Here ON, NO and TRUE are tickers; YAML takes them for booleans."""


class ConfigurationError(Refusal):
    """The configuration cannot be used. One line for each mistake."""


class Mistake(Exception):
    """What is wrong with one key."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(f"{key}: {text}" if key else text)
        self.key = key


def load(path: Path) -> Settings:
    """Read, complete and validate the configuration file at `path`."""
    document, lines = _read(path)
    settings, mistakes = judge(document)
    if settings is None:
        raise ConfigurationError("\n".join(f"{path}:{_line(lines, mistake.key)}: {mistake}" for mistake in mistakes))
    return _placed(settings, path.resolve().parent)


def origins(path: Path) -> dict[str, str]:
    """Where the value of each key comes from: the line of the file, what it follows from, or the default."""
    settings = load(path)
    _, lines = _read(path)
    found: dict[str, str] = {}
    for key in keys():
        value, default = value_of(settings, key.path), key.default
        if key.path in lines:
            found[key.path] = f"{path}:{lines[key.path]}"
        elif default == "must be given" or str(msgspec.json.encode(value), "utf-8").strip('"') == default:
            found[key.path] = "default"
        else:
            found[key.path] = f"derived from {DERIVED.get(key.path, 'other keys')}"
    return found


DERIVED = {
    "fleet": "mode",
    "ibkr.account": "mode: sim",
    "ibkr.port": "fleet",
    "ibkr.client_id": "fleet",
    "simulation.start": "simulation.market",
}
"""What a key without a value of its own follows from."""


def value_of(settings: Settings, path: str) -> Any:
    """The value of a key by its path."""
    found: Any = settings
    for name in path.split("."):
        found = getattr(found, name)
    return found


def fleet_name(path: Path) -> str:
    """Which fleet the file is about, whatever else is wrong with it: a mistake must keep nobody from stopping it."""
    document, _ = _read(path)
    return str(document.get("fleet") or document.get("mode") or "sim")


def _read(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: no such file; give --config PATH, or copy config/config.yaml there"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(f"{path}: cannot be read ({reason}); make it a readable text file") from None
    try:
        return parse(text)
    except Mistake as mistake:
        raise ConfigurationError(f"{path}:{mistake}") from None


def parse(text: str) -> tuple[dict[str, Any], dict[str, int]]:
    """The plain document, and the line of each key path. A key given twice is a mistake, not a silent override."""
    loader = yaml.SafeLoader(text)
    lines: dict[str, int] = {}
    try:
        node = loader.get_single_node()
        document = None if node is None else _plain(loader, node, "", lines)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Mistake("", f"{line}: not valid YAML ({error.problem}); mind indentation and colons") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise Mistake("", f"1: not valid YAML ({str(error).splitlines()[0]})") from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise Mistake("", "1: holds no keys; begin with `mode: sim` and `watchlist: [TSLA]`")
    return document, lines


def _plain(loader: yaml.SafeLoader, node: yaml.Node, path: str, lines: dict[str, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if path in TICKERS else loader.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                raise Mistake("", f"{line}: {path or 'a key'}: a key must be a word")
            inner = f"{path}.{key}" if path else str(key)
            if key in found:
                raise Mistake("", f"{line}: {inner}: given twice (first in line {lines[inner]}); remove one of them")
            lines[inner] = line
            found[key] = _plain(loader, value_node, inner, lines)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_plain(loader, item, f"{path}[{number}]", lines) for number, item in enumerate(node.value)]
    if path.startswith("watchlist["):
        return node.value
    try:
        return loader.construct_object(node, deep=True)
    except ValueError:  # looks like a date and is none, as 2025-13-01
        return node.value


def _line(lines: Mapping[str, int], key: str) -> int:
    """The line of a key, or of the nearest key around it when it is missing."""
    while key and key not in lines:
        key = key.rpartition("[" if key.endswith("]") else ".")[0]
    return lines.get(key, 1)


def judge(document: dict[str, Any]) -> tuple[Settings | None, list[Mistake]]:
    """The settings that the document asks for, or every mistake in it."""
    completed = derive(document)
    mistakes = list(_mistakes(completed, Settings, ""))
    if mistakes:
        return None, mistakes
    settings = msgspec.convert(completed, Settings)
    mistakes = list(contradictions(settings))
    return (None, mistakes) if mistakes else (settings, [])


def derive(document: dict[str, Any]) -> dict[str, Any]:
    """Complete a document by what follows from what it says; what it says always wins.

    - A section without a key below it is the default section.
    - A fleet with a name of its own gets a client id of its own, and, simulated, a port of its own between 20000 and
      29999
      (below the range that systems hand out by themselves), so that fleets run side by side.
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
    """Everything that is wrong with the keys below `path`, each key judged by itself."""
    if not isinstance(document, dict):
        yield Mistake(path, f"{_shown(document)} is not a group of keys; indent its keys below it")
        return
    kinds = get_type_hints(kind, include_extras=True)
    for key, value in document.items():
        inner = f"{path}.{key}" if path else str(key)
        if key not in kinds:
            yield Mistake(inner, f"unknown key; {_nearest(str(key), path, list(kinds))}")
        elif is_section(kinds[key]):
            yield from _mistakes(value, kinds[key], inner)
        else:
            yield from _misfits(value, kinds[key], inner)
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in document:
            yield Mistake(
                f"{path}.{field.name}" if path else field.name, f"missing; give {in_words(kinds[field.name])}"
            )


def _misfits(value: Any, kind: Any, path: str) -> Iterator[Mistake]:
    """What does not fit below one key; items of a list and entries of a mapping are named one by one."""
    plain = get_args(kind)[0] if hasattr(kind, "__metadata__") else kind
    found: list[Mistake] = []
    if get_origin(plain) is tuple and isinstance(value, list):
        for number, item in enumerate(value):
            found += _misfits(item, get_args(plain)[0], f"{path}[{number}]")
    elif get_origin(plain) is dict and isinstance(value, dict):
        name_kind, item_kind = get_args(plain)
        for name, item in value.items():
            found += [*_misfits(name, name_kind, f"{path}.{name}"), *_misfits(item, item_kind, f"{path}.{name}")]
    if not found and not _fits(value, kind):
        found = [Mistake(path, f"{_shown(value)} does not fit; give {in_words(kind)}")]
    yield from found


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _nearest(key: str, path: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    for name, kind in sections().items():
        if key in get_type_hints(kind):
            return f"it belongs under `{name}`"
    return f"{f'`{path}`' if path else 'the top level'} has {', '.join(known)}"


def _shown(value: Any) -> str:
    """The value as the operator may have written it, cut to a glance."""
    text = value if isinstance(value, str) and value else str(msgspec.json.encode(value), "utf-8")
    return f"`{text}`" if len(text) <= 40 else f"`{text[:39]}…`"


def contradictions(settings: Settings) -> Iterator[Mistake]:
    """Keys that are right by themselves and wrong together."""
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
        near = difflib.get_close_matches(hours.calendar, ZONES, n=1) or ["XNYS"]
        yield Mistake("hours.calendar", f"no calendar {hours.calendar}; did you mean {near[0]}? XNYS is New York")
    elif hours.extended and hours.calendar not in EXTENDED:
        key = "hours.allow_pre_market" if hours.allow_pre_market else "hours.allow_after_hours"
        yield Mistake(key, f"known for New York only, not for {hours.calendar}; set it to false")
    account = settings.ibkr.account
    if settings.mode == "live" and account is None:
        yield Mistake("ibkr.account", "live is never left to guess; give the id of the account (`U…`)")
    if settings.mode == "live" and settings.ibkr.allow_delayed:
        yield Mistake("ibkr.allow_delayed", "live never enters on delayed data; remove it")
    if settings.mode != "sim" and account is not None and account.startswith("D") is not (settings.mode == "paper"):
        kind = "paper" if account.startswith("D") else "live"
        yield Mistake("ibkr.account", f"{account} is a {kind} account and mode is {settings.mode}; correct one of them")
    if settings.mode == "live" and settings.stops.tif != "GTC":
        yield Mistake("stops.tif", "live needs `GTC`: a DAY stop leaves what is held unprotected overnight")
    market = settings.simulation
    if settings.mode == "sim" and market.market == "files" and not market.files:
        yield Mistake(
            "simulation.files", "the market is `files` and none is named; name one, or set simulation.market: synthetic"
        )
    for name, text in policy_mistakes(market.policy):
        yield Mistake(f"simulation.policy.{name}", text)
    if market.start and market.end and market.end < market.start:
        yield Mistake("simulation.end", f"{market.end} is before simulation.start {market.start}; swap them")


def _placed(settings: Settings, folder: Path) -> Settings:
    """File names made absolute: a relative one starts at the folder of the configuration."""
    simulation = settings.simulation
    files = tuple(str(folder / file) for file in simulation.files)
    faults = None if simulation.faults is None else str(folder / simulation.faults)
    placed = msgspec.structs.replace(simulation, files=files, faults=faults)
    return msgspec.structs.replace(settings, simulation=placed)


def notices(settings: Settings) -> list[str]:
    """What is allowed and may surprise; said at every start."""
    found = []
    if settings.hours.extended:
        found.append(
            "hours: entries are made outside regular hours too; entries and stops carry outsideRth, so a thin market "
            "before the open or after the close can trigger a stop far from any fair price"
        )
    if settings.allocation.allow_fractional:
        found.append(
            "allocation.allow_fractional: what is below one share has no stop, and stays when the rest is sold"
        )
    idle = sorted(set(settings.allocation.per_symbol_override) - set(settings.watchlist))
    if idle:
        found.append(f"allocation.per_symbol_override: {', '.join(idle)} not in the watchlist, so not traded")
    cap = min(settings.allocation.total_usd_cap, settings.risk.max_total_exposure_usd)
    limited = settings.entries.type == "buy_stop_limit"
    slip = settings.entries.stop_limit_max_slip_pct if limited else settings.entries.buy_stop_cap_pct
    wanted = sum(settings.entry_usd(symbol) for symbol in settings.watchlist) * (1 + slip / 100)
    if wanted > cap:
        found.append(f"watchlist: all entries at once need ${wanted:,.0f}, the cap is ${cap:,.0f}; the first arm first")
    return found
