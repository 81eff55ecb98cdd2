"""What a name of the exchange stands for: contract id, ticker, type, currency. Pure.

The exchange keys everything by a *name*. The name of a listed stock is its symbol. Whatever else the broker knows
(another listing of the same ticker, an option, a stock whose ticker was changed) has a name of its own, so that nothing
is mixed up here; clients see only the contract.
"""

from __future__ import annotations

import zlib

import msgspec

__all__ = ["InstrumentTerms", "contract_id", "name_of", "other", "stock"]

WELL_KNOWN = {
    "AAPL": 265598,
    "AMD": 4391,
    "AMZN": 3691937,
    "GOOG": 208813720,
    "GOOGL": 208813719,
    "IBM": 8314,
    "INTC": 270639,
    "IWM": 9579970,
    "META": 107113386,
    "MSFT": 272093,
    "NFLX": 15124833,
    "NVDA": 4815747,
    "QQQ": 320227571,
    "SPY": 756733,
    "TSLA": 76792991,
}
"""IBKR's contract ids of some US stocks, as its documentation and public programs show them."""


class InstrumentTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A contract as the broker tells it.

    `multiplier`, `expiry` (YYYYMMDD), `strike` (dollars) and `right` (`C` or `P`) are those of derivatives.
    """

    con_id: int
    ticker: str
    sec_type: str = "STK"
    currency: str = "USD"
    exchange: str = "NASDAQ"
    """Its primary exchange."""
    multiplier: str = ""
    expiry: str = ""
    strike: float = 0.0
    right: str = ""


def contract_id(name: str) -> int:
    """The contract id of a name: IBKR's for some well-known stocks, else one that is made of the name.

    Made-up ids are the same in every simulation. They are below 2**31, as clients expect, and at least 2**30, above
    those of the well-known stocks.
    """
    return WELL_KNOWN.get(name) or zlib.crc32(name.encode()) & 0x3FFF_FFFF | 0x4000_0000


def stock(symbol: str) -> InstrumentTerms:
    """The contract of a listed stock."""
    return InstrumentTerms(con_id=contract_id(symbol), ticker=symbol)


def other(ticker: str, sec_type: str, currency: str) -> InstrumentTerms:
    """A contract of the same ticker: a derivative, or a listing elsewhere. A stock in dollars is the listed one."""
    if (sec_type, currency) == ("STK", "USD"):
        return stock(ticker)
    option = sec_type == "OPT"
    return InstrumentTerms(
        con_id=contract_id(f"{ticker}/{sec_type}/{currency}"),
        ticker=ticker,
        sec_type=sec_type,
        currency=currency,
        exchange={"OPT": "CBOE", "FUT": "CME"}.get(sec_type, "IBIS" if currency == "EUR" else "LSE"),
        multiplier="100" if sec_type in ("OPT", "FUT") else "",
        expiry="20301220" if sec_type in ("OPT", "FUT") else "",
        strike=100.0 if option else 0.0,
        right="C" if option else "",
    )


def name_of(contract: InstrumentTerms) -> str:
    """The exchange's name of a contract: the symbol of a listed stock, else one with type and id."""
    if contract == stock(contract.ticker):
        return contract.ticker
    return f"{contract.ticker} {contract.sec_type} {contract.con_id}"
