"""Entry point of the command line, `mtf` and `python -m mtf`."""

from __future__ import annotations

import atexit
import os
import sys
import threading

from mtf.core import interrupts


def main() -> None:
    """Run the command line, and end the process as the interpreter does, but for its last search for garbage.

    After the imports of a stage that search takes half a second, after those of a training more than one.
    """
    try:
        _run()
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        os._exit(_ended_in_order(end.code))


def _run() -> None:
    """Run the command line; an interrupt is one line from the first import on."""
    interrupts.install()
    try:
        from mtf.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        print("mtf: interrupted", file=sys.stderr)
        sys.exit(interrupts.EXIT_CODE)


def _ended_in_order(code: int) -> int:
    """Wait for threads that are no daemons, call what is registered for the end, and flush; the exit code."""
    try:
        threading._shutdown()  # ty: ignore[missing-attribute]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except KeyboardInterrupt:
        print("mtf: interrupted", file=sys.stderr, flush=True)
        return interrupts.EXIT_CODE
    except OSError:  # nobody reads what is left, or it cannot be written
        return _UNWRITTEN
    return code


# The interpreter's own exit code where it cannot flush standard output.
_UNWRITTEN = 120


if __name__ == "__main__":
    main()
