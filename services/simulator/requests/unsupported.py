"""The rest of what clients ask for: news, options, screens, advisors. This broker has none, and says so as IBKR does.

An empty answer where IBKR gives one to an account without such things, its own error otherwise; silence only where
IBKR is silent as well. Codes and texts are those of IBKR's code list.
"""

from __future__ import annotations

import logging

from services.simulator.requests.client import Client
from services.simulator.wire import complaints, other_replies
from services.simulator.wire.complaints import Complaint
from services.simulator.wire.other_requests import Other, Subject
from services.simulator.wire.ticks import BBO_EXCHANGE

__all__ = ["answer"]

log = logging.getLogger(__name__)

_REFUSED = {
    Subject.ADVISOR: complaints.INVALID.about("FA data operations ignored for non FA customers."),
    Subject.CALCULATION: complaints.NO_CONTRACT,
    Subject.EXERCISE: complaints.NO_CONTRACT,
    Subject.FUNDAMENTALS: complaints.NO_FUNDAMENTALS,
    Subject.NEWS_ARTICLE: complaints.NO_ARTICLE,
    Subject.VERIFICATION: complaints.INVALID.about("The verification of programs is not enabled."),
    Subject.WSH_EVENTS: complaints.NEWS_NOT_ALLOWED,
    Subject.WSH_EVENTS_STOP: complaints.NO_EVENTS,
    Subject.WSH_META: complaints.NEWS_NOT_ALLOWED,
    Subject.WSH_META_STOP: complaints.NO_META,
}


def answer(client: Client, request: Other, accounts: tuple[str, ...]) -> None:
    """Answers one request."""
    request_id = request.request_id
    if complaint := _REFUSED.get(request.subject):
        _refuse(client, request_id, complaint)
        return
    match request.subject:
        case Subject.DEPTH_EXCHANGES:
            client.say(other_replies.depth_exchanges())
        case Subject.DISPLAY_GROUPS:
            client.say(other_replies.display_groups(request_id))
        case Subject.GROUP_EVENTS:
            client.say(other_replies.display_group(request_id))
        case Subject.FAMILY_CODES:
            client.say(other_replies.family_codes(accounts))
        case Subject.HISTORICAL_NEWS:
            client.say(other_replies.historical_news_end(request_id))
        case Subject.NEWS_PROVIDERS:
            client.say(other_replies.news_providers())
        case Subject.OPTION_CHAIN:
            client.say(other_replies.option_chain_end(request_id))
        case Subject.SCANNER:
            client.say(other_replies.scanner_data(request_id))
            _refuse(client, request_id, complaints.NO_ITEMS)
        case Subject.SCANNER_STOP:
            _refuse(client, request_id, complaints.SCANNER_CANCELLED.about(request_id))
        case Subject.SCANNER_PARAMETERS:
            client.say(other_replies.scanner_parameters())
        case Subject.SMART_COMPONENTS:
            client.say(other_replies.smart_components(request_id, known=request.detail == BBO_EXCHANGE))
        case Subject.SOFT_DOLLARS:
            client.say(other_replies.soft_dollar_tiers(request_id))
        case Subject.USER_INFO:
            client.say(other_replies.user_info(request_id))
        case _:
            # Bulletins that never come, the end of what never began, a log level: IBKR answers none of them.
            log.debug("client %d asks for %s", client.client_id, request.subject.value)


def _refuse(client: Client, request_id: int, complaint: Complaint) -> None:
    client.complain(request_id, complaint.code, complaint.text)
