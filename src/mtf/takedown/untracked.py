"""Untracked files in `build/`: caches, review apps, exports, comparisons; and experiments of DVC."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dvc.repo import Repo

from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.takedown import affected_objects, exported_evidence
from mtf.takedown.file_contents import Unexaminable
from mtf.takedown.scope import TakedownScope

# The label classifier, which is trained on pictures.
FITTED = PATHS_IN_PROJECT.stage("label").as_posix()
# The review app: its database is compressed, so no search sees a picture's name or embedding in it.
_REVIEW = PATHS_IN_PROJECT.stage("room")
_EXPERIMENTS = ".dvc/tmp/exps"


@dataclass
class Untracked:
    """Untracked files to remove.

    - `names`: paths to remove, relative to the project's root;
    - `unreadable`: files that could not be read, one line each with the error;
    - `by_hand`: steps that are left to people, as sentences.
    """

    names: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)


def find(scope: TakedownScope, workspace: ProjectPaths, repo: Repo) -> Untracked:
    """Untracked files to remove.

    - If DVC tracks outputs in `build/`: everything else in it. Any of it may hold a picture, and commands make it
      again when needed. So a new cache need not be registered here.
    - If DVC tracks no output in `build/`: only files that hold an erased picture. `dvc repro` would not make the rest,
      such as trained networks, again.
    - Experiments of DVC (`.dvc/tmp/exps`), in both cases.
    - Not the exported evidence: `mtf.takedown.exported_evidence` erases single records from it.
    """
    build = workspace.build
    outs = {Path(out.fs_path) for out in repo.index.outs if out.is_in_repo}
    if any(out.is_relative_to(build) for out in outs):
        beside = [*_beside(build, {*outs, workspace.evidence}), *exported_evidence.foreign_files(workspace)]
        found = Untracked([workspace.relative(path) for path in beside])
    else:
        found = _affected_files(build, scope, workspace)
    if (workspace.root / _EXPERIMENTS).exists():
        found.names.append(_EXPERIMENTS)
    return found


def clear(workspace: ProjectPaths, names: Iterable[str]) -> list[str]:
    """Remove files and folders, given relative to the project's root. Returns those that existed."""
    gone = []
    for name in names:
        path = workspace.root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.is_symlink() or path.exists():
            path.unlink()
        else:
            continue
        gone.append(name)
    return gone


def _beside(folder: Path, outs: Collection[Path]) -> Iterator[Path]:
    """Topmost paths in `folder` that neither are nor hold an output of a stage."""
    if not folder.is_dir() or folder in outs:
        return
    for path in sorted(folder.iterdir()):
        if any(out.is_relative_to(path) for out in outs):
            yield from _beside(path, outs)
        elif not _is_dvcs_own(path):
            yield path


def _is_dvcs_own(path: Path) -> bool:
    """True for files that DVC itself keeps beside outputs."""
    return path.suffix == ".dvc" or path.name in (".gitignore", "dvc.yaml", "dvc.lock")


def _affected_files(build: Path, scope: TakedownScope, workspace: ProjectPaths) -> Untracked:
    found = Untracked()
    files = [path for path in sorted(build.rglob("*")) if path.is_file()] if scope.names else []
    files = [path for path in files if not path.is_relative_to(workspace.evidence)]
    database = workspace.root / _REVIEW / "mongodb"
    if scope.names and database.is_dir():
        found.names.append(workspace.relative(database))
        files = [path for path in files if not path.is_relative_to(database)]
    for path in files:
        try:
            if affected_objects.is_affected(path, scope):
                found.names.append(workspace.relative(path))
        except (Unexaminable, OSError) as error:
            found.unreadable.append(f"{workspace.relative(path)}: {error}")
    if files:
        found.by_hand.append(
            "No output in build/ is tracked by DVC, so only files were removed there that hold an erased "
            "picture. Remove networks and caches that were made from the pictures yourself."
        )
    return found
