"""The owner's word that an account may be traded live, and until when: a small file beside the fleet's records.

`crazy golive` writes it, the gateway reads it. It expires, so that nobody trades for ever on what was decided once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

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
        """Whether it speaks for this account at this time."""
        return self.account == account and now.astimezone(UTC) < self.until


def read(path: Path) -> Confirmation | None:
    """What was confirmed; None where there is no such file, or one that says nothing clear."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Confirmation)
    except (OSError, msgspec.DecodeError):
        return None


def write(path: Path, confirmation: Confirmation) -> None:
    """Replace what was confirmed before, whole or not at all; readable by its owner only."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(confirmation))
    fresh.chmod(0o600)
    fresh.replace(path)
