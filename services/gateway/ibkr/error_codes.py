"""IBKR's message codes, as far as the gateway uses them. Data, to be extended.

Sources: IBKR's list of message codes; the library's own list of warnings. An error alone never ends an order.
"""

from __future__ import annotations

__all__ = ["BROKER_DOWN", "BROKER_UP", "DATA_DOWN", "DATA_UP", "INFORMATION", "STREAMS_GONE", "is_information"]

BROKER_DOWN = frozenset({1100, 2110})
BROKER_UP = frozenset({1101, 1102})
STREAMS_GONE = frozenset({1101})
DATA_DOWN = frozenset({2103})
DATA_UP = frozenset({2104})

INFORMATION = frozenset({165, 202, 399, 404, 434, 492, 10167, 10349})
"""With an order id, these are information and put no order in doubt. 202 comes together with the status Cancelled."""


def is_information(code: int) -> bool:
    """True if the order lives on, or another message reports what became of it."""
    return code in INFORMATION or 2100 <= code < 2200
