"""Files that a takedown withdraws from releases: published crops of its pictures, and the pictures themselves.

Only pictures that a release gave away are withdrawn from copies: a list of the others would tell of pictures that
nobody has.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

import polars as pl

from mtf.config import Params
from mtf.core import shards
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.core.shards import DIGEST
from mtf.forget.file_versions import FileVersion
from mtf.forget.history import History
from mtf.release import withdrawals
from mtf.takedown import history_tables
from mtf.takedown.scope_search import FACES, IMAGES

_RELEASE = f"{PATHS_IN_PROJECT.stage('release').as_posix()}/"
_CRAWL = f"{PATHS_IN_PROJECT.shards('crawl').as_posix()}/"
_FACE_ID_DIGITS = 32
_FACE = re.compile(r"/([0-9a-f]{32})(?:-[^/]*)?\.jpg$")


def record(image_ids: Collection[str], workspace: ProjectPaths, params: Params, history: History | None) -> int:
    """Add the withdrawn files of some images to the withdrawal list; returns how many it did not have yet."""
    return withdrawals.record(of_images(image_ids, workspace, history), workspace, params) if image_ids else 0


def of_images(image_ids: Collection[str], workspace: ProjectPaths, history: History | None) -> Iterator[bytes]:
    """Published files of the images in any version that is here, each content once, then the published images."""
    images_of = _images_of_faces(image_ids, workspace, history)
    published: set[str] = set()
    for face_id, data in _published(images_of, workspace, history):
        published.add(images_of[face_id])
        yield data
    yield from _originals(published, workspace, history)


def _images_of_faces(image_ids: Collection[str], workspace: ProjectPaths, history: History | None) -> dict[str, str]:
    """face_id → image_id of the faces of some images, in any version."""
    found: dict[str, str] = {}
    for faces in _tables(FACES, ("face_id", "image_id"), workspace, history):
        rows = faces.filter(pl.col("image_id").is_in(list(image_ids)))
        found |= dict(rows.select("face_id", "image_id").iter_rows())
    return found


def _tables(
    path: str, columns: tuple[str, ...], workspace: ProjectPaths, history: History | None
) -> Iterator[pl.DataFrame]:
    current = workspace.root / path
    if current.is_file() and set(columns) <= set(pl.read_parquet_schema(current)):
        yield pl.read_parquet(current, columns=list(columns))
    if history is not None:
        yield from (table for _, table in history_tables.tables(history, path, columns=columns))


def _published(
    face_ids: Collection[str], workspace: ProjectPaths, history: History | None
) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    record = workspace.table("released", "files")
    if record.is_file():
        files = pl.read_parquet(record, columns=["path", "face_id", "sha256"])
        for path, face_id, sha256 in files.filter(pl.col("face_id").is_in(list(face_ids))).iter_rows():
            file = workspace.stage("release") / path
            if sha256 not in seen and file.is_file():
                seen.add(sha256)
                yield face_id, file.read_bytes()
    for version in history.versions if history is not None else ():
        face_id = _face_of(version, face_ids)
        if face_id is not None and version.oid not in seen:
            seen.add(version.oid)
            data = history.index.read(version.oid) if history is not None else None
            if data is not None:
                yield face_id, data


def _face_of(version: FileVersion, face_ids: Collection[str]) -> str | None:
    """Face that a published file of a version shows, if it is one of `face_ids`."""
    # Most of 100,000 files show another face: the pattern is tried on the few that begin with one of these.
    if version.path.rpartition("/")[2][:_FACE_ID_DIGITS] not in face_ids:
        return None
    if not version.path.startswith(_RELEASE) and not version.is_unversioned:
        return None
    named = _FACE.search(version.path)
    return named[1] if named and named[1] in face_ids else None


def _originals(image_ids: Collection[str], workspace: ProjectPaths, history: History | None) -> Iterator[bytes]:
    missing = set(image_ids)
    path = workspace.root / IMAGES
    images = pl.read_parquet(path, columns=["identity", "image_id"]) if path.is_file() else pl.DataFrame()
    rows = images.filter(pl.col("image_id").is_in(list(missing))) if images.width else images
    for identity in sorted(set(rows["identity"])) if rows.width else ():
        shard = workspace.shard("crawl", identity)
        for name, (offset, size) in shards.members(shard).items() if shard.is_file() else ():
            if (stem := name.partition(".")[0]) in missing:
                missing.discard(stem)
                yield shards.read(shard, offset, size)
    if missing and history is not None:
        yield from _originals_of_versions(missing, history)


def _originals_of_versions(missing: set[str], history: History) -> Iterator[bytes]:
    identities: set[str] = set()
    for _, images in history_tables.tables(history, IMAGES, columns=("identity", "image_id")):
        identities |= {*images.filter(pl.col("image_id").is_in(list(missing)))["identity"]}
    for version in history.versions:
        if not missing:
            return
        if not version.path.startswith(_CRAWL) or version.name.stem not in identities:
            continue
        with history.index.open(version.oid) as file:
            if file is None:
                continue
            try:
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    for member in tar:
                        stem = PurePosixPath(member.name).name.partition(".")[0]
                        if stem in missing and member.name != DIGEST and (data := tar.extractfile(member)):
                            missing.discard(stem)
                            yield data.read()
            except (tarfile.TarError, EOFError):
                continue


def next_steps(count: int, workspace: ProjectPaths) -> str:
    """Message for people about files that were added to the list."""
    files = "1 file of it was" if count == 1 else f"{count} files of it were"
    where = workspace.relative(Path(workspace.withdrawals))
    return f"{files} released: {where} lists them now; `mtf recall publish` writes the list for those who have copies"
