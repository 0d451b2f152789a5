"""Audited pictures: planned ones, which a release would publish, and published ones, in a release and its exports."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from mtf.config import Params
from mtf.core import picture_names
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.rights.audit.findings import KEYS, stored_table

NON_CURATED = "non_curated"
EXPORTS = ("parquet", "webdataset", "fiftyone")
# Files of killed writers, too: whoever copies the folder copies them.
_PICTURE = re.compile(rf"{picture_names.ENDINGS}(\.[0-9a-f]{{8}}\.part)?$", re.IGNORECASE)
_FACE_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def planned_pictures(workspace: ProjectPaths, params: Params) -> pl.LazyFrame:
    """identity and image_id of each picture that `release.variants` would publish, once.

    The data set is that of the split, or the curated one before the split. Raises BadInput if there is neither.
    """
    pictures = find_planned_pictures(workspace, params)
    if pictures is None:
        raise BadInput("no data set to audit; run `mtf curate` first (`dvc repro`)")
    return pictures


def find_planned_pictures(workspace: ProjectPaths, params: Params) -> pl.LazyFrame | None:
    """`planned_pictures`, or None if nothing is curated yet. Raises BadInput for an unreadable table."""
    data_set = _data_set(workspace)
    if data_set is None:
        return None
    variants = set(params.release.variants)
    parts = [data_set] if variants - {NON_CURATED} else [data_set.clear()]
    # A project made of a published data set has a split and nothing else.
    if NON_CURATED in variants and workspace.table("curate", "non_curated").is_file():
        parts.append(stored_table(workspace, "curate", "non_curated", KEYS))
    return pl.concat(parts).unique()


def _data_set(workspace: ProjectPaths) -> pl.LazyFrame | None:
    for stage, name in (("split", "splits"), ("curate", "curated")):
        if workspace.table(stage, name).is_file():
            return stored_table(workspace, stage, name, KEYS)
    return None


def has_published_pictures(workspace: ProjectPaths) -> bool:
    """True if the release's folder or an export holds files for `published_pictures`."""
    folders = (workspace.stage(name) for name in ("release", *EXPORTS))
    return any(_holds_pictures(path) for folder in folders for path in folder.rglob("*"))


def _holds_pictures(path: Path) -> bool:
    """True if a file may hold pictures: tars count unread, and `published_pictures` reports broken ones."""
    if path.suffix == ".parquet":
        return any(True for _ in _in_table(path, path.name))
    return path.suffix == ".tar" or _PICTURE.search(path.name) is not None


def published_pictures(workspace: ProjectPaths) -> pl.DataFrame:
    """Path and face_id of every published picture.

    path: relative to build/release, or to the project for an export; in a tar or table, with the member or face.
    face_id: in the picture's name or row; null if there is none.

    Raises BadInput for a broken archive or table.
    """
    root = workspace.stage("release")
    pictures = list(_below(root, root))
    for name in EXPORTS:
        pictures += _below(workspace.stage(name), workspace.root)
    return pl.DataFrame(pictures, schema={"path": pl.String, "face_id": pl.String}, orient="row")


def _below(folder: Path, root: Path) -> Iterator[tuple[str, str | None]]:
    for path in sorted(folder.rglob("*")):
        label = path.relative_to(root).as_posix()
        if not path.is_file():
            continue
        if path.suffix == ".tar":
            yield from _in_tar(path, label)
        elif path.suffix == ".parquet":
            yield from _in_table(path, label)
        elif _PICTURE.search(path.name):
            yield label, _face_of(path.name)


def _in_tar(path: Path, label: str) -> Iterator[tuple[str, str | None]]:
    try:
        with tarfile.open(path, "r:") as tar:
            names = [member.name for member in tar if member.isreg() and _PICTURE.search(member.name)]
    except (tarfile.TarError, EOFError) as error:
        raise BadInput(f"{label}: not readable as a tar: {error}") from None
    yield from ((f"{label}:{name}", _face_of(name.rpartition("/")[2])) for name in names)


def _in_table(path: Path, label: str) -> Iterator[tuple[str, str | None]]:
    """Faces of a table that contains their pictures; a table that only names faces publishes none."""
    try:
        schema = pl.read_parquet_schema(path)
        carries = any(isinstance(dtype, pl.Struct) or dtype == pl.Binary for dtype in schema.values())
        if carries and "face_id" not in schema:
            yield label, None
        elif carries:
            yield from ((f"{label}:{each}", each) for each in pl.read_parquet(path, columns=["face_id"])["face_id"])
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{label}: not readable as a table: {str(error).partition(chr(10))[0]}") from None


def _face_of(name: str) -> str | None:
    match = _FACE_ID.search(name)
    return match[0] if match else None
