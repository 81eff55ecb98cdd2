"""What this fleet adds to supervisord, inside its process. The only file that imports supervisor.

supervisord.conf names `make`, which supervisord calls at its start.

- A log that can't be written (a full disk) does not end supervisord: its own handlers would raise out of its main loop,
  and every process dies with it.
- Its socket is made again after the file has vanished.
- A process whose starts fail is started again every half a minute without end. By itself supervisord gives up.
"""

from __future__ import annotations

import contextlib
import io
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from supervisor import events, loggers
from supervisor.states import ProcessStates

__all__ = ["make"]

LONGEST_PAUSE_S = 30
"""Seconds between two starts of a process that fails."""


class Plugin:
    """The RPC interface that supervisord wants of a plugin. It has no methods."""


def make(supervisord: Any, **_: Any) -> Plugin:
    """Called by supervisord when it opens its socket, so again after `reopen`."""
    if Plugin not in _made:
        _made.add(Plugin)
        for kind in (loggers.FileHandler, loggers.RotatingFileHandler):
            kind.emit = forgiving(kind.emit)
        sys.stdout, sys.stderr = Lossy(sys.stdout), Lossy(sys.stderr)
        events.subscribe(events.Tick5Event, lambda _event: every_five_seconds(supervisord))
    return Plugin()


_made: set[type] = set()


def forgiving(emit: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """The `emit` of a log handler that loses a line instead of raising."""

    def emit_or_lose(handler: Any, record: Any) -> None:
        try:
            if handler.stream.closed:  # a rotation failed half-way
                handler.stream = open(handler.baseFilename, "ab")  # noqa: SIM115
            emit(handler, record)
        except (OSError, ValueError):
            return

    return emit_or_lose


class Lossy(io.TextIOBase):
    """A text stream that loses what it can't write."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or lose the text."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def fileno(self) -> int:
        """The descriptor below."""
        return self._stream.fileno()


def every_five_seconds(supervisord: Any) -> None:
    """Upkeep. Nothing that goes wrong here may end supervisord."""
    try:
        shorten_pauses(supervisord)
        reopen(supervisord)
    except Exception as error:
        supervisord.options.logger.warn(f"upkeep failed: {type(error).__name__}: {error}")


def shorten_pauses(supervisord: Any) -> None:
    """Each failed start makes the next pause a second longer, until supervisord gives up. Here it stays bounded."""
    for group in supervisord.process_groups.values():
        for process in group.processes.values():
            if process.state == ProcessStates.BACKOFF:
                process.backoff = min(process.backoff, LONGEST_PAUSE_S)


def reopen(supervisord: Any) -> None:
    """Make the socket again if its file has vanished."""
    options = supervisord.options
    paths = [config["file"] for config in options.server_configs if config["family"] == socket.AF_UNIX]
    if all(Path(path).exists() for path in paths):
        return
    for path in paths:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    servers, options.httpservers = options.httpservers, []
    for _, server in servers:
        server.close()
    options.httpservers = options.make_http_servers(supervisord)
    options.logger.info(f"the socket had vanished and was made again: {', '.join(paths)}")
