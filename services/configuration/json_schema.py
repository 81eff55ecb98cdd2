"""The JSON Schema of the configuration, for editors, made from `settings.py`.

It accepts null for an empty group of keys, as YAML has it. It checks each key by itself; only `checks.py` finds keys
that contradict each other.
"""

from __future__ import annotations

from typing import Any

import msgspec

from services.configuration.keys import keys, sections
from services.configuration.settings import Settings

__all__ = ["json_schema"]

TITLE = "Crazy Trade: the configuration of one fleet"


def json_schema() -> dict[str, Any]:
    """The schema, with the meaning of each key as its description."""
    _, defined = msgspec.json.schema_components([Settings], ref_template="#/$defs/{name}")
    meanings = {key.path: key.meaning for key in keys()}
    groups = {kind.__name__: f"{name}." for name, kind in sections().items()}
    for name, body in defined.items():
        prefix = groups.get(name, "")
        body["additionalProperties"] = False
        for field, kind in body["properties"].items():
            if prefix + field in meanings:
                kind["description"] = meanings[prefix + field]
    root = defined.pop("Settings")
    for group in sections():
        reference = root["properties"][group]
        reference.pop("default", None)
        root["properties"][group] = {"anyOf": [reference, {"type": "null"}]}
    overrides = defined["Allocation"]["properties"]["per_symbol_override"]
    overrides["type"] = ["object", "null"]
    level = defined["Logging"]["properties"]["level"]
    level["enum"] = [*level["enum"], *(value.lower() for value in level["enum"])]
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "title": TITLE, "$defs": defined}
    return msgspec.json.decode(msgspec.json.encode(made))  # type: ignore[no-any-return]
