"""Messages of the broker that a person should know, and messages that could not be read."""

from __future__ import annotations

import pytest

from messages.account import LinkChanged
from messages.broker import BrokerError, BrokerUndecoded, RequestSnapshot, UnknownOrderStatus
from messages.operator import Happened
from services.gateway.book.records import Doubt
from services.gateway.broker_messages import REPEAT_NS
from services.gateway.ibkr.error_codes import NO_ANSWER, NO_CONNECTION
from tests.gateway.scenario import Gateway


def events(gateway: Gateway, name: str) -> list[dict[str, object]]:
    return [dict(m.fields) for m in gateway.events(Happened) if m.event == name]


def test_field_68_a_message_is_recorded_with_its_remedy_and_not_again_for_minutes() -> None:
    gateway = Gateway()
    for _ in range(3):
        gateway.receive(BrokerError(-1, 321, "Read-Only"))
    (event,) = events(gateway, "broker_message")
    assert (event["code"], event["text"]) == (321, "Read-Only")
    assert "untick Read-Only API" in str(event["remedy"])
    gateway.clear()
    gateway.machine_ns += REPEAT_NS
    gateway.receive(BrokerError(-1, 321, "Read-Only"))
    assert len(events(gateway, "broker_message")) == 1


@pytest.mark.parametrize("code", [1100, 2104, 2106, 399])
def test_what_has_an_event_of_its_own_or_needs_none_is_not_recorded(code: int) -> None:
    gateway = Gateway()
    gateway.receive(BrokerError(-1, code, "text"))
    assert events(gateway, "broker_message") == []


@pytest.mark.parametrize("code", [NO_ANSWER, NO_CONNECTION, 326])
def test_field_68_why_there_is_no_connection_is_said_of_the_link(code: int) -> None:
    gateway = Gateway(cold=True)
    gateway.receive(BrokerError(-1, code, "text"))
    links = gateway.events(LinkChanged)
    assert (links[-1].link, links[-1].up) == ("socket", False)
    assert links[-1].detail.startswith("text; ")


def test_field_67_an_unreadable_execution_puts_its_order_in_doubt_and_the_broker_is_asked() -> None:
    gateway = Gateway()
    entry = gateway.working()
    gateway.clear()
    gateway.receive(BrokerUndecoded(11, 0, entry.client_order_id, "price is no number"))
    assert gateway.state.get(Doubt, entry.client_order_id) is not None
    assert [type(m) for m in gateway.to_broker] == [RequestSnapshot]
    (event,) = events(gateway, "broker_message_unreadable")
    assert (event["message"], event["client_order_id"]) == (11, entry.client_order_id)
    gateway.receive(BrokerUndecoded(11, 0, entry.client_order_id, "price is no number"))
    assert len(gateway.to_broker) == 1, "a part of the answer that can't be read either asks no new question"


def test_an_unreadable_price_asks_nothing() -> None:
    gateway = Gateway()
    gateway.clear()
    gateway.receive(BrokerUndecoded(1, 0, "", "price is no number"))
    assert gateway.to_broker == []
    assert len(events(gateway, "broker_message_unreadable")) == 1


def test_a_status_of_an_unknown_order_asks_for_the_open_orders() -> None:
    gateway = Gateway()
    gateway.clear()
    gateway.receive(UnknownOrderStatus(7, 77, "Submitted"))
    assert [type(m) for m in gateway.to_broker] == [RequestSnapshot]
    assert len(events(gateway, "unknown_order_status")) == 1
