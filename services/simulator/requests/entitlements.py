"""What a client gets that asks for market data: live, delayed, frozen, or none. Pure.

Everybody may see everything, unless a fault denies it with a code. What is refused is refused as recorded from real
gateways: 354 or 10089 where live data were asked for, 10167 as a warning where delayed ones come instead, 10168 where
there are none, 10197 during a competing session.
"""

from __future__ import annotations

import msgspec

from services.simulator.wire.complaints import Complaint

__all__ = ["DELAYED", "DELAY_NS", "FROZEN", "LIVE", "Verdict", "judge"]

LIVE, FROZEN, DELAYED, DELAYED_FROZEN = 1, 2, 3, 4
"""The types of market data, as clients ask for them and as they are told which one comes."""

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


class Verdict(msgspec.Struct, frozen=True):
    """What comes of a request: the type of data (None: none at all) and what is complained about."""

    kind: int | None
    complaint: Complaint | None = None


def judge(denied: int | None, wanted: int, symbol: str, *, is_open: bool) -> Verdict:
    """What a client gets that asked for a type of data, where live ones are denied with this code, or aren't.

    Frozen data are the last ones of a market that is closed. 10167 gives delayed data to whoever asked for live ones.
    """
    if denied is None:
        return Verdict(FROZEN if wanted in (FROZEN, DELAYED_FROZEN) and not is_open else LIVE)
    if denied in _NOT_EVEN_DELAYED:
        return Verdict(None, Complaint(denied, _TEXTS[denied]))
    if wanted in (DELAYED, DELAYED_FROZEN) or denied == 10167:
        kind = DELAYED_FROZEN if wanted == DELAYED_FROZEN and not is_open else DELAYED
        return Verdict(kind, Complaint(10167, _TEXTS[10167]))
    return Verdict(None, Complaint(denied, f"{_TEXTS[denied]}{_AVAILABLE}{symbol} NASDAQ.NMS/TOP/ALL"))
