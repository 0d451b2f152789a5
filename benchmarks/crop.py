"""Time of the crop stage on the 535 Congress portraits, compared with a plain OpenCV loop.

    python benchmarks/crop.py [--workers 2] [--portraits 535] [--per-identity 10] [--detector centerface]

- Loop: `imread`, `detectMultiScale(gray, 1.1, 5)` at full size, each face saved by `imwrite`. It runs twice: with
  OpenCV's default threads, and with one.
- Stage: all of `mtf.pipeline.crop.run`. It reads shards, detects faces with the parameters of params.yaml, and writes
  crops, tables and figures, flushed to disk. It runs twice: with `--workers` processes for the clock, and with one for
  the processor time (user and system, all threads), which holds on a busy machine, too.

The portraits are distributed to made-up identities of `--per-identity` pictures. Each identity is one shard, which is
written, flushed and renamed on its own.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import cv2.data
import polars as pl

import crawled_project
from mtf import config
from mtf.config import Compute, Params
from mtf.core.project_paths import ProjectPaths
from mtf.faces import detectors
from mtf.pipeline import crop

# Times faster than the loop.
TARGETS = {"haar": 6.0}
OTHER_TARGET = 2.0


class Result(NamedTuple):
    """Seconds by the clock, seconds of processor time in this process, pictures with a face, and boxes."""

    seconds: float
    processor_s: float
    with_faces: int
    boxes: int


def portraits(count: int) -> dict[str, bytes]:
    with tarfile.open(crawled_project.REAL_DATA / "congress" / "portraits.tar") as tar:
        files = {Path(member.name).stem: tar.extractfile(member) for member in tar if member.isfile()}
        return {name: file.read() for name, file in list(files.items())[:count] if file}


def naive_loop(pictures: dict[str, bytes], folder: Path, *, threads: int) -> Result:
    source, target = folder / "pictures", folder / f"crops-{threads}"
    source.mkdir(exist_ok=True)
    target.mkdir()
    for name, data in pictures.items():
        (source / f"{name}.jpg").write_bytes(data)
    cv2.setNumThreads(threads)
    began, began_cpu = time.perf_counter(), time.process_time()
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    found = {}
    for path in sorted(source.iterdir()):
        image = cv2.imread(str(path))
        boxes = cascade.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), 1.1, 5)
        for number, (x, y, width, height) in enumerate(boxes):
            cv2.imwrite(str(target / f"{path.stem}-{number}.jpg"), image[y : y + height, x : x + width])
        found[path.stem] = len(boxes)
    seconds, processor_s = time.perf_counter() - began, time.process_time() - began_cpu
    return Result(seconds, processor_s, sum(count > 0 for count in found.values()), sum(found.values()))


def stage(pictures: dict[str, bytes], folder: Path, settings: Params, *, per_identity: int) -> Result:
    workspace = ProjectPaths(folder / f"project-{settings.compute.workers}")
    files = list(pictures.values())
    dealt = {f"person-{at:03d}": files[at : at + per_identity] for at in range(0, len(files), per_identity)}
    crawled_project.write_crawl(workspace, dealt)
    seconds, processor_s = timed(lambda: crop.run(workspace, settings))
    faces = pl.read_parquet(workspace.table("crop", "faces"))
    return Result(seconds, processor_s, faces["image_id"].n_unique(), faces.height)


def timed(work: Callable[[], None]) -> tuple[float, float]:
    began, began_cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - began_cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--portraits", type=int, default=535)
    parser.add_argument("--per-identity", type=int, default=10)
    parser.add_argument("--detector", default="centerface", choices=detectors.DETECTORS.names())
    arguments = parser.parse_args()
    if not crawled_project.REAL_DATA.is_dir():
        sys.exit(f"crop: skipped, no real pictures at {crawled_project.REAL_DATA}")
    settings = config.load(crawled_project.ROOT / "params.yaml")
    found_by = settings.crop.model_copy(update={"detector": arguments.detector})
    settings = settings.model_copy(update={"compute": Compute(workers=arguments.workers), "crop": found_by})
    print(f"machine: {crawled_project.machine()}")
    pictures = portraits(arguments.portraits)
    threads = cv2.getNumThreads()
    with tempfile.TemporaryDirectory() as folder:
        rivals = {count: naive_loop(pictures, Path(folder), threads=count) for count in dict.fromkeys((threads, 1))}
        ours = stage(pictures, Path(folder), settings, per_identity=arguments.per_identity)
        alone = settings.model_copy(update={"compute": Compute(workers=1)})
        in_one = ours
        if arguments.workers != 1:
            in_one = stage(pictures, Path(folder), alone, per_identity=arguments.per_identity)
    print(f"{'':34}{'seconds':>9}{'images/s':>10}{'with a face':>13}{'boxes':>7}{'ratio':>8}")
    for count, result in rivals.items():
        show(f"naive loop, OpenCV threads: {count}", result, len(pictures), ratio=result.seconds / ours.seconds)
    show(f"mtf crop, {arguments.detector}, processes: {arguments.workers}", ours, len(pictures), ratio=None)
    default = rivals[threads]
    target = TARGETS.get(arguments.detector, OTHER_TARGET)
    print(f"ratio to the loop as it runs by default: {default.seconds / ours.seconds:.1f} (target {target:.0f})")
    each = 1000 / len(pictures)
    print(
        f"processor time a portrait: {in_one.processor_s * each:.1f} ms against {default.processor_s * each:.1f} ms, "
        f"ratio {default.processor_s / in_one.processor_s:.1f} (target {target:.0f})"
    )
    print(f"portraits with a face: {ours.with_faces} against {default.with_faces} (target: at least as many)")


def show(name: str, result: Result, images: int, *, ratio: float | None) -> None:
    ratio_text = "" if ratio is None else f"{ratio:8.1f}"
    rate = images / result.seconds
    print(f"{name:34}{result.seconds:9.1f}{rate:10.1f}{result.with_faces:13}{result.boxes:7}{ratio_text}")


if __name__ == "__main__":
    main()
