"""The release before, as `release.previous` names it: a commit that stays the same.

DVC compares the parameter's text: of a branch that moved on it would notice nothing, and gates, changelog and report
would stay against the commit of then. So only names that stay are taken, and the commit itself is kept.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from mtf.errors import BadInput

KEY = "release.previous"


def commit_of(root: Path, name: str) -> str:
    """The commit (hex, whole) that a tag or the beginning of a commit's own name stands for.

    Raises BadInput where git knows no such version, and for all other names (branches, `HEAD`, `v1~1`): they move.
    """
    commit = _commit(root, name)
    if commit is None:
        raise BadInput(f"params.yaml: {KEY}: revision {name!r}: no such version in this repository; {INSTEAD}")
    if not commit.startswith(name.lower()) and _commit(root, f"refs/tags/{name}") != commit:
        raise BadInput(f"params.yaml: {KEY}: {name!r} may move on; name a tag, or the commit itself: {commit[:12]}")
    return commit


INSTEAD = "null compares with no release"


def _commit(root: Path, name: str) -> str | None:
    """What git takes `name` for; None where it knows no such version."""
    command = ("git", "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
