"""Entry point of `crazy`.

Exit codes that do not come from a command: 4 for a problem that the operator can fix (`Refusal`), 130 after Ctrl-C, and
those below. None of them is a code of `crazy status` (0 to 3): a crash never looks like "degraded".
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
import traceback

__all__ = ["main"]

CRASHED = 70
"""A bug of ours (sysexits: EX_SOFTWARE)."""
UNWRITABLE = 74
"""A file, or the output, can't be read or written: a full disk, no permission (sysexits: EX_IOERR)."""
READER_GONE = 141
"""The reader of the output has ended, as in `crazy logs | head` (a shell shows SIGPIPE so)."""

PLAIN = {
    "−": "-",
    "–": "-",
    "—": "-",
    "─": "-",
    "·": "|",
    "…": "...",
    "→": "->",
    "“": '"',
    "”": '"',
    "’": "'",
    "≥": ">=",
}
"""Characters of our output, for a terminal that has only ASCII or Latin-1: a minus must not become a question mark."""


def main() -> None:
    """Run one command. A problem that the operator can fix is one line, without a traceback."""
    before = os.umask(0o077)  # what a command writes is for its user
    try:
        code = _guarded()
    finally:
        os.umask(before)
    raise SystemExit(code)


def _guarded() -> int | None:
    try:
        _prepare_output()
        code = _run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        _print_errors("")
        code = 130
    except BrokenPipeError:
        _drop_output()
        code = READER_GONE
    except OSError as error:
        _print_errors(f"crazy: {_explained(error)}")
        _drop_output()
        code = UNWRITABLE
    except Exception as error:
        _print_errors(f"{traceback.format_exc()}crazy: this is a bug: {type(error).__name__}: {error}")
        code = CRASHED
    return code


def _run() -> int | None:
    from services.cli.app import run  # here, so that a broken installation has an exit code of ours, too
    from services.configuration.refusal import Refusal

    try:
        return run(sys.argv[1:])
    except Refusal as refusal:
        _print_errors("\n".join(f"crazy: {line}" for line in str(refusal).splitlines()))
        return refusal.exit_code


def _explained(error: OSError) -> str:
    """What can't be read or written, and why."""
    what = error.filename if error.filename is not None else "the output or a file"
    return f"{what}: {error.strerror or error}; free space there, or permit it, and repeat the command"


def _prepare_output() -> None:
    """Give each standard stream a place to go, and characters that it has.

    With a closed stream (`>&-`) the next file that is opened would take its number, and get what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (it lives as long as the process)
        elif isinstance(stream, io.TextIOWrapper):
            codecs.register_error("crazy", _in_plain)
            stream.reconfigure(errors="crazy")


def _in_plain(error: UnicodeError) -> tuple[str, int]:
    """Error handler of an encoding: the character in plain ASCII, or `?`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(each, "?") for each in error.object[error.start : error.end]), error.end


def _print_errors(text: str) -> None:
    """To standard error; there is nobody to tell if that can't be written either."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _drop_output() -> None:
    """Lose what is still buffered: Python would try to write it at its end, and change the exit code."""
    with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


if __name__ == "__main__":
    main()
