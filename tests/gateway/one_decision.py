"""One function of the gateway on given records, and its decision: the records and messages."""

from __future__ import annotations

from typing import Any

import msgspec

from messages.broker import Quote, RequestSnapshot
from messages.operator import Happened
from messages.orders import Fill
from services.configuration.settings import Settings
from services.gateway.book.records import (
    AccountPosition,
    CancelSent,
    Evidence,
    FillRecord,
    Instrument,
    Links,
    OrderRecord,
    Own,
    QuoteRecord,
    SessionRecord,
    Unprotected,
    base_id,
)
from services.gateway.core import GatewayCore
from services.runtime.core import Draft, Now, State
from tests.gateway.scenario import ACCOUNT, DAY, SECOND, UNTIL, con_id

NOON_NS = DAY.open_ns + 9000 * SECOND
MACHINE_NS = 5000 * SECOND
OPEN = SessionRecord(phase="open", date=DAY.date, entries_until_ns=UNTIL, open_ns=DAY.open_ns, close_ns=DAY.close_ns)
READY = Links(phase="ready")
"""The links have been up for long."""
DOWN = Links(phase="down")
BOUND = Instrument("TSLA", con_id("TSLA"), "TSLA")
"""The symbol's contract is known."""
ENTRY = "CT-TSLA-20250106-1"
STOP = f"{ENTRY}-S1"


UNNUMBERED: dict[str, Any] = {"question": 0, "asked_ns": 0, "asked_market_ns": 0, "stale_question": 0}


def state_of(*records: Any) -> State:
    state = State(GatewayCore.kinds)
    state.apply([(type(record), record.key, record) for record in records])
    return state


def draft(*records: Any, market_ns: int = NOON_NS, machine_ns: int = MACHINE_NS, stale: bool = False) -> Draft:
    """A decision to be made at noon, from these records."""
    return Draft(state_of(*records), Now(market_ns, machine_ns, None, stale))


def written(d: Draft, *, cancels: bool = False) -> list[Any]:
    """The records written; dropped ones as (type, key). Sent cancels only with `cancels`."""
    assert d.decision.published == []
    changes = [change for change in d.decision.changes if cancels or change[0] is not CancelSent]
    return without_numbers(changes)


def without_numbers(changes: list[tuple[type, str, Any]]) -> list[Any]:
    """The records, without what numbers questions and proves positions (`test_evidence.py` and `test_questions.py`)."""
    records = [record if record is not None else (kind, key) for kind, key, record in changes if kind is not Evidence]
    records = [msgspec.structs.replace(r, **UNNUMBERED) if isinstance(r, Links) else r for r in records]
    return [msgspec.structs.replace(r, first_ns=0) if isinstance(r, Unprotected) else r for r in records]


def messages_of(d: Draft) -> list[tuple[str, Any]]:
    """Every message with its recipient, notes among them; questions without their numbers."""
    return [unnumbered(*sent) for sent in d.decision.messages]


def unnumbered(recipient: str, message: Any) -> tuple[str, Any]:
    return recipient, RequestSnapshot() if isinstance(message, RequestSnapshot) else message


def note(event: str, symbol: str = "TSLA", level: str = "INFO", **fields: Any) -> tuple[str, Happened]:
    return "recorder", Happened(event, symbol, level, fields, NOON_NS)


def rules(**sections: Any) -> Settings:
    return msgspec.convert({"watchlist": ["TSLA"]} | sections, Settings)


def entry(key: str = ENTRY, **more: Any) -> OrderRecord:
    """A buy stop that rests at the broker."""
    fields: dict[str, Any] = {
        "symbol": "TSLA",
        "role": "entry",
        "side": "BUY",
        "order_type": "STP LMT",
        "quantity": 10.0,
        "stop_price": 105.0,
        "status": "PreSubmitted",
        "why_held": "trigger",
        "order_id": 1,
        "account": ACCOUNT,
        "created_ns": DAY.open_ns,
        "updated_ns": DAY.open_ns,
    }
    return OrderRecord(client_order_id=key, **(fields | more))


def stop(key: str = STOP, **more: Any) -> OrderRecord:
    """The trailing stop of that entry, worked by the broker."""
    fields: dict[str, Any] = {
        "role": "stop",
        "side": "SELL",
        "order_type": "TRAIL",
        "stop_price": 94.5,
        "trail_stop_price": 94.5,
        "trailing_pct": 10.0,
        "tif": "GTC",
        "order_id": 2,
        "parent_client_order_id": ENTRY,
    }
    return entry(key, **(fields | more))


def foreign(key: str = "foreign:9", **more: Any) -> OrderRecord:
    return entry(key, **({"role": "foreign", "side": "SELL", "order_type": "LMT", "order_id": 9} | more))


def fill(key: str = ENTRY, quantity: float = 10.0, *, price: float = 105.0, **more: Any) -> FillRecord:
    fields: dict[str, Any] = {
        "exec_id": f"0000e0d5.{key}.01",
        "symbol": "TSLA",
        "role": "entry",
        "side": "BUY",
        "cum_quantity": quantity,
        "avg_price": price,
        "order_id": 1,
        "perm_id": 77,
        "account": ACCOUNT,
        "time_ns": DAY.open_ns,
    }
    found = Fill(client_order_id=key, quantity=quantity, price=price, **(fields | more))
    return FillRecord(base_id(found.exec_id), found, 0.0)


def quoted(last: float = 106.0, *, symbol: str = "TSLA", **more: Any) -> QuoteRecord:
    fields: dict[str, Any] = {"last_ns": NOON_NS, "bid": last - 0.01, "ask": last + 0.01}
    return QuoteRecord(Quote(symbol, last, **(fields | more)), 1)


def held(
    own: float = 10.0, account: float | None = None, *, price: float = 105.0
) -> tuple[Own, AccountPosition, Evidence]:
    """So many own shares, and as many (or `account`) in the account, which two answers of the broker confirm."""
    quantity = own if account is None else account
    proved = Evidence(symbol="TSLA", quantity=quantity, answers=2)
    return Own("TSLA", own, own * price), AccountPosition("TSLA", quantity, price), proved
