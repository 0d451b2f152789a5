"""Names that people have written and that are called otherwise since: read for one version more, with one line."""

from __future__ import annotations

import sys
from functools import cache

UNTIL = "0.2"
"""The version that reads the old names no longer."""


@cache
def warn_renamed(old: str, new: str) -> None:
    """Print, once per process and on the standard error, what is to be written in place of `old`."""
    print(f"mtf: {old} is now called {new}; the old name is read until version {UNTIL}", file=sys.stderr)
