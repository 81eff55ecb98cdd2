"""Row 67: times of executions in every form; one in an unknown zone is an ERROR, and its shares count."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from services.gateway.book.records import FillRecord
from tests.gateway.on_the_wire import connected, run_scenario
from tests.simulator.on_the_wire import trades


def text_of(moment: datetime, form: str) -> str:
    """The time as IBKR writes it in this form."""
    zone, layout = {
        "utc": ("UTC", "%Y%m%d-%H:%M:%S"),
        "gateway": ("Asia/Tokyo", "%Y%m%d  %H:%M:%S"),
        "US/Eastern": ("US/Eastern", "%Y%m%d %H:%M:%S US/Eastern"),
        "JST": ("Asia/Tokyo", "%Y%m%d %H:%M:%S JST"),
        "PST": ("America/Los_Angeles", "%Y%m%d %H:%M:%S PST"),
        "unknown": ("Asia/Tokyo", "%Y%m%d %H:%M:%S XQZT"),
    }[form]
    return moment.astimezone(ZoneInfo(zone)).strftime(layout)


@pytest.mark.parametrize("form", ["utc", "gateway", "US/Eastern", "JST", "PST", "unknown"])
def test_field_67_a_fill_has_the_brokers_time(form: str) -> None:
    async def play() -> None:
        prices = trades("TSLA", *[10.0] * 6, *[10.55] * 30)
        async with connected(prices, ibkr={"time_zone": "Asia/Tokyo"}) as made:
            handle, told = made.broker._handlers["11"], []

            def rewrite(fields: list[str]) -> None:
                moment = datetime.fromtimestamp(made.simulator.exchange.now_ns // 10**9, UTC)
                told.append(moment)
                handle([*fields[:15], text_of(moment, form), *fields[16:]])

            made.broker._handlers["11"] = rewrite
            await made.until(lambda: made.ready, "not ready")
            await made.step(4)
            made.enter()
            await made.step(6)
            assert made.own() > 0
            fills = [record.fill for record in made.state.table(FillRecord).values()]
            assert {fill.time_ns for fill in fills} <= {int(moment.timestamp()) * 10**9 for moment in told}
            unreadable = made.notes("broker_message_unreadable")
            assert bool(unreadable) is (form == "unknown")
            if unreadable:
                assert unreadable[0].level == "ERROR"
                assert "ibkr.time_zone" in str(unreadable[0].fields["text"])

    run_scenario(play)
