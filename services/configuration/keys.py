"""The keys of the configuration as data: path, range in words, default, meaning, readers. `settings.py` is the source.

`crazy config keys`, the reference page and the messages about a wrong value use the same words.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, get_type_hints

import msgspec

from services.configuration import settings
from services.configuration.settings import ReadBy, Settings
from services.configuration.validation import describe

__all__ = ["Key", "in_yaml", "is_section", "keys", "markdown", "sections", "texts_of", "value_of"]

TITLE = "Made of `services/configuration/settings.py` by `.venv/bin/crazy config keys --reference > docs/keys.md`."


@dataclass(frozen=True)
class Key:
    """One key: its path, the values that fit in words, its default as YAML, its meaning, the processes that read it."""

    path: str
    range: str
    default: str
    meaning: str
    read_by: frozenset[ReadBy]


def is_section(kind: Any) -> bool:
    """Whether this is a group of keys."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def sections() -> dict[str, type[msgspec.Struct]]:
    """The groups of keys below the top level, by name."""
    return {name: kind for name, kind in get_type_hints(Settings).items() if is_section(kind)}


def keys(kind: type[msgspec.Struct] = Settings, prefix: str = "") -> Iterator[Key]:
    """Every key, in the order of `settings.py`."""
    meanings = texts_of(settings)[kind.__name__]
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        if is_section(hint):
            yield from keys(hint, f"{prefix}{field.name}.")
        else:
            marks = getattr(hint, "__metadata__", ())
            read_by = frozenset(mark for mark in marks if isinstance(mark, ReadBy))
            yield Key(prefix + field.name, describe(hint), _default(field), meanings[field.name], read_by)


def _default(field: msgspec.structs.FieldInfo) -> str:
    """The default as it would be written in YAML."""
    if field.required:
        return "must be given"
    return in_yaml(field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory())


def in_yaml(value: Any) -> str:
    """A value as one would write it in the configuration."""
    return str(msgspec.json.encode(value), "utf-8").strip('"')


def value_of(chosen: Settings, path: str) -> Any:
    """The value of the key with this path."""
    found: Any = chosen
    for name in path.split("."):
        found = getattr(found, name)
    return found


@cache
def texts_of(module: ModuleType) -> dict[str, dict[str, str]]:
    """The text under each field, by class and field. Python drops it at run time, so it is read from the source."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            texts = found.setdefault(node.name, {})
            for field, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_text(text):
                    texts[field.target.id] = inspect.cleandoc(text.value.value).replace("\n", " ")  # type: ignore[attr-defined]
    return found


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def markdown() -> str:
    """The reference of all keys, as the documentation shows it."""
    groups = {"": [], **{name: [] for name in sections()}}  # type: dict[str, list[Key]]
    for key in keys():
        groups[key.path.rpartition(".")[0]].append(key)
    lines = ["# Every key of the configuration", "", TITLE, ""]
    for group, found in groups.items():
        about = inspect.getdoc(sections()[group]) if group else "What is not in a group."
        lines += [f"## `{group}`" if group else "## Top level", "", str(about), ""]
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        lines += [f"| `{key.path}` | {_cell(key.range)} | `{key.default}` | {_cell(key.meaning)} |" for key in found]
        lines.append("")
    return "\n".join(lines).rstrip("\n")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
