"""One message to a symbol with a given record: the fields that change, and all that it sends."""

from __future__ import annotations

from typing import Any

import msgspec

from messages import Message
from messages.market import Tick
from messages.operator import Happened, SymbolStatus
from messages.orders import Fill, OrderFilled, OrderRecord
from services.runtime.core import Now, State
from services.symbol.core import SymbolCore, SymbolRecord
from services.symbol.record import shown, status_of
from services.symbol.states import SymbolState
from tests.symbol.scenario import MINUTE, MONDAY, SECOND, settings_of

S = SymbolState
NOON = MONDAY.open_ns + 150 * MINUTE
ENTRIES_UNTIL = MONDAY.close_ns - 15 * MINUTE
ENTRY, STOP = "CT.sim-TSLA-20250106-1", "CT.sim-TSLA-20250106-1-S1"

ARMED = SymbolRecord(
    symbol="TSLA",
    why="armed",
    session_date=MONDAY.date,
    session_open_ns=MONDAY.open_ns,
    entries_until_ns=ENTRIES_UNTIL,
    phase="open",
)
"""Monday at noon: nothing blocks an entry."""


def with_(record: SymbolRecord, **fields: Any) -> SymbolRecord:
    return msgspec.structs.replace(record, **fields)


SUBMITTED = with_(
    ARMED,
    state=S.ENTRY_PENDING,
    why="waits_for_trigger",
    figures={"trigger": 105.0},
    entry_number=1,
    entry_id=ENTRY,
    stop_id=STOP,
    entry_live=True,
    entry_trigger=105.0,
    anchored_ns=NOON - MINUTE,
)
"""An entry was submitted a minute ago."""

HOLDS = with_(
    SUBMITTED,
    state=S.POSITION_OPEN,
    why="protected_by_stop",
    figures={},
    own=9.0,
    cost_usd=945.0,
    entry_live=False,
    stop_held=True,
)
"""It was filled whole, and the broker holds its stop."""

FILLING = with_(
    HOLDS, why="entry_filling", own=4.0, cost_usd=420.0, entry_live=True, entry_at="working", partial_ns=NOON - SECOND
)
"""Four of its nine shares were filled a second ago."""

EXITING = with_(HOLDS, state=S.EXITING, why="stop_triggered", exiting_ns=NOON - 3 * SECOND)
"""Its stop was triggered three seconds ago and is not filled."""

RESTS = with_(
    HOLDS,
    state=S.COOLDOWN,
    why="stopped_out",
    figures={"price": 94.0},
    own=0.0,
    cost_usd=0.0,
    stop_held=False,
    cooldown_until_ns=NOON + MINUTE,
)
"""It was stopped out and has a minute left to rest."""

ENDED: dict[str, Any] = {"entry_live": False}
"""What the end of an entry changes in `ASKED`."""

WORKED = with_(
    SUBMITTED, entry_at="working", triggered_ns=NOON - SECOND, partial_ns=NOON - SECOND, cancelling="paused", refusals=0
)
"""An entry with all that is remembered of one."""

FORGOTTEN: dict[str, Any] = ENDED | {"entry_at": "", "triggered_ns": 0, "partial_ns": 0, "cancelling": ""}
"""What its end changes in that."""

FREE: dict[str, Any] = {"state": S.NO_POSITION}

Step = tuple[dict[str, Any], list[str]]
NOTHING: Step = ({}, [])


def step(given: SymbolRecord, message: Message, *, now: int = NOON, stale: bool = False, **sections: Any) -> Step:
    """The fields that differ afterwards, and what is sent, in order. Each change that a status shows sends one, last of
    all. This is checked here, and the status is left out of the result."""
    core = SymbolCore(given.symbol, settings_of(**sections))
    state = State(core.kinds)
    state.apply([(SymbolRecord, given.symbol, given)])
    decision = core.handle(state, message, Now(now, 0, None, stale))
    assert decision.published == []
    state.apply(decision.changes)
    then = core.record(state)
    fields = {name: getattr(then, name) for name in then.__struct_fields__}
    differs = {name: value for name, value in fields.items() if value != getattr(given, name)}
    assert decision.changes == ([(SymbolRecord, "TSLA", then)] if differs else []), "a row for a change, none without"
    sent = list(decision.messages)
    if shown(then) != shown(given):
        assert sent.pop() == ("TSLA", status_of(then, now))
    assert not [m for _, m in sent if isinstance(m, SymbolStatus)]
    return differs, [f"{to}: {one_line(m, now)}" for to, m in sent]


def one_line(message: Message, now: int) -> str:
    """A message in one line: its name and its fields."""
    if isinstance(message, Happened):
        assert message.time_ns == now, "it happens now"
        fields = "".join(f" {name}={value!r}" for name, value in message.fields.items())
        return f"{message.level} {message.event} {message.symbol}{fields}"
    return " ".join([type(message).__name__, *map(str, msgspec.structs.astuple(message))])


def takes_back(reason: str, entry: str = ENTRY) -> str:
    """The message that cancels the entry."""
    return f"gateway: CancelEntry {entry} TSLA {reason}"


def tick(last: float = 100.0, *, number: int = 2, run: int = 1, **more: Any) -> Tick:
    """The market at noon; the last trade is a second old."""
    fields: dict[str, Any] = {"last_ns": NOON - SECOND, "bid": last - 0.01, "ask": last + 0.01}
    return Tick("TSLA", run, number, NOON, last, **(fields | more))


def entry_order(**more: Any) -> OrderRecord:
    fields: dict[str, Any] = {
        "client_order_id": ENTRY,
        "symbol": "TSLA",
        "role": "entry",
        "side": "BUY",
        "order_type": "STP LMT",
        "quantity": 9.0,
        "status": "PreSubmitted",
    }
    return OrderRecord(**(fields | more))


def stop_order(**more: Any) -> OrderRecord:
    fields = {"client_order_id": STOP, "role": "stop", "side": "SELL", "order_type": "TRAIL"}
    return entry_order(**(fields | more))


FILLED_NS = NOON - 7 * SECOND
"""The broker's time of a fill, which is reported a little later."""


def fill(
    side: str, *, own: float, cost_usd: float = 0.0, of: str = "", role: str = "", filled: float = 9.0, **more: Any
) -> OrderFilled:
    """`filled` of the nine shares of order `of`; what is own after it."""
    bought = side == "BUY"
    of = of or (ENTRY if bought else STOP)
    role = role or ("entry" if bought else "stop")
    price = 105.0 if bought else 94.0
    execution = Fill(
        exec_id="0001.01",
        client_order_id=of,
        symbol="TSLA",
        role=role,  # type: ignore[arg-type]
        side=side,  # type: ignore[arg-type]
        quantity=filled,
        price=price,
        cum_quantity=filled,
        avg_price=price,
        order_id=1,
        perm_id=1,
        account="DU1",
        time_ns=FILLED_NS,
    )
    order = entry_order(client_order_id=of, role=role, side=side, filled=filled, status="Submitted")
    return OrderFilled(execution, order, own, cost_usd, 0.0, **more)
