"""The page of all messages, made of the docstrings and the tables `ROUTES` of this package.

A docstring's first line is the meaning of the message. A line "`field` (unit): meaning" describes a field; it may go on
in the next lines. Everything else is prose. The unit is left out where the field's name ends with one, or has none.

`ROUTES` says who sends each message to whom: "symbol -> risk", or "cli -> risk -> gateway" where risk passes it on. A
class without a route is a part of other messages. Renew the page whenever one of these changes:

python -m messages.page > docs/messages.md
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from functools import cache
from types import ModuleType

import msgspec

import messages

__all__ = ["COMMON", "common", "described", "fields_of", "files", "hops", "markdown", "routes", "structs_of"]

Kind = type[msgspec.Struct]

UNITS = {"_ns": "ns", "_s": "s", "_usd": "USD", "_pct": "%", "_mb": "MB"}
"""The unit that the end of a field's name says."""

COMMON = """Fields that mean the same everywhere.

`account`: the IBKR account.
`ask` (USD per share): the lowest price asked; 0: none.
`avg_cost` (USD per share): average cost of the position.
`avg_price` (USD per share): average price of the order's executions so far.
`bid` (USD per share): the highest price bid; 0: none.
`by`: who or what did it: 'operator', 'flatten', 'guard NAME', 'refused message: …'; a pause also ends by
'next session' or 'configuration'.
`client_order_id`: our id of the order, IBKR's orderRef.
`commission` (`currency`): what the execution cost.
`cost_usd`: what the bot's own shares cost.
`cum_quantity` (shares): filled of the order, this execution included.
`currency`: the currency of the commission; '' is USD.
`delayed`: True when the prices are delayed ones.
`exec_id`: the broker's id of the execution; a correction has a higher number behind its last period.
`figures`: the numbers behind the reason, by name.
`filled` (shares): how many have traded.
`halted`: True when the exchange has halted the symbol.
`last` (USD per share): the price of the last trade; 0: none.
`last_ns`: when the last trade happened, by the broker, in whole seconds.
`limit_offset` (USD per share): distance from a TRAIL LIMIT's stop to its limit; None for other types.
`limit_price` (USD per share): the limit; None without one.
`note`: what the process is doing, for `crazy status`; '' for nothing special.
`oca_group`: IBKR's group of orders of which a fill cancels or reduces the others; '' for none.
`oca_type`: what a fill does to the other orders of `oca_group`: 1 cancels them, 2 and 3 reduce them (IBKR's numbers).
`order`: the whole order, as the gateway's book has it now.
`order_id`: the broker's id of the order for our API client; 0 before it has one.
`order_type`: IBKR's order type: 'STP', 'STP LMT', 'TRAIL', 'TRAIL LIMIT', 'MKT' and others.
`outside_rth`: True when the orders may trigger and fill in pre-market and after-market, too.
`own` (shares): what the bot owns of the symbol.
`parent_id`: the `order_id` of the parent; 0 for none.
`perm_id`: the broker's permanent id of the order; 0 before it has one.
`pid`: the process id of the operating system.
`plan`: the entry.
`price` (USD per share): the price of the execution.
`process`: the name of the process.
`quantity` (shares): the size of the order.
`ready`: True when other processes can rely on it.
`realized_usd`: the broker's figure of the P&L; None for an opening execution.
`reason`: reason code (docs/reasons.md).
`refused`: the code with which the broker refuses the symbol's prices; 0: it does not.
`run`: which run of the process, that is, which of its lives.
`session`: the session.
`session_date`: the session's date on the exchange, YYYY-MM-DD.
`side`: 'BUY' or 'SELL'.
`step`: the number of the lock-step.
`steps`: pairs (from this price on, smallest difference between two prices), in USD per share, lowest first.
`symbol`: the ticker.
`tif`: time in force: 'DAY' or 'GTC'.
`time_ns`: when it happened.
`trail_stop_price` (USD per share): a trailing stop's level now; None for other types.
`trailing_pct`: how far a trailing stop trails the price: 10.0 is 10 %; None for other types.
`watchlist`: the tickers that are traded.
`wave`: the number of the question within the step.
`why_held`: IBKR's reason for holding the order back; '' for none.
`winding_down`: the tickers that get no new entries and leave once nothing of them is held.
"""
"""What a field of this name means, unless its class says otherwise."""

TITLE = """# Messages

Every message of the fleet: what it means, who sends it, who handles it, and its fields. This page is made of the
docstrings and tables in `messages/`; renew it with `python -m messages.page > docs/messages.md`. [bus.md](bus.md)
explains how messages travel.

- **From and to** are processes. `symbol` is the process of the symbol that the message is about, or each of them. `cli`
  is the `crazy` command. `broker` is the gateway's edge to IB Gateway; in a backtest, the exchange model. `shell` is
  the main loop of the same process. `cli → risk → gateway`: risk checks the message and passes it on.
- **To** names who does something with the message. The recorder receives every row; it is named where it records one.
- **Times** (`…_ns`) are nanoseconds since 1970 in UTC, and market time: in a simulated fleet that is the simulated day.
  Where machine time is meant, the meaning says so.
- **Types** are written as in Python. A field with a default (`= …`) may be absent in messages of an earlier release.
"""

_FIELD = re.compile(r"`(\w+)`(?: \((.+?)\))?: (.+)")


def files() -> list[ModuleType]:
    """The files that have messages, one conversation each."""
    names = [module.name for module in pkgutil.iter_modules(messages.__path__, "messages.")]
    return [module for module in map(importlib.import_module, names) if hasattr(module, "ROUTES")]


def structs_of(file: ModuleType) -> list[Kind]:
    """Its classes, in their order in the file."""
    return [
        found
        for found in vars(file).values()
        if isinstance(found, type) and issubclass(found, msgspec.Struct) and found.__module__ == file.__name__
    ]


def routes() -> dict[Kind, str]:
    """The routes of all files."""
    return {kind: route for file in files() for kind, route in file.ROUTES.items()}


def hops(route: str) -> list[tuple[str, ...]]:
    """The stations of a route, one after another: senders, those who pass it on if there are any, recipients."""
    return [tuple(station.split(", ")) for station in route.split(" -> ")]


def described(text: str) -> tuple[str, str, dict[str, tuple[str, str]]]:
    """(meaning, prose, fields with their unit and meaning) of a docstring."""
    meaning, _, rest = inspect.cleandoc(text).partition("\n")
    prose: list[str] = []
    fields: dict[str, tuple[str, str]] = {}
    name = ""
    for line in rest.split("\n"):
        if found := _FIELD.fullmatch(line):
            name, unit, says = found.groups(default="")
            fields[name] = (unit, says)
        elif name and line:
            unit, says = fields[name]
            fields[name] = (unit, f"{says} {line}")
        else:
            name = ""
            prose.append(line)
    return meaning, "\n".join(prose).strip(), fields


@cache
def common() -> dict[str, tuple[str, str]]:
    """The fields of `COMMON`."""
    return described(COMMON)[2]


def fields_of(kind: Kind) -> dict[str, tuple[str, str]]:
    """Every field with its unit and its meaning, in order; ('', '') where nothing says what it means."""
    own = described(kind.__doc__ or "")[2]
    found = {}
    for name in kind.__struct_fields__:
        unit, meaning = own.get(name) or common().get(name) or ("", "")
        by_name = next((unit for end, unit in UNITS.items() if name.endswith(end)), "")
        found[name] = (unit or by_name, meaning)
    return found


def markdown() -> str:
    """The page."""
    every = [kind for file in files() for kind in structs_of(file)]
    names = [kind.__name__ for kind in every]
    parts = [TITLE, *(f"- [{_heading(file)}](#{_heading(file).lower()}): {_summary(file)}" for file in files()), ""]
    for file in files():
        parts += [f"## {_heading(file)}", "", inspect.cleandoc(file.__doc__ or ""), "", f"File: `{_path(file)}`.", ""]
        parts += ["| message | from → to | meaning |", "|---|---|---|"]
        for kind in structs_of(file):
            meaning, _, _ = described(kind.__doc__ or "")
            route = file.ROUTES[kind].replace("->", "→") if kind in file.ROUTES else _carriers(kind, every)
            parts.append(f"| `{kind.__name__}` | {route} | {meaning} |")
        parts.append("")
        for kind in structs_of(file):
            parts += _section(kind, f" ({_heading(file).lower()})" if names.count(kind.__name__) > 1 else "")
    return "\n".join(parts).rstrip()


def _section(kind: Kind, of_file: str) -> list[str]:
    """What there is to say of a message beyond its line in the table. `of_file`: its file, if another has its name."""
    _, prose, _ = described(kind.__doc__ or "")
    fields = fields_of(kind)
    if not prose and not fields:
        return []
    parts = [f"### `{kind.__name__}`{of_file}", ""]
    if prose:
        parts += [prose, ""]
    if fields:
        parts += ["| field | type | unit | meaning |", "|---|---|---|---|"]
    types = {field.name: _type(kind, field) for field in msgspec.structs.fields(kind)}
    parts += [f"| `{name}` | `{types[name]}` | {unit} | {meaning} |" for name, (unit, meaning) in fields.items()]
    return [*parts, ""] if fields else parts


def _type(kind: Kind, field: msgspec.structs.FieldInfo) -> str:
    """Its type as the file has it, and its default."""
    default = "" if field.required else f" = {field.default!r}"
    if field.default_factory is not msgspec.NODEFAULT:
        default = f" = {field.default_factory()!r}"
    return f"{kind.__annotations__[field.name]}{default}".replace("|", r"\|")


def _heading(file: ModuleType) -> str:
    return file.__name__.rpartition(".")[2].capitalize()


def _path(file: ModuleType) -> str:
    return file.__name__.replace(".", "/") + ".py"


def _summary(file: ModuleType) -> str:
    return inspect.cleandoc(file.__doc__ or "").partition("\n")[0]


def _carriers(kind: Kind, every: list[Kind]) -> str:
    """The classes that a part travels in: by their types, or, where it is encoded, by what they say of their fields."""
    word = re.compile(rf"\b{kind.__name__}\b")
    by_type = [other for other in every if any(word.search(str(hint)) for hint in other.__annotations__.values())]
    by_text = [other for other in every if any(f"`{kind.__name__}`" in says for _, says in fields_of(other).values())]
    return "in " + ", ".join(f"`{other.__name__}`" for other in by_type or by_text)


if __name__ == "__main__":
    print(markdown())
