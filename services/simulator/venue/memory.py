"""How far back the broker tells executions and completed orders. Pure."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

from services.configuration.broker_policy import CompletedOrdersTold, ExecutionsTold

__all__ = ["completed_orders_since_ns", "executions_since_ns", "midnight_ns"]

NEW_YORK = ZoneInfo("America/New_York")
SECOND = 10**9
SEVEN_DAYS_NS = 7 * 24 * 3600 * SECOND
"""IBKR's longest memory of executions, if TWS's trade log is set so."""


def midnight_ns(now_ns: int) -> int:
    """The last midnight in New York."""
    today = datetime.fromtimestamp(now_ns // SECOND, NEW_YORK).date()
    return int(datetime.combine(today, time(), NEW_YORK).timestamp()) * SECOND


def executions_since_ns(told: ExecutionsTold, now_ns: int) -> int:
    """The time of the oldest execution that is told now."""
    return now_ns - SEVEN_DAYS_NS if told is ExecutionsTold.SEVEN_DAYS else midnight_ns(now_ns)


def completed_orders_since_ns(told: CompletedOrdersTold, now_ns: int) -> int | None:
    """The time of the oldest completed order that is told now; None if none is."""
    if told is CompletedOrdersTold.NEVER:
        return None
    return now_ns - SEVEN_DAYS_NS if told is CompletedOrdersTold.SEVEN_DAYS else midnight_ns(now_ns)
