"""Which process reads which key of the configuration: found in the source, so that nobody has to keep a list true.

A key that nobody reads does not do what it says; a key that only symbols and risk read can change while the fleet runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from services.configuration import settings
from services.configuration.keys import keys, sections

__all__ = ["readers"]

SERVICES = Path(settings.__file__).parents[1]
LIBRARIES = ("trading", "configuration", "fleet", "runtime")
JUDGES = {"settings.py", "checks.py", "keys.py", "readers.py", "json_schema.py", "watchlist_overlay.py"}
"""Library files that treat keys as keys: naming one there does not use it."""


@cache
def readers() -> dict[str, frozenset[str]]:
    """Key path, and the folders of `services/` that read it; `machinery` for the libraries."""
    found: dict[str, set[str]] = {key.path: set() for key in keys()}
    through = {name: set(_read_by(body, found)) for name, body in _methods()}
    for path in sorted(SERVICES.rglob("*.py")):
        folder = path.relative_to(SERVICES).parts[0]
        if folder in LIBRARIES:
            if path.name in JUDGES:
                continue
            folder = "machinery"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for key in _read_by(tree, found):
            found[key].add(folder)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in through:
                for key in through[node.attr]:
                    found[key].add(folder)
    return {key: frozenset(folders) for key, folders in found.items()}


def _methods() -> Iterator[tuple[str, ast.AST]]:
    """What `Settings` and its sections work out of their keys, by name; `name` alone would be anybody's."""
    for node in ast.parse(Path(settings.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            section = next((name for name, kind in sections().items() if kind.__name__ == node.name), "")
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.name.startswith("_") and item.name != "name":
                    yield item.name, _rooted(item, section)


def _rooted(method: ast.FunctionDef, section: str) -> ast.AST:
    """The method with `self` said as what it is: the settings, or one of their sections."""
    for node in ast.walk(method):
        if isinstance(node, ast.Name) and node.id == "self":
            node.id = section or "settings"
    return method


def _read_by(tree: ast.AST, known: dict[str, set[str]]) -> Iterator[str]:
    """The keys read in this code: `….section.key`, and `name.key` where name was set to `….section`."""
    aliases = dict(_aliases(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        match node.value:
            case ast.Attribute(attr=last) | ast.Name(id=last):
                section = aliases.get(last, last)
                path = f"{section}.{node.attr}"
                if path in known:
                    yield path
                elif last in ("settings", "_settings", "wanted", "running") and node.attr in known:
                    yield node.attr


def _aliases(tree: ast.AST) -> Iterator[tuple[str, str]]:
    names = sections()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = (
                    zip(target.elts, node.value.elts, strict=False)
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                    else [(target, node.value)]
                )
                for name, value in pairs:
                    if isinstance(name, ast.Name) and isinstance(value, ast.Attribute) and value.attr in names:
                        yield name.id, value.attr
        elif isinstance(node, ast.arg) and isinstance(node.annotation, ast.Name):
            for section, kind in names.items():
                if node.annotation.id == kind.__name__:
                    yield node.arg, section
