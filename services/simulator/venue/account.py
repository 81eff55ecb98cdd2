"""The account: cash, holdings, average cost, profit, commission, and the values by IBKR's key names. Pure.

Average cost and realized profit include commissions, as IBKR's do, so that at any time
cash + Σ quantity x average cost = first cash + Σ realized profit + dividends, in dollars. Money of another base
currency is separate: it counts in the value of the account, but purchases take dollars, owned or borrowed.

The proceeds of a sale settle when the next session begins (T+1, US stocks since May 2024); the cost of a purchase is
paid at once, as in IBKR's SettledCash. `today` is the date of the session whose pre-market began last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from services.configuration.broker_policy import AccountKind, BaseCurrency, Policy
from services.simulator.venue.holdings import AccountHolding, AccountTerms, Funds
from services.simulator.venue.orders import Execution, Side
from services.simulator.venue.reports import AccountReport, PnlReport, PositionReport
from services.simulator.venue.statement import statement
from services.simulator.venue.tape import Tape
from services.trading.shares import exact

__all__ = ["Account", "commission", "requirement", "terms_of"]

PER_SHARE_USD = 0.005
MINIMUM_USD = 1.0
MAXIMUM_PART = 0.01

LONG_MARGIN = 0.25
SHORT_MARGIN = 0.30
OVERNIGHT_MARGIN = 0.5
MARGIN_MINIMUM_USD = 2_000.0
DAY_TRADING_LEVERAGE = 4.0


def commission(quantity: float, value: float) -> float:
    """IBKR's fixed US stock commission of one order: 0.005 a share, at least 1.00, at most 1 % of the trade's value.

    If the bounds collide, the maximum holds: 10 shares at 0.20 cost 0.02 (IBKR's own example). The fixed schedule
    includes the fees of exchanges and regulators, except some cents on sales, which are left out.
    """
    return round(min(max(quantity * PER_SHARE_USD, MINIMUM_USD), value * MAXIMUM_PART), 6)


def requirement(quantity: float, price: float) -> float:
    """Initial and maintenance margin of a position at this price, in dollars (IBKR, US stocks, Reg T accounts)."""
    if quantity >= 0:
        return quantity * price * LONG_MARGIN
    if price > 16.67:
        per_share = price * SHORT_MARGIN
    elif price > 5.0:
        per_share = 5.0
    else:
        per_share = max(price, 2.5)
    return -quantity * per_share


def terms_of(account: str, cash: float, policy: Policy) -> AccountTerms:
    """The terms of an account with `cash` dollars, or their worth in the base currency, by the broker's policy."""
    base, rate = policy.base_currency, policy.usd_in_base
    part = 0.0 if base is BaseCurrency.USD else policy.base_cash_part
    return AccountTerms(
        account=account,
        cash=cash * (1.0 - part),
        kind="cash" if policy.account_kind is AccountKind.CASH else "margin",
        base_currency=base.value,
        usd_rate=1.0 if base is BaseCurrency.USD else rate,
        base_cash=round(cash * part * rate, 2),
        fees_in_base=policy.commission_in_base and base is not BaseCurrency.USD,
        rates_reported=policy.exchange_rate_told,
    )


class Account:
    """Cash and holdings of one account in US dollars, valued at the last prices."""

    def __init__(self, terms: AccountTerms, tapes: Mapping[str, Tape], *, daily_profit: bool = True) -> None:
        """`daily_profit`: the reported realized profit is today's, otherwise that since the first day."""
        self.name = terms.account
        self.terms = terms
        self.funds = Funds(account=terms.account, cash=terms.cash, base_cash=terms.base_cash)
        self.holdings: dict[str, AccountHolding] = {}
        self._tapes = tapes
        self._daily_profit = daily_profit

    @property
    def cash(self) -> float:
        """Its dollars, settled or not."""
        return self.funds.cash

    @property
    def _base_cash(self) -> float:
        """Its cash in another base currency, in dollars."""
        return self.funds.base_cash / self.terms.usd_rate

    @property
    def _cash_in_all(self) -> float:
        return self.funds.cash + self._base_cash

    def quantity(self, symbol: str) -> float:
        """Shares held of a symbol, negative if it is short."""
        held = self.holdings.get(symbol)
        return 0.0 if held is None else held.quantity

    # Changes

    def trade(self, symbol: str, side: Side, quantity: float, price: float, fee: float, today: str) -> float | None:
        """Book one execution. Returns the realized profit of the closed part, None if it only opened.

        `fee` is in dollars. A fee in another base currency is not part of costs and profits, which are in dollars.
        """
        signed = quantity if side == "BUY" else -quantity
        held = self._of_today(symbol, today)
        if self.terms.fees_in_base:
            self.funds.base_cash = round(self.funds.base_cash - fee * self.terms.usd_rate, 6)
            fee = 0.0
        flow = -signed * price - fee
        self._pay(flow, today)
        held.day_flow += flow
        closing = min(quantity, abs(held.quantity)) if held.quantity * signed < 0 else 0.0
        realized = None
        if closing:
            direction = 1.0 if held.quantity > 0 else -1.0
            realized = round(direction * closing * (price - held.avg_cost) - fee * closing / quantity, 6)
            held.quantity = exact(held.quantity - direction * closing)
            self._realize(held, realized)
        opening = exact(quantity - closing)
        if opening:
            added = opening if side == "BUY" else -opening
            cost = held.quantity * held.avg_cost + added * price + fee * opening / quantity
            held.quantity = exact(held.quantity + added)
            held.avg_cost = cost / held.quantity
        elif not held.quantity:
            held.avg_cost = 0.0
        return realized

    def fee_reported(self, fee: float) -> tuple[float, str]:
        """A fee in dollars as it is reported: the amount and its currency."""
        if not self.terms.fees_in_base:
            return fee, "USD"
        return round(fee * self.terms.usd_rate, 6), self.terms.base_currency

    def fee_in_dollars(self, amount: float, currency: str) -> float:
        """A reported fee in dollars."""
        return amount if currency == "USD" else round(amount / self.terms.usd_rate, 6)

    def split(self, symbol: str, ratio: float, price: float | None, today: str) -> None:
        """One old share becomes `ratio` new ones. A fraction of a share is paid in cash at the new price."""
        held = self._of_today(symbol, today)
        held.avg_cost /= ratio
        held.day_quantity *= ratio
        exact = held.quantity * ratio
        held.quantity = float(int(exact + math.copysign(1e-9, exact)))
        rest = exact - held.quantity
        if abs(rest) > 1e-9:
            worth = rest * (held.avg_cost if price is None else price)
            self._pay(worth, today)
            held.day_flow += worth
            self._realize(held, worth - rest * held.avg_cost)
        if not held.quantity:
            held.avg_cost = 0.0

    def dividend(self, symbol: str, usd: float, today: str) -> None:
        """Pays `usd` dollars for each share; a short position pays them out."""
        held = self._of_today(symbol, today)
        amount = round(held.quantity * usd, 2)
        held.day_flow += amount
        self.funds.dividends += amount
        self._pay(amount, today)

    def transfer(self, symbol: str, quantity: float, price: float | None, today: str) -> None:
        """Shares come in or leave without an order and without money. Profits are not affected."""
        held = self._of_today(symbol, today)
        cost = self._price(held) if price is None and not held.quantity else held.avg_cost if price is None else price
        held.day_flow -= quantity * cost
        after = exact(held.quantity + quantity)
        opens = held.quantity * quantity >= 0
        if opens and after:
            held.avg_cost = (held.quantity * held.avg_cost + quantity * cost) / after
        held.quantity = after
        if not after:
            held.avg_cost = 0.0

    def correct(self, execution: Execution, price: float, *, closed: bool, today: str) -> float:
        """Corrects the price of an execution. Returns the change of the realized profit.

        Shares that it opened and that are still held get the new cost; the rest is profit or loss.
        """
        signed = execution.quantity if execution.side == "BUY" else -execution.quantity
        held = self._of_today(execution.symbol, today)
        paid = signed * (price - execution.price)
        self._pay(-paid, today)
        held.day_flow -= paid
        kept = 0.0 if closed or held.quantity * signed <= 0 else min(execution.quantity, abs(held.quantity))
        share = kept / execution.quantity
        if kept:
            held.avg_cost += paid * share / held.quantity
        realized = round(-paid * (1.0 - share), 6)
        self._realize(held, realized)
        return realized

    def _realize(self, held: AccountHolding, amount: float) -> None:
        held.realized_pnl += amount
        held.day_realized += amount

    def _of_today(self, symbol: str, today: str) -> AccountHolding:
        """A holding; on a new day its figures of the day start at zero."""
        held = self.holdings.setdefault(symbol, self._nothing_of(symbol))
        if held.day != today:
            held.day, held.day_quantity = today, held.quantity
            held.day_flow = held.day_realized = 0.0
        return held

    def _pay(self, amount: float, today: str) -> None:
        """Adds money (it settles with the next session) or takes it (at once)."""
        funds = self.funds
        funds.cash += amount
        funds.unsettled = [each for each in funds.unsettled if each[0] >= today]
        if amount > 0:
            funds.unsettled.append((today, amount))

    # Views

    def position(self, symbol: str, today: str) -> PositionReport:
        """The position in one symbol at its last price, or at cost if there is none."""
        held = self.holdings.get(symbol) or self._nothing_of(symbol)
        return PositionReport(
            account=self.name,
            symbol=symbol,
            quantity=held.quantity,
            avg_cost=held.avg_cost,
            market_price=self._price(held),
            realized_pnl=self._realized(held, today),
        )

    def positions(self, today: str) -> list[PositionReport]:
        """All positions that are not flat, by symbol."""
        return [self.position(held.symbol, today) for held in self._open_holdings()]

    def settled_cash(self, today: str) -> float:
        """Its cash without proceeds that are not settled."""
        return self.funds.cash - sum(amount for day, amount in self.funds.unsettled if day >= today)

    def equity_with_loan(self, today: str) -> float:
        """Equity with loan value: a margin account counts its shares, a cash account only its settled cash."""
        if self.terms.kind == "cash":
            return self.settled_cash(today)
        return self._cash_in_all + sum(held.quantity * self._price(held) for held in self._open_holdings())

    def requirement(self, symbol: str = "", change: float = 0.0) -> float:
        """The margin requirement of its positions, with one of them changed by `change` shares. 0 for a cash account.

        Below the minimum equity nothing may be borrowed: the requirement is the whole value.
        """
        if self.terms.kind == "cash":
            return 0.0
        shares = {held.symbol: held.quantity for held in self._open_holdings()}
        if change:
            shares[symbol] = shares.get(symbol, 0.0) + change
        prices = {each: self._price(self.holdings.get(each) or self._nothing_of(each)) for each in shares}
        equity = self._cash_in_all + sum(held.quantity * prices[held.symbol] for held in self._open_holdings())
        if equity < MARGIN_MINIMUM_USD:
            return sum((abs(quantity) * prices[each] for each, quantity in shares.items()), 0.0)
        return sum((requirement(quantity, prices[each]) for each, quantity in shares.items()), 0.0)

    def pnl(self, today: str) -> PnlReport:
        """Profit of the whole account: daily, unrealized, realized."""
        parts = [self.pnl_single(symbol, today) for symbol in sorted(self.holdings)]
        return PnlReport(
            daily=round(sum(part.daily for part in parts), 6),
            unrealized=round(sum(part.unrealized for part in parts), 6),
            realized=round(sum(part.realized for part in parts), 6),
            quantity=0.0,
            value=round(sum(part.value for part in parts), 6),
        )

    def pnl_single(self, symbol: str, today: str) -> PnlReport:
        """Profit with one symbol. The daily one is against the last close."""
        held = self.holdings.get(symbol) or self._nothing_of(symbol)
        price = self._price(held)
        begun = held.day == today
        at_first, flow = (held.day_quantity, held.day_flow) if begun else (held.quantity, 0.0)
        value = held.quantity * price
        return PnlReport(
            daily=round(value - at_first * self._close_before(held, today) + flow, 6),
            unrealized=round(value - held.quantity * held.avg_cost, 6),
            realized=self._realized(held, today),
            quantity=held.quantity,
            value=round(value, 6),
        )

    def report(self, today: str) -> AccountReport:
        """The account values at the last prices."""
        holdings = self._open_holdings()
        worth = {held.symbol: held.quantity * self._price(held) for held in holdings}
        stock = sum(worth.values())
        gross = sum(abs(value) for value in worth.values())
        net = self._cash_in_all + stock
        loan = self.equity_with_loan(today)
        margin = self.requirement()
        available = loan - margin
        borrows = self.terms.kind == "margin"
        whole = {
            "NetLiquidation": net,
            "TotalCashValue": self._cash_in_all,
            "SettledCash": self.settled_cash(today) + self._base_cash,
            "GrossPositionValue": gross,
            "EquityWithLoanValue": loan,
            "InitMarginReq": margin,
            "MaintMarginReq": margin,
            "FullInitMarginReq": margin,
            "FullMaintMarginReq": margin,
            "RegTEquity": loan,
            "RegTMargin": gross * OVERNIGHT_MARGIN if borrows else 0.0,
            "AvailableFunds": available,
            "FullAvailableFunds": available,
            "ExcessLiquidity": available,
            "FullExcessLiquidity": available,
            "BuyingPower": max(0.0, available) * (DAY_TRADING_LEVERAGE if borrows else 1.0),
        }
        shares = {
            "StockMarketValue": stock,
            "UnrealizedPnL": sum(worth[held.symbol] - held.quantity * held.avg_cost for held in holdings),
            "RealizedPnL": sum(self._realized(held, today) for held in self.holdings.values()),
        }
        return statement(self.terms, self.funds, whole, shares)

    def _price(self, held: AccountHolding) -> float:
        tape = self._tapes.get(held.symbol)
        return held.avg_cost if tape is None or tape.last is None else tape.last

    def _close_before(self, held: AccountHolding, today: str) -> float:
        """The symbol's last close before today."""
        tape = self._tapes.get(held.symbol)
        close = None if tape is None else tape.prev_close if tape.date == today else tape.close
        return held.avg_cost if close is None else close

    def _realized(self, held: AccountHolding, today: str) -> float:
        if not self._daily_profit:
            return held.realized_pnl
        return held.day_realized if held.day == today else 0.0

    def _nothing_of(self, symbol: str) -> AccountHolding:
        return AccountHolding(account=self.name, symbol=symbol)

    def _open_holdings(self) -> list[AccountHolding]:
        return [self.holdings[symbol] for symbol in sorted(self.holdings) if self.holdings[symbol].quantity]
