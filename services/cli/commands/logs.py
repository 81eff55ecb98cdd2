"""`crazy logs`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.cli.options import Config, fleet
from services.cli.wording import details
from services.configuration.refusal import Refusal
from services.fleet.places import Fleet
from services.trading.ids import symbol_process

__all__ = ["logs"]

LINES = 50
POLL_S = 0.25
TAIL_BYTES = 1_000_000


def logs(process: str | None = None, *, follow: bool = False, lines: int = LINES, raw: bool = False,
         config: Config = None) -> int:  # fmt: skip
    """Show the newest log lines, of one process or of all in the order in which they happened.

    Parameters
    ----------
    process:
        One process, as `crazy status` names it (gateway, symbol-TSLA); a bare ticker will do. Default: all.
    follow:
        Go on as lines are written, until Ctrl-C.
    lines:
        How many of the newest lines to show.
    raw:
        The JSON objects as they stand in the files.
    """
    chosen = fleet(config)
    if lines < 1:
        raise Refusal(f"--lines {lines}: 1 or more")
    files = [chosen.log(name) for name in _selected(chosen, process)]
    tails = {file: Tail(file) for file in files}
    newest = sorted(line for tail in tails.values() for line in tail.read(TAIL_BYTES))[-lines:]
    if not newest and not follow:
        raise Refusal(f"{chosen.logs}: nothing logged yet; start the fleet with `crazy up`")
    try:
        while True:
            for _, line in newest:
                print(line if raw else readable(line), flush=follow)
            if not follow:
                return 0
            time.sleep(POLL_S)
            newest = sorted(line for tail in tails.values() for line in tail.read())
    except KeyboardInterrupt:
        return 0


def _selected(chosen: Fleet, process: str | None) -> tuple[str, ...]:
    if process is None:
        return chosen.processes
    for name in (process, symbol_process(process.upper())):
        if name in chosen.processes or chosen.log(name).exists():
            return (name,)
    raise Refusal(f"{process}: no process of fleet {chosen.name}; there are {', '.join(chosen.processes)}")


class Tail:
    """The lines that are appended to a file, also after its rotation."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        self.inode = 0
        self.incomplete = b""

    def read(self, at_most: int | None = None) -> Iterator[tuple[str, str]]:
        """The new complete lines, each with its wall time; of a long file those in the last `at_most` bytes."""
        try:
            file = open(self.path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            return
        with file:
            found = os.fstat(file.fileno())
            if found.st_ino != self.inode:
                self.inode, self.position, self.incomplete = found.st_ino, 0, b""
            if at_most is not None and found.st_size > at_most:
                file.seek(found.st_size - at_most)
                file.readline()
                self.position = file.tell()
            file.seek(self.position)
            text = self.incomplete + file.read()
            self.position = file.tell()
        *complete, self.incomplete = text.split(b"\n")
        for line in complete:
            yield _time_of(line), line.decode(errors="replace")


def _time_of(line: bytes) -> str:
    try:
        return str(json.loads(line)["wall"])
    except (ValueError, KeyError, TypeError):
        return ""


def readable(line: str) -> str:
    """One log line for a person: time (market time, else UTC), process, event, then the rest as name=value."""
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        return line
    wall = found.pop("wall", "")
    when = found.pop("timestamp", wall)
    process, event, level = (found.pop(name, "") for name in ("process", "event", "level"))
    try:
        zone = datetime.fromisoformat(when).tzinfo
    except (TypeError, ValueError):
        zone = None
    rest = details(found, zone or UTC)
    mark = "" if level in ("INFO", "DEBUG") else f"{level} "
    return f"{when[:23].replace('T', ' ')}  {process:<12} {mark}{event} {rest}".rstrip()
