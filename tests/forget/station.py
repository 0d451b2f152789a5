"""A weather station's data under git and DVC: single files, a folder of some hundred files, and two remotes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from dvc.repo import Repo

from projects import run_in

READINGS = 400
SECRET = b"the neighbour's garden, 3 May: "
"""Beginning of each content to forget."""


def reading(number: int) -> bytes:
    return f"reading {number:05d}: 17.4 degrees\n".encode() * 3


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Station:
    """Repository of a weather station.

    - `root`: the repository;
    - `remotes`: two folders.
    """

    def __init__(self, base: Path) -> None:
        self.root, self.remotes = base / "station", [base / "near", base / "far"]
        self.root.mkdir(parents=True)
        run_in(self.root, "git", "init", "-q", "-b", "main")
        Repo.init(str(self.root))
        lines = ["[core]", "    remote = near", "    analytics = false"]
        for remote in self.remotes:
            remote.mkdir()
            lines += [f"['remote \"{remote.name}\"']", f"    url = {remote}"]
        (self.root / ".dvc/config").write_text("\n".join(lines) + "\n")

    def write(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def commit(self, message: str, *tracked: str, push: bool = True) -> str:
        """Track files, commit, and push to both remotes. Returns the commit."""
        with Repo(str(self.root)) as repo:
            repo.add([str(self.root / name) for name in tracked])
            run_in(self.root, "git", "add", "-A")
            run_in(self.root, "git", "commit", "-q", "-m", message)
            for remote in self.remotes if push else ():
                repo.push(remote=remote.name)
        return run_in(self.root, "git", "rev-parse", "HEAD").strip()

    def grow(self) -> None:
        """Four versions: on main, on a branch, at a tag; a stash; and a secret in each."""
        for number in range(READINGS):
            self.write(f"readings/{number % 50:02d}/{number:05d}.txt", reading(number))
        self.write("readings/07/garden.txt", SECRET + b"first draft")
        self.write("model.bin", b"weights of spring " * 50)
        self.write("notes.txt", SECRET + b"notes")
        self.commit("v1", "readings", "model.bin", "notes.txt")
        run_in(self.root, "git", "tag", "v1")
        run_in(self.root, "git", "checkout", "-q", "-b", "side")
        self.write("readings/07/garden.txt", SECRET + b"second draft, on a branch")
        self.commit("v2", "readings")
        run_in(self.root, "git", "checkout", "-q", "main")
        self.write("readings/07/garden.txt", SECRET + b"third draft")
        self.write("model.bin", b"weights of summer " * 50)
        self.commit("v3", "readings", "model.bin")
        self.write("readings/07/garden.txt", SECRET + b"stashed draft")
        with Repo(str(self.root)) as repo:
            repo.add([str(self.root / "readings")])
        run_in(self.root, "git", "stash", "-q")
        with Repo(str(self.root)) as repo:
            repo.checkout(force=True)

    def holding(self, needle: bytes) -> list[Path]:
        """Files of repository and remotes with these bytes, git's packed objects included."""
        folders = [self.root, *self.remotes]
        found = [
            path for folder in folders for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()
        ]
        objects = subprocess.run(
            ("git", "cat-file", "--batch-all-objects", "--batch"), cwd=self.root, capture_output=True, check=True
        )
        return [*found, *([self.root / ".git"] if needle in objects.stdout else [])]

    def checked_out(self, revision: str, to: Path) -> dict[str, bytes]:
        """All files of a version, in a fresh clone with an empty cache, from the second remote alone."""
        shutil.rmtree(to, ignore_errors=True)
        run_in(self.root, "git", "clone", "-q", str(self.root), str(to))
        run_in(to, "git", "checkout", "-q", revision)
        shutil.copy(self.root / ".dvc/config", to / ".dvc/config")
        with Repo(str(to)) as repo:
            repo.pull(remote="far")
        return {
            str(path.relative_to(to)): path.read_bytes()
            for path in sorted(to.rglob("*"))
            if path.is_file() and not {".git", ".dvc"} & {*path.relative_to(to).parts}
        }
