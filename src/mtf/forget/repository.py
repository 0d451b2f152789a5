"""DVC repository to erase from: opened at its root, and locked against other DVC commands."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from dvc.exceptions import NotDvcRepoError
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.scm import NoSCM

from mtf.core.errors import MtfError


@contextmanager
def locked_repository(root: Path) -> Generator[Repo]:
    """Repository at `root`, locked, so that no other DVC command changes cache or remotes meanwhile.

    Raises MtfError if `root` is not the root of a DVC repository with git, or if another DVC command is running.
    """
    repo = _own_repo(root)
    try:
        with lock_repo(repo):
            yield repo
    except LockError:
        raise MtfError("another command of DVC is at work in this project; wait for it, then run this again") from None


def _own_repo(root: Path) -> Repo:
    """DVC repository at `root`. Inside another DVC repository, DVC would know none of this one's outputs."""
    advice = "run `dvc init` (inside another clone `dvc init --subdir`) there first"
    try:
        repo = Repo(str(root))
    except NotDvcRepoError:
        raise MtfError(f"{root}: no DVC repository, so nothing can be erased from it; {advice}") from None
    if Path(repo.root_dir).resolve() != root.resolve():
        raise MtfError(
            f"{root}: not the root of a DVC repository, but a folder of the one in {repo.root_dir}: what DVC "
            f"tracks here is not known; nothing was erased: {advice}"
        )
    if isinstance(repo.scm, NoSCM):
        raise MtfError(
            f"{root}: DVC works without git here, so no older version is known; nothing was erased: run "
            "`git init`, `dvc config core.no_scm false`, and commit first"
        )
    return repo
