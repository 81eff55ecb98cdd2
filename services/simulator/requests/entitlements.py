"""Which market data a client gets: live, delayed, frozen, or none. Pure.

Every client may see everything, unless a fault denies it with a code. Refusals are as recorded from real gateways: 354
or 10089 if live data were requested, 10167 as a warning if delayed data come instead, 10168 if there are none, 10197
during a competing session.
"""

from __future__ import annotations

import msgspec

from services.simulator.wire.errors import ErrorMessage

__all__ = ["DELAYED", "DELAY_NS", "FROZEN", "LIVE", "Entitlement", "entitlement_for"]

LIVE, FROZEN, DELAYED, DELAYED_FROZEN = 1, 2, 3, 4
"""The types of market data, in requests and in replies."""

DELAY_NS = 15 * 60 * 10**9

_AVAILABLE = "Delayed market data is available."

_TEXTS = {
    354: "Requested market data is not subscribed. Check API status by selecting the Account menu then under Management"
    " choose Market Data Subscription Manager and/or availability of delayed data.",
    10089: "Requested market data requires additional subscription for API. See link in 'Market Data Connections'"
    " dialog for more details.",
    10090: "Part of requested market data is not subscribed. Subscription-independent ticks are still active.",
    10167: "Requested market data is not subscribed. Displaying delayed market data.",
    10168: "Requested market data is not subscribed. Delayed market data is not enabled.",
    10186: "Requested market data is not subscribed. Delayed market data is not enabled.",
    10197: "No market data during competing live session",
}

_NOT_EVEN_DELAYED = (10168, 10186, 10197)


class Entitlement(msgspec.Struct, frozen=True):
    """The answer to a request: the type of data (None: no data) and the error message."""

    kind: int | None
    error: ErrorMessage | None = None


def entitlement_for(denied: int | None, wanted: int, symbol: str, *, is_open: bool) -> Entitlement:
    """What a client gets for the type of data that it `wanted`. `denied` is the code that denies live data, if any.

    Frozen data are the last data of a closed market. 10167 gives delayed data to a client that asked for live data.
    """
    if denied is None:
        return Entitlement(FROZEN if wanted in (FROZEN, DELAYED_FROZEN) and not is_open else LIVE)
    if denied in _NOT_EVEN_DELAYED:
        return Entitlement(None, ErrorMessage(denied, _TEXTS[denied]))
    if wanted in (DELAYED, DELAYED_FROZEN) or denied == 10167:
        kind = DELAYED_FROZEN if wanted == DELAYED_FROZEN and not is_open else DELAYED
        return Entitlement(kind, ErrorMessage(10167, _TEXTS[10167]))
    return Entitlement(None, ErrorMessage(denied, f"{_TEXTS[denied]}{_AVAILABLE}{symbol} NASDAQ.NMS/TOP/ALL"))
