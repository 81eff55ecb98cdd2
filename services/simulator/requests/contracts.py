"""Contract requests ("secdef"): the exchange's name of a contract, contract details, market rules. Pure."""

from __future__ import annotations

from typing import assert_never

import msgspec

from services.simulator.market.trading_hours import hours_text
from services.simulator.requests.client import Client
from services.simulator.venue.view import ExchangeView
from services.simulator.wire import errors, replies
from services.simulator.wire.contracts import Contract, Listing
from services.simulator.wire.requests import ContractDetailsRequest, MarketRuleRequest, MatchingSymbolsRequest, Request

__all__ = ["ContractRequest", "ContractRequestHandler"]

ContractRequest = ContractDetailsRequest | MatchingSymbolsRequest | MarketRuleRequest


class ContractRequestHandler:
    """Answers requests about the contracts of one exchange."""

    def __init__(self, exchange: ExchangeView) -> None:
        self._exchange = exchange
        self._listing = Listing(exchange.instruments)

    def find_traded(self, client: Client, request_id: int, contract: Contract) -> str | None:
        """The same for market data: a contract without a market gets an error too."""
        name = self.find(client, request_id, contract)
        if name is None or name in self._exchange.symbols:
            return name
        client.send_error(request_id, *errors.NOT_SUBSCRIBED)
        return None

    def named(self, request: Request) -> Request:
        """The request with the ticker of its contract, which a client may name by the id alone."""
        contract = getattr(request, "contract", None)
        if contract is None or contract.symbol or (name := self._listing.find(contract)) is None:
            return request
        ticker = self._exchange.instrument(name).ticker
        return msgspec.structs.replace(request, contract=msgspec.structs.replace(contract, symbol=ticker))

    def find(self, client: Client, request_id: int, contract: Contract) -> str | None:
        """The exchange's name of a client's contract. None, with an error to the client, if there is none."""
        name = self._listing.find(contract)
        if name is None:
            client.send_error(request_id, *errors.NO_CONTRACT)
        return name

    def handle(self, client: Client, request: ContractRequest) -> None:
        """Answers one request."""
        match request:
            case ContractDetailsRequest(request_id, contract):
                if symbol := self.find(client, request_id, contract):
                    client.send(self._details(request_id, symbol, client.version))
                    client.send(replies.contract_details_end(request_id))
            case MatchingSymbolsRequest(request_id, pattern):
                client.send(replies.symbol_samples(request_id, self._listing.matching(pattern), client.version))
            case MarketRuleRequest(rule_id):
                if rule_id in replies.MARKET_RULES:
                    client.send(replies.market_rule(rule_id))
                else:
                    client.send_error(-1, *errors.INVALID.about(f"market rule {rule_id} doesn't exist"))
            case _:
                assert_never(request)

    def _details(self, request_id: int, symbol: str, version: int) -> bytes:
        now_ns, sessions = self._exchange.now_ns, self._exchange.sessions
        return replies.contract_details(
            request_id,
            self._exchange.instrument(symbol),
            version,
            trading_hours=hours_text(now_ns, sessions, regular=False),
            liquid_hours=hours_text(now_ns, sessions, regular=True),
            grid=self._exchange.policy.price_grid,
        )
