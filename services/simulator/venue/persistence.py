"""Persistence: the part of the exchange's state that a store saves, and its restoration. Pure."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import msgspec

from services.simulator.venue.events import EventKey
from services.simulator.venue.holdings import AccountHolding, Funds
from services.simulator.venue.instruments import InstrumentTerms
from services.simulator.venue.orders import Execution, Order
from services.simulator.venue.reports import CommissionReport
from services.simulator.venue.state import ExchangeState
from services.simulator.venue.tape import Tape

__all__ = ["Changes", "Checkpoint", "SavedExchange", "restore_state", "take_changes"]

S = TypeVar("S", Funds, Tape)


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's time, the last market event processed, the money, each client's highest order id.

    `others` are the contracts that aren't listed stocks, by name.
    """

    now_ns: int
    market_key: EventKey
    funds: list[Funds]
    last_order_ids: dict[int, int]
    last_login_ns: int = 0
    others: dict[str, InstrumentTerms] = {}


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The changes since the last save: the rows that a store has to write."""

    checkpoint: Checkpoint
    orders: list[Order]
    executions: list[Execution]
    commissions: list[CommissionReport]
    holdings: list[AccountHolding]
    tapes: list[Tape]


class SavedExchange(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an exchange needs to continue."""

    checkpoint: Checkpoint
    orders: list[Order]
    executions: list[Execution]
    commissions: list[CommissionReport]
    holdings: list[AccountHolding]
    tapes: list[Tape]


def take_changes(state: ExchangeState) -> Changes:
    """The changes since the last call."""
    executions, commissions = state.executions.take_unsaved()
    changes = Changes(
        checkpoint=Checkpoint(
            now_ns=state.now_ns,
            market_key=state.market_key,
            funds=[_copy(account.funds, unsettled=account.funds.unsettled) for account in state.accounts.values()],
            last_order_ids=dict(state.orders.last_order_ids),
            last_login_ns=state.now_ns if state.logged_in else state.last_login_ns,
            others=dict(state.others),
        ),
        orders=[copy.copy(order) for order in state.orders.take_changed()],
        executions=executions,
        commissions=commissions,
        holdings=[copy.copy(state.accounts[name].holdings[symbol]) for name, symbol in sorted(state.touched_holdings)],
        tapes=[_copy(tape, recent=tape.recent) for tape in map(state.tapes.__getitem__, sorted(state.touched_tapes))],
    )
    state.touched_holdings.clear()
    state.touched_tapes.clear()
    return changes


def restore_state(state: ExchangeState, saved: SavedExchange) -> None:
    """Restore the saved state."""
    state.now_ns = saved.checkpoint.now_ns
    state.market_key = saved.checkpoint.market_key
    state.last_login_ns = saved.checkpoint.last_login_ns
    for name, contract in saved.checkpoint.others.items():
        state.set_instrument(name, contract)
    for funds in saved.checkpoint.funds:
        state.add_account(funds.account)
        state.accounts[funds.account].funds = funds
    for holding in saved.holdings:
        state.accounts[holding.account].holdings[holding.symbol] = holding
    state.tapes |= {tape.symbol: tape for tape in saved.tapes}
    for order in saved.orders:
        state.orders.add(order)
    state.orders.last_order_ids |= saved.checkpoint.last_order_ids
    state.orders.take_changed()
    state.executions.restore(saved.executions, saved.commissions)


def _copy(struct: S, **lists: list[Any]) -> S:
    """A copy of the struct and of the lists in it (their members never change)."""
    return msgspec.structs.replace(struct, **{name: members.copy() for name, members in lists.items()})
