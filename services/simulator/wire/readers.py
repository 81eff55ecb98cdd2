"""Readers for message layouts that many messages share. The tables in `decode*.py` use them.

`_v`, the first field of many messages, is the version of that message. It is a relic: its value never changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from services.simulator.wire.contracts import Contract, read_contract
from services.simulator.wire.fields import FieldReader

__all__ = ["Reader", "bare", "plain", "read_combination", "read_dated_contract", "with_id", "with_number"]

R = TypeVar("R")

Reader = Callable[[FieldReader, int, int], R]
"""Reads a message, given the version of the server and the client id."""


def plain(read: Callable[[FieldReader], R]) -> Reader[R]:
    """A message that is the same in every version."""
    return lambda fields, _version, _client_id: read(fields)


def bare(request: R, *, relic: bool = True) -> Reader[R]:
    """A message with only its id and, usually, `_v`."""

    def read(fields: FieldReader, _version: int, _client_id: int) -> R:
        fields.skip(int(relic))
        return request

    return read


def with_id(make: Callable[[int], R], *, relic: bool = True, after: int = 0) -> Reader[R]:
    """A message with a request id, and `after` more fields that are not used here."""

    def read(fields: FieldReader, _version: int, _client_id: int) -> R:
        fields.skip(int(relic))
        request_id = fields.identity()
        fields.skip(after)
        return make(request_id)

    return read


def with_number(make: Callable[[int], R], *, relic: bool = True) -> Reader[R]:
    """A message with one number that is no request id."""

    def read(fields: FieldReader, _version: int, _client_id: int) -> R:
        fields.skip(int(relic))
        return make(fields.integer())

    return read


def read_combination(fields: FieldReader, contract: Contract) -> None:
    """The legs, which only a combination has: contract id, ratio, side, exchange of each."""
    if contract.security_type == "BAG":
        for _ in range(fields.count()):
            fields.skip(4)


def read_dated_contract(fields: FieldReader) -> Contract:
    """A contract, and whether expired ones are included."""
    contract = read_contract(fields)
    fields.skip()
    return contract
