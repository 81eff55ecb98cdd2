"""Where the source of `services/` reads a key of the configuration: `….section.key`, `settings.key`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from services.configuration import settings
from services.configuration.keys import keys, sections
from tests.architecture.layout import LIBRARIES, SERVICES

ROOTS = {"settings", "_settings"}
"""What `Settings` are called in processes and libraries."""

MACHINERY = "machinery"
"""What stands for a library."""

ABOUT_KEYS = ("configuration/", "fleet/watchlist_overlay.py")
"""Library code that treats keys as keys: it names a key and doesn't use it."""


@cache
def readers_by_source() -> dict[str, frozenset[str]]:
    """The folders of `services/` that read each key; `MACHINERY` for the libraries."""
    found: dict[str, set[str]] = {key.path: set() for key in keys()}
    methods = dict(_methods())
    through = {name: set(_keys_in(method)) for name, method in methods.items()}
    for name, method in methods.items():  # a method may use one that stands before it
        for node in ast.walk(method):
            if isinstance(node, ast.Attribute):
                through[name] |= through.get(node.attr, set())
    for path in sorted(SERVICES.rglob("*.py")):
        name = path.relative_to(SERVICES).as_posix()
        if name.startswith(ABOUT_KEYS):
            continue
        folder = name.partition("/")[0]
        reader = MACHINERY if folder in LIBRARIES else folder
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for key in _keys_in(tree):
            found[key].add(reader)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                for key in through.get(node.attr, ()):
                    found[key].add(reader)
    return {key: frozenset(readers) for key, readers in found.items()}


def _methods() -> Iterator[tuple[str, ast.AST]]:
    """The methods of `Settings` and its sections, by name. `name` is left out: other classes have it too."""
    for node in ast.parse(Path(settings.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            section = next((name for name, kind in sections().items() if kind.__name__ == node.name), "settings")
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.name.startswith("_") and item.name != "name":
                    for inner in ast.walk(item):
                        if isinstance(inner, ast.Name) and inner.id == "self":
                            inner.id = section
                    yield item.name, item


def _keys_in(tree: ast.AST) -> Iterator[str]:
    known = {key.path for key in keys()}
    section_of = dict(_variables(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Attribute(attr=last) | ast.Name(id=last), attr=name):
                path = f"{section_of.get(last, last)}.{name}"
                if path in known:
                    yield path
                elif last in ROOTS and name in known:
                    yield name


def _variables(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The variables and parameters of this code that hold a section, each with the section's name."""
    names = sections()
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    for variable, given in _pairs(target, value):
                        if isinstance(variable, ast.Name) and isinstance(given, ast.Attribute) and given.attr in names:
                            yield variable.id, given.attr
            case ast.arg(arg=parameter, annotation=ast.Name(id=annotated)):
                for section, kind in names.items():
                    if annotated == kind.__name__:
                        yield parameter, section


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        yield from zip(target.elts, value.elts, strict=False)
    else:
        yield target, value
