"""Properties for any market and any orders."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.configuration.broker_policy import OnSplit, Policy
from services.simulator.market.synthetic import SyntheticSource
from services.simulator.venue.events import MarketEvent
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.orders import Order, Ticket
from services.simulator.venue.reports import OrderReport, Report
from services.simulator.venue.store import Store
from tests.simulator.scripted import DU1, MONDAY, SECOND, TUESDAY, exchange, prints, ticket

MINUTE = 60 * SECOND

price_lists = st.lists(st.integers(8000, 12000).map(lambda cents: cents / 100), min_size=2, max_size=30)
markets = st.builds(lambda prices, through: prints(*prices, through=through), price_lists, st.booleans())


@given(markets, st.sampled_from(["TRAIL", "TRAIL LIMIT"]), st.sampled_from(["BUY", "SELL"]))
def test_the_level_of_a_trailing_stop_moves_in_its_favour_only(
    events: list[MarketEvent], order_type: str, side: str
) -> None:
    offset = {"limit_offset": 0.1} if order_type == "TRAIL LIMIT" else {}
    market = exchange(events)
    market.advance(MONDAY.open_ns)
    reports = market.place(ticket(1, side, order_type, trailing_pct=5.0, **offset))
    reports += market.advance(MONDAY.close_ns)
    levels = [report.order.trail_stop_price for report in reports if isinstance(report, OrderReport)]
    assert levels
    assert levels == sorted(levels, reverse=side == "BUY")  # type: ignore[type-var]


entries = st.sampled_from(
    [
        ticket(1, "BUY", "MKT", transmit=False),
        ticket(1, "BUY", "LMT", limit_price=99.0, transmit=False),
        ticket(1, "BUY", "STP", stop_price=104.0, transmit=False),
        ticket(1, "BUY", "STP LMT", stop_price=104.0, limit_price=105.0, transmit=False),
    ]
)
exits = st.lists(
    st.sampled_from(
        [
            ticket(0, "SELL", "LMT", limit_price=108.0, parent_id=1),
            ticket(0, "SELL", "STP", stop_price=97.0, parent_id=1),
            ticket(0, "SELL", "STP LMT", stop_price=97.0, limit_price=96.0, parent_id=1),
            ticket(0, "SELL", "TRAIL", trailing_pct=5.0, parent_id=1),
        ]
    ),
    min_size=1,
    max_size=4,
)


@given(markets, entries, exits, st.integers(0, 40))
def test_attached_sells_never_exceed_what_was_bought(
    events: list[MarketEvent], entry: Ticket, attached: list[Ticket], cancel_at: int
) -> None:
    market = exchange(events)
    market.advance(MONDAY.open_ns)
    market.place(entry)
    for number, each in enumerate(attached, start=2):
        market.place(_renumbered(each, number, transmit=number == len(attached) + 1))
    while (due := market.next_event_ns()) is not None:
        market.advance(due, one=True)
        if (due - MONDAY.open_ns) // MINUTE == cancel_at:
            market.cancel(1, 2)
        assert all(held.quantity >= 0 for held in market.positions())
        assert all(order.filled + order.remaining == order.ticket.quantity for order in market.orders())
    assert all(order.done for order in market.orders() if not order.untransmitted)


def _renumbered(asked: Ticket, order_id: int, *, transmit: bool) -> Ticket:
    return Ticket(
        **{name: getattr(asked, name) for name in asked.__struct_fields__}
        | {"order_id": order_id, "transmit": transmit}
    )


@given(markets, st.integers(8000, 12000), st.sampled_from(["BUY", "SELL"]))
def test_a_limit_is_never_filled_beyond_itself(events: list[MarketEvent], cents: int, side: str) -> None:
    limit = cents / 100
    market = exchange(events)
    market.place(ticket(1, side, "LMT", limit_price=limit))
    market.advance(MONDAY.close_ns)
    prices = [execution.price for execution in market.executions()]
    assert all(price <= limit for price in prices) if side == "BUY" else all(price >= limit for price in prices)
    reached = any((event.ask or 0) <= limit if side == "BUY" else (event.bid or 0) >= limit for event in events)
    assert bool(prices) == reached


LIVELY = Policy(
    partial_fills=True,
    limit_up_limit_down=True,
    gtc_on_split=OnSplit.ADJUSTED,
    gtc_stop_reduced_by_dividend=True,
    trail_told_every_s=600.0,
)
ACCOUNTS = [DU1, AccountTerms(account="DU2", kind="cash")]


@given(st.integers(0, 10**6), st.sets(st.integers(1, 160), max_size=4), st.sampled_from([Policy(), LIVELY]))
@settings(max_examples=25, deadline=None)
def test_a_restart_changes_nothing(seed: int, restarts: set[int], policy: Policy) -> None:
    """A day driven by a strategy, once without a restart and once restored from the ledger at random points."""
    source = SyntheticSource(seed, ["AAA", "BBB"], tick_s=300)
    assert _day(source, set(), policy) == _day(source, restarts, policy)


def _day(source: SyntheticSource, restarts: set[int], policy: Policy) -> tuple[list[Report], list[Order], list[object]]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "simulator.sqlite", "DU1", "DU2")
        days = [MONDAY, TUESDAY]
        market = Exchange(source, days, accounts=ACCOUNTS, start_ns=MONDAY.open_ns, policy=policy)
        reports: list[Report] = []
        step = 0
        while (due := market.next_event_ns()) is not None:
            reports += market.advance(due, one=True)
            reports += _act(market, step)
            if policy is LIVELY:
                reports += _happen(market, step)
            if restarts:
                store.save(market.changes())
            step += 1
            if step in restarts:
                saved = store.load()
                assert saved is not None
                assert saved.checkpoint.now_ns == market.now_ns
                broke = [msgspec.structs.replace(terms, cash=0.0) for terms in ACCOUNTS]
                market = Exchange(source, days, accounts=broke, start_ns=0, policy=policy, saved=saved)
        store.close()
        assert market.executions()
        assert market.account_report("DU1").values["NetLiquidation"] > 0
        profits: list[object] = [market.pnl("DU1"), market.pnl("DU2"), market.executions()]
        return reports, market.orders(), profits


def _happen(market: Exchange, step: int) -> list[Report]:
    """The exchange's actions, by the step's number only."""
    executions = [each for each in market.executions() if each.quantity]
    match step:
        case 20 | 90:
            return market.halt("AAA")
        case 26 | 100:
            return market.resume("AAA")
        case 40:
            return market.split("BBB", 3.0)
        case 50 | 120:
            return market.dividend("BBB", 0.25)
        case 60 | 130 if executions:
            return market.correct_execution(executions[-1].exec_id, round(executions[-1].price + 0.5, 4))
        case 70 if executions:
            return market.bust_execution(executions[-1].exec_id)
        case 15 | 30 | 75:
            here = {"account": "DU2", "symbol": "BBB", "quantity": 50.0 + step}
            return market.place(ticket(market.next_order_id(2), "BUY", "MKT", client_id=2, **here))
    return []


def _act(market: Exchange, step: int) -> list[Report]:
    """Brackets, plain orders, cancels and modifications, by the step's number only."""
    symbol = ("AAA", "BBB")[step % 2]
    quote = market.quote(symbol)
    if quote is None or quote.last is None or step % 7:
        return []
    here = {"symbol": symbol}
    trigger, cap = round(quote.last * 1.01, 2), round(quote.last * 1.05, 2)
    first = market.next_order_id(1)
    match step // 7 % 4:
        case 0:
            reports = market.place(
                ticket(first, "BUY", "STP LMT", stop_price=trigger, limit_price=cap, transmit=False, **here)
            )
            return reports + market.place(
                ticket(first + 1, "SELL", "TRAIL", trailing_pct=5.0, parent_id=first, tif="GTC", **here)
            )
        case 1 if step % 5 == 0:
            return market.place(ticket(first, "BUY", "LMT", limit_price=0.00005, **here))
        case 1:
            return market.place(ticket(first, "SELL", "TRAIL LIMIT", trailing_amount=1.0, limit_offset=0.5, **here))
        case 2:
            return market.place(ticket(first, "BUY", "LMT", limit_price=trigger, tif="IOC", **here))
        case _:
            return market.cancel(1, first - 2) + market.place(
                ticket(first, "BUY", "MKT", transmit=step % 2 == 0, **here)
            )


def test_the_restart_property_can_fail() -> None:
    """The property can fail: another seed gives another day."""
    first, second = (SyntheticSource(seed, ["AAA", "BBB"], tick_s=300) for seed in (1, 2))
    assert _day(first, set(), Policy()) != _day(second, set(), Policy())


def test_a_bracket_in_each_symbol_over_a_day_of_bars_ends_flat_or_protected() -> None:
    reports: dict[str, list[Report]] = defaultdict(list)
    source = SyntheticSource(11, ["AAA", "BBB", "CCC"], tick_s=15)
    market = Exchange(source, [MONDAY], accounts=[DU1], start_ns=MONDAY.open_ns)
    market.advance(MONDAY.open_ns + MINUTE)
    for number, symbol in enumerate(source.symbols):
        first = 2 * number + 1
        reports[symbol] += market.place(ticket(first, "BUY", "LMT", symbol=symbol, limit_price=300.0, transmit=False))
        reports[symbol] += market.place(
            ticket(first + 1, "SELL", "TRAIL", symbol=symbol, trailing_pct=30.0, parent_id=first, tif="GTC")
        )
    market.advance(MONDAY.close_ns)
    held = {position.symbol for position in market.positions()}
    protected = {order.ticket.symbol for order in market.open_orders() if order.why_held == "trigger"}
    assert held == protected
    assert len(market.executions()) == len(source.symbols) + len(source.symbols) - len(held)


@pytest.mark.parametrize("bound", ["AAA", "BBB"])
def test_a_position_in_a_symbol_that_left_the_source_is_kept(bound: str) -> None:
    source = SyntheticSource(3, ["AAA", "BBB"], tick_s=300)
    market = Exchange(source, [MONDAY], accounts=[DU1], start_ns=MONDAY.open_ns)
    market.place(ticket(1, "BUY", "MKT", symbol=bound))
    market.place(ticket(2, "SELL", "LMT", symbol=bound, limit_price=9999.0, tif="GTC"))
    market.advance(MONDAY.close_ns)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "simulator.sqlite", "DU1")
        store.save(market.changes())
        saved = store.load()
        store.close()
    other = SyntheticSource(3, [symbol for symbol in source.symbols if symbol != bound], tick_s=300)
    later = Exchange(other, [MONDAY, TUESDAY], accounts=[DU1], start_ns=MONDAY.open_ns, saved=saved)
    later.advance(TUESDAY.close_ns)
    assert later.positions() == market.positions()
    assert [order.ticket.order_id for order in later.open_orders()] == [2]
