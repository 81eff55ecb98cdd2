"""The account on the wire, as the gateway's edge reads it: the same reports as the in-process broker's, for every kind
of account, and the gateway's events from them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ib_insync as ibi
import msgspec
import pytest

from messages.account import AccountUpdated
from messages.broker import BrokerAccount, BrokerCommission, StartStreams
from services.backtest.broker import ExchangeBroker
from services.configuration.broker_policy import AccountKind, BaseCurrency, Policy
from services.configuration.settings import Settings
from services.gateway.account import account_update
from services.gateway.ibkr.connection import Broker
from services.simulator.venue.account import terms_of
from tests.gateway import on_the_wire
from tests.simulator.on_the_wire import ACCOUNT, TSLA, Gateway, gateway, ready, trades

EUR = BaseCurrency.EUR


async def reports(simulator: Gateway, kind: Callable[[Any], bool]) -> list[Any]:
    """The facts on a new connection that streams, as soon as there is one of this kind."""
    settings = msgspec.convert(
        {"watchlist": ["TSLA"], "ibkr": {"port": simulator.server.port, "library": on_the_wire.LIBRARY}}, Settings
    )
    broker = Broker(settings, lambda: None)
    running = asyncio.get_running_loop().create_task(broker.run())
    try:
        async with asyncio.timeout(8):
            while not broker.facts:
                await asyncio.sleep(0.01)
            broker.execute(StartStreams(ACCOUNT))
            while not any(map(kind, broker.facts)):
                await asyncio.sleep(0.01)
        return [fact for fact in broker.facts if kind(fact)]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


KINDS: dict[str, tuple[Policy, tuple[Any, ...]]] = {
    "dollars, margin": (Policy(), ("margin", "USD", 1.0, 9_998.9, 9_898.9, 9_898.9)),
    "dollars, cash": (Policy(account_kind=AccountKind.CASH), ("cash", "USD", 1.0, 9_998.9, 9_898.9, 9_898.9)),
    "euros, half of it dollars": (
        Policy(base_currency=EUR, usd_in_base=0.8, base_cash_part=0.5),
        ("margin", "EUR", 0.8, 9_998.9, 4_898.9, 4_898.9),
    ),
    "euros, no dollars": (
        Policy(base_currency=EUR, usd_in_base=0.8, base_cash_part=1.0),
        ("margin", "EUR", 0.8, 9_998.9, -101.1, -101.1),
    ),
    "no rate": (
        Policy(base_currency=EUR, usd_in_base=0.8, base_cash_part=0.5, exchange_rate_told=False),
        ("margin", "EUR", None, 0.0, 0.0, 0.0),
    ),
}
"""(type, base currency, what a dollar is worth there, net liquidation, cash and settled cash in dollars) after 10
shares were bought at 10.01 for a dollar, and are worth 10."""


@pytest.mark.parametrize("kind", KINDS)
def test_the_wire_reports_every_kind_of_account(kind: str) -> None:
    policy, expected = KINDS[kind]

    async def play() -> None:
        account = terms_of(ACCOUNT, 10_000.0, policy)
        async with gateway(trades("TSLA", *[10.0] * 4), policy=policy, accounts=[account]) as simulator:
            ib = await ready(simulator)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 10))
            await simulator.step(2)
            (*_, report) = await reports(simulator, lambda fact: isinstance(fact, BrokerAccount))
            assert [report] == ExchangeBroker(simulator.exchange, 12).execute(StartStreams(ACCOUNT))
            update = account_update(report, 0)
            assert isinstance(update, AccountUpdated)
            cash = (update.total_cash, update.settled_cash)
            money = (update.net_liquidation, *cash)
            assert (update.account_type, update.base_currency, update.usd_rate) == expected[:3]
            assert money == pytest.approx(expected[3:])

    asyncio.run(play())


def test_the_real_library_reads_the_account_values() -> None:
    """`$LEDGER` is that of the base currency, `$LEDGER:USD` of one, `$LEDGER:ALL` of each."""
    policy = Policy(base_currency=EUR, usd_in_base=0.8, base_cash_part=0.25)

    async def play() -> None:
        account = terms_of(ACCOUNT, 10_000.0, policy)
        async with gateway(trades("TSLA", *[10.0] * 4), policy=policy, accounts=[account]) as simulator:
            ib = await simulator.connect()
            values = {(v.tag, v.currency): v.value for v in ib.accountValues()}
            assert values["NetLiquidation", "EUR"] == "8000.0"
            assert ("NetLiquidation", "USD") not in values
            assert {c: float(values["CashBalance", c]) for c in ("BASE", "EUR", "USD")} == {
                "BASE": 8000.0,
                "EUR": 2000.0,
                "USD": 7500.0,
            }
            assert float(values["ExchangeRate", "USD"]) == 0.8
            assert values["TradingType-S", ""] == "STKMRGN"
            for tags, currencies in (
                ("$LEDGER", {"BASE"}),
                ("$LEDGER:USD", {"USD"}),
                ("$LEDGER:ALL", {"BASE", "EUR", "USD"}),
            ):
                simulator.received[1].clear()
                ib.client.reqAccountSummary(90, "All", tags)
                await simulator.settle()
                rows = [row for row in simulator.received[1] if row[0] == "63"]
                assert {row[6] for row in rows if row[4] == "CashBalance"} == currencies
                ib.client.cancelAccountSummary(90)

    asyncio.run(play())


def test_a_commission_has_its_currency() -> None:
    policy = Policy(base_currency=EUR, usd_in_base=0.8, base_cash_part=0.5, commission_in_base=True)

    async def play() -> None:
        account = terms_of(ACCOUNT, 10_000.0, policy)
        async with gateway(trades("TSLA", *[10.0] * 4), policy=policy, accounts=[account]) as simulator:
            ib = await ready(simulator)
            trade = ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 100))
            await simulator.step(2)
            report = trade.fills[0].commissionReport
            assert (report.commission, report.currency) == (0.8, "EUR")
            exchange = ExchangeBroker(simulator.exchange, 1)
            (charge,) = exchange._snapshot(1).commissions
            assert charge == BrokerCommission(report.execId, 0.8, "EUR", None)

    asyncio.run(play())
