"""Contracts: their fields on the wire, and the listing that finds the symbol of a contract.

The simulated exchange lists US stocks only.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from services.simulator.venue.instruments import contract_id
from services.simulator.wire.fields import Field, FieldReader

__all__ = ["EXCHANGES", "PRIMARY_EXCHANGE", "Contract", "Listing", "contract_fields", "read_contract"]

PRIMARY_EXCHANGE = "NASDAQ"
EXCHANGES = ("SMART", "NASDAQ", "NYSE", "ARCA", "BATS", "IEX", "ISLAND")


class Contract(msgspec.Struct, frozen=True):
    """A contract as a client gives it; any part may be missing."""

    contract_id: int = 0
    symbol: str = ""
    security_type: str = ""
    exchange: str = ""
    currency: str = ""


def read_contract(fields: FieldReader) -> Contract:
    """The 12 contract fields of a request."""
    contract_id, symbol, security_type = fields.integer(), fields.text(), fields.text()
    fields.skip(4)  # last trade date, strike, right, multiplier: of derivatives
    exchange, _primary, currency, local_symbol = fields.text(), fields.text(), fields.text(), fields.text()
    fields.skip()  # trading class
    return Contract(contract_id, symbol or local_symbol, security_type, exchange, currency)


def contract_fields(symbol: str, *, exchange: str = "SMART", order: bool = False) -> tuple[Field, ...]:
    """The 11 contract fields of a reply. Order messages have `0` and `?` instead of `0.0` and an empty field."""
    strike, right = ("0", "?") if order else ("0.0", "")
    return (contract_id(symbol), symbol, "STK", "", strike, right, "", exchange, "USD", symbol, "NMS")


class Listing:
    """The symbols of the market source."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self._symbols = {contract_id(symbol): symbol for symbol in symbols}

    def find(self, contract: Contract) -> str | None:
        """The symbol of a contract, None if there is no such contract."""
        if contract.security_type not in ("STK", "") or contract.currency not in ("USD", ""):
            return None
        if contract.exchange not in (*EXCHANGES, ""):
            return None
        symbol = self._symbols.get(contract.contract_id or contract_id(contract.symbol))
        return symbol if symbol is not None and contract.symbol in (symbol, "") else None

    def matching(self, pattern: str) -> list[str]:
        """The symbols that begin with the pattern."""
        return [symbol for symbol in self._symbols.values() if symbol.startswith(pattern.upper())]
