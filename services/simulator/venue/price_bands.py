"""Limit up, limit down: how far a price may move before trading pauses (the LULD plan for US stocks). Pure.

The reference is the mean of the trades of the last five minutes. A trade outside the band doesn't happen:
the stock pauses for five minutes instead. The band is 5 % above $3, 20 % from $0.75, below that the lesser of $0.15
and 75 %; twice as wide in the first fifteen minutes of a session and in its last twenty-five. The plan's second tier
(10 %) and the fifteen seconds in a limit state before a pause are left out.
"""

from __future__ import annotations

from messages.market import Session
from services.simulator.venue.events import MarketEvent
from services.simulator.venue.tape import Tape

__all__ = ["PAUSE_NS", "breaks_band", "remember_trade"]

MINUTE_NS = 60 * 10**9
WINDOW_NS = 5 * MINUTE_NS
PAUSE_NS = 5 * MINUTE_NS
OPENING_NS = 15 * MINUTE_NS
CLOSING_NS = 25 * MINUTE_NS


def breaks_band(event: MarketEvent, tape: Tape, session: Session) -> bool:
    """Whether this trade is outside the band. Without trades in the last five minutes there is no band."""
    recent = [price for time_ns, price in tape.recent if time_ns > event.time_ns - WINDOW_NS]
    if event.price is None or not recent:
        return False
    reference = sum(recent) / len(recent)
    wide = event.time_ns < session.open_ns + OPENING_NS or event.time_ns >= session.close_ns - CLOSING_NS
    return abs(event.price - reference) > _width(reference) * (2.0 if wide else 1.0)


def remember_trade(tape: Tape, event: MarketEvent) -> None:
    """Keep a trade for the next reference."""
    if event.price is not None:
        tape.recent = [each for each in tape.recent if each[0] > event.time_ns - WINDOW_NS]
        tape.recent.append((event.time_ns, event.price))


def _width(reference: float) -> float:
    if reference > 3.0:
        return reference * 0.05
    return reference * 0.20 if reference >= 0.75 else min(0.15, reference * 0.75)
