"""Files that must not be lost: a copy before an upgrade, and a new name for a file that can't be read.

Nothing here deletes a file that a person may need. Of the copies only the newest are kept.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["COPIES_KEPT", "back_up", "set_aside"]

COPIES_KEPT = 3
"""Copies of one file that are kept. Each upgrade of the file makes one."""


def back_up(path: Path, version: str, copy: Callable[[Path], object] | None = None) -> Path:
    """Copy a file before it is upgraded, as `NAME.v1-2026-11-30.backup` beside it. Returns the copy.

    The copy is complete or absent, even after a kill. `copy` writes it to a given path (default: the bytes of the
    file). Of older copies of this file the newest `COPIES_KEPT - 1` stay.
    """
    target = path.with_name(f"{path.name}.v{version}-{datetime.now(UTC):%Y-%m-%d}.backup")
    unfinished = target.with_name(f"{target.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    if copy is None:
        shutil.copyfile(path, unfinished)
    else:
        copy(unfinished)
    unfinished.chmod(0o600)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(target)
    _sync_folder(path.parent)
    copies = sorted(path.parent.glob(f"{path.name}.v*.backup"), key=lambda each: (each.stat().st_mtime_ns, each.name))
    for old in [each for each in copies if each != target][: -(COPIES_KEPT - 1)]:
        old.unlink(missing_ok=True)
    return target


def set_aside(path: Path, beside: Sequence[str] = ()) -> Path:
    """Rename a file that can't be read to `NAME.unreadable-20261130T193000Z`. Returns the new path.

    `beside`: the suffixes of files that belong to it, such as its write-ahead log. They keep the suffix.
    """
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}Z"
    target, number = path.with_name(f"{path.name}.unreadable-{stamp}"), 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.unreadable-{stamp}-{number}")
    for suffix in beside:
        other = path.with_name(f"{path.name}{suffix}")
        if other.exists():
            other.rename(target.with_name(f"{target.name}{suffix}"))
    if path.exists():
        path.rename(target)
    _sync_folder(path.parent)
    return target


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
