"""The record of a symbol, and its status for the fleet."""

from __future__ import annotations

from typing import Any

import msgspec

from messages.operator import SymbolStatus
from services.symbol.states import Event, SymbolState, after
from services.trading.prices import US_STOCKS, Grid

__all__ = ["SymbolRecord", "changed", "holds", "moved", "shown", "status_of"]


class SymbolRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All that a symbol remembers. Times are market time in ns, 0 for none.

    `entry_live`: the last entry may still trade. `cancelling`: why its cancel was requested, '' if it was not.
    `entry_at`: its state at the broker, '' (unconfirmed), 'held' (until its trigger) or 'working'. `stop_held`: the
    broker holds the stop until its trigger. `account`: the account's whole position, None before the first report.
    `halt_trade_ns`: time of the last trade seen during a halt. `own_blocks`: those of `blocks` that concern this symbol
    alone.
    """

    symbol: str
    state: SymbolState = SymbolState.NO_POSITION
    why: str = "session_closed"
    figures: dict[str, float] = {}
    session_date: str = ""
    session_open_ns: int = 0
    entries_until_ns: int = 0
    break_ns: tuple[int, int] = (0, 0)
    phase: str = "closed"
    entry_number: int = 0
    entry_id: str = ""
    stop_id: str = ""
    own: float = 0.0
    cost_usd: float = 0.0
    cooldown_until_ns: int = 0
    wait_until_ns: int = 0
    refusals: int = 0
    disarmed: bool = False
    paused: bool = False
    fleet_paused: bool = False
    links_down: tuple[str, ...] = ()
    last_tick: tuple[int, int] = (0, 0)
    blocks: dict[str, dict[str, float]] = {}
    own_blocks: tuple[str, ...] = ()
    winding_down: bool = False
    retired: bool = False
    entry_live: bool = False
    entry_at: str = ""
    entry_trigger: float = 0.0
    anchored_ns: int = 0
    triggered_ns: int = 0
    partial_ns: int = 0
    cancelling: str = ""
    stop_held: bool = False
    exiting_ns: int = 0
    exit_told: bool = False
    account: float | None = None
    halt_trade_ns: int = 0
    grid: Grid = US_STOCKS
    stopout_exec: str = ""
    """The execution that the last cooldown counts from: its exec_id, '' once the operator has cleared the cooldown."""
    whole_only: bool = False
    """The broker has refused a fraction of this symbol: it buys whole shares until the operator resumes it."""

    @property
    def holds(self) -> bool:
        """Whether a stop can protect own shares: there is at least one."""
        return holds(self.own)

    @property
    def key(self) -> str:
        return self.symbol


def holds(own: float) -> bool:
    """At least one share. A stop can't protect a fraction of a share, so a fraction is no position."""
    return own >= 1 - 1e-9


def changed(r: SymbolRecord, **changes: Any) -> SymbolRecord:
    """The record with these fields changed; the same object if nothing differs."""
    if all(getattr(r, name) == value for name, value in changes.items()):
        return r
    return msgspec.structs.replace(r, **changes)


def moved(r: SymbolRecord, event: Event) -> SymbolRecord:
    """The record after this event, by the table of states."""
    return changed(r, state=after(r.state, event))


def shown(r: SymbolRecord) -> tuple[object, ...]:
    """The fields whose change sends a status."""
    return (r.state, r.why, r.own, r.entry_id, r.stop_id, r.cooldown_until_ns, r.session_date)


def status_of(r: SymbolRecord, now_ns: int) -> SymbolStatus:
    """The status message of this record."""
    return SymbolStatus(
        symbol=r.symbol,
        state=r.state.value,
        why=r.why,
        figures=r.figures,
        cooldown_until_ns=r.cooldown_until_ns,
        session_date=r.session_date,
        entry_number=r.entry_number,
        entry_client_order_id=r.entry_id,
        stop_client_order_id=r.stop_id,
        own=r.own,
        cost_usd=r.cost_usd,
        time_ns=now_ns,
    )
