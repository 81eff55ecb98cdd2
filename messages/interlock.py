"""What blocks entries, of the whole fleet or of one symbol, while open positions stay protected."""

from __future__ import annotations

import msgspec

__all__ = ["ROUTES", "EntriesBlocked", "EntriesUnblocked"]


class EntriesBlocked(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """No new entries until `EntriesUnblocked` comes with the same reason. Protective stops stay active.

    `text`: what is wrong and how to fix it.
    `symbol`: the ticker; '': all symbols.
    """

    reason: str
    text: str
    figures: dict[str, float]
    symbol: str = ""


class EntriesUnblocked(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """This reason no longer blocks entries. Another reason may still do so.

    `symbol`: the ticker; '': all symbols.
    """

    reason: str
    symbol: str = ""


ROUTES: dict[type[msgspec.Struct], str] = {
    EntriesBlocked: "gateway -> recorder, risk, symbol",
    EntriesUnblocked: "gateway -> recorder, risk, symbol",
}
