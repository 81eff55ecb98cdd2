"""Payload to request. Pure, and a table by message id.

Every request that clients send is read to its last field, whatever becomes of it: a field left over means that it was
misunderstood.
"""

from __future__ import annotations

from services.simulator.wire.contracts import read_contract
from services.simulator.wire.decode_market import MARKET_READERS
from services.simulator.wire.decode_other import OTHER_READERS
from services.simulator.wire.fields import FieldError, FieldReader, nanoseconds, split
from services.simulator.wire.place_order import read_place_order
from services.simulator.wire.readers import Reader, bare, plain, with_id, with_number
from services.simulator.wire.requests import (
    AccountSummary,
    AccountUpdates,
    AccountUpdatesMulti,
    AllOpenOrders,
    AutoOpenOrders,
    CancelOrder,
    CompletedOrders,
    ContractDetails,
    CurrentTime,
    Executions,
    GlobalCancel,
    ManagedAccounts,
    MarketRule,
    MatchingSymbols,
    NextId,
    OpenOrders,
    Positions,
    PositionsMulti,
    Profit,
    ProfitSingle,
    Request,
    StartApi,
    StopAccountSummary,
    StopAccountUpdatesMulti,
    StopPositions,
    StopPositionsMulti,
    StopProfit,
    StopProfitSingle,
)

__all__ = ["UnreadableRequest", "decode"]


class UnreadableRequest(Exception):
    """A request that can't be read. `request_id` is -1 where it was not reached."""

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


def _start_api(fields: FieldReader) -> StartApi:
    fields.skip()  # _v
    request = StartApi(fields.integer())
    fields.skip()  # optional capabilities
    return request


def _cancel_order(fields: FieldReader, version: int, _client_id: int) -> CancelOrder:
    fields.skip()  # _v
    request = CancelOrder(fields.identity())
    if version >= 169:
        fields.skip()  # time of a manual cancel
    return request


def _contract_details(fields: FieldReader, version: int, _client_id: int) -> ContractDetails:
    fields.skip()  # _v
    request = ContractDetails(fields.identity(), read_contract(fields))
    fields.skip(4 if version >= 176 else 3)  # expired ones too, security id type and id; issuer since 176
    return request


def _executions(fields: FieldReader) -> Executions:
    fields.skip()  # _v
    return Executions(
        request_id=fields.identity(),
        client_id=fields.integer(),
        account=fields.text(),
        since_ns=nanoseconds(fields.text()),
        symbol=fields.text(),
        security_type=fields.text(),
        exchange=fields.text(),
        side=fields.text(),
    )


def _account_updates(fields: FieldReader) -> AccountUpdates:
    fields.skip()  # _v
    return AccountUpdates(fields.flag(), fields.text())


def _account_updates_multi(fields: FieldReader) -> AccountUpdatesMulti:
    fields.skip()  # _v
    request = AccountUpdatesMulti(fields.identity(), fields.text(), fields.text())
    fields.skip()  # ledger and net liquidation value only
    return request


def _account_summary(fields: FieldReader) -> AccountSummary:
    fields.skip()  # _v
    request_id, group = fields.identity(), fields.text()
    return AccountSummary(request_id, tuple(tag.strip() for tag in fields.text().split(",") if tag.strip()), group)


def _positions_multi(fields: FieldReader) -> PositionsMulti:
    fields.skip()  # _v
    return PositionsMulti(fields.identity(), fields.text(), fields.text())


def _profit(fields: FieldReader) -> Profit:
    return Profit(fields.identity(), fields.text(), fields.text())


def _profit_single(fields: FieldReader) -> ProfitSingle:
    return ProfitSingle(fields.identity(), fields.text(), fields.text(), fields.integer())


def _matching_symbols(fields: FieldReader) -> MatchingSymbols:
    return MatchingSymbols(fields.identity(), fields.text())


_READERS: dict[int, Reader[Request]] = {
    3: read_place_order,
    4: _cancel_order,
    5: bare(OpenOrders()),
    6: plain(_account_updates),
    7: plain(_executions),
    8: with_number(lambda _how_many: NextId()),
    9: _contract_details,
    15: with_number(lambda bind: AutoOpenOrders(bool(bind))),
    16: bare(AllOpenOrders()),
    17: bare(ManagedAccounts()),
    49: bare(CurrentTime()),
    58: bare(GlobalCancel()),
    61: bare(Positions()),
    62: plain(_account_summary),
    63: with_id(StopAccountSummary),
    64: bare(StopPositions()),
    71: plain(_start_api),
    74: plain(_positions_multi),
    75: with_id(StopPositionsMulti),
    76: plain(_account_updates_multi),
    77: with_id(StopAccountUpdatesMulti),
    81: plain(_matching_symbols),
    91: with_number(MarketRule, relic=False),
    92: plain(_profit),
    93: with_id(StopProfit, relic=False),
    94: plain(_profit_single),
    95: with_id(StopProfitSingle, relic=False),
    99: with_number(lambda api_only: CompletedOrders(bool(api_only)), relic=False),
    **MARKET_READERS,
    **OTHER_READERS,
}
