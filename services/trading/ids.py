"""The names of processes, orders and accounts. Only this file builds and parses them.

A symbol's process is `symbol-TSLA`. An order's reference (`client_order_id`, IBKR's orderRef) has the fleet's name in
it, so that fleets on one account never take each other's orders for their own:

    CT.paper-TSLA-20250106-1        the first entry of a symbol in a session, of the fleet `paper`
    CT.paper-TSLA-20250106-1-S2     the second stop for the shares of that entry
    CT.paper-TSLA-20250106-F1       the first sale of a flatten
    CT.paper-TSLA-20250106-A1       adopted shares; M1: manually sold shares; R1: shares that got a stop by
                                    `crazy rescue`
    CT.paper-TSLA-20250106-1-S1~2   a second order at the broker under the reference before the `~`: a double

Releases before this one left the fleet out: `CT-TSLA-20250106-1`. Such a reference stays readable. Whose it is follows
from the ledger and the client id (`services/gateway/book/ownership.py`).

A blank in a ticker (BRK B) becomes a dot, a dash in the name of a fleet an underscore, and a long name is shortened.
So references have no blanks, the fleet's part has no dash, and a reference has at most 40 characters.

The ids of IBKR's paper accounts start with D (DU; DF and DI for advisors and institutions), those of live ones do not.
"""

from __future__ import annotations

import re
import string
import zlib
from typing import Literal

import msgspec

__all__ = [
    "DOUBLE_MARK",
    "OLD_PREFIX",
    "Kind",
    "Reference",
    "double_reference",
    "entry_of_stop",
    "fleet_prefix",
    "is_flatten_reference",
    "is_old_reference",
    "is_own_reference",
    "is_paper_account",
    "is_reference_of",
    "is_stop_reference",
    "is_symbol_process",
    "kind_of_process",
    "order_reference",
    "parse_reference",
    "reference_series",
    "referenced",
    "stop_reference",
    "symbol_process",
]

OLD_PREFIX = "CT-"
"""References of earlier releases start with it. They do not name the fleet."""

DOUBLE_MARK = "~"
"""Between a reference and the number of a double. No reference of ours contains it."""

_MARK = "CT."
_SYMBOL = "symbol-"
_STOP = "-S"
_PAPER = "D"
_LONGEST_TAG, _KEPT = 9, 4
"""The longest form of a fleet's name in a reference, and how much of a longer name is kept."""
_DIGITS = string.digits + string.ascii_lowercase

_REFERENCE = re.compile(
    r"CT(?:\.(?P<fleet>[^-]+))?-(?P<symbol>.+)-(?P<date>\d{8})-(?P<kind>[FAMR]?)(?P<number>\d+)"
    r"(?:-S(?P<stop>\d+))?(?:~(?P<double>\d+))?"
)

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


class Reference(msgspec.Struct, frozen=True):
    """The parts of an order's reference.

    `fleet`: the fleet's name as references have it, '' in one of an earlier release. `symbol`: a blank is a dot.
    `session_date`: `2025-01-06`. `stop` and `double`: 0 for none.
    """

    fleet: str
    symbol: str
    session_date: str
    kind: Kind
    number: int
    stop: int = 0
    double: int = 0


def parse_reference(client_order_id: str) -> Reference | None:
    """The parts of a reference, of this release or an earlier one; None if it is no reference of any fleet."""
    found = _REFERENCE.fullmatch(client_order_id)
    if found is None:
        return None
    date = found["date"]
    return Reference(
        fleet=found["fleet"] or "",
        symbol=found["symbol"],
        session_date=f"{date[:4]}-{date[4:6]}-{date[6:]}",
        kind=found["kind"],  # type: ignore[arg-type]
        number=int(found["number"]),
        stop=int(found["stop"] or 0),
        double=int(found["double"] or 0),
    )


def fleet_prefix(fleet: str) -> str:
    """The start of every reference of a fleet, by the fleet's name. No other fleet's references start with it.

    Without a name: the start that releases before this one gave to all.
    """
    return f"{_MARK}{_tag(fleet)}-" if fleet else OLD_PREFIX


def reference_series(fleet: str, symbol: str, session_date: str, kind: Kind = "") -> str:
    """The start of all references of this kind, of one fleet, symbol and session (`2025-01-06`)."""
    return f"{fleet_prefix(fleet)}{_dotted(symbol)}-{session_date.replace('-', '')}-{kind}"


def order_reference(fleet: str, symbol: str, session_date: str, number: int, kind: Kind = "") -> str:
    """The reference of the `number`th order of its kind, of one fleet, symbol and session (`2025-01-06`)."""
    return f"{reference_series(fleet, symbol, session_date, kind)}{number}"


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


def is_reference_of(client_order_id: str, fleet: str) -> bool:
    """Whether a reference names this fleet. One of an earlier release names none."""
    return client_order_id.startswith(fleet_prefix(fleet))


def is_old_reference(client_order_id: str) -> bool:
    """Whether a reference is one of an earlier release, which does not name its fleet."""
    return client_order_id.startswith(OLD_PREFIX)


def is_own_reference(client_order_id: str, placed_by: int, fleet: str, client_id: int) -> bool:
    """Whether a reference is this fleet's, as far as it shows without the fleet's records.

    `placed_by`: the client id that placed the order. `client_id`: the fleet's own.
    """
    if is_reference_of(client_order_id, fleet):
        return True
    return is_old_reference(client_order_id) and placed_by == client_id


def is_stop_reference(client_order_id: str, entry: str) -> bool:
    """Whether a reference is that of a stop for the shares of this entry."""
    return client_order_id.startswith(f"{entry}{_STOP}")


def is_flatten_reference(client_order_id: str) -> bool:
    """Whether a reference is that of a sale of a flatten."""
    found = parse_reference(client_order_id)
    return found is not None and found.kind == "F" and not found.stop


def is_paper_account(account: str) -> bool:
    """Whether an account id is one of IBKR's paper accounts."""
    return account.startswith(_PAPER)


def _dotted(symbol: str) -> str:
    return symbol.replace(" ", ".")


def _tag(fleet: str) -> str:
    """The fleet's name without dashes; a long one as its start and a checksum. Two names never look alike.

    Names have neither underscores nor dots.
    """
    if len(fleet) <= _LONGEST_TAG:
        return fleet.replace("-", "_")
    number, digits = zlib.crc32(fleet.encode()), ""
    for _ in range(_LONGEST_TAG - _KEPT - 1):
        number, digit = divmod(number, len(_DIGITS))
        digits += _DIGITS[digit]
    return f"{fleet[:_KEPT].replace('-', '_')}.{digits}"
