"""The operator's YAML file: read, checked, completed. Each mistake is one line with file, line, key and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from services.configuration.broker_policy import Policy
from services.configuration.checks import check
from services.configuration.keys import in_yaml, keys, value_of
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.configuration.validation import Mistake
from services.configuration.yaml_document import line_of, parse

__all__ = ["ConfigurationError", "fleet_name", "load", "origins"]

DERIVED = {
    "fleet": "mode",
    "ibkr.account": "mode: sim",
    "ibkr.port": "fleet",
    "ibkr.client_id": "fleet",
    "simulation.start": "simulation.market",
}
"""What the value of a key follows from if the file does not give it."""


class ConfigurationError(Refusal):
    """The configuration cannot be used. One line for each mistake."""


def load(path: Path) -> Settings:
    """The settings that the file at `path` asks for, complete and validated. ConfigurationError if it has mistakes."""
    document, lines = _read(path)
    settings, mistakes = check(document)
    if settings is None:
        raise ConfigurationError("\n".join(f"{path}:{line_of(lines, mistake.key)}: {mistake}" for mistake in mistakes))
    return _placed(settings, path.resolve().parent)


def origins(path: Path) -> dict[str, str]:
    """Where the value of each key comes from: a line of the file, the default, or the key that it is derived from."""
    settings = load(path)
    _, lines = _read(path)
    found: dict[str, str] = {}
    for key in keys():
        if key.path in lines:
            found[key.path] = f"{path}:{lines[key.path]}"
        elif key.default in ("must be given", in_yaml(value_of(settings, key.path))):
            found[key.path] = "default"
        else:
            found[key.path] = f"derived from {DERIVED.get(key.path, 'other keys')}"
    return found


def fleet_name(path: Path) -> str:
    """The fleet that the file names, whatever mistakes it has: the operator must be able to stop the fleet."""
    document, _ = _read(path)
    return str(document.get("fleet") or document.get("mode") or "sim")


def _read(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: no such file; give --config PATH, or copy config/config.yaml there"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(f"{path}: cannot be read ({reason}); make it a readable text file") from None
    try:
        return parse(text, Settings, {"simulation.policy": Policy})
    except Mistake as mistake:
        raise ConfigurationError(f"{path}:{mistake}") from None


def _placed(settings: Settings, folder: Path) -> Settings:
    """File names made absolute: a relative one starts at the folder of the configuration."""
    simulation = settings.simulation
    files = tuple(str(folder / file) for file in simulation.files)
    faults = None if simulation.faults is None else str(folder / simulation.faults)
    placed = msgspec.structs.replace(simulation, files=files, faults=faults)
    return msgspec.structs.replace(settings, simulation=placed)
