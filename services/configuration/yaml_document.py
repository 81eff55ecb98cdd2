"""A YAML text as a plain document, with the line of each key, so that a message can name it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import yaml

from services.configuration.validation import Mistake

__all__ = ["line_of", "parse"]

TICKERS = ("watchlist", "allocation.per_symbol_override")
"""Here ON, NO and TRUE are tickers; YAML takes them for booleans."""


def parse(text: str) -> tuple[dict[str, Any], dict[str, int]]:
    """The document, and the line of each key path. `Mistake`, its text beginning with the line, if it is not valid.

    A key that is given twice is a mistake: the second does not override the first.
    """
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


def line_of(lines: Mapping[str, int], key: str) -> int:
    """The line of a key; of the nearest key around it if it is missing."""
    while key and key not in lines:
        key = key.rpartition("[" if key.endswith("]") else ".")[0]
    return lines.get(key, 1)


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
