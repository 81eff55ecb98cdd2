"""Numbers, flags and times in the formats of clients and of the gateway."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ib_insync.util import parseIBDatetime

from services.configuration.broker_policy import ExecutionTimeForm
from services.simulator.wire.fields import (
    FieldError,
    FieldReader,
    date_time,
    execution_time,
    local_time,
    market_size,
    message,
    nanoseconds,
    quantity,
    split,
)

_TEN = 1_647_943_200_000_000_000  # 2022-03-22 10:00:00 UTC


@pytest.mark.parametrize(
    "unset", ["", "1.7976931348623157E308", "1.7976931348623157e+308", "1.7976931348623157E+308", "2147483647", "nan"]
)
def test_every_format_of_unset(unset: str) -> None:
    assert FieldReader([unset]).number() is None
    assert FieldReader([unset]).integer(default=7) == 7
    assert FieldReader([unset]).flag(default=True) is True


def test_numbers() -> None:
    reader = FieldReader(["0", "0.0", "12.5", "-1", "Infinite", "1e-05", "100.0", "1", "0"])
    assert [reader.number_or_infinite() for _ in range(6)] == [0.0, 0.0, 12.5, -1.0, math.inf, 1e-05]
    assert (reader.integer(), reader.flag(), reader.flag(default=True)) == (100, True, False)
    reader.finish()


@pytest.mark.parametrize(
    "text",
    ["ten", "Infinite", "inf", "-inf", "1e400", "1e16", "-1e16", "9" * 400, "1_0", " 1", "0x10", "١", "½", "--1"],
)
def test_invalid_and_out_of_range_numbers(text: str) -> None:
    """Java's parser accepts none of these either, and a number that overflows later would break the exchange."""
    with pytest.raises(FieldError, match="field 1"):
        FieldReader([text]).number()


@pytest.mark.parametrize("text", ["ten", "1.5", "Infinite", "--1", "2147483648", "-2147483649"])
def test_invalid_whole_numbers(text: str) -> None:
    with pytest.raises(FieldError, match="field 1"):
        FieldReader([text]).integer()


def test_a_field_too_few_and_a_field_too_many() -> None:
    with pytest.raises(FieldError, match="field 2 is missing"):
        FieldReader(["1"]).skip(2)
    reader = FieldReader(["1", "2", "3"])
    reader.skip()
    with pytest.raises(FieldError, match="2 fields left over from field 2 on"):
        reader.finish()


@pytest.mark.parametrize("text", ["-1", "1000000000"])
def test_a_count_is_bounded_by_the_message(text: str) -> None:
    with pytest.raises(FieldError, match="count"):
        FieldReader([text, "a", "b"]).count()


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
def test_a_message_reads_back(texts: list[str]) -> None:
    composed = message(*texts)
    assert int.from_bytes(composed[:4], "big") == len(composed) - 4
    assert split(composed[4:]) == texts


def test_the_format_of_fields() -> None:
    assert split(message(1, 0.1, None, True, False, "x", 1e-05)[4:]) == ["1", "0.1", "", "1", "0", "x", "1e-05"]
    assert (quantity(100.0), quantity(0.5), quantity(-3.0)) == ("100", "0.5", "-3")
    assert (market_size(250, lots=False), market_size(250, lots=True)) == ("250", "2")


def test_the_gateways_format_of_times() -> None:
    assert execution_time(_TEN, 174) == local_time(_TEN, 174) == date_time(_TEN) == "20220322 06:00:00 US/Eastern"
    assert execution_time(_TEN, 173) == local_time(_TEN, 173) == "20220322  10:00:00"
    assert parseIBDatetime(execution_time(_TEN, 176)).timestamp() * 1e9 == _TEN  # type: ignore[union-attr]


def test_times_of_executions_have_several_forms() -> None:
    assert {form.value: execution_time(_TEN, 176, form) for form in ExecutionTimeForm} == {
        "us_eastern": "20220322 06:00:00 US/Eastern",
        "utc": "20220322 10:00:00 UTC",
        "utc_dash": "20220322-10:00:00",
        "jst": "20220322 19:00:00 JST",
    }
    assert {execution_time(_TEN, 173, form) for form in ExecutionTimeForm} == {"20220322  10:00:00"}


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("", None),
        ("20220322 10:00:00 UTC", _TEN),
        ("20220322-10:00:00", _TEN),
        ("20220322 10:00:00", _TEN),
        ("20220322  10:00:00", _TEN),
        ("20220322 06:00:00 US/Eastern", _TEN),
        ("20220322", _TEN - 36_000_000_000_000),
    ],
)
def test_the_clients_formats_of_times(text: str, ns: int | None) -> None:
    assert nanoseconds(text) == ns


@pytest.mark.parametrize("text", ["tomorrow", "20220322 25:00:00", "20220322 10:00:00 Nowhere/Land", "1"])
def test_invalid_times(text: str) -> None:
    with pytest.raises(FieldError, match="not a time"):
        nanoseconds(text)
