"""Rows 36, 46, 47 and 50: which contract in which account a report is about. On the wire; the exchange is the judge."""

from __future__ import annotations

from typing import Any

import pytest

from messages.entries import EntryDropped
from messages.market import SessionApproaching
from messages.operator import Flatten
from services.gateway.book.instruments import QUARANTINED
from tests.field.scenes import CALM, entries, holding, protected, reconnected, scene, shares
from tests.gateway.on_the_wire import DAY, Fleet
from tests.simulator.faults.test_faults_wire import fail
from tests.simulator.on_the_wire import trades

OTHER = "DU7654321"
A_MINUTE = 60
"""Longer than the guard waits before it acts, and than the time between two questions about everything."""


def nothing_happened(fleet: Fleet) -> bool:
    """The shares, the one stop that protects them, no sell that was cancelled, and no doubt whose shares these are."""
    assert not fleet.notes("position_disputed")
    assert (shares(fleet), protected(fleet), fleet.own()) == (10, 10, 10)
    ours = [o for o in fleet.simulator.exchange.orders() if o.ticket.side == "SELL" and o.ticket.order_ref]
    return [o.status for o in ours] == ["PreSubmitted"]


def test_field_36_a_contract_that_is_gone_at_the_start_is_said_and_never_bought() -> None:
    async def play(fleet: Fleet) -> None:
        fail(fleet.simulator, "unknown-contract", symbol="TSLA")
        await fleet.until(lambda: fleet.ready, "not reconciled")
        await fleet.until(lambda: QUARANTINED in fleet.blocks(), "not quarantined")
        assert [note.level for note in fleet.notes(QUARANTINED)] == ["ERROR"]
        fleet.enter()
        await fleet.pass_time(5)
        assert entries(fleet) == []
        assert [m.reason for m in fleet.messages_of(EntryDropped)] == [QUARANTINED]

    scene(play, CALM)


OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("foreign-position", {"sec_type": "OPT", "quantity": -1.0}),
    ("foreign-position", {"sec_type": "FUT", "quantity": -2.0}),
    ("foreign-position", {"sec_type": "CFD", "quantity": -10.0}),
    ("foreign-position", {"currency": "EUR", "quantity": 50.0}),
    ("foreign-order", {"sec_type": "OPT", "side": "SELL", "order_type": "LMT", "price": 1.0, "quantity": 10.0}),
    ("foreign-order", {"currency": "EUR", "side": "SELL", "order_type": "LMT", "price": 50.0, "quantity": 10.0}),
]
IDS = ["-".join(str(value) for value in (name, *more.values())) for name, more in OTHERS]


@pytest.mark.parametrize(("fault", "more"), OTHERS, ids=IDS)
def test_field_46_another_instrument_of_the_same_ticker(fault: str, more: dict[str, Any]) -> None:
    """A covered call made the position -1, and the stop was cancelled."""

    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, fault, symbol="TSLA", **more)
        await fleet.pass_time(A_MINUTE)
        assert nothing_happened(fleet)
        await reconnected(fleet)
        await fleet.pass_time(A_MINUTE)
        assert nothing_happened(fleet)

    scene(play)


@pytest.mark.parametrize(
    ("fault", "more"),
    [
        ("foreign-position", {"quantity": 50.0}),
        ("foreign-position", {"quantity": -10.0}),
        ("foreign-position", {"quantity": 4.0}),
        ("foreign-order", {"side": "SELL", "order_type": "LMT", "price": 50.0, "quantity": 10.0}),
        ("foreign-order", {"side": "BUY", "order_type": "LMT", "price": 5.0, "quantity": 10.0}),
    ],
    ids=["long", "short", "fewer", "a sell", "a purchase"],
)
def test_field_47_another_account_on_the_same_login(fault: str, more: dict[str, Any]) -> None:
    """One position per ticker was kept: that of the account that was reported last."""

    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, fault, symbol="TSLA", account=OTHER, **more)
        await fleet.pass_time(A_MINUTE)
        assert nothing_happened(fleet)
        await reconnected(fleet)
        await fleet.pass_time(A_MINUTE)
        assert nothing_happened(fleet)
        assert not [o for o in fleet.orders() if o.role == "foreign"], "no exposure of ours"

    scene(play, ibkr={"account": "DU1234567"})


@pytest.mark.parametrize(
    ("fault", "more"), [("rename", {"to": "TSLB"}), ("reassign", {})], ids=["renamed", "reassigned"]
)
def test_field_50_the_ticker_means_another_contract(fault: str, more: dict[str, Any]) -> None:
    """The position moved to another symbol: the stop was cancelled, and the shares were disowned."""

    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, fault, symbol="TSLA", **more)
        fleet.receive(SessionApproaching(DAY))
        await fleet.until(lambda: QUARANTINED in fleet.blocks(), "entries go on")
        await fleet.pass_time(A_MINUTE)
        assert nothing_happened(fleet)
        await reconnected(fleet)
        await fleet.pass_time(A_MINUTE)
        assert nothing_happened(fleet)
        assert [note.level for note in fleet.notes(QUARANTINED)][:1] == ["ERROR"]
        # Orders go out by the contract's id: what is owned can still be sold.
        fleet.receive(Flatten("TSLA"))
        await fleet.step(20)
        assert (shares(fleet), protected(fleet), fleet.own()) == (0, 0, 0)

    scene(play, trades("TSLA", *[10.0] * 5, *[10.55] * 600))
