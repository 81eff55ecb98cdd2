"""The bot's own record for the guards (money, stop-outs, losses, day trades), and the tripping of guards."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from messages.orders import CommissionReported, Fill, OrderFilled
from services.configuration.settings import Settings
from services.risk.exposure import reserved
from services.risk.guards import Closed, Pace, Rebase, Tally, Track, TrackRecord, guards_on, pnl_usd, trips
from services.risk.limits import MARK_STEP, AccountRecord, Holding, LastMark, Mark
from services.risk.pauses import FLEET, PauseRecord, pause
from services.runtime.core import Draft

__all__ = [
    "Unpriced",
    "begin_rebase",
    "count_commission",
    "count_fill",
    "in_dollars",
    "keep_mark",
    "mark_fill",
    "price_commissions",
    "rebase",
    "record_of",
    "restore_marks",
    "trip_guards",
]

WINS_KEPT = 20
"""Only the newest closed positions can still get a commission."""
PEAK_STEP = 1e-4
"""Part of the cap. A peak that is higher by less than this is not written to the ledger."""


class Unpriced(msgspec.Struct, frozen=True):
    """A commission in a currency without a rate from the broker. A euro is never counted as a dollar."""

    exec_id: str
    symbol: str
    client_order_id: str
    amount: float
    currency: str

    @property
    def key(self) -> str:
        return self.exec_id


def record_of(d: Draft) -> TrackRecord:
    """What guards see, as it is now."""
    tally, holdings, marks = d.get(Tally, "tally") or Tally(), d.table(Holding), d.table(Mark)
    return TrackRecord(
        tally=tally,
        tracks=d.table(Track),
        holdings=holdings,
        reservations=reserved(d),
        marks=marks,
        pace=d.get(Pace, "pace") or Pace(),
        pnl_usd=pnl_usd(tally, holdings, marks),
        now_ns=d.now.market_ns,
        rebases=bool(d.table(Rebase)),
    )


def count_fill(d: Draft, filled: OrderFilled) -> None:
    """Count money, trades, stop-outs, losses in a row and day trades. A correction changes money only.

    A closed position lost money if what it realized is below zero. Commissions that are reported later may change that.
    """
    fill, new = filled.fill, not filled.corrects
    if fill.side == "SELL" and new:
        rebase(d, fill.symbol, fill.price, fill.time_ns, fill.quantity)
    tally, track = d.get(Tally, "tally") or Tally(), d.get(Track, fill.symbol) or Track(symbol=fill.symbol)
    realized = filled.realized_usd - filled.undone_usd
    tally = msgspec.structs.replace(
        tally, realized_usd=tally.realized_usd + realized, trades=tally.trades + (new and fill.role != "adopted")
    )
    if new and fill.client_order_id not in track.orders:
        track = msgspec.structs.replace(track, orders=(*track.orders, fill.client_order_id))
    tally, track = _realized(tally, track, fill.client_order_id, realized)
    if new and fill.side == "BUY" and fill.role != "adopted":
        track = msgspec.structs.replace(track, bought=tally.session_date)
    if new and fill.side == "SELL":
        if track.bought and track.bought == tally.session_date:
            track = msgspec.structs.replace(track, bought="", day_trades=(*track.day_trades, tally.session_date))
        if filled.own < 1:
            tally, track = _closed(tally, track, stopped=fill.role == "stop")
    d.put(tally)
    d.put(track)


def count_commission(d: Draft, report: CommissionReported) -> None:
    """Count what an execution cost, in dollars.

    Without a rate the commission waits for one. Meanwhile entries are denied, because it may trip a guard.
    """
    amount, account = report.commission - report.undone_usd, d.get(AccountRecord, "account")
    rates = account.rates if account is not None else {}
    if report.rate_usd is not None:
        rates = {report.currency: report.rate_usd}  # as the recorder takes it
    usd = in_dollars(amount, report.currency, rates)
    if usd is None:
        d.put(Unpriced(report.exec_id, report.symbol, report.client_order_id, amount, report.currency))
        d.note("commission_unpriced", report.symbol, "WARNING", commission=amount, currency=report.currency)
    else:
        _charge(d, report.symbol, report.client_order_id, usd)


def price_commissions(d: Draft) -> None:
    """The broker reported rates: count the commissions that waited for them."""
    account = d.get(AccountRecord, "account")
    for waiting in d.table(Unpriced).values():
        usd = in_dollars(waiting.amount, waiting.currency, account.rates if account is not None else {})
        if usd is not None:
            d.drop(Unpriced, waiting.key)
            _charge(d, waiting.symbol, waiting.client_order_id, usd)


def in_dollars(amount: float, currency: str, rates: Mapping[str, float]) -> float | None:
    """The amount in dollars by the broker's rate; None without a rate. No currency means the dollar."""
    if currency in ("USD", ""):
        return amount
    rate = rates.get(currency)
    return None if rate is None else amount * rate


def _charge(d: Draft, symbol: str, client_order_id: str, usd: float) -> None:
    tally, track = d.get(Tally, "tally") or Tally(), d.get(Track, symbol) or Track(symbol=symbol)
    tally = msgspec.structs.replace(tally, commissions_usd=tally.commissions_usd + usd)
    tally, track = _realized(tally, track, client_order_id, -usd)
    d.put(tally)
    d.put(track)


def _realized(tally: Tally, track: Track, client_order_id: str, usd: float) -> tuple[Tally, Track]:
    """Add money to the position in which its order traded: the open one or the last one. Older ones do not change."""
    last = track.last
    if client_order_id in track.orders:
        return tally, msgspec.structs.replace(track, realized_usd=track.realized_usd + usd)
    if last is None or client_order_id not in last.orders:
        return tally, track
    last = msgspec.structs.replace(last, realized_usd=last.realized_usd + usd)
    return _with_result(tally, last), msgspec.structs.replace(track, last=last)


def _closed(tally: Tally, track: Track, *, stopped: bool) -> tuple[Tally, Track]:
    """The position is closed."""
    # Records of an earlier release have losses and no numbers.
    last = Closed(number=max(tally.closed, tally.losses) + 1, orders=track.orders, realized_usd=track.realized_usd)
    tally = msgspec.structs.replace(tally, closed=last.number, stopouts=tally.stopouts + stopped)
    stopouts = track.stopouts + stopped
    track = msgspec.structs.replace(track, realized_usd=0.0, orders=(), last=last, stopouts=stopouts)
    return _with_result(tally, last), track


def _with_result(tally: Tally, closed: Closed) -> Tally:
    """Count whether this position lost money, and the losses in a row. A later commission may change the result."""
    other_wins = tuple(number for number in tally.wins if number != closed.number)
    wins = other_wins if closed.realized_usd < 0 else tuple(sorted((*other_wins, closed.number)))[-WINS_KEPT:]
    return msgspec.structs.replace(tally, wins=wins, losses=tally.closed - max((*wins, tally.forgiven)))


def keep_mark(d: Draft, symbol: str, price: float, step: float = MARK_STEP) -> None:
    """Write the price of a held symbol to the ledger, if it moved by at least this part of itself."""
    kept = d.get(LastMark, symbol)
    if kept is None or abs(price - kept.price) > step * kept.price:
        d.put(LastMark(symbol, price))


def mark_fill(d: Draft, fill: Fill) -> None:
    """The price of a fill is the newest one where no tick was seen."""
    if d.get(Mark, fill.symbol) is None and fill.price > 0:
        d.put(Mark(fill.symbol, fill.price))
        keep_mark(d, fill.symbol, fill.price)


def restore_marks(d: Draft) -> None:
    """After a start: the last known prices, until the first tick."""
    for kept in d.table(LastMark).values():
        if d.get(Mark, kept.symbol) is None:
            d.put(Mark(kept.symbol, kept.price))


def begin_rebase(d: Draft, session_open_ns: int) -> None:
    """A session opens, and the close before it was missed: the day's P&L counts from the first prices of today."""
    marks = d.table(Mark)
    for holding in d.table(Holding).values():
        if holding.own and holding.symbol in marks:
            d.put(Rebase(holding.symbol, holding.own, marks[holding.symbol].price, session_open_ns))
    tally = d.get(Tally, "tally") or Tally()
    d.put(msgspec.structs.replace(tally, last_close_pnl_usd=record_of(d).pnl_usd))


def rebase(d: Draft, symbol: str, price: float, time_ns: int, sold: float = 0.0) -> None:
    """The first price of a session after a missed close: what came before it is not of today.

    `sold`: shares that were sold at this price. Before the session, only these are settled by it.
    """
    waiting = d.get(Rebase, symbol)
    if waiting is None or price <= 0:
        return
    shares = waiting.own if time_ns >= waiting.since_ns else min(sold, waiting.own)
    if shares <= 0:
        return
    tally = d.get(Tally, "tally") or Tally()
    gained = shares * (price - waiting.price)
    d.put(msgspec.structs.replace(tally, last_close_pnl_usd=tally.last_close_pnl_usd + gained))
    if waiting.own > shares:
        d.put(msgspec.structs.replace(waiting, own=waiting.own - shares))
    else:
        d.drop(Rebase, symbol)


def trip_guards(d: Draft, settings: Settings) -> None:
    """Trip guards that reached their limit: a pause, and an event with the figures."""
    if not guards_on(settings):
        return
    record = record_of(d)
    if settings.guards.drawdown_pct is not None and record.valued:
        step = settings.allocation.total_usd_cap * PEAK_STEP
        if record.pnl_usd >= record.tally.peak_pnl_usd + step:
            d.put(msgspec.structs.replace(record.tally, peak_pnl_usd=record.pnl_usd))
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
