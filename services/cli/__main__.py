"""Entry point of `crazy`."""

from __future__ import annotations

import sys

from services.cli.app import run
from services.configuration.refusal import Refusal

__all__ = ["main"]


def main() -> None:
    """Run one command. A problem that the operator can fix is one line, without a traceback."""
    try:
        code = run(sys.argv[1:])
    except Refusal as refusal:
        for line in str(refusal).splitlines():
            print(f"crazy: {line}", file=sys.stderr)
        code = refusal.exit_code
    except KeyboardInterrupt:
        print(file=sys.stderr)
        code = 130
    except BrokenPipeError:  # `crazy logs | head`
        sys.stderr.close()
        code = 0
    raise SystemExit(code)


if __name__ == "__main__":
    main()
