"""What the gateway blocks of one symbol, risk denies; and `crazy adopt --found` is answered by it."""

from __future__ import annotations

import pytest

from messages.account import ReconciliationDone
from messages.entries import EntryApproved, EntryDenied
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.operator import AdoptFound, Answer
from services.risk.operator import answer_to
from services.risk.pauses import SymbolBlock
from tests.risk.scenario import Risk, plan

FOUND = EntriesBlocked("shares_found", "x", {"shares": 9.0}, "TSLA")
SYMBOLS = ("TSLA", "NVDA")


def answer(risk: Risk, symbol: str | None = None, *, ready: bool = True) -> Answer:
    return answer_to(risk.state, AdoptFound(symbol), SYMBOLS, ready=ready)


@pytest.mark.parametrize("reason", ["shares_found", "contract_quarantined"])
def test_no_entry_of_a_blocked_symbol_is_approved(reason: str) -> None:
    risk = Risk()
    risk.handle(EntriesBlocked(reason, "x", {"shares": 9.0}, "TSLA"))
    denied = risk.submit(plan())
    assert isinstance(denied, EntryDenied)
    assert (denied.reason, denied.figures) == (reason, {"shares": 9.0})
    assert isinstance(risk.submit(plan(symbol="NVDA")), EntryApproved)
    risk.handle(EntriesUnblocked(reason, "TSLA"))
    assert isinstance(risk.submit(plan(2)), EntryApproved)


def test_what_the_gateway_no_longer_blocks_is_dropped() -> None:
    risk = Risk()
    risk.handle(FOUND)
    risk.handle(EntriesBlocked("contract_quarantined", "x", {}, "NVDA"))
    risk.handle(ReconciliationDone("DU1", 0, 0, 0, (), None))
    assert len(risk.state.table(SymbolBlock)) == 2
    risk.handle(ReconciliationDone("DU1", 0, 0, 0, (), ("disk_full", "contract_quarantined NVDA")))
    assert list(risk.state.table(SymbolBlock)) == ["contract_quarantined NVDA"]


def test_the_answer_names_what_is_accepted() -> None:
    risk = Risk()
    assert answer(risk) == Answer(False, "nothing to accept: no shares of all symbols were found")
    risk.handle(FOUND)
    accepted = "accepted 9 TSLA: they are the bot's own, and entries of these symbols are allowed again"
    assert answer(risk) == answer(risk, "TSLA") == Answer(True, accepted)
    assert answer(risk, "NVDA") == Answer(False, "nothing to accept: no shares of NVDA were found")
    assert not answer(risk, ready=False).ok


def test_the_command_goes_to_the_gateway() -> None:
    risk = Risk()
    risk.sent.clear()
    risk.handle(AdoptFound("TSLA"))
    assert ("gateway", AdoptFound("TSLA")) in risk.sent
