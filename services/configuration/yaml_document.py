"""A YAML text as a plain document, with the line of each key, so that a message can name it.

Each scalar is read by the declared type of its key, not by YAML's own rules: there ON and NO are booleans, 012 is ten
and 1:30 is ninety.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml

from services.configuration.validation import Misread, Mistake

__all__ = ["line_of", "parse"]

Kinds = Mapping[str, Any]

NUMBER = re.compile(r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?")
LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+(\.[0-9_]*)?([eE][-+]?[0-9]+)?")
BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-9]{1,2})+(\.[0-9_]*)?")
OTHER_BASE = re.compile(r"[-+]?0[xXbBoO][0-9a-fA-F_]+")


def parse(text: str, kind: Any = str, exceptions: Kinds | None = None) -> tuple[dict[str, Any], dict[str, int]]:
    """The document, and the line of each key path. `Mistake`, its text beginning with the line, if it is not valid.

    `kind`: the type of the document (a Struct), by which its scalars are read; with `str` each scalar is text.
    `exceptions`: the types of keys that `kind` does not say, by path. A number that YAML would misread becomes a
    `Misread`. A key that is given twice is a mistake: the second does not override the first.
    """
    loader = yaml.SafeLoader(text)
    reader = _Reader(loader, exceptions or {})
    try:
        node = loader.get_single_node()
        document = None if node is None else reader.read(node, "", kind)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Mistake("", f"{line}: not valid YAML ({error.problem}); mind indentation and colons") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise Mistake("", f"1: not valid YAML ({str(error).splitlines()[0]})") from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise Mistake("", "1: holds no keys; begin with `mode: sim` and `watchlist: [TSLA]`")
    return document, reader.lines


def line_of(lines: Mapping[str, int], key: str) -> int:
    """The line of a key; of the nearest key around it if it is missing."""
    while key and key not in lines:
        key = key.rpartition("[" if key.endswith("]") else ".")[0]
    return lines.get(key, 1)


class _Reader:
    """Turns nodes into values. `lines`: the line of each key path so far."""

    def __init__(self, loader: yaml.SafeLoader, exceptions: Kinds) -> None:
        self.lines: dict[str, int] = {}
        self._loader = loader
        self._exceptions = exceptions

    def read(self, node: yaml.Node, path: str, kind: Any) -> Any:
        """The value of a node whose declared type is `kind`."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        kind = self._exceptions.get(path, kind)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, kind)
        if isinstance(node, yaml.SequenceNode):
            inner = _below(kind, None)
            return [self.read(item, f"{path}[{number}]", inner) for number, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode), "YAML has no other nodes"
        return self._scalar(node, kind)

    def _mapping(self, node: yaml.MappingNode, path: str, kind: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise Mistake("", f"{line}: {path or 'a key'}: a key must be a word")
            key = key_node.value
            inner = f"{path}.{key}" if path else key
            if key in found:
                raise Mistake(
                    "", f"{line}: {inner}: given twice (first in line {self.lines[inner]}); remove one of them"
                )
            self.lines[inner] = line
            found[key] = self.read(value_node, inner, _below(kind, key))
        return found

    def _scalar(self, node: yaml.ScalarNode, kind: Any) -> Any:
        text = node.value
        natural = self._loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        kinds = _alternatives(kind)
        if node.style is not None or node.tag != natural or Any in kinds:  # quoted, tagged, or of no declared type
            return self._construct(node)
        what = natural.rpartition(":")[2]
        if what == "null" and (NoneType in kinds or any(map(_is_container, kinds))):
            return None
        if (what == "bool" and bool in kinds) or (what == "timestamp" and date in kinds):
            return self._construct(node)
        return _number(text) if {int, float} & kinds else text

    def _construct(self, node: yaml.ScalarNode) -> Any:
        """The value by YAML's own rules."""
        try:
            return self._loader.construct_object(node, deep=True)
        except ValueError:  # looks like a date and is none, as 2025-13-01
            return node.value


def _number(text: str) -> Any:
    """The number that is written here in decimal; `Misread` if YAML would take it for another one; else the text."""
    for wrong, why in (
        (LEADING_ZERO, "has a leading zero, with which YAML counts in eights; write {plain}"),
        (BASE_60, "is a number to base 60 in YAML; write a plain number, without a colon"),
        (OTHER_BASE, "is not decimal; write a plain number"),
    ):
        if wrong.fullmatch(text):
            sign = text[0] if text[0] in "+-" else ""
            return Misread(text, f"`{text}` {why.format(plain=sign + (text.lstrip('+-').lstrip('0_') or '0'))}")
    if not NUMBER.fullmatch(text):
        return text
    plain = text.replace("_", "")
    return float(plain) if set(plain) & set(".eE") else int(plain)


def _below(kind: Any, key: str | None) -> Any:
    """The declared type of what stands under `key` (None: of an item of a list); Any if none is declared."""
    for each in _alternatives(kind):
        if each is str:
            return str
        if get_origin(each) is dict and key is not None:
            return get_args(each)[1]
        if get_origin(each) is tuple and key is None:
            return get_args(each)[0]
        if _is_struct(each) and key is not None:
            return _hints(each).get(key, Any)
    return Any


def _alternatives(kind: Any) -> frozenset[Any]:
    """The types of which a value may be one, without their bounds."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _alternatives(get_args(kind)[0])
    if origin in (Union, UnionType):
        return frozenset().union(*map(_alternatives, get_args(kind)))
    return frozenset({kind})


def _is_container(kind: Any) -> bool:
    return _is_struct(kind) or get_origin(kind) in (dict, tuple)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


@cache
def _hints(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)
