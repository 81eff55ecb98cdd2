"""Checks a value that a person gave, and makes the message about a wrong one, with its remedy. Pure.

The configuration, the switches of the simulated broker and the arguments of faults are all checked here.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from typing import Any, Self

import msgspec
from msgspec import inspect as types

__all__ = [
    "Misread",
    "Mistake",
    "as_given",
    "closest",
    "converted",
    "describe",
    "describe_info",
    "fits",
    "misfit",
    "suggestion",
]

Number = types.IntType | types.FloatType


class Mistake(Exception):
    """What is wrong with one key; `key` is empty where it is the whole document."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(f"{key}: {text}" if key else text)
        self.key = key


class Misread(str):
    """A number as it was written that YAML takes for another number. `why` says so, with the remedy."""

    def __new__(cls, text: str, why: str) -> Self:
        """The text, with the reason."""
        made = super().__new__(cls, text)
        made.why = why
        return made

    why: str


def converted(value: Any, kind: Any, *, strict: bool = True) -> Any:
    """The value as this type has it. If not `strict`, a text may stand for a number.

    msgspec.ValidationError if it does not fit; NaN and infinity fit no type.
    """
    found = msgspec.convert(value, kind, strict=strict)
    if isinstance(found, float) and not math.isfinite(found):
        raise msgspec.ValidationError(f"{found} is not a finite number")
    return found


def fits(value: Any, kind: Any) -> bool:
    """Whether the value is one of this type."""
    try:
        converted(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def misfit(shown: str, values: str) -> str:
    """The message about a value that does not fit, with the values that do, in words."""
    return f"`{shown}` does not fit; give {values}"


def suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    """What to say about an unknown name: the known name that is closest to it, or `otherwise`."""
    near = closest(name, known)
    return f"did you mean `{near}`?" if near else otherwise


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one; None if none is like it."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def as_given(value: Any) -> str:
    """The value as the person may have written it."""
    return value if isinstance(value, str) and value else str(msgspec.json.encode(value), "utf-8")


def describe(kind: Any) -> str:
    """The values of this type, for a person."""
    return describe_info(types.type_info(kind), _bounds)


def describe_info(kind: types.Type, bounds: Callable[[Number], str]) -> str:
    """The values of this type, for a person; `bounds` gives what follows "a number"."""
    match kind:
        case types.Metadata(type=inner):
            return str((kind.extra_json_schema or {}).get("description") or describe_info(inner, bounds))
        case types.UnionType(types=kinds):
            return " or ".join(describe_info(each, bounds) for each in kinds)
        case types.LiteralType(values=values):
            return " or ".join(f"`{value}`" for value in values)
        case types.EnumType(cls=cls):
            return " or ".join(member.value for member in cls)
        case types.IntType():
            return f"a whole number{bounds(kind)}"
        case types.FloatType():
            return f"a number{bounds(kind)}"
        case types.VarTupleType(item_type=item):
            return f"a list, each item {describe_info(item, bounds)}"
        case types.DictType(key_type=key, value_type=value):
            return f"a mapping from {describe_info(key, bounds)} to {describe_info(value, bounds)}"
    return {
        types.BoolType: "true or false",
        types.StrType: "text",
        types.DateType: "a date like 2025-01-06",
        types.NoneType: "null",
    }[type(kind)]


def _bounds(kind: Number) -> str:
    names = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    bounds = [f"{text} {bound:,}" for name, text in names.items() if (bound := getattr(kind, name)) is not None]
    return " " + " and ".join(bounds) if bounds else ""
