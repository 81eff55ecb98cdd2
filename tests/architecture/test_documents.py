"""What the documents tell to type exists."""

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


@pytest.mark.parametrize("file", [file for files in COMMANDS.values() for file in files])
def test_every_command_has_a_manual(file: str) -> None:
    command = getattr(importlib.import_module(f"services.cli.commands.{file}"), file)
    assert command.__doc__
