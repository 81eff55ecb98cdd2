"""The names of processes, orders and accounts. Only this file builds and parses them.

A symbol's process is `symbol-TSLA`. An order's reference (`client_order_id`, IBKR's orderRef) is

    CT-TSLA-20250106-1        the first entry of a symbol in a session
    CT-TSLA-20250106-1-S2     the second stop for the shares of that entry
    CT-TSLA-20250106-F1       the first sale of a flatten
    CT-TSLA-20250106-A1       adopted shares; M1: manually sold shares; R1: shares that got a stop by `crazy rescue`
    CT-TSLA-20250106-1-S1~2   a second order at the broker under the reference before the `~`: a double

A blank in a ticker (BRK B) becomes a dot. Process names and references have no blanks.

The ids of IBKR's paper accounts start with D (DU; DF and DI for advisors and institutions), those of live ones do not.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "DOUBLE_MARK",
    "ORDER_PREFIX",
    "Kind",
    "double_reference",
    "entry_of_stop",
    "is_flatten_reference",
    "is_own_reference",
    "is_paper_account",
    "is_stop_reference",
    "is_symbol_process",
    "kind_of_process",
    "order_reference",
    "reference_series",
    "referenced",
    "stop_reference",
    "symbol_process",
]

ORDER_PREFIX = "CT-"
"""Every reference of ours starts with it. The bot never changes an order without it."""

DOUBLE_MARK = "~"
"""Between a reference and the number of a double. No reference of ours contains it."""

_SYMBOL = "symbol-"
_STOP = "-S"
_PAPER = "D"

Kind = Literal["", "F", "A", "M", "R"]
"""The kind of a reference: an entry, a sale of a flatten, adopted or manually sold shares, shares under a stop of
`crazy rescue`."""


def symbol_process(symbol: str) -> str:
    """The name of the process of one ticker."""
    return f"{_SYMBOL}{_dotted(symbol)}"


def is_symbol_process(process: str) -> bool:
    """Whether a process is that of a symbol."""
    return process.startswith(_SYMBOL)


def kind_of_process(process: str) -> str:
    """The folder under `services/` that a process runs: `symbol-TSLA` runs `symbol`."""
    return process.partition("-")[0]


def reference_series(symbol: str, session_date: str, kind: Kind = "") -> str:
    """The start of all references of this kind, of one symbol and session (`2025-01-06`)."""
    return f"{ORDER_PREFIX}{_dotted(symbol)}-{session_date.replace('-', '')}-{kind}"


def order_reference(symbol: str, session_date: str, number: int, kind: Kind = "") -> str:
    """The reference of the `number`th order of its kind, of one symbol and session (`2025-01-06`)."""
    return f"{reference_series(symbol, session_date, kind)}{number}"


def stop_reference(entry: str, number: int) -> str:
    """The reference of the `number`th stop for the shares of an entry."""
    return f"{entry}{_STOP}{number}"


def entry_of_stop(client_order_id: str) -> str:
    """The reference of the entry whose shares this stop protects; '' if the reference is not that of a stop."""
    entry, mark, number = referenced(client_order_id).rpartition(_STOP)
    return entry if mark and number.isdecimal() else ""


def double_reference(reference: str, number: int) -> str:
    """The id of the `number`th order with the same reference. The id of the first is the reference itself."""
    return f"{reference}{DOUBLE_MARK}{number}"


def referenced(client_order_id: str) -> str:
    """The reference of an order at the broker. It is the order's id, except for a double."""
    reference, mark, number = client_order_id.rpartition(DOUBLE_MARK)
    return reference if mark and number.isdecimal() else client_order_id


def is_own_reference(client_order_id: str) -> bool:
    """Whether a reference is one of ours."""
    return client_order_id.startswith(ORDER_PREFIX)


def is_stop_reference(client_order_id: str, entry: str) -> bool:
    """Whether a reference is that of a stop for the shares of this entry."""
    return client_order_id.startswith(f"{entry}{_STOP}")


def is_flatten_reference(client_order_id: str) -> bool:
    """Whether a reference is that of a sale of a flatten."""
    return client_order_id.split("-")[-1].startswith("F")


def is_paper_account(account: str) -> bool:
    """Whether an account id is one of IBKR's paper accounts."""
    return account.startswith(_PAPER)


def _dotted(symbol: str) -> str:
    return symbol.replace(" ", ".")
