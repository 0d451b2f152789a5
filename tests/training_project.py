"""A small made-up data set: coloured shapes as crops in shards, with a splits table over them."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from mtf import config as typed
from mtf import schemas
from mtf.config import Params
from mtf.core import shards
from mtf.core.project_paths import ProjectPaths

# Per identity: race (the background's colour, BGR), gender (round or square), age (large or small).
PEOPLE = {
    "ada": ("Amber", "Females", "Young"),
    "ben": ("Blue", "Males", "Young"),
    "cleo": ("Green", "Females", "Old"),
    "dan": ("Violet", "Males", "Old"),
    "eve": ("Blue", "Females", "Young"),
    "finn": ("Amber", "Males", "Old"),
}
GROUNDS = {"Amber": (30, 160, 230), "Blue": (220, 110, 40), "Green": (60, 180, 60), "Violet": (190, 60, 160)}
SPLIT_OF = ["train"] * 8 + ["val"] * 2 + ["test"] * 3
CROP_PX = 80


def drawn(identity: str, number: int) -> np.ndarray:
    """(CROP_PX, CROP_PX, 3) uint8 BGR."""
    race, gender, age = PEOPLE[identity]
    random = np.random.default_rng([list(PEOPLE).index(identity), number])
    picture = np.full((CROP_PX, CROP_PX, 3), GROUNDS[race], np.uint8)
    x, y = (int(value) for value in random.integers(34, 46, 2))
    radius = 26 if age == "Young" else 13
    if gender == "Females":
        cv2.circle(picture, (x, y), radius, (235, 235, 235), -1)
    else:
        cv2.rectangle(picture, (x - radius, y - radius), (x + radius, y + radius), (20, 20, 20), -1)
    noise = random.integers(-8, 9, picture.shape)
    return (picture + noise).clip(0, 255).astype(np.uint8)


def encoded(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def shard_of(
    workspace: ProjectPaths, identity: str, *, digest: str = "first", count: int = len(SPLIT_OF)
) -> list[dict]:
    """Write one identity's crops; returns its rows of the splits table."""
    rows = []
    race, gender, age = PEOPLE[identity]
    with shards.writing(workspace.shard("crop", identity), digest) as shard:
        for number in range(count):
            data = encoded(drawn(identity, number))
            face_id = hashlib.sha256(f"{identity}{number}".encode()).hexdigest()
            offset, size_bytes = shard.add(f"{face_id[:32]}.jpg", data)
            rows.append(
                {
                    **{"identity": identity, "face_id": face_id[:32], "image_id": face_id},
                    **{"x": 0, "y": 0, "width": CROP_PX, "height": CROP_PX},
                    **{"offset": offset, "size_bytes": size_bytes, "license": "CC-BY-4.0", "duplicate_group": None},
                    **{"race": race, "gender": gender, "age": age},
                    **{"decided_by": "test", "split": SPLIT_OF[number]},
                }
            )
        shard.finish(pl.DataFrame(rows))
    return rows


@cache
def crops_of_everybody() -> tuple[tempfile.TemporaryDirectory, list[dict]]:
    """The shards of all people, written once for all projects of a test run, and their rows of the splits table."""
    folder = tempfile.TemporaryDirectory(prefix="mtf-learn-project-")
    workspace = ProjectPaths(Path(folder.name))
    return folder, [row for identity in PEOPLE for row in shard_of(workspace, identity)]


def write_project(
    root: Path, sample_params: Params, *, multitask: dict | None = None, **train: object
) -> tuple[ProjectPaths, Params]:
    """A project with crops and splits, ready to train."""
    raw = sample_params.model_dump(mode="json")
    recipes = raw["train"]["recipes"] | train.pop("recipes", {})
    raw["train"] |= {"input_px": 32, "recipes": recipes, **train}
    raw["multitask"] |= multitask or {}
    params = typed.parse(raw)
    workspace = ProjectPaths(root)
    folder, rows = crops_of_everybody()
    shutil.copytree(ProjectPaths(Path(folder.name)).shards("crop"), workspace.shards("crop"), dirs_exist_ok=True)
    schemas.write(schemas.splits(params), rows, workspace.table("split", "splits"))
    return workspace, params


FINE = {
    **{"size_px": 100, "sharpness": 100.0, "brightness": 120.0, "clipped_share": 0.0, "eyes": 2},
    **{"not_photograph": 0.0, "identity_distance": 0.1, "hash": 0},
    **{"exact_group": None, "near_group": None, "across_group": None},
}


def write_curation(workspace: ProjectPaths, params: Params) -> None:
    """Tables of the stages screen and curate for a project of `write_project`, and the split of what people kept.

    People dropped each person's crops 0 and 1, of which 0 is in one picture with the tested crop 12 and 1 is a
    duplicate of the tested crop 11; crop 3, which they kept to train on, hangs by crop 1 on that one, too. All of
    finn's crops were dropped. Screening finds crop 4 of everyone too small.
    """
    every = pl.read_parquet(workspace.table("split", "splits"))
    faces = every.with_columns(number=pl.int_range(pl.len()).over("identity"))
    image_of_last = pl.col("image_id").filter(pl.col("number") == 12).first().over("identity")
    group = pl.col("face_id").filter(pl.col("number") == 11).first().over("identity")
    everything = faces.with_columns(
        image_id=pl.when(pl.col("number") == 0).then(image_of_last).otherwise("image_id"),
        duplicate_group=pl.when(pl.col("number").is_in([1, 3, 11])).then(group),
    )
    kept = everything.filter((pl.col("number") >= 2) & (pl.col("identity") != "finn"))
    curated = kept.with_columns(duplicate_group=pl.lit(None, pl.String))
    screening = everything.select(
        "identity",
        "face_id",
        "image_id",
        *(pl.lit(value).alias(name) for name, value in FINE.items() if name != "size_px"),
        size_px=pl.when(pl.col("number") == 4).then(20).otherwise(100),
    )
    schemas.write(schemas.splits(params), curated, workspace.table("split", "splits"))
    schemas.write(schemas.non_curated(params), everything, workspace.table("curate", "non_curated"))
    schemas.write(schemas.SCREENING, screening, workspace.table("screen", "screening"))
