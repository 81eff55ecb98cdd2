"""Starting the processes of a measurement, talking to the one that measures, and ending all of them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from benchmarks.stages import Way

__all__ = ["Children", "Measured", "answer", "orders"]

CODE = Path(__file__).resolve().parent.parent
END_S = 10.0
WARM_UP_S = 100.0


class Measured(msgspec.Struct):
    """One round: how many ticks were to lead to an order, of how many symbols one did, and how long each that did took.

    Latencies are in microseconds. `ways` tells of each that did, on the broker's wire only.
    """

    ticks: int
    symbols: int
    latencies_us: list[float]
    ways: list[Way] = []


class Children:
    """The processes of one kind of chain. The first one started is asked for rounds, by a line on its stdin."""

    def __init__(self, name: str, says: Path):
        self.name = name
        self._says = open(says, "wb")  # noqa: SIM115 (closed in __exit__)
        self._all: list[subprocess.Popen[bytes]] = []

    def start(self, module: str, *arguments: str) -> None:
        """Start `python -m module arguments`."""
        first = not self._all
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=CODE,
            stdin=subprocess.PIPE if first else subprocess.DEVNULL,
            stdout=subprocess.PIPE if first else self._says,
            stderr=self._says,
        )
        self._all.append(child)

    def measure(self, seconds: float) -> Measured:
        """One round. Raises RuntimeError if a process has died."""
        measuring = self._all[0]
        assert measuring.stdin is not None
        assert measuring.stdout is not None
        measuring.stdin.write(f"{seconds}\n".encode())
        measuring.stdin.flush()
        line = measuring.stdout.readline()
        if not line or any(child.poll() is not None for child in self._all):
            raise RuntimeError(f"{self.name}: a process ended; see {self._says.name}")
        return msgspec.json.decode(line, type=Measured)

    def warm_up(self, symbols: int) -> None:
        """Short rounds until each of so many symbols has an order in one.

        A symbol that is denied on the way asks again after a minute. Raises RuntimeError if that does not help.
        """
        deadline = time.monotonic() + WARM_UP_S
        while time.monotonic() < deadline:
            measured = self.measure(0.5)
            if measured.symbols == symbols:
                return
        answered = (
            f"{len(measured.latencies_us)} of {measured.ticks} ticks, of {measured.symbols} of {symbols} symbols,"
        )
        raise RuntimeError(f"{self.name}: {answered} led to an order; see {self._says.name}")

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._all:
            if child.stdin is not None:
                child.stdin.close()  # whoever waits for the next round is through
            child.terminate()
        for child in self._all:
            try:
                child.wait(END_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._says.close()


def orders() -> Sequence[float]:
    """In the measuring process: the seconds of each round that is asked for, until the asker is gone."""
    return (float(line) for line in sys.stdin)  # type: ignore[return-value]


def answer(measured: Measured) -> None:
    """In the measuring process: the answer to one round."""
    sys.stdout.buffer.write(msgspec.json.encode(measured) + b"\n")
    sys.stdout.buffer.flush()
