"""`crazy symbols file`."""

from __future__ import annotations

from pathlib import Path

from services.cli.options import Config
from services.cli.watchlist import change, current_fleet, finish_removals, removal_lines, tickers
from services.configuration.refusal import Refusal

__all__ = ["symbols_file"]


def symbols_file(path: Path, *, config: Config = None) -> int:
    """Make the watchlist what a file says: one ticker a line, `#` begins a comment.

    What is not in the file is removed as `crazy symbols remove` does it, what is new is added.

    Parameters
    ----------
    path:
        The file.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise Refusal(f"{path}: cannot be read ({why}); give a text file with one ticker a line") from None
    listed: list[str] = []
    for number, line in enumerate(lines, 1):
        ticker = line.partition("#")[0].strip()
        if ticker:
            try:
                listed += tickers((ticker,))
            except Refusal as refusal:
                raise Refusal(f"{path}:{number}: {refusal}") from None
    wanted = tuple(dict.fromkeys(listed))
    if not wanted:
        raise Refusal(f"{path}: names no ticker; write one a line")
    finish_removals(config)
    before = current_fleet(config).settings.watchlist
    gone = tuple(symbol for symbol in before if symbol not in wanted)
    added = [symbol for symbol in wanted if symbol not in before]
    change(config, wanted, gone)
    if added:
        print(f"added {', '.join(added)}")
    for line in removal_lines(config, gone) if gone else ():
        print(line)
    print(f"{len(wanted)} symbols are traded")
    return 0
