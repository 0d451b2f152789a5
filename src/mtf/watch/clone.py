"""Clone in which a run of `mtf watch` works, until its commit is whole and the project is moved on to it.

The clone lies in `.dvc/tmp`, beside DVC's own temporary clones. It shares git's objects and DVC's cache with the
project; its files are links into the cache, so a large data set is not copied. A killed run's clone is taken up by the
next run if the project still stands where the run began.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from configobj import ConfigObj, ConfigObjError

from mtf.core import atomic_files, dvc_cli
from mtf.core.errors import BadInput, MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.watch.run_changes import CHANGELOG

FOLDER, BASE, UNFINISHED = "mtf-watch", "mtf-watch.base", "mtf-watch.checkout"
LOCK_FILE, PIPELINE_FILE = "dvc.lock", "dvc.yaml"
# Links first: a copy of all pictures in each run would be the data set once more.
_LINKS = "reflink,hardlink,symlink,copy"

_DVC_COMMANDS = """
import json, sys
from dvc.cli import main
for place, command in enumerate(json.loads(sys.argv[1]), 1):
    if main(command):
        sys.exit(place)
"""


@dataclass(frozen=True)
class Git:
    """Git and DVC in one folder.

    keeps_open: descriptors that child processes inherit.
    """

    folder: Path
    keeps_open: tuple[int, ...] = ()

    def __call__(self, *arguments: str) -> str:
        """Output of a git command. Raises MtfError with git's message if it fails."""
        return self._run(("git", *arguments), "git " + arguments[0])

    def succeeds(self, *arguments: str) -> bool:
        """True if a git command ends with 0."""
        return subprocess.run(("git", *arguments), cwd=self.folder, capture_output=True, check=False).returncode == 0

    def dvc(self, *commands: Sequence[str], advice: str = "") -> None:
        """Run DVC commands, one after the other in one process: DVC takes a second to start.

        Raises MtfError with DVC's last lines for the first one that fails.
        """
        names = (f"dvc {command[0]}" for command in commands)
        self._run((sys.executable, "-c", _DVC_COMMANDS, json.dumps(commands)), *names, advice=advice)

    def _run(self, command: Sequence[str], *names: str, advice: str = "") -> str:
        """Output of a command. names: of its parts; it exits with the number of the one that fails, from 1."""
        # Stages are commands of this environment, whatever the path of the job that started this one.
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"},
            capture_output=True,
            text=True,
            check=False,
            pass_fds=self.keeps_open,
        )
        if status := done.returncode:
            name = names[status - 1] if 0 < status <= len(names) else names[0]
            said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            raise MtfError(f"{name}: {' '.join(' '.join(said[-4:]).split())[:600] or status}{advice}")
        return done.stdout.strip()


@dataclass(frozen=True)
class Project:
    """Project that is watched: the root of its git repository, and its place in it."""

    workspace: ProjectPaths
    git: Git

    @classmethod
    def of(cls, workspace: ProjectPaths, keeps_open: tuple[int, ...]) -> Project:
        """Project at `workspace`. Raises MtfError if a run could not be committed there."""
        git = Git(workspace.root, keeps_open)
        if not dvc_cli.is_tracked(workspace.root) or not git.succeeds("rev-parse", "HEAD"):
            raise MtfError(f"{workspace.root}: no DVC repository with a commit; `dvc init` and a first commit make one")
        if not git.succeeds("symbolic-ref", "--quiet", "HEAD"):
            raise MtfError(f"{workspace.root}: HEAD is on no branch; `git switch BRANCH` first")
        if not git.succeeds("var", "GIT_COMMITTER_IDENT"):
            raise MtfError(
                "git: it does not know who commits; run `git config user.name NAME` and `git config user.email ADDRESS`"
            )
        return cls(workspace, git)

    @property
    def temporary(self) -> Path:
        return self.workspace.root / ".dvc/tmp"

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def refuse_changes(self) -> None:
        """Raise MtfError if a tracked file has changes, or one that a run adds is there untracked."""
        written = [out["path"] for entry in _stages(self.git, LOCK_FILE).values() for out in entry.get("outs", ())]
        untracked = self.git("ls-files", "--others", "--exclude-standard", "--", *written, CHANGELOG).splitlines()
        changed = [*self.git("diff", "--name-only", "HEAD").splitlines(), *untracked]
        if changed:
            names = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
            raise MtfError(f"not committed: {names}; commit them, or undo them, and run this again")


def finish_checkout(project: Project) -> None:
    """Bring the files of a run's commit into the project, if a killed run could not."""
    marker = project.temporary / UNFINISHED
    if not marker.is_file():
        return
    commit, *stages = marker.read_text(encoding="utf-8").split() or [""]
    if project.head == commit and stages:
        advice = "; the run's commit is there, its files are not: `dvc checkout --force` brings them"
        project.git.dvc(("checkout", *stages), advice=advice)  # without --quiet, which would hide why it fails
    marker.unlink()


class Clone:
    """Clone of a project at its HEAD."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._folder = project.temporary / FOLDER
        self._base_file = project.temporary / BASE
        prefix = project.git("rev-parse", "--show-prefix")
        self.workspace = ProjectPaths(self._folder / prefix if prefix else self._folder)
        self.git = Git(self.workspace.root, project.git.keeps_open)

    def open(self, until: str, *, now: datetime) -> datetime:
        """Take up a killed run's clone, or make a new one, with the files of the stages up to `until`.

        Returns the time at which the run began: `now`, or for a killed run, the time at which that one began. Raises
        MtfError if the files of a stage are not in DVC's cache, or if the stages have not run yet.
        """
        if (began := self._began()) is not None:
            for left in (self.workspace.root / ".dvc/tmp").glob("rwlock*"):
                left.unlink()  # of a killed process
            return began
        self.remove()
        self._make()
        advice = "; `dvc pull` in the project brings what its cache lacks"
        try:
            self.git.dvc(("checkout", "--quiet", "--with-deps", until), advice=advice)
        except MtfError:
            if any(name.partition("@")[0] == until for name in _stages(self.git, LOCK_FILE)):
                raise
            if until not in (known := _stages(self.git, PIPELINE_FILE)):
                raise BadInput(
                    f"params.yaml: watch.until: no stage {until!r}; the stages: {', '.join(known)}"
                ) from None
            raise MtfError(
                f"{LOCK_FILE}: the last commit has no run of the stage {until}; run `dvc repro {until}`, commit "
                f"{LOCK_FILE}, and run this again"
            ) from None
        atomic_files.write_text(self._base_file, f"{self._project.head} {now.isoformat()}")
        return now

    def _began(self) -> datetime | None:
        """Time at which a killed run of this commit began; None if there is no such run, or its clone is gone."""
        try:
            commit, _, began = self._base_file.read_text("utf-8").partition(" ")
            time = datetime.fromisoformat(began)
        except (FileNotFoundError, ValueError):  # or it is damaged, or of an earlier version
            return None
        return time if commit == self._project.head and self.workspace.root.is_dir() else None

    def _make(self) -> None:
        project = self._project
        top = project.git("rev-parse", "--show-toplevel")
        project.git("clone", "--quiet", "--shared", "--no-tags", top, str(self._folder))
        for name in ("user.name", "user.email"):
            if project.git.succeeds("config", name):
                self.git("config", name, project.git("config", name))
        try:
            local = ConfigObj(str(project.workspace.root / ".dvc/config.local"), encoding="utf-8")
        except (ConfigObjError, UnicodeDecodeError) as error:
            raise MtfError(f".dvc/config.local: DVC cannot read it: {error}") from None
        local.setdefault("cache", {}).update({"dir": dvc_cli.cache_dir(project.workspace.root), "type": _LINKS})
        local.filename = str(self.workspace.root / ".dvc/config.local")
        local.write()

    @property
    def is_committed(self) -> bool:
        """True if the run's commit is made."""
        return self.git("rev-parse", "HEAD") != self._project.head

    def commit(self, message: str) -> None:
        """Commit all changes of the clone."""
        self.git("add", "--all", ".")
        self.git("commit", "--quiet", "--message", message)

    def publish(self) -> str:
        """Move the project on to the clone's commit, and bring its files; returns the commit.

        Raises MtfError, and changes nothing, if the project was moved on meanwhile. From the move on, a killed run is
        finished by the next one.
        """
        project, commit = self._project, self.git("rev-parse", "HEAD")
        stages = _changed_stages(self.git)
        atomic_files.write_text(project.temporary / UNFINISHED, " ".join((commit, *stages)))
        project.git("fetch", "--quiet", str(self._folder), "HEAD")
        try:
            project.git("merge", "--quiet", "--ff-only", commit)
        except MtfError as error:
            (project.temporary / UNFINISHED).unlink()
            raise MtfError(
                f"the project changed while this ran, and was left as it is; run this again: {error}"
            ) from None
        finish_checkout(project)
        self.remove()
        return commit

    def remove(self) -> None:
        self._base_file.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)


def _changed_stages(git: Git) -> list[str]:
    """Stages of dvc.lock that the last commit changed."""
    old, new = (_stages(git, LOCK_FILE, revision) for revision in ("HEAD~1", "HEAD"))
    return sorted(name for name, entry in new.items() if old.get(name) != entry)


def _stages(git: Git, file: str, revision: str = "HEAD") -> dict[str, dict[str, Any]]:
    """Stages of a dvc.yaml or dvc.lock at a revision; empty if it has no such file."""
    if not git.succeeds("cat-file", "-e", f"{revision}:./{file}"):
        return {}
    content = yaml.safe_load(git("show", f"{revision}:./{file}"))
    return dict((content or {}).get("stages") or {})
