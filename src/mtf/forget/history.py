"""History of the files that DVC tracks: of every commit, of the workspace, and of folder listings of no commit.

- Objects without a version: two runs before one commit, an amended commit, a dropped stash or a dropped experiment
  leave objects that no version names. They are found in the object stores. DVC's folder listings, which are objects
  too, give names to most of them; the others are `History.unnamed`.
- Completeness of the clone: without a commit, its tracked files are not known. `shallow_clone` and `git_damage` check
  this with git, before DVC reads the history. DVC raises errors of its libraries if a commit or folder is missing, and
  waits for ever if the content of a file is missing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import polars as pl
import pyarrow as pa
import pyarrow.parquet
from dvc.output import Output
from dvc.repo import Repo
from dvc.repo.index import Index

from mtf.core.errors import MtfError, listed
from mtf.forget.object_store import ObjectIndex

WORKSPACE = "workspace"
NO_VERSION = "no version"
_LISTING = ".dir"
# DVC names the revision in some messages; without it, one fault of many revisions is one line.
_OF_REVISION = re.compile(r" in revision '[0-9a-f]+'")
_UNFINISHED = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part")
# At most so many objects are named in a message.
_SHOWN = 3
_BY_HAND = "replace the .git folder by that of a full clone"
FETCH = "`git fetch --refetch --no-filter` brings it if a remote has it"
MEND = f"{FETCH}; else {_BY_HAND}"
UNNAME = f"{FETCH}; else `git update-ref -d` that name if nobody wants it, or {_BY_HAND}"
CLEAR = f"remove these files (`git fsck` names them), then {FETCH}; else {_BY_HAND}"
UNSHALLOW = "`git fetch --unshallow` brings them"


@dataclass
class FileVersion:
    """Tracked file with one content.

    - `path`: relative to the repository's root, with `/`;
    - `oid`: md5 of the content;
    - `revisions`: revisions that have it there (first 12 digits of the commit, WORKSPACE or NO_VERSION);
    - `listings`: md5 of the tracked folders' listings that contain it, or its own md5.
    """

    path: str
    oid: str
    revisions: list[str] = field(default_factory=list)
    listings: set[str] = field(default_factory=set)

    @property
    def name(self) -> PurePosixPath:
        """Path of the file, for its name, suffix and parents."""
        return PurePosixPath(self.path)

    @property
    def is_unversioned(self) -> bool:
        """True if only a listing of no version names the file, so that its folder is not known."""
        return self.revisions == [NO_VERSION]


class History:
    """All versions of all tracked files.

    - `versions`: the files, sorted by path and md5;
    - `unnamed`: objects (md5) of the stores that no listing names;
    - `missing_listings`: tracked folders, "PATH at REVISION", whose listing no store has; their files are not known;
    - `faults`: error of a DVC file (a `dvc.yaml` committed half merged) → revisions with it. The other DVC files of
      such a revision are read.
    """

    def __init__(self, repo: Repo, index: ObjectIndex) -> None:
        self.index = index
        self.root = Path(repo.root_dir)
        self.missing_listings: set[str] = set()
        self.faults: dict[str, list[str]] = {}
        self._contents: dict[str, list[tuple[str, str]] | None] = {}
        self._versions: dict[tuple[str, str], FileVersion] = {}
        for revision, path, oid, listing in self._tracked(repo):
            self._add(revision, path, oid, listing)
        self._add_unversioned()
        self.versions = sorted(self._versions.values(), key=lambda version: (version.path, version.oid))
        named = {version.oid for version in self.versions}
        self.unnamed = sorted(oid for oid in index.objects - named if not oid.endswith(_LISTING))

    @property
    def fault_lines(self) -> list[str]:
        """Faults as text, one line each, with their revisions."""
        return [f"{why}, at {listed(revisions, 4)}" for why, revisions in self.faults.items()]

    def tables(self, *paths: str, columns: Collection[str]) -> Iterator[tuple[list[str], pl.DataFrame]]:
        """Parquet tables at one of `paths`, reduced to `columns`, each with its revisions.

        Includes files of the same name whose folder is not known, and unnamed objects, if they have these columns.
        Objects that cannot be read as a table are skipped.
        """
        for version in self._at(*paths):
            yield from ((version.revisions, table) for table in self._table(version.oid, columns))
        for oid in self.unnamed:
            yield from (([NO_VERSION], table) for table in self._table(oid, columns))

    def texts(self, path: str) -> Iterator[bytes]:
        """Contents of the file at `path` in all versions, and of files of that name whose folder is not known."""
        for oid in sorted({version.oid for version in self._at(path)}):
            if (data := self.index.read(oid)) is not None:
                yield data

    def _at(self, *paths: str) -> Iterator[FileVersion]:
        names = {PurePosixPath(path).name for path in paths}
        return (
            each for each in self.versions if each.path in paths or (each.is_unversioned and each.name.name in names)
        )

    def _table(self, oid: str, columns: Collection[str]) -> Iterator[pl.DataFrame]:
        with self.index.open(oid) as file:
            if file is None or file.read(4) != b"PAR1":
                return
            try:
                table = pa.parquet.ParquetFile(file)
                if set(columns) <= set(table.schema_arrow.names):
                    yield pl.DataFrame(pl.from_arrow(table.read(columns=list(columns))))
            except pa.ArrowException:
                return

    def _tracked(self, repo: Repo) -> Iterator[tuple[str, str, str, str]]:
        for revision in repo.brancher(all_branches=True, all_tags=True, all_commits=True, all_experiments=True):
            for out in self._outs(repo, revision[:12]):
                if not out.hash_info or out.hash_info.value is None or not out.is_in_repo:
                    continue
                path = "/".join(out.index_key[1])
                oid = str(out.hash_info.value)
                if not out.hash_info.isdir:
                    yield revision[:12], path, oid, oid
                    continue
                members = self._listed(oid)
                if members is None:
                    self.missing_listings.add(f"{path} at {revision[:12]}")
                    continue
                yield from ((revision[:12], f"{path}/{name}", member, oid) for name, member in members)

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
        named: dict[str, list[FileVersion]] = {}
        for version in self._versions.values():
            named.setdefault(version.oid, []).append(version)
        for listing in sorted(oid for oid in self.index.objects if oid.endswith(_LISTING)):
            if listing in self._contents:
                continue
            for name, member in self._listed(listing) or ():
                for version in named.get(member, ()):
                    version.listings.add(listing)
                if member not in named:
                    self._add(NO_VERSION, f"({listing[:8]})/{name}", member, listing)

    def _add(self, revision: str, path: str, oid: str, listing: str) -> None:
        version = self._versions.setdefault((path, oid), FileVersion(path, oid))
        if revision not in version.revisions:
            version.revisions.append(revision)
        version.listings.add(listing)

    def _listed(self, listing: str) -> list[tuple[str, str]] | None:
        """Names and md5 of the files of a tracked folder; None if no store has a readable listing."""
        if listing not in self._contents:
            self._contents[listing] = _parsed(self.index.read(listing))
        return self._contents[listing]


def finished_name(name: PurePosixPath) -> PurePosixPath:
    """Final name of a file: that of an unfinished atomic write (`.NAME.XXXXXXXX.part`) is NAME."""
    unfinished = _UNFINISHED.fullmatch(name.name)
    return name.with_name(unfinished[1]) if unfinished else name


def _parsed(listing: bytes | None) -> list[tuple[str, str]] | None:
    if listing is None:
        return None
    try:
        return [(str(entry["relpath"]), str(entry["md5"])) for entry in json.loads(listing)]
    except (ValueError, TypeError, KeyError):
        return None


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
