"""Time to open the review app on 106,438 faces, to open it again, and to turn its pages.

    .venv/bin/python benchmarks/review_app.py [--faces 106438] [--lines 100000]

The project has made-up rows of 640 identities over small real pictures (ORL's, as crops in the shards), embeddings,
groups of duplicates, and a ledger of three reviewers with `--lines` lines each. Measured times and targets:

- from the start of the app's process to its first answer: 90 s the first time; 15 s when opened again, without changes
  and after some decisions;
- to the next page: 0.3 s.

The exit status is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tarfile
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from mtf import config, schemas
from mtf.annotation.decision import Decision, Verdict
from mtf.core import parallel_map, shards
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.loading import load_review_data, session_of
from mtf.review_app.processes.mongodb import Database, free_port
from mtf.review_app.processes.supervisor import App
from mtf.schemas import Reason, Step

ROOT = Path(__file__).resolve().parents[1]
ORL = ROOT.parent / "shared" / "data" / "orl" / "faces.tar"
IDENTITIES = 640
REVIEWERS = ("anna", "ben", "cyd")
DIMENSIONS = 512
TARGETS_S = {"first": 90.0, "again, nothing new": 15.0, "again, after decisions": 15.0}
PAGE_TARGET_S = 0.3
PAGES = 20


def pictures() -> list[bytes]:
    """Ten small real pictures, as JPEG."""
    found = []
    with tarfile.open(ORL) as tar:
        for member in sorted(tar.getmembers(), key=lambda one: one.name):
            file = tar.extractfile(member) if member.name.endswith(".pgm") else None
            if file is not None and len(found) < 10:
                pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_GRAYSCALE)
                found.append(cv2.imencode(".jpg", pixels)[1].tobytes())
    return found


def made_up(root: Path, faces: int, lines: int) -> ProjectPaths:
    workspace = ProjectPaths(root)
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
    _embeddings(workspace, base, random)
    nulls = {name: pl.lit(None, pl.String) for name in ("title", "claim", "license_url", "method", "statement")}
    nulls |= {
        name: pl.lit(None, pl.String) for name in ("creator", "creator_url", "opt_out", "detail", "response_sha256")
    }
    box = {"x": 10, "y": 10, "width": 64, "height": 80, "crop_x": 0, "crop_y": 0, "crop_width": 92, "crop_height": 112}
    sizes = {name: pl.lit(value) for name, value in (box | {"image_width": 92, "image_height": 112}).items()}
    cut = _shards(workspace, base.with_columns(**sizes))
    base = base.join(cut.select("face_id", "offset", "size_bytes"), on="face_id", maintain_order="left")
    images = base.with_columns(**nulls, source=pl.lit("bing"), media_type=pl.lit("image/jpeg"), **sizes)
    images = images.with_columns(width=pl.lit(92), height=pl.lit(112))
    schemas.write(schemas.IMAGES, images, workspace.table("crawl", "images"))
    stated = images.with_columns(
        license=pl.lit("CC-BY-4.0"), stated=pl.lit("stated"), http_status=pl.lit(200), checked_at=datetime.now(UTC)
    )
    schemas.write(schemas.EVIDENCE, stated, workspace.table("crawl", "evidence"))
    schemas.write(schemas.FACES, base.with_columns(**sizes), workspace.table("crop", "faces"))
    schemas.write(schemas.SCREENING, _screening(base, random), workspace.table("screen", "screening"))
    _ledger(workspace, base, lines)
    return workspace


def _embeddings(workspace: ProjectPaths, base: pl.DataFrame, random: np.random.Generator) -> None:
    """Write embeddings of unit length to the shards of screen, clustered by person for a third of the faces."""
    for part in base.partition_by("identity"):
        middle = random.normal(size=DIMENSIONS)
        own = random.random((part.height, 1)) < 1 / 3
        points = np.where(own, middle, 0) + random.normal(size=(part.height, DIMENSIONS))
        vectors = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float16)
        rows = part.select("identity", "face_id").with_columns(embedding=pl.Series([one.tobytes() for one in vectors]))
        with shards.writing(workspace.shard("screen", part["identity"][0]), "made up") as writer:
            writer.finish(rows)


def _ledger(workspace: ProjectPaths, base: pl.DataFrame, lines: int) -> None:
    """Write a ledger with `lines` of each of three reviewers, who decide on the faces in the same order at random."""
    steps = [("face", 0.6), ("identity", 0.7), ("quality", 0.9)]
    reasons = {"face": "not_a_face", "identity": "wrong_person", "quality": "blurred"}
    if not lines:
        return
    for number, reviewer in enumerate(REVIEWERS):
        random = np.random.default_rng(number)
        ledger_lines: list[bytes] = []
        for identity, image_id in base.select("identity", "image_id").iter_rows():
            for step, share in steps:
                accepts = bool(random.random() < share)
                reason = None if accepts else reasons[step]
                ledger_lines.append(_line(identity, image_id, reviewer, step, reason, len(ledger_lines)))
                if not accepts or len(ledger_lines) == lines:
                    break
            if len(ledger_lines) == lines:
                break
        path = workspace.review / reviewer / "2026-03-01T09-00-00Z.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"".join(ledger_lines))


def _line(identity: str, image_id: str, reviewer: str, step: str, reason: str | None, number: int) -> bytes:
    return Decision(
        image_id=image_id,
        box=(10, 10, 64, 80),
        identity=identity,
        step=Step(step),
        verdict=Verdict.REJECT if reason else Verdict.ACCEPT,
        reason=Reason(reason) if reason else None,
        reviewer=reviewer,
        time=datetime(2026, 3, 1, 9, tzinfo=UTC) + timedelta(seconds=number),
    ).line()


def _shards(workspace: ProjectPaths, faces: pl.DataFrame) -> pl.DataFrame:
    """Write each identity's shard: its faces, with the ten pictures in turn, and its rows. Returns the faces' table."""
    content = pictures()
    written = []
    for own in faces.partition_by("identity", maintain_order=True):
        with shards.writing(workspace.shard("crop", own["identity"][0]), "made up") as writer:
            places = [
                writer.add(f"{name}.jpg", content[number % len(content)]) for number, name in enumerate(own["face_id"])
            ]
            offsets, sizes = zip(*places, strict=True)
            rows = own.with_columns(offset=pl.Series(offsets), size_bytes=pl.Series(sizes))
            written.append(schemas.frame(schemas.FACES, rows))
            writer.finish(written[-1])
    return pl.concat(written)


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
        near_group=pl.when(pl.col("number") % 10 < 2).then(
            pl.col("face_id").first().over("identity", pl.col("number") // 10)
        ),
        across_group=pl.lit(None, pl.String),
    )


def opened_s(workspace: ProjectPaths, uri: str) -> float:
    """Seconds from the start of anna's app to its first answer. The app is closed again."""
    app = App(workspace.root, REVIEWERS[0], joint=False, address="127.0.0.1", port=free_port(), uri=uri)
    began = time.monotonic()
    app.start()
    try:
        while not app.answers():
            if not app.is_running():
                sys.exit("the app did not start")
            time.sleep(0.05)
        return time.monotonic() - began
    finally:
        app.stop()


def page_turns_s(workspace: ProjectPaths) -> list[float]:
    """Seconds per page turn while pages are decided. The decisions stay in the ledger."""
    settings = config.load(workspace.params)
    review_data, _ = load_review_data(workspace, settings)
    session = session_of(workspace, review_data, REVIEWERS[0], joint=False, seed=settings.seed)
    session.page()
    took_s = []
    for _ in range(PAGES):
        faces = session.page().faces
        session.reject(faces[::3])
        if rest := [face for face in session.page().faces if face in faces]:
            session.accept(rest)
        began = time.monotonic()
        session.turn()
        took_s.append(time.monotonic() - began)
    session.close()
    return took_s


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--faces", type=int, default=106_438)
    parser.add_argument("--lines", type=int, default=100_000)
    asked = parser.parse_args()
    if not ORL.is_file():
        print(f"no real pictures at {ORL}: nothing to measure")
        return
    root = Path(tempfile.mkdtemp())
    database = Database(root / "mongodb")
    met = []
    try:
        workspace = made_up(root / "project", asked.faces, asked.lines)
        database.start()
        load = os.getloadavg()[0]
        print(f"{asked.faces} faces, 3 × {asked.lines} lines, {parallel_map.cores()} cores, load before {load:.1f}")
        for name, target_s in TARGETS_S.items():
            if name == "again, after decisions":
                turns_s = page_turns_s(workspace)
                print(f"a page: {max(turns_s):.2f} s at most, {np.median(turns_s):.2f} s in the middle", flush=True)
                met.append(max(turns_s) < PAGE_TARGET_S)
            took_s = opened_s(workspace, database.uri)
            print(f"opened {name}: {took_s:.1f} s (target {target_s:.0f} s)", flush=True)
            met.append(took_s < target_s)
    finally:
        database.stop()
        shutil.rmtree(root)
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
