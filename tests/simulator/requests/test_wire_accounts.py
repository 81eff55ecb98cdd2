"""Several accounts on one login, profit and loss, and the answers to unsupported requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import ib_insync as ibi
import pytest
from ib_insync.client import Client as IbClient

from services.configuration.broker_policy import Policy
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.instruments import contract_id
from tests.simulator.on_the_wire import ACCOUNT, TSLA, gateway, ready, trades

OTHER = "DU7654321"
BOTH = [AccountTerms(account=ACCOUNT, cash=100_000.0), AccountTerms(account=OTHER, cash=5_000.0)]


def test_a_login_with_two_accounts() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *[10.0] * 4), accounts=BOTH) as simulator:
            ib = await simulator.connect()
            assert ib.managedAccounts() == [ACCOUNT, OTHER]
            cash = {v.account: v.value for v in await ib.accountSummaryAsync() if v.tag == "TotalCashValue"}
            assert cash == {ACCOUNT: "100000.00", OTHER: "5000.00"}
            await simulator.step()
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 100, account=OTHER))
            await simulator.step()
            assert [(held.account, held.position) for held in ib.positions()] == [(OTHER, 100)]
            cash = {v.account: v.value for v in await ib.accountSummaryAsync() if v.tag == "TotalCashValue"}
            assert cash == {ACCOUNT: "100000.00", OTHER: "3998.00"}
            await simulator.news(1)
            simulator.received[1].clear()
            ib.client.reqAccountUpdates(True, OTHER)
            await simulator.settle()
            assert [row[-1] for row in simulator.received[1] if row[0] in ("6", "7", "54")].count(OTHER) > 10
            assert {row[-1] for row in simulator.received[1] if row[0] in ("6", "7", "54")} == {OTHER}

    asyncio.run(play())


@pytest.mark.shows(request=(74, 76), reply=(71, 72, 73, 74), feature="several accounts")
def test_positions_and_values_of_one_account_under_a_request_id() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *[10.0] * 4), accounts=BOTH) as simulator:
            ib = await ready(simulator)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 1, account=ACCOUNT))
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 2, account=OTHER))
            await simulator.step()
            simulator.received[1].clear()
            ib.client.reqPositionsMulti(90, OTHER, "")
            ib.client.reqPositionsMulti(91, "", "")
            ib.client.reqAccountUpdatesMulti(92, OTHER, "", False)
            await simulator.settle()
            held = [(row[2], row[3], row[15]) for row in simulator.received[1] if row[0] == "71"]
            assert held == [("90", OTHER, "2"), ("91", ACCOUNT, "1"), ("91", OTHER, "2")]
            assert [row[2] for row in simulator.received[1] if row[0] == "72"] == ["90", "91"]
            assert {row[3] for row in simulator.received[1] if row[0] == "73"} == {OTHER}
            ib.client.cancelPositionsMulti(91)
            ib.client.cancelAccountUpdatesMulti(92)
            await simulator.settle()
            simulator.received[1].clear()
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 3, account=OTHER))
            await simulator.step()
            assert [(row[2], row[15]) for row in simulator.received[1] if row[0] == "71"] == [("90", "5")]

    asyncio.run(play())


def test_accounts_and_models_that_are_not_there() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect()
            await simulator.news(1)
            ib.client.reqPositionsMulti(90, "DU9", "")
            ib.client.reqPositionsMulti(91, ACCOUNT, "model")
            ib.client.reqPnL(92, "DU9", "")
            ib.client.reqPnLSingle(93, ACCOUNT, "", 1)
            ib.client.reqAccountSummary(94, "Family", "All")
            assert await simulator.news(1) == ["4 90 321", "4 91 321", "4 92 321", "4 93 200", "4 94 321"]

    asyncio.run(play())


def test_at_most_two_summaries() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect()
            for request_id in (90, 91, 92):
                ib.client.reqAccountSummary(request_id, "All", "$LEDGER:USD,BuyingPower")
            await simulator.settle()
            reported = {row[4] for row in simulator.received[1] if row[0] == "63" and row[2] == "90"}
            assert reported >= {"BuyingPower", "CashBalance", "ExchangeRate"}
            assert "NetLiquidation" not in reported
            assert (await simulator.news(1))[-1] == "4 92 322"

    asyncio.run(play())


@pytest.mark.shows(request=(92, 93, 94, 95), reply=(94, 95))
def test_profit_of_an_account_and_of_a_position() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.0, 10.5, 10.5, 11.0, 11.0)) as simulator:
            ib = await ready(simulator)
            whole, single = ib.reqPnL(ACCOUNT), ib.reqPnLSingle(ACCOUNT, "", contract_id("TSLA"))
            await simulator.settle()
            assert (whole.dailyPnL, whole.unrealizedPnL, whole.realizedPnL) == (0, 0, 0)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 100))
            await simulator.step(2)  # bought at 10.01, for a dollar; now at 10.50
            assert (single.position, single.value) == (100, 1050)
            assert single.dailyPnL == pytest.approx(whole.dailyPnL) == pytest.approx(48)
            assert single.unrealizedPnL == pytest.approx(whole.unrealizedPnL) == pytest.approx(48)
            ib.placeOrder(TSLA, ibi.MarketOrder("SELL", 100))
            await simulator.step(2)
            assert (single.position, single.value, single.unrealizedPnL) == (0, 0, 0)
            assert whole.realizedPnL == pytest.approx(whole.dailyPnL) == pytest.approx(single.realizedPnL)
            ib.cancelPnL(ACCOUNT)
            ib.cancelPnLSingle(ACCOUNT, "", contract_id("TSLA"))
            await simulator.settle()
            simulator.received[1].clear()
            await simulator.step()
            assert not [row for row in simulator.received[1] if row[0] in ("94", "95")]

    asyncio.run(play())


def test_values_are_repeated_at_the_interval_of_the_policy() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *[10.0] * 4), policy=Policy(account_told_every_s=2.0)) as simulator:
            ib = await ready(simulator)
            simulator.received[1].clear()
            reported = []
            for _ in range(3):
                await simulator.step()
                reported.append(sum(row[0] == "8" for row in simulator.received[1]))
            assert reported in ([0, 1, 1], [1, 1, 2])
            assert ib.isConnected()

    asyncio.run(play())


ANSWERS: list[tuple[Callable[[IbClient], None], list[str]]] = [
    (lambda c: c.reqNewsBulletins(True), []),
    (lambda c: c.setServerLogLevel(5), []),
    (lambda c: c.requestFA(1), ["4 -1 321"]),
    (lambda c: c.replaceFA(90, 1, "<x/>"), ["4 90 321"]),
    (lambda c: c.exerciseOptions(90, TSLA, 1, 1, ACCOUNT, 0), ["4 90 200"]),
    (lambda c: c.reqScannerSubscription(90, ibi.ScannerSubscription(), [], []), ["20", "4 90 165"]),
    (lambda c: c.cancelScannerSubscription(90), ["4 90 162"]),
    (lambda c: c.reqScannerParameters(), ["19"]),
    (lambda c: c.reqFundamentalData(90, TSLA, "ReportSnapshot", []), ["4 90 430"]),
    (lambda c: c.calculateImpliedVolatility(90, TSLA, 1.0, 2.0, []), ["4 90 200"]),
    (lambda c: c.verifyRequest("x", "1"), ["4 -1 321"]),
    (lambda c: c.queryDisplayGroups(90), ["67"]),
    (lambda c: c.subscribeToGroupEvents(90, 1), ["68"]),
    (lambda c: c.reqSecDefOptParams(90, "TSLA", "", "STK", 76), ["76"]),
    (lambda c: c.reqSoftDollarTiers(90), ["77"]),
    (lambda c: c.reqFamilyCodes(), ["78"]),
    (lambda c: c.reqMktDepthExchanges(), ["80"]),
    (lambda c: c.reqSmartComponents(90, "9c0001"), ["82"]),
    (lambda c: c.reqNewsProviders(), ["85"]),
    (lambda c: c.reqNewsArticle(90, "BRFG", "x", []), ["4 90 10172"]),
    (lambda c: c.reqHistoricalNews(90, 76, "BRFG", "", "", 9, []), ["87"]),
    (lambda c: c.reqWshMetaData(90), ["4 90 10276"]),
    (lambda c: c.cancelWshMetaData(90), ["4 90 10280"]),
    (lambda c: c.reqWshEventData(90, ibi.WshEventData()), ["4 90 10276"]),
    (lambda c: c.cancelWshEventData(90), ["4 90 10284"]),
    (lambda c: c.reqUserInfo(90), ["107"]),
]


def test_unsupported_requests(caplog: pytest.LogCaptureFixture) -> None:
    """The real library decodes each answer and logs errors."""

    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            for client_id, version in ((1, 157), (2, 176)):
                ib = await simulator.connect(client_id, highest_version=version)
                await simulator.news(client_id)
                for send, expected in ANSWERS:
                    send(ib.client)
                    assert await simulator.news(client_id) == expected
            assert await ib.reqSmartComponentsAsync("9c0001") == [ibi.SmartComponent(0, "NASDAQ", "Q")]

    asyncio.run(play())
    assert "Error handling fields" not in caplog.text
    assert "Error for" not in caplog.text


def test_contract_details_have_the_hours() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect()
            (details,) = await ib.reqContractDetailsAsync(TSLA)
            assert details.timeZoneId == "US/Eastern"
            first, second, *_ = details.tradingHours.split(";")
            assert (first, second) == ("20220322:0400-20220322:2000", "20220323:CLOSED")
            assert details.liquidHours.startswith("20220322:0930-20220322:1600;20220323:CLOSED")

    asyncio.run(play())
