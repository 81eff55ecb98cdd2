"""The switches of the policy as people see them: a table, what is wrong with a wish, the policy that is meant. Pure."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec

from services.configuration.broker_policy import Policy

__all__ = ["Switch", "markdown", "mistakes", "policy_of", "switches"]

TITLE = (
    "Made of `services/configuration/broker_policy.py` by "
    "`.venv/bin/crazy simulator policy --reference > docs/switches.md`.",
    "",
    "What IBKR's gateway does in some corners is documented thinly, differs between reports, or is only inferred. Each",
    "such corner is a switch, so that a client can be tried both ways: `simulation: {policy: {partial_fills: true}}`.",
    "",
    "Evidence: [D] IBKR's documents, [R] recorded frames of real gateways, [C] third parties' reports, [I] inferred.",
)


class Switch(NamedTuple):
    """One switch, for people: what may be written, what holds without it, what it means, why."""

    name: str
    values: str
    default: str
    meaning: str
    evidence: str


def switches() -> Iterator[Switch]:
    """Every switch, in the order of `Policy`."""
    for field in msgspec.structs.fields(Policy):
        kind, meta = _parts(field.name)
        shown, why = _shown(field.default), meta.extra["evidence"]
        yield Switch(field.name, _values(kind, meta), shown, meta.description or "", why)


def markdown() -> str:
    """The table of all switches, as the documentation shows it."""
    lines = ["# Switches of the simulated broker", "", *TITLE, ""]
    lines += ["| switch | value | default | meaning | evidence |", "|---|---|---|---|---|"]
    lines += [f"| `{s.name}` | {s.values} | `{s.default}` | {s.meaning} | {s.evidence} |" for s in switches()]
    return "\n".join(lines)


def policy_of(given: Mapping[str, Any]) -> Policy:
    """The policy with these switches set. ValueError, one line, for an unknown name or a value that doesn't fit."""
    for name, text in mistakes(given):
        raise ValueError(f"{name}: {text}")
    return msgspec.convert({name: _plain(value) for name, value in given.items()}, Policy)


def mistakes(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with these switches, by name, with its remedy."""
    known = [field.name for field in msgspec.structs.fields(Policy)]
    for name, value in given.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            yield name, f"unknown switch; {f'did you mean `{close[0]}`?' if close else 'there are ' + ', '.join(known)}"
        elif not _fits(name, value):
            yield name, f"`{_shown(value)}` does not fit; give {_values(*_parts(name))}"


def _fits(name: str, value: Any) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False
    try:
        msgspec.convert({name: _plain(value)}, Policy)
    except msgspec.ValidationError:
        return False
    return True


def _plain(value: Any) -> Any:
    """A configuration has one kind of number: 2.0 may be a count."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _parts(name: str) -> tuple[type, Any]:
    """A switch's plain type and its texts."""
    kind, meta = get_args(get_type_hints(Policy, include_extras=True)[name])
    return kind, meta


def _values(kind: type, meta: Any) -> str:
    if issubclass(kind, StrEnum):
        return " or ".join(kind)
    if kind is bool:
        return "true or false"
    if meta.le is not None:
        return f"a number from {meta.ge:g} to {meta.le:g}"
    least = "above 0" if meta.gt is not None else "at least 0"
    return f"a whole number, {least}" if kind is int else f"a number, {least}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else str(msgspec.json.encode(value), "utf-8")
