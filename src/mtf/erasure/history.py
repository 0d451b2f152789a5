"""What DVC tracked, in every version that git knows: commits, branches, tags, experiments and the workspace."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import polars as pl
from dvc.repo import Repo

from mtf.erasure.places import Place

WORKSPACE = "workspace"


@dataclass
class Version:
    """One tracked file with one content, and the revisions that have it there."""

    path: str
    oid: str
    revisions: list[str] = field(default_factory=list)
    listings: set[str] = field(default_factory=set)

    @property
    def name(self) -> PurePosixPath:
        return PurePosixPath(self.path)


class History:
    """All versions of all tracked files, read from the cache or, where it lacks one, from a remote."""

    def __init__(self, repo: Repo, places: list[Place]) -> None:
        self._places = places
        self.root = Path(repo.root_dir)
        self.unreadable: set[str] = set()
        self._listings: dict[str, bytes | None] = {}
        versions: dict[tuple[str, str], Version] = {}
        for revision, path, oid, listing in self._tracked(repo):
            version = versions.setdefault((path, oid), Version(path, oid))
            if revision not in version.revisions:
                version.revisions.append(revision)
            version.listings.add(listing)
        self.versions = sorted(versions.values(), key=lambda version: (version.path, version.oid))

    def read(self, oid: str) -> bytes | None:
        """An object's bytes from the first place that has the original; None where none has."""
        for place in self._places:
            try:
                if place.holds(oid):
                    return place.read(oid)
            except Exception:  # noqa: S112 (any file system's failure: the next place may answer)
                continue
        return None

    def tables(self, path: str) -> Iterator[tuple[Version, pl.DataFrame]]:
        """Every version of the table at `path` that can still be read."""
        for version in self.versions:
            if version.path == path and (data := self.read(version.oid)) is not None:
                yield version, pl.read_parquet(io.BytesIO(data))

    def _tracked(self, repo: Repo) -> Iterator[tuple[str, str, str, str]]:
        for revision in repo.brancher(all_branches=True, all_tags=True, all_commits=True, all_experiments=True):
            for out in repo.index.outs:
                path = str(out.def_path)
                if not out.hash_info or out.hash_info.value is None:
                    continue
                oid = str(out.hash_info.value)
                if not out.hash_info.isdir:
                    yield revision[:12], path, oid, oid
                    continue
                yield from (
                    (revision[:12], f"{path}/{name}", member, oid) for name, member in self._listed(oid, revision, path)
                )

    def _listed(self, listing: str, revision: str, path: str) -> Iterator[tuple[str, str]]:
        """Name and md5 of the files of a tracked folder."""
        data = self._listing_bytes(listing)
        if data is None:
            self.unreadable.add(f"{path} at {revision[:12]}")
            return
        for entry in json.loads(data):
            yield entry["relpath"], entry["md5"]

    def _listing_bytes(self, listing: str) -> bytes | None:
        if listing not in self._listings:
            self._listings[listing] = self.read(listing)
        return self._listings[listing]
