"""The account: cash, holdings, average cost, profit, commission, and the values by IBKR's key names. Pure.

Average cost and realized profit include commissions, as IBKR's do, so that at any time
cash + Σ quantity x average cost = first cash + Σ realized profit.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.simulator.model import AccountReport, AccountTerms, Funds, Holding, PositionReport, Side

__all__ = ["Account", "commission"]

PER_SHARE_USD = 0.005
MINIMUM_USD = 1.0
MAXIMUM_PART = 0.01

INITIAL_MARGIN = 0.5
MAINTENANCE_MARGIN = 0.25
DAY_TRADING_LEVERAGE = 4.0


def commission(quantity: float, value: float) -> float:
    """IBKR's fixed US stock commission of one order: 0.005 a share, at least 1.00, at most 1 % of the trade's value.

    Where the two bounds collide the maximum holds: 10 shares at 0.20 cost 0.02 (IBKR's own example).
    """
    return round(min(max(quantity * PER_SHARE_USD, MINIMUM_USD), value * MAXIMUM_PART), 6)


class Account:
    """Cash and holdings of one account in US dollars. Prices to value them by are given from outside."""

    def __init__(self, terms: AccountTerms) -> None:
        self.name = terms.account
        self.terms = terms
        self.funds = Funds(account=terms.account, cash=terms.cash)
        self.holdings: dict[str, Holding] = {}

    @property
    def cash(self) -> float:
        """Its cash, settled or not."""
        return self.funds.cash

    def trade(self, symbol: str, side: Side, quantity: float, price: float, fee: float) -> float | None:
        """Book one execution; the realized profit of what it closed, None if it only opened."""
        signed = quantity if side == "BUY" else -quantity
        held = self.holdings.setdefault(symbol, self._nothing_of(symbol))
        self.funds.cash -= signed * price + fee
        closing = min(quantity, abs(held.quantity)) if held.quantity * signed < 0 else 0.0
        realized = None
        if closing:
            direction = 1.0 if held.quantity > 0 else -1.0
            realized = round(direction * closing * (price - held.avg_cost) - fee * closing / quantity, 6)
            held.quantity -= direction * closing
            held.realized_pnl += realized
        opening = quantity - closing
        if opening:
            added = opening if side == "BUY" else -opening
            cost = held.quantity * held.avg_cost + added * price + fee * opening / quantity
            held.quantity += added
            held.avg_cost = cost / held.quantity
        elif not held.quantity:
            held.avg_cost = 0.0
        return realized

    def position(self, symbol: str, price: float | None) -> PositionReport:
        """What is held of one symbol, valued at a price (at cost while there is none)."""
        held = self.holdings.get(symbol) or self._nothing_of(symbol)
        return PositionReport(
            account=self.name,
            symbol=symbol,
            quantity=held.quantity,
            avg_cost=held.avg_cost,
            market_price=held.avg_cost if price is None else price,
            realized_pnl=held.realized_pnl,
        )

    def positions(self, prices: Mapping[str, float]) -> list[PositionReport]:
        """Every holding that is not flat, by symbol."""
        return [self.position(held.symbol, prices.get(held.symbol)) for held in self._open_holdings()]

    def report(self, prices: Mapping[str, float]) -> AccountReport:
        """The account values. Margin: half of the gross value to open, a quarter to keep.

        Profits are since the first day.
        """
        holdings = self._open_holdings()
        worth = {held.symbol: held.quantity * prices.get(held.symbol, held.avg_cost) for held in holdings}
        stock = sum(worth.values())
        gross = sum(abs(value) for value in worth.values())
        equity = self.cash + stock
        available = equity - gross * INITIAL_MARGIN
        values = {
            "NetLiquidation": equity,
            "TotalCashValue": self.cash,
            "CashBalance": self.cash,
            "TotalCashBalance": self.cash,
            "SettledCash": self.cash,
            "AccruedCash": 0.0,
            "StockMarketValue": stock,
            "GrossPositionValue": gross,
            "EquityWithLoanValue": equity,
            "InitMarginReq": gross * INITIAL_MARGIN,
            "MaintMarginReq": gross * MAINTENANCE_MARGIN,
            "AvailableFunds": available,
            "ExcessLiquidity": equity - gross * MAINTENANCE_MARGIN,
            "BuyingPower": max(0.0, available) * DAY_TRADING_LEVERAGE,
            "UnrealizedPnL": sum(worth[held.symbol] - held.quantity * held.avg_cost for held in holdings),
            "RealizedPnL": sum(held.realized_pnl for held in self.holdings.values()),
            "ExchangeRate": 1.0,
        }
        return AccountReport(account=self.name, values={key: round(value, 2) for key, value in values.items()})

    def _nothing_of(self, symbol: str) -> Holding:
        return Holding(account=self.name, symbol=symbol)

    def _open_holdings(self) -> list[Holding]:
        return [self.holdings[symbol] for symbol in sorted(self.holdings) if self.holdings[symbol].quantity]
