"""What happens when a sitting ends: DVC takes note of the ledger, and a person is told what to commit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from types import TracebackType

from mtf.review.ledger import TOGETHER, held_still
from mtf.workspace import Workspace


def dataset_name(project: str, reviewer: str, *, joint: bool) -> str:
    """The data set of a reviewer, or of the joint session; it stands in the address bar."""
    return f"{project}-{TOGETHER if joint else reviewer}"


class Closing:
    """`with Closing(workspace):` around a sitting. Afterwards, where it left decisions, `dvc add data` is run."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def __enter__(self) -> Closing:
        self._before = self._sittings()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if new := len(self._lines_since()):
            print(f"{new} lines were added to the ledger in data/review.")
            take_note(self._workspace)

    def _sittings(self) -> dict[str, int]:
        return {str(path): path.stat().st_size for path in self._workspace.review.glob("*/*.jsonl")}

    def _lines_since(self) -> list[bytes]:
        added = []
        for path in sorted(self._workspace.review.glob("*/*.jsonl")):
            size = self._before.get(str(path), 0)
            if path.stat().st_size > size:
                with path.open("rb") as file:
                    file.seek(size)
                    added += file.read().splitlines()
        return added


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
