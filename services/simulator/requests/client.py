"""One client of the gateway: who it is, what it subscribed to, and what is to be sent to it next. Pure."""

from __future__ import annotations

from services.simulator.wire.replies import error

__all__ = ["Client"]


class Client:
    """A connection from startApi on. `received` and `sent` count its frames after the handshake.

    `waiting` are the bytes that wait to be sent. `lots`: the sizes of market data are in round lots of 100.
    """

    def __init__(self, client_id: int, version: int, *, lots: bool = False) -> None:
        self.client_id = client_id
        self.version = version
        self.lots = lots
        self.data_type = 1
        self.received = 0
        self.sent = 0
        self.waiting = 0
        self._outbox: list[bytes] = []
        self._frames = 0

    def say(self, *frames: bytes) -> None:
        """Puts frames into the next write."""
        self._outbox += frames
        self._frames += len(frames)
        self.waiting += sum(map(len, frames))

    def say_many(self, frames: bytes, count: int) -> None:
        """Puts frames that are in one piece already into the next write."""
        self._outbox.append(frames)
        self._frames += count
        self.waiting += len(frames)

    def complain(self, request_id: int, code: int, text: str) -> None:
        """An error message, in the version of this client."""
        self.say(error(request_id, code, text, self.version))

    def take(self) -> bytes:
        """Everything that was put since the last call, for one write."""
        frames, self._outbox = self._outbox, []
        self.sent += self._frames
        self._frames = self.waiting = 0
        return b"".join(frames)
