"""The page of `crazy performance`. Pure: figures in, lines and tables out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.layout import Parts, TableInParts
from services.cli.wording import dollars, price, signed, span

__all__ = ["Report", "report_page"]

UNKNOWN = "–"

Row = dict[str, Any]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that `crazy performance` shows.

    `overall`, `per_symbol` and `daily` are rows of the views of these names (docs/analytics.md), durations in seconds.
    `unconverted`: by currency, commissions that count as 0 because the broker reported no rate.
    """

    fleet: str
    mode: str
    fills: int
    account: Row
    last_close: Row
    open: list[Row]
    unconverted: list[Row]
    overall: Row
    per_symbol: list[Row]
    daily: list[Row]


def report_page(report: Report) -> RenderableType:
    """The page: account, all trades, all days, a line per symbol, a line per day."""
    parts: list[RenderableType] = [*_head(report)]
    if report.per_symbol:
        parts += [Text(), _table(SYMBOL_COLUMNS, report.per_symbol)]
    if report.daily:
        parts += [Text(), _table(DAY_COLUMNS, report.daily)]
    return Group(*parts)


def _head(report: Report) -> list[RenderableType]:
    overall = report.overall
    lines: list[RenderableType] = [Text.assemble((report.mode.upper(), "bold"), f"  fleet {report.fleet}")]
    if report.account:
        account = report.account
        value, cash = dollars(account["net_liquidation"], 2), dollars(account["total_cash"], 2)
        lines.append(_parts(f"account {account['account']}  value {value}", f"cash {cash}"))
    if report.open:
        first, *others = (f"{row['symbol']} {row['qty']:g} at {price(row['avg_price'])}" for row in report.open)
        lines.append(Parts(f"open    {first}", *others, between=", "))
    lines.append(_parts(*_trades(overall)))
    if overall["commissions_pending"]:
        count = overall["commissions_pending"]
        waits = "waits" if count == 1 else "wait"
        lines.append(Text(f"        {count} of them {waits} for the broker's word on commission"))
    for row in report.unconverted:
        what = f"commission of {row['count']} execution{'' if row['count'] == 1 else 's'}"
        amount = f"{row['commission']:,.2f} {row['currency']}"
        lines.append(Text(f"        without the {what}, {amount}: the broker told no rate to dollars"))
    if overall["days"]:
        lines += [_parts(*parts) for parts in _closes(overall)]
    else:
        lines.append(Text("closes  none yet: returns, Sharpe and drawdown need closed sessions"))
    return lines


def _parts(*parts: str) -> Parts:
    return Parts(*parts, between="   ")


def _trades(overall: Row) -> Sequence[str]:
    if not overall["trades"]:
        return ("trades  none closed yet",)
    return (
        f"trades  {overall['trades']} closed, {overall['wins']} won, {overall['losses']} lost",
        f"win rate {_known(overall, 'win_rate_pct', _percent)}",
        f"P&L {signed(overall['pnl_usd'])} (after {dollars(overall['commission_usd'], 2)} commission)",
        f"profit factor {_known(overall, 'profit_factor', _ratio)}",
        f"expectancy {_known(overall, 'expectancy_usd', signed)}",
        f"average time {_known(overall, 'avg_duration_s', _span)}",
    )


def _closes(overall: Row) -> Sequence[Sequence[str]]:
    base = f" of {dollars(overall['base_usd'])}" if overall["base_usd"] else ""
    return (
        (
            f"closes  {overall['days']} from {overall['first_day']} to {overall['last_day']}",
            f"P&L {signed(overall['own_pnl_usd'])}",
            f"maximum drawdown {dollars(overall['max_drawdown_usd'], 2)} "
            f"({_known(overall, 'max_drawdown_pct', _percent)}{base})",
        ),
        (
            f"closes  Sharpe {_known(overall, 'sharpe', _ratio)}",
            f"Sortino {_known(overall, 'sortino', _ratio)}",
            f"Calmar {_known(overall, 'calmar', _ratio)}",
            f"volatility {_known(overall, 'volatility_pct', _percent)} a year",
        ),
    )


Column = tuple[str, str, Callable[[Any], str]]

SYMBOL_COLUMNS: Sequence[Column] = (
    ("SYMBOL", "symbol", str),
    ("TRADES", "trades", str),
    ("WON", "wins", str),
    ("WIN RATE", "win_rate_pct", lambda value: _percent(value)),
    ("P&L", "pnl_usd", lambda value: _amount(value)),
    ("COMMISSION", "commission_usd", lambda value: _plain(value)),
    ("PROFIT FACTOR", "profit_factor", lambda value: _ratio(value)),
    ("EXPECTANCY", "expectancy_usd", lambda value: _amount(value)),
    ("BEST", "best_usd", lambda value: _amount(value)),
    ("WORST", "worst_usd", lambda value: _amount(value)),
    ("AVERAGE TIME", "avg_duration_s", lambda value: _span(value)),
)

DAY_COLUMNS: Sequence[Column] = (
    ("DATE", "date", str),
    ("P&L", "pnl_usd", lambda value: _amount(value)),
    ("RETURN", "return_pct", lambda value: _percent(value)),
    ("TOTAL", "total_usd", lambda value: _amount(value)),
    ("DRAWDOWN", "drawdown_usd", lambda value: _plain(value)),
    ("TRADES", "trades", str),
    ("WON", "wins", str),
)


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> TableInParts:
    headings = [heading for heading, _, _ in columns]
    return TableInParts(headings, [[_known(row, name, shown) for _, name, shown in columns] for row in rows])


def _known(row: Mapping[str, Any], name: str, shown: Callable[[Any], str]) -> str:
    value = row[name]
    return UNKNOWN if value is None else shown(value)


# The last bits of a sum depend on the order in which the database adds. They must not change how a figure is rounded.


def _percent(value: float) -> str:
    return f"{round(value, 9):.2f} %".replace("-", "−")


def _ratio(value: float) -> str:
    return f"{round(value, 9):.2f}".replace("-", "−")


def _amount(value: float) -> str:
    return f"{round(value, 9):+,.2f}".replace("-", "−")


def _plain(value: float) -> str:
    return f"{round(value, 9):,.2f}".replace("-", "−")


def _span(value: float) -> str:
    return span(timedelta(seconds=value))
