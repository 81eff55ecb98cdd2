"""Which contract a symbol means. Pure. Everything behind the entrance of the core is keyed by contract.

A ticker is only a name: an option or a foreign listing can have the same one, and a company can change it. So each
symbol is bound to one contract id of the broker, and the binding stays in the ledger. At the entrance of the core every
report about a bound contract gets the fleet's symbol, and every other contract gets a name that no symbol has.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from messages.broker import BrokerContract, BrokerExecution, BrokerOrder, BrokerPosition, BrokerSnapshot
from services.gateway.book.blocks import block, unblock
from services.gateway.book.records import Book, Instrument
from services.runtime.core import Draft

__all__ = ["QUARANTINED", "bind", "con_id_of", "in_our_terms", "snapshot_in_our_terms"]

QUARANTINED = "contract_quarantined"
"""The reason that blocks the entries of a symbol whose contract is not what it was."""

Report = TypeVar("Report", BrokerOrder, BrokerExecution, BrokerPosition)


def con_id_of(d: Draft, symbol: str) -> int:
    """The contract id of a symbol; 0 if it is not bound yet."""
    found = d.get(Instrument, symbol)
    return found.con_id if found is not None else 0


def in_our_terms(d: Draft, report: Report) -> Report | None:
    """The report under the fleet's name of its contract; None if it is about another account."""
    account = (d.get(Book, "book") or Book()).account
    if account and report.account not in ("", account):
        return None
    name = _name(d, report)
    return report if name == report.symbol else msgspec.structs.replace(report, symbol=name)


def snapshot_in_our_terms(d: Draft, snapshot: BrokerSnapshot) -> BrokerSnapshot:
    """The whole answer under the fleet's names, without what is about another account."""
    return msgspec.structs.replace(
        snapshot,
        positions=_all(d, snapshot.positions),
        open_orders=_all(d, snapshot.open_orders),
        completed_orders=_all(d, snapshot.completed_orders),
        executions=_all(d, snapshot.executions),
    )


def _all(d: Draft, reports: tuple[Report, ...]) -> tuple[Report, ...]:
    return tuple(ours for report in reports if (ours := in_our_terms(d, report)) is not None)


def _name(d: Draft, report: BrokerOrder | BrokerExecution | BrokerPosition) -> str:
    """The fleet's name of the report's contract."""
    stock = report.sec_type == "STK" and report.currency == "USD"
    if report.con_id:
        bound = next((i for i in d.table(Instrument).values() if i.con_id == report.con_id), None)
        if bound is not None:
            return bound.symbol
        if con_id_of(d, report.symbol):
            stock = False  # the ticker is bound to another contract
    return report.symbol if stock else f"{report.symbol} {report.sec_type} {report.con_id or report.currency}"


def bind(d: Draft, contract: BrokerContract) -> None:
    """Bind a symbol to the broker's contract, or block its entries if that is not the one it was bound to.

    Its shares stay protected: their orders are placed by the contract id that the ledger has.
    """
    symbol, known = contract.symbol, d.get(Instrument, contract.symbol)
    if not contract.answered:
        d.note("contract_unanswered", symbol, "WARNING", con_id=known.con_id if known else 0)
        return
    if contract.con_id and (known is None or known.con_id == contract.con_id):
        found = Instrument(symbol, contract.con_id, contract.ticker or symbol)
        if found != known:
            d.put(found)
        unblock(d, QUARANTINED, symbol)
        return
    if not contract.con_id:
        text = f"the broker knows no contract {symbol}" + (f" ({contract.error})" if contract.error else "")
    else:
        text = f"{symbol} is another contract now at the broker: {contract.con_id}"
    if known is not None:
        text += f"; it was {known.con_id}, whose shares stay protected"
    block(d, QUARANTINED, f"{text}; see TWS for its new name, and change the watchlist", symbol)
