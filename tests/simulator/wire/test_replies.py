"""Every reply has the fields of its version, and the real client library reads the right values from it."""

from __future__ import annotations

import logging
from typing import Any

import ib_insync as ibi
import msgspec
import pytest
from ib_insync.decoder import Decoder
from ib_insync.util import UNSET_DOUBLE

from services.simulator.venue.instruments import contract_id, stock
from services.simulator.venue.orders import Execution, Order, Ticket
from services.simulator.venue.reports import CommissionReport, PositionReport, QuoteReport
from services.simulator.wire import order_replies, replies
from services.simulator.wire.contracts import Contract, Listing
from services.simulator.wire.fields import split
from services.simulator.wire.ticks import stream_parameters, ticks

NOON = 1_647_964_800_000_000_000  # 2022-03-22 16:00:00 UTC

TICKET = Ticket(
    client_id=3,
    order_id=7,
    account="DU1",
    symbol="TSLA",
    side="SELL",
    quantity=10.0,
    order_type="TRAIL LIMIT",
    trailing_pct=10.0,
    limit_offset=0.05,
    tif="GTC",
    outside_rth=True,
    trigger_method=2,
    parent_id=6,
    order_ref="TSLA-1",
)
ORDER = Order(
    ticket=TICKET,
    perm_id=77,
    status="PreSubmitted",
    why_held="trigger",
    filled=4.0,
    avg_price=12.5,
    last_fill_price=12.75,
    trail_stop_price=9.5,
    limit_price=9.45,
    oca_group="76",
    oca_type=3,
    parent_perm_id=76,
    completed_ns=NOON,
    completed_status="Cancelled by Trader",
)
EXECUTION = Execution(
    exec_id="00025b46.63f8f39c.01.01",
    perm_id=77,
    client_id=3,
    order_id=7,
    order_ref="TSLA-1",
    account="DU1",
    symbol="TSLA",
    side="SELL",
    quantity=6.0,
    price=12.25,
    cum_quantity=10.0,
    avg_price=12.4,
    time_ns=NOON,
)
STOCK = stock("TSLA")
HELD = PositionReport("DU1", "TSLA", -10.0, 12.5, 12.0, 3.25)


class DecodedCalls:
    """Records what the client library decodes; a failure to decode fails the test."""

    def __init__(self, version: int) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._decoder = Decoder(self, version)
        self.ib = ibi.IB()

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, arguments))

    def decoded(self, *frames: bytes) -> list[tuple[str, tuple[Any, ...]]]:
        for frame in frames:
            self._decoder.interpret(split(frame[4:]))
        return self.calls


@pytest.fixture(autouse=True)
def _no_decoding_error(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def count(frame: bytes) -> int:
    return len(split(frame[4:]))


@pytest.mark.parametrize(
    ("version", "open_order", "completed_order", "execution", "details"),
    [(157, 128, 96, 31, 39), (170, 136, 101, 31, 40), (176, 136, 101, 31, 40), (178, 135, 100, 32, 40)],
)
def test_fields_by_version(version: int, open_order: int, completed_order: int, execution: int, details: int) -> None:
    assert count(order_replies.open_order(ORDER, STOCK, version)) == open_order
    assert count(order_replies.completed_order(ORDER, STOCK, version)) == completed_order
    assert count(order_replies.execution_details(EXECUTION, STOCK, version)) == execution
    assert count(replies.contract_details(1, STOCK, version)) == details


@pytest.mark.parametrize(
    ("frame", "fields"),
    [
        (order_replies.order_status(ORDER), 12),
        (order_replies.commission_report(CommissionReport("x", 3, 1.0)), 8),
        (replies.greeting(176, NOON), 2),
        (replies.managed_accounts(["DU1"]), 3),
        (replies.next_valid_id(1), 3),
        (replies.current_time(NOON), 3),
        (replies.error(1, 200, "x", 165), 5),
        (replies.error(1, 200, "x", 166), 6),
        (replies.account_value("k", 1.0, "USD", "DU1"), 6),
        (replies.account_time(NOON), 3),
        (replies.account_download_end("DU1"), 3),
        (replies.account_update_multi(1, "k", 1.0, "USD", "DU1"), 8),
        (replies.account_update_multi_end(1), 3),
        (replies.account_summary(1, "k", 1.0, "USD", "DU1"), 7),
        (replies.account_summary_end(1), 3),
        (replies.portfolio_value(HELD, STOCK), 20),
        (replies.position(HELD, STOCK), 16),
        (replies.positions_end(), 2),
        (replies.open_orders_end(), 2),
        (replies.completed_orders_end(), 1),
        (replies.executions_end(1), 3),
        (replies.market_data_type(1, 1), 4),
        (replies.snapshot_end(1), 3),
        (replies.contract_details_end(1), 3),
        (replies.market_rule(26), 7),
        (stream_parameters(1), 5),
    ],
)
def test_fields_of_simple_messages(frame: bytes, fields: int) -> None:
    assert count(frame) == fields


@pytest.mark.parametrize("version", [157, 159, 160, 162, 170, 176])
def test_an_open_order_is_decoded(version: int) -> None:
    ((_, (order_id, contract, order, state)),) = DecodedCalls(version).decoded(
        order_replies.open_order(ORDER, STOCK, version)
    )
    assert (order_id, order.clientId, order.permId, order.parentId) == (7, 3, 77, 6)
    assert (contract.conId, contract.symbol, contract.secType) == (contract_id("TSLA"), "TSLA", "STK")
    assert (contract.exchange, contract.currency, contract.localSymbol) == ("SMART", "USD", "TSLA")
    assert (order.action, order.totalQuantity, order.orderType) == ("SELL", 10.0, "TRAIL LIMIT")
    assert (order.lmtPrice, order.auxPrice, order.trailStopPrice) == (9.45, 0.0, 9.5)
    assert (order.trailingPercent, order.lmtPriceOffset, order.tif) == (10.0, 0.05, "GTC")
    assert (order.ocaGroup, order.ocaType, order.account, order.orderRef) == ("76", 3, "DU1", "TSLA-1")
    assert (order.outsideRth, order.triggerMethod, order.transmit, order.whatIf) == (True, 2, True, False)
    assert (state.status, state.commission, state.commissionCurrency) == ("PreSubmitted", UNSET_DOUBLE, "")
    assert state.initMarginChange == "1.7976931348623157E308"
    # Fields that this exchange doesn't use have the library's default, or the value of real gateways.
    seen = {name: value for name, value in vars(order).items() if value != getattr(ibi.Order(), name)}
    real = {"clearingIntent", "cashQty", "deltaNeutralOrderType", "adjustedOrderType", "dontUseAutoPriceForHedge"}
    real |= {"openClose", "displaySize", "volatilityType", "deltaNeutralOpenClose", "softDollarTier"}
    real |= {"minCompeteSize", "competeAgainstBestOffset"} if version >= 170 else set()
    meant = (
        "orderId clientId permId parentId action totalQuantity orderType lmtPrice auxPrice trailStopPrice tif account"
    )
    meant += " trailingPercent lmtPriceOffset ocaGroup ocaType orderRef outsideRth triggerMethod"
    assert set(seen) - real == set(meant.split())


@pytest.mark.parametrize("version", [157, 170, 176])
def test_a_filled_order_reports_its_commission(version: int) -> None:
    done = msgspec.structs.replace(ORDER, status="Filled", filled=10.0, commission=1.25)
    ((_, (_, _, _, state)),) = DecodedCalls(version).decoded(order_replies.open_order(done, STOCK, version))
    assert (state.status, state.commission, state.commissionCurrency) == ("Filled", 1.25, "USD")


@pytest.mark.parametrize(
    ("details", "limit", "aux", "trail"),
    [
        ({"order_type": "MKT"}, 0.0, 0.0, UNSET_DOUBLE),
        ({"order_type": "LMT", "limit_price": 2.5}, 2.5, 0.0, UNSET_DOUBLE),
        ({"order_type": "STP", "stop_price": 2.4}, 0.0, 2.4, 2.4),
        ({"order_type": "STP LMT", "stop_price": 2.4, "limit_price": 2.5}, 2.5, 2.4, 2.4),
        ({"order_type": "TRAIL", "trailing_amount": 0.3}, 0.0, 0.3, UNSET_DOUBLE),
        ({"order_type": "TRAIL", "trailing_pct": 10.0}, 0.0, 0.0, UNSET_DOUBLE),
    ],
)
def test_prices_by_order_type(details: dict[str, Any], limit: float, aux: float, trail: float) -> None:
    ticket = Ticket(client_id=3, order_id=7, account="DU1", symbol="TSLA", side="BUY", quantity=1.0, **details)
    received = DecodedCalls(176)
    received.decoded(order_replies.open_order(Order(ticket=ticket, perm_id=7), STOCK, 176))
    received.decoded(order_replies.completed_order(Order(ticket=ticket, perm_id=7), STOCK, 176))
    (_, (_, _, opened, _)), (_, (_, completed, _)) = received.calls
    for order in (opened, completed):
        assert (order.lmtPrice, order.auxPrice, order.trailStopPrice) == (limit, aux, trail)


@pytest.mark.parametrize("version", [157, 170, 176])
def test_a_completed_order_is_decoded(version: int) -> None:
    ((_, (contract, order, state)),) = DecodedCalls(version).decoded(
        order_replies.completed_order(ORDER, STOCK, version)
    )
    assert contract.symbol == "TSLA"
    assert (order.permId, order.parentPermId, order.action, order.totalQuantity) == (77, 76, "SELL", 10.0)
    assert (order.orderType, order.lmtPrice, order.trailStopPrice, order.trailingPercent) == (
        "TRAIL LIMIT",
        9.45,
        9.5,
        10,
    )
    assert (order.filledQuantity, order.orderRef, order.ocaGroup, order.ocaType) == (4.0, "TSLA-1", "76", 3)
    assert (order.lmtPriceOffset, order.account, order.tif, order.outsideRth) == (0.05, "DU1", "GTC", True)
    assert (state.status, state.completedStatus) == ("PreSubmitted", "Cancelled by Trader")
    assert state.completedTime == "20220322 12:00:00 US/Eastern"


def test_a_filled_order_completes_without_quantity() -> None:
    done = msgspec.structs.replace(ORDER, status="Filled", filled=10.0, parent_perm_id=0)
    ((_, (_, order, _)),) = DecodedCalls(176).decoded(order_replies.completed_order(done, STOCK, 176))
    assert (order.totalQuantity, order.filledQuantity, order.parentPermId) == (0.0, 10.0, 9223372036854775807)


@pytest.mark.parametrize("version", [174, 176])
def test_an_execution_is_decoded(version: int) -> None:
    ((_, (request_id, contract, execution)),) = DecodedCalls(version).decoded(
        order_replies.execution_details(EXECUTION, STOCK, version)
    )
    assert (request_id, contract.conId) == (-1, contract_id("TSLA"))
    assert (execution.execId, execution.orderId, execution.permId, execution.clientId) == (EXECUTION.exec_id, 7, 77, 3)
    assert (execution.side, execution.shares, execution.price) == ("SLD", 6.0, 12.25)
    assert (execution.cumQty, execution.avgPrice, execution.orderRef) == (10.0, 12.4, "TSLA-1")
    assert execution.time.timestamp() * 1e9 == NOON
    assert (execution.acctNumber, execution.exchange) == ("DU1", "NASDAQ")


def test_a_commission_report_has_the_realized_profit_or_none() -> None:
    received = DecodedCalls(176)
    received.decoded(order_replies.commission_report(CommissionReport("a", 3, 1.0, realized_pnl=-2.5)))
    received.decoded(order_replies.commission_report(CommissionReport("b", 3, 1.5)))
    reported = [
        (report.execId, report.commission, report.currency, report.realizedPNL) for _, (report,) in received.calls
    ]
    assert reported == [("a", 1.0, "USD", -2.5), ("b", 1.5, "USD", UNSET_DOUBLE)]


@pytest.mark.parametrize("version", [157, 163, 164, 176])
def test_contract_details_are_decoded(version: int) -> None:
    ((_, (request_id, details)),) = DecodedCalls(version).decoded(replies.contract_details(5, STOCK, version))
    contract = details.contract
    assert (request_id, contract.conId, contract.symbol, contract.secType) == (5, contract_id("TSLA"), "TSLA", "STK")
    assert (contract.exchange, contract.primaryExchange, contract.currency) == ("SMART", "NASDAQ", "USD")
    assert (contract.right, contract.strike, contract.multiplier) == ("", 0.0, "")
    assert (details.minTick, details.priceMagnifier, details.timeZoneId) == (0.01, 1, "US/Eastern")
    assert len(details.marketRuleIds.split(",")) == len(details.validExchanges.split(","))
    assert (details.stockType, details.suggestedSizeIncrement) == ("COMMON", 100.0 if version >= 163 else 0.0)


def test_positions_and_profit() -> None:
    received = DecodedCalls(176)
    received.decoded(replies.position(HELD, STOCK), replies.portfolio_value(HELD, STOCK))
    (_, (account, contract, shares, cost)), (_, (_, *portfolio)) = received.calls
    assert (account, contract.symbol, shares, cost) == ("DU1", "TSLA", -10.0, 12.5)
    assert portfolio == [-10.0, 12.0, -120.0, 12.5, 5.0, 3.25, "DU1"]


def test_symbol_samples() -> None:
    for version in (157, 176):
        ((_, (request_id, found)),) = DecodedCalls(version).decoded(
            replies.symbol_samples(4, [stock("TSLA"), stock("TSM")], version)
        )
        assert (request_id, [sample.contract.symbol for sample in found]) == (4, ["TSLA", "TSM"])


# The symbol of a contract

LISTING = Listing({symbol: stock(symbol) for symbol in ("TSLA", "TSM", "BRK B")})


@pytest.mark.parametrize(
    ("contract", "symbol"),
    [
        (Contract(0, "TSLA", "STK", "SMART", "USD"), "TSLA"),
        (Contract(0, "BRK B", "STK", "NYSE", "USD"), "BRK B"),
        (Contract(contract_id("TSM"), "", "", "", ""), "TSM"),
        (Contract(contract_id("TSM"), "TSM", "STK", "SMART", "USD"), "TSM"),
        (Contract(contract_id("TSM"), "TSLA", "STK", "SMART", "USD"), None),
        (Contract(1, "TSLA", "STK", "SMART", "USD"), None),
        (Contract(0, "GME", "STK", "SMART", "USD"), None),
        (Contract(0, "TSLA", "OPT", "SMART", "USD"), None),
        (Contract(0, "TSLA", "STK", "SMART", "EUR"), None),
        (Contract(0, "TSLA", "STK", "LSE", "USD"), None),
        (Contract(), None),
    ],
)
def test_the_symbol_of_a_contract(contract: Contract, symbol: str | None) -> None:
    assert LISTING.find(contract) == symbol


def test_search() -> None:
    assert [each.ticker for each in LISTING.matching("ts")] == ["TSLA", "TSM"]
    assert LISTING.matching("x") == []


# Ticks

QUOTE = QuoteReport(
    symbol="TSLA",
    last=10.0,
    last_size=300,
    last_time_s=1_647_964_800,
    bid=9.99,
    ask=10.01,
    bid_size=200,
    ask_size=100,
    open=9.5,
    high=10.5,
    low=9.4,
    prev_close=9.6,
    volume=1_000,
)


def reported(quote: QuoteReport, before: QuoteReport | None, version: int = 176) -> list[str]:
    """The ticks as `type=value` or `type=price/size`."""
    shown = []
    for frame in ticks(4, quote, before, lots=version < 159):
        message_id, tick_version, request_id, kind, *values = split(frame[4:])
        assert (tick_version, request_id) == ("6", "4")
        assert len(values) == (3 if message_id == "1" else 1)
        shown.append(f"{kind}={'/'.join(values[:2])}")
    return shown


def test_a_stream_begins_with_everything() -> None:
    assert reported(QUOTE, None) == [
        "1=9.99/200",
        "0=200",
        "2=10.01/100",
        "3=100",
        "45=1647964800",
        "4=10.0/300",
        "5=300",
        "8=10",
        "6=10.5/0",
        "7=9.4/0",
        "9=9.6/0",
        "14=9.5/0",
        "49=0.0",
        "32=Q",
        "33=Q",
        "84=Q",
    ]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"bid": 9.98}, ["1=9.98/200", "0=200"]),
        ({"ask_size": 50}, ["3=50"]),
        ({"bid": None, "bid_size": 0}, ["1=-1.0/0", "0=0"]),
        (
            {"last": 10.6, "last_size": 5, "last_time_s": 1_647_964_801, "volume": 1_005, "high": 10.6},
            ["45=1647964801", "4=10.6/5", "5=5", "6=10.6/0"],
        ),
        ({"last": 10.6, "volume": 1_300}, ["4=10.6/300", "5=300", "8=13"]),
        ({"last_time_s": 1_647_964_801, "volume": 1_300}, ["45=1647964801", "8=13"]),
        ({"halted": True}, ["49=1.0"]),
        ({"open": 9.7, "low": 9.1, "prev_close": 9.9}, ["7=9.1/0", "9=9.9/0", "14=9.7/0"]),
    ],
)
def test_afterwards_only_what_changed(changed: dict[str, Any], expected: list[str]) -> None:
    assert reported(msgspec.structs.replace(QUOTE, **changed), QUOTE) == expected


def test_before_the_first_trade() -> None:
    nothing = dict.fromkeys(("last", "bid", "ask", "open", "high", "low", "prev_close"))
    sizes = dict.fromkeys(("last_size", "last_time_s", "bid_size", "ask_size", "volume"), 0)
    silent = QuoteReport(symbol="TSLA", **nothing, **sizes)
    assert reported(silent, None) == ["1=-1.0/0", "0=0", "2=-1.0/0", "3=0", "8=0", "49=0.0"]
    assert reported(msgspec.structs.replace(silent, last=10.0, last_size=1), silent) == [
        "45=0",
        "4=10.0/1",
        "5=1",
        "84=Q",
    ]


def test_sizes_before_version_159_are_round_lots() -> None:
    assert reported(QUOTE, None, 157)[:2] == ["1=9.99/2", "0=2"]
    assert "8=10" in reported(QUOTE, None, 157)
