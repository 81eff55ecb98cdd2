"""Feeds: when a symbol without prices is subscribed again, and when its entries are blocked."""

from __future__ import annotations

from typing import Any

from messages.broker import BrokerError, Resubscribe
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import SessionOpened
from messages.timers import Elapsed
from messages.watchlist import WatchlistChanged
from services.gateway.feeds import STALE, feed_deadline
from tests.gateway.scenario import DAY, SECOND, Gateway

STALE_S = 60


def made(**settings: Any) -> Gateway:
    """A ready gateway in an open session whose symbol has just ticked."""
    gateway = Gateway(watchlist=["TSLA"], ibkr={"feed_stale_s": STALE_S}, **settings)
    gateway.receive(SessionOpened(DAY, DAY.close_ns - 900 * SECOND))
    gateway.quote()
    gateway.clear()
    return gateway


def due(gateway: Gateway) -> int | None:
    return feed_deadline(gateway.state, gateway.core.settings)


def elapse(gateway: Gateway) -> list[str]:
    """Let the feed's deadline pass. Returns what goes to the broker, and which reason blocks from now on."""
    at = due(gateway)
    assert at is not None
    gateway.clear()
    gateway.market_ns = at
    gateway.receive(Elapsed())
    assert due(gateway) != at, "a deadline that stays would come again at once"
    blocks = [m.reason for m in gateway.events(EntriesBlocked)]
    return [type(m).__name__ for m in gateway.to_broker if isinstance(m, Resubscribe)] + blocks


def test_a_silent_feed_is_subscribed_again_and_then_blocked() -> None:
    gateway = made()
    assert due(gateway) == gateway.market_ns + STALE_S * SECOND
    assert elapse(gateway) == ["Resubscribe"]
    assert due(gateway) == gateway.market_ns + 30 * SECOND
    assert elapse(gateway) == ["Resubscribe", STALE]
    assert elapse(gateway) == ["Resubscribe"], "it goes on trying, and says it once"


def test_any_tick_ends_it() -> None:
    gateway = made()
    elapse(gateway)
    elapse(gateway)
    gateway.market_ns += 10 * SECOND
    gateway.clear()
    gateway.quote()
    assert [m.symbol for m in gateway.events(EntriesUnblocked)] == ["TSLA"]
    assert due(gateway) == gateway.market_ns + STALE_S * SECOND


def test_the_first_prices_of_a_new_stream_do_not_show_that_it_goes_on() -> None:
    gateway = made()
    for _ in range(3):
        assert elapse(gateway) == ["Resubscribe"]
        gateway.market_ns += SECOND
        gateway.quote()
        assert due(gateway) == gateway.market_ns + STALE_S * SECOND
    assert elapse(gateway) == ["Resubscribe", STALE]


def test_no_prices_need_come_while_the_market_is_closed_or_a_link_is_down() -> None:
    gateway = Gateway(watchlist=["TSLA"], ibkr={"feed_stale_s": STALE_S})
    gateway.closed()
    assert due(gateway) is None
    gateway = made()
    gateway.receive(BrokerError(-1, 1100, "lost"))
    assert due(gateway) is None


def test_a_symbol_that_leaves_is_no_longer_watched() -> None:
    gateway = made()
    elapse(gateway)
    elapse(gateway)
    gateway.clear()
    gateway.receive(WatchlistChanged((), ()))
    assert [m.symbol for m in gateway.events(EntriesUnblocked)] == ["TSLA"]
    assert due(gateway) is None


def test_in_the_simulation_feeds_are_not_watched_unless_asked_for() -> None:
    gateway = Gateway()
    gateway.receive(SessionOpened(DAY, DAY.close_ns - 900 * SECOND))
    gateway.quote()
    assert due(gateway) is None
