"""The pictures that a release would publish, built or not: what is to be held to its terms before it is.

The pictures that are published: in the release's folders, and in its exports for other tools.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.rights.audit.findings import KEYS, stored_table

NON_CURATED = "non_curated"


def planned_pictures(workspace: ProjectPaths, params: Params) -> pl.LazyFrame:
    """identity and image_id of each picture that `release.variants` shows, once.

    The data set is the split's, or the curated one where nothing is split yet. Raises BadInput before that.
    """
    found = find_planned_pictures(workspace, params)
    if found is None:
        raise BadInput("no data set to audit; run `mtf curate` first (`dvc repro`)")
    return found


def find_planned_pictures(workspace: ProjectPaths, params: Params) -> pl.LazyFrame | None:
    """`pictures`, or None where nothing is curated yet. Raises BadInput for a table that is not readable."""
    data_set = _data_set(workspace)
    if data_set is None:
        return None
    variants = set(params.release.variants)
    parts = [data_set] if variants - {NON_CURATED} else [data_set.clear()]
    # A published data set that was opened as a project has a split and nothing else.
    if NON_CURATED in variants and workspace.table("curate", "non_curated").is_file():
        parts.append(stored_table(workspace, "curate", "non_curated", KEYS))
    return pl.concat(parts).unique()


def _data_set(workspace: ProjectPaths) -> pl.LazyFrame | None:
    for stage, name in (("split", "splits"), ("curate", "curated")):
        if workspace.table(stage, name).is_file():
            return stored_table(workspace, stage, name, KEYS)
    return None


EXPORTS = ("parquet", "webdataset", "fiftyone")
# Also what a writer left that was killed: whoever copies the folder copies it.
_PICTURE = re.compile(r"\.(jpe?g|png|webp|gif|bmp|tiff?)(\.[0-9a-f]{8}\.part)?$", re.IGNORECASE)
_FACE_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def has_published_pictures(workspace: ProjectPaths) -> bool:
    """Whether anything is published that `pictures` would look at."""
    folders = (workspace.stage(name) for name in ("release", *EXPORTS))
    return any(_holds_pictures(path) for folder in folders for path in folder.rglob("*"))


def _holds_pictures(path: Path) -> bool:
    """What cannot be read may hold some: `pictures` then says what is wrong with it."""
    if path.suffix == ".parquet":
        return any(True for _ in _in_table(path, path.name))
    return path.suffix == ".tar" or _PICTURE.search(path.name) is not None


def published_pictures(workspace: ProjectPaths) -> pl.DataFrame:
    """Every published picture: path, and the face_id that its name or row bears (null for one that bears none).

    `path` is within build/release, or that of an export; of a tar or table it ends with the member or row's face.
    Raises BadInput where an archive of it is broken.
    """
    root = workspace.stage("release")
    found = list(_below(root, root))
    for name in EXPORTS:
        found += _below(workspace.stage(name), workspace.root)
    return pl.DataFrame(found, schema={"path": pl.String, "face_id": pl.String}, orient="row")


def _below(folder: Path, root: Path) -> Iterator[tuple[str, str | None]]:
    for path in sorted(folder.rglob("*")):
        shown = path.relative_to(root).as_posix()
        if not path.is_file():
            continue
        if path.suffix == ".tar":
            yield from _in_tar(path, shown)
        elif path.suffix == ".parquet":
            yield from _in_table(path, shown)
        elif _PICTURE.search(path.name):
            yield shown, _face_of(path.name)


def _in_tar(path: Path, shown: str) -> Iterator[tuple[str, str | None]]:
    try:
        with tarfile.open(path, "r:") as tar:
            names = [member.name for member in tar if member.isreg() and _PICTURE.search(member.name)]
    except (tarfile.TarError, EOFError) as error:
        raise BadInput(f"{shown}: not readable as a tar: {error}") from None
    yield from ((f"{shown}:{name}", _face_of(name.rpartition("/")[2])) for name in names)


def _in_table(path: Path, shown: str) -> Iterator[tuple[str, str | None]]:
    """The faces of a table that has their pictures in it; one that only names them publishes none."""
    try:
        schema = pl.read_parquet_schema(path)
        carries = any(isinstance(dtype, pl.Struct) or dtype == pl.Binary for dtype in schema.values())
        if carries and "face_id" not in schema:
            yield shown, None
        elif carries:
            yield from ((f"{shown}:{each}", each) for each in pl.read_parquet(path, columns=["face_id"])["face_id"])
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"{shown}: not readable as a table: {str(error).partition(chr(10))[0]}") from None


def _face_of(name: str) -> str | None:
    found = _FACE_ID.search(name)
    return found[0] if found else None
