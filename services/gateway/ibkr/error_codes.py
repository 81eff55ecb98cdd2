"""The broker's message codes: what each means for the fleet, and what a person can do about it. Data, to be extended.

Sources: IBKR's list of message codes; the library's own list of warnings; reports of real gateways. An error alone
never ends an order. Codes below 100 are the gateway's own, about the connection.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "BROKER_DOWN",
    "BROKER_UP",
    "CLOSED_AT_LOGIN",
    "DATA_DOWN",
    "DATA_UP",
    "HUNG",
    "INFORMATION",
    "LINKS",
    "LOGIN_NEEDED",
    "MEANINGS",
    "NO_ANSWER",
    "NO_CONNECTION",
    "RESTART_BEGINS",
    "RESTART_ENDS",
    "STREAMS_GONE",
    "UNREACHABLE",
    "Meaning",
    "farm_of",
    "is_information",
    "meaning_of",
    "with_remedy",
]

NO_ANSWER, CLOSED_AT_LOGIN, HUNG, LOGIN_NEEDED, RESTART_BEGINS, RESTART_ENDS = 1, 2, 3, 4, 5, 6
"""The gateway's own codes."""
NO_CONNECTION = 502

BROKER_DOWN = frozenset({1100, 2110, RESTART_BEGINS})
BROKER_UP = frozenset({1101, 1102, RESTART_ENDS})
STREAMS_GONE = frozenset({1101})
DATA_DOWN = frozenset({2103})
DATA_UP = frozenset({2104})
LINKS = BROKER_DOWN | BROKER_UP | DATA_DOWN | DATA_UP
"""Codes that say how a link is: nobody may call them harmless."""

UNREACHABLE = frozenset({NO_ANSWER, CLOSED_AT_LOGIN, NO_CONNECTION, 326, 501, 503, 504, 507})
"""Codes that explain why there is no connection."""

INFORMATION = frozenset({165, 202, 399, 404, 434, 492, 10167, 10349})
"""With an order id, these are information and put no order in doubt. 202 comes together with the status Cancelled."""


class Meaning(msgspec.Struct, frozen=True):
    """What a message means.

    `level`: how the event is recorded; '': it is only logged.
    `text`: what it means.
    `remedy`: what a person can do; '': nothing, or nothing is needed.
    """

    level: str
    text: str
    remedy: str = ""


_DATA = "subscribe to the data of its exchange in Client Portal, and share it with the paper account"

MEANINGS: dict[int, Meaning] = {
    NO_ANSWER: Meaning(
        "ERROR",
        "the port accepts connections, and nobody answers",
        "see whether IB Gateway waits for a login or for a dialog about the incoming connection (add 127.0.0.1 to its "
        "Trusted IPs), and whether another program listens on ibkr.port",
    ),
    CLOSED_AT_LOGIN: Meaning(
        "ERROR",
        "IB Gateway closed the connection during the login",
        "see its API settings: Trusted IPs must contain this machine, the client id must be free",
    ),
    HUNG: Meaning("ERROR", "IB Gateway no longer answers; the connection is made anew"),
    LOGIN_NEEDED: Meaning(
        "ERROR",
        "there has been no connection to IB Gateway for 15 minutes",
        "log in to IB Gateway; after the weekly restart on Sunday it waits for the second factor. The fleet goes on "
        "trying, and resting stops stay at the broker",
    ),
    RESTART_BEGINS: Meaning("", "IB Gateway restarts about now: nothing is sent until it is over"),
    RESTART_ENDS: Meaning("", "the time of IB Gateway's restart is over"),
    100: Meaning(
        "ERROR",
        "too many messages a second: the broker drops what exceeds its limit, then the connection",
        "lower ibkr.max_messages_per_s; see whether another program shares this gateway",
    ),
    110: Meaning("WARNING", "the price is not on the broker's grid"),
    161: Meaning("", "a cancel came when the order could not be cancelled; the broker is asked what became of it"),
    200: Meaning(
        "ERROR",
        "the broker knows no such contract",
        "see TWS for the symbol's new name, and change the watchlist",
    ),
    201: Meaning("", "the broker rejected the order"),
    202: Meaning("", "the order was cancelled"),
    320: Meaning("ERROR", "the broker could not read a request"),
    321: Meaning(
        "ERROR",
        "the broker refused a request",
        "if the text says Read-Only: untick Read-Only API in IB Gateway (Configure, Settings, API); if it names an "
        "account: set ibkr.account",
    ),
    326: Meaning(
        "ERROR",
        "another program is connected with this client id",
        "end that program; if it is the fleet's own dead connection, IB Gateway frees the id by itself. The fleet "
        "waits and keeps its id, because its orders belong to it",
    ),
    354: Meaning("WARNING", "no right to live prices", f"{_DATA}, or set ibkr.allow_delayed in paper mode"),
    399: Meaning("", "the order is accepted and waits"),
    404: Meaning("", "the order waits for shares to borrow"),
    435: Meaning("ERROR", "an account must be named", "set ibkr.account"),
    501: Meaning("ERROR", "the client is connected already"),
    NO_CONNECTION: Meaning(
        "ERROR",
        "nobody listens at ibkr.host and ibkr.port",
        "start IB Gateway or TWS and log in; tick Enable ActiveX and Socket Clients (TWS), and compare the socket port "
        "in its API settings with ibkr.port (4001 live, 4002 paper by default)",
    ),
    503: Meaning("ERROR", "this IB Gateway is too old", "install a newer one"),
    504: Meaning("ERROR", "there is no connection"),
    505: Meaning("ERROR", "a message of an unknown kind"),
    506: Meaning("ERROR", "a message of the wrong version", "install another version of IB Gateway"),
    507: Meaning(
        "ERROR",
        "a message of the wrong length: the connection broke off",
        "see whether another program uses the same client id",
    ),
    1100: Meaning("", "IB Gateway has lost its connection to the broker; orders rest there"),
    1101: Meaning("", "the connection to the broker is back; the subscriptions are lost and are made anew"),
    1102: Meaning("", "the connection to the broker is back; the subscriptions are kept"),
    1300: Meaning(
        "ERROR",
        "the socket port was changed in IB Gateway; this connection ends",
        "set ibkr.port to the new port",
    ),
    2100: Meaning(
        "WARNING",
        "the subscription to the account's values was taken over",
        "end the other program that asks for the account's values, then restart the fleet",
    ),
    2103: Meaning("", "a market data farm is down"),
    2104: Meaning("", "a market data farm works"),
    2105: Meaning("", "a history farm is down; the fleet does not need it"),
    2106: Meaning("", "a history farm works"),
    2107: Meaning("", "a history farm is inactive until it is used"),
    2108: Meaning("", "a market data farm is inactive until it is used"),
    2109: Meaning("WARNING", "the broker ignores outsideRth: the order works in regular hours only"),
    2110: Meaning(
        "", "TWS has lost its connection to its server; it comes back by itself", "see the network of this machine"
    ),
    2119: Meaning("", "a market data farm is connecting"),
    2157: Meaning("", "the farm of contract definitions is down"),
    2158: Meaning("", "the farm of contract definitions works"),
    10089: Meaning("WARNING", "live prices need another subscription", f"{_DATA}"),
    10090: Meaning("WARNING", "a part of the prices needs another subscription", f"{_DATA}"),
    10147: Meaning("", "a cancel names an order that the broker does not find; it is asked what became of it"),
    10148: Meaning("", "a cancel came too late or too early; the broker is asked what became of the order"),
    10167: Meaning("WARNING", "no right to live prices: delayed ones come", f"{_DATA}"),
    10168: Meaning("WARNING", "no right to live prices, and delayed ones are not asked for", f"{_DATA}"),
    10186: Meaning("WARNING", "no right to live prices, and delayed ones are not available", f"{_DATA}"),
    10197: Meaning(
        "WARNING",
        "the same user is logged in elsewhere and takes the prices",
        "log out there, or use a user of its own for the fleet",
    ),
    10243: Meaning("WARNING", "fractions of a share can't be traded by the API"),
    10326: Meaning("", "a change of an order's OCA group was refused; the order rests as it was"),
    10327: Meaning("", "a change of an order's OCA type was refused; the order rests as it was"),
    10349: Meaning("", "the broker set the time in force by its preset; the order lives"),
}
"""What is not listed is recorded as a warning, with the broker's own text."""


def meaning_of(code: int) -> Meaning:
    """What a code means. 2100 to 2199 are warnings of the system."""
    return MEANINGS.get(code) or Meaning("INFO" if 2100 <= code < 2200 else "WARNING", "")


def with_remedy(code: int, text: str) -> str:
    """The text with what a person can do about it."""
    remedy = meaning_of(code).remedy
    return f"{text}; {remedy}" if remedy else text


def is_information(code: int) -> bool:
    """True if the order lives on, or another message reports what became of it."""
    return code in INFORMATION or 2100 <= code < 2200


def farm_of(text: str) -> str:
    """The farm that a message about one names: 'Market data farm connection is OK:usfarm'. '' if it names none."""
    return text.rpartition(":")[2].strip() if ":" in text else ""
