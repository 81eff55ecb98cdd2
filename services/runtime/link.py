"""The state of one link between two processes, in both directions: rows sent, acknowledged and received.

No socket and no clock here: the actor sends. The rules are in docs/bus.md, "Rows and cursors".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from messages.frames import Row
from services.runtime.ledger import OutboxRow

__all__ = ["UNOPENED", "Link", "matches"]

UNOPENED = -1
"""The head in a beat to a consumer that has not resumed in this run: there may be rows that it does not know."""

WINDOW = 256
"""Most rows on the way without an acknowledgement. The rest waits, so that a slow consumer fills no socket."""


def matches(recipient: str, consumer: str, interest: tuple[str, ...]) -> bool:
    """Whether a row for `recipient` is for this consumer.

    Topics are tickers (upper case) and 'fleet'; processes are lower case.
    """
    if recipient == consumer or recipient in interest or "**" in interest:
        return True
    return "*" in interest and (recipient == "fleet" or recipient.isupper())


class Link:
    """What one process knows about another."""

    def __init__(self, me: str, peer: str, interest: tuple[str, ...], cursor: int | None, dialed: bool, epoch: int = 0):
        self.me = me
        self.peer = peer
        self.interest = interest
        self.dialed = dialed
        # As consumer.
        self.cursor = cursor
        self.epoch = epoch
        """Of the peer's ledger in which the cursor counts."""
        self.owed_ack = False
        self.peer_run = 0
        self.peer_epoch = 0
        """Of the ledger that the peer has now."""
        self.peer_ready = False
        self.peer_head = 0
        self.caught_up = False
        self.resumed_at = -1
        """Machine time of the last Resume sent; -1: none in this run of the peer."""
        # As producer.
        self.peer_interest: tuple[str, ...] | None = None
        self.acked = 0
        self.confirmed = 0
        """The highest row that the consumer has acknowledged in this run of ours. Its cursor never falls behind it,
        unless the consumer's ledger was set back."""
        self.head = 0
        self._prev = 0
        self._waiting: deque[OutboxRow] = deque()
        self._unacked: deque[int] = deque()

    # The producer's side.

    @property
    def opened(self) -> bool:
        """Whether the consumer has resumed in this run of ours."""
        return self.peer_interest is not None

    def wants(self, recipient: str) -> bool:
        """Whether the consumer has opened and a row for `recipient` is for it."""
        return self.peer_interest is not None and matches(recipient, self.peer, self.peer_interest)

    def reopen(self, cursor: int, interest: tuple[str, ...], rows: Iterable[OutboxRow]) -> None:
        """The consumer resumed at `cursor`: start again there, with the `rows` after it."""
        self.peer_interest = interest
        self.acked = self.head = self._prev = cursor
        self._unacked.clear()
        self._waiting = deque(row for row in rows if self.wants(row.recipient))
        if self._waiting:
            self.head = self._waiting[-1].seq

    def add(self, row: OutboxRow) -> None:
        """A new row for this consumer."""
        self._waiting.append(row)
        self.head = row.seq

    def outgoing(self) -> list[Row]:
        """Rows to send now, as far as the window allows."""
        rows: list[Row] = []
        while self._waiting and len(self._unacked) < WINDOW:
            row = self._waiting.popleft()
            rows.append(Row(self._prev, row.seq, msgspec.Raw(row.envelope)))
            self._unacked.append(row.seq)
            self._prev = row.seq
        return rows

    def acknowledge(self, cursor: int) -> None:
        """The consumer has committed everything up to `cursor`."""
        self.acked = max(self.acked, cursor)
        self.confirmed = max(self.confirmed, cursor)
        while self._unacked and self._unacked[0] <= cursor:
            self._unacked.popleft()

    @property
    def pending(self) -> int:
        """Rows that the consumer has not acknowledged."""
        return len(self._waiting) + len(self._unacked)

    # The consumer's side.

    def is_new_run(self, run: int, epoch: int) -> bool:
        """A frame of the peer's run `run` arrived. True if that run is new to us. Each ledger counts runs from 1."""
        if (run, epoch) == (self.peer_run, self.peer_epoch):
            return False
        self.peer_run, self.peer_epoch = run, epoch
        self.peer_ready = False
        self.caught_up = False
        self.resumed_at = -1
        return True
