"""The reading order in docs/architecture.md names every file of `services/`, and no file that does not exist."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tests.architecture.layout import ROOT, SERVICES, imports_of_services

WHOLE = ("cli/commands",)
"""Folders that the page names as a whole: all their files are of one kind."""

HEADING = re.compile(r"^### `services/([a-z_]+)/`", re.MULTILINE)
ITEM = re.compile(r"^( *)- ((?:`[^`]+`(?:, )?)+):", re.MULTILINE)


def reading_order() -> str:
    """The chapter of the page."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    (chapter,) = re.findall(r"^## Reading order\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    return str(chapter)


def named() -> Iterator[str]:
    """Each file and each folder that a line of the page is about, below `services/`; folders end with a slash."""
    _, *parts = HEADING.split(reading_order())
    for folder, text in zip(parts[::2], parts[1::2], strict=True):
        subfolder = ""
        for indent, names in ITEM.findall(text):
            subfolder = subfolder if indent else ""
            for name in re.findall(r"`([^`]+)`", names):
                yield f"{folder}/{subfolder}{name}"
                if name.endswith("/"):
                    subfolder = name


def files() -> set[str]:
    """The files that must be named: all but the docstrings of folders, and what is named as a whole."""
    found = {path.relative_to(SERVICES) for path in SERVICES.rglob("*.py") if path.name != "__init__.py"}
    return {path.as_posix() for path in found if path.parent.as_posix() not in WHOLE}


def test_the_reading_order_names_every_file_and_no_other() -> None:
    on_page = {name for name in named() if not name.endswith("/")}
    assert {"missing": files() - on_page, "do not exist": on_page - files()} == {
        "missing": set(),
        "do not exist": set(),
    }


def test_the_reading_order_names_every_folder_and_no_other() -> None:
    folders = {path.parent.relative_to(SERVICES).as_posix() for path in SERVICES.glob("*/**/__init__.py")}
    on_page = {*HEADING.findall(reading_order()), *(name.rstrip("/") for name in named() if name.endswith("/"))}
    assert on_page == folders


def test_the_reading_order_names_nothing_twice() -> None:
    assert [name for name, times in Counter(named()).items() if times > 1] == []


def test_a_file_comes_after_those_that_it_uses() -> None:
    places = {"services." + name[:-3].replace("/", "."): place for place, name in enumerate(named())}
    early = [
        f"{module} comes before {used}, which it uses"
        for module, imports in imports_of_services().items()
        for used in imports & places.keys()
        if module in places and places[used] > places[module]
    ]
    assert early == []
