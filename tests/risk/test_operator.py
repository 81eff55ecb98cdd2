"""What the operator is told at once, and what becomes of a command."""

from __future__ import annotations

from typing import Any

import pytest

from messages.market import Tick
from messages.operator import Adopt, ClearCooldown, Command, Flatten, Flattening, Pause, Paused, Resume, Resumed, Sql
from messages.orders import OrderUpdated, PositionUpdated
from services.risk.operator import FlattenRecord, judge
from services.risk.pauses import PauseRecord

from .risk_words import Risk, order, plan

TICK = Tick("TSLA", 1, 1, 0, 95.0, 0)


def held(own: float = 10.0, account: float = 30.0) -> Risk:
    risk = Risk()
    risk.hear(PositionUpdated("TSLA", account, 95.0, own, own * 95.0))
    risk.hear(TICK)
    risk.said.clear()
    return risk


def answer(risk: Risk, command: Command, *, ready: bool = True, observe: bool = False) -> tuple[bool, str]:
    told = judge(risk.state, command, ("TSLA", "NVDA", "AMD"), ready=ready, observe=observe)
    return told.ok, told.text


def for_sale(risk: Risk) -> None:
    sale = order("foreign:1", "TSLA", role="foreign", side="SELL", quantity=15.0, status="Submitted")
    risk.hear(OrderUpdated(sale))


def flattening(risk: Risk) -> None:
    risk.hear(Flattening("TSLA", "waiting", 10.0, "halted"))


@pytest.mark.parametrize(
    ("before", "command", "text"),
    [
        (None, Pause("GME"), "GME is not on the watchlist (TSLA, NVDA, AMD)"),
        (None, Flatten("GME"), "GME is not on the watchlist"),
        (None, Resume(None), "nothing to resume: the fleet is not paused"),
        (lambda r: r.hear(Pause("TSLA")), Resume(None), "nothing to resume: the fleet is not paused; by name: TSLA"),
        (flattening, Resume("TSLA"), "a flatten of TSLA is not over"),
        (None, Flatten("NVDA"), "nothing to flatten: NVDA: no own shares and no live entry"),
        (None, Flatten("TSLA", withdraw=True), "nothing to withdraw"),
        (None, Adopt("TSLA", 21.0), "the account has 30 TSLA, 10 of them own: 21 can't be adopted"),
        (None, Adopt("TSLA", 1.5), "only whole shares"),
        (None, Adopt("NVDA", 1.0), "the account has 0 NVDA"),
        (for_sale, Adopt("TSLA", 6.0), "15 TSLA are for sale by an order that is not ours"),
        (flattening, Adopt("TSLA", 5.0), "TSLA is being flattened"),
        (None, Sql("select 1"), "risk takes"),
    ],
)
def test_refusals(before: Any, command: Command, text: str) -> None:
    risk = held()
    if before is not None:
        before(risk)
    ok, told = answer(risk, command)
    assert not ok
    assert text in told


def test_who_flattens_everything_while_nothing_is_held_is_paused_all_the_same() -> None:
    said = (True, "no own shares and no live entry; entries are paused until `crazy resume`")
    assert answer(Risk(), Flatten(None)) == said


def test_adopting_needs_the_brokers_word() -> None:
    assert answer(held(), Adopt("TSLA", 5.0), ready=False)[0] is False


def test_adopting_needs_a_price_to_place_the_stop_by() -> None:
    risk = Risk()
    risk.hear(PositionUpdated("TSLA", 30.0, 95.0, 10.0, 950.0))
    assert answer(risk, Adopt("TSLA", 5.0)) == (
        False,
        "TSLA has no price yet to place a stop by; try again after its next tick",
    )
    risk.hear(TICK)
    assert answer(risk, Adopt("TSLA", 5.0))[0]


@pytest.mark.parametrize("command", [Flatten(None), Flatten("TSLA"), Adopt("TSLA", 5.0)])
def test_a_fleet_that_only_observes_refuses_what_needs_an_order(command: Command) -> None:
    ok, told = answer(held(), command, observe=True)
    assert not ok
    assert told.startswith("this fleet only observes and sends no order: nothing is ")


@pytest.mark.parametrize("command", [Pause(None), Resume("TSLA"), ClearCooldown("TSLA")])
def test_a_fleet_that_only_observes_obeys_the_rest(command: Command) -> None:
    assert answer(held(), command, observe=True)[0]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (Pause(None), "entries of all symbols are paused"),
        (Pause("TSLA"), "entries of TSLA are paused"),
        (Resume("TSLA"), "entries of TSLA are allowed again"),
        (Flatten(None), "flattening 10 TSLA; entries are paused until `crazy resume`"),
        (Adopt("TSLA", 20.0), "adopting 20 TSLA"),
        (ClearCooldown(None), "the cooldown of all symbols ends now"),
    ],
)
def test_what_is_said_of_what_will_be_done(command: Command, text: str) -> None:
    ok, told = answer(held(), command)
    assert ok
    assert text in told


def test_a_symbol_that_left_the_watchlist_can_still_be_flattened() -> None:
    risk = held()
    risk.hear(PositionUpdated("GME", 5.0, 20.0, 5.0, 100.0))
    assert answer(risk, Flatten("GME"))[0]


def test_resume_says_what_it_does_not_end() -> None:
    risk = held()
    risk.hear(Pause("TSLA"))
    risk.hear(Pause(None))
    ok, told = answer(risk, Resume("TSLA"))
    assert ok
    assert "entries of the fleet stay stopped by operator" in told


@pytest.mark.parametrize("symbol", [None, "TSLA"])
def test_a_flatten_pauses_first_and_goes_to_the_gateway(symbol: str | None) -> None:
    risk = held()
    risk.ask(plan(symbol="NVDA"))
    risk.said.clear()
    risk.hear(Flatten(symbol))
    scope = symbol or "fleet"
    sent = [(r, m) for r, m in risk.said if isinstance(m, Paused | Flatten)]
    assert sent == [(scope, Paused(symbol, "flatten")), ("gateway", Flatten(symbol))]
    risk.restart()
    assert list(risk.state.table(PauseRecord)) == [f"{scope}:flatten"]
    risk.said.clear()
    risk.hear(Resume(symbol))
    assert (scope, Resumed(symbol, "operator")) in risk.said


def test_how_far_a_flatten_is_is_remembered_until_it_is_over() -> None:
    risk = held()
    flattening(risk)
    assert "TSLA" in risk.state.table(FlattenRecord)
    assert answer(risk, Flatten("TSLA", withdraw=True))[0]
    risk.hear(Flattening("TSLA", "selling", 10.0))
    assert not answer(risk, Flatten("TSLA", withdraw=True))[0], "it sells already"
    risk.hear(Flattening("TSLA", "done", 0.0))
    assert not risk.state.table(FlattenRecord)


def test_what_ends_elsewhere_is_passed_on() -> None:
    risk = held()
    risk.hear(Adopt("TSLA", 5.0))
    risk.hear(ClearCooldown("TSLA"))
    risk.hear(ClearCooldown(None))
    passed = [(r, m) for r, m in risk.said if isinstance(m, Adopt | ClearCooldown)]
    assert passed == [
        ("gateway", Adopt("TSLA", 5.0)),
        ("TSLA", ClearCooldown("TSLA")),
        ("fleet", ClearCooldown(None)),
    ]
