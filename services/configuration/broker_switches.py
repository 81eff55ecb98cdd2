"""The switches of the simulated broker for people: their table, the mistakes in given ones, the policy. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_type_hints

import msgspec
from msgspec import inspect as types

from services.configuration.broker_policy import Policy
from services.configuration.validation import as_given, describe_info, fits, misfit, suggestion

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
    """One switch, for people: its name, its values, its default, its meaning and the evidence for the default."""

    name: str
    values: str
    default: str
    meaning: str
    evidence: str


def switches() -> Iterator[Switch]:
    """Every switch, in the order of `Policy`."""
    kinds = get_type_hints(Policy, include_extras=True)
    for field in msgspec.structs.fields(Policy):
        kind = kinds[field.name]
        (meta,) = kind.__metadata__
        yield Switch(field.name, _values(kind), _shown(field.default), meta.description or "", meta.extra["evidence"])


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
    """The mistakes in these switches: the name, and what is wrong with its remedy."""
    kinds = get_type_hints(Policy, include_extras=True)
    for name, value in given.items():
        if name not in kinds:
            yield name, f"unknown switch; {suggestion(name, kinds, 'there are ' + ', '.join(kinds))}"
        elif not fits(_plain(value), kinds[name]):
            yield name, misfit(_shown(value), _values(kinds[name]))


def _plain(value: Any) -> Any:
    """The value as a whole number if it is one: the configuration makes 2.0 of 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _values(kind: Any) -> str:
    """The values of a switch of this type, for a person. The description of its type is its meaning."""
    described = types.type_info(kind)
    assert isinstance(described, types.Metadata)
    return describe_info(described.type, _range)


def _range(kind: types.IntType | types.FloatType) -> str:
    """Each number of a switch has a lower bound."""
    if kind.le is not None:
        return f" from {kind.ge:g} to {kind.le:g}"
    return f", above {kind.gt:g}" if kind.gt is not None else f", at least {kind.ge:g}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else as_given(value)
