"""Another labelled set to test trained networks on: the faces of another project, or a folder of labelled pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from mtf import config, schemas
from mtf.config import Params
from mtf.core import atomic_files
from mtf.core.errors import BadInput, bad_value
from mtf.core.hashing import file_digest, fingerprint
from mtf.core.project_paths import MARKER, ProjectPaths
from mtf.core.slugs import slug
from mtf.datasets import labelled, labelled_crops, labelled_folder, tables
from mtf.datasets.label_mapping import ColumnMapping
from mtf.datasets.labelled import DataSet

FOLDER = "on"
PARTS = ("all", *schemas.SPLITS)
FACE = ("identity", "face_id", "image_id", "offset", "size_bytes")


@dataclass(frozen=True)
class OtherSet:
    """Another labelled set.

    name: of its figures.
    faces: identity (the shard), face_id, image_id, offset, size_bytes, person, and its labels by column.
    undetected: pictures without a detected face: identity, face_id, image_id, person, and their labels.
    crops: folder of its crop shards.
    has_people: true if it is known which pictures show the same person.
    said: sentences on what was left out in reading it.
    """

    name: str
    faces: pl.DataFrame
    undetected: pl.DataFrame
    crops: Path
    has_people: bool
    said: Sequence[str] = field(default=())


def is_project(path: Path) -> bool:
    """True for the folder of a project."""
    return (path / MARKER).is_file()


def of_project(path: Path, *, part: str) -> OtherSet:
    """Faces of another project, those of one split or `all`, with the labels of its roster.

    Raises BadInput if it has no split.
    """
    workspace = ProjectPaths(path.resolve())
    theirs = config.load(workspace.params)
    table = workspace.table("split", "splits")
    if not table.is_file():
        raise BadInput(f"{path}: no {workspace.relative(table)} in this project; run `dvc repro` in it first")
    splits = schemas.read(schemas.splits(theirs), table)
    chosen = splits if part == "all" else splits.filter(split=part)
    if chosen.is_empty():
        raise BadInput(f"{path}: no face in its part {part}")
    people = labelled.identities_are_people(splits)
    person = pl.col("identity" if people else "image_id").alias("person")
    labels = [*theirs.attributes]
    missed = _undetected(workspace, theirs, part=part)
    return OtherSet(
        slug(theirs.project.name),
        chosen.select(*FACE, person, *labels),
        missed.select("identity", pl.col("image_id").str.head(32).alias("face_id"), "image_id", person, *labels),
        workspace.shards("crop"),
        has_people=people,
    )


def _undetected(workspace: ProjectPaths, theirs: Params, *, part: str) -> pl.DataFrame:
    """Pictures without a detected face; only the test part has its own."""
    contract = schemas.undetected(theirs)
    names = {"test": ["split"], "all": ["curate", "split"]}.get(part, [])
    paths = [path for name in names if (path := workspace.table(name, "undetected")).is_file()]
    return schemas.read(contract, paths[0]) if paths else schemas.frame(contract, [])


def of_folder(
    workspace: ProjectPaths,
    params: Params,
    path: Path,
    mapping: Mapping[str, ColumnMapping],
    *,
    labels: Path | None,
    cropped: bool,
) -> OtherSet:
    """Pictures of a folder or tar with the labels in the CSV file `labels`, else in the names of its folders.

    The largest face of each picture is cut out if `cropped`. The crops lie under build/on/NAME, and are made anew if a
    file, a label or the parameters of the detector changed. Raises BadInput as `labelled_folder` does.
    """
    files = tables.Files(path)
    data_set = _read(files, params, mapping, labels)
    name = slug(path.name.removesuffix(".tar"))
    at = ProjectPaths(workspace.stage(FOLDER) / name)
    digest = _digest(path, files, params, data_set, labels, cropped=cropped)
    record = at.stage(labelled_crops.STAGE) / labelled_crops.DIGEST
    if not record.is_file() or record.read_text(encoding="utf-8") != digest:
        record.unlink(missing_ok=True)
        labelled_crops.write(data_set, files.read, at, params, cropped=cropped, root=workspace.root)
        atomic_files.write_text(record, digest)
    faces, undetected = (
        pl.read_parquet(at.table(labelled_crops.STAGE, table))
        for table in (labelled_crops.FACES, labelled_crops.UNDETECTED)
    )
    has_people = faces["person"].n_unique() < faces.height
    read, without = data_set.pictures.height, faces.height + undetected.height
    repeated = [f"left out, byte-identical or not readable: {read - without:,}"] if read > without else []
    return OtherSet(name, faces, undetected, at.shards("crop"), has_people, [*data_set.summary()[1:], *repeated])


def _read(files: tables.Files, params: Params, mapping: Mapping[str, ColumnMapping], labels: Path | None) -> DataSet:
    if labels is not None:
        return labelled_folder.from_csv(labels, files.names())
    own = {column: task.labels for column, task in params.attributes.items()}
    named = {mapping[column].column: [*dict.fromkeys([*mapping[column].labels, *own[column]])] for column in own}
    return labelled_folder.by_folder_names(files.names(), named)


def _digest(
    path: Path, files: tables.Files, params: Params, data_set: DataSet, labels: Path | None, *, cropped: bool
) -> str:
    """Digest of the pictures (a tar's bytes, or names, sizes and times of a folder's files), labels and detector."""
    if path.is_dir():
        stats = [(path / name).stat() for name in files.names()]
        pictures = [[name, stat.st_size, stat.st_mtime_ns] for name, stat in zip(files.names(), stats, strict=True)]
    else:
        pictures = [file_digest(path)]
    rows = data_set.pictures.write_csv()
    own = file_digest(labels) if labels else None
    return fingerprint(
        pictures, rows, own, params.crop, params.crawl.max_pixels, cropped, code=[labelled_crops.__name__]
    )


def check_part(part: str) -> None:
    """Raise BadInput for a part that no project has."""
    if part not in PARTS:
        raise bad_value("--part", part, ", ".join(PARTS))
