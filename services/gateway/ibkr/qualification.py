"""Asks the broker which contract each symbol is. Part of the edge.

`connection.py` passes in the question, so this file does not know the socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from messages.broker import BrokerContract
from services.gateway.ibkr.market_rules import AskContract

__all__ = ["qualify"]

ANSWER_S = 10.0
"""How long one contract may take: the question about everything waits for it."""


async def qualify(ask: AskContract, symbols: Iterable[str], report: Callable[[BrokerContract], None]) -> None:
    """Report the contract of each symbol; all questions at once."""
    await asyncio.gather(*(_one(ask, symbol, report) for symbol in symbols))


async def _one(ask: AskContract, symbol: str, report: Callable[[BrokerContract], None]) -> None:
    try:
        async with asyncio.timeout(ANSWER_S):
            found = await ask(symbol)
    except TimeoutError:
        report(BrokerContract(symbol, 0, error="no answer", answered=False))
        return
    except ConnectionError:
        return  # the next connection asks again
    if len(found) == 1:
        report(BrokerContract(symbol, found[0].con_id, found[0].ticker))
    else:
        error = f"{len(found)} contracts have this ticker" if found else "no security definition"
        report(BrokerContract(symbol, 0, error=error))
