"""Asks the broker for the price grid of each symbol: contract details name the market rule, the rule has the steps.

Part of the edge. `connection.py` passes in the library's object, so this file does not import the library.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from messages.broker import BrokerMarketRule

__all__ = ["report_grids", "rule_of"]

log = logging.getLogger("gateway.grids")

ANSWER_S = 30.0
EXCHANGE = "SMART"


def rule_of(details: Any) -> int | None:
    """The market rule of a contract on the exchange that orders go to; None if the broker names none."""
    exchanges, rules = details.validExchanges.split(","), details.marketRuleIds.split(",")
    by_exchange = dict(zip(exchanges, rules, strict=False))
    found = by_exchange.get(EXCHANGE, rules[0])
    return int(found) if found else None


async def report_grids(ib: Any, contracts: Iterable[Any], report: Callable[[BrokerMarketRule], None]) -> None:
    """Report each symbol's grid, one question after another. A symbol without an answer keeps its grid."""
    rules: dict[int, tuple[tuple[float, float], ...]] = {}
    for contract in contracts:
        try:
            async with asyncio.timeout(ANSWER_S):
                details = await ib.reqContractDetailsAsync(contract)
                number = rule_of(details[0]) if details else None
                if number is None:
                    log.warning("%s: the broker names no market rule; prices are rounded to cents", contract.symbol)
                    continue
                if number not in rules:
                    steps = await ib.reqMarketRuleAsync(number)
                    rules[number] = tuple((step.lowEdge, step.increment) for step in steps or ())
        except TimeoutError:
            log.warning("%s: no answer about its market rule; prices are rounded to cents", contract.symbol)
            continue
        except ConnectionError:
            return  # the next connection asks again
        if rules[number]:
            report(BrokerMarketRule(contract.symbol, rules[number]))
