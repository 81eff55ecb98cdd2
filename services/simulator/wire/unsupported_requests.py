"""Requests that this broker does not support: news, options, advisors, scanners."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["Subject", "UnsupportedRequest"]


class Subject(StrEnum):
    """The subject of an unsupported request."""

    ADVISOR = "financial advisor's data"
    BULLETINS = "news bulletins"
    CALCULATION = "an option's price or volatility"
    CALCULATION_STOP = "the end of an option's calculation"
    DEPTH_EXCHANGES = "exchanges with a book"
    DISPLAY_GROUPS = "display groups"
    EXERCISE = "the exercise of options"
    FAMILY_CODES = "family codes"
    FUNDAMENTALS = "fundamental data"
    FUNDAMENTALS_STOP = "the end of fundamental data"
    GROUP_EVENTS = "a display group's events"
    GROUP_UPDATE = "a display group's contract"
    HISTORICAL_NEWS = "historical news"
    LOG_LEVEL = "the gateway's log level"
    NEWS_ARTICLE = "a news article"
    NEWS_PROVIDERS = "news providers"
    OPTION_CHAIN = "an option chain"
    SCANNER = "a market scanner"
    SCANNER_PARAMETERS = "scanner parameters"
    SCANNER_STOP = "the end of a market scanner"
    SMART_COMPONENTS = "the exchanges behind SMART"
    SOFT_DOLLARS = "soft dollar tiers"
    USER_INFO = "the user"
    VERIFICATION = "the verification of a program"
    WSH_EVENTS = "Wall Street Horizon events"
    WSH_EVENTS_STOP = "the end of Wall Street Horizon events"
    WSH_META = "Wall Street Horizon metadata"
    WSH_META_STOP = "the end of Wall Street Horizon metadata"


class UnsupportedRequest(msgspec.Struct, frozen=True):
    """An unsupported request. `detail` is the field that the answer depends on, if any."""

    subject: Subject
    request_id: int = -1
    detail: str = ""
