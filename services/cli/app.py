"""The list of commands.

A command is a file `commands/<name>.py` with one function `<name>(…, *, config: Config = None)`. The function returns
its exit code (or None), and its docstring is its manual. The files are imported when they are needed: `crazy status`
does not pay for what `crazy audit` imports.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

from cyclopts import App, CycloptsError, Group, UnusedCliTokensError

from services.configuration.refusal import Refusal

__all__ = ["COMMANDS", "app", "run"]

COMMANDS = {
    "Start and stop": ("up", "down", "wait", "golive"),
    "Look": ("status", "performance", "events", "logs", "sql", "export", "audit"),
    "Act": ("pause", "resume", "flatten", "adopt", "cooldown_list", "cooldown_clear"),
    "Symbols": ("symbols_list", "symbols_add", "symbols_remove", "symbols_file", "reload"),
    "Configure": ("config_check", "config_show", "config_keys", "config_schema"),
    "Simulate": ("simulator", "simulator_fault", "simulator_advance", "simulator_policy"),
}
"""Every command under its heading, in the order of `crazy --help`. `config_show` is typed `crazy config show`."""

FAMILIES = {
    "cooldown": "The rest of a symbol after a stop-out (list, clear).",
    "config": "What may be configured (keys, schema), and what is (check, show).",
    "symbols": "Which symbols are traded, while the fleet runs (list, add, remove, file).",
    "simulator": "A simulated IB Gateway by itself, for any TWS client; and faults on demand in a running one.",
}
"""Commands of two words, by their first, which may be a command of its own as well."""

app = App(
    name="crazy",
    help="Buys breakouts on your IBKR account, keeps a stop resting at the broker under what it holds, and can always "
    "say why it did nothing.",
    version=lambda: version("crazy-trade"),
    result_action="return_value",
)


def _register() -> None:
    """Hang every command into the app, by name only."""
    families: dict[str, App] = {}
    for place, (heading, files) in enumerate(COMMANDS.items()):
        group = Group(heading, sort_key=place)
        for order, file in enumerate(files):
            family, _, name = file.rpartition("_")
            family, name = (file, "") if file in FAMILIES else (family, name)
            if family and family not in families:
                families[family] = App(name=family, help=FAMILIES[family], group=group)
                app.command(families[family])
            target = f"services.cli.commands.{file}:{file}"
            if name and family:
                families[family].command(target, name=name)
            elif name:
                app.command(target, name=name, group=group, sort_key=order)


def run(words: list[str]) -> int | None:
    """Run one command line; its exit code."""
    # A list of commands shows the first line of each manual, so there they are imported.
    if not words or words[0].startswith("-"):
        _read(app)
    elif words[0] in FAMILIES:
        family = app[words[0]]
        if any(words[0] in files for files in COMMANDS.values()) and family.default_command is None:
            family.default(getattr(import_module(f"services.cli.commands.{words[0]}"), words[0]))
        _read(family)
    try:
        code: int | None = app(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise Refusal(_misused(error)) from None
    return code


def _misused(error: CycloptsError) -> str:
    """What was wrong with the words, and where to look: never with an exit code that `crazy status` uses."""
    if isinstance(error, UnusedCliTokensError):
        what = f"too many words: {' '.join(error.unused_tokens or ())}."
    else:
        what = str(error).strip()
    command = " ".join(("crazy", *(error.command_chain or ())))
    return f"{what} See `{command} --help`."


def _read(parent: App) -> None:
    """Import every command below `parent`."""
    for name in parent:
        if not name.startswith("-"):
            _read(parent[name])


_register()
