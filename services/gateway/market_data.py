"""Quotes of the broker: recorded, used for stops and audits, and published as ticks. Pure."""

from __future__ import annotations

from messages.broker import Quote
from messages.market import Tick
from services.configuration.settings import Settings
from services.gateway.book.queries import links_of
from services.gateway.book.records import Audit, QuoteRecord
from services.gateway.feeds import on_tick
from services.gateway.protection.carry_out import replace_fixed_stop
from services.gateway.protection.levels import sample_level
from services.gateway.protection.morning_audit import audit
from services.runtime.core import Draft

__all__ = ["on_quote", "publish_tick"]


def on_quote(d: Draft, quote: Quote, settings: Settings) -> None:
    """Record the quote. Once the book is reconciled: use it for stops and audits, and publish it as a tick."""
    links = links_of(d)
    on_tick(d, quote.symbol, settings)
    before = d.get(QuoteRecord, quote.symbol)
    number = before.number + 1 if before else 1
    if quote.refused and (before is None or before.quote.refused != quote.refused):
        d.note("market_data_refused", quote.symbol, "WARNING", code=quote.refused)
    if links.phase != "ready":
        d.put(QuoteRecord(quote, number - 1))
        return  # no process may act on prices before the book agrees with the broker's
    d.put(QuoteRecord(quote, number))
    due = d.state.get(Audit, quote.symbol)
    if due is not None and due.told:  # the audit waits for a price
        audit(d, quote.symbol, settings)
    sample_level(d, quote)
    if settings.entries.native_stp:
        replace_fixed_stop(d, quote.symbol, links, settings)
    publish_tick(d, quote, number)


def publish_tick(d: Draft, quote: Quote, number: int) -> None:
    """Publish the quote as the symbol's tick of this number."""
    d.publish(
        quote.symbol,
        Tick(
            symbol=quote.symbol,
            run=links_of(d).run,
            number=number,
            time_ns=d.now.market_ns,
            last=quote.last,
            last_ns=quote.last_ns,
            bid=quote.bid,
            ask=quote.ask,
            halted=quote.halted,
            delayed=quote.delayed,
            refused=quote.refused,
        ),
    )
