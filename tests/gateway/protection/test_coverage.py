"""Reports of coverage: every change of shares and of protected shares, and nothing twice."""

from __future__ import annotations

from messages.broker import BrokerPosition
from messages.orders import ProtectionChanged
from tests.gateway.scenario import ACCOUNT, SECOND, Gateway


def coverage(gateway: Gateway) -> list[tuple[float, float]]:
    return [(m.shares, m.protected) for m in gateway.events(ProtectionChanged)]


def test_coverage_is_reported_from_the_fill_until_the_stop_has_sold() -> None:
    gateway = Gateway()
    entry = gateway.working()
    assert coverage(gateway) == [], "an entry that waits is nothing to protect"
    key, stop = entry.client_order_id, entry.stop_client_order_id
    gateway.receive(gateway.status(stop, "PreSubmitted", why_held="child,trigger", trail_stop_price=94.5))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0))
    gateway.receive(gateway.execution(key, 10.0, 105.0))
    assert coverage(gateway) == [], "the account has not reported the shares yet"
    gateway.receive(gateway.status(key, "Filled", filled=10.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
    assert coverage(gateway) == [(10.0, 0.0)]
    gateway.market_ns += SECOND
    gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", trail_stop_price=94.5))
    assert coverage(gateway) == [(10.0, 0.0), (10.0, 10.0)]
    assert [m.time_ns for m in gateway.events(ProtectionChanged)][1] == gateway.market_ns
    gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", trail_stop_price=95.5))
    gateway.restart()
    gateway.connect(
        gateway.status(stop, "PreSubmitted", why_held="trigger"), BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0)
    )
    assert coverage(gateway) == [], "a restart repeats no report"
    gateway.receive(gateway.status(stop, "Cancelled"))
    assert coverage(gateway)[0] == (10.0, 0.0)
    gateway.receive(gateway.execution(stop, 10.0, 94.0))  # after a cancel: real world
    assert coverage(gateway)[-1] == (0.0, 0.0)


def test_manually_sold_shares_need_no_stop() -> None:
    gateway = Gateway()
    gateway.holding()
    gateway.clear()
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.0))
    assert coverage(gateway) == [(4.0, 4.0)]


def test_fractions_and_foreign_shares_do_not_count() -> None:
    gateway = Gateway()
    gateway.holding(quantity=10.5)
    assert coverage(gateway)[-1][0] == 10.0
    gateway.clear()
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 500.0, 100.0))
    gateway.receive(BrokerPosition(ACCOUNT, "NVDA", 500.0, 100.0))
    assert coverage(gateway) == []
