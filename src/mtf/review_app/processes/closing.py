"""What happens when a sitting ends: DVC takes note of the ledger, and a person is told what to commit."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from mtf.annotation.ledger import TOGETHER, held_still
from mtf.core import dvc_cli
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths


def dataset_name(project: str, reviewer: str, *, joint: bool) -> str:
    """The data set of a reviewer, or of the joint session; it stands in the address bar."""
    return f"{project}-{TOGETHER if joint else reviewer}"


class Closing:
    """`with Closing(workspace, reviewers):` around a sitting. Where they left decisions, `dvc add data` is run.

    Without `reviewers` it is anybody's decisions.
    """

    def __init__(self, workspace: ProjectPaths, reviewers: Iterable[str] = ("*",)) -> None:
        self._workspace = workspace
        self._reviewers = list(reviewers)

    def __enter__(self) -> Closing:
        self._before = {path: path.stat().st_size for path in self._sittings()}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if new := sum(map(self._lines_since, self._sittings())):
            lines = "1 line was" if new == 1 else f"{new} lines were"
            print(f"{lines} added to the ledger in data/review; `dvc add data` takes note …", flush=True)
            try:
                take_note(self._workspace)
            except MtfError as failure:
                if error is None or isinstance(error, KeyboardInterrupt):
                    raise
                print(f"mtf: {failure}", file=sys.stderr)

    def _sittings(self) -> Iterator[Path]:
        for name in self._reviewers:
            yield from self._workspace.review.glob(f"{name}/*.jsonl")

    def _lines_since(self, path: Path) -> int:
        with path.open("rb") as file:
            file.seek(self._before.get(path, 0))
            return file.read().count(b"\n")


def take_note(workspace: ProjectPaths) -> None:
    """Run `dvc add data`, where this is a DVC repository, and say what to commit. Nobody decides meanwhile.

    Raises MtfError where that fails or is interrupted.
    """
    if not dvc_cli.is_tracked(workspace.root):
        print("This is no DVC repository, or dvc is not installed: nothing was versioned.")
        return
    # DVC reads a file, and links it into its cache later: a line written in between would be lost or spoil the cache.
    with held_still(workspace.review), _interruptible():
        done = dvc_cli.dvc("add", "data", root=workspace.root)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise MtfError(f"`dvc add data` failed; run it yourself: {said[0] if said else f'status {done.returncode}'}")
    print('DVC has taken note. To keep it: git commit -m "Review faces" data.dvc && dvc push')


@contextmanager
def _interruptible() -> Generator[None]:
    """While DVC works Ctrl-C ends it, even where the room does not listen to a second one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise MtfError("`dvc add data` was interrupted; the decisions are on disk, run it to version them") from None
    finally:
        signal.signal(signal.SIGINT, before)
