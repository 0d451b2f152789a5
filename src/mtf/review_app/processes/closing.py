"""End of a review session: adds the ledger's new lines to DVC, and tells the user what to commit."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

from mtf.annotation.ledger import JOINT_REVIEWER, exclusive_lock
from mtf.annotation.reviewer_name import reviewer_folder
from mtf.core import dvc_cli
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths


def dataset_name(project: str, reviewer: str, *, joint: bool) -> str:
    """Data set name of a reviewer or of the joint session; it is part of the page's address."""
    return f"{project}-{JOINT_REVIEWER if joint else reviewer_folder(reviewer)}"


class LedgerTracking:
    """Context manager around a review session that runs `dvc add data` at its end if there are new decisions.

    `reviewers` are those whose files are watched; all by default. `folder` is the ledger, or has the answers for the
    certificate.
    """

    def __init__(
        self, workspace: ProjectPaths, reviewers: Iterable[str] = ("*",), *, folder: Path | None = None
    ) -> None:
        self._workspace = workspace
        self._folder = folder or workspace.review
        self._folders = [name if name == "*" else reviewer_folder(name) for name in reviewers]

    def __enter__(self) -> LedgerTracking:
        self._before = {path: path.stat().st_size for path in self._files()}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if new := sum(map(self._lines_since, self._files())):
            lines = "1 line was" if new == 1 else f"{new} lines were"
            print(f"{lines} added to {self._name()}; running `dvc add data` …", flush=True)
            try:
                track_ledger(self._workspace, self._folder)
            except MtfError as failure:
                if error is None or isinstance(error, KeyboardInterrupt):
                    raise
                print(f"mtf: {failure}", file=sys.stderr)

    def _name(self) -> str:
        place = self._workspace.relative(self._folder)
        return f"the ledger in {place}" if self._folder == self._workspace.review else place

    def _files(self) -> Iterator[Path]:
        for name in self._folders:
            # Gold answers and pairs of duplicates lie in subfolders.
            yield from self._folder.glob(f"{name}/**/*.jsonl")

    def _lines_since(self, path: Path) -> int:
        with path.open("rb") as file:
            file.seek(self._before.get(path, 0))
            return file.read().count(b"\n")


def track_ledger(workspace: ProjectPaths, folder: Path | None = None) -> None:
    """Run `dvc add data` in a DVC repository, and print what to commit; no decision is written meanwhile.

    Raises MtfError if it fails or is interrupted.
    """
    if not dvc_cli.is_tracked(workspace.root):
        print("Not versioned: this is no DVC repository, or dvc is not installed.")
        return
    # DVC reads a file, and links it into its cache later: a line written in between would be lost or spoil the cache.
    with ExitStack() as locks:
        # Each folder once: a second lock on the same one would wait for the first for ever.
        for each in dict.fromkeys([workspace.review, folder or workspace.review]):
            locks.enter_context(exclusive_lock(each))
        locks.enter_context(_interruptible())
        done = dvc_cli.dvc("add", "data", root=workspace.root)
    if done.returncode:
        output = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise MtfError(
            f"`dvc add data` failed; run it yourself: {output[0] if output else f'status {done.returncode}'}"
        )
    print('Versioned by DVC. Next: git commit -m "Review faces" data.dvc && dvc push')


@contextmanager
def _interruptible() -> Generator[None]:
    """Let Ctrl-C end DVC, even while the review app ignores further ones."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise MtfError("`dvc add data` was interrupted; the decisions are on disk, run it to version them") from None
    finally:
        signal.signal(signal.SIGINT, before)
