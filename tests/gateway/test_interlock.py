"""What blocks entries for the whole fleet and nothing else: a wrong account, no live confirmation, a wrong clock."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.broker import (
    BrokerClock,
    BrokerPosition,
    CancelOrder,
    Connected,
    LiveConfirmation,
    PlaceOrder,
    Qualify,
    RequestSnapshot,
    Subscribe,
)
from messages.entries import EntryDropped
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import SessionOpened
from messages.operator import Happened
from messages.timers import Elapsed
from messages.watchlist import WatchlistChanged
from services.configuration.settings import Ibkr, Settings
from services.gateway.ibkr.clock_offset import ASK_EVERY_S, QUESTIONS, bounds
from services.gateway.interlock import account_trouble
from services.runtime.core import Now
from tests.gateway.scenario import ACCOUNT, DAY, SECOND, Gateway, broker_execution

LIVE = "U1234567"
UNTIL = DAY.open_ns + 3600 * SECOND


def settings(mode: str, account: str | None = None) -> Settings:
    return Settings(mode=mode, watchlist=("TSLA",), ibkr=Ibkr(account=account))  # type: ignore[arg-type]


ACCOUNTS = [
    # (mode, configured, of the login, bound to, the account or a part of the refusal)
    ("paper", None, ("DU1234567",), "", "DU1234567"),
    ("paper", "DU1234567", ("DU1234567", "DU7654321"), "", "DU1234567"),
    ("paper", None, ("DU1234567", "DU7654321"), "", "!name the one to trade"),
    ("paper", None, (), "", "!name the one to trade"),
    ("paper", "DU1234567", ("DU7654321",), "", "!not of this login"),
    ("paper", None, ("U1234567",), "", "!set mode: live"),
    ("paper", "U1234567", ("U1234567",), "", "!set mode: live"),
    ("live", "U1234567", ("U1234567",), "", "U1234567"),
    ("live", "U1234567", ("U1234567", "U7654321"), "U1234567", "U1234567"),
    ("live", "DU1234567", ("DU1234567",), "", "!set mode: paper"),
    ("live", "U1234567", ("U1234567",), "U7654321", "!name another fleet"),
    ("sim", None, ("U1234567",), "", "!not of this login"),
]


@pytest.mark.parametrize(("mode", "configured", "login", "bound", "expected"), ACCOUNTS)
def test_mode_account_and_login_must_agree(
    mode: str, configured: str | None, login: tuple[str, ...], bound: str, expected: str
) -> None:
    account, trouble = account_trouble(settings(mode, configured), login, bound)
    if expected.startswith("!"):
        assert account == ""
        assert expected[1:] in trouble
        assert "\n" not in trouble
    else:
        assert (account, trouble) == (expected, "")


def live(confirmation: LiveConfirmation | None = None) -> Gateway:
    """A live gateway in an open session; by default its owner has confirmed until an hour after the open."""
    gateway = Gateway(cold=True, mode="live", ibkr={"account": LIVE, "feed_stale_s": 0})
    gateway.receive(LiveConfirmation(LIVE, UNTIL) if confirmation is None else confirmation)
    gateway.receive(Connected((LIVE,), 1, 12))
    gateway.qualify()
    gateway.answer(account=LIVE)
    gateway.receive(SessionOpened(DAY, DAY.close_ns - 900 * SECOND))
    gateway.quote()
    gateway.to_broker = []
    return gateway


def dropped(gateway: Gateway) -> list[str]:
    return [m.reason for _, m in gateway.messages if isinstance(m, EntryDropped)]


def blocks(gateway: Gateway) -> list[str]:
    return [m.reason for _, m in gateway.messages if isinstance(m, EntriesBlocked)]


def expiry(gateway: Gateway) -> int | None:
    return gateway.core.deadlines(gateway.state, Now(gateway.market_ns, gateway.machine_ns)).market_ns


def unblocks(gateway: Gateway) -> list[str]:
    return [m.reason for _, m in gateway.messages if isinstance(m, EntriesUnblocked)]


class TestLive:
    def test_confirmed_it_trades(self) -> None:
        gateway = live()
        gateway.enter()
        assert [type(m) for m in gateway.to_broker] == [PlaceOrder, PlaceOrder]
        assert blocks(gateway) == []

    @pytest.mark.parametrize(
        ("confirmation", "why"),
        [
            (LiveConfirmation("", 0), "has not been confirmed"),
            (LiveConfirmation("U7654321", UNTIL), "was confirmed for U7654321"),
            (LiveConfirmation(LIVE, DAY.open_ns), "confirmation has expired"),
        ],
    )
    def test_without_a_confirmation_it_only_protects(self, confirmation: LiveConfirmation, why: str) -> None:
        gateway = live(confirmation)
        (event,) = [m for _, m in gateway.messages if isinstance(m, Happened) and m.event == "live_unconfirmed"]
        assert (event.level, why in str(event.fields["text"])) == ("ERROR", True)
        gateway.clear()
        gateway.receive(LiveConfirmation("", 0))
        gateway.receive(confirmation)
        assert not gateway.notes(), "reported once"
        gateway.enter()
        assert dropped(gateway) == ["live_unconfirmed"]
        assert gateway.to_broker == []

    def test_held_shares_keep_their_stop(self) -> None:
        gateway = live()
        entry = gateway.working()
        key = entry.client_order_id
        gateway.receive(gateway.execution(key, 10.0, 105.0, account=LIVE))
        gateway.receive(gateway.status(key, "Filled", filled=10.0, account=LIVE))
        gateway.receive(BrokerPosition(LIVE, "TSLA", 10.0, 105.0))
        gateway.receive(LiveConfirmation("", 0))
        gateway.wait(15)
        gateway.clear()
        gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled", account=LIVE))
        gateway.wait(15)
        assert "SELL 10 TRAIL" in gateway.orders_sent()

    def test_an_expiry_cancels_unfilled_entries_and_a_new_confirmation_ends_the_block(self) -> None:
        gateway = live()
        gateway.working()
        gateway.clear()
        assert expiry(gateway) == UNTIL
        gateway.market_ns = UNTIL
        gateway.receive(Elapsed())
        assert blocks(gateway) == ["live_unconfirmed"]
        assert [type(m) for m in gateway.to_broker] == [CancelOrder]
        assert expiry(gateway) is None
        gateway.receive(LiveConfirmation(LIVE, UNTIL + 3600 * SECOND))
        assert unblocks(gateway) == ["live_unconfirmed"]

    def test_a_block_is_kept_over_a_restart_and_is_in_the_snapshot(self) -> None:
        gateway = live(LiveConfirmation("", 0))
        gateway.restart()
        event = [m for to, m in gateway.core.snapshot(gateway.state, ("fleet",)) if isinstance(m, EntriesBlocked)]
        assert [m.reason for m in event] == ["live_unconfirmed"]

    def test_a_wrong_account_sends_nothing_and_is_reported_once(self) -> None:
        gateway = Gateway(cold=True, mode="live", ibkr={"account": LIVE, "feed_stale_s": 0})
        for _ in range(3):
            gateway.receive(Connected((ACCOUNT,), 1, 12))
            gateway.disconnect()
        assert blocks(gateway) == ["wrong_account"]
        assert gateway.to_broker == []
        assert "not of this login" in gateway.core.note(gateway.state)
        gateway.receive(Connected((LIVE,), 1, 12))
        gateway.qualify()
        assert unblocks(gateway) == ["wrong_account"]
        assert gateway.core.note(gateway.state) == ""


class TestClock:
    @pytest.mark.parametrize(
        ("least", "most", "off"),
        [
            (-0.9, 0.1, 0),
            (0.95, 1.1, 0),
            (1.1, 1.3, 1.1),
            (-1.4, -1.2, -1.2),
            (-30.0, 0.5, 0),
            (3600.0, 3600.2, 3600.0),
        ],
    )
    def test_an_offset_of_certainly_more_than_a_second_blocks(self, least: float, most: float, off: float) -> None:
        gateway = Gateway(mode="paper")
        gateway.receive(BrokerClock(least, most))
        assert blocks(gateway) == (["clock_off"] if off else [])
        gateway.clear()
        gateway.enter()
        if off:
            (event,) = [m for _, m in gateway.messages if isinstance(m, EntryDropped)]
            assert (event.reason, event.figures) == ("clock_off", {"off_s": off})
        else:
            assert dropped(gateway) == []

    def test_a_wrong_clock_is_reported_once_and_the_block_ends(self) -> None:
        gateway = Gateway(mode="paper")
        for _ in range(5):
            gateway.receive(BrokerClock(2.0, 2.2))
        gateway.receive(BrokerClock(-5.0, 2.0))
        assert (blocks(gateway), unblocks(gateway)) == (["clock_off"], []), "a slow answer proves nothing"
        gateway.receive(BrokerClock(-0.1, 0.1))
        gateway.receive(BrokerClock(-0.1, 0.1))
        assert unblocks(gateway) == ["clock_off"]

    def test_resting_entries_stay(self) -> None:
        gateway = Gateway(mode="paper")
        gateway.working()
        gateway.clear()
        gateway.receive(BrokerClock(2.0, 2.2))
        assert gateway.to_broker == []

    @given(
        st.floats(-5, 5),
        st.integers(0, SECOND - 1),
        st.lists(st.floats(0, 0.05), min_size=QUESTIONS, max_size=QUESTIONS),
    )
    def test_the_bounds_contain_the_offset_and_are_narrow(
        self, ahead_s: float, phase_ns: int, way_s: list[float]
    ) -> None:
        broker_ns, samples = 1_700_000_000 * SECOND + phase_ns, []
        for way in way_s:
            asked = broker_ns + int(ahead_s * SECOND)
            told_s = (broker_ns + int(way * SECOND)) // SECOND
            broker_ns += int(2 * way * SECOND)
            samples.append((asked, broker_ns + int(ahead_s * SECOND), told_s))
            broker_ns += int(ASK_EVERY_S * SECOND)
        found = bounds(samples)
        assert found is not None
        assert found[0] - 1e-6 <= ahead_s <= found[1] + 1e-6
        assert found[1] - found[0] < 0.45

    def test_without_consistent_answers_there_are_no_bounds(self) -> None:
        assert bounds([]) is None
        assert bounds([(0, 0, 0), (100 * SECOND, 100 * SECOND, 0)]) is None


class TestHours:
    @pytest.mark.parametrize("outside", [False, True])
    def test_both_orders_have_the_outside_rth_flag(self, outside: bool) -> None:
        gateway = Gateway()
        gateway.enter(outside_rth=outside)
        orders = [m.order for m in gateway.to_broker if isinstance(m, PlaceOrder)]
        assert [order.outside_rth for order in orders] == [outside, outside]

    def test_no_entry_is_sent_in_the_exchanges_break(self) -> None:
        gateway = Gateway()
        rest = msgspec.structs.replace(DAY, break_start_ns=gateway.market_ns, break_end_ns=gateway.market_ns + SECOND)
        gateway.receive(SessionOpened(rest, DAY.close_ns - 900 * SECOND))
        gateway.enter()
        assert dropped(gateway) == ["session_break"]


class TestDelayedData:
    @pytest.mark.parametrize(
        ("mode", "allowed", "sent"), [("paper", True, True), ("paper", False, False), ("live", True, False)]
    )
    def test_delayed_data_may_be_allowed_in_paper_mode_only(self, mode: str, allowed: bool, sent: bool) -> None:
        account = LIVE if mode == "live" else ACCOUNT
        gateway = Gateway(cold=True, mode=mode, ibkr={"account": account, "allow_delayed": allowed})
        gateway.receive(LiveConfirmation(LIVE, UNTIL))
        gateway.receive(Connected((account,), 1, 12))
        gateway.qualify()
        gateway.answer(account=account)
        gateway.receive(SessionOpened(DAY, DAY.close_ns - 900 * SECOND))
        gateway.quote(delayed=True)
        gateway.clear()
        gateway.enter()
        assert dropped(gateway) == ([] if sent else ["delayed_data"])


class TestObserve:
    def test_an_entry_is_noted_and_not_sent(self) -> None:
        gateway = Gateway(mode="paper", observe=True)
        gateway.enter()
        assert dropped(gateway) == ["observed"]
        (event,) = [m for _, m in gateway.messages if isinstance(m, Happened) and m.event == "entry_observed"]
        assert {"client_order_id", "qty", "stop_price", "limit_price", "trailing_pct"} <= event.fields.keys()
        assert gateway.to_broker == []

    def test_an_entry_with_a_reason_is_dropped_for_that_reason(self) -> None:
        gateway = Gateway(mode="paper", observe=True)
        gateway.quote(106.0)
        gateway.enter()
        assert dropped(gateway) == ["price_through_trigger"]

    def test_held_shares_get_no_new_stop(self) -> None:
        gateway = Gateway(mode="paper", observe=True)
        gateway.receive(broker_execution("CT-TSLA-20250106-1", 10.0, 105.0))
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
        gateway.wait(60)
        assert [m for m in gateway.to_broker if not isinstance(m, RequestSnapshot)] == []


def test_the_broker_streams_the_watchlist() -> None:
    gateway = Gateway()
    gateway.receive(WatchlistChanged(("TSLA", "GME"), ("NVDA",)))
    assert gateway.to_broker == [Subscribe(("TSLA", "GME", "NVDA")), Qualify()]
