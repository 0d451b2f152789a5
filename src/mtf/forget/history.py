"""What DVC tracked: in every version that git knows, in the workspace, and in listings that no version names.

Two runs before one commit, a commit that was amended, a stash or an experiment that was dropped leave objects
behind that no version refers to. They are looked for in the places themselves. DVC's listings of folders, which are
objects too, give most of them their names; what is left has none (`History.nameless`).

Whether this clone has all that git's history names: without a commit, nobody can say what its version tracked.

Git is asked before DVC reads its history: where a commit or a folder is not there, DVC's readers of git raise whatever
their libraries do, and where a file's content is not there, they wait for it for ever.
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
# DVC names the revision in some messages; here one fault of many revisions is told once.
_OF_REVISION = re.compile(r" in revision '[0-9a-f]+'")
_UNFINISHED = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part")


@dataclass
class FileVersion:
    """One tracked file with one content, and the revisions that have it there."""

    path: str
    oid: str
    revisions: list[str] = field(default_factory=list)
    listings: set[str] = field(default_factory=set)

    @property
    def name(self) -> PurePosixPath:
        return PurePosixPath(self.path)

    @property
    def is_loose(self) -> bool:
        """Known from a listing that no version names: the folder that it listed is not known."""
        return self.revisions == [NO_VERSION]


class History:
    """All versions of all tracked files. `lost` are listings that no place has: what they listed is not known.

    `broken` are files of DVC's that cannot be read (a `dvc.yaml` that was committed half merged): what is wrong, and
    the revisions in which it is. What else such a revision tracks is read all the same.
    """

    def __init__(self, repo: Repo, stock: ObjectIndex) -> None:
        self.stock = stock
        self.root = Path(repo.root_dir)
        self.lost: set[str] = set()
        self.broken: dict[str, list[str]] = {}
        self._contents: dict[str, list[tuple[str, str]] | None] = {}
        self._versions: dict[tuple[str, str], FileVersion] = {}
        for revision, path, oid, listing in self._tracked(repo):
            self._add(revision, path, oid, listing)
        self._add_loose()
        self.versions = sorted(self._versions.values(), key=lambda version: (version.path, version.oid))
        named = {version.oid for version in self.versions}
        self.nameless = sorted(oid for oid in stock.objects - named if not oid.endswith(_LISTING))

    @property
    def unread(self) -> list[str]:
        """A line for each fault of `broken`, with its revisions."""
        return [f"{why}, at {listed(revisions, 4)}" for why, revisions in self.broken.items()]

    def tables(self, *paths: str, columns: Collection[str]) -> Iterator[tuple[list[str], pl.DataFrame]]:
        """Every table at one of `paths`, and every other of its name or of no name that has `columns`; with its
        revisions.

        Of a table only `columns` are read. What cannot be read as a table is none.
        """
        for version in self._at(*paths):
            yield from ((version.revisions, table) for table in self._table(version.oid, columns))
        for oid in self.nameless:
            yield from (([NO_VERSION], table) for table in self._table(oid, columns))

    def texts(self, path: str) -> Iterator[bytes]:
        """Every file at `path`, and every other of that name whose folder is not known."""
        for oid in sorted({version.oid for version in self._at(path)}):
            if (data := self.stock.read(oid)) is not None:
                yield data

    def _at(self, *paths: str) -> Iterator[FileVersion]:
        names = {PurePosixPath(path).name for path in paths}
        return (each for each in self.versions if each.path in paths or (each.is_loose and each.name.name in names))

    def _table(self, oid: str, columns: Collection[str]) -> Iterator[pl.DataFrame]:
        with self.stock.open(oid) as file:
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
                    self.lost.add(f"{path} at {revision[:12]}")
                    continue
                yield from ((revision[:12], f"{path}/{name}", member, oid) for name, member in members)

    def _outs(self, repo: Repo, revision: str) -> list[Output]:
        """What DVC's files of a revision track; of those that cannot be read, nothing."""
        try:
            return list(Index.from_repo(repo, onerror=lambda _, error: self._note(revision, error)).outs)
        except Exception as error:  # what is written in a file that is none of DVC's may raise anything
            self._note(revision, error)
            return []

    def _note(self, revision: str, error: Exception) -> None:
        why = _OF_REVISION.sub("", " ".join(str(error).split()))[:160] or type(error).__name__
        revisions = self.broken.setdefault(why, [])
        if revision not in revisions:
            revisions.append(revision)

    def _add_loose(self) -> None:
        """The files of listings that lie in some place and that no version names; of what has a name, the listing."""
        named: dict[str, list[FileVersion]] = {}
        for version in self._versions.values():
            named.setdefault(version.oid, []).append(version)
        for listing in sorted(oid for oid in self.stock.objects if oid.endswith(_LISTING)):
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
        """Name and md5 of the files of a tracked folder; None where its listing is nowhere, or cannot be read."""
        if listing not in self._contents:
            self._contents[listing] = _parsed(self.stock.read(listing))
        return self._contents[listing]


def plain_name(name: PurePosixPath) -> PurePosixPath:
    """The name that a file had been given, had its writer not been killed (`mtf.core.atomic_files`)."""
    unfinished = _UNFINISHED.fullmatch(name.name)
    return name.with_name(unfinished[1]) if unfinished else name


def _parsed(listing: bytes | None) -> list[tuple[str, str]] | None:
    if listing is None:
        return None
    try:
        return [(str(entry["relpath"]), str(entry["md5"])) for entry in json.loads(listing)]
    except (ValueError, TypeError, KeyError):
        return None


_SHOWN = 3
_BY_HAND = "put the .git of a whole clone in the place of this one"
FETCH = "`git fetch --refetch --no-filter` brings it where a remote has it"
MEND = f"{FETCH}; else {_BY_HAND}"
UNNAME = f"{FETCH}; else `git update-ref -d` that name if nobody wants it, or {_BY_HAND}"
CLEAR = f"remove these files (`git fsck` names them), then {FETCH}; else {_BY_HAND}"
UNSHALLOW = "`git fetch --unshallow` brings them"


def shallow(root: Path) -> str | None:
    """What a shallow clone lacks and what to do, in words; None where it is none."""
    named = git(root, "rev-parse", "--git-path", "shallow").stdout.strip()
    path = root / named
    commits = path.read_text(encoding="ascii").split() if named and path.is_file() else []
    return (
        f"this clone is shallow: versions before {listed(commits, _SHOWN)} are not here; {UNSHALLOW}"
        if commits
        else None
    )


def damage(root: Path) -> str | None:
    """What git lacks or cannot read of its own history and what to do, in words; None where it has all, or is no git.

    A partial clone (`--filter`) lacks what it has not needed yet.
    """
    if git(root, "rev-parse", "--git-dir").returncode != 0:
        return None
    # A commit-graph would vouch for commits that are gone.
    walk = ("-c", "core.commitGraph=false", "rev-list", "--all", "--objects", "--no-object-names", "--missing=print")
    named = git(root, *walk)
    if named.returncode != 0:
        return f"git cannot follow its history ({_words(named.stderr)}); {_mended(named.stderr)}"
    objects = named.stdout.split()
    if lacking := [each.removeprefix("?") for each in objects if each.startswith("?")]:
        return f"git lacks {listed(lacking, _SHOWN)}, which its history names; {MEND}"
    if broken := _unreadable(root, objects):
        return f"git cannot read {listed(broken, _SHOWN)}, which its history names; {CLEAR}"
    return None


def _unreadable(root: Path, objects: list[str]) -> list[str]:
    """Those whose header cannot be read, such as files that were empty when the disk was full."""
    asked = "".join(f"{each}\n" for each in objects)
    told = git(root, "cat-file", "--buffer", "--batch-check=%(objecttype)", asked=asked).stdout.splitlines()
    return [line.removesuffix(" missing") for line in told if line.endswith(" missing")]


def _mended(said: str) -> str:
    """What helps against an error of git's walk: a name that leads nowhere, and nowhere on a remote, stops a fetch."""
    if "bad object" in said:
        return UNNAME
    return CLEAR if "corrupt" in said else MEND


def _words(said: str) -> str:
    """What git complains of, on one line, each thing once."""
    lines = dict.fromkeys(line.partition(": ")[2] or line for line in said.splitlines())
    return "; ".join(lines)[:300]


def git(root: Path, *arguments: str, asked: str | None = None) -> subprocess.CompletedProcess[str]:
    """Git's answer; its words are looked into, so they are to be English. Raises MtfError where no git is installed."""
    try:
        return subprocess.run(
            ("git", *arguments),
            cwd=root,
            env=os.environ | {"LC_ALL": "C"},
            input=asked,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        if error.filename != "git":  # the folder
            raise
        raise MtfError("git is not installed: no `git` is on the PATH") from None
