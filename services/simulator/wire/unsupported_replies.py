"""Replies to unsupported requests: mostly empty lists. Each function returns one frame.

Layouts as ib_insync's decoder reads them.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.simulator.wire.fields import Field, message
from services.simulator.wire.ticks import LETTER

__all__ = [
    "depth_exchanges",
    "display_group",
    "display_groups",
    "family_codes",
    "historical_news_end",
    "news_providers",
    "option_chain_end",
    "scanner_data",
    "scanner_parameters",
    "smart_components",
    "soft_dollar_tiers",
    "user_info",
]


def scanner_parameters() -> bytes:
    """The document that describes all scanners."""
    return message(19, 1, '<?xml version="1.0" encoding="UTF-8"?><ScanParameterResponse></ScanParameterResponse>')


def scanner_data(request_id: int) -> bytes:
    """The results of a scanner."""
    return message(20, 3, request_id, 0)


def display_groups(request_id: int) -> bytes:
    """The display groups: a gateway has none."""
    return message(67, 1, request_id, "")


def display_group(request_id: int) -> bytes:
    """The contract of a display group."""
    return message(68, 1, request_id, "none")


def option_chain_end(request_id: int) -> bytes:
    """All options of an underlying were sent."""
    return message(76, request_id)


def soft_dollar_tiers(request_id: int) -> bytes:
    """Tiers of soft dollars."""
    return message(77, request_id, 0)


def family_codes(accounts: Sequence[str]) -> bytes:
    """Each account, and the family it belongs to."""
    fields: list[Field] = [78, len(accounts)]
    for account in accounts:
        fields += [account, ""]
    return message(*fields)


def depth_exchanges() -> bytes:
    """The exchanges that show their book."""
    return message(80, 0)


def smart_components(request_id: int, *, known: bool) -> bytes:
    """Which letter stands for which exchange in ticks 32, 33 and 84; empty for an unknown table."""
    return message(82, request_id, *((1, 0, "NASDAQ", LETTER) if known else (0,)))


def news_providers() -> bytes:
    """The news providers."""
    return message(85, 0)


def historical_news_end(request_id: int) -> bytes:
    """The end of the headlines."""
    return message(87, request_id, False)


def user_info(request_id: int) -> bytes:
    """The user's white brand: none."""
    return message(107, request_id, "")
