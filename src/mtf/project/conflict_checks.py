"""Checks for conflicts that a merge of git left in the files of DVC and in params.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mtf.core.project_paths import ProjectPaths
from mtf.project.finding import Finding

_MARKER = re.compile(rb"^(?:<{7}|>{7}) ", re.MULTILINE)
MAX_BYTES = 2**24

# Each session of a reviewer is a file of its own, so both sides' files stand side by side.
BOTH_LEDGERS = (
    "keep both sides' reviews: `git checkout --ours data.dvc && dvc checkout data.dvc`, "
    "`dvc get . data/review --rev MERGE_HEAD -o theirs && cp -rn theirs/. data/review/ && rm -r theirs`, "
    "`dvc add data && git add data.dvc`"
)
_ADVICE = {
    "data.dvc": BOTH_LEDGERS,
    "dvc.lock": "take one side (`git checkout --ours dvc.lock`), merge the rest, and run `dvc repro`",
}


def examine(workspace: ProjectPaths) -> Iterator[Finding]:
    """One finding for each file of the project's root with conflict markers."""
    names = {path.name for path in workspace.root.glob("*.dvc")} | {"dvc.lock", "dvc.yaml", workspace.params.name}
    for path in (workspace.root / name for name in sorted(names)):
        if path.is_file() and path.stat().st_size <= MAX_BYTES and _MARKER.search(path.read_bytes()):
            advice = _ADVICE.get(path.name, "choose one side of each, and remove the markers")
            yield Finding(path.name, "wrong", f"has conflict markers of git; {advice}")
