"""Mutations of valid requests: of fields and of frames. The given generator draws everything."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from services.simulator.wire.framing import frame

__all__ = ["spoil", "spoil_frame", "written"]

EVIL = [
    "", "0", "1", "-1", "2", "3", "-0.0", "0.0001", "-0.01", "9.99", "10.005", "1e-320", "1e308", "1e400", "-1e400",
    "nan", "NaN", "-nan", "inf", "-inf", "Infinity", "Infinite", "-Infinite", "2147483647", "2147483648", "-2147483648",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1.7976931348623157E308", "9" * 400, "0x10",
    "1_0", " 7 ", "\u0661\u0662", "\u00bd", "True", "None", "null", "\n", "\x01", "\x7f", "é", "\ufeff", "\udcff\udcfe",
    "A" * 70, "A" * 5000, "%s%n{0}{}", "'; DROP TABLE orders; --", "../../etc/passwd", "DU1234567", "DU9999999", "TSLA",
    "TSM", "STK", "BAG", "OPT", "SMART", "USD", "BUY", "SELL", "SSHORT", "MKT", "LMT", "STP", "STP LMT", "TRAIL",
    "TRAIL LIMIT", "PEG BEST", "DAY", "GTC", "IOC", "GTD", "FOK", "OPG", "20220322 15:00:00 US/Eastern",
    "20220322-14:00:00", "00010101 00:00:00", "99991231 23:59:59 UTC", "20220322 15:00:00 ../../../etc/localtime",
    "20220322 15:00:00 Mars/Olympus", "1 D", "999999999999 Y", "-1 S", "1 min", "5 secs", "TRADES", "BidAsk",
]  # fmt: skip
"""Unusual values of fields."""


def spoil(rng: Random, fields: Sequence[str], others: Sequence[Sequence[str]]) -> list[str]:
    """The fields, with some changed, left out, doubled, swapped, or inserted from another request."""
    spoilt = list(fields)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(spoilt)) if spoilt else 0
        match rng.randrange(8):
            case 0 | 1 | 2 | 3 if spoilt:
                spoilt[at] = rng.choice(EVIL)
            case 4 if spoilt:
                del spoilt[at]
            case 5:
                spoilt.insert(at, rng.choice(EVIL))
            case 6:
                other = rng.choice(others)
                cut = rng.randrange(len(other))
                spoilt[at:at] = other[cut : cut + rng.randrange(12)]
            case _ if spoilt:
                to = rng.randrange(len(spoilt))
                spoilt[at], spoilt[to] = spoilt[to], spoilt[at]
    return spoilt


def written(fields: Sequence[str]) -> bytes:
    """A payload of these fields. Lone surrogates become bytes that are no UTF-8."""
    return "".join(f"{field}\0" for field in fields).encode("utf-8", "surrogateescape")


def spoil_frame(rng: Random, payload: bytes) -> bytes:
    """The frame of a payload with something wrong below its fields."""
    match rng.randrange(7):
        case 0:
            return frame(rng.randbytes(rng.randrange(200)))
        case 1:
            return frame(payload.removesuffix(b"\0"))
        case 2:
            return frame(payload[: rng.randrange(len(payload) + 1)])
        case 3:
            return frame(payload + payload)
        case 4:
            changed = bytearray(payload or b"\0")
            for _ in range(rng.randrange(1, 6)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            return frame(bytes(changed))
        case 5:
            return frame(b"\0" * rng.choice((1, 2, 100, 100_000)))
        case _:
            # The rest is no frame any more: the gateway has to disconnect, or to wait.
            length = rng.choice((0, 1, len(payload) + 9, 0xFFFFFF, 0x1000000, 0xFFFFFFFF))
            return length.to_bytes(4, "big") + payload
