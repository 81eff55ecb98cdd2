"""Performance against second opinions, on made-up histories: trades by decimals, ratios by empyrical."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import Any

import empyrical
import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import Message
from messages.account import AccountUpdated, PerformanceSnapshot
from messages.market import Session, SessionClosed
from messages.operator import Happened
from messages.orders import CommissionReported, OrderFilled, PositionUpdated
from services.recorder.store import DuckLedger
from tests.recorder.scenario import SECOND, T0, fill, order, record

NIGHT = 86_400
DAY0 = date(2022, 3, 22)  # T0 is 14:00 UTC of this day


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckLedger]:
    made = DuckLedger(tmp_path_factory.mktemp("performance") / "bot.duckdb", fleet="sim", account="DU1")
    yield made
    made.close()


@pytest.fixture
def empty(ledger: DuckLedger) -> DuckLedger:
    return emptied(ledger)


def emptied(ledger: DuckLedger) -> DuckLedger:
    for table in ("fills", "events", "performance_snapshots", "sessions", "account", "positions", "orders", "state"):
        ledger.reader().execute(f"DELETE FROM {table}")
    return ledger


def rows(ledger: DuckLedger, sql: str) -> list[dict[str, Any]]:
    db = ledger.reader().execute(sql)
    columns = [column[0] for column in db.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in db.fetchall()]


def one(ledger: DuckLedger, sql: str) -> dict[str, Any]:
    (row,) = rows(ledger, sql)
    return row


# Raw executions, and what they amount to by a calculation that shares nothing with the views.


class Execution(msgspec.Struct, frozen=True):
    """One execution as it finally stands; `price0` and `commission0` are its reports before the correction.

    `shares` in hundredths, prices in hundredths of a cent, commissions in tenths of a cent (None: not told yet).
    """

    symbol: str
    of: str
    side: str
    second: int
    number: int
    shares: int
    price: int
    commission: int | None
    price0: int | None = None
    commission0: int | None = None

    def reports(self) -> list[list[Message]]:
        """The messages; the lists may arrive in any order, what is in one of them in this."""
        versions = [("02" if self.price0 else "01", self.price, self.commission)]
        if self.price0:
            versions.insert(0, ("01", self.price0, self.commission0))
        sent: list[list[Message]] = []
        for revision, price, commission in versions:
            exec_id = f"{self.symbol}.{self.number:04}.{revision}"
            filled = fill(
                exec_id,
                self.of,
                symbol=self.symbol,
                side=self.side,
                role="entry" if self.side == "BUY" else "stop",
                quantity=self.shares / 100,
                price=price / 10_000,
                time_ns=T0 + self.second * SECOND,
            )
            sent.append([OrderFilled(filled, order(self.of, symbol=self.symbol), 0.0, 0.0, 0.0)])
            if commission is not None:
                sent.append([CommissionReported(exec_id, self.of, self.symbol, commission / 1000, "USD", None)])
        return sent


class Split(msgspec.Struct, frozen=True):
    """So many own shares became so many, in hundredths."""

    symbol: str
    second: int
    was: int
    became: int

    @property
    def ratio(self) -> Decimal:
        return Decimal(self.became) / self.was

    def reports(self) -> Happened:
        figures = {"ratio": round(self.became / self.was, 6), "own_was": self.was / 100, "own_is": self.became / 100}
        return Happened("split_mended", self.symbol, "WARNING", figures, T0 + self.second * SECOND)


class Trade(msgspec.Struct):
    """What the second opinion has of an entry. `quantity` in the shares of `ended`."""

    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    proceeds: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    begun: int = 0
    ended: int = 0


NOTHING = Decimal("1e-40")
"""What 60 digits leave of a third that is taken three times."""


def by_decimals(executions: list[Execution], splits: Sequence[Split] = ()) -> dict[str, Trade]:
    """Closed trades by entry order: a queue of lots per symbol, the oldest sold first.

    A split makes more of the shares in the queue, each for as much less, and of those of a trade that goes on after it.
    """
    lots: dict[str, deque[list[Any]]] = defaultdict(deque)
    trades: dict[str, Trade] = {}
    coming = deque(sorted(splits, key=lambda split: split.second))
    for e in sorted(executions, key=lambda e: (e.second, e.number)):
        while coming and coming[0].second < e.second:
            split = coming.popleft()
            for lot in lots[split.symbol]:
                lot[:3] = lot[0] * split.ratio, lot[1] / split.ratio, lot[2] / split.ratio
        shares, price = Decimal(e.shares) / 100, Decimal(e.price) / 10_000
        standing = e.commission if e.commission is not None or not e.price0 else e.commission0
        charge = Decimal(standing or 0) / 1000 / shares
        if e.side == "BUY":
            lots[e.symbol].append([shares, price, charge, e])
            continue
        while shares > NOTHING:
            lot = lots[e.symbol][0]
            taken = min(shares, lot[0])
            trade = trades.setdefault(lot[3].of, Trade(begun=lot[3].second))
            for split in splits:
                if split.symbol == e.symbol and trade.ended <= split.second < e.second:
                    trade.quantity *= split.ratio
            trade.quantity += taken
            trade.cost += taken * lot[1]
            trade.proceeds += taken * price
            trade.commission += taken * (lot[2] + charge)
            trade.ended = e.second
            shares -= taken
            lot[0] -= taken
            if lot[0] < NOTHING:
                lots[e.symbol].popleft()
    return trades


PRICES = st.integers(5_000, 5_000_000)
CHARGES = st.none() | st.integers(0, 5_000)

History = tuple[list[Execution], list[Split], list[Message]]
RATIOS = [(2, 1), (3, 1), (10, 1), (3, 2), (21, 20), (1, 2), (1, 3), (1, 10), (2, 7)]
"""New shares for old ones. Of a fraction of a hundredth that would be left, cash is paid."""
MOST_SPLITS = 3
"""Of one symbol: enough to multiply, and no more than happen to a stock in years."""


def relative_noise(trade: Trade, of: str, executions: list[Execution], splits: Sequence[Split]) -> float:
    """How far a sum of this trade's shares may be off, as a part of it.

    The view finds the shares of a trade as differences of running totals, in doubles, over all shares of the symbol in
    today's count: a double of that size has 53 bits, and each trade is the difference of a few of them.
    """
    symbol = of.rpartition("-")[0]

    def today(second: int) -> Decimal:
        return math.prod((s.ratio for s in splits if s.symbol == symbol and s.second > second), start=Decimal(1))

    total = sum(Decimal(e.shares) / 100 * today(e.second - 1) for e in executions if e.symbol == symbol)
    return 1e-12 + 8 * 2**-53 * float(total / (trade.quantity * today(trade.ended)))


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Some symbols' entries and exits in parts, over days and splits, corrected here and there, in any order."""
    executions: list[Execution] = []
    splits: list[Split] = []
    for symbol in draw(st.lists(st.sampled_from(["TSLA", "GME", "BRK B"]), min_size=1, unique=True)):
        second = held = number = 0
        for entry in range(draw(st.integers(1, 4))):
            for side, of in (("BUY", f"{symbol}-{entry}"), ("SELL", f"{symbol}-{entry}-S")):
                for _ in range(draw(st.integers(1, 3))):
                    if side == "SELL" and not held:
                        break
                    new, old = draw(st.sampled_from(RATIOS)) if draw(st.booleans()) else (1, 1)
                    few = sum(split.symbol == symbol for split in splits) < MOST_SPLITS
                    if few and held * new // old not in (0, held):
                        second += draw(st.sampled_from([1, NIGHT]))
                        splits.append(Split(symbol, second, held, held * new // old))
                        held, second = splits[-1].became, second + 1
                    shares = draw(st.integers(1, held if side == "SELL" else 20_000))
                    corrected = draw(st.booleans())
                    second += draw(st.sampled_from([0, 1, 7, 600, 3 * NIGHT]) if number else st.just(0))
                    number += 1
                    held += shares if side == "BUY" else -shares
                    executions.append(
                        Execution(
                            symbol,
                            of,
                            side,
                            second,
                            number,
                            shares,
                            draw(PRICES),
                            draw(CHARGES),
                            draw(PRICES) if corrected else None,
                            draw(CHARGES) if corrected else None,
                        )
                    )
    sent = [*(message for e in executions for message in e.reports()), *([split.reports()] for split in splits)]
    return executions, splits, [message for group in draw(st.permutations(sent)) for message in group]


def highest_price(of: str, executions: list[Execution], splits: Sequence[Split]) -> float:
    """The highest price of the symbol of this trade, in any count of its shares; reverse splits raise it."""
    symbol = of.rpartition("-")[0]
    raised = math.prod(max(Decimal(1), 1 / s.ratio) for s in splits if s.symbol == symbol)
    return float(raised * max(e.price for e in executions if e.symbol == symbol) / 10_000)


@settings(max_examples=40, deadline=None)
@given(history=histories())
def test_trades_to_the_cent_against_decimals(ledger: DuckLedger, history: History) -> None:
    executions, splits, sent = history
    emptied(ledger)
    middle = len(sent) // 2
    record(ledger, *sent[middle:], seq=record(ledger, *sent[:middle]))
    with localcontext(prec=60):
        expected = by_decimals(in_sequence(executions, sent), splits)
        found = {row["client_order_id"]: row for row in rows(ledger, "FROM trades")}
        assert found.keys() == expected.keys()
        for key, trade in expected.items():
            row = found[key]
            pnl = trade.proceeds - trade.cost - trade.commission
            assert abs(row["pnl_usd"] - float(pnl)) < 1e-6
            assert math.isclose(row["pnl_pct"], float(100 * pnl / trade.cost), rel_tol=1e-9, abs_tol=1e-9)
            noise = relative_noise(trade, key, executions, splits)
            assert math.isclose(row["qty"], float(trade.quantity), rel_tol=noise)
            # An average weighs prices by shares: shares that are off move it by as much of the highest price.
            off = noise * highest_price(key, executions, splits)
            assert math.isclose(row["entry_price"], float(trade.cost / trade.quantity), rel_tol=1e-12, abs_tol=off)
            assert math.isclose(row["exit_price"], float(trade.proceeds / trade.quantity), rel_tol=1e-12, abs_tol=off)
            assert math.isclose(row["commission"], float(trade.commission), rel_tol=1e-9, abs_tol=1e-12)
            assert row["duration"] == timedelta(seconds=trade.ended - trade.begun)
            if abs(pnl) > Decimal("1e-6"):
                assert row["result"] == ("win" if pnl > 0 else "loss")
        check_sums(ledger, expected)


def in_sequence(executions: list[Execution], sent: list[Message]) -> list[Execution]:
    """In order of arrival, purchases first: this orders executions of the same second."""
    arrival = {m.fill.exec_id: n for n, m in enumerate(sent) if isinstance(m, OrderFilled)}

    def key(e: Execution) -> tuple[Any, ...]:
        return e.second, e.side, arrival[f"{e.symbol}.{e.number:04}.{'02' if e.price0 else '01'}"]

    return [msgspec.structs.replace(e, number=n) for n, e in enumerate(sorted(executions, key=key))]


PNL_DIGITS = 8
"""The view rounds the P&L of each trade to so many decimals."""


def check_sums(ledger: DuckLedger, expected: dict[str, Trade]) -> None:
    """The two views of sums equal the sums of the trades."""
    for view in ("per_symbol", "overall"):
        for row in rows(ledger, f"FROM {view}"):
            mine = [t for key, t in expected.items() if view == "overall" or key.startswith(f"{row['symbol']}-")]
            pnls = [round(t.proceeds - t.cost - t.commission, PNL_DIGITS) for t in mine]
            won, lost = [p for p in pnls if p > 0], [p for p in pnls if p < 0]
            assert (row["trades"], row["wins"], row["losses"]) == (len(mine), len(won), len(lost))
            assert abs(row["pnl_usd"] - float(sum(pnls))) < 1e-5
            assert abs(row["commission_usd"] - float(sum(t.commission for t in mine))) < 1e-5
            if not mine:
                assert row["win_rate_pct"] is row["expectancy_usd"] is row["avg_duration_s"] is None
                continue
            assert math.isclose(row["win_rate_pct"], 100 * len(won) / len(mine))
            assert abs(row["expectancy_usd"] - float(sum(pnls) / len(pnls))) < 1e-5
            assert math.isclose(row["avg_duration_s"], sum(t.ended - t.begun for t in mine) / len(mine))
            if won and lost:
                noise = len(mine) * 10.0**-PNL_DIGITS / float(min(sum(won), -sum(lost)))
                assert math.isclose(row["profit_factor"], float(sum(won) / -sum(lost)), rel_tol=1e-9 + 2 * noise)
            else:
                assert row["profit_factor"] is None


# The closes.

CENTS = st.integers(-500_000, 500_000)
UNLIKE = st.lists(CENTS, min_size=2, max_size=80).filter(lambda cents: len(set(cents)) > 1)


def close(day: int, pnl: float, base: float = 20_000.0) -> PerformanceSnapshot:
    return PerformanceSnapshot(
        date=str(DAY0 + timedelta(days=day)),
        account_value=1e6 * (day + 1),  # deposits
        cash_value=1e5,
        position_value=0.0,
        unrealized_pnl=0.0,
        realized_pnl=0.0,
        daily_pnl=pnl,
        num_positions=0,
        num_trades=0,
        base_usd=base,
    )


def closed(ledger: DuckLedger, cents: list[int], base: float = 20_000.0) -> dict[str, Any]:
    record(emptied(ledger), *(close(day, amount / 100, base) for day, amount in enumerate(cents)))
    return one(ledger, "FROM overall")


def same(mine: float | None, theirs: float) -> bool:
    return mine is not None and math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-9)


@settings(max_examples=60, deadline=None)
@given(cents=UNLIKE, base=st.integers(10_000, 90_000))
def test_ratios_against_empyrical(ledger: DuckLedger, cents: list[int], base: int) -> None:
    figures = closed(ledger, cents, base)
    r = pd.Series([c / 100 / base for c in cents])
    assert same(figures["sharpe"], empyrical.sharpe_ratio(r))
    assert same(figures["volatility_pct"], 100 * empyrical.annual_volatility(r))
    assert same(figures["compound_drawdown_pct"], 100 * empyrical.max_drawdown(r))
    assert same(figures["annual_return_pct"] / 100, empyrical.annual_return(r)) or figures["annual_return_pct"] > 1e6
    if min(cents) < 0:
        assert same(figures["sortino"], empyrical.sortino_ratio(r))
        assert same(figures["calmar"], empyrical.calmar_ratio(r)) or figures["annual_return_pct"] > 1e6
    else:
        assert figures["sortino"] is figures["calmar"] is None
    # Not compounded, as the guards measure it.
    total = np.concatenate([[0], np.cumsum(cents)])
    lowest = (total - np.maximum.accumulate(total)).min() / 100
    assert same(figures["max_drawdown_usd"], lowest)
    assert same(figures["max_drawdown_pct"], 100 * lowest / base)
    assert same(figures["own_pnl_usd"], total[-1] / 100)


def test_one_day_has_a_profit_and_no_ratio(ledger: DuckLedger) -> None:
    figures = closed(ledger, [1_234])
    assert (figures["days"], figures["own_pnl_usd"], figures["max_drawdown_usd"]) == (1, 12.34, 0.0)
    assert figures["sharpe"] is figures["sortino"] is figures["volatility_pct"] is figures["calmar"] is None


@pytest.mark.parametrize("cents", [0, 700, -700])
def test_days_all_alike_have_no_sharpe_ratio(ledger: DuckLedger, cents: int) -> None:
    figures = closed(ledger, [cents] * 5)
    assert figures["sharpe"] is None
    assert figures["volatility_pct"] == 0.0


def test_a_loss_of_everything_is_no_error(ledger: DuckLedger) -> None:
    figures = closed(ledger, [100_00, -50_000_00, 20_00], 20_000.0)
    assert figures["annual_return_pct"] == -100.0
    assert figures["max_drawdown_pct"] == -250.0


def test_a_changed_cap_is_the_base_from_then_on(empty: DuckLedger) -> None:
    record(empty, close(0, 200.0, 20_000.0), close(1, 200.0, 40_000.0), close(2, -100.0, 0.0))
    returns = [row["return_pct"] for row in rows(empty, "FROM daily")]
    assert returns == [1.0, 0.5, None], "a close of an earlier release has no base"


def test_no_close_and_no_trade(empty: DuckLedger) -> None:
    figures = one(empty, "FROM overall")
    assert (figures["trades"], figures["days"], figures["pnl_usd"]) == (0, 0, 0.0)
    ratios = ("win_rate_pct", "profit_factor", "expectancy_usd", "sharpe", "max_drawdown_usd", "avg_duration_s")
    assert all(figures[name] is None for name in ratios)
    assert rows(empty, "FROM per_symbol") == rows(empty, "FROM daily") == []


# What trades are made of, one corner after another.

BOUGHT = Execution("TSLA", "E1", "BUY", 0, 1, 1_000, 1_000_000, 1_000)
SOLD = Execution("TSLA", "S1", "SELL", 90, 2, 1_000, 1_040_000, 1_000)


def traded(ledger: DuckLedger, *executions: Execution) -> None:
    record(ledger, *(message for e in executions for group in e.reports() for message in group))


def test_a_position_held_over_days_is_sold_in_parts(empty: DuckLedger) -> None:
    part = msgspec.structs.replace(SOLD, shares=400, second=2 * NIGHT)
    traded(empty, BOUGHT, part)
    (trade,) = rows(empty, "SELECT qty, pnl_usd, commission, open_qty, duration, result FROM trades")
    assert trade == {
        "qty": 4.0,
        "pnl_usd": 14.6,
        "commission": 1.4,
        "open_qty": 6.0,
        "duration": timedelta(days=2),
        "result": "win",
    }
    traded(empty, msgspec.structs.replace(SOLD, number=3, shares=600, second=3 * NIGHT, price=900_000))
    (trade,) = rows(empty, "SELECT qty, pnl_usd, open_qty, result FROM trades")
    assert trade == {"qty": 10.0, "pnl_usd": -47.0, "open_qty": 0.0, "result": "loss"}


def test_no_losing_trade_no_profit_factor(empty: DuckLedger) -> None:
    traded(empty, BOUGHT, SOLD)
    figures = one(empty, "FROM overall")
    assert (figures["wins"], figures["losses"], figures["win_rate_pct"]) == (1, 0, 100.0)
    assert (figures["gross_loss_usd"], figures["profit_factor"], figures["avg_loss_usd"]) == (0.0, None, None)


def test_a_trade_that_earned_its_commission_is_even(empty: DuckLedger) -> None:
    traded(empty, BOUGHT, msgspec.structs.replace(SOLD, price=1_002_000))
    figures = one(empty, "FROM overall")
    assert one(empty, "SELECT result, pnl_usd FROM trades") == {"result": "even", "pnl_usd": 0.0}
    assert (figures["trades"], figures["wins"], figures["losses"]) == (1, 0, 0)


def test_a_commission_that_is_not_reported_yet_is_pending(empty: DuckLedger) -> None:
    traded(empty, BOUGHT, msgspec.structs.replace(SOLD, commission=None))
    assert one(empty, "SELECT commission, commission_pending FROM trades") == {
        "commission": 1.0,
        "commission_pending": True,
    }
    assert one(empty, "FROM overall")["commissions_pending"] == 1
    record(empty, CommissionReported("TSLA.0002.01", "S1", "TSLA", 1.25, "USD", None))
    assert one(empty, "SELECT commission, commission_pending FROM trades") == {
        "commission": 2.25,
        "commission_pending": False,
    }


def test_a_commission_in_another_currency_is_never_taken_for_dollars(empty: DuckLedger) -> None:
    sold = msgspec.structs.replace(SOLD, commission=None)
    traded(empty, BOUGHT, sold)
    columns = "SELECT commission, commission_pending, commission_unconverted, pnl_usd FROM trades"
    for currency, rate, commission in (("EUR", 1.25, 3.5), ("EUR", None, 1.0)):
        record(empty, CommissionReported("TSLA.0002.01", "S1", "TSLA", 2.0, currency, None, rate_usd=rate))
        assert one(empty, columns) == {
            "commission": commission,
            "commission_pending": False,
            "commission_unconverted": rate is None,
            "pnl_usd": 40.0 - commission,
        }
    figures = "SELECT commission_usd, commissions_pending, commissions_unconverted FROM overall"
    assert one(empty, figures) == {"commission_usd": 1.0, "commissions_pending": 0, "commissions_unconverted": 1}


def test_shares_that_were_never_bought_meet_no_later_purchase(empty: DuckLedger) -> None:
    """4 of 10 sold shares have no purchase on record, nor are they the ones that are bought afterwards."""
    bought = msgspec.structs.replace(BOUGHT, shares=600)
    again = msgspec.structs.replace(BOUGHT, of="E2", second=200, number=3, price=500_000)
    traded(empty, bought, SOLD, again)
    assert rows(empty, "SELECT client_order_id, qty, round(pnl_usd, 6) AS pnl FROM trades") == [
        {"client_order_id": "E1", "qty": 6.0, "pnl": round(6 * 4 - 1 - 0.6, 6)}
    ]
    traded(empty, msgspec.structs.replace(SOLD, of="S2", second=300, number=4, price=510_000))
    assert one(empty, "SELECT qty, pnl_usd FROM trades WHERE client_order_id = 'E2'") == {"qty": 10.0, "pnl_usd": 8.0}


def held_over_a_split(ledger: DuckLedger, at: int, ratio: tuple[int, int], *exits: Execution) -> list[dict[str, Any]]:
    """10 shares at $100, a split in the second `at`, and what was sold then."""
    record(emptied(ledger), Split("TSLA", at, 1_000, 1_000 * ratio[0] // ratio[1]).reports())
    traded(ledger, BOUGHT, *exits)
    columns = "qty, entry_price, exit_price, pnl_usd, round(pnl_pct, 9) AS pct, commission, open_qty"
    return rows(ledger, f"SELECT {columns} FROM trades")


@pytest.mark.parametrize(("ratio", "shares", "price"), [((2, 1), 2_000, 520_000), ((1, 2), 500, 2_080_000)])
def test_a_split_changes_shares_and_prices_and_no_dollar(
    ledger: DuckLedger, ratio: tuple[int, int], shares: int, price: int
) -> None:
    sold = msgspec.structs.replace(SOLD, second=2 * NIGHT, shares=shares, price=price)
    (trade,) = held_over_a_split(ledger, NIGHT, ratio, sold)
    assert trade == {
        "qty": shares / 100,
        "entry_price": 100 * 1_000 / shares,
        "exit_price": price / 10_000,
        "pnl_usd": 38.0,
        "pct": 3.8,
        "commission": 2.0,
        "open_qty": 0.0,
    }
    assert one(ledger, "SELECT trades, pnl_usd FROM overall") == {"trades": 1, "pnl_usd": 38.0}


def test_what_was_sold_before_a_split_stands_as_it_was_sold(ledger: DuckLedger) -> None:
    """A row is in the shares of its last sale, what is still held of it in today's."""
    before = msgspec.structs.replace(SOLD, shares=400)
    (trade,) = held_over_a_split(ledger, NIGHT, (3, 1), before)
    assert (trade["qty"], trade["entry_price"], trade["exit_price"]) == (4.0, 100.0, 104.0)
    assert (trade["pnl_usd"], trade["open_qty"]) == (14.6, 18.0)
    after = msgspec.structs.replace(SOLD, number=3, second=2 * NIGHT, shares=1_200, price=330_000)
    (trade,) = held_over_a_split(ledger, NIGHT, (3, 1), before, after)
    cost, proceeds = 400 + 400, 416 + 396
    assert (trade["qty"], trade["open_qty"]) == (24.0, 6.0)
    assert math.isclose(trade["entry_price"], cost / 24)
    assert math.isclose(trade["exit_price"], proceeds / 24)
    assert math.isclose(trade["pnl_usd"], proceeds - cost - 1 - 1 - 0.8)


def test_cash_for_a_fraction_is_no_sale_and_its_cost_is_borne_by_the_shares_that_are_left(ledger: DuckLedger) -> None:
    """Of 143 shares, one for two, 71 are left: the broker pays for the half, and reports no execution."""
    emptied(ledger)
    record(ledger, Split("TSLA", NIGHT, 14_300, 7_100).reports())
    bought = msgspec.structs.replace(BOUGHT, shares=14_300)
    traded(ledger, bought, msgspec.structs.replace(SOLD, second=2 * NIGHT, shares=7_100, price=2_000_000))
    (trade,) = rows(ledger, "SELECT qty, round(pnl_usd, 6) AS pnl, open_qty FROM trades")
    assert trade == {"qty": 71.0, "pnl": 71 * 200 - 14_300 - 2.0, "open_qty": 0.0}


def test_a_split_is_of_the_night_whenever_it_was_mended(ledger: DuckLedger) -> None:
    """It waited for a price until the market was open; what was sold in the same second is in new shares."""
    opened = T0 - 6 * 3_600 * SECOND
    session = Session(str(DAY0), opened, T0 + 3_600 * SECOND)
    for sold_at in (NIGHT - 1, NIGHT):
        sold = msgspec.structs.replace(SOLD, second=sold_at, shares=2_000, price=520_000)
        record(emptied(ledger), SessionClosed(session), Split("TSLA", NIGHT, 1_000, 2_000).reports())
        traded(ledger, BOUGHT, sold)
        assert one(ledger, "SELECT qty, pnl_usd, open_qty FROM trades") == {
            "qty": 20.0,
            "pnl_usd": 38.0,
            "open_qty": 0.0,
        }


def test_a_split_as_an_earlier_release_recorded_it_and_one_of_another_symbol(empty: DuckLedger) -> None:
    figures = {"ratio": 2.0, "was": 10.0, "is": 20.0, "cost_was": 100.0, "cost_is": 50.0}
    record(empty, Happened("split_mended", "TSLA", "WARNING", figures, T0 + NIGHT * SECOND))
    record(empty, Split("GME", NIGHT, 1_000, 5_000).reports(), seq=2)
    traded(empty, BOUGHT, msgspec.structs.replace(SOLD, second=2 * NIGHT, shares=2_000, price=520_000))
    assert one(empty, "SELECT qty, pnl_usd, open_qty FROM trades") == {"qty": 20.0, "pnl_usd": 38.0, "open_qty": 0.0}
    assert rows(empty, "SELECT symbol, ratio, own_was, own_is FROM splits") == [
        {"symbol": "GME", "ratio": 5.0, "own_was": 10.0, "own_is": 50.0},
        {"symbol": "TSLA", "ratio": 2.0, "own_was": 10.0, "own_is": 20.0},
    ]


def test_adopted_shares_cost_no_commission(empty: DuckLedger) -> None:
    adopted = fill("adopted.A1.01", "A1", role="adopted", order_id=0, perm_id=0)
    record(empty, OrderFilled(adopted, order("A1", role="adopted"), 0.0, 0.0, 0.0))
    traded(empty, SOLD)
    assert one(empty, "SELECT client_order_id, pnl_usd, commission, commission_pending FROM trades") == {
        "client_order_id": "A1",
        "pnl_usd": 39.0,
        "commission": 1.0,
        "commission_pending": False,
    }


def test_a_manual_sale_closes_a_trade_without_a_commission(empty: DuckLedger) -> None:
    traded(empty, BOUGHT)
    sold = fill("by-hand.M1.01", "M1", role="adopted", side="SELL", price=54.0, order_id=0, perm_id=0)
    record(empty, OrderFilled(sold, order("M1", role="adopted", side="SELL"), 0.0, 0.0, 0.0))
    figures = one(empty, "SELECT commission, commission_pending FROM trades")
    assert figures == {"commission": 1.0, "commission_pending": False}


def test_deposits_and_what_is_not_the_bots_move_nothing(empty: DuckLedger) -> None:
    traded(empty, BOUGHT, SOLD)
    record(empty, close(0, 38.0))
    views = ("trades", "daily", "per_symbol", "overall")
    before = [rows(empty, f"FROM {view}") for view in views]
    foreign = fill("F.1.01", "foreign:1", role="foreign", side="SELL", price=1.0, time_ns=T0 + SECOND)
    record(
        empty,
        AccountUpdated("DU1", 9e6, 9e6, 9e6, 9e6, T0),
        PositionUpdated("TSLA", 5_000.0, 1.0, 0.0),
        OrderFilled(foreign, order("foreign:1", role="foreign"), 0.0, 0.0, 0.0),
        CommissionReported("F.1.01", "foreign:1", "TSLA", 99.0, "USD", None),
    )
    assert [rows(empty, f"FROM {view}") for view in views] == before


def test_a_days_trades_are_those_that_ended_since_the_last_close(empty: DuckLedger) -> None:
    def session(day: int) -> SessionClosed:
        opened = T0 + day * NIGHT * SECOND
        return SessionClosed(Session(str(DAY0 + timedelta(days=day)), opened, opened + 3_600 * SECOND))

    exits = [60, 3_600, 3_601, NIGHT + 5]  # within, at the close, after it, the next day
    for place, second in enumerate(exits):
        traded(
            empty,
            msgspec.structs.replace(BOUGHT, of=f"E{place}", number=2 * place),
            msgspec.structs.replace(SOLD, number=2 * place + 1, second=second),
        )
    record(empty, session(0), session(1), close(0, 76.0), close(1, 76.0))
    assert rows(empty, "SELECT trades, wins, trades_pnl_usd FROM daily") == [
        {"trades": 2, "wins": 2, "trades_pnl_usd": 76.0},
        {"trades": 2, "wins": 2, "trades_pnl_usd": 76.0},
    ]
