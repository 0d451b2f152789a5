"""History of the files that DVC tracks: of every commit, of the workspace, and of folder listings of no commit.

- Objects without a version: two runs before one commit, an amended commit, a dropped stash or a dropped experiment
  leave objects that no version names. They are found in the object stores. DVC's folder listings, which are objects
  too, give names to most of them; the others are `History.unnamed`.
- Completeness of the clone: without a commit, its tracked files are not known. `shallow_clone` and `git_damage` check
  this with git, before DVC reads the history. DVC raises errors of its libraries if a commit or folder is missing, and
  waits for ever if the content of a file is missing.
"""

from __future__ import annotations

import gc
import os
import re
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from dvc.output import Output
from dvc.repo import Repo
from dvc.repo.index import Index
from dvc.scm import NoSCM

from mtf.core.errors import MtfError, listed
from mtf.forget.committed_outputs import committed_outputs
from mtf.forget.file_versions import NO_VERSION, FileVersion, TrackedFolder, parsed_listing
from mtf.forget.object_store import ObjectIndex
from mtf.forget.version_aware import VersionAwareStore

WORKSPACE = "workspace"
_LISTING = ".dir"
# DVC names the revision in some messages; without it, one fault of many revisions is one line.
_OF_REVISION = re.compile(r" in revision '[0-9a-f]+'")
# At most so many objects are named in a message.
_SHOWN = 3
_BY_HAND = "replace the .git folder by that of a full clone"
FETCH = "`git fetch --refetch --no-filter` brings it if a remote has it"
MEND = f"{FETCH}; else {_BY_HAND}"
UNNAME = f"{FETCH}; else `git update-ref -d` that name if nobody wants it, or {_BY_HAND}"
CLEAR = f"remove these files (`git fsck` names them), then {FETCH}; else {_BY_HAND}"
UNSHALLOW = "`git fetch --unshallow` brings them"


class History:
    """All versions of all tracked files.

    - `versions`: the files, sorted by path and md5;
    - `unnamed`: objects (md5) of the stores that no listing names;
    - `missing_listings`: tracked folders, "PATH at REVISION", whose listing no store has; their files are not known;
    - `faults`: error of a DVC file (a `dvc.yaml` committed half merged) → revisions with it. The other DVC files of
      such a revision are read.
    """

    def __init__(self, repo: Repo, index: ObjectIndex, progress: Callable[[int, int], object] | None = None) -> None:
        """`progress` is called with the number of commits that were read, and of all."""
        self.index = index
        self.root = Path(repo.root_dir)
        self.missing_listings: set[str] = set()
        self.faults: dict[str, list[str]] = {}
        self._read_listings: set[str] = set()
        self._versions: dict[tuple[str, str], FileVersion] = {}
        self._folders: dict[str, TrackedFolder] = {}
        with _without_garbage_collection():
            self._read(repo, progress)

    def _read(self, repo: Repo, progress: Callable[[int, int], object] | None) -> None:
        for (path, oid), revisions in self._tracked(repo, progress).items():
            self._add_output(revisions, path, oid)
        for folder in self._folders.values():
            for name, oid in folder.numbers:
                path = f"{folder.path}/{name}"
                version = self._versions.get((path, oid))
                if version is None:
                    version = self._versions[path, oid] = FileVersion(path, oid)
                version.add_folder(folder)
        self._add_unversioned()
        self.versions = sorted(self._versions.values(), key=lambda version: (version.path, version.oid))
        named = {version.oid for version in self.versions}
        self._tell_paths()
        self.unnamed = sorted(oid for oid in self.index.objects - named if not oid.endswith(_LISTING))

    def _tell_paths(self) -> None:
        """Tell stores that keep files under their own names where each content may be."""
        for store in self.index.stores:
            if isinstance(store, VersionAwareStore):
                for version in self.versions:
                    store.paths.setdefault(version.oid, set()).add(version.path)

    @property
    def fault_lines(self) -> list[str]:
        """Faults as text, one line each, with their revisions."""
        return [f"{why}, at {listed(revisions, 4)}" for why, revisions in self.faults.items()]

    def texts(self, path: str) -> Iterator[bytes]:
        """Contents of the file at `path` in all versions, and of files of that name whose folder is not known."""
        for oid in sorted({version.oid for version in self.at(path)}):
            if (data := self.index.read(oid)) is not None:
                yield data

    def at(self, *paths: str) -> Iterator[FileVersion]:
        """Versions of the files at `paths`, and files of the same name whose folder is not known."""
        names = {PurePosixPath(path).name for path in paths}
        return (
            each for each in self.versions if each.path in paths or (each.is_unversioned and each.name.name in names)
        )

    def _tracked(self, repo: Repo, progress: Callable[[int, int], object] | None) -> dict[tuple[str, str], list[str]]:
        """Path and md5 of each output → revisions that have it: of the workspace by DVC, of the commits by git."""
        found: dict[tuple[str, str], list[str]] = {}
        for out in self._outs(repo, WORKSPACE):
            if out.hash_info and out.hash_info.value is not None and out.is_in_repo:
                found["/".join(out.index_key[1]), str(out.hash_info.value)] = [WORKSPACE]
        if isinstance(repo.scm, NoSCM):
            return found
        for commit in committed_outputs(self.root, progress):
            for fault in commit.faults:
                self.faults.setdefault(fault, []).append(commit.revision)
            for path, oid in dict.fromkeys(commit.outputs):
                found.setdefault((path, oid), []).append(commit.revision)
        return found

    def _add_output(self, revisions: list[str], path: str, oid: str) -> None:
        if not oid.endswith(_LISTING):
            self._versions[path, oid] = FileVersion(path, oid, revisions, [oid])
            return
        content = self._content(oid)
        folder = self._folders.setdefault(path, TrackedFolder(path))
        if content is None or not folder.add(oid, revisions, content):
            self.missing_listings |= {f"{path} at {revision}" for revision in revisions}

    def _outs(self, repo: Repo, revision: str) -> list[Output]:
        """Outputs that the DVC files of a revision track, without those of unreadable files."""
        try:
            return list(Index.from_repo(repo, onerror=lambda _, error: self._note(revision, error)).outs)
        except Exception as error:  # a malformed DVC file may raise anything
            self._note(revision, error)
            return []

    def _note(self, revision: str, error: Exception) -> None:
        why = _OF_REVISION.sub("", " ".join(str(error).split()))[:160] or type(error).__name__
        revisions = self.faults.setdefault(why, [])
        if revision not in revisions:
            revisions.append(revision)

    def _add_unversioned(self) -> None:
        """Add the files of listings that no version names; a file that has a version only gets the listing."""
        unread = sorted(oid for oid in self.index.objects if oid.endswith(_LISTING) and oid not in self._read_listings)
        if not unread:
            return
        named: dict[str, list[FileVersion]] = {}
        for version in self._versions.values():
            named.setdefault(version.oid, []).append(version)
        for listing in unread:
            for name, member in parsed_listing(self._content(listing)) or ():
                for version in named.get(member, ()):
                    version.add_listing(listing)
                if member not in named:
                    path = f"({listing[:8]})/{name}"
                    version = self._versions.setdefault((path, member), FileVersion(path, member, [NO_VERSION]))
                    version.add_listing(listing)

    def _content(self, listing: str) -> bytes | None:
        """Content of a listing; None if no store has it."""
        self._read_listings.add(listing)
        return self.index.read(listing)


@contextmanager
def _without_garbage_collection() -> Generator[None]:
    """Pause Python's search for cyclic garbage, which takes half the time while 100,000 files are noted."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def shallow_clone(root: Path) -> str | None:
    """Message on the versions that a shallow clone lacks, and what to do; None for a full clone."""
    named = git(root, "rev-parse", "--git-path", "shallow").stdout.strip()
    path = root / named
    commits = path.read_text(encoding="ascii").split() if named and path.is_file() else []
    return (
        f"this clone is shallow: versions before {listed(commits, _SHOWN)} are not here; {UNSHALLOW}"
        if commits
        else None
    )


def git_damage(root: Path) -> str | None:
    """Message on objects that git's history names and that are missing or unreadable, and what to do.

    None if all are there, or if `root` is not in a git repository. A partial clone (`--filter`) lacks objects that it
    has not needed yet.
    """
    if git(root, "rev-parse", "--git-dir").returncode != 0:
        return None
    # With a commit-graph, git does not notice that a commit's object is missing.
    walk = ("-c", "core.commitGraph=false", "rev-list", "--all", "--objects", "--no-object-names", "--missing=print")
    named = git(root, *walk)
    if named.returncode != 0:
        return f"git cannot follow its history ({_one_line(named.stderr)}); {_remedy(named.stderr)}"
    objects = named.stdout.split()
    if lacking := [each.removeprefix("?") for each in objects if each.startswith("?")]:
        return f"git lacks {listed(lacking, _SHOWN)}, which its history names; {MEND}"
    if broken := _unreadable(root, objects):
        return f"git cannot read {listed(broken, _SHOWN)}, which its history names; {CLEAR}"
    return None


def _unreadable(root: Path, objects: list[str]) -> list[str]:
    """Objects whose header git cannot read, such as files left empty by a full disk."""
    names = "".join(f"{each}\n" for each in objects)
    lines = git(root, "cat-file", "--buffer", "--batch-check=%(objecttype)", stdin=names).stdout.splitlines()
    return [line.removesuffix(" missing") for line in lines if line.endswith(" missing")]


def _remedy(message: str) -> str:
    """Advice for an error of git's walk. A ref to a missing object ("bad object") stops a fetch too."""
    if "bad object" in message:
        return UNNAME
    return CLEAR if "corrupt" in message else MEND


def _one_line(message: str) -> str:
    """Error messages of git on one line, without repetition, at most 300 characters."""
    lines = dict.fromkeys(line.partition(": ")[2] or line for line in message.splitlines())
    return "; ".join(lines)[:300]


def git(root: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run git in `root`, with messages in English (callers read them). Raises MtfError if git is not installed."""
    try:
        return subprocess.run(
            ("git", *arguments),
            cwd=root,
            env=os.environ | {"LC_ALL": "C"},
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        if error.filename != "git":  # the folder
            raise
        raise MtfError("git is not installed: no `git` is on the PATH") from None
