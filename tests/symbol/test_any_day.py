"""Any order of ticks, answers, fills, pauses and sessions: never two entries at once, none outside the hours."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from messages.account import LinkChanged
from messages.entries import SubmitEntry
from messages.market import Session
from messages.operator import Paused, Resumed
from services.symbol.states import SymbolState

from .actor_words import MINUTE, MONDAY, SECOND, Symbol

SEEN: Counter[str] = Counter()
DAY = 86_400 * SECOND


class AnyDay(RuleBasedStateMachine):
    """What risk, gateway and broker may do to a symbol, as simply as can be: one entry, its fate, what is owned."""

    @initialize()
    def begin(self) -> None:
        self.symbol = Symbol(cold=True)
        self.days = 0
        self.session = MONDAY
        self.phase = "closed"
        self.live: dict[str, float] = {}
        self.cancelling: set[str] = set()
        self.own = 0.0
        self.heard = 0

    def listen(self) -> None:
        """What the symbol asked for since the last time."""
        for _, message in self.symbol.said[self.heard :]:
            if isinstance(message, SubmitEntry):
                plan = message.plan
                SEEN["entry"] += 1
                assert not self.live, f"{plan.client_order_id} while {self.live} lives"
                assert self.own == 0
                assert self.phase == "open"
                assert self.session.open_ns + 15 * SECOND <= self.symbol.now < self.session.close_ns - 15 * MINUTE
                assert plan.session_date == self.session.date
                assert plan.client_order_id not in self.cancelling
                self.live[plan.client_order_id] = plan.quantity
        for key, _ in self.symbol.cancels():
            if key in self.live:
                self.cancelling.add(key)
        self.heard = len(self.symbol.said)

    # Time.

    @precondition(lambda self: self.phase == "closed")
    @rule(early=st.booleans())
    def open(self, early: bool) -> None:
        start = MONDAY.open_ns + self.days * DAY
        length = 210 * MINUTE if early else 390 * MINUTE
        self.session = Session(f"2025-02-{self.days + 1:02}", start, start + length, early)
        self.days = min(self.days + 1, 27)
        self.phase = "open"
        self.symbol.now = max(self.symbol.now, start)
        self.symbol.open(self.session)
        self.listen()

    @precondition(lambda self: self.phase == "open")
    @rule()
    def closing(self) -> None:
        self.phase = "closing"
        self.symbol.closing(self.session)
        self.listen()
        if self.live and self.symbol.is_in is SymbolState.ENTRY_PENDING:
            assert self.cancelling, "an unfilled entry is taken back before the close"

    @precondition(lambda self: self.phase == "closing")
    @rule()
    def close(self) -> None:
        self.phase = "closed"
        self.symbol.closed(self.session)
        for key in list(self.live):  # a DAY order ends with its day
            self.end(key)
        self.listen()

    @rule(seconds=st.sampled_from([1, 15, 61, 300, 1300]))
    def wait(self, seconds: int) -> None:
        limits = {"open": self.session.close_ns - 15 * MINUTE - 1, "closing": self.session.close_ns}
        self.symbol.now = max(self.symbol.now, min(self.symbol.now + seconds * SECOND, limits.get(self.phase, 1 << 62)))
        self.symbol.elapse()
        self.listen()

    # The market and the fleet.

    @rule(
        last=st.sampled_from([0.0, 20.0, 100.0, 999.0, 1001.0]),
        age_s=st.sampled_from([0, 5, 60]),
        halted=st.integers(0, 9),
    )
    def tick(self, last: float, age_s: int, halted: int) -> None:
        self.symbol.tick(last, last_ns=self.symbol.now - age_s * SECOND, halted=halted == 0)
        self.listen()

    @rule(scope=st.sampled_from([None, "TSLA", "NVDA"]), paused=st.sampled_from([False, False, True]))
    def pause(self, scope: str | None, paused: bool) -> None:
        self.symbol.hear(Paused(scope, "operator") if paused else Resumed(scope, "operator"))
        SEEN["paused" if paused else "resumed"] += 1
        self.listen()

    @rule(link=st.sampled_from(["socket", "broker", "data"]), up=st.sampled_from([True, True, False]))
    def link(self, link: str, up: bool) -> None:
        self.symbol.hear(LinkChanged(link, up, ""))  # type: ignore[arg-type]
        self.listen()

    @precondition(lambda self: self.phase == "open" and not self.live and not self.own)
    @rule(seconds=st.sampled_from([0, 61, 241, 1300]))
    def a_good_moment(self, seconds: int) -> None:
        """Nothing speaks against an entry any more, unless it does."""
        for link in ("socket", "broker", "data"):
            self.link(link, True)
        for scope in (None, "TSLA"):
            self.pause(scope, False)
        self.wait(seconds)
        self.tick(100.0, 0, 1)

    # What becomes of an entry.

    @precondition(lambda self: self.live)
    @rule(how=st.sampled_from(["deny", "drop", "through", "reject", "broker", "asked"]))
    def ends(self, how: str) -> None:
        (key,) = self.live
        if how == "asked" and key not in self.cancelling:
            return
        SEEN["ended"] += 1
        del self.live[key]
        match how:
            case "deny":
                self.symbol.deny()
            case "drop":
                self.symbol.drop("links_down")
            case "through":
                self.symbol.drop("price_through_trigger")
            case "reject":
                self.symbol.rejected()
            case _:
                self.symbol.cancelled(asked=how == "asked")
        self.listen()

    def end(self, key: str) -> None:
        del self.live[key]
        self.symbol.cancelled(asked=key in self.cancelling)

    @precondition(lambda self: self.live)
    @rule()
    def fills(self) -> None:
        (key,) = self.live
        self.own = self.live.pop(key)
        SEEN["filled"] += 1
        self.symbol.fill(key, "BUY", own=self.own, quantity=self.own)
        self.listen()

    @precondition(lambda self: self.own)
    @rule(part=st.booleans())
    def stops(self, part: bool) -> None:
        sold = self.own if not part or self.own < 2 else 1.0
        self.own -= sold
        SEEN["stopped out"] += not self.own
        self.symbol.fill(self.symbol.record.stop_id, "SELL", own=self.own, quantity=sold)
        self.listen()

    # What always holds.

    @invariant()
    def it_knows_what_it_is_in(self) -> None:
        if not hasattr(self, "symbol"):
            return
        state = self.symbol.is_in
        assert self.symbol.record.own == self.own
        assert (state in (SymbolState.POSITION_OPEN, SymbolState.EXITING)) == (self.own > 0)
        assert (state is SymbolState.ENTRY_PENDING) == bool(self.live)


def test_any_day() -> None:
    SEEN.clear()
    few = settings(
        max_examples=200,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(AnyDay, settings=few)  # type: ignore[no-untyped-call]
    for what in ("entry", "filled", "stopped out", "ended", "paused", "resumed"):
        assert SEEN[what] >= 5, f"{what} never had a chance: {SEEN}"
