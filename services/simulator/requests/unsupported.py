"""Requests that this broker does not support: news, options, scanners, advisors. It answers as IBKR does.

An empty answer if IBKR gives one to an account without such a service, otherwise IBKR's error; no answer only if IBKR
gives none. Codes and texts are from IBKR's code list.
"""

from __future__ import annotations

import logging

from services.simulator.requests.client import Client
from services.simulator.wire import errors, unsupported_replies
from services.simulator.wire.errors import ErrorMessage
from services.simulator.wire.ticks import BBO_EXCHANGE
from services.simulator.wire.unsupported_requests import Subject, UnsupportedRequest

__all__ = ["answer"]

log = logging.getLogger(__name__)

_REFUSED = {
    Subject.ADVISOR: errors.INVALID.about("FA data operations ignored for non FA customers."),
    Subject.CALCULATION: errors.NO_CONTRACT,
    Subject.EXERCISE: errors.NO_CONTRACT,
    Subject.FUNDAMENTALS: errors.NO_FUNDAMENTALS,
    Subject.NEWS_ARTICLE: errors.NO_ARTICLE,
    Subject.VERIFICATION: errors.INVALID.about("The verification of programs is not enabled."),
    Subject.WSH_EVENTS: errors.NEWS_NOT_ALLOWED,
    Subject.WSH_EVENTS_STOP: errors.NO_EVENTS,
    Subject.WSH_META: errors.NEWS_NOT_ALLOWED,
    Subject.WSH_META_STOP: errors.NO_META,
}


def answer(client: Client, request: UnsupportedRequest, accounts: tuple[str, ...]) -> None:
    """Answers one request."""
    request_id = request.request_id
    if error := _REFUSED.get(request.subject):
        _refuse(client, request_id, error)
        return
    match request.subject:
        case Subject.DEPTH_EXCHANGES:
            client.send(unsupported_replies.depth_exchanges())
        case Subject.DISPLAY_GROUPS:
            client.send(unsupported_replies.display_groups(request_id))
        case Subject.GROUP_EVENTS:
            client.send(unsupported_replies.display_group(request_id))
        case Subject.FAMILY_CODES:
            client.send(unsupported_replies.family_codes(accounts))
        case Subject.HISTORICAL_NEWS:
            client.send(unsupported_replies.historical_news_end(request_id))
        case Subject.NEWS_PROVIDERS:
            client.send(unsupported_replies.news_providers())
        case Subject.OPTION_CHAIN:
            client.send(unsupported_replies.option_chain_end(request_id))
        case Subject.SCANNER:
            client.send(unsupported_replies.scanner_data(request_id))
            _refuse(client, request_id, errors.NO_ITEMS)
        case Subject.SCANNER_STOP:
            _refuse(client, request_id, errors.SCANNER_CANCELLED.about(request_id))
        case Subject.SCANNER_PARAMETERS:
            client.send(unsupported_replies.scanner_parameters())
        case Subject.SMART_COMPONENTS:
            client.send(unsupported_replies.smart_components(request_id, known=request.detail == BBO_EXCHANGE))
        case Subject.SOFT_DOLLARS:
            client.send(unsupported_replies.soft_dollar_tiers(request_id))
        case Subject.USER_INFO:
            client.send(unsupported_replies.user_info(request_id))
        case _:
            # Bulletins, the cancel of a request that never began, a log level: IBKR answers none of them.
            log.debug("client %d asks for %s", client.client_id, request.subject.value)


def _refuse(client: Client, request_id: int, error: ErrorMessage) -> None:
    client.send_error(request_id, error.code, error.text)
