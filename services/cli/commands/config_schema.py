"""`crazy config schema`."""

from __future__ import annotations

import json

from services.configuration.json_schema import json_schema

__all__ = ["config_schema"]


def config_schema() -> int:
    """Print the JSON Schema of the configuration, for an editor that checks and completes YAML.

    `config/schema.json` holds it; a configuration names it in its first line:
    `# yaml-language-server: $schema=./schema.json`.
    """
    print(json.dumps(json_schema(), indent=2))
    return 0
