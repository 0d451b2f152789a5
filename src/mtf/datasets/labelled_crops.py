"""Crops of a labelled folder for an evaluation: one face of each picture, in shards, with the labels as they came."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from mtf.config import Params
from mtf.core import atomic_files
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.datasets import labelled, tables
from mtf.datasets.labelled import DataSet
from mtf.faces import detectors
from mtf.schemas import FetchOutcome

STAGE = "crop"
FACES, UNDETECTED, DIGEST = "labelled", "labelled_undetected", "labelled.digest"
KEYS = {"identity": pl.String, "face_id": pl.String, "image_id": pl.String, "person": pl.String}
PLACE = {"offset": pl.Int64, "size_bytes": pl.Int64}


def write(
    data_set: DataSet,
    read: Callable[[str], bytes],
    workspace: ProjectPaths,
    params: Params,
    *,
    cropped: bool,
    root: Path,
) -> None:
    """Write the pictures' crops under build/crop of `workspace`, with two tables:

    - `labelled`: identity (a bucket), face_id, image_id, person, offset, size_bytes, and the data set's labels;
    - `labelled_undetected`: the pictures without a face, likewise without a place.

    With `cropped`, the crop is the largest face that `crop.detector` finds, whose model files lie in the project
    `root`; else each picture is one crop. Byte-identical pictures after the first are left out. Raises BadInput if no
    picture has a face.
    """
    detector = detectors.create(params.crop, root=root) if cropped else None
    pictures = data_set.pictures.with_columns(person=pl.col("identity"), identity=labelled.bucket_names(data_set.name))
    columns = [*data_set.attributes]
    faces: list[dict[str, Any]] = []
    undetected: list[dict[str, Any]] = []
    seen: set[str] = set()
    for group in pictures.partition_by("identity", maintain_order=True):
        examined = tables.examined(group, read, seen, keep_duplicates=False, max_pixels=params.crawl.max_pixels)
        laid_out = [tables.laid_out(picture, params, detector) for picture in examined]
        places = tables.write_shard(workspace, laid_out)
        for picture in laid_out:
            own = {name: picture.row[name] for name in ("identity", "person", *columns)}
            named = own | {"face_id": picture.image_id[:32], "image_id": picture.image_id}
            if picture.box is not None:
                faces.append(named | places[picture.image_id])
            elif picture.outcome is FetchOutcome.STORED:
                undetected.append(named)
    if not faces:
        raise BadInput(f"{data_set.pictures.height:,} pictures, and no face found in any; `--no-crop` takes them whole")
    labels = dict.fromkeys(columns, pl.String)
    for name, rows, types in ((FACES, faces, KEYS | PLACE | labels), (UNDETECTED, undetected, KEYS | labels)):
        path = workspace.table(STAGE, name)
        with atomic_files.replacing(path) as beside:
            pl.DataFrame(rows, schema=types).write_parquet(beside)
