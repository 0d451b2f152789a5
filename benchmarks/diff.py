"""Time of `mtf diff` between two versions of a made-up project, read from git and DVC without a checkout.

    python benchmarks/diff.py [--identities 640] [--images 180] [--decisions 300000]

Between the versions one identity in twenty is removed, one in twenty added, one image in fifty rejected, one in fifty
cropped anew, one in a hundred under another license, and one identity in forty relabelled. Prints the seconds of the
whole command with Python's start, of the faster of two runs, its processor time and its memory; and the page's size.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import polars as pl

REPOSITORY = Path(__file__).parents[1]
LABELS = {"race": ["Amber", "Blue", "Green", "Violet"], "gender": ["Males", "Females"], "age": ["Young", "Old"]}
WHEN = datetime(2024, 5, 1, tzinfo=UTC)


def rows_of(identity: str, images: int) -> list[dict[str, object]]:
    chance = random.Random(identity)
    labels = {column: chance.choice(names) for column, names in LABELS.items()}
    rows = []
    for number in range(images):
        image_id = hashlib.sha256(f"{identity}/{number}".encode()).hexdigest()
        rows.append(
            {
                "identity": identity,
                "face_id": image_id[:32],
                "image_id": image_id,
                **{"x": 10, "y": 10, "width": 60, "height": 60},
                **{"crop_x": 0, "crop_y": 0, "crop_width": 80, "crop_height": 80},
                "is_cropped_anew": chance.random() < 0.02,
                "is_relicensed": chance.random() < 0.01,
                "url": f"https://pictures.example/{identity}/{number}.jpg",
                "split": chance.choices(["train", "val", "test"], [70, 6, 24])[0],
                "is_rejected": chance.random() < 0.02,
                **labels,
            }
        )
    return rows


def write_version(root: Path, names: list[str], images: int, *, rejects: bool) -> None:
    """Write the tables that `mtf diff` reads, and the roster."""
    rows = pl.DataFrame([row for name in names for row in rows_of(name, images)])
    gone = pl.col("is_rejected") if rejects else pl.lit(False)
    anew, relicensed = (pl.col(name) if rejects else pl.lit(False) for name in ("is_cropped_anew", "is_relicensed"))
    if rejects:
        relabelled = pl.col("identity").is_in(names[::40])
        rows = rows.with_columns(age=pl.when(relabelled).then(pl.lit("Old")).otherwise("age"))
    crop = write_shards(root, names)
    rows = rows.with_columns(
        **crop,
        crop_width=pl.when(anew).then(70).otherwise("crop_width"),
        license=pl.when(relicensed).then(pl.lit("CC-BY-SA-4.0")).otherwise(pl.lit("CC-BY-4.0")),
    )
    evidence = rows.select(
        "identity", "image_id", "url", "license", page_url=pl.col("url"), claim=pl.lit(None, pl.String),
        stated=pl.lit("stated"), opt_out=pl.lit(None, pl.String), creator=pl.lit("A Studio"), title=pl.lit("Portrait"),
        checked_at=pl.lit(WHEN), method=pl.lit("rel-license"),
    )  # fmt: skip
    for path, table in {
        "split/splits": rows.filter(~gone).drop("url", "is_rejected"),
        "curate/non_curated": rows.select("identity", "face_id", "image_id", "license"),
        "crawl/evidence": evidence,
        "crop/faces": rows.drop("url", "is_rejected"),
        "curate/exclusions": rows.filter(gone).select(
            "identity", "face_id", "image_id", step=pl.lit("quality"), reason=pl.lit("blurred")
        ),
        "crawl/fetches": rows.select("identity", "url", "image_id", outcome=pl.lit("stored")),
    }.items():
        file = root / "build" / f"{path}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(file)
    (root / "data").mkdir(exist_ok=True)
    pl.DataFrame({"identity": names, "name": names}).write_csv(root / "data/roster.csv")


def write_shards(root: Path, names: list[str]) -> dict[str, pl.Expr]:
    """Write a shard with one crop for each identity; the columns that say where the crop of each face lies."""
    size_bytes = 0
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)
        crop = cv2.imencode(".jpg", cv2.resize(pixels, (160, 160), interpolation=cv2.INTER_CUBIC))[1].tobytes()
        path = root / "build/crop/shards" / f"{name}.tar"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(crop.ljust(20_000, b"\0"))
        size_bytes = 20_000
    return {"offset": pl.lit(0, pl.Int64), "size_bytes": pl.lit(size_bytes, pl.Int64)}


def write_ledger(root: Path, decisions: int, sitting: str) -> None:
    path = root / "data/review/rita" / f"{sitting}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    line = {"step": "face", "verdict": "accept", "box": [10, 10, 60, 60], "at": WHEN.isoformat()}
    with path.open("w") as file:
        for number in range(decisions):
            file.write(json.dumps({"image_id": hashlib.sha256(str(number).encode()).hexdigest()} | line) + "\n")


def commit(root: Path, tag: str) -> None:
    for command in (
        ["dvc", "add", "-q", "build/split", "build/curate", "build/crop", "build/crawl", "data"],
        ["git", "add", "-A"],
        ["git", "-c", "user.name=made-up", "-c", "user.email=made-up@example.org", "commit", "-qm", tag],
        ["git", "tag", tag],
    ):
        subprocess.run(command, cwd=root, check=True)


def measured(root: Path, *arguments: str) -> str:
    """Seconds, processor time and memory of the faster of two runs, in words."""
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "mtf", "diff", *arguments], cwd=root, stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, arguments
        taken.append((time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    wall_s, cpu_s, memory_mib = min(taken)
    return f"{wall_s:6.2f} s, {cpu_s:6.2f} s of processor time, {memory_mib:,.0f} MiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identities", type=int, default=640)
    parser.add_argument("--images", type=int, default=180)
    parser.add_argument("--decisions", type=int, default=300_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        subprocess.run(["dvc", "init", "-q"], cwd=root, check=True)
        (root / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
        names = [f"person-{number:04}" for number in range(given.identities + given.identities // 20)]
        write_ledger(root, given.decisions, "1")
        write_version(root, names[: given.identities], given.images, rejects=False)
        commit(root, "v1")
        write_ledger(root, given.decisions // 20, "2")
        write_version(root, names[given.identities // 20 :], given.images, rejects=True)
        commit(root, "v2")
        print(
            f"{given.identities} identities, {given.identities * given.images:,} images, {given.decisions:,} decisions"
        )
        print(f"mtf diff v1 v2                   {measured(root, 'v1', 'v2')}")
        print(f"mtf diff v1                      {measured(root, 'v1')}")
        page = root / "page.html"
        print(f"mtf diff v1 v2 --html page.html  {measured(root, 'v1', 'v2', '--html', str(page))}")
        text = page.read_text()
        print(f"its page: {page.stat().st_size / 1e6:.2f} MB, {text.count('/9j/'):,} pictures")


if __name__ == "__main__":
    main()
