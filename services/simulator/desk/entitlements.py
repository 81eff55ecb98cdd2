"""Who may see which market data: live, delayed, or none. Pure.

Everybody may see everything by default. A rule for one symbol, one client or both takes that away; the narrower rule
holds. What is refused is refused as recorded from real gateways: 354, 10089 or 10168 where live data were asked for,
10167 as a warning where delayed ones come instead, 10197 during a competing session.
"""

from __future__ import annotations

import msgspec

from services.simulator.wire.complaints import Complaint

__all__ = ["DELAYED", "DELAY_NS", "FROZEN", "LIVE", "Entitlement", "Entitlements", "Verdict", "judge"]

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


class Entitlement(msgspec.Struct, frozen=True):
    """What may be seen, and the code with which the rest is refused."""

    live: bool = True
    delayed: bool = True
    code: int = 10089


class Verdict(msgspec.Struct, frozen=True):
    """What comes of a request: the type of data (None: none at all) and what is complained about."""

    kind: int | None
    complaint: Complaint | None = None


class Entitlements:
    """The rules. A rule given again for the same symbol and client replaces the one before."""

    def __init__(self) -> None:
        self._rules: dict[tuple[str | None, int | None], Entitlement] = {}

    def set(self, entitlement: Entitlement, *, symbol: str | None = None, client_id: int | None = None) -> None:
        """From now on; without a symbol for all of them, without a client for everybody."""
        self._rules[symbol, client_id] = entitlement

    def clear(self) -> None:
        """Everybody may see everything again."""
        self._rules.clear()

    def of(self, symbol: str, client_id: int) -> Entitlement:
        """What this client may see of this symbol."""
        for key in ((symbol, client_id), (symbol, None), (None, client_id), (None, None)):
            if found := self._rules.get(key):
                return found
        return Entitlement()


def judge(entitlement: Entitlement, wanted: int, symbol: str, *, is_open: bool) -> Verdict:
    """What a client gets that asked for a type of data. Frozen data are the last ones of a market that is closed."""
    delayed = wanted in (DELAYED, DELAYED_FROZEN)
    if entitlement.live:
        return Verdict(FROZEN if wanted in (FROZEN, DELAYED_FROZEN) and not is_open else LIVE)
    if entitlement.code == 10197:
        return Verdict(None, Complaint(10197, _TEXTS[10197]))
    if not entitlement.delayed:
        return Verdict(None, Complaint(10168, _TEXTS[10168]))
    if delayed:
        kind = DELAYED_FROZEN if wanted == DELAYED_FROZEN and not is_open else DELAYED
        return Verdict(kind, Complaint(10167, _TEXTS[10167]))
    text = _TEXTS.get(entitlement.code, _TEXTS[354])
    return Verdict(None, Complaint(entitlement.code, f"{text}{_AVAILABLE}{symbol} NASDAQ.NMS/TOP/ALL"))
