"""All faults by name, and how one is made from arguments: texts (command line) or values (timetable, JSON)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any, NamedTuple, get_type_hints

import msgspec

from services.configuration.keys import texts_of
from services.configuration.refusal import Refusal
from services.configuration.validation import as_given, converted, describe, misfit, suggestion
from services.simulator.faults import (
    answers,
    by_hand,
    callbacks,
    data,
    links,
    lost_requests,
    market_events,
    order_reports,
    refusals,
    working_orders,
)
from services.simulator.faults.active import Fault

__all__ = ["FAULTS", "Argument", "arguments", "check_symbol", "fault", "listing", "markdown", "meaning", "name_of"]

MODULES = (
    *(links, data, callbacks, answers, refusals, lost_requests, working_orders, order_reports, market_events),
    by_hand,
)


def name_of(kind: type[Fault]) -> str:
    """`BrokerLost` is called `broker-lost`, `ForeignOrderFault` is called `foreign-order`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__.removesuffix("Fault")).lower()


FAULTS: dict[str, type[Fault]] = {
    name_of(kind): kind
    for module in MODULES
    for kind in (getattr(module, name) for name in module.__all__)
    if isinstance(kind, type)
}
"""Every fault, by its name."""


class Argument(NamedTuple):
    """One argument of a fault, for people."""

    name: str
    values: str
    default: str
    meaning: str


def fault(name: str, given: Mapping[str, Any]) -> Fault:
    """The fault of this name with these arguments, which may be texts. A Refusal of one line for an invalid one."""
    kind = FAULTS.get(name.replace("_", "-").lower())
    if kind is None:
        hint = suggestion(name, FAULTS, "`crazy simulator fault list` shows all")
        raise Refusal(f"fault {name}: there is none of this name; {hint}")
    known = {each.name: each for each in arguments(kind)}
    hints = get_type_hints(kind, include_extras=True)
    values = {}
    for key, value in given.items():
        if key not in known:
            has = f"it has {', '.join(known)}" if known else "it has no arguments"
            raise Refusal(f"fault {name}: {key}: unknown argument; {has}")
        try:
            values[key] = converted(value, hints[key], strict=False)
        except msgspec.ValidationError:
            raise Refusal(f"fault {name}: {key}: {misfit(str(value), known[key].values)}") from None
    missing = [each.name for each in known.values() if each.default == "must be given" and each.name not in values]
    if missing:
        raise Refusal(f"fault {name}: {missing[0]} is missing; give {known[missing[0]].values}")
    return kind(**values)


def check_symbol(asked: Fault, symbols: Collection[str]) -> None:
    """Refusal for a fault of a symbol that is not among those of the market."""
    symbol = getattr(asked, "symbol", "")
    if symbol and symbol not in symbols:
        raise Refusal(f"fault {name_of(type(asked))}: symbol: {symbol} is not in this market: {', '.join(symbols)}")


def meaning(kind: type[Fault]) -> str:
    """The description of a fault."""
    return " ".join((inspect.getdoc(kind) or "").split())


def arguments(kind: type[Fault]) -> list[Argument]:
    """The arguments of a fault, its own ones first."""
    hints = get_type_hints(kind, include_extras=True)
    texts: dict[str, str] = {}
    for cls in reversed(kind.__mro__):
        if issubclass(cls, Fault):
            texts |= texts_of(import_module(cls.__module__)).get(cls.__name__, {})
    found = []
    for field in msgspec.structs.fields(kind):
        default = "must be given" if field.required else as_given(field.default)
        found.append(Argument(field.name, describe(hints[field.name]), default, texts[field.name]))
    return found[::-1]


def listing() -> str:
    """Every fault with its arguments, for a terminal."""
    lines = []
    for name, kind in FAULTS.items():
        words = " ".join(
            each.name if each.default == "must be given" else f"{each.name}={each.default}" for each in arguments(kind)
        )
        lines += [f"{name}  {words}".rstrip(), f"    {meaning(kind)}"]
    return "\n".join(lines)


def markdown() -> str:
    """The faults as tables for the documentation."""
    lines = ["| fault | what happens | arguments |", "|---|---|---|"]
    for name, kind in FAULTS.items():
        described = "<br>".join(
            f"`{each.name}` ({each.default}): {each.meaning}".replace("|", "\\|") for each in arguments(kind)
        )
        lines.append(f"| `{name}` | {meaning(kind)} | {described} |")
    return "\n".join(lines)
