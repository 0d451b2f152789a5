"""What happens when a sitting ends: DVC takes note of the ledger, and a person is told what to commit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from mtf.review.ledger import TOGETHER, held_still
from mtf.workspace import Workspace


def dataset_name(project: str, reviewer: str, *, joint: bool) -> str:
    """The data set of a reviewer, or of the joint session; it stands in the address bar."""
    return f"{project}-{TOGETHER if joint else reviewer}"


class Closing:
    """`with Closing(workspace, reviewers):` around a sitting. Where they left decisions, `dvc add data` is run.

    Without `reviewers` it is anybody's decisions.
    """

    def __init__(self, workspace: Workspace, reviewers: Iterable[str] = ("*",)) -> None:
        self._workspace = workspace
        self._reviewers = list(reviewers)

    def __enter__(self) -> Closing:
        self._before = {path: path.stat().st_size for path in self._sittings()}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if new := sum(map(self._lines_since, self._sittings())):
            lines = "1 line was" if new == 1 else f"{new} lines were"
            print(f"{lines} added to the ledger in data/review; `dvc add data` takes note …", flush=True)
            take_note(self._workspace)

    def _sittings(self) -> Iterator[Path]:
        for name in self._reviewers:
            yield from self._workspace.review.glob(f"{name}/*.jsonl")

    def _lines_since(self, path: Path) -> int:
        with path.open("rb") as file:
            file.seek(self._before.get(path, 0))
            return file.read().count(b"\n")


def take_note(workspace: Workspace) -> None:
    """Run `dvc add data`, where this is a DVC repository, and say what to commit. Nobody decides meanwhile."""
    if not (workspace.root / ".dvc").is_dir() or shutil.which("dvc") is None:
        print("This is no DVC repository, or dvc is not installed: nothing was versioned.")
        return
    # DVC reads a file, and links it into its cache later: a line written in between would be lost or spoil the cache.
    with held_still(workspace.review):
        done = subprocess.run(
            ("dvc", "add", "--quiet", "data"), cwd=workspace.root, capture_output=True, text=True, check=False
        )
    if done.returncode:
        print(f"mtf: `dvc add data` failed; run it yourself: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return
    print('DVC has taken note. To keep it: git commit -m "Review faces" data.dvc && dvc push')
