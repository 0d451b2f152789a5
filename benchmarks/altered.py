"""Re-identification and other tasks on altered copies of the test part, as `mtf evaluate --altered` measures them.

    python benchmarks/altered.py [--sets orl fairface] [--fairface 1500]

ORL for re-identification: 40 people, of each five pictures train, one validates and four test. FairFace for gender,
race and age, by one shared network: 60 % of the pictures train, 10 % validate and 30 % test. The crop stage finds the
faces and their eyes. `small_cnn` learns with the recipe `small` at 64 px, from one seed. It takes some minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from crawled_project import REAL_DATA, ROOT, machine, write_crawl
from mtf import config, schemas
from mtf.cli import altered
from mtf.config import Params
from mtf.core import shards
from mtf.core.project_paths import ProjectPaths
from mtf.datasets import fairface, tables
from mtf.pipeline import crop, multitask, train

FAIRFACE = "fairface"


def project(root: Path, changes: Mapping[str, Any], pictures: Mapping[str, Sequence[bytes]]) -> tuple[Any, Params]:
    """A project of params.yaml with `changes`, whose pictures (identity → files) are cropped."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"gates": {}} | changes
    raw["compute"] = {"workers": 1}
    root.mkdir()
    workspace = ProjectPaths(root)
    workspace.params.write_text(yaml.safe_dump(raw, sort_keys=False))
    params = config.load(workspace.params)
    write_crawl(workspace, pictures)
    with contextlib.redirect_stdout(sys.stderr):
        crop.run(workspace, params)
    return workspace, params


def write_splits(workspace: ProjectPaths, params: Params, labels: pl.DataFrame, *, shares: Sequence[float]) -> None:
    """Write the splits: of each identity, the first `shares` of the pictures in random order train and validate.

    labels: columns to join by image_id. Of several faces in a picture, the largest one is taken.
    """
    faces = schemas.read(schemas.FACES, workspace.table("crop", "faces"))
    largest = faces.sort(pl.col("width") * pl.col("height"), descending=True).unique("image_id", maintain_order=True)
    mixed = largest.sort("image_id").sample(fraction=1, shuffle=True, seed=params.seed)
    place = pl.int_range(pl.len()).over("identity") / pl.len().over("identity")
    split = pl.when(place < shares[0]).then(pl.lit("train")).when(place < shares[1]).then(pl.lit("val"))
    rows = mixed.join(labels, on="image_id").with_columns(
        split=split.otherwise(pl.lit("test")),
        license=pl.lit("CC-BY-4.0"),
        duplicate_group=pl.lit(None, pl.String),
        # The bucket of pictures of unknown people is no person.
        decided_by=pl.lit(FAIRFACE),
    )
    contract = schemas.splits(params)
    names = schemas.frame(contract, []).columns
    schemas.write(contract, rows.select(names).sort("identity", "face_id"), workspace.table("split", "splits"))


def orl(root: Path) -> ProjectPaths:
    path = REAL_DATA / "orl" / "faces.tar"
    people: dict[str, list[bytes]] = {}
    for name, place in sorted(shards.members(path).items()):
        if re.search(r"s\d\d/\d\d\.pgm$", name):
            people.setdefault(name.split("/")[-2], []).append(shards.read(path, *place))
    recognition = {"tasks": {"recognition": {"column": "identity"}}, "multitask": None}
    workspace, params = project(root, recognition | _train("recognition"), people)
    images = schemas.read(schemas.IMAGES, workspace.table("crawl", "images"))
    write_splits(workspace, params, images.select("image_id"), shares=(0.5, 0.6))
    train.run(workspace, params, model="small_cnn", task="recognition")
    return workspace


def of_fairface(root: Path, count: int) -> ProjectPaths:
    table = fairface.load(REAL_DATA / "fairface" / "labels.csv").pictures.head(count)
    files = tables.Files(REAL_DATA / "fairface" / "train.tar")
    tasks = {
        name: {"column": name, "labels": list(labels), "per_identity": False}
        for name, labels in fairface.ATTRIBUTES.items()
        if name in ("gender", "race", "age")
    }
    shared = {"tasks": list(tasks), "backbone": "small_cnn", "weightings": ["equal"], "recipe": "small"}
    pictures = [files.read(file) for file in table["file"]]
    workspace, params = project(
        root, {"tasks": tasks, "multitask": shared} | _train("gender"), {f"{FAIRFACE}-0": pictures}
    )
    images = schemas.read(schemas.IMAGES, workspace.table("crawl", "images"))
    labels = table.select(list(tasks)).with_columns(
        image_id=pl.Series([hashlib.sha256(data).hexdigest() for data in pictures])
    )
    labels = labels.unique("image_id", keep="none").join(images.select("image_id"), on="image_id", how="semi")
    write_splits(workspace, params, labels, shares=(0.6, 0.7))
    multitask.run(workspace, params, weighting="equal")
    return workspace


def _train(task: str) -> dict[str, Any]:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())["train"]
    return {"train": raw | {"tasks": [task], "models": ["small_cnn"]}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fairface", type=int, default=1500, help="the first so many of its pictures")
    parser.add_argument("--sets", nargs="+", choices=("orl", FAIRFACE), default=["orl", FAIRFACE])
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sets:
            root, began = Path(folder) / name, time.process_time()
            workspace = orl(root) if name == "orl" else of_fairface(root, options.fairface)
            made_s = time.process_time() - began
            os.chdir(workspace.root)
            altered.show(as_json=False)
            measured_s = time.process_time() - began - made_s
            print(f"{name}: processor time {made_s:.0f} s to crop and train, {measured_s:.0f} s to measure")
            os.chdir(folder)


if __name__ == "__main__":
    main()
