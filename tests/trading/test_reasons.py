"""Every reason that a core can give stands in the table, and the page is made of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from services.trading.reasons import GROUPS, REASONS, markdown

ROOT = Path(__file__).parents[2]
CORES = sorted(p for name in ("symbol", "gateway", "risk") for p in (ROOT / "services" / name).rglob("*.py"))

POSITIONS = {
    "Blocked": 0,
    "Denied": 0,
    "CancelEntry": 2,
    "CancelStop": 1,
    "EntryDropped": 2,
    "EntryDenied": 2,
    "block": 1,
}
"""Calls whose argument at this place is a reason."""
KEYWORDS = {"why", "cancel_reason"}
RETURNS = {"_check", "_observed"}
"""Functions that return (reason, figures)."""


def codes(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            at = POSITIONS.get(name)
            given = [node.args[at]] if at is not None and len(node.args) > at else []
            given += [k.value for k in node.keywords if k.arg in KEYWORDS]
            given += [k.value for k in node.keywords if k.arg == "reason" and name in POSITIONS]
            for value in given:
                yield from _texts(value)
        elif isinstance(node, ast.FunctionDef) and node.name in RETURNS:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and isinstance(inner.value, ast.Tuple):
                    yield from _texts(inner.value.elts[0])


def _texts(node: ast.expr) -> Iterator[str]:
    """The literal texts that an expression can be."""
    match node:
        case ast.Constant(value=str(text)) if text:
            yield text
        case ast.BoolOp(values=values):
            for value in values:
                yield from _texts(value)
        case ast.IfExp(body=body, orelse=other):
            yield from _texts(body)
            yield from _texts(other)


def test_every_reason_in_the_cores_is_in_the_table() -> None:
    used = {code for path in CORES for code in codes(path)}
    assert len(used) > 30, "the cores are read"
    missing = sorted(used - REASONS.keys())
    assert not missing, f"add them to services/trading/reasons.py, and renew docs/reasons.md: {missing}"


def test_no_code_stands_twice_and_each_is_a_sentence() -> None:
    assert sum(len(group) for group in GROUPS.values()) == len(REASONS)
    assert [code for code, text in REASONS.items() if not text.endswith(".") or not text[0].isupper()] == []


def test_the_page_is_up_to_date() -> None:
    page = ROOT / "docs" / "reasons.md"
    assert page.read_text() == markdown() + "\n", "renew it: python -m services.trading.reasons > docs/reasons.md"
