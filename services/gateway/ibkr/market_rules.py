"""Asks the broker for the price grid of each symbol: contract details name the market rule, the rule has the steps.

Part of the edge. `connection.py` passes in the questions, so this file does not know the socket.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from messages.broker import BrokerMarketRule
from services.gateway.ibkr.decoding import ContractDetails

__all__ = ["AskContract", "AskRule", "report_grids", "rule_of"]

log = logging.getLogger("gateway.grids")

ANSWER_S = 30.0
EXCHANGE = "SMART"

AskContract = Callable[[str], Awaitable[list[ContractDetails]]]
AskRule = Callable[[int], Awaitable[tuple[tuple[float, float], ...]]]


def rule_of(details: ContractDetails) -> int | None:
    """The market rule of a contract on the exchange that orders go to; None if the broker names none."""
    return details.rules.get(EXCHANGE, next(iter(details.rules.values()), None))


async def report_grids(
    ask_contract: AskContract, ask_rule: AskRule, symbols: Iterable[str], report: Callable[[BrokerMarketRule], None]
) -> None:
    """Report each symbol's grid, one question after another. A symbol without an answer keeps its grid."""
    rules: dict[int, tuple[tuple[float, float], ...]] = {}
    for symbol in symbols:
        try:
            async with asyncio.timeout(ANSWER_S):
                details = await ask_contract(symbol)
                number = rule_of(details[0]) if details else None
                if number is None:
                    log.warning("%s: the broker names no market rule; prices are rounded to cents", symbol)
                    continue
                if number not in rules:
                    rules[number] = await ask_rule(number)
        except TimeoutError:
            log.warning("%s: no answer about its market rule; prices are rounded to cents", symbol)
            continue
        except ConnectionError:
            return  # the next connection asks again
        if rules[number]:
            report(BrokerMarketRule(symbol, rules[number]))
