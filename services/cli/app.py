"""The list of commands.

A command is a file `commands/<name>.py` with one function `<name>(…, *, config: Config = None)`. The function returns
its exit code (or None), and its docstring is its manual. A file is imported when its command is needed: `crazy status`
does not load what `crazy audit` needs.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

from cyclopts import App, CycloptsError, Group, UnusedCliTokensError

from services.configuration.refusal import Refusal

__all__ = ["COMMANDS", "FAMILIES", "app", "run"]

COMMANDS = {
    "Start and stop": ("up", "down", "wait", "paper_probe", "golive"),
    "Look": ("status", "performance", "events", "logs", "sql", "export", "audit"),
    "Act": ("pause", "resume", "flatten", "adopt", "rescue", "cooldown_list", "cooldown_clear"),
    "Symbols": ("symbols_list", "symbols_add", "symbols_remove", "symbols_file", "reload"),
    "Configure": ("config_check", "config_show", "config_keys", "config_schema"),
    "Simulate": ("simulator", "simulator_fault", "simulator_advance", "simulator_policy"),
}
"""Every command under its heading, in the order of `crazy --help`. `config_show` is typed `crazy config show`, because
`config` is one of `FAMILIES`; `paper_probe` is typed `crazy paper-probe`."""

FAMILIES = {
    "cooldown": "The rest of a symbol after a stop-out (list, clear).",
    "config": "What may be configured (keys, schema), and what is (check, show).",
    "symbols": "Which symbols are traded, while the fleet runs (list, add, remove, file).",
    "simulator": "A simulated IB Gateway by itself, for any TWS client; and faults on demand in a running one.",
}
"""The first words of commands that have two. `simulator` is a command of its own, too."""

app = App(
    name="crazy",
    help="Buys breakouts on your IBKR account, keeps a stop resting at the broker under what it holds, and can always "
    "say why it did nothing.",
    version=lambda: version("crazy-trade"),
    result_action="return_value",
)


def _register() -> None:
    """Register every command by the name of its function; nothing is imported yet."""
    families: dict[str, App] = {}
    for place, (heading, files) in enumerate(COMMANDS.items()):
        group = Group(heading, sort_key=place)
        for order, file in enumerate(files):
            family, _, name = file.rpartition("_")
            if file in FAMILIES:
                family, name = file, ""
            elif family not in FAMILIES:
                family, name = "", file.replace("_", "-")
            if family and family not in families:
                families[family] = App(name=family, help=FAMILIES[family], group=group)
                app.command(families[family])
            target = f"services.cli.commands.{file}:{file}"
            if name and family:
                families[family].command(target, name=name)
            elif name:
                app.command(target, name=name, group=group, sort_key=order)


def run(arguments: list[str]) -> int | None:
    """Run one command line; its exit code."""
    if not arguments or {"--help", "-h"} & set(arguments):
        from services.cli.layout import HELP_WIDTH, console  # rich is for output only

        app.console = console(HELP_WIDTH)
    # A list of commands shows the first line of each manual, so there they are imported.
    if not arguments or arguments[0].startswith("-"):
        _import_commands(app)
    elif arguments[0] in FAMILIES:
        family = app[arguments[0]]
        if any(arguments[0] in files for files in COMMANDS.values()) and family.default_command is None:
            family.default(getattr(import_module(f"services.cli.commands.{arguments[0]}"), arguments[0]))
        _import_commands(family)
    try:
        code: int | None = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise Refusal(_usage_error(error)) from None
    return code


def _usage_error(error: CycloptsError) -> str:
    """What is wrong with the arguments, and where to look it up."""
    if isinstance(error, UnusedCliTokensError):
        problem = f"too many words: {' '.join(error.unused_tokens or ())}."
    else:
        problem = str(error).strip()
    command = " ".join(("crazy", *(error.command_chain or ())))
    return f"{problem} See `{command} --help`."


def _import_commands(parent: App) -> None:
    """Import every command below `parent`."""
    for name in parent:
        if not name.startswith("-"):
            _import_commands(parent[name])


_register()
