"""Time and peak memory of `mtf audit` on 1,000,000 made-up pictures, for the whole process with its start.

    .venv/bin/python benchmarks/audit.py [ROWS]

Targets: under 4 s and under 1.5 GiB. The tables are those of a large crawl:

- 640 identities, with one evidence record per picture; 8 % of the pictures have a finding;
- a released data set of every twentieth picture;
- takedowns of five pages, five pictures, five files, one identity and 183 perceptual hashes, five of which are of
  pictures here (`mtf takedown add` records the hash of each picture that it names). The hashes are in the shards, one
  shard per identity.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from mtf import schemas
from mtf.core.project_paths import ProjectPaths
from mtf.crawl.takedown_filter import RESPONSES
from mtf.rights.audit import run
from mtf.schemas import takedown_file

ROOT = Path(__file__).parents[1]
IDENTITIES = 640
CHECKED_AT = datetime(2026, 1, 1, tzinfo=UTC)
TARGET_S, TARGET_GIB = 4.0, 1.5
LOOKS = 183
# Where each picture lies in its shard: the table of its looks comes behind them.
OFFSET, SIZE_BYTES = 512, 144_000

# License, what is stated, claim, opt-out, creator known, share of the pictures.
KINDS = [
    ("CC-BY-2.0", "stated", "commercial,modify", None, True, 0.40),
    ("CC-BY-SA-4.0", "stated", "commercial,modify", None, True, 0.30),
    ("CC-PDM-1.0", "stated", "publicdomain", None, False, 0.22),
    ("CC-BY-NC-2.0", "contradiction", "commercial,modify", None, True, 0.02),
    ("CC-BY-ND-4.0", "stated", None, None, True, 0.01),
    (None, "unstated", "commercial,modify", None, False, 0.02),
    (None, "unreachable", "commercial,modify", None, False, 0.02),
    ("CC-BY-4.0", "stated", "commercial,modify", "x-robots-tag: noai", True, 0.01),
]


def made_up(rows: int) -> pl.DataFrame:
    random = np.random.default_rng(0)
    kind = random.choice(len(KINDS), rows, p=[share for *_, share in KINDS])
    digests = random.integers(0, 2**63, (rows, 4), dtype=np.uint64)
    image_id = [digest.tobytes().hex() for digest in digests]
    number = np.arange(rows)
    base = pl.DataFrame({"image_id": image_id, "number": number, "kind": kind.astype(np.int64)})
    names = ("license", "stated", "claim", "opt_out", "has_creator", "share")
    kinds = pl.DataFrame([dict(zip(names, each, strict=True)) for each in KINDS]).with_row_index("kind")
    address = pl.format("https://media.example.org/{}/{}.jpg", pl.col("number") % 997, "number")
    return base.join(kinds.with_columns(pl.col("kind").cast(pl.Int64)), on="kind", maintain_order="left").with_columns(
        identity=pl.format("person-{}", pl.col("number") * IDENTITIES // rows),
        url=address,
        page_url=pl.format("https://photos.example.org/view/{}", "number"),
        license_url=pl.lit("https://creativecommons.org/licenses/by/2.0/"),
        method=pl.lit("page: rel=license"),
        statement=pl.lit("rel=license: https://creativecommons.org/licenses/by/2.0/"),
        creator=pl.when("has_creator").then(pl.format("Photographer {}", pl.col("number") % 5000)),
        creator_url=pl.lit(None, pl.String),
        title=pl.format("Portrait {}", "number"),
        detail=pl.lit(None, pl.String),
        http_status=pl.when(pl.col("stated") == "unreachable").then(404).otherwise(200),
        response_sha256=pl.col("image_id"),
        checked_at=pl.lit(CHECKED_AT) + pl.duration(seconds="number"),
    )


def project(folder: Path, rows: int) -> None:
    """Write a project with `rows` crawled pictures; its tables meet the contracts of the stages."""
    workspace = ProjectPaths(folder)
    shutil.copy(ROOT / "params.yaml", folder)
    pictures = made_up(rows)
    schemas.write(schemas.EVIDENCE, pictures, workspace.table("crawl", "evidence"))
    images = pictures.with_columns(
        source=pl.lit("bing"),
        media_type=pl.lit("image/jpeg"),
        width=pl.lit(1200),
        height=pl.lit(900),
        offset=pl.lit(OFFSET),
        size_bytes=pl.lit(SIZE_BYTES),
    )
    schemas.write(schemas.IMAGES, images, workspace.table("crawl", "images"))
    fetches = images.with_columns(
        query=pl.lit("portrait"),
        rank=pl.lit(0),
        outcome=pl.lit("stored"),
        attempts=pl.lit(1),
        fetched_at=pl.lit(CHECKED_AT - timedelta(hours=1)),
    )
    schemas.write(schemas.FETCHES, fetches, workspace.table("crawl", "fetches"))
    members = pictures.gather_every(20).filter(pl.col("stated") == "stated")
    workspace.stage("split").mkdir(parents=True)
    members.select("identity", "image_id").write_parquet(workspace.table("split", "splits"))
    taken_down(pictures.head(rows // 2).tail(5), perceptual_hash_tables(pictures, workspace), workspace)
    released(members, workspace)


def perceptual_hash_tables(pictures: pl.DataFrame, workspace: ProjectPaths) -> list[str]:
    """Write the shards' tables of perceptual hashes, and no other part of them. Returns the hashes to take down."""
    random = np.random.default_rng(1)
    hashed = pictures.select("identity", "image_id").with_columns(
        content_hash=pl.Series(random.integers(0, 2**64, pictures.height, dtype=np.uint64))
    )
    workspace.shards("crawl").mkdir()
    for (identity,), rows in hashed.partition_by("identity", as_dict=True).items():
        buffer = io.BytesIO()
        rows.drop("identity").write_parquet(buffer)
        with workspace.shard("crawl", str(identity)).open("wb") as file:
            file.seek(-(-(OFFSET + SIZE_BYTES) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
            with tarfile.open(fileobj=file, mode="w:") as tar:
                member = tarfile.TarInfo(RESPONSES)
                member.size = buffer.tell()
                tar.addfile(member, io.BytesIO(buffer.getvalue()))
    here = [each ^ 0b111 for each in hashed["content_hash"].head(5)]
    others = random.integers(0, 2**64, LOOKS - len(here), dtype=np.uint64).tolist()
    return [f"{each:016x}" for each in [*here, *others]]


def taken_down(pictures: pl.DataFrame, perceptual_hashes: list[str], workspace: ProjectPaths) -> None:
    """Write takedowns.csv with requests of each kind."""
    columns = {"page": "page_url", "picture": "url", "image_id": "image_id"}
    named = [(kind, value) for kind, column in columns.items() for value in pictures[column]]
    named += [("perceptual_hash", value) for value in perceptual_hashes]
    lines = [f"2026-01-02,{kind},{value},asked,them,1" for kind, value in [*named, ("identity", "person-3")]]
    workspace.data.mkdir()
    workspace.takedowns.write_text("\n".join([",".join(takedown_file.COLUMNS), *lines]) + "\n")


def released(members: pl.DataFrame, workspace: ProjectPaths) -> None:
    """Write a release: an empty file per face of the data set, with its credit."""
    faces = members.select("identity", "image_id", face_id=pl.col("image_id").str.head(32))
    workspace.stage("crop").mkdir(parents=True)
    faces.write_parquet(workspace.table("crop", "faces"))
    folder = workspace.stage("release") / "multi_task"
    folder.mkdir(parents=True)
    for face_id in faces["face_id"]:
        (folder / f"{face_id}.jpg").touch()
    faces.select("face_id", "identity").write_csv(workspace.stage("release") / run.CREDITS)


def measured(folder: Path, *arguments: str) -> tuple[float, float, float, int]:
    """Seconds, seconds of processor time, peak GiB and exit code of one `mtf` process."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "mtf", *arguments], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed_s, processor_s = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    return elapsed_s, processor_s, usage.ru_maxrss / 2**20, os.waitstatus_to_exitcode(status)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project(folder, rows)
        scopes = [(str(scope), "--quiet") for scope in run.Scope if scope != run.Scope.LICENSES]
        for arguments in (("licenses",), ("licenses", "--json"), ("licenses", "--plain"), *scopes):
            seconds, processor_s, gib, code = measured(folder, "audit", *arguments)
            within = "within" if seconds < TARGET_S and gib < TARGET_GIB else "OVER"
            print(
                f"mtf audit {' '.join(arguments)}: {rows:,} pictures, {seconds:.2f} s"
                f" (processor {processor_s:.2f} s), peak {gib:.2f} GiB, exit {code}"
                f" ({within} the targets of {TARGET_S} s and {TARGET_GIB} GiB)"
            )


if __name__ == "__main__":
    main()
