"""Repository of a new project: a folder that appears whole or not at all, with git, DVC and a first commit."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from mtf.core import atomic_folders, dvc_cli, extras
from mtf.core.atomic_files import write_text
from mtf.core.errors import BadInput, MtfError, bad_value
from mtf.core.project_paths import ProjectPaths
from mtf.project import templates

REMOTE = "storage"
_EXTRA_OF_SCHEME = {"s3": "s3", "ssh": "ssh", "gs": "gcs", "azure": "azure"}
"""Scheme of a remote's address → the extra that DVC needs for it."""
_IGNORED_BY_GIT = """\
.venv/
__pycache__/
/build/
/plots/
/models/
/*.failures.jsonl
"""
_IGNORED_BY_DVC = """\
# Files of a killed writer: never part of a version.
.*.part
__pycache__/
"""


@contextmanager
def new_folder(folder: Path) -> Generator[ProjectPaths]:
    """Yield a project beside `folder` to write to. On success it becomes `folder`; on failure nothing of it is left.

    What killed runs have left beside `folder` is removed first.
    Raises BadInput if `folder` has files, or if its parent is no folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder}: exists and is not empty; name a new folder")
    if not folder.parent.is_dir():
        raise BadInput(f"{folder.parent}: no such folder; a project is made in a folder that exists")
    try:
        with atomic_folders.replacing(folder) as beside:
            yield ProjectPaths(beside)
    except OSError as error:
        raise MtfError(f"{folder}: {error.strerror or error}") from None


def check_tools(remote: str | None) -> None:
    """Check that git can commit, and that DVC can reach a remote with such an address.

    Raises MtfError or BadInput with what to install or to type.
    """
    if shutil.which("git") is None:
        raise MtfError("git: not found; a project's versions are kept with it: install git")
    if _git(Path.cwd(), "var", "GIT_COMMITTER_IDENT").returncode != 0:
        raise MtfError(
            "git: it does not know who commits; run `git config --global user.name NAME` and "
            "`git config --global user.email ADDRESS`"
        )
    scheme = urlsplit(remote or "").scheme
    extra = _EXTRA_OF_SCHEME.get(scheme)
    if extra is not None and extras.lacking(extra):
        raise bad_value("--remote", remote, f"a folder; {extras.install(extra)} permits {scheme}:// addresses")


def begin(workspace: ProjectPaths) -> None:
    """Initialise git and DVC, with what they ignore and the templates of the plots."""
    _check("git", _git(workspace.root, "init", "--quiet", "--initial-branch", "main"))
    _dvc(workspace, "init", "--quiet")
    write_text(workspace.root / ".gitignore", _IGNORED_BY_GIT)
    write_text(workspace.root / ".dvcignore", _IGNORED_BY_DVC)
    for name, text in templates.plot_templates().items():
        write_text(workspace.root / templates.PLOTS / name, text)


def record(workspace: ProjectPaths, *, remote: str, message: str) -> None:
    """Name the default remote, record `data/` with DVC, and commit everything."""
    _dvc(workspace, "remote", "add", "--default", REMOTE, remote)
    _dvc(workspace, "add", "--quiet", workspace.relative(workspace.data))
    _check("git add", _git(workspace.root, "add", "--all"))
    _check("git commit", _git(workspace.root, "commit", "--quiet", "--message", message))


def remote_address(remote: str | None, folder: Path) -> str:
    """Address of the remote as DVC is given it inside `folder`; by default a folder beside it.

    A relative path is one of the current folder.
    """
    if remote is None:
        return f"../{folder.name}-storage"
    if urlsplit(remote).scheme or Path(remote).is_absolute():
        return remote
    return os.path.relpath(Path(remote).resolve(), folder.resolve())


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(("git", *arguments), cwd=folder, capture_output=True, text=True, check=False)


def _dvc(workspace: ProjectPaths, *arguments: str) -> None:
    _check(f"dvc {arguments[0]}", dvc_cli.dvc(*arguments, root=workspace.root))


def _check(command: str, done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        raise MtfError(f"{command}: {' '.join(last)}")
