"""Checks that block entries: account, client id, live confirmation, clock, disk. Pure.

A block stops entries only; stops stay and are kept. The exceptions are a wrong account and a wrong client id: then
nothing at all is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from messages.broker import BrokerClock, BrokerOrder, BrokerSnapshot, DiskSpace
from messages.entries import CancelEntry
from messages.market import BrokerTime
from messages.orders import OrderRecord
from services.configuration.settings import Settings
from services.gateway.book.blocks import block, unblock
from services.gateway.book.ownership import is_ours
from services.gateway.book.queries import links_of
from services.gateway.book.records import Block, Book, Confirmed
from services.gateway.orders.placing import cancel_entry
from services.runtime.core import Draft, State
from services.trading.ids import is_paper_account

__all__ = [
    "ENOUGH_FREE_MB",
    "MAX_CLOCK_OFFSET_S",
    "MIN_FREE_MB",
    "account_trouble",
    "block_deadline",
    "check_clock",
    "check_confirmation",
    "check_disk_space",
    "check_owners",
    "client_trouble",
    "enforce_confirmation",
]

SECOND = 1_000_000_000
MAX_CLOCK_OFFSET_S = 1.0
"""Entries are blocked if this machine's clock differs more from the broker's: sessions and ages would be wrong."""

MIN_FREE_MB, ENOUGH_FREE_MB = 200.0, 400.0
"""Entries are blocked below the first, and allowed again from the second on (free space on the disk)."""


def account_trouble(settings: Settings, accounts: Sequence[str], bound_to: str) -> tuple[str, str]:
    """Which account to trade: (account, ''). If there is none: ('', one line that says what is wrong).

    The prefix of the account's id shows whether it is paper or live; the port does not. `bound_to`: the account that
    the fleet's records belong to; '' if they belong to none yet.
    """
    wanted, login = settings.ibkr.account, ", ".join(accounts) or "none"
    if wanted is None and len(accounts) == 1:
        wanted = accounts[0]
    if wanted is None:
        trouble = f"ibkr.account is null and the login has {len(accounts)} accounts ({login}); name the one to trade"
    elif wanted not in accounts:
        trouble = f"ibkr.account {wanted} is not of this login ({login}); log in with its user, or name another"
    elif settings.mode != "sim" and is_paper_account(wanted) is not (settings.mode == "paper"):
        kind = "paper" if is_paper_account(wanted) else "live"
        trouble = (
            f"mode is {settings.mode}, {wanted} is a {kind} account; log in with another user, or set mode: {kind}"
        )
    elif bound_to and bound_to != wanted:
        trouble = f"the records of this fleet are of {bound_to}, not of {wanted}; name another fleet (`fleet:`)"
    else:
        return wanted, ""
    return "", trouble


def client_trouble(d: Draft, client_id: int, bound_to: int) -> str:
    """One line that says what is wrong with the client id of this connection; '' if nothing is.

    The broker lets only the client that placed an order change or cancel it. So a fleet keeps the client id that its
    orders belong to (`bound_to`, 0: none yet) until none of them is live.
    """
    if not bound_to or client_id == bound_to:
        return ""
    # (An order without an id was found under yet another client id: it is no reason to keep this one.)
    orders = d.table(OrderRecord).values()
    live = [order for order in orders if order.live and order.role != "foreign" and order.order_id > 0]
    if not live:
        return ""
    symbols = ", ".join(dict.fromkeys(order.symbol for order in live))
    return (
        f"ibkr.client_id is {client_id}, the live orders of this fleet ({symbols}) belong to client id {bound_to}, and "
        f"only that one can change or cancel them; set ibkr.client_id: {bound_to}. To change it, start with "
        f"{bound_to}, `crazy flatten --yes`, `crazy down`, then set the new one"
    )


def check_owners(d: Draft, snapshot: BrokerSnapshot) -> None:
    """Block entries while orders of ours rest under another client id: a fleet without its records started anew.

    Their shares are protected, but this connection can neither change nor cancel these orders.
    """
    ours = links_of(d).client_id
    others = [
        order
        for order in snapshot.open_orders
        if ours and order.client_id not in (0, ours) and is_ours(d, order) and not _is_double(d, order)
    ]
    if not others:
        unblock(d, "other_client_id")
        return
    symbols = ", ".join(sorted({order.symbol for order in others}))
    ids = ", ".join(str(client_id) for client_id in sorted({order.client_id for order in others}))
    block(
        d,
        "other_client_id",
        f"orders of this fleet ({symbols}) belong to client id {ids}, and this is client id {ours}, which can't change "
        f"or cancel them; set ibkr.client_id: {ids} and restart",
        orders=float(len(others)),
    )


def _is_double(d: Draft, reported: BrokerOrder) -> bool:
    """Whether the order with this reference in the book is another one: `orders/doubles.py` reports it."""
    first = d.get(OrderRecord, reported.client_order_id)
    return first is not None and first.perm_id not in (0, reported.perm_id)


def check_confirmation(d: Draft, settings: Settings, account: str) -> bool:
    """Live mode needs a confirmation for this account that has not expired. True: cancel unfilled entries."""
    if settings.mode != "live":
        return False
    confirmation = d.get(Confirmed, "confirmed") or Confirmed()
    if confirmation.account == account and d.now.market_ns < confirmation.until_ns:
        unblock(d, "live_unconfirmed")
        return False
    if not confirmation.account:
        why = "has not been confirmed"
    elif confirmation.account != account:
        why = f"was confirmed for {confirmation.account} and trades {account}"
    else:
        why = "confirmation has expired"
    return block(d, "live_unconfirmed", f"live trading {why}; stops stay and are kept, `crazy golive` confirms it")


def enforce_confirmation(d: Draft, settings: Settings) -> None:
    """In live mode without a valid confirmation: block entries and cancel those that have not filled."""
    links, book = links_of(d), d.get(Book, "book") or Book()
    if book.account and check_confirmation(d, settings, book.account):
        for order in d.table(OrderRecord).values():
            if order.live and order.role == "entry":
                cancel_entry(d, CancelEntry(order.client_order_id, order.symbol, "live_unconfirmed"), links)


def check_disk_space(d: Draft, disk: DiskSpace) -> None:
    """Block entries while there is still enough disk space to protect shares: without it the fleet can't record."""
    if disk.free_mb < MIN_FREE_MB:
        text = f"{disk.free_mb:.0f} MB are left on the disk of the fleet's records; make room, stops stay and are kept"
        block(d, "disk_full", text, free_mb=round(disk.free_mb))
    elif disk.free_mb >= ENOUGH_FREE_MB:
        unblock(d, "disk_full")


def block_deadline(state: State) -> int | None:
    """Market time at which the confirmation expires."""
    confirmation = state.get(Confirmed, "confirmed")
    if confirmation is None or not confirmation.until_ns or state.get(Block, "live_unconfirmed") is not None:
        return None
    return confirmation.until_ns


def check_clock(d: Draft, clock: BrokerClock) -> None:
    """Compare this machine's clock with the broker's. Only what the bounds prove blocks or unblocks.

    The clock process gets the broker's time: market time follows it.
    """
    if clock.wall_ns:
        ahead_ns = int((clock.least_s + clock.most_s) / 2 * SECOND)
        d.send("clock", BrokerTime(clock.wall_ns - ahead_ns, clock.steady_ns))
    off_s = clock.least_s if clock.least_s > 0 else clock.most_s if clock.most_s < 0 else 0.0
    if abs(off_s) > MAX_CLOCK_OFFSET_S:
        way = "ahead of" if off_s > 0 else "behind"
        text = f"this machine's clock is at least {abs(off_s):.1f} s {way} the broker's; synchronize it (NTP)"
        block(d, "clock_off", text, off_s=round(off_s, 2))
    elif max(clock.most_s, -clock.least_s) <= 2 * MAX_CLOCK_OFFSET_S:
        unblock(d, "clock_off")
