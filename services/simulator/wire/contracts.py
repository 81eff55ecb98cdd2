"""Contracts: their fields on the wire, and the listing that finds the exchange's name of a contract.

The simulated exchange trades US stocks only. Others can be held and ordered by hand, and have no market.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from services.simulator.venue.instruments import InstrumentTerms
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


def contract_fields(held: InstrumentTerms, *, exchange: str = "SMART", order: bool = False) -> tuple[Field, ...]:
    """The 11 contract fields of a reply. Order messages have `0` and `?` instead of `0.0` and an empty field."""
    strike, right = ("0", "?") if order else ("0.0", "")
    place = exchange if held.sec_type == "STK" and held.currency == "USD" else held.exchange
    return (
        held.con_id,
        held.ticker,
        held.sec_type,
        held.expiry,
        str(held.strike) if held.strike else strike,
        held.right or right,
        held.multiplier,
        place,
        held.currency,
        held.ticker,
        "NMS" if held.sec_type == "STK" else held.ticker,
    )


class Listing:
    """The contracts that the broker knows, by the exchange's names."""

    def __init__(self, instruments: Mapping[str, InstrumentTerms]) -> None:
        """Of these contracts; more may be added to the mapping."""
        self._instruments = instruments

    def find(self, contract: Contract) -> str | None:
        """The name of a contract, None if there is no such contract. Without a type and a currency, a US stock's."""
        if not contract.contract_id and not contract.symbol:
            return None
        named = self._instruments.get(contract.symbol)
        if named is not None and _is(contract, named):
            return contract.symbol  # nearly always
        return next((name for name, each in self._instruments.items() if _is(contract, each)), None)

    def matching(self, pattern: str) -> list[InstrumentTerms]:
        """The stocks whose tickers begin with the pattern."""
        stocks = (each for each in self._instruments.values() if each.sec_type == "STK")
        return [each for each in stocks if each.ticker.startswith(pattern.upper())]


def _is(contract: Contract, known: InstrumentTerms) -> bool:
    """Whether this is the contract that a client means."""
    listed = (known.sec_type, known.currency) == ("STK", "USD")
    if contract.exchange not in ("", *(EXCHANGES if listed else ("SMART", known.exchange))):
        return False
    if contract.symbol not in ("", known.ticker):
        return False
    if contract.contract_id:
        kind = contract.security_type in ("", known.sec_type) and contract.currency in ("", known.currency)
        return contract.contract_id == known.con_id and kind
    return (contract.security_type or "STK", contract.currency or "USD") == (known.sec_type, known.currency)
