"""Commit of the previous release, which `release.previous` names.

DVC compares the text of the parameter: it would not notice that a branch moved, and gates, changelog and report would
still compare with the old commit. So only tags and commits are permitted, and the commit itself is recorded.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from mtf.errors import BadInput

KEY = "release.previous"


def commit_of(root: Path, name: str) -> str:
    """Full hash (hex) of the commit that a tag or an abbreviated hash names.

    Raises BadInput if there is no such version, and for all other names (branches, `HEAD`, `v1~1`), which can move.
    """
    commit = _commit(root, name)
    if commit is None:
        raise BadInput(f"params.yaml: {KEY}: revision {name!r}: no such version in this repository; {INSTEAD}")
    if not commit.startswith(name.lower()) and _commit(root, f"refs/tags/{name}") != commit:
        raise BadInput(f"params.yaml: {KEY}: {name!r} may move on; name a tag, or the commit itself: {commit[:12]}")
    return commit


INSTEAD = "null compares with no release"


def _commit(root: Path, name: str) -> str | None:
    """Commit that git resolves `name` to, None if there is none."""
    command = ("git", "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
