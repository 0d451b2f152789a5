"""Peak memory and processor time of what reads whole tables, at 10,000,000 rows: audit, diff, split and duplicates.

    .venv/bin/python benchmarks/large_tables.py [ROWS] [NAME …]

Each is a process of its own. Target: no peak above 12 GiB, half of the
machine that it was measured on. The rows are made up, 100 for each
identity; one face in 25 has a duplicate, half of them of another identity. The second version of the diff lacks one
face in 100, has as many new ones, and another label for one in 200. The duplicates are those of equal crops and equal
hashes: what the groups over all identities cost without their embeddings.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from crawled_project import ROOT, machine
from mtf import config
from mtf.core.project_paths import ProjectPaths
from mtf.schemas import takedown_file

PER_IDENTITY = 100
ROWS_AT_ONCE = 500_000
TARGET_GIB = 12.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LABELS = {"race": ("Amber", "Blue", "Green", "Violet"), "gender": ("Males", "Females"), "age": ("Young", "Old")}


def digests(numbers: np.ndarray, digits: int, *, kind: int) -> pl.Series:
    """Hex digits that look random, the same for the same number and kind."""
    words = digits // 16
    with np.errstate(over="ignore"):
        mixed = (numbers.astype(np.uint64)[:, None] * np.uint64(words) + np.arange(words, dtype=np.uint64)) + np.uint64(
            kind << 48
        )
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # the finaliser of splitmix64
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    text = mixed.astype(">u8").tobytes().hex().encode("ascii")
    ends = pa.py_buffer(np.arange(0, len(text) + 1, digits, dtype=np.int64))
    return pl.Series(pa.LargeStringArray.from_buffers(len(numbers), ends, pa.py_buffer(text)))


def faces(numbers: np.ndarray) -> pl.DataFrame:
    """Rows of curated faces."""
    person, number = numbers // PER_IDENTITY, pl.Series(numbers)
    labels = {name: pl.Series(np.array(values)[person % len(values)]) for name, values in LABELS.items()}
    return pl.DataFrame(
        {
            "identity": pl.Series(person).cast(pl.String).str.zfill(7).str.replace("^", "person-"),
            "face_id": digests(numbers, 32, kind=1),
            "image_id": digests(numbers, 64, kind=2),
            "x": 0, "y": 0, "width": 80, "height": 80,
            "offset": 512, "size_bytes": 20_000,
            "license": "CC-BY-4.0",
            **labels,
            "decided_by": "panel",
            "number": number,
        }
    ).with_columns(
        pl.col("x", "y", "width", "height").cast(pl.Int32),
        pl.col("offset", "size_bytes").cast(pl.Int64),
        duplicate_group=pl.when(pl.col("number") % 100 < 4).then(digests(numbers // 200 * 2 + numbers % 2, 32, kind=5)),
    )  # fmt: skip


def parts(rows: int) -> Iterator[np.ndarray]:
    for start in range(0, rows, ROWS_AT_ONCE):
        yield np.arange(start, min(rows, start + ROWS_AT_ONCE))


def written(path: Path, frames: Iterator[pl.DataFrame]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = None
    for frame in frames:
        table = frame.to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=ROWS_AT_ONCE // 4)
    assert writer is not None
    writer.close()


def crawl_tables(workspace: ProjectPaths, rows: int) -> None:
    """Images, evidence and fetches; one picture in twelve has a finding."""

    def pictures() -> Iterator[pl.DataFrame]:
        for numbers in parts(rows):
            base = faces(numbers).select("identity", "image_id", "number")
            bad = pl.col("number") % 12 == 0
            yield base.with_columns(
                url=pl.format("https://media.example.org/{}/{}.jpg", pl.col("number") % 997, "number"),
                page_url=pl.format("https://photos.example.org/view/{}", "number"),
                license=pl.when(bad).then(pl.lit("CC-BY-NC-2.0")).otherwise(pl.lit("CC-BY-2.0")),
                stated=pl.when(bad).then(pl.lit("contradiction")).otherwise(pl.lit("stated")),
                claim=pl.lit("commercial,modify"),
                license_url=pl.lit("https://creativecommons.org/licenses/by/2.0/"),
                method=pl.lit("page: rel=license"),
                statement=pl.lit("rel=license: https://creativecommons.org/licenses/by/2.0/"),
                creator=pl.format("Photographer {}", pl.col("number") % 5000),
                creator_url=pl.lit(None, pl.String),
                title=pl.format("Portrait {}", "number"),
                detail=pl.lit(None, pl.String),
                opt_out=pl.lit(None, pl.String),
                http_status=pl.lit(200),
                response_sha256=pl.col("image_id"),
                checked_at=pl.lit(NOW),
                outcome=pl.lit("stored"),
            )

    evidence = workspace.table("crawl", "evidence")
    written(evidence, pictures())
    for name in ("images", "fetches"):
        os.link(evidence, workspace.table("crawl", name))


def versions(old: ProjectPaths, new: ProjectPaths, rows: int) -> None:
    """Tables of two versions of a data set: splits, faces and fetches; exclusions without rows."""

    def split(numbers: np.ndarray) -> pl.DataFrame:
        name = pl.when(pl.col("number") % 5 < 3).then(pl.lit("train"))
        return faces(numbers).with_columns(
            split=name.when(pl.col("number") % 5 == 3).then(pl.lit("val")).otherwise(pl.lit("test"))
        )

    def changed(numbers: np.ndarray) -> pl.DataFrame:
        moved = np.where(numbers % 100 == 7, numbers + rows, numbers)  # gone, and a new one in its place
        after = split(numbers).with_columns(face_id=digests(moved, 32, kind=1), image_id=digests(moved, 64, kind=2))
        other = pl.when(pl.col("gender") == "Males").then(pl.lit("Females")).otherwise(pl.lit("Males"))
        return after.with_columns(gender=pl.when(pl.col("number") % 200 == 0).then(other).otherwise("gender"))

    for workspace, made in ((old, split), (new, changed)):
        written(workspace.table("split", "splits"), (made(each).drop("number") for each in parts(rows)))
        boxes = ["identity", "face_id", "image_id", "x", "y", "width", "height"]
        written(workspace.table("crop", "faces"), (made(each).select(boxes) for each in parts(rows)))
        address = pl.format("https://media.example.org/{}.jpg", "number").alias("url")
        fetched = (
            made(each).select("identity", "image_id", address, pl.lit("stored").alias("outcome"))
            for each in parts(rows)
        )
        written(workspace.table("crawl", "fetches"), fetched)
        empty = pl.DataFrame(schema=dict.fromkeys(["identity", "face_id", "image_id", "reason"], pl.String))
        written(workspace.table("curate", "exclusions"), iter([empty]))


def prepare(folder: Path, name: str, rows: int) -> None:
    """Write the project of one measurement."""
    workspace = ProjectPaths(folder)
    shutil.copy(ROOT / "params.yaml", folder)
    workspace.data.mkdir()
    workspace.takedowns.write_text(",".join(takedown_file.COLUMNS) + "\n")
    if name == "audit":
        crawl_tables(workspace, rows)
    elif name == "diff":
        versions(ProjectPaths(folder / "old"), workspace, rows)
    elif name == "split":
        written(workspace.table("curate", "curated"), (faces(each).drop("number") for each in parts(rows)))
    else:
        screened = (
            faces(each).select(
                "identity",
                "face_id",
                crop_sha256=digests(np.where(each % 100 < 4, each // 200 * 2 + each % 2, each), 64, kind=3),
                hash=pl.Series(digests(each, 16, kind=4)).str.to_integer(base=16, dtype=pl.UInt64, strict=False),
            )
            for each in parts(rows)
        )
        written(workspace.table("screen", "screening"), screened)


def measure_audit(workspace: ProjectPaths) -> str:
    from datetime import date

    from mtf.rights.audit import run

    subject = run.Subject(workspace, config.load(workspace.params), today=date(2026, 2, 1))
    return ", ".join(
        f"{run.run(subject, scope).findings.height:,} findings of {scope}" for scope in ("licenses", "optouts")
    )


def measure_diff(workspace: ProjectPaths) -> str:
    from mtf.core.revisions import Revision
    from mtf.release import revision_diff

    old, new = (Revision(folder, None) for folder in (workspace.root / "old", workspace.root))
    found = revision_diff.between(old, new, config.load(workspace.params))
    added, removed = (sum(count for _, count in each) for each in (found.added, found.removed))
    return f"{added:,} added, {removed:,} removed, {sum(count for _, count in found.relabelled):,} relabelled"


def measure_split(workspace: ProjectPaths) -> str:
    from mtf.pipeline import split

    split.run(workspace, config.load(workspace.params))
    return "stage split"


def measure_duplicates(workspace: ProjectPaths) -> str:
    from mtf.faces import near_duplicates

    rows = pl.read_parquet(workspace.table("screen", "screening"))
    labels = near_duplicates.exact_groups(rows["crop_sha256"])
    groups = near_duplicates.named(near_duplicates.only_across(labels, rows["identity"]), rows["face_id"])
    return f"{len(set(groups) - {None}):,} groups over several identities"


MEASURED = {
    "audit": measure_audit,
    "diff": measure_diff,
    "split": measure_split,
    "duplicates": measure_duplicates,
}


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    names = sys.argv[2:] or list(MEASURED)
    print(f"{rows:,} rows; {machine()}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder), name, rows)
            start = time.perf_counter()
            command = [sys.executable, __file__, "--measure", name, folder]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            output = process.stdout.read() if process.stdout else ""
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            gib = usage.ru_maxrss / 2**20
            print(
                f"{name}: peak {gib:.2f} GiB ({'within' if gib <= TARGET_GIB else 'OVER'} {TARGET_GIB:g}), processor "
                f"{usage.ru_utime + usage.ru_stime:.0f} s, {time.perf_counter() - start:.0f} s; "
                f"{output.strip().splitlines()[-1] if output.strip() else f'exit {process.returncode}'}",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(MEASURED[sys.argv[2]](ProjectPaths(Path(sys.argv[3]))))
    else:
        main()
