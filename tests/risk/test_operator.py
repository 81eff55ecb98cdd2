"""The immediate answers to the operator, and the effects of each command."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from messages.market import Tick
from messages.operator import Adopt, ClearCooldown, Command, Flatten, Flattening, Pause, Paused, Resume, Resumed, Sql
from messages.orders import OrderUpdated, PositionUpdated
from services.risk.guards import Tally
from services.risk.operator import FlattenRecord, answer_to
from services.risk.pauses import NEXT_SESSION, RESUME, PauseRecord
from services.runtime.core import Now
from tests.risk.scenario import Risk, order, plan

TICK = Tick("TSLA", 1, 1, 0, 95.0, 0)


def held(own: float = 10.0, account: float = 30.0) -> Risk:
    risk = Risk()
    risk.handle(PositionUpdated("TSLA", account, 95.0, own, own * 95.0))
    risk.handle(TICK)
    risk.sent.clear()
    return risk


def answer(risk: Risk, command: Command, *, ready: bool = True, observe: bool = False) -> tuple[bool, str]:
    found = answer_to(risk.state, command, ("TSLA", "NVDA", "AMD"), ready=ready, observe=observe)
    return found.ok, found.text


def for_sale(risk: Risk) -> None:
    sale = order("foreign:1", "TSLA", role="foreign", side="SELL", quantity=15.0, status="Submitted")
    risk.handle(OrderUpdated(sale))


def flattening(risk: Risk) -> None:
    risk.handle(Flattening("TSLA", "waiting", 10.0, "halted"))


def two_flattens(risk: Risk) -> None:
    risk.handle(Flattening("TSLA", "waiting", 10.0, "halted"))
    risk.handle(Flattening("NVDA", "waiting", 5.0, "halted"))


def two_pauses(risk: Risk) -> None:
    risk.handle(Pause("TSLA"))
    risk.handle(Pause("NVDA"))


def all_sold(risk: Risk) -> None:
    risk.handle(PositionUpdated("TSLA", 0.0, 0.0, 0.0, 0.0))


def gone(risk: Risk) -> None:
    """It was watched, and everything of it is sold."""
    risk.handle(PositionUpdated("GME", 0.0, 0.0, 0.0, 0.0))


def gone_but_a_part(risk: Risk) -> None:
    """Of GME, not watched any more, one share is left."""
    risk.handle(PositionUpdated("GME", 9.0, 20.0, 1.0, 20.0))


def half_a_share(risk: Risk) -> None:
    risk.handle(PositionUpdated("TSLA", 0.5, 95.0, 0.5, 47.5))


UNSEEN = "GME is not on the watchlist (TSLA, NVDA, AMD)"
NOTHING_TO_RESUME = "nothing to resume: the fleet is not paused"
NOTHING_OF = "nothing to flatten: {}: no own shares and no live entry"


@pytest.mark.parametrize(
    ("before", "command", "text"),
    [
        (None, Pause("GME"), UNSEEN),
        (None, Flatten("GME"), UNSEEN),
        (None, Resume("GME"), UNSEEN),
        (gone, Flatten("GME"), UNSEEN),
        (gone_but_a_part, Adopt("GME", 1.0), "GME is not on the watchlist: nobody would watch over the shares"),
        (None, Resume(None), NOTHING_TO_RESUME),
        (lambda r: r.handle(Pause("TSLA")), Resume(None), f"{NOTHING_TO_RESUME}; by name: TSLA"),
        (two_pauses, Resume(None), f"{NOTHING_TO_RESUME}; by name: NVDA, TSLA"),
        (
            flattening,
            Resume("TSLA"),
            "a flatten of TSLA is not over; `crazy flatten SYMBOL --withdraw` ends it",
        ),
        (
            two_flattens,
            Resume(None),
            "a flatten of TSLA, NVDA is not over; `crazy flatten SYMBOL --withdraw` ends it",
        ),
        (None, Flatten("NVDA"), NOTHING_OF.format("NVDA")),
        (all_sold, Flatten("TSLA"), NOTHING_OF.format("TSLA")),
        (half_a_share, Flatten("TSLA"), NOTHING_OF.format("TSLA") + "; a fraction of a share can't be sold"),
        (None, Flatten("TSLA", withdraw=True), "nothing to withdraw: no flatten of TSLA waits"),
        (None, Flatten(None, withdraw=True), "nothing to withdraw: no flatten of all symbols waits"),
        (flattening, Flatten("NVDA", withdraw=True), "nothing to withdraw: no flatten of NVDA waits"),
        (None, Adopt("TSLA", 21.0), "the account has 30 TSLA, 10 of them own: 21 can't be adopted"),
        (None, Adopt("TSLA", 1.5), "1.5 shares: only whole shares can be protected by a stop"),
        (None, Adopt("TSLA", 0.0), "0 shares: only whole shares can be protected by a stop"),
        (None, Adopt("NVDA", 1.0), "the account has 0 NVDA, 0 of them own: 1 can't be adopted"),
        (
            for_sale,
            Adopt("TSLA", 6.0),
            "15 TSLA are for sale by an order that is not ours; cancel it first, or the shares would be sold twice",
        ),
        (flattening, Adopt("TSLA", 5.0), "TSLA is being flattened"),
        (None, Sql("select 1"), "risk takes pause, resume, flatten, adopt and cooldown"),
    ],
)
def test_refusals(before: Any, command: Command, text: str) -> None:
    risk = held()
    if before is not None:
        before(risk)
    assert answer(risk, command) == (False, text)


def test_a_flatten_of_everything_pauses_even_if_nothing_is_held() -> None:
    expected = (True, "no own shares and no live entry; entries are paused until `crazy resume`")
    assert answer(Risk(), Flatten(None)) == expected


def test_adopting_needs_the_brokers_positions() -> None:
    assert answer(held(), Adopt("TSLA", 5.0), ready=False) == (
        False,
        "the broker's positions are not known at this moment; try again when the links stand",
    )


def test_adopting_needs_a_price_to_place_the_stop_by() -> None:
    risk = Risk()
    risk.handle(PositionUpdated("TSLA", 30.0, 95.0, 10.0, 950.0))
    assert answer(risk, Adopt("TSLA", 5.0)) == (
        False,
        "TSLA has no price yet to place a stop by; try again after its next tick",
    )
    risk.handle(TICK)
    assert answer(risk, Adopt("TSLA", 5.0))[0]


@pytest.mark.parametrize(
    ("command", "verb"), [(Flatten(None), "sold"), (Flatten("TSLA"), "sold"), (Adopt("TSLA", 5.0), "adopted")]
)
def test_a_fleet_that_only_observes_refuses_what_needs_an_order(command: Command, verb: str) -> None:
    assert answer(held(), command, observe=True) == (
        False,
        f"this fleet only observes and sends no order: nothing is {verb}; start it without --observe",
    )
    assert answer_to(held().state, command, ("TSLA",), ready=True).ok, "and a fleet trades unless it is told otherwise"


@pytest.mark.parametrize("command", [Pause(None), Resume("TSLA"), ClearCooldown("TSLA")])
def test_a_fleet_that_only_observes_obeys_the_rest(command: Command) -> None:
    assert answer(held(), command, observe=True)[0]


def entries_under_way(risk: Risk) -> None:
    risk.submit(plan(symbol="NVDA"))
    risk.submit(plan(symbol="AMD"))


def two_held(risk: Risk) -> None:
    risk.handle(PositionUpdated("NVDA", 1.0, 95.0, 1.0, 95.0))


def sale_elsewhere(risk: Risk) -> None:
    """Neither a sale of another symbol nor a purchase of this one takes shares away."""
    risk.handle(OrderUpdated(order("foreign:2", "NVDA", role="foreign", quantity=50.0, status="Submitted")))
    bought = order("foreign:3", "TSLA", role="foreign", side="BUY", quantity=50.0, status="Submitted")
    risk.handle(OrderUpdated(bought))


def flattening_another(risk: Risk) -> None:
    risk.handle(Flattening("NVDA", "selling", 10.0))


UNTIL_RESUMED = "entries are paused until `crazy resume`"


@pytest.mark.parametrize(
    ("before", "command", "text"),
    [
        (None, Pause(None), "entries of all symbols are paused; unfilled ones are cancelled, stops stay"),
        (None, Pause("TSLA"), "entries of TSLA are paused; unfilled ones are cancelled, stops stay"),
        (gone_but_a_part, Pause("GME"), "entries of GME are paused; unfilled ones are cancelled, stops stay"),
        (None, Resume("TSLA"), "entries of TSLA are allowed again"),
        (flattening_another, Resume("TSLA"), "entries of TSLA are allowed again"),
        (lambda r: r.handle(Pause(None)), Resume(None), "entries of all symbols are allowed again"),
        (None, Flatten(None), f"flattening 10 TSLA; {UNTIL_RESUMED}"),
        (two_held, Flatten(None), f"flattening 10 TSLA, 1 NVDA; {UNTIL_RESUMED}"),
        (two_held, Flatten("NVDA"), "flattening 1 NVDA; entries are paused until `crazy resume NVDA`"),
        (
            entries_under_way,
            Flatten(None),
            f"flattening 10 TSLA, unfilled entries of NVDA, AMD; {UNTIL_RESUMED}",
        ),
        (
            entries_under_way,
            Flatten("AMD"),
            "flattening unfilled entries of AMD; entries are paused until `crazy resume AMD`",
        ),
        (all_sold, Flatten(None), f"no own shares and no live entry; {UNTIL_RESUMED}"),
        (
            flattening,
            Flatten("TSLA", withdraw=True),
            "the flatten of TSLA is withdrawn; entries stay paused until `crazy resume TSLA`",
        ),
        (
            two_flattens,
            Flatten(None, withdraw=True),
            "the flatten of TSLA, NVDA is withdrawn; entries stay paused until `crazy resume`",
        ),
        (None, Adopt("TSLA", 20.0), "adopting 20 TSLA: they become own shares and get a stop"),
        (None, Adopt("TSLA", 1.0), "adopting 1 TSLA: they become own shares and get a stop"),
        (for_sale, Adopt("TSLA", 5.0), "adopting 5 TSLA: they become own shares and get a stop"),
        (sale_elsewhere, Adopt("TSLA", 20.0), "adopting 20 TSLA: they become own shares and get a stop"),
        (flattening_another, Adopt("TSLA", 20.0), "adopting 20 TSLA: they become own shares and get a stop"),
        (None, ClearCooldown(None), "the cooldown of all symbols ends now"),
        (None, ClearCooldown("TSLA"), "the cooldown of TSLA ends now"),
    ],
)
def test_answers_to_commands(before: Any, command: Command, text: str) -> None:
    risk = held()
    if before is not None:
        before(risk)
    assert answer(risk, command) == (True, text)


def test_a_symbol_that_left_the_watchlist_can_still_be_flattened() -> None:
    risk = held()
    risk.handle(PositionUpdated("GME", 5.0, 20.0, 5.0, 100.0))
    assert answer(risk, Flatten("GME"))[0]


class TestPausesThatSurviveAResume:
    def test_the_fleets_pause_stays_when_a_symbol_is_resumed(self) -> None:
        risk = held()
        risk.handle(Pause("TSLA"))
        risk.handle(Pause(None))
        assert answer(risk, Resume("TSLA")) == (
            True,
            "TSLA resumed, but entries of the fleet stay stopped by operator until `crazy resume`",
        )
        assert answer(risk, Resume(None)) == (True, "entries of all symbols are allowed again")

    def test_a_guard_of_the_day_stays_until_the_next_session(self) -> None:
        risk = held()
        risk.state.apply(
            [
                (PauseRecord, p.key, p)
                for p in (
                    PauseRecord(scope="TSLA", cause="symbol_stopouts", by="guard symbol_stopouts", resets=NEXT_SESSION),
                    PauseRecord(scope="fleet", cause="daily_loss", by="guard daily_loss", resets=NEXT_SESSION),
                    PauseRecord(scope="fleet"),
                )
            ]
        )
        of_all = "entries of the fleet stay stopped by guard daily_loss until the next session"
        assert answer(risk, Resume(None)) == (True, f"all symbols resumed, but {of_all}")
        assert answer(risk, Resume("TSLA")) == (
            True,
            "TSLA resumed, but entries of TSLA stay stopped by guard symbol_stopouts until the next session; "
            f"{of_all}; entries of the fleet stay stopped by operator until `crazy resume`",
        )


@pytest.mark.parametrize("symbol", [None, "TSLA"])
def test_a_flatten_pauses_first_and_goes_to_the_gateway(symbol: str | None) -> None:
    risk = held()
    risk.submit(plan(symbol="NVDA"))
    risk.sent.clear()
    risk.handle(Flatten(symbol))
    scope = symbol or "fleet"
    sent = [(r, m) for r, m in risk.sent if isinstance(m, Paused | Flatten)]
    assert sent == [(scope, Paused(symbol, "flatten")), ("gateway", Flatten(symbol))]
    risk.restart()
    assert list(risk.state.table(PauseRecord)) == [f"{scope}:flatten"]
    risk.sent.clear()
    risk.handle(Resume(symbol))
    assert (scope, Resumed(symbol, "operator")) in risk.sent


def test_how_far_a_flatten_is_is_remembered_until_it_is_over() -> None:
    risk = held()
    flattening(risk)
    assert "TSLA" in risk.state.table(FlattenRecord)
    assert answer(risk, Flatten("TSLA", withdraw=True))[0]
    risk.handle(Flattening("TSLA", "selling", 10.0))
    assert not answer(risk, Flatten("TSLA", withdraw=True))[0], "it sells already"
    risk.handle(Flattening("TSLA", "done", 0.0))
    assert not risk.state.table(FlattenRecord)


class TestCarriedOut:
    """All that each command makes risk send, in order."""

    def at(self) -> Risk:
        risk = held()
        risk.now = 7
        return risk

    @pytest.mark.parametrize("symbol", [None, "TSLA"])
    def test_a_flatten(self, symbol: str | None) -> None:
        risk = self.at()
        assert risk.sent_on(Flatten(symbol)) == [
            (symbol or "fleet", Paused(symbol, "flatten")),
            risk.note("entries_paused", symbol or "", "WARNING", by="flatten"),
            ("gateway", Flatten(symbol)),
            risk.note("flatten_ordered", symbol or "", "WARNING"),
        ]
        assert risk.sent_on(Flatten(symbol, withdraw=True)) == [
            ("gateway", Flatten(symbol, withdraw=True)),
            risk.note("flatten_withdrawn", symbol or "", "WARNING"),
        ]

    def test_an_adoption(self) -> None:
        risk = self.at()
        assert risk.sent_on(Adopt("TSLA", 5.0)) == [
            ("gateway", Adopt("TSLA", 5.0)),
            risk.note("adopt_ordered", "TSLA", qty=5.0),
        ]

    @pytest.mark.parametrize("symbol", [None, "TSLA"])
    def test_the_end_of_a_cooldown(self, symbol: str | None) -> None:
        assert self.at().sent_on(ClearCooldown(symbol)) == [(symbol or "fleet", ClearCooldown(symbol))]


class TestResumeResetsCounts:
    """A resume resets the count of a guard that would trip again at once, and no other figure."""

    BEFORE = Tally(realized_usd=-70.0, peak_pnl_usd=100.0, losses=3, closed=9, wins=(5, 6), forgiven=2)

    def resumed(self, cause: str, scope: str = "fleet", resets: str = RESUME) -> Tally:
        risk = held()
        before = self.BEFORE
        stopped = PauseRecord(scope=scope, cause=cause, by=f"guard {cause}", resets=resets)
        risk.state.apply([(Tally, "tally", before), (PauseRecord, stopped.key, stopped)])
        risk.handle(Resume(None))
        return risk.state.table(Tally)["tally"]

    def test_losses_in_a_row(self) -> None:
        anew = msgspec.structs.replace(self.BEFORE, losses=0, wins=(), forgiven=9)
        assert self.resumed("consecutive_losses") == anew

    def test_the_peak(self) -> None:
        assert self.resumed("drawdown") == msgspec.structs.replace(self.BEFORE, peak_pnl_usd=-70.0)

    @pytest.mark.parametrize(
        ("cause", "scope", "resets"),
        [("operator", "fleet", RESUME), ("drawdown", "TSLA", RESUME), ("drawdown", "fleet", NEXT_SESSION)],
    )
    def test_what_was_not_ended_goes_on(self, cause: str, scope: str, resets: str) -> None:
        assert self.resumed(cause, scope, resets) == self.BEFORE

    def test_where_nothing_changes_nothing_is_written(self) -> None:
        risk = held()
        tally = Tally(losses=3)
        risk.state.apply([(Tally, "tally", tally)])
        risk.handle(Pause(None))
        decided = risk.core.handle(risk.state, Resume(None), Now(0, 0))
        assert [(kind, key) for kind, key, _ in decided.changes] == [(PauseRecord, "fleet:operator")]
