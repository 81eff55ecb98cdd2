"""What the documents name exists: commands, targets, links, files of the code."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from services.cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_target_and_link_exists(page: Path) -> None:
    text = page.read_text()
    commands = {file.split("_")[0] for files in COMMANDS.values() for file in files}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    typed = set(re.findall(r"(?:\.venv/bin/crazy|`crazy) ([a-z]+)", text))
    made = set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE))
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert typed <= commands
    assert made <= targets
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_of_code_exists(page: Path) -> None:
    """In fenced blocks too. Of `tests/a/test_b.py::test_c` only the file is looked up."""
    named = re.findall(r"(?<![\w./-])(?:services|tests|messages|benchmarks|docs)/[\w./-]*", page.read_text())
    paths = {path.rstrip(".") for path in named}
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("file", [file for files in COMMANDS.values() for file in files])
def test_every_command_has_a_manual(file: str) -> None:
    command = getattr(importlib.import_module(f"services.cli.commands.{file}"), file)
    assert command.__doc__
