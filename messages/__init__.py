"""Every message of the fleet, one file per conversation.

`Message` is the union of all messages that can be a row of an outbox; a core matches on it. A message class only ever
gains fields with defaults, at its end. Each file says in `ROUTES` who sends its messages to whom. The page
docs/messages.md is made of all this by `messages/page.py`.
"""

from __future__ import annotations

import msgspec

from messages.account import (
    AccountUpdated,
    BookTold,
    LinkChanged,
    PerformanceSnapshot,
    ReconciliationDone,
    RequestBook,
)
from messages.broker import CancelOrder, PlaceOrder, Qualify, RequestSnapshot, Resubscribe, StartStreams, Subscribe
from messages.entries import CancelEntry, EntryApproved, EntryDenied, EntryDropped, SubmitEntry
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import (
    BrokerTime,
    MarketRule,
    MarketTime,
    SessionApproaching,
    SessionAwaited,
    SessionClosed,
    SessionClosing,
    SessionOpened,
    Tick,
)
from messages.operator import (
    Adopt,
    AdoptFound,
    ClearCooldown,
    Flatten,
    Flattening,
    Happened,
    Pause,
    Paused,
    Refused,
    Resume,
    Resumed,
    SymbolStatus,
)
from messages.orders import (
    CommissionReported,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    OrderRejected,
    OrderUpdated,
    PositionUpdated,
    ProtectionChanged,
)
from messages.timers import Elapsed, Started
from messages.watchlist import SymbolRetired, Watch, WatchlistChanged

Message = (
    Tick
    | MarketTime
    | MarketRule
    | BrokerTime
    | SessionAwaited
    | SessionApproaching
    | SessionOpened
    | SessionClosing
    | SessionClosed
    | SubmitEntry
    | EntryApproved
    | EntryDenied
    | EntryDropped
    | CancelEntry
    | OrderPlaced
    | OrderAccepted
    | OrderUpdated
    | OrderFilled
    | OrderCancelled
    | OrderRejected
    | CommissionReported
    | PositionUpdated
    | ProtectionChanged
    | AccountUpdated
    | LinkChanged
    | ReconciliationDone
    | PerformanceSnapshot
    | RequestBook
    | BookTold
    | Pause
    | Resume
    | Flatten
    | Adopt
    | AdoptFound
    | ClearCooldown
    | Flattening
    | Paused
    | Resumed
    | SymbolStatus
    | Happened
    | Refused
    | Started
    | Elapsed
    | PlaceOrder
    | CancelOrder
    | RequestSnapshot
    | Qualify
    | Resubscribe
    | StartStreams
    | Subscribe
    | EntriesBlocked
    | EntriesUnblocked
    | Watch
    | WatchlistChanged
    | SymbolRetired
)

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Message).decode

__all__ = ["Message", "decode", "encode"]
