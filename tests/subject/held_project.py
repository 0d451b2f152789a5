"""A project that holds pictures of two people, with faces of others in some of them."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image, ImageDraw

from mtf import config, schemas
from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger import write_session
from mtf.core import shards
from mtf.core.project_paths import ProjectPaths
from mtf.crawl.takedown_filter import RESPONSES
from mtf.faces.perceptual_hash import picture_hash
from mtf.schemas import takedown_file
from projects import ROOT

SIZE = (240, 180)
OWN, OTHER = (20, 20, 60, 60), (150, 40, 60, 60)
RED, BLUE = (200, 30, 30), (30, 30, 200)
FETCHED = dt.datetime(2025, 4, 1, tzinfo=dt.UTC)
HOSTILE = '"><script>alert(1)</script>'


@dataclass(frozen=True)
class Shot:
    """One picture: whose, the faces in it (own, other), and what the reviewers made of them."""

    identity: str
    seed: int
    faces: tuple[tuple[int, int, int, int], ...] = (OWN,)
    kept: tuple[tuple[int, int, int, int], ...] = (OWN,)
    wrong: tuple[tuple[int, int, int, int], ...] = ()
    page_url: str | None = "https://page.example/one"

    @property
    def jpeg(self) -> bytes:
        picture = Image.new("RGB", SIZE, (90 + self.seed, 200 - self.seed, 60))
        draw = ImageDraw.Draw(picture)
        for number in range(6):
            draw.line((0, 30 * number, 240, 17 * self.seed % 180), fill=(250, 250, 40 * number), width=3)
        for box, colour in ((OWN, RED), (OTHER, BLUE)):
            if box in self.faces:
                x, y, width, height = box
                draw.rectangle((x, y, x + width, y + height), fill=colour)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=92)
        return buffer.getvalue()

    @property
    def image_id(self) -> str:
        return hashlib.sha256(self.jpeg).hexdigest()

    def face_id(self, box: tuple[int, int, int, int]) -> str:
        return hashlib.sha256(f"{self.image_id} {box}".encode()).hexdigest()[:32]


SHOTS = (
    Shot("ada", 1),
    Shot("ada", 2, faces=(OWN, OTHER), wrong=(OTHER,)),
    Shot("ada", 3, faces=(OWN, OTHER), kept=()),
    Shot("ada", 4, faces=(OTHER,), kept=(), wrong=(OTHER,), page_url=f"https://page.example/{HOSTILE}"),
    Shot("bea", 5),
)


def params(**licenses: Any) -> config.Params:
    import yaml

    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["licenses"] |= licenses
    raw["compute"]["workers"] = 1
    return config.parse(raw)


def make(root: Path, shots: tuple[Shot, ...] = SHOTS, *, hashed: bool = False) -> ProjectPaths:
    """Write files of people, shards and tables below `root`."""
    import yaml

    workspace = ProjectPaths(root)
    workspace.data.mkdir(parents=True, exist_ok=True)
    workspace.params.write_text(yaml.safe_dump(params().model_dump(mode="json", exclude_unset=True)))
    names = sorted({shot.identity for shot in shots})
    labels = "race,gender,age\n"
    people = "".join(f"{name},{name.title()} {HOSTILE.replace(chr(34), '')},Blue,Females,Old\n" for name in names)
    workspace.roster.write_text(f"identity,name,{labels}{people}")
    workspace.takedowns.write_text(",".join(takedown_file.COLUMNS) + "\n")
    for stage in ("crawl", "crop"):
        shards.remove_except(workspace.shards(stage), names.__contains__)
    rows = [row for name in names for row in _pictures(workspace, name, shots, hashed=hashed)]
    faces = [row for name in names for row in _faces(workspace, name, shots)]
    write_tables(workspace, rows, faces)
    return workspace


def write_tables(workspace: ProjectPaths, rows: list[dict[str, Any]], faces: list[dict[str, Any]]) -> None:
    settings = params()
    kept = [face for face in faces if face["kept"]]
    for stage, name, table, members in (
        ("crawl", "images", schemas.IMAGES, rows),
        ("crawl", "fetches", schemas.FETCHES, rows),
        ("crawl", "evidence", schemas.EVIDENCE, rows),
        ("crop", "faces", schemas.FACES, faces),
        ("screen", "screening", schemas.SCREENING, faces),
        ("curate", "exclusions", schemas.EXCLUSIONS, [face for face in faces if face["reason"]]),
        ("split", "splits", schemas.splits(settings), kept),
    ):
        only = [{column: row.get(column) for column in table.dtypes} for row in members]
        schemas.write(table, only, workspace.table(stage, name))


def _pictures(workspace: ProjectPaths, name: str, shots: tuple[Shot, ...], *, hashed: bool) -> list[dict[str, Any]]:
    rows = []
    path = workspace.shard("crawl", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with shards.writing(path, f"digest-{name}") as shard:
        for shot in (each for each in shots if each.identity == name):
            offset, size = shard.add(f"{shot.image_id}.jpg", shot.jpeg)
            rows.append(_picture(shot) | {"offset": offset, "size_bytes": size})
        if hashed:
            values = [
                {"image_id": shot.image_id, "content_hash": picture_hash(shot.jpeg, max_pixels=10**6)}
                for shot in shots
                if shot.identity == name
            ]
            schema = {"image_id": pl.String, "content_hash": pl.UInt64}
            shard.add(RESPONSES, shards.parquet_bytes(pl.DataFrame(values, schema=schema)))
        shard.finish(schemas.frame(schemas.IMAGES, [{c: row.get(c) for c in schemas.IMAGES.dtypes} for row in rows]))
    return rows


def _picture(shot: Shot) -> dict[str, Any]:
    return {
        "identity": shot.identity, "image_id": shot.image_id, "url": f"https://media.example/{shot.seed}.jpg",
        "page_url": shot.page_url, "title": HOSTILE, "source": "bing", "claim": None, "media_type": "image/jpeg",
        "width": SIZE[0], "height": SIZE[1], "query": None, "rank": 0, "outcome": "stored", "detail": None,
        "http_status": 200, "attempts": 1, "fetched_at": FETCHED + dt.timedelta(days=shot.seed), "stated": "stated",
        "license": "CC-BY-4.0", "license_url": None, "method": "page: rel=license", "statement": "CC BY",
        "creator": HOSTILE, "creator_url": None, "opt_out": None, "response_sha256": None, "checked_at": FETCHED,
    }  # fmt: skip


def _faces(workspace: ProjectPaths, name: str, shots: tuple[Shot, ...]) -> list[dict[str, Any]]:
    rows = []
    path = workspace.shard("crop", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with shards.writing(path, "digest") as shard:
        for shot in (each for each in shots if each.identity == name):
            picture = Image.open(io.BytesIO(shot.jpeg))
            for box in shot.faces:
                x, y, width, height = box
                buffer = io.BytesIO()
                picture.crop((x, y, x + width, y + height)).save(buffer, "JPEG")
                offset, size = shard.add(f"{shot.face_id(box)}.jpg", buffer.getvalue())
                rows.append(_face(shot, box) | {"offset": offset, "size_bytes": size})
        shard.finish(schemas.frame(schemas.FACES, [{c: row.get(c) for c in schemas.FACES.dtypes} for row in rows]))
    return rows


def _face(shot: Shot, box: tuple[int, int, int, int]) -> dict[str, Any]:
    x, y, width, height = box
    reason = "wrong_person" if box in shot.wrong else None if box in shot.kept else "undecided"
    return {
        "identity": shot.identity, "image_id": shot.image_id, "face_id": shot.face_id(box),
        "x": x, "y": y, "width": width, "height": height, "crop_x": x, "crop_y": y, "crop_width": width,
        "crop_height": height, "image_width": SIZE[0], "image_height": SIZE[1], "score": None,
        "size_px": 60, "sharpness": 100.0, "brightness": 120.0, "clipped_share": 0.0, "eyes": 2,
        "not_photograph": 0.0, "identity_distance": 0.1, "hash": shot.seed * 0x0101_0101_0101,
        "step": "identity", "reason": reason, "decided_by": "panel 3/3", "kept": box in shot.kept, "split": "train",
        "license": "CC-BY-4.0", "race": "Blue", "gender": "Females", "age": "Old",
    }  # fmt: skip


def decided(
    workspace: ProjectPaths, reviewer: str, shot: Shot, *, hour: int, verdict: Verdict = Verdict.ACCEPT
) -> None:
    reason = "wrong_person" if verdict is Verdict.REJECT else None
    decision = Decision(
        image_id=shot.image_id, box=OWN, identity=shot.identity, step="identity", verdict=verdict, reason=reason,
        reviewer=reviewer, time=dt.datetime(2025, 5, 1, hour, tzinfo=dt.UTC),
    )  # fmt: skip
    write_session(workspace.review, [decision])
