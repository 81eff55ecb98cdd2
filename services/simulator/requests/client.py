"""One client of the gateway: its id, its version, and its outbox. Pure."""

from __future__ import annotations

from services.simulator.wire.replies import error

__all__ = ["Client"]


class Client:
    """A connection after startApi. `received` and `sent` count its frames after the handshake.

    `waiting` is the number of bytes in the outbox. `lots`: sizes of market data are in round lots of 100.
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

    def send(self, *frames: bytes) -> None:
        """Puts frames into the next write."""
        self._outbox += frames
        self._frames += len(frames)
        self.waiting += sum(map(len, frames))

    def send_encoded(self, frames: bytes, count: int) -> None:
        """Puts `count` frames that are already joined into the next write."""
        self._outbox.append(frames)
        self._frames += count
        self.waiting += len(frames)

    def send_error(self, request_id: int, code: int, text: str) -> None:
        """Sends an error message in the format of this client's version."""
        self.send(error(request_id, code, text, self.version))

    def take(self) -> bytes:
        """Empties the outbox: its frames as one write."""
        frames, self._outbox = self._outbox, []
        self.sent += self._frames
        self._frames = self.waiting = 0
        return b"".join(frames)
