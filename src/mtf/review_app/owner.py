"""Owner of a project: the one person who may see ratings of reviewers.

`review.owner` of params.yaml names the owner by the `user.email` of git. Without it the owner is the account that owns
params.yaml. This is good manners, not a lock: whoever can read the ledger can compute what the owner is shown.
"""

from __future__ import annotations

import os
import subprocess

from mtf.config import Params
from mtf.core.project_paths import ProjectPaths

HIDDEN = "Ratings of reviewers are shown to the owner of the project only (review.owner in params.yaml)."


def is_owner(workspace: ProjectPaths, params: Params) -> bool:
    """True if the account that runs this is the owner's."""
    if params.review.owner is not None:
        return _user_email(workspace) == params.review.owner
    return workspace.params.stat().st_uid == os.getuid()


def _user_email(workspace: ProjectPaths) -> str | None:
    """`user.email` as git knows it in the project; None without git, or if it is not set."""
    try:
        command = ("git", "config", "user.email")
        done = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None
