"""Opening the review room on 106,438 faces, and opening it again with nothing new.

    .venv/bin/python benchmarks/review_room.py [--faces 106438]

Made-up rows of 640 identities over real small pictures (ORL's, as crops in the shards). Measured is the process
that a reviewer waits for, from its start to where the data set is ready: imports, reading the tables and the
ledger, the queue, and MongoDB. Targets: under 90 s the first time, under 15 s when opened again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from mtf import engine, shards, tables
from mtf.room.database import URI, Database
from mtf.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
ORL = ROOT.parent / "shared" / "data" / "orl" / "faces.tar"
IDENTITIES = 640
TARGETS_S = {"first": 90.0, "again": 15.0}
OPEN = """
import os, sys
from pathlib import Path
from mtf.room import app
os.environ.update(app.SETTINGS)
from mtf import params
from mtf.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
app.build(workspace, params.load(workspace.params), "anna", joint=False)
"""


def pictures() -> list[bytes]:
    """Ten small real pictures as JPEG."""
    found = []
    with tarfile.open(ORL) as tar:
        for member in sorted(tar.getmembers(), key=lambda one: one.name):
            file = tar.extractfile(member) if member.name.endswith(".pgm") else None
            if file is not None and len(found) < 10:
                pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_GRAYSCALE)
                found.append(cv2.imencode(".jpg", pixels)[1].tobytes())
    return found


def made_up(root: Path, faces: int) -> Workspace:
    workspace = Workspace(root)
    (root / "data").mkdir(parents=True)
    workspace.params.write_text((ROOT / "params.yaml").read_text())
    names = [f"person-{number:03d}" for number in range(IDENTITIES)]
    people = [f"{name},{name.title()},Blue,Females,Young" for name in names]
    workspace.roster.write_text("\n".join(["identity,name,race,gender,age", *people]) + "\n")
    random = np.random.default_rng(1)
    digests = [digest.tobytes().hex() for digest in random.integers(0, 2**63, (faces, 4), dtype=np.uint64)]
    base = (
        pl.DataFrame({"image_id": digests})
        .with_row_index("number")
        .with_columns(
            identity=pl.format("person-{}", (pl.col("number") * IDENTITIES // faces).cast(pl.String).str.zfill(3)),
            face_id=pl.col("image_id").str.slice(0, 32),
            url=pl.format("https://pictures.example/{}.jpg", "number"),
            page_url=pl.format("https://pictures.example/{}", "number"),
        )
    )
    places = _shards(workspace, names)
    base = base.with_columns(pl.Series("place", [places[number % len(places)] for number in range(faces)]))
    base = base.with_columns(offset=pl.col("place").list.get(0), size_bytes=pl.col("place").list.get(1))
    nulls = {name: pl.lit(None, pl.String) for name in ("title", "claim", "license_url", "method", "statement")}
    nulls |= {
        name: pl.lit(None, pl.String) for name in ("creator", "creator_url", "opt_out", "detail", "response_sha256")
    }
    box = {"x": 10, "y": 10, "width": 64, "height": 80, "crop_x": 0, "crop_y": 0, "crop_width": 92, "crop_height": 112}
    sizes = {name: pl.lit(value) for name, value in (box | {"image_width": 92, "image_height": 112}).items()}
    images = base.with_columns(**nulls, source=pl.lit("bing"), media_type=pl.lit("image/jpeg"), **sizes)
    images = images.with_columns(width=pl.lit(92), height=pl.lit(112))
    tables.write(tables.IMAGES, images, workspace.table("crawl", "images"))
    stated = images.with_columns(
        license=pl.lit("CC-BY-4.0"), stated=pl.lit("stated"), http_status=pl.lit(200), checked_at=datetime.now(UTC)
    )
    tables.write(tables.EVIDENCE, stated, workspace.table("crawl", "evidence"))
    tables.write(tables.FACES, base.with_columns(**sizes), workspace.table("crop", "faces"))
    tables.write(tables.SCREENING, _screening(base, random), workspace.table("screen", "screening"))
    return workspace


def _shards(workspace: Workspace, names: list[str]) -> list[tuple[int, int]]:
    """The same ten crops in every identity's shard; faces share them by their place."""
    places: list[tuple[int, int]] = []
    content = pictures()
    for name in names:
        with shards.writing(workspace.shard("crop", name), "made up") as writer:
            places = [writer.add(f"{number}.jpg", jpeg) for number, jpeg in enumerate(content)]
            writer.finish(tables.frame(tables.FACES, []))
    return places


def _screening(base: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    count = base.height
    return base.with_columns(
        size_px=pl.Series(random.integers(30, 400, count)),
        sharpness=pl.Series(random.uniform(5, 900, count)),
        brightness=pl.Series(random.uniform(40, 200, count)),
        clipped_share=pl.Series(random.uniform(0, 0.2, count)),
        eyes=pl.Series(random.integers(0, 3, count)),
        not_photograph=pl.Series(random.uniform(0, 1, count)),
        identity_distance=pl.Series(random.uniform(0, 1, count)),
        hash=pl.Series(random.integers(0, 2**63, count, dtype=np.uint64)),
        exact_group=pl.lit(None, pl.String),
        near_group=pl.lit(None, pl.String),
        across_group=pl.lit(None, pl.String),
    )


def opened_s(workspace: Workspace, uri: str) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", OPEN, str(workspace.root)], env={**os.environ, URI: uri}, check=True)
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--faces", type=int, default=106_438)
    asked = parser.parse_args()
    if not ORL.is_file():
        print(f"no real pictures at {ORL}: nothing to measure")
        return
    root = Path(tempfile.mkdtemp())
    database = Database(root / "mongodb")
    try:
        workspace = made_up(root / "project", asked.faces)
        database.start()
        load = os.getloadavg()[0]
        for name, target_s in TARGETS_S.items():
            took_s = opened_s(workspace, database.uri)
            beside = f"target {target_s:.0f} s, {engine.cores()} cores, load before {load:.1f}"
            print(f"{asked.faces} faces, {name}: {took_s:.1f} s ({beside})")
    finally:
        database.stop()
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
