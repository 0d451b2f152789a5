"""Remote with `version_aware` or `worktree` in an S3 bucket: DVC keeps files there under their own names.

Each content of a file is a version of the object with its path. An erasure deletes these versions. There is no place
for a tombstone: an old version of the repository names the id of the version that is gone.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO

from mtf.forget import bucket_versions
from mtf.forget.bucket_versions import BucketVersion
from mtf.forget.object_store import ObjectStore

_PIECE = 2**20


@dataclass(frozen=True)
class VersionAwareStore(ObjectStore):
    """Store of files under their own names.

    - `paths`: md5 of a content → paths at which some version of the repository has it, relative to its root.
    """

    paths: dict[str, set[str]] = field(default_factory=dict)
    _versions: dict[str, list[BucketVersion]] = field(default_factory=dict)
    _digests: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return str(self.odb.fs.unstrip_protocol(self.root))

    @property
    def is_version_aware(self) -> bool:
        return True

    def objects(self) -> frozenset[str] | None:
        """None: contents are found by the paths that versions of the repository name."""
        self._versions.clear()
        for each in bucket_versions.versions(self.odb.fs, f"{self.root.rstrip('/')}/"):
            self._versions.setdefault(each.path, []).append(each)
        return None

    def object_at(self, path: str) -> str | None:  # noqa: ARG002 (as the base class)
        return None

    def versions_of(self, oid: str) -> list[BucketVersion]:
        """Versions with this content, at the paths where some version of the repository has it."""
        return [
            each
            for path in self.paths.get(oid, ())
            for each in self._versions.get(self.odb.fs.join(self.root, *path.split("/")), ())
            if not each.is_marker and self._digest(each) == oid
        ]

    def _digest(self, version: BucketVersion) -> str:
        """md5 of a version: its ETag where some version of the repository has this md5, else that of its bytes."""
        if version.etag in self.paths:
            return version.etag
        key = (version.path, version.version_id)
        if key not in self._digests:
            state = hashlib.md5(usedforsecurity=False)
            with self._open(version) as file:
                while piece := file.read(_PIECE):
                    state.update(piece)
            self._digests[key] = state.hexdigest()
        return self._digests[key]

    def _open(self, version: BucketVersion) -> AbstractContextManager[BinaryIO]:
        return self.odb.fs.fs.open(f"{version.path}?versionId={version.version_id}", "rb")

    def has_original(self, oid: str) -> bool:
        return bool(self.versions_of(oid))

    def has_tombstone(self, oid: str) -> bool:
        """True if no version has the content: none needs a tombstone."""
        return not self.has_original(oid)

    def size_bytes(self, oid: str) -> int:
        with self.open(oid) as file:
            return file.seek(0, 2)

    def open(self, oid: str) -> AbstractContextManager[BinaryIO]:
        return self._open(self.versions_of(oid)[0])

    def write_tombstone(self, oid: str) -> None:
        """Delete the versions with this content, and the delete markers of a path that then has no content."""
        doomed = self.versions_of(oid)
        for path in {each.path for each in doomed}:
            left = [each for each in self._versions[path] if each not in doomed]
            if all(each.is_marker for each in left):
                doomed += left
        bucket_versions.delete(self.odb.fs, doomed)
        for each in doomed:
            self._versions[each.path].remove(each)
