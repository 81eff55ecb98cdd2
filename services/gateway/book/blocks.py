"""What blocks entries, of one symbol or of all: begun and ended here. Pure.

A block stops entries only; stops stay and are kept. A reason is reported once when it begins and once when it ends.
"""

from __future__ import annotations

from messages.interlock import EntriesBlocked, EntriesUnblocked
from services.gateway.book.records import Block, block_key
from services.runtime.core import Draft

__all__ = ["block", "unblock"]

CANCELS = frozenset({"live_unconfirmed"})
"""Reasons that also cancel unfilled entries. A wrong clock does not: resting orders do not depend on our clock."""


def block(d: Draft, reason: str, text: str, symbol: str = "", **figures: float) -> bool:
    """Block entries for this reason. True if it is new and the caller must cancel unfilled entries."""
    if d.get(Block, block_key(reason, symbol)) is not None:
        return False
    d.put(Block(reason, text, figures, symbol))
    d.send(symbol or "fleet", EntriesBlocked(reason, text, figures, symbol))
    d.note(reason, symbol, "ERROR", text=text, **figures)
    return reason in CANCELS


def unblock(d: Draft, reason: str, symbol: str = "") -> None:
    """This reason no longer holds."""
    if d.get(Block, block_key(reason, symbol)) is not None:
        d.drop(Block, block_key(reason, symbol))
        d.send(symbol or "fleet", EntriesUnblocked(reason, symbol))
        d.note(f"{reason}_over", symbol)
