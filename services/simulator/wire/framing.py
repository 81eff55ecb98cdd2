"""Frames and the handshake: the lowest layer of the TWS protocol, without I/O.

A client opens with `API`, a NUL and a frame that names the versions it can speak; the gateway answers with the one it
picked. From then on both sides send frames: a length of four bytes (big-endian) and that many bytes of payload.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = [
    "MAX_FRAME",
    "MAX_OPENING",
    "MAX_VERSION",
    "MIN_VERSION",
    "FrameReader",
    "ProtocolError",
    "frame",
    "negotiate",
]

MAX_FRAME = 0xFFFFFF
"""The longest payload that clients of IBKR accept, in bytes."""

MAX_OPENING = 4096
"""The longest payload before startApi: only two short messages are expected."""

MIN_VERSION, MAX_VERSION = 157, 178
"""The supported server versions: 157 is the highest of the oldest client in use, 178 the newest that all supported
clients decode."""

_GREETING = b"API\0"
_VERSIONS = re.compile(rb"v(\d{1,5})(?:\.\.(\d{1,5}))?(?: .*)?", re.DOTALL)


class ProtocolError(Exception):
    """The peer doesn't speak this protocol; the rest of its data can't be read."""


class FrameReader:
    """Cuts a stream of bytes into frames. `limit` is the longest payload that it accepts."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._greeted = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads completed by these bytes. Raises ProtocolError for anything that is no frame."""
        self._buffer += data
        if not self._greeted:
            greeting = bytes(self._buffer[: len(_GREETING)])
            if not _GREETING.startswith(greeting):
                raise ProtocolError(f"the connection opens with {greeting!r} instead of {_GREETING!r}")
            if len(greeting) < len(_GREETING):
                return
            del self._buffer[: len(_GREETING)]
            self._greeted = True
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "big")
            if length > self.limit:
                raise ProtocolError(f"a frame of {length} bytes, {self.limit} is the limit")
            if len(self._buffer) < 4 + length:
                return
            payload = bytes(self._buffer[4 : 4 + length])
            del self._buffer[: 4 + length]
            yield payload


def frame(payload: bytes) -> bytes:
    """The payload, preceded by its length."""
    return len(payload).to_bytes(4, "big") + payload


def negotiate(payload: bytes) -> int:
    """The version for a client that announced `v157..176` or `v157..176 +PACEAPI`.

    It is the client's highest, at most ours, as at real gateways. ProtocolError if the ranges don't overlap.
    """
    announced = _VERSIONS.fullmatch(payload)
    if announced is None:
        raise ProtocolError(f"the versions are announced as {payload[:40]!r}")
    lowest = int(announced[1])
    highest = int(announced[2] or lowest)
    version = min(MAX_VERSION, highest)
    if version < max(MIN_VERSION, lowest):
        raise ProtocolError(f"the client speaks {lowest} to {highest}, this gateway {MIN_VERSION} to {MAX_VERSION}")
    return version
