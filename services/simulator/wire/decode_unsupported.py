"""Decodes requests that this broker does not support. They are read to their last field too.

The layouts are those of ib_insync's client (`client.py`); the tests compare with it.
"""

from __future__ import annotations

from services.simulator.wire.fields import FieldReader
from services.simulator.wire.readers import Reader, bare, with_id
from services.simulator.wire.unsupported_requests import Subject, UnsupportedRequest

__all__ = ["UNSUPPORTED_READERS"]


def _about(subject: Subject, *, relic: bool = True, after: int = 0) -> Reader[UnsupportedRequest]:
    """A request with an id, and `after` fields more."""
    return with_id(lambda request_id: UnsupportedRequest(subject, request_id), relic=relic, after=after)


def _without_id(subject: Subject, *, relic: bool = True, after: int = 0) -> Reader[UnsupportedRequest]:
    """A request without an id."""

    def read(fields: FieldReader, _version: int, _client_id: int) -> UnsupportedRequest:
        fields.skip(int(relic) + after)
        return UnsupportedRequest(subject)

    return read


def _replace_advisor(fields: FieldReader, _version: int, _client_id: int) -> UnsupportedRequest:
    fields.skip(3)  # _v, what, the document
    return UnsupportedRequest(Subject.ADVISOR, fields.identity())


def _smart_components(fields: FieldReader, _version: int, _client_id: int) -> UnsupportedRequest:
    return UnsupportedRequest(Subject.SMART_COMPONENTS, fields.identity(), fields.text())


def _option_chain(fields: FieldReader, _version: int, _client_id: int) -> UnsupportedRequest:
    request_id = fields.identity()
    fields.skip(3)  # symbol, exchange, security type of the underlying
    return UnsupportedRequest(Subject.OPTION_CHAIN, request_id, fields.text())


def _wsh_events(fields: FieldReader, version: int, _client_id: int) -> UnsupportedRequest:
    request_id = fields.identity()
    fields.skip()  # contract id
    fields.skip(4 if version >= 171 else 0)  # filter, watch list, portfolio, competitors
    fields.skip(3 if version >= 173 else 0)  # from, to, how many
    return UnsupportedRequest(Subject.WSH_EVENTS, request_id)


UNSUPPORTED_READERS: dict[int, Reader[UnsupportedRequest]] = {
    12: _without_id(Subject.BULLETINS, after=1),
    13: bare(UnsupportedRequest(Subject.BULLETINS)),
    14: _without_id(Subject.LOG_LEVEL, after=1),
    18: _without_id(Subject.ADVISOR, after=1),
    19: _replace_advisor,
    21: _about(Subject.EXERCISE, after=15),
    22: _about(Subject.SCANNER, relic=False, after=23),
    23: _about(Subject.SCANNER_STOP),
    24: bare(UnsupportedRequest(Subject.SCANNER_PARAMETERS)),
    52: _about(Subject.FUNDAMENTALS, after=10),
    53: _about(Subject.FUNDAMENTALS_STOP),
    54: _about(Subject.CALCULATION, after=16),
    55: _about(Subject.CALCULATION, after=16),
    56: _about(Subject.CALCULATION_STOP),
    57: _about(Subject.CALCULATION_STOP),
    65: _without_id(Subject.VERIFICATION, after=2),
    66: _without_id(Subject.VERIFICATION, after=1),
    67: _about(Subject.DISPLAY_GROUPS),
    68: _about(Subject.GROUP_EVENTS, after=1),
    69: _about(Subject.GROUP_UPDATE, after=1),
    70: _about(Subject.GROUP_UPDATE),
    72: _without_id(Subject.VERIFICATION, after=3),
    73: _without_id(Subject.VERIFICATION, after=2),
    78: _option_chain,
    79: _about(Subject.SOFT_DOLLARS, relic=False),
    80: bare(UnsupportedRequest(Subject.FAMILY_CODES), relic=False),
    82: bare(UnsupportedRequest(Subject.DEPTH_EXCHANGES), relic=False),
    83: _smart_components,
    84: _about(Subject.NEWS_ARTICLE, relic=False, after=3),
    85: bare(UnsupportedRequest(Subject.NEWS_PROVIDERS), relic=False),
    86: _about(Subject.HISTORICAL_NEWS, relic=False, after=6),
    100: _about(Subject.WSH_META, relic=False),
    101: _about(Subject.WSH_META_STOP, relic=False),
    102: _wsh_events,
    103: _about(Subject.WSH_EVENTS_STOP, relic=False),
    104: _about(Subject.USER_INFO, relic=False),
}
