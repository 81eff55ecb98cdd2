"""Values that a person gave: what fits, and the words for what does not."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from services.configuration.validation import as_given, closest, converted, describe, fits, misfit, suggestion


class Colour(StrEnum):
    """Two values."""

    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_fits_nothing(value: float) -> None:
    assert not fits(value, float)
    with pytest.raises(msgspec.ValidationError):
        converted(str(value), float, strict=False)


def test_a_text_stands_for_a_number_only_where_it_may() -> None:
    assert converted("2.5", float, strict=False) == 2.5
    assert not fits("2.5", float)
    assert not fits(True, int)
    assert fits(2, float)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Annotated[int, Meta(ge=1, le=65535)], "a whole number at least 1 and at most 65,535"),
        (Annotated[float, Meta(gt=0)] | None, "a number above 0 or null"),
        (Annotated[str, Meta(description="a ticker")], "a ticker"),
        (Annotated[str, Meta(min_length=1)], "text"),
        (tuple[bool, ...], "a list, each item true or false"),
        (Colour, "red or blue"),
    ],
)
def test_a_type_in_words(kind: Any, words: str) -> None:
    assert describe(kind) == words


def test_an_unknown_name_leads_to_the_closest_one() -> None:
    assert suggestion("prot", ["host", "port"], "there are host, port") == "did you mean `port`?"
    assert suggestion("zzz", ["host", "port"], "there are host, port") == "there are host, port"
    assert closest("zzz", ["host", "port"]) is None


def test_the_message_about_a_misfit() -> None:
    assert misfit(as_given(None), "text") == "`null` does not fit; give text"
    assert (as_given(""), as_given("x"), as_given([1])) == ('""', "x", "[1]")
