"""Small projects to review: drawn pictures, crawled, cropped and screened."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from mtf import config, schemas
from mtf.core import shards
from mtf.core.project_paths import ProjectPaths
from mtf.faces.box import Box, face_id
from mtf.sample import photograph
from mtf.sample.people import CAST

ROOT = Path(__file__).parent.parent.parent
SIDE_PX = 96
# Side of the part of a drawn photograph that shows the face.
PORTRAIT_PX = 260
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def drawn(seed: int) -> bytes:
    """A picture that is no other's: a disc with two dots, in colours of its own."""
    random = np.random.default_rng(seed)
    pixels = np.full((SIDE_PX, SIDE_PX, 3), random.integers(40, 90, 3), np.uint8)
    colour = tuple(int(value) for value in random.integers(110, 250, 3))
    cv2.circle(pixels, (48, 48), 34, colour, -1)
    for eye in (36, 60):
        cv2.circle(pixels, (eye, 42), 4, (20, 20, 20), -1)
    cv2.putText(pixels, str(seed), (30, 80), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def portrait(seed: int) -> bytes:
    """A picture of one of the sample's people, whose face a detector finds about where `a_project` has its box."""
    person = CAST[seed // 1000]
    taken = photograph.portrait(person.traits(), person.identity, np.random.default_rng(seed))
    height, width = taken.pixels.shape[:2]
    top, left = int(0.47 * height) - PORTRAIT_PX // 2, (width - PORTRAIT_PX) // 2
    part = taken.pixels[top : top + PORTRAIT_PX, left : left + PORTRAIT_PX]
    pixels = cv2.resize(part, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def a_project(
    root: Path,
    faces: dict[str, int],
    *,
    margin_px: int = 8,
    groups: dict[str, list[list[int]]] | None = None,
    draw: Callable[[int], bytes] = drawn,
) -> ProjectPaths:
    """A project with so many faces per identity; `groups` names duplicates by identity and number."""
    workspace = ProjectPaths(root)
    (root / "data").mkdir(parents=True, exist_ok=True)
    workspace.params.write_text((ROOT / "params.yaml").read_text())
    people = [f"{name},{name.title()},Blue,Females,Young" for name in faces]
    workspace.roster.write_text("\n".join(["identity,name,race,gender,age", *people]) + "\n")
    images, cuts, evidence = [], [], []
    for person, (identity, count) in enumerate(faces.items()):
        one = _identity(
            workspace, identity, [draw(1000 * person + number) for number in range(count)], margin_px=margin_px
        )
        images += one[0]
        cuts += one[1]
        evidence += one[2]
    schemas.write(schemas.IMAGES, images, workspace.table("crawl", "images"))
    schemas.write(schemas.EVIDENCE, evidence, workspace.table("crawl", "evidence"))
    schemas.write(schemas.FACES, cuts, workspace.table("crop", "faces"))
    schemas.write(schemas.SCREENING, _screening(cuts, groups or {}), workspace.table("screen", "screening"))
    return workspace


def _identity(
    workspace: ProjectPaths, identity: str, pictures: list[bytes], *, margin_px: int
) -> tuple[list, list, list]:
    images, cuts, evidence = [], [], []
    box = Box(16 + margin_px % 3, 16, 64, 64)
    crop = Box(box.x - margin_px, box.y - margin_px, box.width + 2 * margin_px, box.height + 2 * margin_px)
    with (
        shards.writing(workspace.shard("crawl", identity), "crawl") as crawled,
        shards.writing(workspace.shard("crop", identity), "crop") as cropped,
    ):
        for number, data in enumerate(pictures):
            image_id = hashlib.sha256(data).hexdigest()
            name = face_id(image_id, box)
            offset, size_bytes = crawled.add(f"{image_id}.jpg", data)
            url = f"https://pictures.example/{identity}/{number}.jpg"
            page = f"https://pictures.example/{identity}/{number}"
            keys = {"identity": identity, "image_id": image_id}
            images.append(
                {**keys, "url": url, "page_url": page, "title": f"{identity} {number}", "source": "bing"}
                | {"claim": None, "media_type": "image/jpeg", "width": SIDE_PX, "height": SIDE_PX}
                | {"offset": offset, "size_bytes": size_bytes}
            )
            evidence.append(
                {**keys, "url": url, "page_url": page, "stated": "stated", "license": "CC-BY-4.0", "checked_at": NOW}
            )
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            part = pixels[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]
            offset, size_bytes = cropped.add(f"{name}.jpg", cv2.imencode(".jpg", part)[1].tobytes())
            cuts.append(
                {**keys, "face_id": name, **box._asdict()}
                | {f"crop_{side}": value for side, value in crop._asdict().items()}
                | {"image_width": SIDE_PX, "image_height": SIDE_PX, "offset": offset, "size_bytes": size_bytes}
            )
        for writer, table, rows in ((crawled, schemas.IMAGES, images), (cropped, schemas.FACES, cuts)):
            writer.finish(schemas.frame(table, rows))
    return images, cuts, evidence


def _screening(cuts: list[dict], groups: dict[str, list[list[int]]]) -> list[dict]:
    by_person: dict[str, list[dict]] = {}
    for cut in cuts:
        by_person.setdefault(cut["identity"], []).append(cut)
    group_of: dict[str, str] = {}
    for identity, numbered in groups.items():
        for members in numbered:
            names = [by_person[identity][number]["face_id"] for number in members]
            group_of |= dict.fromkeys(names, min(names))
    random = np.random.default_rng(3)
    return [
        {name: cut[name] for name in ("identity", "face_id", "image_id")}
        | {"size_px": 64, "sharpness": float(random.uniform(10, 900)), "brightness": 120.0, "clipped_share": 0.0}
        | {"eyes": int(random.integers(0, 3)), "not_photograph": 0.2, "identity_distance": float(random.uniform(0, 1))}
        | {"hash": 1, "exact_group": None, "near_group": group_of.get(cut["face_id"]), "across_group": None}
        for cut in cuts
    ]


def with_clusters(workspace: ProjectPaths) -> ProjectPaths:
    """The project with an embedding that distinguishes people: each identity is a cluster, but for its last face."""
    random = np.random.default_rng(5)
    faces = schemas.read(schemas.FACES, workspace.table("crop", "faces"))
    for own in faces.partition_by("identity", maintain_order=True):
        vectors = random.normal(size=128) + 0.3 * random.normal(size=(own.height, 128))
        vectors[-1] = random.normal(size=128)
        unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
        with shards.writing(workspace.shard("screen", own["identity"][0]), "screen") as writer:
            rows = own.select("identity", "face_id")
            writer.finish(rows.with_columns(embedding=pl.Series([each.tobytes() for each in unit])))
    text = workspace.params.read_text()
    changed = re.sub(r"(?m)^(  embedding:) \w+", r"\1 dlib", text)
    assert changed != text
    workspace.params.write_text(changed)
    return workspace


def with_curated(workspace: ProjectPaths) -> ProjectPaths:
    """The project after curation: all faces are in the curated set but the last, whom the panel rejected."""
    params = config.load(workspace.params)
    faces = schemas.read(schemas.FACES, workspace.table("crop", "faces"))
    labels = {column: pl.lit(task.labels[0]) for column, task in params.attributes.items()}
    known = {"race": pl.lit("Blue"), "gender": pl.lit("Females"), "age": pl.lit("Young")}
    rows = faces.with_columns(
        **(labels | known),
        license=pl.lit("CC-BY-4.0"),
        duplicate_group=pl.lit(None, pl.String),
        decided_by=pl.lit("panel 3/3"),
    )
    kept = schemas.frame(schemas.curated(params), rows).head(-1)
    schemas.write(schemas.curated(params), kept, workspace.table("curate", "curated"))
    gone = rows.tail(1).with_columns(
        step=pl.lit("identity"),
        reason=pl.lit("wrong_person"),
        decided_by=pl.lit("panel 3/3"),
        detail=pl.lit(None, pl.String),
    )
    schemas.write(schemas.EXCLUSIONS, schemas.frame(schemas.EXCLUSIONS, gone), workspace.table("curate", "exclusions"))
    return workspace
