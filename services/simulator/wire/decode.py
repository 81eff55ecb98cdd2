"""Decodes payloads to requests, by a table of message ids. Pure.

Every request is read to its last field, also one that is refused: a field left over means that it was misread.
"""

from __future__ import annotations

from services.simulator.wire.contracts import read_contract
from services.simulator.wire.decode_market import MARKET_READERS
from services.simulator.wire.decode_unsupported import UNSUPPORTED_READERS
from services.simulator.wire.fields import FieldError, FieldReader, nanoseconds, split
from services.simulator.wire.place_order import read_place_order
from services.simulator.wire.readers import Reader, bare, plain, with_id, with_number
from services.simulator.wire.requests import (
    AccountSummaryRequest,
    AccountUpdatesMultiRequest,
    AccountUpdatesRequest,
    AllOpenOrdersRequest,
    AutoOpenOrdersRequest,
    CancelOrderRequest,
    CompletedOrdersRequest,
    ContractDetailsRequest,
    CurrentTimeRequest,
    ExecutionsRequest,
    GlobalCancelRequest,
    ManagedAccountsRequest,
    MarketRuleRequest,
    MatchingSymbolsRequest,
    NextIdRequest,
    OpenOrdersRequest,
    PositionsMultiRequest,
    PositionsRequest,
    ProfitRequest,
    ProfitSingleRequest,
    Request,
    StartApiRequest,
    StopAccountSummaryRequest,
    StopAccountUpdatesMultiRequest,
    StopPositionsMultiRequest,
    StopPositionsRequest,
    StopProfitRequest,
    StopProfitSingleRequest,
)

__all__ = ["UnreadableRequest", "decode"]


class UnreadableRequest(Exception):
    """A request that can't be read. `request_id` is -1 if it was not read yet."""

    def __init__(self, message_id: str, request_id: int, reason: str) -> None:
        super().__init__(f"message {message_id}: {reason}")
        self.request_id = request_id


def decode(payload: bytes, version: int, client_id: int) -> Request:
    """The request in this payload, read to its last field. `client_id` is -1 before startApi."""
    texts = split(payload)
    reader = FieldReader(texts)
    try:
        read = _READERS.get(reader.integer(default=-1))
        if read is None:
            raise FieldError("this id is unknown")
        request = read(reader, version, client_id)
        reader.finish()
    except FieldError as error:
        raise UnreadableRequest(texts[0][:40], reader.request_id, str(error)) from None
    return request


# One function for each message with a shape of its own. `_v` is the message's own version field.


def _start_api(fields: FieldReader) -> StartApiRequest:
    fields.skip()  # _v
    request = StartApiRequest(fields.integer())
    fields.skip()  # optional capabilities
    return request


def _cancel_order(fields: FieldReader, version: int, _client_id: int) -> CancelOrderRequest:
    fields.skip()  # _v
    request = CancelOrderRequest(fields.identity())
    if version >= 169:
        fields.skip()  # time of a manual cancel
    return request


def _contract_details(fields: FieldReader, version: int, _client_id: int) -> ContractDetailsRequest:
    fields.skip()  # _v
    request = ContractDetailsRequest(fields.identity(), read_contract(fields))
    fields.skip(4 if version >= 176 else 3)  # expired ones too, security id type and id; issuer since 176
    return request


def _executions(fields: FieldReader) -> ExecutionsRequest:
    fields.skip()  # _v
    return ExecutionsRequest(
        request_id=fields.identity(),
        client_id=fields.integer(),
        account=fields.text(),
        since_ns=nanoseconds(fields.text()),
        symbol=fields.text(),
        security_type=fields.text(),
        exchange=fields.text(),
        side=fields.text(),
    )


def _account_updates(fields: FieldReader) -> AccountUpdatesRequest:
    fields.skip()  # _v
    return AccountUpdatesRequest(fields.flag(), fields.text())


def _account_updates_multi(fields: FieldReader) -> AccountUpdatesMultiRequest:
    fields.skip()  # _v
    request = AccountUpdatesMultiRequest(fields.identity(), fields.text(), fields.text())
    fields.skip()  # ledger and net liquidation value only
    return request


def _account_summary(fields: FieldReader) -> AccountSummaryRequest:
    fields.skip()  # _v
    request_id, group = fields.identity(), fields.text()
    return AccountSummaryRequest(
        request_id, tuple(tag.strip() for tag in fields.text().split(",") if tag.strip()), group
    )


def _positions_multi(fields: FieldReader) -> PositionsMultiRequest:
    fields.skip()  # _v
    return PositionsMultiRequest(fields.identity(), fields.text(), fields.text())


def _profit(fields: FieldReader) -> ProfitRequest:
    return ProfitRequest(fields.identity(), fields.text(), fields.text())


def _profit_single(fields: FieldReader) -> ProfitSingleRequest:
    return ProfitSingleRequest(fields.identity(), fields.text(), fields.text(), fields.integer())


def _matching_symbols(fields: FieldReader) -> MatchingSymbolsRequest:
    return MatchingSymbolsRequest(fields.identity(), fields.text())


_READERS: dict[int, Reader[Request]] = {
    3: read_place_order,
    4: _cancel_order,
    5: bare(OpenOrdersRequest()),
    6: plain(_account_updates),
    7: plain(_executions),
    8: with_number(lambda _how_many: NextIdRequest()),
    9: _contract_details,
    15: with_number(lambda bind: AutoOpenOrdersRequest(bool(bind))),
    16: bare(AllOpenOrdersRequest()),
    17: bare(ManagedAccountsRequest()),
    49: bare(CurrentTimeRequest()),
    58: bare(GlobalCancelRequest()),
    61: bare(PositionsRequest()),
    62: plain(_account_summary),
    63: with_id(StopAccountSummaryRequest),
    64: bare(StopPositionsRequest()),
    71: plain(_start_api),
    74: plain(_positions_multi),
    75: with_id(StopPositionsMultiRequest),
    76: plain(_account_updates_multi),
    77: with_id(StopAccountUpdatesMultiRequest),
    81: plain(_matching_symbols),
    91: with_number(MarketRuleRequest, relic=False),
    92: plain(_profit),
    93: with_id(StopProfitRequest, relic=False),
    94: plain(_profit_single),
    95: with_id(StopProfitSingleRequest, relic=False),
    99: with_number(lambda api_only: CompletedOrdersRequest(bool(api_only)), relic=False),
    **MARKET_READERS,
    **UNSUPPORTED_READERS,
}
