"""Outcome of the gates in `build/validate/results.json`, which a release requires."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mtf import atomic
from mtf.errors import BadInput, GateFailed
from mtf.fingerprint import file_digest, fingerprint
from mtf.params import Params
from mtf.validation import previous
from mtf.validation.expectations import NotChecked, Severity
from mtf.validation.suite import Result
from mtf.workspace import PATHS_IN_PROJECT, Workspace

NAME = "results.json"
SPLITS_FILE = PATHS_IN_PROJECT.table("split", "splits").as_posix()
SCREENING_FILE = PATHS_IN_PROJECT.table("screen", "screening").as_posix()
EVIDENCE_FILE = PATHS_IN_PROJECT.table("crawl", "evidence").as_posix()
CROP_FIGURES = PATHS_IN_PROJECT.metrics("crop").as_posix()
CURATE_FIGURES = PATHS_IN_PROJECT.metrics("curate").as_posix()
FILES = (SPLITS_FILE, SCREENING_FILE, EVIDENCE_FILE, CROP_FIGURES, CURATE_FIGURES)
GATES = "the gates of params.yaml"


@dataclass(frozen=True)
class Outcome:
    """Outcome of the gates.

    - `of`: name of a file or of parameters → digest at the time of the check;
    - `results`: results of the expectations;
    - `not_checked`: gates that could not be checked.
    """

    of: dict[str, str]
    results: list[Result]
    not_checked: list[NotChecked]

    @property
    def critical(self) -> list[Result]:
        """Failed expectations that prevent a release."""
        return [each for each in self.results if not each.holds and each.severity == Severity.CRITICAL]

    @property
    def warnings(self) -> list[Result]:
        """Failed expectations that do not prevent a release."""
        return [each for each in self.results if not each.holds and each.severity == Severity.WARNING]


def of(workspace: Workspace, params: Params) -> dict[str, str]:
    """Digests (SHA-256, hex) of the files that the gates check and the parameters that they use, by name.

    It also has the commit of the previous release, as a tag can be moved. Raises BadInput if `release.previous` is a
    name that can move, such as a branch.
    """
    files = {path: workspace.root / path for path in FILES}
    digests = {path: file_digest(file) for path, file in files.items() if file.is_file()}
    sections = [params.tasks, params.licenses, params.split, params.gates, params.release.previous]
    digests |= {GATES: fingerprint(*sections)}
    if (name := params.release.previous) is not None:
        digests[previous.KEY] = previous.commit_of(workspace.root, name)
    return digests


def write(workspace: Workspace, outcome: Outcome) -> None:
    """Write build/validate/results.json."""
    atomic.write_json(workspace.stage("validate") / NAME, asdict(outcome))


def read(workspace: Workspace) -> Outcome | None:
    """Outcome of the last `mtf validate`, None if it has not run. Raises BadInput if its file cannot be read."""
    path = workspace.stage("validate") / NAME
    if not path.is_file():
        return None
    try:
        return _parsed(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError):
        raise BadInput(f"{workspace.relative(path)}: not what `mtf validate` writes; run it again") from None


def refuse(workspace: Workspace, params: Params) -> None:
    """Raise GateFailed if the gates were not checked, their inputs changed since, or a critical one failed."""
    found = read(workspace)
    if found is None:
        raise GateFailed("release: the gates have not been checked; run `mtf validate`")
    if changed := changed_since(found, workspace, params):
        raise GateFailed(f"release: {', '.join(changed)} changed since the gates were checked; run `mtf validate`")
    if found.critical:
        names = ", ".join(each.name for each in found.critical)
        raise GateFailed(f"release: the gates forbid it ({names}); `mtf validate` says what was observed and wanted")


def changed_since(found: Outcome, workspace: Workspace, params: Params) -> Sequence[str]:
    """Names of the files and parameters that changed since the gates were checked."""
    old, new = found.of, of(workspace, params)
    return [name for name in {**new, **old} if old.get(name) != new.get(name)]


def _parsed(raw: dict[str, Any]) -> Outcome:
    results = [Result(**each | {"severity": Severity(each["severity"])}) for each in raw["results"]]
    return Outcome(raw["of"], results, [NotChecked(**each) for each in raw["not_checked"]])
