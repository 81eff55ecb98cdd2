"""What the broker's codes mean: the well-known ones name a remedy."""

from __future__ import annotations

import pytest

from services.gateway.ibkr import error_codes
from services.gateway.ibkr.error_codes import MEANINGS, farm_of, is_information, meaning_of, with_remedy

WELL_KNOWN = [
    *(321, 326, 502, 503, 504, 505, 506, 507, 1100, 1101, 1102, 1300, 2100, *range(2103, 2111), 354, 10089, 10090),
    *(10167, 10168, 10197, 200, 201, 202, 399, 404, 10147, 10148, 161, 10326, 10327, 100),
]


@pytest.mark.parametrize("code", WELL_KNOWN)
def test_field_68_a_well_known_code_has_a_meaning(code: int) -> None:
    assert MEANINGS[code].text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (321, "untick Read-Only API"),
        (326, "keeps its id"),
        (502, "ibkr.port"),
        (1300, "ibkr.port"),
        (100, "ibkr.max_messages_per_s"),
        (10197, "log out there"),
        (200, "watchlist"),
        (error_codes.NO_ANSWER, "Trusted IPs"),
        (error_codes.LOGIN_NEEDED, "log in to IB Gateway"),
    ],
)
def test_field_68_the_remedy_is_named(code: int, words: str) -> None:
    assert words in with_remedy(code, "text")


def test_an_unknown_code_is_a_warning_and_a_system_message_is_none() -> None:
    assert [meaning_of(code).level for code in (99_999, 2199)] == ["WARNING", "INFO"]
    assert with_remedy(99_999, "text") == "text"


def test_field_01_warnings_put_no_order_in_doubt() -> None:
    assert all(map(is_information, (202, 399, 10349, 2109)))
    assert not any(map(is_information, (201, 10147, 161)))


def test_a_farm_is_named_after_the_colon() -> None:
    assert farm_of("Market data farm connection is broken:usfarm") == "usfarm"
    assert farm_of("broken") == ""
