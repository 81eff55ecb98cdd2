"""Faults of others in the account, as a client receives them: by hand, other clients, accounts and contracts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import ib_insync as ibi
import pytest

from services.simulator.broker import SimulatedBroker
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.store import Store
from tests.simulator.faults.test_faults_wire import clear, codes, fail, limit, orders
from tests.simulator.on_the_wire import (
    ACCOUNT,
    CALM,
    OPEN_NS,
    SESSION,
    TSLA,
    Gateway,
    WrittenMarket,
    gateway,
    ready,
    trail,
)

TESLA = 76792991


async def held(ib: ibi.IB) -> list[tuple[str, int, str, str, str, float]]:
    """Every position: account, contract id, ticker, type, currency, shares."""
    return [
        (
            each.account,
            each.contract.conId,
            each.contract.symbol,
            each.contract.secType,
            each.contract.currency,
            each.position,
        )
        for each in await ib.reqPositionsAsync()
    ]


async def holding(simulator: Gateway, shares: float = 10) -> ibi.IB:
    """A client with shares of TSLA."""
    ib = await ready(simulator)
    ib.placeOrder(TSLA, ibi.MarketOrder("BUY", shares))
    await simulator.step(2)
    await simulator.news(1)
    return ib


def test_field_46_another_instrument_of_the_same_ticker() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await holding(simulator)
            fail(simulator, "foreign-position", symbol="TSLA", sec_type="OPT", quantity=-1, price=250.0)
            fail(simulator, "foreign-position", symbol="TSLA", currency="EUR", quantity=50)
            fail(simulator, "foreign-position", symbol="TSLA", sec_type="FUT", quantity=2)
            await simulator.settle()
            ours, *others = sorted(await held(ib), key=lambda each: each[3:5] != ("STK", "USD"))
            assert ours == (ACCOUNT, TESLA, "TSLA", "STK", "USD", 10.0)
            assert sorted(each[2:] for each in others) == [
                ("TSLA", "FUT", "USD", 2.0),
                ("TSLA", "OPT", "USD", -1.0),
                ("TSLA", "STK", "EUR", 50.0),
            ]
            assert len({each[1] for each in (ours, *others)}) == 4
            option = next(each.contract for each in ib.positions() if each.contract.secType == "OPT")
            assert (option.right, option.strike, option.multiplier) == ("C", 100.0, "100")
            assert {each.contract.secType for each in ib.portfolio()} == {"STK", "OPT", "FUT"}
            back = await simulator.connect(2)
            assert sorted(await held(back)) == sorted([ours, *others])

    asyncio.run(play())


def test_field_46_an_order_of_another_instrument_rests_beside_ours() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await holding(simulator)
            fail(simulator, "foreign-order", symbol="TSLA", sec_type="OPT", order_type="LMT", price=1.0)
            await simulator.step(2)
            (foreign,) = await ib.reqAllOpenOrdersAsync()
            assert (foreign.contract.symbol, foreign.contract.secType) == ("TSLA", "OPT")
            assert foreign.contract.conId != TESLA
            assert [each.ticket.symbol for each in simulator.exchange.open_orders()] != ["TSLA"]
            assert simulator.exchange.positions()[0].quantity == 10

    asyncio.run(play())


def test_field_47_another_account_of_the_login_holds_the_same_stock() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await holding(simulator)
            fail(simulator, "foreign-position", symbol="TSLA", account="DU7654321", quantity=50)
            fail(simulator, "foreign-order", symbol="TSLA", account="DU7654321", order_type="STP", price=5.0)
            await simulator.settle()
            assert sorted(await held(ib)) == [
                (ACCOUNT, TESLA, "TSLA", "STK", "USD", 10.0),
                ("DU7654321", TESLA, "TSLA", "STK", "USD", 50.0),
            ]
            assert [each.order.account for each in await ib.reqAllOpenOrdersAsync()] == ["DU7654321"]
            for client in (None, 9):  # without an account it is the first one's
                fail(simulator, "foreign-order", symbol="TSLA", order_type="LMT", price=99.0, client=client)
            accounts = sorted(each.order.account for each in await ib.reqAllOpenOrdersAsync())
            assert accounts == [ACCOUNT, ACCOUNT, "DU7654321"]
            back = await simulator.connect(2)
            assert back.managedAccounts() == [ACCOUNT, "DU7654321"]
            await simulator.news(1)
            unnamed = ib.placeOrder(TSLA, limit())
            assert await simulator.news(1) == [f"4 {unnamed.order.orderId} 435"]

    asyncio.run(play())


def test_field_50_a_ticker_is_renamed_and_keeps_its_contract_id() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await holding(simulator)
            stop = ib.placeOrder(TSLA, trail(10))
            await simulator.news(1)
            fail(simulator, "rename", symbol="TSLA", to="TSLB")
            await simulator.settle()
            assert await held(ib) == [(ACCOUNT, TESLA, "TSLB", "STK", "USD", 10.0)]
            assert await ib.qualifyContractsAsync(ibi.Stock("TSLA", "SMART", "USD")) == []
            (by_id,) = await ib.qualifyContractsAsync(ibi.Contract(conId=TESLA))
            assert (by_id.symbol, by_id.conId) == ("TSLB", TESLA)
            await simulator.news(1)
            refused = ib.placeOrder(TSLA, limit())
            assert codes(await simulator.news(1)) == [200]
            taken = ib.placeOrder(ibi.Contract(conId=TESLA, exchange="SMART"), limit())
            assert f"5 {taken.order.orderId}" in await simulator.news(1)
            assert refused.order.orderId < taken.order.orderId
            other = await simulator.connect(2)  # the first client keeps the contracts that it placed
            shown = {each.order.orderId: each.contract.symbol for each in await other.reqAllOpenOrdersAsync()}
            assert shown == {stop.order.orderId: "TSLB", taken.order.orderId: "TSLB"}
            fills = await ib.reqExecutionsAsync()
            assert [(each.contract.symbol, each.contract.conId) for each in fills] == [("TSLB", TESLA)]

    asyncio.run(play())


def test_field_50_a_ticker_passes_to_another_contract() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await holding(simulator)
            fail(simulator, "reassign", symbol="TSLA")
            await simulator.settle()
            assert await held(ib) == [(ACCOUNT, TESLA, "TSLA.OLD", "STK", "USD", 10.0)]
            (new,) = await ib.qualifyContractsAsync(ibi.Stock("TSLA", "SMART", "USD"))
            assert new.conId not in (TESLA, 0)
            await simulator.news(1)
            ib.reqMktData(ibi.Stock("TSLA", "SMART", "USD"))
            assert codes(await simulator.news(1)) == [354]
            trade = ib.placeOrder(new, limit())
            assert f"3 {trade.order.orderId} Submitted" in await simulator.news(1)
            # Nothing of it is lost with a restart.
            saved = simulator.ledger.saved[-1].checkpoint.others
            assert {contract.ticker for contract in saved.values()} == {"TSLA", "TSLA.OLD"}

    asyncio.run(play())


def test_field_56_an_order_of_another_client_with_a_reference_like_ours() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await holding(simulator)
            fail(simulator, "foreign-order", symbol="TSLA", client=9, order_ref="CT-1", order_type="STP", price=5.0)
            (seen,) = await ib.reqAllOpenOrdersAsync()
            assert (seen.order.clientId, seen.order.orderRef, seen.order.orderId) == (9, "CT-1", 1)
            await simulator.news(1)
            fail(simulator, "foreign-order", symbol="TSLA", client=9, quantity=3)
            await simulator.step()
            assert [each[-1] for each in await held(ib)] == [7.0]
            assert [each for each in await simulator.news(1) if each.startswith(("3 ", "11 "))] == [], "not told"

    asyncio.run(play())


@pytest.mark.parametrize("told", [True, False])
def test_field_63_an_order_is_cancelled_by_hand(told: bool) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await holding(simulator)
            stop = ib.placeOrder(TSLA, trail(10))
            kept = ib.placeOrder(TSLA, limit())
            await simulator.news(1)
            fail(simulator, "cancel-by-hand", symbol="TSLA", side="SELL", told=told)
            number = stop.order.orderId
            assert await orders(simulator) == ([f"3 {number} Cancelled", f"4 {number} 202"] if told else [])
            assert [each.order.orderId for each in await ib.reqOpenOrdersAsync()] == [kept.order.orderId]
            done = [each for each in simulator.exchange.completed_orders() if each.ticket.order_id == number]
            assert [each.completed_status for each in done] == ["Cancelled by Trader"]

    asyncio.run(play())


@pytest.mark.parametrize("told", [True, False])
def test_field_63_an_order_is_changed_by_hand(told: bool) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await holding(simulator)
            ib.placeOrder(TSLA, ibi.StopOrder("SELL", 10, 8.0, tif="GTC"))
            ib.placeOrder(TSLA, limit())
            ib.placeOrder(TSLA, trail(10))
            await simulator.news(1)
            fail(simulator, "change-by-hand", symbol="TSLA", order_type="STP", quantity=4, price=7.5, told=told)
            fail(simulator, "change-by-hand", symbol="TSLA", order_type="LMT", price=8.5, told=told)
            fail(simulator, "change-by-hand", symbol="TSLA", order_type="TRAIL", price=9.5, told=told)
            assert len([each for each in await orders(simulator) if each[0] == "5"]) == (3 if told else 0)
            read = [
                (each.order.orderType, each.order.totalQuantity, each.order.auxPrice, each.order.lmtPrice)
                for each in await ib.reqOpenOrdersAsync()
            ]
            assert read == [("STP", 4, 7.5, 0.0), ("LMT", 10, 0.0, 8.5), ("TRAIL", 10, 0.0, 0.0)]
            assert simulator.exchange.open_orders()[2].trail_stop_price == 9.5

    asyncio.run(play())


def test_field_64_a_fraction_of_a_share_comes_without_an_order() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await holding(simulator)
            before = simulator.exchange.account_report(ACCOUNT).values["TotalCashValue"]
            fail(simulator, "transfer", symbol="TSLA", quantity=0.05)
            await simulator.settle()
            assert [each.position for each in ib.positions()] == [10.05]
            assert [each[-1] for each in await held(ib)] == [10.05]
            assert await ib.reqOpenOrdersAsync() == []
            assert simulator.exchange.account_report(ACCOUNT).values["TotalCashValue"] == before
            fail(simulator, "transfer", symbol="TSLA", quantity=-10.05)
            await simulator.settle()
            assert await held(ib) == []
            fail(simulator, "transfer", symbol="TSLA", quantity=3, price=8.0)
            ((position,),) = [simulator.exchange.positions()]
            assert (position.quantity, position.avg_cost) == (3, 8.0)
            clear(simulator)

    asyncio.run(play())


def test_what_others_hold_survives_a_restart(tmp_path: Path) -> None:
    def broker(store: Store) -> SimulatedBroker:
        return SimulatedBroker(
            WrittenMarket(CALM),
            [SESSION],
            store,
            accounts=[AccountTerms(account=ACCOUNT)],
            start_ns=OPEN_NS,
            host="127.0.0.1",
            port=0,
        )

    async def play() -> None:
        store = Store(tmp_path / "ledger", ACCOUNT)
        first = broker(store)
        first.fault("foreign-position", {"symbol": "TSLA", "sec_type": "OPT", "quantity": -1})
        first.fault("foreign-position", {"symbol": "TSLA", "account": "DU7654321", "quantity": 50})
        first.fault("rename", {"symbol": "TSLA", "to": "TSLB"})
        store.close()
        again = broker(Store(tmp_path / "ledger", ACCOUNT)).exchange
        assert again.accounts == (ACCOUNT, "DU7654321")
        assert again.positions() == first.exchange.positions()
        assert [again.instrument(each.symbol) for each in again.positions()] == [
            first.exchange.instrument(each.symbol) for each in first.exchange.positions()
        ]
        assert again.instrument("TSLA").ticker == "TSLB"

    asyncio.run(play())
