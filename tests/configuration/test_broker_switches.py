"""The switches of the simulated broker: each is explained and checked."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from services.configuration.broker_policy import ChildOnPartialFill, Policy
from services.configuration.broker_switches import markdown, mistakes, policy_of, switches

ROOT = Path(__file__).parents[2]


def test_every_switch_is_explained() -> None:
    found = list(switches())
    assert [switch.name for switch in found] == [field.name for field in msgspec.structs.fields(Policy)]
    for switch in found:
        assert switch.meaning, switch
        assert switch.evidence.startswith("["), switch
        assert switch.values, switch


def test_the_defaults_are_a_policy() -> None:
    assert policy_of({}) == Policy()


def test_a_policy_from_the_configuration() -> None:
    given = {"child_on_partial_fill": "at_full_fill", "funds_checked": False}
    policy = policy_of(given)
    assert (policy.child_on_partial_fill, policy.funds_checked) == (ChildOnPartialFill.AT_FULL_FILL, False)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"fund_checked": False}, "unknown switch; did you mean `funds_checked`?"),
        ({"weather": True}, "unknown switch; there are trail_child_needs_limit_parent, "),
        ({"funds_checked": "maybe"}, "`maybe` does not fit; give true or false"),
        ({"child_on_partial_fill": "never"}, "give active_at_once or at_full_fill or follows_the_fill"),
    ],
)
def test_a_wrong_switch_is_one_clear_line(given: dict[str, object], text: str) -> None:
    ((name, message),) = mistakes(given)
    assert name in given
    assert text in message
    with pytest.raises(ValueError, match=name):
        policy_of(given)


def test_the_reference_page_is_up_to_date() -> None:
    remedy = "renew it: .venv/bin/crazy simulator policy --reference > docs/switches.md"
    assert (ROOT / "docs" / "switches.md").read_text() == markdown() + "\n", remedy


def test_a_count_may_be_given_as_a_float() -> None:
    assert policy_of({"market_data_lines": 2.0}).market_data_lines == 2
    assert policy_of({"account_told_every_s": 2.0}).account_told_every_s == 2.0
    for value in (2.5, True, -1.0):
        with pytest.raises(ValueError, match=r"market_data_lines: .* does not fit; give a whole number, at least 0"):
            policy_of({"market_data_lines": value})
