"""What blocks entries for the whole fleet while protection goes on."""

from __future__ import annotations

import msgspec

__all__ = ["EntriesBlocked", "EntriesUnblocked"]


class EntriesBlocked(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Event of the gateway: no new entries until `EntriesUnblocked` of the same reason; stops stay and are kept.

    `reason` is a code (clock_off, live_unconfirmed, wrong_account), `text` says what is wrong and the remedy.
    """

    reason: str
    text: str
    figures: dict[str, float]


class EntriesUnblocked(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Event of the gateway: this reason speaks against entries no longer."""

    reason: str
