"""The synthetic market: reproducible, plausible, and volatile enough for trades."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest

from services.simulator.market.synthetic import SyntheticSource
from services.simulator.venue.events import MarketEvent
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.orders import Ticket
from services.simulator.venue.price_grid import on_grid
from services.simulator.venue.reports import ExecutionReport, Report
from services.simulator.venue.source import AFTER_HOURS_NS, PRE_MARKET_NS, SessionCalendar
from tests.simulator.scripted import DU1, MONDAY, SECOND, TUESDAY, session, ticket

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE")
MINUTE = 60 * SECOND


def day(source: SyntheticSource) -> list[MarketEvent]:
    return list(source.events(None, [MONDAY]))


def test_the_same_seed_symbol_and_date_give_the_same_events() -> None:
    assert day(SyntheticSource(1, SYMBOLS)) == day(SyntheticSource(1, SYMBOLS))
    assert day(SyntheticSource(1, SYMBOLS)) != day(SyntheticSource(2, SYMBOLS))
    alone = day(SyntheticSource(1, ["CCC"]))
    assert alone == [event for event in day(SyntheticSource(1, SYMBOLS)) if event.symbol == "CCC"]


def test_a_day_does_not_depend_on_the_days_before() -> None:
    source = SyntheticSource(3, ["AAA"])
    assert list(source.events(None, [MONDAY, TUESDAY])) == day(source) + list(source.events(None, [TUESDAY]))


def test_events_begin_after_any_of_them() -> None:
    source = SyntheticSource(4, ["AAA", "BBB"], tick_s=60)
    every = list(source.events(None, [MONDAY, TUESDAY]))
    assert [event.key for event in every] == sorted(event.key for event in every)
    for index in (0, 1, 777, 779, 780, len(every) - 1):
        assert list(source.events(every[index].key, [MONDAY, TUESDAY])) == every[index + 1 :]


def test_events_lie_within_the_session_early_closes_included() -> None:
    early = session("2024-11-29", early=True)
    events = list(SyntheticSource(5, ["AAA"], tick_s=5).events(None, [early]))
    assert len(events) == 3.5 * 3600 / 5
    assert early.open_ns <= events[0].time_ns
    assert events[-1].time_ns < early.close_ns


@pytest.mark.parametrize("price", [0.4, 20.0, 400.0])
def test_prices_lie_on_the_grid_within_their_quote(price: float) -> None:
    source = SyntheticSource(6, ["AAA"], prices={"AAA": price}, tick_s=20)
    for event in day(source):
        assert event.bid is not None
        assert event.ask is not None
        assert event.price is not None
        assert 0 < event.bid < event.price < event.ask
        assert all(on_grid(each) for each in (event.bid, event.price, event.ask))
        assert event.size > 0


def test_the_day_is_u_shaped() -> None:
    """Mean squared moves over many days: the open has the largest, the close larger ones than midday."""
    squares: dict[str, list[float]] = defaultdict(list)
    for seed in range(12):
        events = day(SyntheticSource(seed, ["AAA"], tick_s=60))
        for index, (before, after) in enumerate(pairwise(events)):
            part = "open" if index < 10 else "close" if index >= 380 else "midday" if 150 <= index < 250 else ""
            squares[part].append((after.price / before.price - 1.0) ** 2)  # type: ignore[operator]
    mean = {part: sum(values) / len(values) for part, values in squares.items()}
    assert mean["open"] > 2 * mean["midday"]
    assert mean["close"] > 1.3 * mean["midday"]


def test_the_close_chains_to_the_next_open() -> None:
    gaps, moves = [], []
    for seed in range(20):
        source = SyntheticSource(seed, ["AAA"], tick_s=60)
        monday, tuesday = day(source), list(source.events(None, [TUESDAY]))
        gaps.append(abs(tuesday[0].price / monday[-1].price - 1.0))  # type: ignore[operator]
        moves.append(abs(tuesday[-1].price / tuesday[0].price - 1.0))  # type: ignore[operator]
    assert 0.005 < sum(gaps) / 20 < sum(moves) / 20 < 0.4


def test_an_average_day_has_entries_and_stop_outs() -> None:
    """Over 20 seeds: in the first ten minutes an entry 5 % over the open, and on most days a stop-out after it."""
    entered, stopped = 0, 0
    for seed in range(20):
        source = SyntheticSource(seed, SYMBOLS)
        market = Exchange(source, [MONDAY], accounts=[DU1], start_ns=MONDAY.open_ns)
        market.advance(MONDAY.open_ns + 15 * SECOND)
        for number, symbol in enumerate(SYMBOLS):
            quote = market.quote(symbol)
            assert quote is not None
            assert quote.last is not None
            for each in bracket(2 * number + 1, symbol, round(quote.last * 1.05, 2)):
                market.place(each)
        early = executions(market.advance(MONDAY.open_ns + 10 * MINUTE))
        entered += any(each.execution.side == "BUY" for each in early)
        until_ns = MONDAY.open_ns + 10 * MINUTE
        while not (sold := any(each.execution.side == "SELL" for each in early)) and until_ns < MONDAY.close_ns:
            until_ns = min(until_ns + 20 * MINUTE, MONDAY.close_ns)
            early = executions(market.advance(until_ns))
        stopped += sold
    assert entered >= 18
    assert stopped >= 16


def test_before_and_after_regular_hours_trading_is_thin_and_regular_hours_are_the_same() -> None:
    prices = {"AAA": 80.0, "BBB": 120.0}
    extended = SyntheticSource(8, ["AAA", "BBB"], prices=prices, extended=True)
    every = list(extended.events(None, [MONDAY, TUESDAY]))
    assert [event.key for event in every] == sorted(event.key for event in every)
    plain = list(SyntheticSource(8, ["AAA", "BBB"], prices=prices).events(None, [MONDAY, TUESDAY]))
    hours = SessionCalendar([MONDAY, TUESDAY])
    assert [event for event in every if hours.at(event.time_ns)] == plain
    assert (len(every) - len(plain)) / 9.5 / 3600 < len(plain) / 6.5 / 3600 / 10
    assert every[0].time_ns - MONDAY.open_ns < MINUTE - PRE_MARKET_NS
    assert 0 <= TUESDAY.close_ns + AFTER_HOURS_NS - every[-1].time_ns < 2 * MINUTE

    def spread(events: list[MarketEvent]) -> float:
        return sum((e.ask - e.bid) / e.price for e in events) / len(events)  # type: ignore[operator]

    def shares(events: list[MarketEvent]) -> float:
        return sum(event.size for event in events) / len(events)

    outside = [event for event in every if not hours.at(event.time_ns)]
    assert all(on_grid(price) for event in outside for price in (event.bid, event.price, event.ask) if price)
    assert spread(outside) > 1.5 * spread(plain)
    assert shares(outside) < shares(plain) / 2
    for index in (0, 100, len(every) // 2, len(every) - 1):
        assert list(extended.events(every[index].key, [MONDAY, TUESDAY])) == every[index + 1 :]


def test_the_pre_market_leads_to_the_open_and_the_post_market_away_from_the_close() -> None:
    for seed in range(10):
        every = list(SyntheticSource(seed, ["AAA"], extended=True).events(None, [MONDAY]))
        opened = next(at for at, event in enumerate(every) if event.time_ns >= MONDAY.open_ns)
        closed = next(at for at, event in enumerate(every) if event.time_ns >= MONDAY.close_ns)
        for before, after in ((every[opened - 1], every[opened]), (every[closed - 1], every[closed])):
            assert before.price is not None
            assert after.price is not None
            assert abs(after.price / before.price - 1.0) < 0.03


def test_an_order_that_may_trade_outside_of_regular_hours_does() -> None:
    source = SyntheticSource(2, ["AAA"], extended=True)
    market = Exchange(source, [MONDAY], accounts=[DU1], start_ns=MONDAY.open_ns - PRE_MARKET_NS)
    market.advance(MONDAY.open_ns - 60 * MINUTE)
    quote = market.quote("AAA")
    assert quote is not None
    assert quote.ask is not None
    limit = round(quote.ask * 1.02, 2)
    market.place(ticket(1, "BUY", "LMT", symbol="AAA", limit_price=limit, quantity=1.0))
    market.place(ticket(2, "BUY", "LMT", symbol="AAA", limit_price=limit, quantity=1.0, outside_rth=True))
    early = executions(market.advance(MONDAY.open_ns - 30 * MINUTE))
    assert [each.execution.order_id for each in early] == [2]
    assert market.quote("AAA").volume == 0  # type: ignore[union-attr]


def bracket(order_id: int, symbol: str, trigger: float) -> tuple[Ticket, Ticket]:
    cap = round(trigger * 1.05, 2)
    return (
        ticket(order_id, "BUY", "STP LMT", symbol=symbol, stop_price=trigger, limit_price=cap, transmit=False),
        ticket(order_id + 1, "SELL", "TRAIL", symbol=symbol, trailing_pct=10.0, parent_id=order_id, tif="GTC"),
    )


def executions(reports: list[Report]) -> list[ExecutionReport]:
    return [report for report in reports if isinstance(report, ExecutionReport)]


def test_a_market_of_years_starts_anywhere_at_once() -> None:
    """Only the requested session is generated: the first event of the last of thousands needs no other."""
    sessions = [session(f"{year}-{month:02}-04") for year in range(2000, 2025) for month in (1, 4, 7, 10)]
    source = SyntheticSource(9, ["AAA"])
    last = sessions[-1]
    assert next(source.events((last.open_ns, "", -1), sessions)).time_ns >= last.open_ns
    levels = [next(source.events((s.open_ns, "", -1), sessions)).price or 0.0 for s in sessions]
    assert 0 < max(levels) < 30 * min(levels)
