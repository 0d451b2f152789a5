"""Time of the crop stage after a change of one identity in 640, as a share of the full stage's time.

    python benchmarks/one_changed_identity.py [--identities 640] [--pictures 24] [--workers 2]

The shards are made up: noise with a drawn face, so that every step runs as on real pictures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import polars as pl

import crawled_project
from mtf import config, schemas
from mtf.config import Compute, Params
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import crop

TARGET_SHARE = 0.03
SIDE_PX = 480


def picture(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    pixels = np.full((SIDE_PX, SIDE_PX, 3), rng.integers(80, 160, 3), np.uint8)
    x, y = (int(value) for value in rng.integers(190, 290, 2))
    cv2.ellipse(pixels, (x, y), (85, 115), 0, 0, 360, (140, 165, 200), -1, cv2.LINE_AA)
    for side in (-1, 1):
        cv2.ellipse(pixels, (x + side * 36, y - 24), (20, 10), 0, 0, 360, (235, 235, 235), -1, cv2.LINE_AA)
        cv2.circle(pixels, (x + side * 36, y - 24), 9, (40, 30, 25), -1, cv2.LINE_AA)
        cv2.ellipse(pixels, (x + side * 36, y - 46), (24, 5), 0, 180, 360, (45, 50, 60), 5, cv2.LINE_AA)
    cv2.ellipse(pixels, (x, y + 20), (15, 9), 0, 0, 180, (100, 118, 145), -1, cv2.LINE_AA)
    cv2.ellipse(pixels, (x, y + 62), (32, 10), 0, 0, 360, (70, 60, 140), -1, cv2.LINE_AA)
    # Light, tilt and noise of its own, so that no picture is a near-duplicate of another.
    light = cv2.resize(rng.normal(0, 14, (9, 9)), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    tilt = cv2.getRotationMatrix2D((x, y), rng.uniform(-4, 4), rng.uniform(0.85, 1.15))
    shown = cv2.warpAffine(cv2.GaussianBlur(pixels, (0, 0), 1.2), tilt, pixels.shape[:2], borderMode=cv2.BORDER_REFLECT)
    noisy = shown + light[:, :, None] + rng.normal(0, 4, pixels.shape)
    return cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8))[1].tobytes()


def pictures_of(identity: int, count: int) -> list[bytes]:
    return [picture(identity * 1000 + number) for number in range(count)]


def run_timed(workspace: ProjectPaths, settings: Params) -> float:
    began = time.perf_counter()
    crop.run(workspace, settings)
    return time.perf_counter() - began


def change_one(workspace: ProjectPaths, identity: str, files: list[bytes]) -> None:
    """Give one identity new pictures, as the crawl does: write its shard and the table of images."""
    images = pl.read_parquet(workspace.table("crawl", "images")).filter(pl.col("identity") != identity)
    rows = schemas.frame(schemas.IMAGES, crawled_project.write_shard(workspace, identity, files))
    schemas.write(schemas.IMAGES, pl.concat([images, rows]), workspace.table("crawl", "images"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identities", type=int, default=640)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    settings = config.load(crawled_project.ROOT / "params.yaml")
    settings = settings.model_copy(update={"compute": Compute(workers=arguments.workers)})
    print(f"machine: {crawled_project.machine()}")
    with tempfile.TemporaryDirectory() as folder:
        workspace = ProjectPaths(Path(folder))
        made_up = {f"person-{one:03d}": pictures_of(one, arguments.pictures) for one in range(arguments.identities)}
        crawled_project.write_crawl(workspace, made_up)
        full = run_timed(workspace, settings)
        change_one(workspace, "person-000", pictures_of(arguments.identities, arguments.pictures))
        one = run_timed(workspace, settings)
        none = run_timed(workspace, settings)
    print(f"all {arguments.identities} identities: {full:7.2f} s")
    print(f"one changed:         {one:7.2f} s, {one / full:.2%} of it (target under {TARGET_SHARE:.0%})")
    print(f"none changed:        {none:7.2f} s, {none / full:.2%}")


if __name__ == "__main__":
    main()
