"""The client's end of a connection to the real server, without a socket: bytes go in, written bytes come out."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from services.simulator.server import TwsServer

__all__ = ["ClientConnection"]


class ClientConnection:
    """A connection of the real server on a transport in memory."""

    def __init__(self, server: TwsServer) -> None:
        self.closed = False
        self._protocol = server.connection()
        self._transport = _Transport(self)
        self._protocol.connection_made(cast("asyncio.Transport", self._transport))

    def send(self, data: bytes) -> None:
        """Delivers bytes, as a socket would."""
        if not self._transport.closing:
            self._protocol.data_received(data)
        if self._transport.closing:
            self.disconnect()

    def disconnect(self) -> None:
        if not self.closed:
            self.closed = True
            self._transport.closing = True
            self._protocol.connection_lost(None)

    def taken(self) -> list[bytes]:
        """The payloads written since the last call."""
        data, self._transport.written = self._transport.written, bytearray()
        payloads = []
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            payloads.append(bytes(data[at + 4 : at + 4 + length]))
            if len(payloads[-1]) != length:
                raise AssertionError("half a frame was written")
            at += 4 + length
        return payloads


class _Transport:
    """The part of a transport that the server's connection uses."""

    def __init__(self, line: ClientConnection) -> None:
        self._line = line
        self.written = bytearray()
        self.closing = False

    def write(self, data: bytes) -> None:
        if not self.closing:
            self.written += data

    def close(self) -> None:
        self.closing = True
        asyncio.get_running_loop().call_soon(self._line.disconnect)

    abort = close

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, name: str) -> Any:
        return name

    def get_write_buffer_size(self) -> int:
        return 0
