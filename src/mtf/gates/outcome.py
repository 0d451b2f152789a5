"""Outcome of the gates (`build/validate/results.json`), which a release requires; commit of the previous release.

The parameter `release.previous` permits only tags and commits, and the commit is recorded. DVC compares the text of the
parameter, so it would not notice that a branch moved: gates, changelog and report would compare with the old commit.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mtf.config import Params
from mtf.core import atomic_files
from mtf.core.errors import BadInput, GateFailed
from mtf.core.hashing import file_digest, fingerprint
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.gates.expectations import NotChecked, Severity
from mtf.gates.suite import ExpectationResult
from mtf.rights.consent import ConsentRule

NAME = "results.json"
SPLITS_FILE = PATHS_IN_PROJECT.table("split", "splits").as_posix()
SCREENING_FILE = PATHS_IN_PROJECT.table("screen", "screening").as_posix()
EVIDENCE_FILE = PATHS_IN_PROJECT.table("crawl", "evidence").as_posix()
CROP_FIGURES = PATHS_IN_PROJECT.metrics("crop").as_posix()
CURATE_FIGURES = PATHS_IN_PROJECT.metrics("curate").as_posix()
FILES = (SPLITS_FILE, SCREENING_FILE, EVIDENCE_FILE, CROP_FIGURES, CURATE_FIGURES)
CONSENT_FILE = PATHS_IN_PROJECT.consent.as_posix()
GATES = "the gates of params.yaml"
KEY = "release.previous"
INSTEAD = "null compares with no release"


@dataclass(frozen=True)
class GateOutcome:
    """Outcome of the gates.

    - `of`: name of a file or of parameters → digest at the time of the check;
    - `results`: results of the expectations;
    - `not_checked`: gates that could not be checked.
    """

    of: dict[str, str]
    results: list[ExpectationResult]
    not_checked: list[NotChecked]

    @property
    def critical(self) -> list[ExpectationResult]:
        """Failed expectations that prevent a release."""
        return [each for each in self.results if not each.holds and each.severity == Severity.CRITICAL]

    @property
    def warnings(self) -> list[ExpectationResult]:
        """Failed expectations that do not prevent a release."""
        return [each for each in self.results if not each.holds and each.severity == Severity.WARNING]


def input_digests(workspace: ProjectPaths, params: Params) -> dict[str, str]:
    """Digests (SHA-256, hex) of the files that the gates check and the parameters that they use, by name.

    It also has the commit of the previous release, as a tag can be moved. Raises BadInput if `release.previous` is a
    name that can move, such as a branch.
    """
    rule = ConsentRule.of(params)
    files = {path: workspace.root / path for path in (*FILES, *([CONSENT_FILE] if rule else []))}
    digests = {path: file_digest(file) for path, file in files.items() if file.is_file()}
    sections = [params.tasks, params.licenses, params.split, params.gates, params.release.previous]
    if rule is not None:
        sections.append([*rule.purposes, rule.on.isoformat()])
    digests |= {GATES: fingerprint(*sections)}
    if (name := params.release.previous) is not None:
        digests[KEY] = previous_commit(workspace.root, name)
    return digests


def write(workspace: ProjectPaths, outcome: GateOutcome) -> None:
    """Write build/validate/results.json."""
    atomic_files.write_json(workspace.stage("validate") / NAME, asdict(outcome))


def read(workspace: ProjectPaths) -> GateOutcome | None:
    """Outcome of the last `mtf validate`, None if it has not run. Raises BadInput if its file cannot be read."""
    path = workspace.stage("validate") / NAME
    if not path.is_file():
        return None
    try:
        return _parsed(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError):
        raise BadInput(f"{workspace.relative(path)}: not what `mtf validate` writes; run it again") from None


def refuse(workspace: ProjectPaths, params: Params) -> None:
    """Raise GateFailed if the gates were not checked, their inputs changed since, or a critical one failed."""
    found = read(workspace)
    if found is None:
        raise GateFailed("release: the gates have not been checked; run `mtf validate`")
    if changed := changed_since(found, workspace, params):
        raise GateFailed(f"release: {', '.join(changed)} changed since the gates were checked; run `mtf validate`")
    if found.critical:
        names = ", ".join(each.name for each in found.critical)
        raise GateFailed(f"release: the gates forbid it ({names}); `mtf validate` says what was observed and wanted")


def changed_since(found: GateOutcome, workspace: ProjectPaths, params: Params) -> Sequence[str]:
    """Names of the files and parameters that changed since the gates were checked."""
    old, new = found.of, input_digests(workspace, params)
    return [name for name in {**new, **old} if old.get(name) != new.get(name)]


def _parsed(raw: dict[str, Any]) -> GateOutcome:
    results = [ExpectationResult(**each | {"severity": Severity(each["severity"])}) for each in raw["results"]]
    return GateOutcome(raw["of"], results, [NotChecked(**each) for each in raw["not_checked"]])


def previous_commit(root: Path, name: str) -> str:
    """Full hash (hex) of the commit that a tag or an abbreviated hash names.

    Raises BadInput if there is no such version, and for all other names (branches, `HEAD`, `v1~1`), which can move.
    """
    commit = _commit(root, name)
    if commit is None:
        raise BadInput(f"params.yaml: {KEY}: revision {name!r}: no such version in this repository; {INSTEAD}")
    if not commit.startswith(name.lower()) and _commit(root, f"refs/tags/{name}") != commit:
        raise BadInput(f"params.yaml: {KEY}: {name!r} may move on; name a tag, or the commit itself: {commit[:12]}")
    return commit


def _commit(root: Path, name: str) -> str | None:
    """Commit that git resolves `name` to, None if there is none."""
    command = ("git", "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
