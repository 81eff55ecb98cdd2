"""The keys as data, and their reference page."""

from __future__ import annotations

from pathlib import Path

from services.configuration.keys import keys, markdown

ROOT = Path(__file__).parents[2]


def test_every_key_is_explained() -> None:
    found = list(keys())
    assert len(found) > 45
    for key in found:
        assert key.meaning.endswith((".", "`.", ")")), key
        assert key.range, key


def test_ranges_and_defaults_are_in_words() -> None:
    found = {key.path: key for key in keys()}
    assert found["ibkr.port"].range == "a whole number at least 1 and at most 65,535"
    assert found["entries.type"].range == "`buy_stop` or `buy_stop_limit`"
    assert found["ibkr.account"].range == "an IBKR account id like DU1234567 or null"
    assert (found["watchlist"].default, found["stops.trailing_stop_pct"].default) == ("must be given", "10.0")


def test_the_reference_page_is_up_to_date() -> None:
    remedy = "renew it: .venv/bin/crazy config keys --reference > docs/keys.md"
    assert (ROOT / "docs" / "keys.md").read_text() == markdown() + "\n", remedy
