"""The whole book as messages: what a process that lost its ledger needs."""

from __future__ import annotations

from typing import Any

import pytest

from messages.account import SymbolBook
from messages.market import MarketRule
from messages.operator import Flattening, Happened
from messages.orders import CommissionReported, OrderFilled, OrderUpdated, ProtectionChanged
from services.gateway.book.records import (
    CommissionSeen,
    Coverage,
    FlattenRecord,
    OrderRecord,
    Own,
    PriceGrid,
    SessionRecord,
)
from services.gateway.book.snapshot import snapshot_of
from tests.gateway.one_decision import ENTRY, STOP, entry, fill, held, state_of, stop

RECORDER = ("**",)


def told(kind: type, *records: Any, interest: tuple[str, ...] = RECORDER) -> list[Any]:
    return [message for _, message in snapshot_of(state_of(*records), interest) if isinstance(message, kind)]


def sold(quantity: float = 10.0, **more: Any) -> Any:
    return fill(STOP, quantity, **({"role": "stop", "side": "SELL", "exec_id": "0009.01", "time_ns": 99} | more))


def test_only_the_recorder_gets_what_ended() -> None:
    records = (entry(status="Filled"), fill(), stop(), *held())
    assert [o.order.client_order_id for o in told(OrderUpdated, *records, interest=("*",))] == [STOP]
    assert not told(OrderFilled, *records, interest=("*",))
    assert {o.order.client_order_id for o in told(OrderUpdated, *records)} == {ENTRY, STOP}
    assert [f.fill for f in told(OrderFilled, *records)] == [fill().fill]


def test_each_fill_has_the_shares_owned_after_it() -> None:
    first, second = fill(quantity=4.0, exec_id="0001.01", time_ns=1), fill(quantity=6.0, exec_id="0002.01", time_ns=2)
    records = [
        type(first)(base, found.fill, 0.0) for base, found in (("0001", first), ("0002", second), ("0009", sold(7.0)))
    ]
    found = told(OrderFilled, *records, entry(), stop(), Own("TSLA", 3.0, 300.0))
    assert [(f.fill.exec_id, f.own) for f in found] == [("0001.01", 4.0), ("0002.01", 10.0), ("0009.01", 3.0)]


def test_a_fill_whose_order_is_gone_says_only_what_it_knows() -> None:
    (filled,) = told(OrderFilled, fill(), *held())
    order = filled.order
    assert (order.client_order_id, order.order_type, order.tif, order.quantity) == (ENTRY, "", "", 0.0)
    assert isinstance(order, OrderRecord)


def test_commissions_protection_and_flattens() -> None:
    base = fill()
    seen = CommissionSeen(base.fill.exec_id, 1.25, "CAD", -3.5, 0.7)
    (commission,) = told(CommissionReported, base, seen)
    assert commission == CommissionReported(base.fill.exec_id, ENTRY, "TSLA", 1.25, "CAD", -3.5, 0.0, 0.7)
    assert told(CommissionReported, seen) == []
    assert told(ProtectionChanged, Coverage("TSLA", 10, 4)) == [ProtectionChanged("TSLA", 10, 4, 0)]
    flatten = FlattenRecord(symbol="TSLA", phase="waiting", reason="halted")
    assert told(Flattening, flatten, *held()) == [Flattening("TSLA", "waiting", 10.0, "halted")]
    assert told(Happened, flatten) == [Happened("flatten_waiting", "TSLA", "INFO", {"reason": "halted"}, 0)]
    assert told(Flattening, FlattenRecord(symbol="TSLA")) == []
    assert told(MarketRule, PriceGrid("TSLA", ((0.0, 0.01),))) == [MarketRule("TSLA", ((0.0, 0.01),))]


SESSION = SessionRecord(date="2025-01-06")


@pytest.mark.parametrize(
    ("records", "number", "stopped_out"),
    [
        ((entry(),), 1, (0, 0.0, "")),
        ((entry("CT-TSLA-20250106-12"), entry("CT-TSLA-20250103-40")), 12, (0, 0.0, "")),
        ((fill(time_ns=1), sold(price=98.0)), 0, (99, 98.0, "0009.01")),
        ((fill(time_ns=1), sold(), Own("TSLA", 10.0, 1.0)), 0, (0, 0.0, "")),
        ((fill(time_ns=100), sold(), Own("TSLA", 10.0, 1.0)), 0, (0, 0.0, "")),
        ((fill(time_ns=1), sold(role="flatten")), 0, (0, 0.0, "")),
    ],
)
def test_what_a_symbol_needs(records: tuple[Any, ...], number: int, stopped_out: tuple[int, float, str]) -> None:
    told_to = snapshot_of(state_of(SESSION, *(_apart(records))), ())
    (book,) = [m for to, m in told_to if to == "symbol-TSLA"]
    assert book == SymbolBook("TSLA", "2025-01-06", number, *stopped_out)


def _apart(records: tuple[Any, ...]) -> list[Any]:
    """Fills under keys of their own."""
    fills = [r for r in records if hasattr(r, "base")]
    return [
        *(r for r in records if not hasattr(r, "base")),
        *(type(r)(f"{n}", r.fill, r.realized_usd) for n, r in enumerate(fills)),
    ]
