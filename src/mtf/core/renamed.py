"""Deprecated names in files that people have written: still read for one version, with a warning."""

from __future__ import annotations

import sys
from functools import cache

UNTIL = "0.2"
"""First version that no longer reads the old names."""


@cache
def warn_renamed(old: str, new: str) -> None:
    """Print a warning on standard error, once per process, that `new` replaces `old`."""
    print(f"mtf: {old} is now called {new}; the old name is read until version {UNTIL}", file=sys.stderr)
