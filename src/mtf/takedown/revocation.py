"""Revocation of a consent, carried on into a takedown: the file of consents, the request, and the version without it.

After it, one command is left: `mtf takedown erase`, which erases from every version and writes the receipt.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mtf.config import Params
from mtf.core import dvc_cli
from mtf.core.errors import MtfError
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.rights import consent_records
from mtf.rights.consent_records import Revocation
from mtf.schemas import roster_file
from mtf.schemas.takedown_file import RequestKind
from mtf.takedown import requests
from mtf.takedown.local_versions import LocalVersions
from mtf.takedown.requests import Request, Resolved

# Output of DVC goes beside the result of the command, not into it.
_STDERR = 2
# Files that record a version in git, beside the code: what DVC tracks, what its stages did, and their figures.
_OF_VERSION = ("data.dvc", "dvc.lock", PATHS_IN_PROJECT.metrics_folder.as_posix())


@dataclass(frozen=True)
class Recorded:
    """Recorded revocation.

    - `revocation`: change of the consents;
    - `takedown`: the resolved request; None if no version on this machine has the person, so that nothing is to be
      taken down.
    """

    revocation: Revocation
    takedown: Resolved | None


def record(request: Request, workspace: ProjectPaths, params: Params, *, on: date) -> Recorded:
    """Record the revocation of `request.value`, a subject, and the takedown of everything of theirs.

    A repeated call completes what an interrupted one has left. Raises BadInput for an unknown subject.
    """
    revocation = consent_records.revoke(workspace.consent, request.value, on=on)
    is_held = _is_held(request.value, workspace, params)
    resolved = requests.resolve(request, workspace, params) if is_held else None
    if resolved is not None:
        requests.append(workspace.takedowns, resolved.records)
    requests.track(workspace)
    return Recorded(revocation, resolved)


def _is_held(subject: str, workspace: ProjectPaths, params: Params) -> bool:
    """True if the person is in some version on this machine, or on the roster, so that a crawl may find them."""
    if LocalVersions(workspace).images(RequestKind.IDENTITY, subject):
        return True
    return workspace.roster.is_file() and subject in roster_file.load(workspace.roster, params)["identity"]


def make_version(workspace: ProjectPaths, *, message: str) -> list[str]:
    """Make the version without the person: `dvc repro`, and a commit of the files that record it.

    Returns the committed paths, none if nothing had changed. Raises MtfError if one of the two fails; what was recorded
    stays recorded.
    """
    done = subprocess.run((*dvc_cli.DVC, "repro"), cwd=workspace.root, check=False, stdout=_STDERR)
    if done.returncode != 0:
        raise MtfError(
            "the revocation is recorded, but `dvc repro` failed (see above); run it again, then "
            "`git add data.dvc dvc.lock metrics && git commit`, then `mtf takedown erase`"
        )
    paths = [path for path in _OF_VERSION if (workspace.root / path).exists() and not _is_ignored(workspace.root, path)]
    _git(workspace.root, "add", "--", *paths)
    if _run(workspace.root, "diff", "--cached", "--quiet", "--", *paths).returncode == 0:
        return []
    # Only these paths: other changes that somebody has staged stay staged.
    _git(workspace.root, "commit", "--quiet", "--message", message, "--only", "--", *paths)
    return paths


def _is_ignored(root: Path, path: str) -> bool:
    return _run(root, "check-ignore", "--quiet", path).returncode == 0


def _git(root: Path, *arguments: str) -> None:
    done = _run(root, *arguments)
    if done.returncode != 0:
        reason = " ".join((done.stderr or done.stdout).split())[:400]
        raise MtfError(f"the revocation is recorded, but git {arguments[0]} failed: {reason}")


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(("git", *arguments), cwd=root, capture_output=True, text=True, check=False)
