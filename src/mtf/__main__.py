"""Entry point of the command line, `mtf` and `python -m mtf`."""

from __future__ import annotations

import sys

from mtf.core import interrupts


def main() -> None:
    """Run the command line; an interrupt is one line from the first import on."""
    interrupts.install()
    try:
        from mtf.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        print("mtf: interrupted", file=sys.stderr)
        sys.exit(interrupts.EXIT_CODE)


if __name__ == "__main__":
    main()
