"""Jobs of a release, one per identity: the faces to publish, and the files that an earlier run published."""

from __future__ import annotations

from pathlib import Path

import PIL
import polars as pl

from mtf import shards
from mtf.errors import BadInput
from mtf.fingerprint import fingerprint
from mtf.params import Release
from mtf.release import pictures
from mtf.release.folders import File, Job, Picture
from mtf.release.pictures import Box

KEYS = ["identity", "face_id"]
PLACE = ["offset", "size_bytes", "x", "y", "width", "height"]


def jobs(
    plan: pl.DataFrame, places: pl.DataFrame, before: pl.DataFrame, *, crops: Path, root: Path, release: Release
) -> list[Job]:
    """Jobs, one per identity of `plan` (identity, face_id, path), sorted by identity.

    - `places`: position of each crop in `crops/IDENTITY.tar`, and of the face's box in the crop;
    - `before`: record of the files that were published.

    Raises BadInput if a shard is missing.
    """
    wanted = plan.group_by(KEYS, maintain_order=True).agg(paths="path").join(places, on=KEYS, validate="1:1")
    old = before.partition_by("identity", as_dict=True)
    return [
        Job(
            identity=identity,
            shard=crops / f"{identity}.tar",
            root=root,
            size_px=release.size_px,
            jpeg_quality=release.jpeg_quality,
            made_from=_made_from(crops / f"{identity}.tar", release),
            pictures=tuple(_picture(row) for row in rows.iter_rows(named=True)),
            before=tuple(File(**row) for row in old.get((identity,), before.clear()).iter_rows(named=True)),
        )
        for (identity,), rows in sorted(wanted.sort("face_id").partition_by("identity", as_dict=True).items())
    ]


def places(data: pl.DataFrame, faces: pl.DataFrame) -> pl.DataFrame:
    """Position of each crop of `data` in its shard and of the box in the crop; `faces` has the crops' corners."""
    corners = faces.select(*KEYS, "crop_x", "crop_y")
    return (
        data.select(*KEYS, *PLACE)
        .unique(KEYS)
        .join(corners, on=KEYS, validate="1:1")
        .with_columns(x=pl.col("x") - pl.col("crop_x"), y=pl.col("y") - pl.col("crop_y"))
        .drop("crop_x", "crop_y")
    )


def _made_from(shard: Path, release: Release) -> str:
    digest = shards.digest_of(shard)
    if digest is None:
        raise BadInput(f"{shard}: no such shard; run the stage crop (`dvc repro`)")
    return fingerprint(digest, release.size_px, release.jpeg_quality, PIL.__version__, code=[pictures.__name__])


def _picture(row: dict) -> Picture:
    box = Box(row["x"], row["y"], row["width"], row["height"])
    return Picture(row["face_id"], row["offset"], row["size_bytes"], box, tuple(row["paths"]))
