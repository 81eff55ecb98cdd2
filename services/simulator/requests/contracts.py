"""The contract farm ("secdef"): which symbol a client means, what is known of it, the price grids by rule. Pure."""

from __future__ import annotations

from typing import assert_never

from services.simulator.market.trading_hours import spelled_hours
from services.simulator.requests.client import Client
from services.simulator.venue.view import View
from services.simulator.wire import complaints, replies
from services.simulator.wire.contracts import Contract, Listing
from services.simulator.wire.requests import ContractDetails, MarketRule, MatchingSymbols

__all__ = ["ContractDesk", "ContractRequest"]

ContractRequest = ContractDetails | MatchingSymbols | MarketRule


class ContractDesk:
    """Answers about what one exchange trades."""

    def __init__(self, exchange: View) -> None:
        self._exchange = exchange
        self.list_symbols()

    def list_symbols(self) -> None:
        """What the exchange trades now."""
        self._listing = Listing(self._exchange.symbols)

    def find(self, client: Client, request_id: int, contract: Contract) -> str | None:
        """The symbol that a client means, None if there is none, which is told."""
        symbol = self._listing.find(contract)
        if symbol is None:
            client.complain(request_id, *complaints.NO_CONTRACT)
        return symbol

    def handle(self, client: Client, request: ContractRequest) -> None:
        """Answers one request."""
        match request:
            case ContractDetails(request_id, contract):
                if symbol := self.find(client, request_id, contract):
                    client.say(self._details(request_id, symbol, client.version))
                    client.say(replies.contract_details_end(request_id))
            case MatchingSymbols(request_id, pattern):
                client.say(replies.symbol_samples(request_id, self._listing.matching(pattern), client.version))
            case MarketRule(rule_id):
                if rule_id in replies.MARKET_RULES:
                    client.say(replies.market_rule(rule_id))
                else:
                    client.complain(-1, *complaints.INVALID.about(f"market rule {rule_id} doesn't exist"))
            case _:
                assert_never(request)

    def _details(self, request_id: int, symbol: str, version: int) -> bytes:
        now_ns, sessions = self._exchange.now_ns, self._exchange.sessions
        return replies.contract_details(
            request_id,
            symbol,
            version,
            trading_hours=spelled_hours(now_ns, sessions, regular=False),
            liquid_hours=spelled_hours(now_ns, sessions, regular=True),
            grid=self._exchange.policy.price_grid,
        )
