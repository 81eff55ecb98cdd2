"""The fields of a message, read strictly: a number that is no number is an error, never a default. Pure.

IBKR spells "no value" in many ways; they all become None here. NaN and infinities are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["Fields", "Undecodable", "integer_of", "number_of"]

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)

UNSET_DOUBLE = 1.7976931348623157e308
UNSET_INTEGERS = frozenset({2**31 - 1, 2**63 - 1})
UNSET_DECIMAL = 2.0**127
"""What IBKR sends where a number has no value, besides the empty text."""

SHOWN = 60
"""So many characters of a field are quoted in an error."""


class Undecodable(ValueError):
    """A message that does not say what it should. Its text says which field is wrong."""


def number_of(text: str, name: str) -> float | None:
    """A finite number; None if it has no value. Raises Undecodable."""
    if not text:
        return None
    if NUMBER.fullmatch(text) is None:
        raise Undecodable(f"{name} is no number: {text[:SHOWN]!r}")
    value = float(text) + 0.0  # -0.0 becomes 0.0
    if abs(value) >= UNSET_DECIMAL:
        if abs(value) > UNSET_DOUBLE:
            raise Undecodable(f"{name} is no finite number: {text[:SHOWN]!r}")
        return None
    return value


def integer_of(text: str, name: str) -> int | None:
    """A whole number; None if it has no value. Raises Undecodable."""
    if not text:
        return None
    if INTEGER.fullmatch(text) is None:
        raise Undecodable(f"{name} is no whole number: {text[:SHOWN]!r}")
    value = int(text)
    return None if value in UNSET_INTEGERS else value


class Fields:
    """The fields of one message, read from left to right. Every method raises Undecodable."""

    def __init__(self, fields: Sequence[str]):
        self._fields, self._at = fields, 0

    def text(self, name: str) -> str:
        if self._at >= len(self._fields):
            raise Undecodable(f"the message ends before {name}")
        self._at += 1
        return self._fields[self._at - 1]

    def number(self, name: str) -> float:
        """A number; 0.0 if it has no value."""
        return number_of(self.text(name), name) or 0.0

    def price(self, name: str) -> float | None:
        """A price or a percentage; None if it has no value. IBKR also writes 0 for that."""
        return number_of(self.text(name), name) or None

    def integer(self, name: str) -> int:
        """A whole number; 0 if it has no value."""
        return integer_of(self.text(name), name) or 0

    def count(self, name: str) -> int:
        """How many entries follow: never more than there are fields."""
        value = self.integer(name)
        if not 0 <= value <= len(self._fields):
            raise Undecodable(f"{name} is no possible count: {value}")
        return value

    def skip(self, count: int, name: str) -> None:
        """Pass over fields that are not used."""
        if self._at + count > len(self._fields):
            raise Undecodable(f"the message ends within {name}")
        self._at += count

    def expect(self, *names: str) -> None:
        """Pass over single fields that are not used; the names are for the reader."""
        self.skip(len(names), names[0])
