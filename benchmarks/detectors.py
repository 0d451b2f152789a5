"""Face detectors on real pictures: detection rate by group, second boxes, false positives, processor time.

    python benchmarks/detectors.py [--detectors haar centerface] [--pictures 1000] [--settings JSON]

Each detector runs as in the crop stage: parameters of params.yaml, pictures decoded at the detector's size, one
thread. `--settings` has the form of `crop.detectors`: `{"centerface": {"min_score": 0.4}}`.

- FairFace (one face a picture), Congress and ORL: the share of pictures with a face, and with more than one box.
- FairFace by race and gender: the share with a face, with Wilson's 95 % interval (each picture is of another person),
  and the difference between the best and the worst group in percentage points.
- Tiles without a face: boxes in the lowest fifth of each Congress portrait, in five parts, and in two upper corners.
  The lowest third would have chins, which CenterFace detects.
- Processor time per picture with decoding, also of a plain loop (`imdecode`, `detectMultiScale(grey, 1.1, 5)` at full
  size) on Congress.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tarfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import cv2.data
import numpy as np

import crawled_project
from mtf import config
from mtf.config import Crop
from mtf.core import clustered_share
from mtf.faces import decoding, detectors, opencv
from mtf.faces.detectors import Detector

MAX_PIXELS = 10**8
# Of the normal distribution, for intervals of 95 %.
QUANTILE = 1.96
TILE_ROW_SHARE, TILES_A_ROW, CORNER_SHARE = 0.8, 5, 0.2


class Run(NamedTuple):
    """Result of a detector: boxes by name of the picture, and processor time of all pictures in seconds."""

    boxes: dict[str, int]
    seconds: float

    def found(self) -> float:
        return sum(count > 0 for count in self.boxes.values()) / len(self.boxes)

    def several(self) -> float:
        return sum(count > 1 for count in self.boxes.values()) / len(self.boxes)

    def milliseconds(self) -> float:
        return 1000 * self.seconds / len(self.boxes)


def pictures(archive: str, count: int | None) -> Iterator[tuple[str, bytes]]:
    """Pictures of a tar as (name, bytes): `count` random ones, the same in every run."""
    with tarfile.open(crawled_project.REAL_DATA / archive) as tar:
        members = [member for member in tar if member.isfile()]
        random.Random(7).shuffle(members)
        for member in members[:count]:
            file = tar.extractfile(member)
            if file is not None:
                yield member.name, file.read()


def tiles(count: int | None) -> Iterator[tuple[str, bytes]]:
    """Tiles of portraits without a face, as PNG, seven per portrait."""
    for name, data in pictures("congress/portraits.tar", None if count is None else -(-count // 7)):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        height, width = pixels.shape[:2]
        lower, corner_px = pixels[round(height * TILE_ROW_SHARE) :], round(min(height, width) * CORNER_SHARE)
        parts = [
            *np.array_split(lower, TILES_A_ROW, axis=1),
            pixels[:corner_px, :corner_px],
            pixels[:corner_px, -corner_px:],
        ]
        for number, part in enumerate(parts):
            yield f"{name}:{number}", cv2.imencode(".png", np.ascontiguousarray(part))[1].tobytes()


def run(detector: Detector, files: Iterable[tuple[str, bytes]]) -> Run:
    boxes: dict[str, int] = {}
    seconds = 0.0
    for name, data in files:
        began = time.process_time()
        header = decoding.header(data, max_pixels=MAX_PIXELS)
        pixels = decoding.reduced(data, header, side_px=detector.side_px, colour=detector.colour)
        boxes[name] = len({face.box for face in detector(pixels)})
        seconds += time.process_time() - began
    return Run(boxes, seconds)


def naive_loop(files: Iterable[tuple[str, bytes]]) -> Run:
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    boxes: dict[str, int] = {}
    began = time.process_time()
    for name, data in files:
        grey = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2GRAY)
        boxes[name] = len(cascade.detectMultiScale(grey, 1.1, 5))
    return Run(boxes, time.process_time() - began)


def groups_of_fairface() -> dict[str, dict[str, str]]:
    """Groups of FairFace: file → column → group."""
    with (crawled_project.REAL_DATA / "fairface" / "labels.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: {"race": row["race"], "gender": row["gender"]} for row in csv.DictReader(file)}


def show_groups(result: Run) -> None:
    labels = groups_of_fairface()
    for column in ("race", "gender"):
        counts: dict[str, list[bool]] = defaultdict(list)
        for name, boxes in result.boxes.items():
            counts[labels[name][column]].append(boxes > 0)
        shares = {group: sum(hits) / len(hits) for group, hits in sorted(counts.items())}
        for group, share in shares.items():
            low, high = clustered_share.wilson(share, len(counts[group]), QUANTILE)
            print(f"    {group:18}{share:8.2%}  [{low:.2%}, {high:.2%}]  of {len(counts[group])}")
        print(f"    {column}: difference {100 * (max(shares.values()) - min(shares.values())):.2f} points")


def show_detector(name: str, crop: Crop, count: int | None) -> None:
    detector = detectors.create(crop, root=crawled_project.ROOT)
    print(f"{name}: {json.dumps(detector.fingerprint())}")
    sets: Sequence[tuple[str, Iterable[tuple[str, bytes]]]] = (
        ("FairFace", pictures("fairface/train.tar", count)),
        ("Congress", pictures("congress/portraits.tar", count)),
        ("ORL", pictures("orl/faces.tar", count)),
    )
    for title, files in sets:
        result = run(detector, files)
        print(
            f"  {title:10}{len(result.boxes):6} pictures  a face in {result.found():.2%}  "
            f"more than one box in {result.several():.2%}  {result.milliseconds():.1f} ms",
            flush=True,
        )
        if title == "FairFace":
            show_groups(result)
    empty = run(detector, tiles(count))
    print(f"  tiles     {len(empty.boxes):6} without a face  {sum(empty.boxes.values())} boxes in them", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", nargs="+", default=["haar", "centerface"], choices=detectors.DETECTORS.names())
    parser.add_argument("--pictures", type=int, help="of each set at most; all if not given")
    parser.add_argument("--settings", type=json.loads, default={}, help="crop.detectors, as JSON")
    arguments = parser.parse_args()
    if not crawled_project.REAL_DATA.is_dir():
        sys.exit(f"detectors: skipped, no real pictures at {crawled_project.REAL_DATA}")
    print(f"machine: {crawled_project.machine()}")
    opencv.use_one_thread()
    crop = config.load(crawled_project.ROOT / "params.yaml").crop
    for name in arguments.detectors:
        settings = {"detector": name, "detectors": {**crop.detectors, **arguments.settings}}
        show_detector(name, crop.model_copy(update=settings), arguments.pictures)
    naive = naive_loop(pictures("congress/portraits.tar", min(arguments.pictures or 100, 100)))
    print(f"naive loop: Congress {len(naive.boxes)} pictures, {naive.milliseconds():.1f} ms")


if __name__ == "__main__":
    main()
