"""Commands to a running simulator, over a Unix socket: one JSON object a line, one answer a line.

    {"do": "status"}                        {"ok": true, "text": "…", …}
    {"do": "advance", "seconds": 60}        or "events": 1
    {"do": "fault", "name": "drop", "arguments": {"client": 1}}
    {"do": "faults"}
    {"do": "clear", "name": "hang"}         without a name: all

Only the user who runs the simulator can command it: the socket lies in a folder that is private (0700), is private
itself (0600), and on Linux the kernel is asked who it is that calls.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from services.configuration.refusal import Refusal
from services.fleet.places import check_length, check_private

__all__ = ["Command", "Control", "ask", "default_path", "folder"]

Command = dict[str, Any]
Answer = dict[str, Any]

TIMEOUT_S = 10.0
_LINE_BYTES = 1 << 20


def folder() -> Path:
    """The private folder of gateways that run alone: one per user. Created if it is not there."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        found = Path(runtime) / "crazy-simulator"
    else:
        found = Path(tempfile.gettempdir()) / f"crazy-simulator-{os.getuid()}"
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(found)
    return found


def default_path(port: int) -> Path:
    """Where the gateway that listens on this port takes its commands, unless it was told otherwise."""
    return folder() / f"{port}.sock"


class Control:
    """The simulator's end: listens at `path`, and gives each command to `answer`, which may raise a Refusal."""

    def __init__(self, path: Path, answer: Callable[[Command], Answer]) -> None:
        self.path = path
        self._answer = answer
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to listen. Refusal if the path can't be had; a socket that nobody serves any more is replaced."""
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

    async def close(self) -> None:
        """Stop listening, and leave nothing behind."""
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not _is_ours(writer.get_extra_info("socket")):
                return
            while line := await reader.readline():
                writer.write(msgspec.json.encode(self._judge(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # gone, or a line without an end
        finally:
            writer.close()

    def _judge(self, line: bytes) -> Answer:
        try:
            return {"ok": True, **self._answer(msgspec.json.decode(line, type=Command))}
        except msgspec.DecodeError as error:
            return {"ok": False, "text": f"not a command: {error}"}
        except Refusal as refusal:
            return {"ok": False, "text": str(refusal)}


def ask(path: Path, command: Command, *, timeout_s: float = TIMEOUT_S) -> Answer:
    """Give a command, and return the answer. Refusal where nobody listens, or where it is refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout_s)
        try:
            line.connect(str(path))
            line.sendall(msgspec.json.encode(command) + b"\n")
            said = line.makefile("rb").readline()
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise Refusal(f"{path}: the simulator does not answer within {timeout_s:g} s") from error
            raise Refusal(
                f"{path}: no simulator takes commands there ({os.strerror(error.errno or errno.ENOENT)}); "
                "start one, or name it by --port or --control"
            ) from error
    if not said:
        raise Refusal(f"{path}: the simulator hung up; only the user who runs it can command it")
    answer: Answer = msgspec.json.decode(said, type=Answer)
    if not answer.pop("ok"):
        raise Refusal(answer["text"])
    return answer


def _remove_dead(path: Path) -> None:
    """A socket file whose simulator was killed. One that answers belongs to somebody."""
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
        return True  # the file's own rights have to do
    _, uid, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return bool(uid == os.getuid())
