"""Own shares, their cost and every profit follow from the list of fills, in whatever order they become known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.orders import Fill, OrderFilled, OrderRecord, execution_key
from services.gateway.book.fills import book_fill, fills_of, is_synthetic, shrunk
from services.gateway.book.own_shares import replay
from services.gateway.book.records import FillRecord, Own
from tests.gateway.one_decision import ENTRY, STOP, draft, entry, fill, stop

TRADES = st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(9_000, 11_000)), min_size=1, max_size=8)
"""(whether all shares are sold, shares, price in cents)."""


def history(trades: list[tuple[bool, int, int]]) -> list[Fill]:
    """Purchases and sales, a second apart; a sale sells what there is."""
    fills, held = list[Fill](), 0.0
    for number, (sells, quantity, cents) in enumerate(trades):
        side = {"role": "stop", "side": "SELL"} if sells and held else {}
        shares = held if side else float(quantity)
        held += -shares if side else shares
        key = STOP if side else ENTRY
        more = {"exec_id": f"0000e0d5.{number}.01", "time_ns": number * 10**9}
        fills.append(fill(key, shares, price=cents / 100, **(side | more)).fill)
    return fills


@settings(max_examples=200, deadline=None)
@given(trades=TRADES, order=st.randoms(use_true_random=False), wrong=st.integers(0, 7))
def test_the_order_in_which_fills_become_known_changes_nothing(
    trades: list[tuple[bool, int, int]], order: object, wrong: int
) -> None:
    fills = history(trades)
    arriving = list(fills)
    order.shuffle(arriving)  # type: ignore[attr-defined]
    d = draft(entry(quantity=100.0), stop(quantity=100.0))
    for number, one in enumerate(arriving):
        known = d.get(OrderRecord, one.client_order_id)
        assert known is not None
        if number == wrong:  # at first with another price: the broker corrects it
            first = fill(one.client_order_id, one.quantity, price=50.0, **_same(one)).fill
            book_fill(d, known, first, None, ())
            before = d.get(FillRecord, execution_key(one.exec_id)[0])
            one = fill(one.client_order_id, one.quantity, price=one.price, **_same(one, revision="02")).fill
            book_fill(d, known, one, before, ())
        else:
            book_fill(d, known, one, None, ())
    expected, realized = replay("TSLA", (r.fill for r in d.table(FillRecord).values()))
    own = d.get(Own, "TSLA")
    assert own is not None
    assert (own.quantity, own.cost_usd) == (expected.quantity, pytest.approx(expected.cost_usd, abs=0.01))
    told = [m for _, m in d.decision.messages if isinstance(m, OrderFilled)]
    assert sum(m.realized_usd - m.undone_usd for m in told) == pytest.approx(sum(realized.values()), abs=0.01)
    assert {r.fill.exec_id: r.realized_usd for r in d.table(FillRecord).values()} == pytest.approx(realized, abs=0.01)


def _same(one: Fill, revision: str = "01") -> dict[str, object]:
    exec_id = f"{execution_key(one.exec_id)[0]}.{revision}"
    return {"role": one.role, "side": one.side, "time_ns": one.time_ns, "exec_id": exec_id}


def test_the_newest_synthetic_fills_shrink_first() -> None:
    records = [
        fill(quantity=4.0, exec_id=f"synthetic.{ENTRY}.4.01", witness="order", time_ns=1),
        fill(quantity=3.0, exec_id="0000e0d5.1.01", time_ns=2),
        fill(quantity=3.0, exec_id=f"synthetic.{ENTRY}.10.01", witness="stop", time_ns=3),
    ]
    d = draft(*records)
    assert [is_synthetic(record.fill) for record in fills_of(d, ENTRY)] == [True, False, True]
    changed = shrunk(fills_of(d, ENTRY), 5.0)
    assert [(f.exec_id, f.quantity) for f in changed] == [
        (f"synthetic.{ENTRY}.10.02", 0.0),
        (f"synthetic.{ENTRY}.4.02", 2.0),
    ]
    assert shrunk(fills_of(d, ENTRY), 0.0) == []
