"""The broker's error messages about requests: code and text in one place.

Texts are IBKR's, from its code list and from logs. `{}` stands for a detail of the request.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ErrorMessage"]


class ErrorMessage(NamedTuple):
    """An error message."""

    code: int
    text: str

    def about(self, *details: object) -> ErrorMessage:
        """The same message with its details filled in."""
        return ErrorMessage(self.code, self.text.format(*details))


TOO_FAST = ErrorMessage(100, "Max rate of messages per second has been exceeded:max={} rec={} ({})")
TOO_MANY_TICKERS = ErrorMessage(101, "Max number of tickers has been reached.")
DUPLICATE_TICKER = ErrorMessage(102, "Duplicate ticker ID.")
NO_DATA = ErrorMessage(162, "Historical Market Data Service error message:HMDS query returned no data: {}@{} {}")
TOO_LONG = ErrorMessage(162, "Historical Market Data Service error message:Time length exceed max.")
QUERY_CANCELLED = ErrorMessage(
    162, "Historical Market Data Service error message:API historical data query cancelled: {}"
)
SCANNER_CANCELLED = ErrorMessage(
    162, "Historical Market Data Service error message:API scanner subscription cancelled: {}"
)
NO_ITEMS = ErrorMessage(165, "Historical Market Data Service query message:no items retrieved")
NO_CONTRACT = ErrorMessage(200, "No security definition has been found for the request")
NO_TICKER = ErrorMessage(300, "Can't find EId with tickerId:{}")
NO_DEPTH = ErrorMessage(310, "Can't find the subscribed market depth with tickerId:{}")
UNREADABLE = ErrorMessage(320, "Error reading request. {}")
INVALID = ErrorMessage(321, "Error validating request.-'bU' : cause - {}")
READ_ONLY = INVALID.about("The API interface is currently in Read-Only mode.")
FAILED = ErrorMessage(322, "Error processing request. {}")
TOO_MANY_SUMMARIES = ErrorMessage(
    322, "Error processing request.-'bY' : cause - Maximum number of account summary requests exceeded"
)
NOT_CLIENT_0 = ErrorMessage(327, "Only the default client (i.e 0) can auto bind orders.")
NOT_SUBSCRIBED = ErrorMessage(354, "Requested market data is not subscribed.")
NO_QUERY = ErrorMessage(366, "No historical data query found for ticker id:{}")
NO_BARS = ErrorMessage(421, "Error cancelling real time bars {}")
NO_FUNDAMENTALS = ErrorMessage(430, "We are sorry, but fundamentals data for the security specified is not available.")
NO_BOOK = ErrorMessage(10092, "Deep market data is not supported for this combination of security type/exchange")
NO_ARTICLE = ErrorMessage(10172, "Failed to request news article: No data available")
BAD_TICKS_QUERY = ErrorMessage(10187, "Failed to request historical ticks:{}")
BAD_TICK_BY_TICK = ErrorMessage(10189, "Failed to request tick-by-tick data.{}")
TOO_MANY_TICK_BY_TICK = ErrorMessage(10190, "Max number of tick-by-tick requests has been reached.")
NEWS_NOT_ALLOWED = ErrorMessage(10276, "News feed is not allowed.")
NO_META = ErrorMessage(10280, "Failed cancel WSH metadata.")
NO_EVENTS = ErrorMessage(10284, "Failed cancel WSH event data.")
TIF_PRESET = ErrorMessage(10349, "Order TIF was set to DAY based on order preset.")
BAD_END = ErrorMessage(
    10314,
    "End Date/Time: The date, time, or time-zone entered is invalid. The correct format is yyyymmdd hh:mm:ss xx/xxxx"
    " where yyyymmdd and xx/xxxx are optional. E.g.: 20031126 15:59:00 US/Eastern",
)
BAD_START = ErrorMessage(10314, BAD_END.text.replace("End Date", "Start Date"))

STRIKES = 3
"""The number of TOO_FAST errors after which the connection ends."""
