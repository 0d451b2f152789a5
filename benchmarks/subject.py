"""The time of `mtf subject` for one person of 640, with 117,000 pictures, a ledger of three reviewers and 20 versions.

The tables, the ledger and the history are made up at full size. Only the asked person's shards exist: no other is read.
The cost is compared with that of a project of 64 people, each with as many pictures.

    python benchmarks/subject.py [FOLDER]
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from PIL import Image

from mtf import config, schemas
from mtf.core import shards
from mtf.core.project_paths import ProjectPaths
from mtf.subject import answer

PICTURES_EACH = 183
REVIEWERS = 3
STEPS = ("face", "identity", "quality", "task_fit")
VERSIONS = 20
# Of the asked person's pictures, so many show a second face, which is to be masked.
SHARED = 40
SIZE = (1024, 768)
BOX = {"x": 300, "y": 200, "width": 220, "height": 220}
ROOT = Path(__file__).parents[1]


def main(folder: Path) -> None:
    times = {people: measured(folder / str(people), people) for people in (64, 640)}
    for people, (seconds, processor_s) in times.items():
        pictures = f"{people} people, {people * PICTURES_EACH:,} pictures"
        print(f"{pictures}: {seconds:.1f} s, with {processor_s:.1f} s of processor time")
    print(f"ten times the people: {times[640][1] / times[64][1]:.2f} times the processor time")
    print(f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def measured(root: Path, people: int) -> tuple[float, float]:
    """Seconds for one answer, and its processor time, without the start of Python."""
    workspace, settings = made(root, people)
    start, before_s = time.perf_counter(), time.process_time()
    done = answer.write(slug(7), workspace, settings, folder=root / "out")
    seconds, processor_s = time.perf_counter() - start, time.process_time() - before_s
    assert len(done.holdings.pictures) == PICTURES_EACH
    assert sum(bool(picture.masked) for picture in done.holdings.pictures) == SHARED
    assert len(done.holdings.decisions) == PICTURES_EACH * REVIEWERS * len(STEPS)
    assert len(done.versions) == VERSIONS + 1  # the files themselves
    assert not done.left_out
    return seconds, processor_s


def slug(number: int) -> str:
    return f"person-{number:04d}"


def image_id(person: int, number: int) -> str:
    return hashlib.sha256(f"{person}/{number}".encode()).hexdigest()


def made(root: Path, people: int) -> tuple[ProjectPaths, config.Params]:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    workspace = ProjectPaths(root)
    workspace.data.mkdir(parents=True)
    workspace.params.write_text(yaml.safe_dump(raw))
    names = "".join(f"{slug(number)},Person {number},Blue,Males,Old\n" for number in range(people))
    workspace.roster.write_text(f"identity,name,race,gender,age\n{names}")
    settings = config.parse(raw)
    write_shard(workspace)
    write_tables(workspace, settings, people)
    write_ledger(workspace, people)
    write_history(root, people)
    return workspace, settings


def write_shard(workspace: ProjectPaths) -> None:
    """Pictures of the asked person, and their crops."""
    noise = np.random.default_rng(1).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    for stage in ("crawl", "crop"):
        path = workspace.shard(stage, slug(7))
        path.parent.mkdir(parents=True, exist_ok=True)
        with shards.writing(path, "digest") as shard:
            for number in range(PICTURES_EACH):
                shard.add(f"{image_id(7, number)}.jpg", buffer.getvalue())
            rows = [{"identity": slug(7), "image_id": image_id(7, number)} for number in range(PICTURES_EACH)]
            shard.finish(pl.DataFrame(rows))
    global PICTURE_BYTES  # noqa: PLW0603 (the tables say how long the pictures are)
    PICTURE_BYTES = len(buffer.getvalue())


PICTURE_BYTES = 0


def write_tables(workspace: ProjectPaths, settings: config.Params, people: int) -> None:
    faces = face_rows(people)
    single = faces.filter(~pl.col("second"))
    for stage, name, table, rows in (
        ("crawl", "images", schemas.IMAGES, single),
        ("crawl", "fetches", schemas.FETCHES, single),
        ("crawl", "evidence", schemas.EVIDENCE, single),
        ("crop", "faces", schemas.FACES, faces),
        ("screen", "screening", schemas.SCREENING, single),
        ("split", "splits", schemas.splits(settings), single),
        ("curate", "exclusions", schemas.EXCLUSIONS, faces.filter("second")),
    ):
        path = workspace.table(stage, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        missing = [pl.lit(None, dtype).alias(column) for column, dtype in table.dtypes.items() if column not in rows]
        schemas.frame(table, rows.with_columns(missing)).write_parquet(path)


def face_rows(people: int) -> pl.DataFrame:
    """One row for each face: a picture of each person has one, some of the asked person's a second one."""
    pairs = [(person, number, False) for person in range(people) for number in range(PICTURES_EACH)]
    pairs += [(7, number, True) for number in range(SHARED)]
    names = [image_id(person, number) for person, number, _ in pairs]
    padded = -(-PICTURE_BYTES // 512) * 512
    is_asked = pl.col("person") == 7
    texts = {
        "title": "A title", "source": "bing", "media_type": "image/jpeg", "outcome": "stored", "stated": "stated",
        "license": "CC-BY-4.0", "method": "page", "creator": "N. N.", "step": "identity", "reason": "wrong_person",
        "decided_by": "panel 3/3", "split": "train", "race": "Blue", "gender": "Males", "age": "Old",
    }  # fmt: skip
    numbers = {
        **BOX, "crop_x": 300, "crop_y": 200, "crop_width": 220, "crop_height": 220, "image_width": SIZE[0],
        "image_height": SIZE[1], "width_of_image": SIZE[0], "rank": 0, "attempts": 1, "http_status": 200,
        "size_px": 220, "sharpness": 100.0, "brightness": 120.0, "clipped_share": 0.0, "eyes": 2,
        "not_photograph": 0.0, "identity_distance": 0.1,
    }  # fmt: skip
    time_of_fetch = dt.datetime(2025, 4, 1, tzinfo=dt.UTC)
    return (
        pl.DataFrame(pairs, schema=["person", "number", "second"], orient="row")
        .with_columns(
            identity=pl.format("person-{}", pl.col("person").cast(pl.String).str.zfill(4)),
            image_id=pl.Series(names),
            face_id=pl.Series([face_id(name, second) for name, (*_, second) in zip(names, pairs, strict=True)]),
            hash=pl.col("number"),
            # The header and the digest of a shard take a block each, and so does the header of a picture.
            offset=pl.when(is_asked).then(1536 + pl.col("number") * (512 + padded)).otherwise(1024),
            size_bytes=pl.when(is_asked).then(PICTURE_BYTES).otherwise(1),
            **{name: pl.lit(value) for name, value in (texts | numbers).items()},
            **{name: pl.lit(time_of_fetch) for name in ("fetched_at", "checked_at")},
        )
        .with_columns(
            x=pl.col("x") + 300 * pl.col("second").cast(pl.Int32),
            url=pl.format("https://media.example/{}.jpg", "image_id"),
            page_url=pl.format("https://page.example/{}", "image_id"),
        )
    )


def face_id(name: str, second: bool) -> str:
    return hashlib.sha256(f"{name}{second}".encode()).hexdigest()[:32]


def write_ledger(workspace: ProjectPaths, people: int) -> None:
    box = json.dumps([BOX["x"], BOX["y"], BOX["width"], BOX["height"]], separators=(",", ":"))
    for reviewer in range(REVIEWERS):
        path = workspace.review / f"reviewer-{reviewer}" / "2025-05-01T09-00-00Z.jsonl"
        path.parent.mkdir(parents=True)
        with path.open("w") as file:
            for person in range(people):
                for number in range(PICTURES_EACH):
                    named = f'"image_id":"{image_id(person, number)}","box":{box},"identity":"{slug(person)}"'
                    rest = f'"reason":null,"labels":null,"reviewer":"reviewer-{reviewer}"'
                    ends = '"time":"2025-05-01T09:00:00Z","program":"0.1.0","joint":false'
                    file.writelines(f'{{{named},"step":"{step}","verdict":"accept",{rest},{ends}}}\n' for step in STEPS)


def write_history(root: Path, people: int) -> None:
    """Commits with a dvc.lock each, and the listings, shard and table that DVC's cache has of them."""
    cache = root / ".dvc" / "cache" / "files" / "md5"
    shard = stored(cache, (root / "build/crawl/shards" / f"{slug(7)}.tar").read_bytes())
    splits = stored(cache, (root / "build/split/splits.parquet").read_bytes())
    git(root, "init", "-q", "-b", "main")
    for version in range(VERSIONS):
        listing = [
            {"md5": shard if person == 7 else f"{person + version:032x}", "relpath": f"shards/{slug(person)}.tar"}
            for person in range(people)
        ]
        crawl = stored(cache, json.dumps(listing).encode(), ".dir")
        split = stored(cache, json.dumps([{"md5": splits, "relpath": "splits.parquet"}]).encode(), ".dir")
        outs = {"crawl": crawl, "split": split, "models/small_cnn/gender": f"{version:032x}", "release": "0" * 32}
        stages = {
            name.replace("/", "@"): {"cmd": "x", "outs": [{"path": f"build/{name}", "md5": md5}]}
            for name, md5 in outs.items()
        }
        stages["release"]["params"] = {"params.yaml": {"release": {"version": f"0.{version}.0"}}}
        (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
        git(root, "add", "dvc.lock")
        git(root, "commit", "-q", "-m", f"Version {version}")
        git(root, "tag", f"v{version}")


def stored(cache: Path, data: bytes, suffix: str = "") -> str:
    name = hashlib.md5(data, usedforsecurity=False).hexdigest()
    path = cache / name[:2] / f"{name[2:]}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return name + suffix


def git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@example.org")
    subprocess.run(("git", *who, *arguments), cwd=root, check=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
