"""Third-party clients as separate programs, and their output in short form.

A client carries out one command per line and prints the callbacks of its library. After each command it requests the
gateway's time and prints `done` at the answer: then everything that the gateway sent before has arrived.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["CLIENTS", "Client", "Program", "program", "short"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
THEIRS = ROOT / ".venv-clients" / "bin" / "python"
NODE = HERE / "node"
PATIENCE_S = 20.0


class Client(NamedTuple):
    """A client program: its name, its server version, and its command line."""

    name: str
    version: int
    command: tuple[str, ...]

    @property
    def missing(self) -> str:
        """Why it can't be started here, with the remedy; empty if it can."""
        if self.command[0] == str(THEIRS) and not THEIRS.exists():
            return f"{self.name} isn't installed: make clients"
        if self.command[0] == "node":
            if shutil.which("node") is None:
                return (
                    f"{self.name} needs Node.js, which isn't on this machine (Debian, Ubuntu: apt install nodejs npm)"
                )
            if not (NODE / "node_modules").exists():
                return f"{self.name} isn't installed: make clients"
        return ""


CLIENTS = (
    Client("ib_insync", 176, (sys.executable, str(HERE / "insync.py"), "ib_insync")),
    Client("ib_async", 178, (str(THEIRS), str(HERE / "insync.py"), "ib_async")),
    Client("ibapi", 157, (str(THEIRS), str(HERE / "official.py"))),
    Client("stoqey", 178, ("node", str(NODE / "stoqey.js"))),
)


class Program:
    """A running client."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process

    async def do(self, what: str, *, symbol: str = "TSLA", **details: Any) -> list[dict[str, Any]]:
        """Sends a command. Returns all callbacks up to its answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"do": what, "symbol": symbol, **details}).encode() + b"\n")
        seen: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE_S):
            while line := await stdout.readline():
                if not line.startswith(b"{"):
                    continue  # output of the library
                event = json.loads(line)
                if event["saw"] == "done":
                    return seen
                seen.append(event)
        raise AssertionError(f"{self.name} died: {await self._complaint()}")

    async def _complaint(self) -> str:
        stderr = self._process.stderr
        assert stderr is not None
        return (await stderr.read()).decode()[-2000:]


@asynccontextmanager
async def program(client: Client, port: int, client_id: int = 1) -> AsyncIterator[Program]:
    """The client as a process; it ends with its standard input."""
    process = await asyncio.create_subprocess_exec(
        *client.command, str(port), str(client_id),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}, limit=1 << 20,
    )  # fmt: skip
    try:
        yield Program(client.name, process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 3)
        except TimeoutError:
            process.kill()
            await process.wait()


def short(events: Iterable[dict[str, Any]]) -> list[str]:
    """The callbacks, one line each; without ticks, which `quotes` collects."""
    return [line for event in events if (line := _short(event))]


def _short(event: dict[str, Any]) -> str:
    number = event.get("id")
    match event["saw"]:
        case "order":
            return f"order {number} {_instruction(event)} {event['status']}"
        case "status":
            filled = f"{_plain(event['filled'])} of {_plain(event['filled'] + event['remaining'])}"
            at = f" at {_plain(event['average'])}" if event["filled"] else ""
            return f"status {number} {event['status']} {filled}{at} {event['why']}".strip()
        case "execution":
            live = "" if event["request"] == -1 else "again "
            return f"{live}execution {number} {event['side']} {_plain(event['shares'])} at {_plain(event['price'])}"
        case "commission":
            earned = "" if event["earned"] in (None, 0.0) else f" earned {_plain(event['earned'])}"
            return f"commission {_plain(event['amount'])}{earned}"
        case "position":
            return f"position {event['symbol']} {_plain(event['quantity'])} at {_plain(event['cost'])}"
        case "completed":
            return f"completed {event['type']} {event['action']} {event['status']}: {event['done'].strip()}"
        case "error":
            return f"error {number} {event['code']}"
        case "details":
            return f"details {event['symbol']} {event['min_tick']}"
        case "bars":
            return f"bars {' '.join(map(_plain, event['bars']))}"
        case "past_ticks":
            return f"past {' '.join(map(_plain, event['ticks']))}"
        case "tick" | "data_type" | "version" | "belief":
            return ""
        case other:
            facts = [_plain(value) for key, value in event.items() if key != "saw"]
            return " ".join([other, *facts])


def _instruction(event: dict[str, Any]) -> str:
    """`BUY 10 STP LMT 10.8 10.5`: limit and stop, or distance and current stop, if set."""
    words = [event["action"], _plain(event["quantity"]), event["type"]]
    if event["type"].startswith("TRAIL"):
        words.append(f"{_plain(event['trail_pct'])}%" if event["trail_pct"] else _plain(event["aux"]))
        words += [_plain(event["trail_stop"])] if event["trail_stop"] else ["-"]
    else:
        words += [_plain(event[price]) for price in ("limit", "aux") if event[price]]
    return " ".join(words)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "/".join(map(_plain, value))
    return f"{value:.10g}" if isinstance(value, float | int) and not isinstance(value, bool) else str(value)
