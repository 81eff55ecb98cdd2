"""The owner's confirmation that an account may be traded live, until a time: a file beside the fleet's records.

`crazy golive` writes it, the gateway reads it. It expires, so that the owner decides again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from services.fleet.places import write_private

__all__ = ["Confirmation", "read", "write"]


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`account` may be traded live until `until` (UTC)."""

    account: str
    until: datetime
    confirmed: datetime

    @property
    def until_ns(self) -> int:
        """The end in nanoseconds since the epoch."""
        return int(self.until.timestamp()) * 1_000_000_000

    def valid(self, account: str | None, now: datetime) -> bool:
        """Whether it confirms this account at this time."""
        return self.account == account and now.astimezone(UTC) < self.until


def read(path: Path) -> Confirmation | None:
    """The confirmation in this file; None if there is no such file, or if it can't be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Confirmation)
    except (OSError, msgspec.DecodeError):
        return None


def write(path: Path, confirmation: Confirmation) -> None:
    """Replace the confirmation, as a whole or not at all. Only the owner can read the file."""
    write_private(path, msgspec.json.encode(confirmation))
