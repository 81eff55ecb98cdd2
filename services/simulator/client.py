"""One client of the gateway: who it is, what it subscribed to, and what is to be sent to it next. Pure."""

from __future__ import annotations

import msgspec

from services.simulator.model import QuoteReport
from services.simulator.replies import error

__all__ = ["Client", "Stream"]


class Stream(msgspec.Struct):
    """A stream of quotes, and the quote that the client knows."""

    symbol: str
    shown: QuoteReport | None = None


class Client:
    """A connection from startApi on. `received` and `sent` count its frames after the handshake."""

    def __init__(self, client_id: int, version: int) -> None:
        self.client_id = client_id
        self.version = version
        self.streams: dict[int, Stream] = {}
        self.summaries: dict[int, tuple[str, ...]] = {}
        self.account_updates = False
        self.account_updates_multi: set[int] = set()
        self.positions = False
        self.received = 0
        self.sent = 0
        self._outbox: list[bytes] = []

    def say(self, *frames: bytes) -> None:
        """Puts frames into the next write."""
        self._outbox += frames

    def complain(self, request_id: int, code: int, text: str) -> None:
        """An error message, in the version of this client."""
        self.say(error(request_id, code, text, self.version))

    def take(self) -> bytes:
        """Everything that was put since the last call, for one write."""
        frames, self._outbox = self._outbox, []
        self.sent += len(frames)
        return b"".join(frames)
