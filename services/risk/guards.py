"""The guards: circuit breakers on entries, each a function and a row of a table. Pure.

There are two kinds. A guard that *denies* checks one entry and denies it. A guard that *trips* checks the bot's own
record and stops entries, of one symbol or of all, until the next session or until the operator resumes. Protection goes
on in every case. Money is the bot's own P&L, measured against `allocation.total_usd_cap`: deposits, withdrawals and
foreign positions do not change it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

import msgspec

from messages.entries import EntryPlan
from services.configuration.settings import Settings
from services.risk.limits import Denied, Holding, Mark, Reserved
from services.risk.pauses import NEXT_SESSION, RESUME

__all__ = [
    "DENIALS",
    "TRIPS",
    "Closed",
    "Pace",
    "Rebase",
    "Tally",
    "Track",
    "TrackRecord",
    "Trip",
    "denial",
    "guards_on",
    "pnl_usd",
    "realized_pnl_usd",
    "trips",
    "value_usd",
]

MINUTE_NS = 60_000_000_000


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """The bot's own money since the ledger began, the P&L at the last close and at its peak, and today's counts.

    `losses`: how many closed positions in a row lost money. `sessions`: the dates of the last sessions, today included.
    `closed_date` and `next_date`: the last session whose close was seen, and the one that follows it.
    Closed positions are numbered up to `closed`. `wins` are the newest of them that lost nothing. Losses in a row count
    from the position after number `forgiven`.
    """

    realized_usd: float = 0.0
    commissions_usd: float = 0.0
    last_close_pnl_usd: float = 0.0
    next_date: str = ""
    closed_date: str = ""
    peak_pnl_usd: float = 0.0
    session_date: str = ""
    sessions: tuple[str, ...] = ()
    trades: int = 0
    stopouts: int = 0
    losses: int = 0
    closed: int = 0
    wins: tuple[int, ...] = ()
    forgiven: int = 0

    @property
    def key(self) -> str:
        return "tally"


class Rebase(msgspec.Struct, frozen=True):
    """A close was missed: the day's P&L of these shares counts from the first price of the session.

    `own` shares were held when the session opened, at the last known `price`. Without this, what they gained while
    nobody looked would pay for the losses of today.
    """

    symbol: str
    own: float
    price: float
    since_ns: int

    @property
    def key(self) -> str:
        return self.symbol


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """The last closed position of a symbol: its number, its orders, and what it realized as far as reported."""

    number: int
    orders: tuple[str, ...]
    realized_usd: float


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """What guards remember of one symbol: today's stop-outs, what the open position has realized, day trades.

    `bought`: the session of the newest purchase that has not been sold in the same session. `day_trades`: the sessions
    with a purchase and a sale. `orders`: the orders of the open position. `last`: the position before it.
    """

    symbol: str
    stopouts: int = 0
    realized_usd: float = 0.0
    bought: str = ""
    day_trades: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    last: Closed | None = None

    @property
    def key(self) -> str:
        return self.symbol


class Pace(msgspec.Struct, frozen=True):
    """When the entries of the last minute were approved, in market time."""

    approved_ns: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        return "pace"


class TrackRecord(msgspec.Struct, frozen=True):
    """The bot's own record, as guards see it. `pnl_usd` is its whole P&L now, open positions included.

    `rebases`: the day's P&L is not known yet, because a close was missed (see `Rebase`).
    """

    tally: Tally
    tracks: Mapping[str, Track]
    holdings: Mapping[str, Holding]
    reservations: Mapping[str, Reserved]
    marks: Mapping[str, Mark]
    pace: Pace
    pnl_usd: float
    now_ns: int
    rebases: bool = False

    @property
    def valued(self) -> bool:
        """Whether every share has a price: guards of money wait for it. At cost there would be false peaks."""
        return all(h.symbol in self.marks for h in self.holdings.values() if h.own)


class Trip(msgspec.Struct, frozen=True):
    """A tripped guard: it stops entries of one symbol or of all (None), until `resets`, with its figures."""

    guard: str
    symbol: str | None
    resets: str
    figures: dict[str, float]


def value_usd(holdings: Mapping[str, Holding], marks: Mapping[str, Mark]) -> float:
    """What the bot's own shares are worth: at the newest price, without one at cost."""
    held = (h for h in holdings.values() if h.own)
    return sum(h.own * marks[h.symbol].price if h.symbol in marks else h.cost_usd for h in held)


def realized_pnl_usd(tally: Tally) -> float:
    """The bot's P&L of what it has sold since its ledger began, after all commissions."""
    return tally.realized_usd - tally.commissions_usd


def pnl_usd(tally: Tally, holdings: Mapping[str, Holding], marks: Mapping[str, Mark]) -> float:
    """The bot's whole P&L since its ledger began, after commissions: realized, and of open positions."""
    cost_usd = sum(h.cost_usd for h in holdings.values() if h.own)
    return realized_pnl_usd(tally) + value_usd(holdings, marks) - cost_usd


# Guards that trip.


def _daily_loss(record: TrackRecord, settings: Settings) -> list[Trip]:
    pct = settings.guards.daily_loss_pct
    if pct is None or not record.valued or record.rebases:
        return []
    today = record.pnl_usd - record.tally.last_close_pnl_usd
    limit = settings.allocation.total_usd_cap * pct / 100
    if today > -limit:
        return []
    return [Trip("daily_loss", None, NEXT_SESSION, {"today_usd": round(today, 2), "limit_usd": round(-limit, 2)})]


def _drawdown(record: TrackRecord, settings: Settings) -> list[Trip]:
    pct = settings.guards.drawdown_pct
    if pct is None or not record.valued:
        return []
    below = record.tally.peak_pnl_usd - record.pnl_usd
    limit = settings.allocation.total_usd_cap * pct / 100
    if below < limit:
        return []
    return [Trip("drawdown", None, RESUME, {"drawdown_usd": round(below, 2), "limit_usd": round(limit, 2)})]


def _stopouts(record: TrackRecord, settings: Settings) -> list[Trip]:
    most, count = settings.guards.stopouts_per_day, record.tally.stopouts
    if most is None or count < most:
        return []
    return [Trip("stopouts", None, NEXT_SESSION, {"stopouts": float(count), "limit": float(most)})]


def _symbol_stopouts(record: TrackRecord, settings: Settings) -> list[Trip]:
    most = settings.guards.stopouts_per_symbol_per_day
    if most is None:
        return []
    return [
        Trip("symbol_stopouts", track.symbol, NEXT_SESSION, {"stopouts": float(track.stopouts), "limit": float(most)})
        for track in record.tracks.values()
        if track.stopouts >= most
    ]


def _consecutive_losses(record: TrackRecord, settings: Settings) -> list[Trip]:
    most, losses = settings.guards.consecutive_losses, record.tally.losses
    if most is None or losses < most:
        return []
    return [Trip("consecutive_losses", None, RESUME, {"losses": float(losses), "limit": float(most)})]


TRIPS: dict[str, Callable[[TrackRecord, Settings], list[Trip]]] = {
    "daily_loss": _daily_loss,
    "drawdown": _drawdown,
    "stopouts": _stopouts,
    "symbol_stopouts": _symbol_stopouts,
    "consecutive_losses": _consecutive_losses,
}
"""Every guard that trips, by its name in events and pauses."""


def guards_on(settings: Settings) -> tuple[str, ...]:
    """The names of the guards that are configured."""
    g = settings.guards
    limits = (g.daily_loss_pct, g.drawdown_pct, g.stopouts_per_day, g.stopouts_per_symbol_per_day, g.consecutive_losses)
    return tuple(name for name, limit in zip(TRIPS, limits, strict=True) if limit is not None)


def trips(record: TrackRecord, settings: Settings) -> list[Trip]:
    """All guards that this record trips."""
    return [trip for guard in TRIPS.values() for trip in guard(record, settings)]


# Guards that deny.


def _restricted(plan: EntryPlan, usd: float, record: TrackRecord, settings: Settings) -> Denied | None:
    return Denied("restricted") if plan.symbol in settings.guards.restricted else None


def _blackout(plan: EntryPlan, usd: float, record: TrackRecord, settings: Settings) -> Denied | None:
    dates = settings.guards.blackouts.get(plan.symbol, ())
    return Denied("blackout") if date.fromisoformat(plan.session_date) in dates else None


def _max_quantity(plan: EntryPlan, usd: float, record: TrackRecord, settings: Settings) -> Denied | None:
    most = settings.guards.max_quantity
    if most is None or plan.quantity <= most:
        return None
    return Denied("max_quantity", {"quantity": plan.quantity, "limit": most})


def _max_notional(plan: EntryPlan, usd: float, record: TrackRecord, settings: Settings) -> Denied | None:
    most = settings.guards.max_notional_usd
    if most is None or usd <= most:
        return None
    return Denied("max_notional", {"entry_usd": round(usd, 2), "limit_usd": most})


def _price_band(plan: EntryPlan, usd: float, record: TrackRecord, settings: Settings) -> Denied | None:
    """Compare with the last trade that the plan is based on. The gateway compares again with the market at sending."""
    band, last = settings.guards.price_band_pct, plan.reference
    for price in (plan.stop_price, plan.limit_price or plan.stop_price):
        if band is not None and abs(price / last - 1) * 100 > band:
            return Denied("price_band", {"price": price, "last": last, "band_pct": band})
    return None


def _orders_per_minute(plan: EntryPlan, usd: float, record: TrackRecord, settings: Settings) -> Denied | None:
    most = settings.guards.orders_per_minute
    recent = sum(at > record.now_ns - MINUTE_NS for at in record.pace.approved_ns)
    if most is None or recent < most:
        return None
    return Denied("orders_per_minute", {"orders": float(recent), "limit": float(most)})


def _day_trades(plan: EntryPlan, usd: float, record: TrackRecord, settings: Settings) -> Denied | None:
    most = settings.guards.day_trades
    if most is None:
        return None
    window = record.tally.sessions[-settings.guards.day_trade_sessions :]
    today = record.tally.session_date
    done = sum(day in window for track in record.tracks.values() for day in track.day_trades)
    held = [s for s, track in record.tracks.items() if track.bought == today and _own(record, s)]
    may_come = len({*held, *(r.symbol for r in record.reservations.values())})
    if done + may_come + 1 <= most:
        return None
    return Denied("day_trades", {"done": float(done), "may_come": float(may_come), "limit": float(most)})


def _own(record: TrackRecord, symbol: str) -> float:
    holding = record.holdings.get(symbol)
    return holding.own if holding is not None else 0.0


DENIALS: dict[str, Callable[[EntryPlan, float, TrackRecord, Settings], Denied | None]] = {
    "restricted": _restricted,
    "blackout": _blackout,
    "max_quantity": _max_quantity,
    "max_notional": _max_notional,
    "price_band": _price_band,
    "orders_per_minute": _orders_per_minute,
    "day_trades": _day_trades,
}
"""Every guard that denies, by its reason code, in the order of the checks."""


def denial(plan: EntryPlan, usd: float, record: TrackRecord, settings: Settings) -> Denied | None:
    """The denial of the first guard that denies this entry; None if no guard does."""
    answers = (guard(plan, usd, record, settings) for guard in DENIALS.values())
    return next((denied for denied in answers if denied is not None), None)
