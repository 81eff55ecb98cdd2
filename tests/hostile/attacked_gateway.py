"""A gateway under attack, without sockets: its real connections on transports in memory, a moving market, and a
well-behaved client, the witness, which must never be affected.

Everything follows from the seed and the number of inputs. An input is what one hostile client sends at once: usually a
request, mutated or not, sometimes half a frame, garbage, or a disconnect.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from services.configuration.broker_policy import Policy
from services.simulator.server import TwsServer
from services.simulator.venue.events import MarketEvent
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.store import Store
from services.simulator.wire.framing import frame
from tests.hostile.corpus import VERSIONS, start_api, valid_requests
from tests.hostile.mutations import spoil, spoil_frame, written
from tests.simulator.connection import ClientConnection
from tests.simulator.on_the_wire import ACCOUNT, OPEN_NS, SECOND, SESSION, WrittenMarket

__all__ = ["AttackedGateway", "Input", "InvariantBroken", "inputs"]

_LOG = logging.getLogger("services")

HOSTILE = 3
"""How many hostile clients are connected at a time; the witness has a client id that none of them can take."""
WITNESS = 999
ATTENTION = 25
"""Inputs between two checks by the witness; each check moves the market by one event."""
LIMIT_BYTES = 4_000_000
"""The largest answer to a single input."""


class InvariantBroken(Exception):
    """An invariant of the gateway was broken."""


class Input(NamedTuple):
    """An action of one hostile client: reconnect, disconnect, or send bytes."""

    place: int
    data: bytes
    disconnect: bool = False


def inputs(seed: int, count: int) -> Iterator[Input]:
    """The inputs of this seed."""
    rng = Random(seed)
    version = [0] * HOSTILE
    orders = {each: [fields for fields in valid_requests(each) if fields[0] == "3"] for each in VERSIONS}
    for number in range(count):
        place = rng.randrange(HOSTILE)
        if not version[place]:
            version[place] = rng.choice(VERSIONS)
            yield Input(place, _opening(rng, version[place], client_id=place))
            continue
        if rng.random() < 0.005:
            version[place] = 0
            yield Input(place, b"", disconnect=True)
            continue
        requests = valid_requests(version[place])
        fields = rng.choice(requests if rng.random() < 0.5 else orders[version[place]])
        if fields[0] in ("3", "4"):
            # Few ids at a time, so that orders are modified, attached to each other and cancelled, and new ones come.
            at = 1 if fields[0] == "3" else 2
            fields = [*fields[:at], str(number // 40 + rng.randrange(1, 12)), *fields[at + 1 :]]
        roll = rng.random()
        if roll < 0.25:
            data = frame(written(fields))
        elif roll < 0.95:
            data = frame(written(spoil(rng, fields, requests)))
        else:
            data = spoil_frame(rng, written(fields))
        yield Input(place, data)


def _opening(rng: Random, version: int, client_id: int) -> bytes:
    versions = f"v100..{version}" if rng.random() < 0.9 else rng.choice(("v1..2", "x", "v100..99999999999", ""))
    greeting = b"API\0" + frame(versions.encode())
    early = frame(written(rng.choice(valid_requests(version)))) if rng.random() < 0.1 else b""
    start = start_api(client_id) if rng.random() < 0.95 else spoil(rng, start_api(client_id), valid_requests(version))
    return rng.randbytes(rng.randrange(3)) * (rng.random() < 0.02) + greeting + early + frame(written(start))


class AttackedGateway:
    """One gateway with its clients. `take` gives an input to it, and raises Broken when something is not as it must."""

    def __init__(self, seed: int, ledger: Path | None = None) -> None:
        self._seed = seed
        self._store = Store(ledger or Path(":memory:"), ACCOUNT)
        self._exchange = Exchange(
            WrittenMarket(_market(seed)),
            [SESSION],
            accounts=[AccountTerms(account=ACCOUNT)],
            start_ns=OPEN_NS - 60 * SECOND,
            policy=_policy(seed),
        )
        self._server = TwsServer(self._exchange, self._store, "127.0.0.1", 0)
        self._failures = _Failures()
        self._hostile: list[ClientConnection | None] = [None] * HOSTILE
        self._taken = 0
        self._witness = ClientConnection(self._server)
        self._witness.send(b"API\0" + frame(b"v157..176") + frame(written(start_api(WITNESS))))
        for asked in (["61", "1"], ["6", "2", "1", ACCOUNT], ["1", "11", "1", *_STOCK, "0", "", "0", "0", ""]):
            self._witness.send(frame(written(asked)))

    def __enter__(self) -> AttackedGateway:
        _LOG.addHandler(self._failures)
        self._before = _LOG.level, _LOG.propagate
        _LOG.setLevel(logging.ERROR)
        _LOG.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        _LOG.removeHandler(self._failures)
        _LOG.setLevel(self._before[0])
        _LOG.propagate = self._before[1]
        self._store.close()

    def take(self, given: Input) -> None:
        """One input, and at intervals the check by the witness."""
        line = self._hostile[given.place]
        if line is None or line.closed:
            line = self._hostile[given.place] = ClientConnection(self._server)
        if given.disconnect:
            line.disconnect()
        else:
            line.send(given.data)
        self._failures.check()
        answers = line.taken()
        if sum(map(len, answers)) > LIMIT_BYTES:
            raise InvariantBroken(f"{sum(map(len, answers))} bytes in answer to one input")
        for payload in answers:
            _check(payload)
        self._taken += 1
        if self._taken % ATTENTION == 0:
            self._look()

    def finish(self) -> None:
        """The final checks: numbers are finite, and the saved state equals the current one."""
        for order in self._exchange.orders():
            _finite(order)
        for report in (*self._exchange.executions(), *self._exchange.positions()):
            _finite(report)
        saved = self._store.load()
        if saved is None or saved.orders != self._exchange.orders():
            raise InvariantBroken("the ledger has other orders than the exchange")

    def _look(self) -> None:
        """The market moves, and the witness is served as if it were the only client."""
        due = self._exchange.next_event_ns()
        if due is not None:
            self._server.advance(due, one=True)
        self._failures.check()
        self._witness.taken()
        self._witness.send(frame(written(["49", "1"])) + frame(written(["16", "1"])))
        answers = [payload.split(b"\0") for payload in self._witness.taken()]
        if self._witness.closed or not answers or answers[0][0] != b"49" or answers[-1][0] != b"53":
            raise InvariantBroken(f"the witness is not served: {answers[:3]}")
        for line in self._hostile:
            if line is not None:
                for payload in line.taken():
                    _check(payload)


class _Failures(logging.Handler):
    """The gateway logs a failed handler with its exception and answers with an error. For the fuzzer that is a bug."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.found.append(logging.Formatter().format(record))
        elif record.levelno >= logging.CRITICAL:
            self.found.append(record.getMessage())

    def check(self) -> None:
        if self.found:
            raise InvariantBroken(self.found[0])


def _policy(seed: int) -> Policy:
    """Every third seed has the broker's defaults; the others have random values of its on-off switches."""
    if seed % 3 == 0:
        return Policy()
    rng = Random(seed + 2)
    defaults = msgspec.structs.asdict(Policy())
    return Policy(**{name: rng.random() < 0.5 for name, value in defaults.items() if isinstance(value, bool)})


def _market(seed: int) -> list[MarketEvent]:
    """Two symbols whose prices jump by up to three percent, sometimes without one side or a trade."""
    rng = Random(seed + 1)
    events = []
    for symbol in ("TSLA", "TSM"):
        price = 10.0
        for at in range(2000):
            price = min(max(round(price * (1 + rng.uniform(-0.03, 0.03)), 2), 2.0), 50.0)
            events.append(
                MarketEvent(
                    time_ns=OPEN_NS + at * SECOND,
                    symbol=symbol,
                    row=at,
                    price=price if rng.random() < 0.95 else None,
                    size=rng.randrange(1, 500),
                    bid=round(price - 0.01, 2) if rng.random() < 0.95 else None,
                    ask=round(price + 0.01, 2) if rng.random() < 0.95 else None,
                    bid_size=rng.randrange(1, 9) * 100,
                    ask_size=rng.randrange(1, 9) * 100,
                )
            )
    return events


_STOCK = ["0", "TSLA", "STK", "", "0.0", "", "", "SMART", "", "USD", "", ""]
_NO_NUMBER = {b"nan", b"inf", b"-inf", b"NaN", b"Infinity", b"-Infinity"}


def _check(payload: bytes) -> None:
    """Checks an answer: rows of texts, without invalid numbers; a text of the client's own may come back."""
    if not payload.endswith(b"\0"):
        raise InvariantBroken(f"an answer without its last NUL: {payload[:100]!r}")
    payload.decode()
    fields = payload.split(b"\0")
    if fields[0] not in (b"4", b"5", b"11", b"101") and _NO_NUMBER & set(fields):
        raise InvariantBroken(f"not a number in {payload[:400]!r}")


def _finite(struct: msgspec.Struct) -> None:
    for value in msgspec.structs.astuple(struct):
        if isinstance(value, msgspec.Struct):
            _finite(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise InvariantBroken(f"not a number in {struct}")
