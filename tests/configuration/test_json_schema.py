"""The JSON Schema for editors."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from services.configuration.json_schema import json_schema
from services.configuration.keys import keys

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "config").glob("*.yaml"))


def plain(path: Path) -> Any:
    """The document as JSON has it: a date is a text there."""
    document = yaml.safe_load(path.read_text())
    return json.loads(json.dumps(document, default=lambda value: value.isoformat()))


def valid(document: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid(document))


def test_the_file_is_fresh() -> None:
    remedy = "renew it: .venv/bin/crazy config schema > config/schema.json"
    assert json.loads((ROOT / "config" / "schema.json").read_text()) == json_schema(), remedy


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_valid_and_name_it(path: Path) -> None:
    jsonschema.validate(plain(path), json_schema(), cls=jsonschema.Draft202012Validator)
    first = path.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=./schema.json"
    assert (path.parent / "schema.json").exists()


@pytest.mark.parametrize(
    ("document", "fits"),
    [
        ({"watchlist": ["TSLA"]}, True),
        ({"watchlist": ["TSLA", "BRK B"], "logging": {"level": "info"}, "risk": None}, True),
        ({"watchlist": ["TSLA"], "allocation": {"per_symbol_override": None}}, True),
        ({"watchlist": ["TSLA"], "simulation": {"start": datetime.date(2025, 1, 6).isoformat()}}, True),
        ({}, False),
        ({"watchlist": []}, False),
        ({"watchlist": ["tsla"]}, False),
        ({"watchlist": ["TSLA"], "entris": {}}, False),
        ({"watchlist": ["TSLA"], "entries": {"buy_stop_pct_above": 5}}, False),
        ({"watchlist": ["TSLA"], "stops": {"trailing_stop_pct": 100}}, False),
        ({"watchlist": ["TSLA"], "mode": "simm"}, False),
    ],
)
def test_it_agrees_with_the_checks(document: Any, fits: bool) -> None:
    assert valid(document) is fits


def test_every_key_has_its_meaning_in_it() -> None:
    text = json.dumps(json_schema(), ensure_ascii=False)
    assert [key.path for key in keys() if json.dumps(key.meaning, ensure_ascii=False) not in text] == []
