"""The bytes of every message stay as they are: `wire.json` keeps one sample of each class.

A ledger keeps messages over restarts, and processes of two releases can meet while a fleet is updated. So a class keeps
its tag, and the names, order and defaults of its fields. It may only gain fields with defaults, at its end.

`python -m tests.messages.test_wire` prints the file with the samples of new classes. It never changes a sample that is
in the file.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from zlib import crc32

import msgspec
import pytest

import messages

FILE = Path(__file__).with_name("wire.json")
RECORDED: dict[str, tuple[str, str]] = json.loads(FILE.read_text())
"""Of each class: the names of its fields, and the bytes of its sample."""

CLASSES: dict[str, type[msgspec.Struct]] = {
    f"{module.name}.{name}": found
    for module in pkgutil.iter_modules(messages.__path__)
    for name, found in vars(importlib.import_module(f"messages.{module.name}")).items()
    if isinstance(found, type) and issubclass(found, msgspec.Struct) and found.__module__ == f"messages.{module.name}"
}


def value(hint: Any, name: str) -> Any:
    """A value of this type for a field of this name; another name gives another value."""
    origin, arguments, number = get_origin(hint), get_args(hint), crc32(name.encode())
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return sample(hint)
    if hint is msgspec.Raw:
        return msgspec.Raw(msgspec.msgpack.encode(name))
    if origin is Literal:
        return arguments[number % len(arguments)]
    if origin is tuple and arguments[-1] is not Ellipsis:
        return tuple(value(each, f"{name}{at}") for at, each in enumerate(arguments))
    if origin in (tuple, list):
        return origin([value(arguments[0], name), value(arguments[0], f"{name}1")])
    if origin is dict:
        return {name: value(arguments[1], name)}
    if arguments:  # a union: its first member
        return value(arguments[0], name)
    return {bool: number % 2 == 0, int: number, float: number + 0.25, str: name, object: name}[hint]


def sample(kind: type[msgspec.Struct]) -> msgspec.Struct:
    """A message with a value in every field."""
    return kind(**{name: value(hint, name) for name, hint in get_type_hints(kind).items() if name[0] != "_"})


def begins(now: Any, then: Any) -> bool:
    """Whether `now` says all that `then` said, in the same place; it may go on at the end."""
    if isinstance(now, list) and isinstance(then, list):
        return len(now) >= len(then) and all(map(begins, now, then))
    if isinstance(now, dict) and isinstance(then, dict):
        return list(now)[: len(then)] == list(then) and begins(list(now.values()), list(then.values()))
    return type(now) is type(then) and bool(now == then)


def kept(kind: type[msgspec.Struct], fields: str, hexadecimal: str) -> bool:
    """Whether this class has the fields that were recorded, writes these bytes, and reads them."""
    now, then = msgspec.msgpack.encode(sample(kind)), bytes.fromhex(hexadecimal)
    if not begins(list(kind.__struct_fields__), fields.split()):
        return False
    try:
        read = msgspec.msgpack.decode(then, type=kind)
    except msgspec.ValidationError:
        return False
    loose = msgspec.msgpack.decode
    return begins(loose(now), loose(then)) and begins(loose(msgspec.msgpack.encode(read)), loose(then))


@pytest.mark.parametrize("name", RECORDED)
def test_a_message_keeps_its_bytes(name: str) -> None:
    assert kept(CLASSES[name], *RECORDED[name])


def test_every_message_has_a_sample() -> None:
    assert sorted(CLASSES) == sorted(RECORDED), "renew it: python -m tests.messages.test_wire"


class Swapped(msgspec.Struct, frozen=True, array_like=True, tag="EntriesBlocked"):
    text: str
    reason: str
    figures: dict[str, float]


class Tagged(msgspec.Struct, frozen=True, array_like=True, tag="Blocked"):
    reason: str
    text: str
    figures: dict[str, float]


class Required(msgspec.Struct, frozen=True, array_like=True, tag="EntriesBlocked"):
    reason: str
    text: str
    figures: dict[str, float]
    since: str


class Gained(msgspec.Struct, frozen=True, array_like=True, tag="EntriesBlocked"):
    reason: str
    text: str
    figures: dict[str, float]
    since: str = ""


@pytest.mark.parametrize(("kind", "good"), [(Swapped, False), (Tagged, False), (Required, False), (Gained, True)])
def test_only_a_field_with_a_default_may_come(kind: type[msgspec.Struct], good: bool) -> None:
    assert kept(kind, *RECORDED["interlock.EntriesBlocked"]) is good


if __name__ == "__main__":
    samples = {
        name: (" ".join(kind.__struct_fields__), msgspec.msgpack.encode(sample(kind)).hex())
        for name, kind in CLASSES.items()
    }
    print(json.dumps({**samples, **RECORDED}, indent=0, sort_keys=True))
