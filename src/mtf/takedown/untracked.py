"""What lies in `build/` and is no output that DVC tracks: caches, the room, exports, comparisons; and experiments."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dvc.repo import Repo

from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.takedown import affected_objects
from mtf.takedown.file_contents import Unexaminable
from mtf.takedown.scope import TakedownScope

# A label classifier is fitted to pictures.
FITTED = PATHS_IN_PROJECT.stage("label").as_posix()
_EXPERIMENTS = ".dvc/tmp/exps"


@dataclass
class Untracked:
    """`names` are to be removed, relative to the project's root; `unreadable` could not be looked through; `by_hand`
    is what only people can tell.
    """

    names: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)


def find(scope: TakedownScope, workspace: ProjectPaths, repo: Repo) -> Untracked:
    """What to remove of all that DVC does not track.

    Beside the outputs of stages it goes whole: any picture may be in it, and it is made again when it is wanted, so
    whoever adds another cache need not tell this module. Where DVC tracks no output in `build/` the same rule would
    take all of it, trained networks too, and no `dvc repro` would bring it back: there only the files go that hold an
    erased picture.
    """
    build = workspace.build
    outs = {Path(out.fs_path) for out in repo.index.outs if out.is_in_repo}
    if any(out.is_relative_to(build) for out in outs):
        found = Untracked([workspace.relative(path) for path in _beside(build, outs)])
    else:
        found = _holding(build, scope, workspace)
    if (workspace.root / _EXPERIMENTS).exists():
        found.names.append(_EXPERIMENTS)
    return found


def clear(workspace: ProjectPaths, names: Iterable[str]) -> list[str]:
    """Remove them; returns what was removed."""
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
    if not folder.is_dir() or folder in outs:
        return
    for path in sorted(folder.iterdir()):
        if any(out.is_relative_to(path) for out in outs):
            yield from _beside(path, outs)
        elif not _is_dvcs_own(path):
            yield path


def _is_dvcs_own(path: Path) -> bool:
    return path.suffix == ".dvc" or path.name in (".gitignore", "dvc.yaml", "dvc.lock")


def _holding(build: Path, scope: TakedownScope, workspace: ProjectPaths) -> Untracked:
    found = Untracked()
    files = [path for path in sorted(build.rglob("*")) if path.is_file()] if scope.names else []
    for path in files:
        try:
            if affected_objects.is_held_by(path, scope):
                found.names.append(workspace.relative(path))
        except (Unexaminable, OSError) as error:
            found.unreadable.append(f"{workspace.relative(path)}: {error}")
    if files:
        found.by_hand.append(
            "No output in build/ is tracked by DVC: of what lies there only files were removed that hold an erased "
            "picture. Networks and caches that were made from the pictures are yours to remove."
        )
    return found
