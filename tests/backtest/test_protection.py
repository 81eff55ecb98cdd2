"""Promise 2 on difficult days, and a split overnight: the stop is repaired, whatever the broker did."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from services.backtest.promises import PromiseBroken, Promises
from services.backtest.runner import Runner
from services.clock.calendar import sessions
from services.configuration.broker_policy import ChildOnPartialFill, OnSplit, Policy
from services.configuration.settings import Settings
from services.gateway import core
from services.gateway.book.records import Own
from services.runtime.core import State
from services.simulator.market.files import FileSource
from services.simulator.market.synthetic import SyntheticSource
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.orders import Ticket
from services.simulator.venue.reports import Report
from services.symbol.core import SymbolRecord
from tests.backtest.test_corners import LARGE
from tests.backtest.test_promises import DAYS, SETTINGS
from tests.day.conftest import market_file

HOUR = 3600 * 10**9
SECOND = 1_000_000_000


def dead_child() -> tuple[Runner, Promises]:
    """Two days on which stops of partly filled entries are cancelled with the rest of the entry."""
    raw = msgspec.to_builtins(SETTINGS)
    for section, keys in LARGE.items():
        raw[section] |= keys
    settings = msgspec.convert(raw, Settings)
    policy = Policy(child_on_partial_fill=ChildOnPartialFill.AT_FULL_FILL)
    source = SyntheticSource(4, settings.watchlist, tick_s=60.0)
    promises = Promises(settings, DAYS)
    return Runner(settings, source, DAYS, policy=policy, promises=promises), promises


def test_promise_2_with_the_guard() -> None:
    runner, promises = dead_child()
    runner.run()
    assert promises.counts["shares to protect"] > 100
    assert promises.counts["stops missed"] >= 2, "no stop was ever missing: nothing was promised"
    assert promises.counts["unprotected ms"] == 0


def test_promise_2_is_broken_without_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "protect", lambda *_, **__: False)
    runner, _ = dead_child()
    with pytest.raises(PromiseBroken, match=r"^2: \w+ was without a stop for [\d.]+ s"):
        runner.run()


def split_night(ratio: float, policy: Policy) -> tuple[Runner, Promises]:
    """PLTR is bought on 2023-01-23 (143 shares at 7.35), splits overnight, and trades as recorded."""
    settings = msgspec.convert({"watchlist": ["PLTR"], "stops": {"trailing_stop_pct": 25}}, Settings)
    days = sessions("XNYS", date(2023, 1, 23), date(2023, 1, 24), today=date(2023, 1, 24))
    path = market_file("alpaca_bars_5m_2022_2024.parquet")
    source = FileSource([path], ["PLTR"], start="2023-01-23", end="2023-01-24")
    promises = Promises(settings, days)

    def split(exchange: Exchange) -> list[Report]:
        return exchange.split("PLTR", ratio)

    runner = Runner(
        settings,
        source,
        days,
        policy=policy,
        promises=promises,
        exchange_actions=[(days[0].close_ns + 6 * HOUR, split)],
    )
    return runner, promises


@pytest.mark.parametrize("broker", OnSplit)
@pytest.mark.parametrize(("ratio", "shares", "level"), [(4.0, 572.0, 1.38), (0.5, 71.0, 11.11), (0.25, 35.0, 22.23)])
def test_a_split_over_night(broker: OnSplit, ratio: float, shares: float, level: float) -> None:
    """Half an hour before the open shares and level are repaired; at the open if the broker ended the stop.

    The level at the close was 5.5575: 25 % under 7.41. A stop that the broker adjusted is not adjusted twice. 2023-
    01-24 opens 21 % lower, and trades above the level all day.
    """
    runner, promises = split_night(ratio, Policy(gtc_on_split=broker))
    result = runner.run()
    mended = [e for e in result.events if e.event == "split_mended"]
    assert [(e.fields["was"], e.fields["is"], e.time_ns) for e in mended] == [
        (143.0, shares, runner.clock_core.sessions[1].open_ns - HOUR // 2 + (2 if ratio > 1 else 4) * SECOND)
    ], "once two answers that were asked for two seconds apart agree; fewer shares than ours need one more"
    assert not [e for e in result.events if e.level == "ERROR"]
    own = runner.actors["gateway"].state.get(Own, "PLTR")
    assert own is not None
    assert own.quantity == shares == runner.exchange.positions()[0].quantity
    (stop,) = [o for o in result.orders.values() if o.live]
    assert (stop.role, stop.quantity, stop.filled) == ("stop", shares, 0.0)
    cancelled = broker is OnSplit.CANCELLED
    assert stop.client_order_id == f"CT.sim-PLTR-20230123-1-S{2 if cancelled else 1}"
    sent = [e for e in result.events if e.event == ("trailing_stop_recreated" if cancelled else "stop_resized")]
    assert [e.fields["qty"] for e in sent] == [shares]
    first = [o for o in result.orders.values() if o.client_order_id == "CT.sim-PLTR-20230123-1-S1"]
    assert stop.trail_stop_price is not None
    assert level <= stop.trail_stop_price < level * 1.06, "the day's high is 3 to 4 % above that of the day before"
    assert not cancelled or first[0].trail_stop_price == level
    assert len(runner.exchange.executions()) == 1
    assert promises.counts["unprotected ms"] == 0


@pytest.mark.parametrize("broker", OnSplit)
def test_a_mismatch_that_is_no_split_is_alerted_once_and_never_sold_short(broker: OnSplit) -> None:
    """A reverse split leaves 35 of 143 shares, and one of these is missing too. The operator has to look.

    Meanwhile the shares that are there have a stop, also if the broker had cancelled it.
    """
    runner, _ = split_night(0.25, Policy(gtc_on_split=broker))

    def sold_by_hand(exchange: Exchange) -> list[Report]:
        ticket = Ticket(
            client_id=0,
            order_id=1,
            account=exchange.accounts[0],
            symbol="PLTR",
            side="SELL",
            quantity=1.0,
            order_type="MKT",
        )
        return [*exchange.place(ticket), *exchange.broker_actions.fill(exchange.orders()[-1].perm_id, 1.0)]

    runner._exchange_actions.append((runner.clock_core.sessions[0].close_ns + 7 * HOUR, sold_by_hand))
    result = runner.run()
    (failed,) = [e for e in result.events if e.event == "audit_failed"]
    assert (failed.level, failed.fields["was"], failed.fields["is"]) == ("ERROR", 143.0, 34.0)
    (disputed,) = [e for e in result.events if e.event == "position_disputed"]
    assert (disputed.fields["own"], disputed.fields["account"]) == (143.0, 34.0)
    assert [p.quantity for p in runner.exchange.positions()] == [34.0]
    assert not [e for e in result.events if e.event == "sold_by_hand"], "fewer that cost more each: no sale by hand"
    live = [o for o in result.orders.values() if o.live]
    assert [(o.role, o.quantity) for o in live] == [("stop", 34.0)], "for what two answers prove to be there"
    assert not [o for o in result.orders.values() if o.role == "entry" and o.created_ns > failed.time_ns]


class AtTheBroker(Promises):
    """The promises, and the shares for sale at the exchange after each moment of market time."""

    def __init__(self, runner: Runner, settings: Settings) -> None:
        super().__init__(settings, runner.clock_core.sessions)
        self.exchange = runner.exchange
        self.for_sale: dict[int, float] = {}

    def check(self, gateway: State, risk: State, now_ns: int) -> None:
        super().check(gateway, risk, now_ns)
        self.for_sale[now_ns] = for_sale(self.exchange)


def for_sale(exchange: Exchange) -> float:
    """The shares that live sells are for; a child counts once its parent has filled."""
    sells = [order for order in exchange.open_orders() if order.ticket.side == "SELL"]
    return sum(order.remaining for order in sells if "child" not in order.why_held)


@pytest.mark.parametrize("own_id", [True, False])
@pytest.mark.parametrize("cascades", [True, False])
def test_field_06_a_second_order_under_the_reference_of_the_stop(own_id: bool, cascades: bool) -> None:
    """For all 143 shares, with its own id or under the stop's: after the same moment 143 are for sale."""
    settings = msgspec.convert({"watchlist": ["PLTR"]}, Settings)
    days = sessions("XNYS", date(2023, 1, 23), date(2023, 1, 23), today=date(2023, 1, 23))
    path = market_file("alpaca_bars_5m_2022_2024.parquet")
    source = FileSource([path], ["PLTR"], start="2023-01-23", end="2023-01-23")

    def doubled(exchange: Exchange) -> list[Report]:
        (stop,) = exchange.open_orders()
        copy = msgspec.structs.replace(stop.ticket, order_id=77, parent_id=0)
        reports = exchange.place(copy) if own_id else exchange.broker_actions.double(stop.ticket)
        assert for_sale(exchange) == 286.0
        return reports

    at_ns = days[0].close_ns - HOUR
    runner = Runner(
        settings, source, days, policy=Policy(oca_client_cancel_cascades=cascades), exchange_actions=[(at_ns, doubled)]
    )
    promises = runner._promises = AtTheBroker(runner, settings)
    result = runner.run()
    assert promises.counts["doubles"] > 0, "it was never doubled: nothing is proved"
    assert set(promises.for_sale.values()) == {0.0, 143.0}
    assert [(e.time_ns, e.level) for e in result.events if e.event == "double_order"] == [(at_ns, "ERROR")]
    assert [o.remaining for o in runner.exchange.open_orders()] == [143.0]
    assert [p.quantity for p in runner.exchange.positions()] == [143.0]
    symbol = runner.actors["symbol-PLTR"].state.get(SymbolRecord, "PLTR")
    assert symbol is not None
    (stop,) = [o for o in result.orders.values() if o.live]
    assert (symbol.state, symbol.why, symbol.stop_id) == ("POSITION_OPEN", "protected_by_stop", stop.client_order_id)


def test_a_second_stop_under_our_reference_is_cancelled() -> None:
    """Placed manually under our client id, for all 143 shares: the older one stays, the other is cancelled at once."""
    settings = msgspec.convert({"watchlist": ["PLTR"]}, Settings)
    days = sessions("XNYS", date(2023, 1, 23), date(2023, 1, 23), today=date(2023, 1, 23))
    path = market_file("alpaca_bars_5m_2022_2024.parquet")
    source = FileSource([path], ["PLTR"], start="2023-01-23", end="2023-01-23")

    def by_hand(exchange: Exchange) -> list[Report]:
        ticket = Ticket(
            client_id=settings.ibkr.client_id,
            order_id=77,
            account=exchange.accounts[0],
            symbol="PLTR",
            side="SELL",
            quantity=143.0,
            order_type="TRAIL",
            trailing_pct=10.0,
            trail_stop_price=6.6,
            tif="GTC",
            order_ref="CT.sim-PLTR-20230123-1-S7",
        )
        return exchange.place(ticket)

    at_ns = days[0].close_ns - HOUR
    runner = Runner(settings, source, days, exchange_actions=[(at_ns, by_hand)])
    result = runner.run()
    taken_back = [(e.fields["order_id"], e.time_ns) for e in result.events if e.event == "duplicate_stop_cancelled"]
    assert taken_back == [(77, at_ns)]
    told = [(o.ticket.order_id, o.status) for o in runner.exchange.orders() if o.ticket.side == "SELL"]
    assert told == [(2, "PreSubmitted"), (77, "Cancelled")]
