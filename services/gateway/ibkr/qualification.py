"""Asks the broker which contract each symbol is. Part of the edge.

`connection.py` passes in the library's object, so this file does not import the library.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from messages.broker import BrokerContract

__all__ = ["qualify"]

ANSWER_S = 10.0
"""How long one contract may take: the question about everything waits for it."""


async def qualify(ib: Any, contracts: Iterable[Any], report: Callable[[BrokerContract], None]) -> None:
    """Report the contract of each symbol; all questions at once."""
    await asyncio.gather(*(_one(ib, contract, report) for contract in contracts))


async def _one(ib: Any, contract: Any, report: Callable[[BrokerContract], None]) -> None:
    symbol = contract.symbol
    try:
        async with asyncio.timeout(ANSWER_S):
            found = await ib.reqContractDetailsAsync(contract)
    except TimeoutError:
        report(BrokerContract(symbol, 0, error="no answer", answered=False))
        return
    except ConnectionError:
        return  # the next connection asks again
    if len(found) == 1:
        ours = found[0].contract
        report(BrokerContract(symbol, ours.conId, ours.symbol))
    else:
        error = f"{len(found)} contracts have this ticker" if found else "no security definition"
        report(BrokerContract(symbol, 0, error=error))
