"""Any order of ticks, answers, fills, halts, pauses and sessions: never two entries at once, none outside the hours."""

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
from messages.orders import PositionUpdated
from services.symbol.states import SymbolState
from tests.symbol.scenario import MINUTE, MONDAY, SECOND, Symbol

SEEN: Counter[str] = Counter()
DAY = 86_400 * SECOND


class AnyDay(RuleBasedStateMachine):
    """What risk, gateway and broker may do to a symbol, as simply as can be: one entry, its fate, what is owned."""

    @initialize()
    def start(self) -> None:
        self.symbol = Symbol(cold=True)
        self.days = 0
        self.session = MONDAY
        self.phase = "closed"
        self.live: dict[str, float] = {}
        self.cancelling: set[str] = set()
        self.bought: dict[str, float] = {}
        self.own = 0.0
        self.account: float | None = None
        self.halted = False
        self.taken = 0

    def listen(self) -> None:
        """The cancels and entries that the symbol sent since the last call."""
        for _, message in self.symbol.sent[self.taken :]:
            if isinstance(message, SubmitEntry):
                plan = message.plan
                SEEN["entry"] += 1
                assert not self.live, f"{plan.client_order_id} while {self.live} lives"
                assert self.own == 0
                assert self.phase == "open"
                assert self.session.open_ns + 15 * SECOND <= self.symbol.now < self.session.close_ns - 15 * MINUTE
                assert plan.session_date == self.session.date
                assert plan.client_order_id not in self.cancelling
                assert self.account in (None, 0.0), "entries freeze while the account differs"
                assert not self.halted, "nothing is armed before a trade that follows a halt"
                self.live[plan.client_order_id] = plan.quantity
                self.bought[plan.client_order_id] = 0.0
        for key, _ in self.symbol.cancels():
            if key in self.live:
                self.cancelling.add(key)
        self.taken = len(self.symbol.sent)

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
        if self.live:
            assert self.cancelling >= set(self.live), "an unfilled entry is taken back before the close"

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
        traded_ns = self.symbol.now - age_s * SECOND
        if halted == 0:
            self.halted = True
            SEEN["halted"] += 1
        elif traded_ns > self.symbol.record.halt_trade_ns:
            self.halted = False
        self.symbol.tick(last, last_ns=traded_ns, halted=halted == 0)
        self.listen()
        if halted == 0:
            assert self.cancelling >= set(self.live), "a halt takes back what is live"

    @rule(stranger=st.sampled_from([0.0, 0.0, 50.0]))
    def manual_trade(self, stranger: float) -> None:
        self.account = stranger if not self.own else None
        self.symbol.handle(PositionUpdated("TSLA", self.own + stranger, 1.0, self.own))
        if not self.own:
            SEEN["manual trade"] += stranger > 0
        self.listen()

    @precondition(lambda self: self.live)
    @rule(seconds=st.sampled_from([1, 29, 31]))
    def triggers(self, seconds: int) -> None:
        """The broker holds it, then works it; unfilled for thirty seconds it is taken back."""
        (key,) = self.live
        if self.bought[key]:
            return
        SEEN["triggered"] += 1
        self.symbol.resting()
        self.symbol.working()
        before = self.symbol.now
        self.wait(seconds)
        if self.symbol.now - before >= 30 * SECOND:
            assert key in self.cancelling

    @rule(scope=st.sampled_from([None, "TSLA", "NVDA"]), paused=st.sampled_from([False, False, True]))
    def pause(self, scope: str | None, paused: bool) -> None:
        self.symbol.handle(Paused(scope, "operator") if paused else Resumed(scope, "operator"))
        SEEN["paused" if paused else "resumed"] += 1
        self.listen()

    @rule(link=st.sampled_from(["socket", "broker", "data"]), up=st.sampled_from([True, True, False]))
    def link(self, link: str, up: bool) -> None:
        self.symbol.handle(LinkChanged(link, up, ""))  # type: ignore[arg-type]
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
        filled = self.bought[key]
        del self.live[key]
        if filled and how in ("deny", "drop", "through"):
            how = "broker"  # an entry that has filled can't be denied
        match how:
            case "deny":
                self.symbol.deny()
            case "drop":
                self.symbol.drop("links_down")
            case "through":
                self.symbol.drop("price_through_trigger")
            case "reject":
                self.symbol.rejected(filled=filled)
            case _:
                self.symbol.cancelled(asked=how == "asked", filled=filled)
        self.listen()

    def end(self, key: str) -> None:
        del self.live[key]
        self.symbol.cancelled(asked=key in self.cancelling, filled=self.bought[key])

    @precondition(lambda self: self.live)
    @rule(part=st.booleans(), seconds=st.sampled_from([1, 11]))
    def fills(self, part: bool, seconds: int) -> None:
        """All that is left of it, or one share; the rest has ten seconds."""
        (key,) = self.live
        left = self.live[key] - self.bought[key]
        quantity = 1.0 if part and left > 1 else left
        self.own += quantity
        self.bought[key] += quantity
        whole = self.bought[key] >= self.live[key]
        SEEN["filled" if whole else "filled in part"] += 1
        self.symbol.fill(key, "BUY", own=self.own, quantity=quantity, cum=self.bought[key], of=self.live[key])
        if whole:
            del self.live[key]
        else:
            before = self.symbol.now
            self.wait(seconds)
            if self.symbol.now - before >= 10 * SECOND:
                assert key in self.cancelling, "what is left is taken back"
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
        assert self.symbol.record.entry_live == bool(self.live)
        unfilled = any(not self.bought[key] for key in self.live)
        assert (state is SymbolState.ENTRY_PENDING) == unfilled


def test_any_day() -> None:
    SEEN.clear()
    few = settings(
        max_examples=300,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(AnyDay, settings=few)  # type: ignore[no-untyped-call]
    whats = [
        "entry",
        "filled",
        "filled in part",
        "stopped out",
        "ended",
        "paused",
        "resumed",
        "halted",
        "triggered",
        "manual trade",
    ]
    for what in whats:
        assert SEEN[what] >= 5, f"{what} occurred too rarely: {SEEN}"
