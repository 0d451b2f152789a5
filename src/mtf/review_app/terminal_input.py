"""Answers that a reviewer types in a terminal, and torn lines that they are told of."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator


def typed_answers() -> Iterator[str]:
    """Lines typed after a prompt, without spaces around them, until the input ends."""
    while True:
        try:
            yield input("> ").strip()
        except EOFError:
            return


def report_torn(torn: Iterable[str], *, of: str = "ledger") -> None:
    """Print torn lines of a record to standard error."""
    for line in torn:
        print(f"{of}: {line}", file=sys.stderr)
