"""The JSON log of a process: one flat object a line, one file per process.

    journal = log.open("gateway", fleet.log("gateway"), settings.logging.level)
    journal.event("order_filled", market_ns=now, symbol="TSLA", client_order_id="…", qty=4)

Each line starts with `timestamp` (market time on the exchange's clock, absent if the event has none), `wall` (UTC),
`level`, `process` and `event`. The fields of the event follow. All account ids are masked. Text that libraries send
through `logging` becomes the event `log`.
"""

from __future__ import annotations

import io
import logging
import re
import sys
import traceback
import types
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

import msgspec

__all__ = ["Log", "mask_output", "masked", "open"]

MARKET_ZONE = ZoneInfo("America/New_York")
_zone = MARKET_ZONE
"""A process has one log and one exchange."""
ACCOUNT = re.compile(r"\b(U|DU|F|DF|I|DI)\d{2,9}(\d{3})\b")
"""IBKR's account ids: U live, DU paper, F and DF advisors, I institutions."""

ROTATION, FILES_KEPT = "20 MB", 10
NS = 1_000_000_000

_encode = msgspec.json.Encoder(enc_hook=str).encode


def _logger() -> Any:
    """loguru, without the asyncio that it imports for coroutine sinks, which are not used here.

    asyncio would cost 30 ms and 4 MiB in each process, ssl included. A process that runs on asyncio imports it before.
    """
    stand_in = types.ModuleType("asyncio")
    stand_in.get_running_loop = None  # type: ignore[attr-defined]
    has_it = sys.modules.setdefault("asyncio", stand_in) is not stand_in
    try:
        from loguru import logger
    finally:
        if not has_it:
            del sys.modules["asyncio"]
    return logger


logger = _logger()


class Log:
    """Writes the events of one process."""

    def __init__(self, process: str) -> None:
        self.process = process

    def event(self, name: str, /, *, market_ns: int | None = None, level: str = "INFO", **fields: Any) -> None:
        """Write one line. `market_ns`: the market time of the event, None or 0 if it is unknown."""
        self.record(name, fields, market_ns=market_ns, level=level)

    def record(
        self, name: str, fields: Mapping[str, Any], *, market_ns: int | None = None, level: str = "INFO"
    ) -> None:
        """Write one line whose fields can have any name: one that the line has itself is left out."""
        logger.log(level, "", event=name, market_ns=market_ns, process=self.process, fields=fields)


def open(process: str, path: Path, level: str = "INFO", zone: ZoneInfo = MARKET_ZONE) -> Log:
    """Log this process and its libraries to `path`, from `level` on, with market time in this `zone`.

    The file is rotated at 20 MB, and ten are kept. A disk error is reported on stderr and stops nothing.
    """
    global _zone
    _zone = zone
    logger.remove()
    template = str(path).replace("{", "{{").replace("}", "}}")  # loguru would fill in braces
    logger.add(template, format=_line, level=level, rotation=ROTATION, retention=FILES_KEPT, encoding="utf-8")
    logging.basicConfig(handlers=[_Forward(process)], level=level, force=True)
    return Log(process)


def masked(text: str) -> str:
    """The text without account ids: DU1234567 becomes DU***567."""
    return ACCOUNT.sub(r"\1***\2", text)


class _Masked(io.TextIOBase):
    """A text stream without account ids."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(masked(text))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()


def mask_output() -> None:
    """From now on, mask account ids in the other output of this process, too (a traceback, an error)."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, _Masked):
            setattr(sys, name, _Masked(stream))


def _line(record: Any) -> str:
    """One record as one line. loguru formats the result once more, so the line goes through `extra`."""
    given = record["extra"]
    market_ns = given["market_ns"]
    line = {"timestamp": _market_time(market_ns)} if market_ns else {}
    line["wall"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    line["level"] = record["level"].name
    line["process"] = given["process"]
    line["event"] = given["event"]
    fields = {name: value for name, value in given["fields"].items() if name not in line}
    given["line"] = masked(str(_encode(line | fields), "utf-8"))
    return "{extra[line]}\n"


def _market_time(market_ns: int) -> str:
    whole, part = divmod(market_ns, NS)
    moment = datetime.fromtimestamp(whole, _zone).replace(microsecond=part // 1000)
    return moment.isoformat(timespec="milliseconds")


class _Forward(logging.Handler):
    """Writes the records of the standard library's `logging` into the same file."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self.log = Log(process)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. A level that loguru does not have becomes the nearest one below."""
        level = next((name for lowest, name in _LEVELS if record.levelno >= lowest), "DEBUG")
        fields: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            fields["exception"] = "".join(traceback.format_exception(*record.exc_info))
        self.log.event("log", level=level, **fields)


_LEVELS = (
    (logging.CRITICAL, "CRITICAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARNING"),
    (logging.INFO, "INFO"),
)
