"""Numbers are read strictly: what has no value is None, what is no number is an error."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.ibkr.fields import Fields, Undecodable, integer_of, number_of


@pytest.mark.parametrize(
    "text",
    ["", "1.7976931348623157E308", "1.7976931348623157e+308", str(2**127), "170141183460469231731687303715884105727"],
)
def test_the_spellings_of_no_value(text: str) -> None:
    assert number_of(text, "price") is None
    assert Fields([text]).price("price") is None
    assert Fields([text]).number("price") == 0.0


@pytest.mark.parametrize(
    "text",
    ["nan", "NaN", "inf", "-inf", "Infinity", "Infinite", "1e999", "-1e999", "1_0", " 1", "1,5", "0x1", "x", "٣"],
)
def test_field_65_what_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(Undecodable, match="price"):
        number_of(text, "price")


def test_a_negative_zero_is_zero() -> None:
    value = number_of("-0.0", "price")
    assert value is not None
    assert math.copysign(1.0, value) == 1.0


@pytest.mark.parametrize("text", ["1.0", "1e3", "nan", " 1", "1_0", "9" * 20])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(Undecodable, match="permId"):
        integer_of(text, "permId")


def test_whole_numbers_without_a_value() -> None:
    assert [integer_of(text, "permId") for text in ("", "2147483647", "9223372036854775807", "-7")] == [None] * 3 + [-7]


@given(st.floats(allow_nan=False, allow_infinity=False, max_value=1e38, min_value=-1e38))
def test_every_number_that_python_writes_is_read(value: float) -> None:
    assert number_of(repr(value), "price") == value


@given(st.text())
def test_any_text_gives_a_finite_number_or_is_refused(text: str) -> None:
    try:
        value = number_of(text, "price")
    except Undecodable:
        return
    assert value is None or math.isfinite(value)


def test_a_message_that_ends_early_names_the_field() -> None:
    with pytest.raises(Undecodable, match="the message ends before avgCost"):
        Fields(["1"]).expect("position") or Fields([]).number("avgCost")
