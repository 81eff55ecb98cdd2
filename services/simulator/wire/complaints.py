"""The broker's errors about requests: code and text in one place.

Texts are IBKR's own, from its code list and from logs. `{}` stands for what the request named.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Complaint"]


class Complaint(NamedTuple):
    """An error message."""

    code: int
    text: str

    def about(self, *details: object) -> Complaint:
        """The same, with its details filled in."""
        return Complaint(self.code, self.text.format(*details))


TOO_FAST = Complaint(100, "Max rate of messages per second has been exceeded:max={} rec={} ({})")
TOO_MANY_TICKERS = Complaint(101, "Max number of tickers has been reached.")
DUPLICATE_TICKER = Complaint(102, "Duplicate ticker ID.")
NO_DATA = Complaint(162, "Historical Market Data Service error message:HMDS query returned no data: {}@{} {}")
TOO_LONG = Complaint(162, "Historical Market Data Service error message:Time length exceed max.")
QUERY_CANCELLED = Complaint(162, "Historical Market Data Service error message:API historical data query cancelled: {}")
SCANNER_CANCELLED = Complaint(
    162, "Historical Market Data Service error message:API scanner subscription cancelled: {}"
)
NO_ITEMS = Complaint(165, "Historical Market Data Service query message:no items retrieved")
NO_CONTRACT = Complaint(200, "No security definition has been found for the request")
NO_TICKER = Complaint(300, "Can't find EId with tickerId:{}")
NO_DEPTH = Complaint(310, "Can't find the subscribed market depth with tickerId:{}")
UNREADABLE = Complaint(320, "Error reading request. {}")
INVALID = Complaint(321, "Error validating request.-'bU' : cause - {}")
FAILED = Complaint(322, "Error processing request. {}")
TOO_MANY_SUMMARIES = Complaint(
    322, "Error processing request.-'bY' : cause - Maximum number of account summary requests exceeded"
)
NOT_CLIENT_0 = Complaint(327, "Only the default client (i.e 0) can auto bind orders.")
NO_QUERY = Complaint(366, "No historical data query found for ticker id:{}")
NO_BARS = Complaint(421, "Error cancelling real time bars {}")
NO_FUNDAMENTALS = Complaint(430, "We are sorry, but fundamentals data for the security specified is not available.")
NO_BOOK = Complaint(10092, "Deep market data is not supported for this combination of security type/exchange")
NO_ARTICLE = Complaint(10172, "Failed to request news article: No data available")
BAD_TICKS_QUERY = Complaint(10187, "Failed to request historical ticks:{}")
BAD_TICK_BY_TICK = Complaint(10189, "Failed to request tick-by-tick data.{}")
TOO_MANY_TICK_BY_TICK = Complaint(10190, "Max number of tick-by-tick requests has been reached.")
NEWS_NOT_ALLOWED = Complaint(10276, "News feed is not allowed.")
NO_META = Complaint(10280, "Failed cancel WSH metadata.")
NO_EVENTS = Complaint(10284, "Failed cancel WSH event data.")
TIF_PRESET = Complaint(10349, "Order TIF was set to DAY based on order preset.")
BAD_END = Complaint(
    10314,
    "End Date/Time: The date, time, or time-zone entered is invalid. The correct format is yyyymmdd hh:mm:ss xx/xxxx"
    " where yyyymmdd and xx/xxxx are optional. E.g.: 20031126 15:59:00 US/Eastern",
)
BAD_START = Complaint(10314, BAD_END.text.replace("End Date", "Start Date"))

STRIKES = 3
"""How often a client hears that it asks too fast (TOO_FAST) before the connection ends."""
