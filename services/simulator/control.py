"""Commands to a running simulator over a Unix socket: one JSON object per line, one answer per line.

    {"do": "status"}                        {"ok": true, "text": "…", …}
    {"do": "advance", "seconds": 60}        or "events": 1
    {"do": "fault", "name": "drop", "arguments": {"client": 1}}
    {"do": "faults"}
    {"do": "clear", "name": "hang"}         without a name: all

Only the user who runs the simulator can send commands: the socket's folder is private (0700), the socket itself is
private (0600), and on Linux the kernel names the user of the caller.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from services.configuration.refusal import Refusal
from services.fleet.places import check_length, check_private, private_folders

__all__ = ["Command", "Control", "ask", "default_path", "folder"]

Command = dict[str, Any]
Answer = dict[str, Any]

TIMEOUT_S = 10.0
_LINE_BYTES = 1 << 20


def folder() -> Path:
    """The private folder of standalone gateways, one per user. Created if it does not exist."""
    found = next(private_folders("crazy-simulator"))
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(found)
    return found


def default_path(port: int) -> Path:
    """The default command socket of the gateway that listens on this port."""
    return folder() / f"{port}.sock"


class Control:
    """The simulator's end: listens at `path` and calls `answer` for each command. `answer` may raise a Refusal."""

    def __init__(self, path: Path, answer: Callable[[Command], Answer]) -> None:
        self.path = path
        self._answer = answer
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Start to listen. Refusal if the path is not available; the socket of a dead simulator is replaced."""
        check_length(self.path)
        _remove_dead(self.path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(str(self.path))
        except OSError as error:
            listening.close()
            raise Refusal(f"{self.path}: no command socket can be made there ({error.strerror})") from error
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=_LINE_BYTES)

    async def keep(self) -> None:
        """Listen again if the socket's file has vanished."""
        if self._server is None or self.path.is_socket():
            return
        self._server.close()
        self._server = None
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            await self.open()
        except (OSError, Refusal):
            return  # the caller tries again

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not _is_ours(writer.get_extra_info("socket")):
                return
            while line := await reader.readline():
                writer.write(msgspec.json.encode(self._answer_line(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the caller is gone, or the line is too long
        finally:
            writer.close()

    def _answer_line(self, line: bytes) -> Answer:
        try:
            return {"ok": True, **self._answer(msgspec.json.decode(line, type=Command))}
        except msgspec.DecodeError as error:
            return {"ok": False, "text": f"not a command: {error}"}
        except Refusal as refusal:
            return {"ok": False, "text": str(refusal)}


def ask(path: Path, command: Command, *, timeout_s: float = TIMEOUT_S) -> Answer:
    """Send a command and return the answer. Refusal if nobody listens, or if the command is refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout_s)
        try:
            line.connect(str(path))
            line.sendall(msgspec.json.encode(command) + b"\n")
            reply = line.makefile("rb").readline()
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise Refusal(f"{path}: the simulator does not answer within {timeout_s:g} s") from error
            raise Refusal(
                f"{path}: no simulator takes commands there ({os.strerror(error.errno or errno.ENOENT)}); "
                "start one, or name it by --port or --control"
            ) from error
    if not reply:
        raise Refusal(f"{path}: the simulator hung up; only the user who runs it can command it")
    answer: Answer = msgspec.json.decode(reply, type=Answer)
    if not answer.pop("ok"):
        raise Refusal(answer["text"])
    return answer


def _remove_dead(path: Path) -> None:
    """Remove the socket of a simulator that was killed. Refusal if another simulator answers there."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        try:
            line.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            pass
        else:
            raise Refusal(f"{path}: another simulator takes its commands there; give --control another path")


def _is_ours(line: socket.socket) -> bool:
    """Whether the caller is the user who runs this process."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the permissions of the file are the only protection here
    _, uid, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return bool(uid == os.getuid())
