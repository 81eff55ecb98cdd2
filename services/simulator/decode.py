"""Payload to request. Pure, and a table by message id.

Every request that a trading client sends is read to its last field. Those that the simulated gateway doesn't answer yet
are read as `NotSimulated`, so that the client hears it instead of waiting.
"""

from __future__ import annotations

from collections.abc import Callable

from services.simulator.contracts import read_contract
from services.simulator.fields import FieldError, FieldReader, nanoseconds, split
from services.simulator.place_order import read_place_order
from services.simulator.requests import (
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
    MarketData,
    MarketDataType,
    MarketRule,
    MatchingSymbols,
    NextId,
    NotSimulated,
    OpenOrders,
    Positions,
    Request,
    StartApi,
    StopAccountSummary,
    StopAccountUpdatesMulti,
    StopMarketData,
    StopPositions,
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


# One function for each message with a shape of its own. `_v` is the message's own version field, a relic: its value
# never changes.


def _start_api(fields: FieldReader) -> StartApi:
    fields.skip()  # _v
    request = StartApi(fields.integer())
    fields.skip()  # optional capabilities
    return request


def _market_data(fields: FieldReader) -> MarketData:
    fields.skip()  # _v
    request_id, contract = fields.identity(), read_contract(fields)
    if contract.security_type == "BAG":
        for _ in range(fields.count()):
            fields.skip(4)
    if fields.flag():  # delta neutral
        fields.skip(3)
    fields.skip()  # generic ticks: none of them is simulated
    request = MarketData(request_id, contract, snapshot=fields.flag())
    fields.skip(2)  # regulatory snapshot, options
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
    request = AccountUpdatesMulti(fields.identity(), fields.text())
    fields.skip(2)  # model, ledger too
    return request


def _account_summary(fields: FieldReader) -> AccountSummary:
    fields.skip()  # _v
    request_id = fields.identity()
    fields.skip()  # group
    return AccountSummary(request_id, tuple(tag.strip() for tag in fields.text().split(",") if tag.strip()))


def _matching_symbols(fields: FieldReader) -> MatchingSymbols:
    return MatchingSymbols(fields.identity(), fields.text())


def _historical_data(fields: FieldReader) -> NotSimulated:
    request_id, contract = fields.identity(), read_contract(fields)
    fields.skip(7)  # expired ones too, end, bar size, duration, regular hours, what, date format
    if contract.security_type == "BAG":
        for _ in range(fields.count()):
            fields.skip(4)
    fields.skip(2)  # keep up to date, options
    return NotSimulated("historical data", request_id)


_Reader = Callable[[FieldReader, int, int], Request]


def _plain(read: Callable[[FieldReader], Request]) -> _Reader:
    """A message that is the same in every version."""
    return lambda fields, _version, _client_id: read(fields)


def _bare(request: Request) -> _Reader:
    """A message that is nothing but its id and `_v`."""

    def read(fields: FieldReader, _version: int, _client_id: int) -> Request:
        fields.skip()
        return request

    return read


def _with_id(make: Callable[[int], Request]) -> _Reader:
    """A message that carries a request id."""

    def read(fields: FieldReader, _version: int, _client_id: int) -> Request:
        fields.skip()
        return make(fields.identity())

    return read


def _with_number(make: Callable[[int], Request], *, relic: bool = True) -> _Reader:
    """A message that carries one number which is no request id."""

    def read(fields: FieldReader, _version: int, _client_id: int) -> Request:
        fields.skip(int(relic))
        return make(fields.integer())

    return read


def _not_simulated(what: str, after_id: int, *, relic: bool = False) -> _Reader:
    """A message that is read and not served: `after_id` fields follow its request id."""

    def read(fields: FieldReader, _version: int, _client_id: int) -> Request:
        fields.skip(int(relic))
        request_id = fields.identity()
        fields.skip(after_id)
        return NotSimulated(what, request_id)

    return read


_READERS: dict[int, _Reader] = {
    1: _plain(_market_data),
    2: _with_id(StopMarketData),
    3: read_place_order,
    4: _cancel_order,
    5: _bare(OpenOrders()),
    6: _plain(_account_updates),
    7: _plain(_executions),
    8: _with_number(lambda _how_many: NextId()),
    9: _contract_details,
    15: _with_number(lambda bind: AutoOpenOrders(bool(bind))),
    16: _bare(AllOpenOrders()),
    17: _bare(ManagedAccounts()),
    20: _plain(_historical_data),
    25: _not_simulated("historical data", 0, relic=True),
    49: _bare(CurrentTime()),
    50: _not_simulated("real-time bars", 16, relic=True),
    51: _not_simulated("real-time bars", 0, relic=True),
    58: _bare(GlobalCancel()),
    59: _with_number(MarketDataType),
    61: _bare(Positions()),
    62: _plain(_account_summary),
    63: _with_id(StopAccountSummary),
    64: _bare(StopPositions()),
    71: _plain(_start_api),
    74: _not_simulated("positions by model", 2, relic=True),
    75: _not_simulated("positions by model", 0, relic=True),
    76: _plain(_account_updates_multi),
    77: _with_id(StopAccountUpdatesMulti),
    81: _plain(_matching_symbols),
    87: _not_simulated("head timestamps", 16),
    90: _not_simulated("head timestamps", 0),
    91: _with_number(MarketRule, relic=False),
    92: _not_simulated("profit and loss", 2),
    93: _not_simulated("profit and loss", 0),
    94: _not_simulated("profit and loss", 3),
    95: _not_simulated("profit and loss", 0),
    96: _not_simulated("historical ticks", 20),
    97: _not_simulated("tick by tick data", 15),
    98: _not_simulated("tick by tick data", 0),
    99: _with_number(lambda api_only: CompletedOrders(bool(api_only)), relic=False),
}
