"""What became of the mutants of the last `make mutate`: killed and alive, module by module.

python -m tests.mutation: exits 1 while fewer than 90 % of those that were tried are killed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

MUTANTS = Path("mutants")
TARGET_PCT = 90.0
KILLED = {1, 3, 24, -24, 36, 152, 255}
"""How the tests end when they noticed: failed, broke, or ran for ever. What no test reaches was not noticed."""


def tried(meta: Path) -> dict[str, int]:
    """Each mutant of one module that was run, with the exit code of its tests."""
    codes = json.loads(meta.read_text())["exit_code_by_key"]
    return {name: code for name, code in codes.items() if code is not None}


def main() -> int:
    killed = total = 0
    alive: list[str] = []
    for meta in sorted(MUTANTS.rglob("*.meta")):
        codes = tried(meta)
        if not codes:
            continue
        survivors = [name for name, code in codes.items() if code not in KILLED]
        alive += survivors
        killed += len(codes) - len(survivors)
        total += len(codes)
        of = meta.relative_to(MUTANTS).with_suffix("")
        print(f"{of}: {len(codes) - len(survivors)} of {len(codes)} killed")
    if not total:
        print("no mutant was tried; run `make mutate`")
        return 1
    print(f"{killed} of {total} killed, {100 * killed / total:.1f} % ({TARGET_PCT:.0f} wanted); alive:")
    for name in alive:
        print(f"  mutmut show {name}")
    return 0 if 100 * killed / total >= TARGET_PCT else 1


if __name__ == "__main__":
    sys.exit(main())
