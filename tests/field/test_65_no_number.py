"""Row 65: a NaN or an infinity from the broker reaches no record; what could not be read is said and in doubt."""

from __future__ import annotations

import msgspec

from services.gateway.book.records import Doubt
from tests.gateway.on_the_wire import connected, run_scenario
from tests.simulator.on_the_wire import trades


def test_field_65_what_is_no_number_reaches_no_record() -> None:
    async def play() -> None:
        async with connected(trades("TSLA", *[10.0] * 6, *[10.55] * 30)) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.step(4)
            handle, spoiled = made.broker._handlers["11"], []

            def spoil(fields: list[str]) -> None:
                if not spoiled:
                    fields = [*fields[:20], "NaN", *fields[21:]]  # the price
                    spoiled.append(fields)
                handle(fields)

            made.broker._handlers["11"] = spoil
            made.enter()
            await made.step(6)
            assert spoiled
            (note,) = made.notes("broker_message_unreadable")
            assert (note.level, note.fields["message"], "price" in str(note.fields["text"])) == ("ERROR", 11, True)
            await made.until(lambda: made.own() > 0, "the broker is not asked for the execution again")
            assert not made.state.table(Doubt)
            for kind in made.core.kinds:
                for record in made.state.table(kind).values():
                    encoded = msgspec.json.encode(record)
                    assert msgspec.json.decode(encoded, type=kind) == record

    run_scenario(play)
