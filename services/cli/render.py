"""Output by rich: as wide as the terminal, or unwrapped into a pipe; the page of `crazy status`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.layout import Parts, console, plain_table
from services.cli.status_summary import ESTIMATED, Summary, SymbolLine
from services.cli.wording import dollars, price, signed

__all__ = ["console", "status_page", "table"]

STYLES = {"well": "green", "degraded": "yellow", "unprotected": "bold red", "down": "bold red"}


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A plain table; numbers to the right."""
    return plain_table(columns, list(rows))


def status_page(summary: Summary, warnings_command: str = "") -> RenderableType:
    """`crazy status`: header, money, a line per symbol (trouble in red), and what is wrong."""
    return Group(*_header(summary), Text(), _symbols(summary.symbols), *_footer(summary, warnings_command))


def _header(summary: Summary) -> list[Parts]:
    label = summary.mode.upper() + (" OBSERVE" if summary.observe else "")
    mode = Text(label, style="bold white on red" if summary.mode == "live" else "bold")
    links = " · ".join(f"{name} {state}" for name, state in summary.links.items())
    money = summary.money
    lines = [
        Parts(
            Text.assemble(mode, f"  {summary.account}  fleet {summary.fleet}  v{summary.version}"),
            f"{summary.market_time}  {summary.phase}",
        ),
        Parts(f"links   {links}", f"entries {summary.entries}", f"protected {summary.protected} of {summary.held}"),
        Parts(
            f"bot     today {_known(money.today, signed)} (commission {dollars(money.commission_today, 2)})",
            f"at risk to stops {_known(money.at_risk, dollars)}",
            f"exposure {dollars(money.exposure)} of {dollars(money.cap)}",
        ),
    ]
    if money.cash is not None and money.reserve is not None:
        foreign = ", ".join(f"{symbol} {quantity:g}" for symbol, quantity in sorted(money.foreign.items()))
        not_ours = f"not ours: {foreign} (counted, untouched)" if foreign else ""
        lines.append(Parts(f"account USD cash {dollars(money.cash)}   reserve {dollars(money.reserve)}", not_ours))
    return lines


def _known(amount: float | None, shown: Callable[[float], str]) -> str:
    """The amount, or that it is unknown: a position without a price has no value."""
    return "unknown without prices" if amount is None else shown(amount)


def _symbols(lines: Sequence[SymbolLine]) -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column, justify in (
        ("SYMBOL", "left"),
        ("STATE", "left"),
        ("LAST", "right"),
        ("ORDER", "left"),
        ("DIST", "right"),
        ("QTY", "right"),
        ("P&L", "right"),
        ("WHY", "left"),
    ):
        made.add_column(column, justify=justify, no_wrap=column != "WHY")  # type: ignore[arg-type]
    for line in lines:
        made.add_row(
            line.symbol,
            line.state,
            "" if line.last is None else price(line.last),
            line.order,
            "" if line.distance_pct is None else f"{line.distance_pct:+.1f}%".replace("-", "−"),
            _quantity(line),
            "" if line.pnl_usd is None else f"{line.pnl_usd:+,.2f}".replace("-", "−"),
            Text(line.why),
            style="bold red" if line.unprotected else "",
        )
    return made


def _quantity(line: SymbolLine) -> str:
    """The shares, and what those without an execution are known from."""
    if not line.quantity:
        return ""
    if not line.synthetic or not line.witness:
        return f"{line.quantity:g}"
    part = "" if line.synthetic == line.own else f"{line.synthetic:g} "
    return f"{line.own:g} own ({part}synthetic: {line.witness})"


def _footer(summary: Summary, warnings_command: str) -> list[Text | Parts]:
    lines: list[Text | Parts] = [Text()]
    if any(line.level_estimated for line in summary.symbols):
        lines.append(
            Text(f"{ESTIMATED} a level estimated from ticks: the broker has not told the newest rise", style="dim")
        )
    if summary.warnings:
        newest = f", the newest: {summary.newest_warning}" if summary.newest_warning else ""
        counted = f"! {summary.warnings} warning{'s' if summary.warnings != 1 else ''} in this session{newest}"
        lines.append(Parts(counted, warnings_command, between="      "))
    lines += [Text(f"! {problem}", style=STYLES[summary.verdict]) for problem in summary.problems]
    return lines if len(lines) > 1 else []
