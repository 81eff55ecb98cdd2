"""Whether each symbol's prices still come. Pure.

Real world: a feed dies without any message, and the last price stands for hours. So in the open session each symbol
must have a tick of any kind now and then. If there is none, its stream is ended and started anew, which brings the
present prices at once. If nothing comes, or nothing but these first prices several times in a row, the symbol's entries
are blocked, and its stream goes on being started anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from messages.broker import Resubscribe
from services.configuration.settings import Settings
from services.gateway.book.blocks import block, unblock
from services.gateway.book.records import Feed, Links, QuoteRecord, SessionRecord
from services.runtime.core import Draft, State

__all__ = ["STALE", "check_feeds", "feed_deadline", "on_tick", "watch_feeds"]

SECOND = 1_000_000_000
STALE = "feed_stale"
"""The reason that blocks the entries of a symbol without prices."""
ANSWER_NS = 30 * SECOND
"""Market time in which a new stream must bring a tick."""
FIRST_NS = 5 * SECOND
"""Market time in which a new stream brings its first prices: they do not show that it goes on."""
MOST_RESTARTS = 3
"""A stream that brought only its first prices so often is dead."""


def watch_feeds(d: Draft, symbols: Iterable[str], settings: Settings) -> None:
    """Watch the feeds of these symbols, and of no others, from now on."""
    if settings.feed_stale_s is None:
        return
    wanted = dict.fromkeys(symbols)
    for symbol in d.table(Feed):
        if symbol not in wanted:
            d.drop(Feed, symbol)
            unblock(d, STALE, symbol)
    for symbol in wanted:
        if d.get(Feed, symbol) is None:
            d.put(Feed(symbol, d.now.market_ns))


def on_tick(d: Draft, symbol: str, settings: Settings) -> None:
    """A tick of any kind: the feed lives."""
    feed, now_ns = d.get(Feed, symbol), d.now.market_ns
    if settings.feed_stale_s is None or feed is None or (not feed.asked and now_ns - feed.tick_ns < SECOND):
        return
    if feed.asked and now_ns < feed.asked_ns + FIRST_NS:
        d.put(replace(feed, tick_ns=now_ns))
        return
    d.put(Feed(symbol, now_ns))
    unblock(d, STALE, symbol)


def feed_deadline(state: State, settings: Settings) -> int | None:
    """Market time at which something is to be done about a feed; None if no prices need come now."""
    return min((due_ns for due_ns, _ in _due(state, settings)), default=None)


def check_feeds(d: Draft, settings: Settings) -> None:
    """Start stale streams anew; block the entries of symbols whose new stream brought nothing."""
    for due_ns, feed in list(_due(d.state, settings)):
        if due_ns > d.now.market_ns:
            continue
        silent_s = round((d.now.market_ns - feed.tick_ns) / SECOND)
        if feed.asked >= MOST_RESTARTS or _brought_nothing(feed):
            text = f"the prices of {feed.symbol} do not come, nor by a new stream; see its data in TWS"
            block(d, STALE, text, feed.symbol, silent_s=silent_s)
        elif not feed.asked:
            d.note("feed_silent", feed.symbol, "WARNING", silent_s=silent_s)
        d.send("broker", Resubscribe(feed.symbol))
        d.put(Feed(feed.symbol, feed.tick_ns, feed.asked + 1, d.now.market_ns))


def _due(state: State, settings: Settings) -> Iterator[tuple[int, Feed]]:
    """When something is to be done about each feed (market time). Nothing while no prices need come."""
    session, links = state.get(SessionRecord, "session"), state.get(Links, "links")
    if settings.feed_stale_s is None or session is None or links is None or session.phase == "closed":
        return
    if links.phase != "ready" or not links.broker_up or not links.data_up:
        return
    stale_ns = int(settings.feed_stale_s * SECOND)
    since_ns = max(session.open_ns, links.up_since_market_ns)
    break_start_ns, break_end_ns = session.break_ns
    for feed in state.table(Feed).values():
        record = state.get(QuoteRecord, feed.symbol)
        if record is not None and record.quote.refused:
            continue  # the broker refuses the prices: that is a reason of its own
        pause_ns = ANSWER_NS if feed.asked == 1 and _brought_nothing(feed) else stale_ns
        last_ns = max(feed.asked_ns, feed.tick_ns, since_ns)
        due_ns = last_ns + pause_ns
        if last_ns < break_end_ns and due_ns > break_start_ns:
            due_ns = max(due_ns, break_end_ns + pause_ns)
        yield due_ns, feed


def _brought_nothing(feed: Feed) -> bool:
    """Whether not even the first prices came after the last start of the stream."""
    return feed.asked > 0 and feed.tick_ns < feed.asked_ns
