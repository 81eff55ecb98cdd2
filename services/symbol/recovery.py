"""What a symbol does when a ledger was lost: its own, the gateway's, or risk's. Pure.

What it finds, it owns. What nobody can tell any more, it takes back: the gateway cancels the order, or reports that
there is none.
"""

from __future__ import annotations

from messages.account import SymbolBook
from messages.orders import OrderRecord
from services.configuration.settings import Settings
from services.runtime.core import Draft
from services.symbol.outcome import MINUTE, take_back
from services.symbol.record import SymbolRecord, changed, moved
from services.symbol.states import Event
from services.trading.ids import parse_reference

__all__ = ["confirm_entry", "count_entry", "on_ledger_lost", "take_book"]

REASON = "ledger_lost"


def on_ledger_lost(d: Draft, r: SymbolRecord, process: str) -> SymbolRecord:
    """A process has lost its ledger. What it told before and holds no more, it will not take back."""
    match process:
        case "gateway":
            # A cancel that was requested may be lost as well.
            return changed(r, blocks={}, cancelling="", unsure=r.entry_live)
        case "risk":
            r = changed(r, paused=False, fleet_paused=False)  # risk pauses all entries
            return r if r.entry_at else take_back(d, r, REASON)  # it may have been lost before it was approved
        case _:
            return r


def confirm_entry(d: Draft, r: SymbolRecord) -> SymbolRecord:
    """The gateway's book agrees with the broker's. An entry that it has not reported since is taken back."""
    if not r.unsure:
        return r
    return take_back(d, changed(r, unsure=False), REASON)


def count_entry(r: SymbolRecord, order: OrderRecord) -> SymbolRecord:
    """Count an entry that was made before the records were lost: its number is not used again in its session."""
    reference = parse_reference(order.client_order_id) if order.role == "entry" else None
    if reference is None or reference.kind or reference.session_date < r.session_date:
        return r
    if reference.session_date > r.session_date:
        return changed(r, session_date=reference.session_date, entry_number=reference.number)
    return changed(r, entry_number=reference.number) if reference.number > r.entry_number else r


def take_book(d: Draft, r: SymbolRecord, book: SymbolBook, settings: Settings) -> SymbolRecord:
    """Take from the gateway what this symbol has lost: the number of its last entry, and the cooldown."""
    if book.session_date >= r.session_date:
        number = max(r.entry_number, book.entry_number) if book.session_date == r.session_date else book.entry_number
        r = changed(r, session_date=book.session_date, entry_number=number)
    until_ns = book.stopped_out_ns + settings.cooldowns.after_stopout_minutes * MINUTE
    if not book.stopped_out_ns or r.holds or until_ns <= max(r.cooldown_until_ns, d.now.market_ns):
        return r
    figures = {"price": book.stopped_out_price}
    r = changed(r, cooldown_until_ns=until_ns, stopout_exec=book.stopped_out_exec, why="stopped_out", figures=figures)
    return moved(take_back(d, r, "stopped_out"), Event.STOPPED_OUT)
