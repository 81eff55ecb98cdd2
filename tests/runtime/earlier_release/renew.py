"""python -m tests.runtime.earlier_release.renew VAR: write the files of this folder anew.

Run it in the release whose files are to be kept. VAR is the folder of its fleet (`var/fixture`), which is down.
`expected.json` gets what this release reads in them; compare it with what the day was like.
"""

from __future__ import annotations

import enum
import json
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from zlib import crc32

import duckdb
import msgspec

from services.recorder.schema import TABLES, VIEWS
from services.runtime.core import is_volatile
from tests.runtime.earlier_release import files

STEPS = "DELETE FROM journal WHERE n > 24"
"""The clock journals every step; more of them show nothing."""


def ledger_text(file: Path) -> str:
    """An SQLite file as SQL."""
    with closing(sqlite3.connect(":memory:")) as db, closing(sqlite3.connect(file)) as source:
        source.backup(db)
        if file.stem == "clock":
            with db:
                db.execute(STEPS)
        return "\n".join(db.iterdump()) + "\n"


def literal(value: Any) -> str:
    """A value in DuckDB's SQL."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).upper()
        case int() | float():
            return repr(value)
        case datetime():
            return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case _:
            return "'" + value.replace("'", "''") + "'"


def database_text(file: Path) -> str:
    """The recorder's file as SQL."""
    lines = [TABLES.strip(), "", VIEWS.strip(), ""]
    with duckdb.connect(str(file), read_only=True) as db:
        for (table,) in db.execute("SELECT table_name FROM duckdb_tables() ORDER BY table_oid").fetchall():
            for row in db.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall():
                lines.append(f"INSERT INTO {table} VALUES ({', '.join(map(literal, row))});")
    return "\n".join(lines) + "\n"


def filled(hint: Any, name: str) -> Any:
    """A value of this type for a field of this name."""
    origin, arguments, number = get_origin(hint), get_args(hint), crc32(name.encode())
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return sample(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return list(hint)[number % len(hint)]
    if origin is Literal:
        return arguments[number % len(arguments)]
    if origin is tuple and arguments[-1] is not Ellipsis:
        return tuple(filled(each, f"{name}{at}") for at, each in enumerate(arguments))
    if origin in (tuple, list):
        return origin([filled(arguments[0], name), filled(arguments[0], f"{name}1")])
    if origin is dict:
        return {filled(arguments[0], name): filled(arguments[1], name)}
    if arguments:  # a union: its first member
        return filled(arguments[0], name)
    return {bool: True, int: number, float: number + 0.25, str: name}[hint]


def sample(kind: type[msgspec.Struct]) -> msgspec.Struct:
    """A record with a value in every field."""
    hints = get_type_hints(kind)
    return kind(**{name: filled(hints[name], name) for name in kind.__struct_fields__})


def samples() -> str:
    """One of each kind of record that a ledger keeps: process, kind, JSON."""
    cores = {name.partition("-")[0]: files.core_of(name)[0] for name in files.PROCESSES}
    kinds = {name: sorted(core.kinds, key=lambda kind: kind.__name__) for name, core in cores.items()}
    kinds["simulator"] = list(files.OF_THE_SIMULATOR.values())
    names = {kind: name for name, kind in files.OF_THE_SIMULATOR.items()}
    return "".join(
        f"{name} {names.get(kind, kind.__name__)} {msgspec.json.encode(sample(kind)).decode()}\n"
        for name, found in kinds.items()
        for kind in found
        if not is_volatile(kind)
    )


def main(var: Path) -> None:
    for file in var.glob("ledgers/*.sqlite"):
        (files.FOLDER / "ledgers" / f"{file.stem}.sql").write_text(ledger_text(file))
    (files.FOLDER / "simulator.sql").write_text(ledger_text(var / "simulator.sqlite"))
    (files.FOLDER / "bot.sql").write_text(database_text(var / "bot.duckdb"))
    (files.FOLDER / "samples.txt").write_text(samples())
    shutil.copy(var / "sessions.json", files.FOLDER)
    with tempfile.TemporaryDirectory() as folder:
        files.build(Path(folder) / "var")
        expected = json.dumps(files.figures(Path(folder) / "var"), indent=1, sort_keys=True)
    (files.FOLDER / "expected.json").write_text(expected + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
