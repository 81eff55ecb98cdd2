"""The bot's own record, for the guards: money, stop-outs, losses, day trades; and looking whether a guard trips."""

from __future__ import annotations

import msgspec

from messages.orders import OrderFilled
from services.core import Draft
from services.risk.guards import Pace, Record, Tally, Track, guards_on, pnl_usd, trips
from services.risk.limits import Holding, Mark, Reservation
from services.risk.pauses import FLEET, PauseRecord, pause
from services.settings import Settings

__all__ = ["count_fill", "look", "record_of"]

PEAK_STEP = 1e-4
"""Of the cap: a new peak by less than this is no new record in the ledger."""


def record_of(d: Draft) -> Record:
    """What guards look at, as it is now."""
    tally, holdings, marks = d.get(Tally, "tally") or Tally(), d.table(Holding), d.table(Mark)
    return Record(
        tally=tally,
        tracks=d.table(Track),
        holdings=holdings,
        reservations=d.table(Reservation),
        marks=marks,
        pace=d.get(Pace, "pace") or Pace(),
        pnl_usd=pnl_usd(tally, holdings, marks),
        now_ns=d.now.market_ns,
    )


def count_fill(d: Draft, filled: OrderFilled) -> None:
    """Money, trades, stop-outs, losses in a row, day trades. A correction changes money only.

    A position that is closed lost money if what it realized, after the commissions heard by then, is below zero.
    """
    fill, new = filled.fill, not filled.corrects
    tally, track = d.get(Tally, "tally") or Tally(), d.get(Track, fill.symbol) or Track(symbol=fill.symbol)
    realized = filled.realized_usd - filled.undone_usd
    tally = msgspec.structs.replace(
        tally, realized_usd=tally.realized_usd + realized, trades=tally.trades + (new and fill.role != "adopted")
    )
    track = msgspec.structs.replace(track, realized_usd=track.realized_usd + realized)
    if new and fill.side == "BUY" and fill.role != "adopted":
        track = msgspec.structs.replace(track, bought=tally.session_date)
    if new and fill.side == "SELL":
        if track.bought and track.bought == tally.session_date:
            track = msgspec.structs.replace(track, bought="", day_trades=(*track.day_trades, tally.session_date))
        if filled.own < 1:
            stopped = fill.role == "stop"
            losses = tally.losses + 1 if track.realized_usd < 0 else 0
            tally = msgspec.structs.replace(tally, losses=losses, stopouts=tally.stopouts + stopped)
            track = msgspec.structs.replace(track, realized_usd=0.0, stopouts=track.stopouts + stopped)
    d.put(tally)
    d.put(track)


def look(d: Draft, settings: Settings) -> None:
    """Trip what is to be tripped: an event with figures, and a pause that says when it ends."""
    if not guards_on(settings):
        return
    record = record_of(d)
    tally = record.tally
    if settings.guards.drawdown_pct is not None:
        step = settings.allocation.total_usd_cap * PEAK_STEP
        if record.pnl_usd >= tally.peak_pnl_usd + step:
            tally = d.put(msgspec.structs.replace(tally, peak_pnl_usd=record.pnl_usd))
            record = msgspec.structs.replace(record, tally=tally)
    for trip in trips(record, settings):
        stopped = PauseRecord(
            scope=trip.symbol or FLEET,
            cause=trip.guard,
            by=f"guard {trip.guard}",
            resets=trip.resets,
            figures=trip.figures,
        )
        if d.get(PauseRecord, stopped.key) is None:
            pause(d, stopped)
            d.note("guard_tripped", trip.symbol or "", "WARNING", guard=trip.guard, resets=trip.resets, **trip.figures)
