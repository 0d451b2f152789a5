"""A project as it stands before its release, small and made up: shards with pictures, and the tables over them."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import piexif
import polars as pl
import yaml
from PIL import Image

from mtf import config as parameters
from mtf import schemas
from mtf.config import Params
from mtf.core import atomic_files, shards
from mtf.core.project_paths import ProjectPaths
from mtf.gates import outcome
from mtf.pipeline import release as releasing
from projects import run_in

REPOSITORY = Path(__file__).parents[2]
SECTIONS: dict[str, dict[str, Any]] = {
    "project": {"name": "made-up", "title": "Made-up people", "contact": "https://example.org/contact"},
    "crawl": {"sources": [{"kind": "folder", "path": "."}], "web": None},
    "licenses": {"permitted": ["CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0"]},
    "curate": {"mode": "curated", "min_images_per_identity": 1},
    "release": {
        "variants": ["multi_task", "single_task", "non_curated"],
        "size_px": 64,
        "jpeg_quality": 90,
        "enlarge": True,
        "license": "CC-BY-SA-4.0",
    },
    "compute": {"engine": "local", "workers": 1},
}
TASKS: dict[str, dict[str, Any]] = {
    "recognition": {"column": "identity"},
    "race": {"column": "race", "labels": ["Asian (Indian)", "CON", "White"]},
    "gender": {"column": "gender", "labels": ["Males", "Females"]},
    "age": {"column": "age", "labels": ["Young", "Old"]},
}
SPLITS = ("train", "train", "train", "val", "test")
STAGES = ("split", "curate", "crop", "crawl")
"""Stages whose results a version of the data set has."""
ADD = ["dvc", "add", "-q", *(f"build/{stage}" for stage in STAGES), "data"]


@dataclass(frozen=True)
class Person:
    identity: str
    name: str
    race: str = "White"
    gender: str = "Females"
    age: str = "Young"
    faces: int = 5
    strangers: int = 1  # faces that only the non-curated set has


PEOPLE = (
    Person("ada", "Ada, the First", race="Asian (Indian)"),
    Person("bo.b", '=HYPERLINK("http://evil.example")', race="CON", gender="Males", age="Old"),
    Person("nul", "日本 <script>alert(1)</script>", gender="Males"),
)


def made_params(*, tasks: tuple[str, ...] = tuple(TASKS), **changes: dict[str, Any]) -> Params:
    """The repository's parameters, made small, with the named tasks and with `changes` merged over their sections."""
    raw = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    for sections in (SECTIONS, changes):
        raw |= {name: raw.get(name, {}) | section for name, section in sections.items()}
    raw["tasks"] = {name: TASKS[name] for name in tasks}
    raw["train"]["tasks"] = list(tasks)
    raw["multitask"]["tasks"] = list(tasks)
    return parameters.parse(raw)


def make(root: Path, params: Params | None = None, people: tuple[Person, ...] = PEOPLE) -> ProjectPaths:
    """Write the project's data, shards and tables below `root`."""
    workspace = ProjectPaths(root)
    params = params or made_params()
    root.mkdir(parents=True, exist_ok=True)
    workspace.params.write_text(yaml.safe_dump(params.model_dump(mode="json", exclude_unset=True), sort_keys=False))
    workspace.data.mkdir(exist_ok=True)
    _write_roster(workspace, params, people)
    rows = [row for person in people for row in _shard(workspace, person)]
    _write_tables(workspace, params, rows)
    _write_figures(workspace, rows)
    return workspace


def release(workspace: ProjectPaths, params: Params) -> None:
    """Release it as after gates that all hold: whether they do is the subject of the tests of `validation`."""
    outcome.write(workspace, outcome.GateOutcome(outcome.input_digests(workspace, params), [], []))
    releasing.run(workspace, params)


def commit_first_version(workspace: ProjectPaths) -> None:
    """Put the project into git and DVC, with the tag v1."""
    for command in (
        ["git", "init", "-q"],
        ["git", "config", "user.email", "made-up@example.org"],
        ["git", "config", "user.name", "made-up"],
        ["dvc", "init", "-q"],
        ADD,
        ["git", "add", "-A"],
        ["git", "commit", "-qm", "first"],
        ["git", "tag", "v1"],
    ):
        run_in(workspace.root, *command)


def digest(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def crop_picture(width: int, height: int, seed: int) -> bytes:
    """A JPEG with EXIF, GPS, a comment and a colour profile: all of it must be gone from a release."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
    picture = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    exif = {
        "0th": {piexif.ImageIFD.Make: b"SECRETCAMERA", piexif.ImageIFD.Artist: b"SECRETARTIST"},
        "GPS": {piexif.GPSIFD.GPSLatitude: ((59, 1), (17, 1), (0, 1)), piexif.GPSIFD.GPSLatitudeRef: b"N"},
    }
    buffer = io.BytesIO()
    picture.save(
        buffer, "JPEG", quality=90, exif=piexif.dump(exif), comment=b"SECRETCOMMENT", icc_profile=b"SECRETPROFILE"
    )
    return buffer.getvalue()


def _write_roster(workspace: ProjectPaths, params: Params, people: tuple[Person, ...]) -> None:
    columns = ["identity", "name", *params.attributes]
    rows = [{column: getattr(person, column) for column in columns} for person in people]
    pl.DataFrame(rows, schema=columns).write_csv(workspace.roster, quote_style="always")


def _shard(workspace: ProjectPaths, person: Person) -> list[dict[str, Any]]:
    """Write a person's crops; returns what all tables say of each face."""
    rows: list[dict[str, Any]] = []
    path = workspace.shard("crop", person.identity)
    path.parent.mkdir(parents=True, exist_ok=True)
    with shards.writing(path, digest(person.identity, person.faces, person.strangers)) as shard:
        for number in range(person.faces + person.strangers):
            row = _face(person, number)
            data = crop_picture(row["crop_width"], row["crop_height"], seed=int(row["face_id"][:6], 16))
            row["offset"], row["size_bytes"] = shard.add(f"{row['face_id']}.jpg", data)
            rows.append(row)
        shard.finish(schemas.frame(schemas.FACES, [_only(schemas.FACES, row) for row in rows]))
    return rows


def _face(person: Person, number: int) -> dict[str, Any]:
    """The first face of each person lies at the left edge: its margin is cut there."""
    image_id = digest(person.identity, number)
    left = 0 if number == 0 else 10
    return {
        **{name: getattr(person, name) for name in ("identity", "race", "gender", "age")},
        "face_id": digest(image_id, "face")[:32],
        "image_id": image_id,
        "x": left, "y": 10, "width": 50, "height": 50,
        "crop_x": 0, "crop_y": 0, "crop_width": left + 60, "crop_height": 70,
        "image_width": 200, "image_height": 100,
        "license": "CC-BY-4.0",
        "duplicate_group": None,
        "decided_by": "panel",
        "curated": number < person.faces,
        "split": SPLITS[number % len(SPLITS)],
        "url": f"https://pictures.example/{person.identity}/{number}.jpg",
        "page_url": f"https://pictures.example/{person.identity}/{number}",
        "title": person.name,
        "creator": '=cmd|"/c calc"!A1',
    }  # fmt: skip


def _write_tables(workspace: ProjectPaths, params: Params, rows: list[dict[str, Any]]) -> None:
    curated = [row for row in rows if row["curated"]]
    for stage, name, table, members in (
        ("crawl", "images", schemas.IMAGES, [row | _IMAGE for row in rows]),
        ("crawl", "evidence", schemas.EVIDENCE, [row | _EVIDENCE for row in rows]),
        ("crawl", "fetches", schemas.FETCHES, [row | _FETCH for row in rows]),
        ("crop", "faces", schemas.FACES, rows),
        (
            "crop",
            "detections",
            schemas.DETECTIONS,
            [row | {"outcome": "cropped", "detail": None, "faces": 1} for row in rows],
        ),
        ("curate", "exclusions", schemas.EXCLUSIONS, [row | _EXCLUSION for row in rows if not row["curated"]]),
        ("screen", "screening", schemas.SCREENING, [row | _SCREENED for row in rows]),
        ("curate", "curated", schemas.curated(params), curated),
        ("curate", "non_curated", schemas.non_curated(params), rows),
        ("split", "splits", schemas.splits(params), curated),
    ):
        schemas.write(table, [_only(table, row) for row in members], workspace.table(stage, name))


_IMAGE = {
    "source": "folder", "claim": None, "media_type": "image/jpeg", "width": 200, "height": 100,
    "offset": 0, "size_bytes": 1000,
}  # fmt: skip
_FETCH = {
    "source": "folder", "claim": None, "query": None, "rank": 0, "outcome": "stored", "detail": None,
    "http_status": None, "size_bytes": 1000, "attempts": 1, "fetched_at": datetime(2024, 5, 1, tzinfo=UTC),
}  # fmt: skip
_SCREENED = {
    "size_px": 50, "sharpness": 100.0, "brightness": 120.0, "clipped_share": 0.0, "eyes": 2, "not_photograph": 0.0,
    "identity_distance": 0.1, "hash": 1, "exact_group": None, "near_group": None, "across_group": None,
}  # fmt: skip
_EXCLUSION = {"step": "identity", "reason": "wrong_person", "detail": None}
_EVIDENCE = {
    "claim": None, "stated": schemas.EvidenceStatus.STATED, "license_url": "https://creativecommons.org/licenses/by/4.0/",
    "method": "rel-license", "statement": "CC BY 4.0", "creator_url": "javascript:alert(1)", "opt_out": None,
    "detail": None, "http_status": 200, "response_sha256": None, "checked_at": datetime(2024, 5, 1, tzinfo=UTC),
}  # fmt: skip


def _write_figures(workspace: ProjectPaths, rows: list[dict[str, Any]]) -> None:
    """Metrics of the stages crop and curate: everything passes but the strangers, at the step identity."""
    sizes = {"faces": len(rows), "identities": len({row["identity"] for row in rows})}
    kept = sizes | {"faces": sum(row["curated"] for row in rows)}
    strangers = sizes["faces"] - kept["faces"]
    steps = {str(step): kept | {"dropped": {}} for step in schemas.Step}
    for step in ("takedown", "license", "face"):
        steps[step] = sizes | {"dropped": {}}
    steps["identity"]["dropped"] = {"wrong_person": strangers}
    detected = {"images": len(rows), "images_with_faces": len(rows), "faces": len(rows)}
    outcomes = {"cropped": len(rows), "no_face": 0, "undecodable": 0, "too_large": 0}
    atomic_files.write_json(workspace.metrics("crop"), detected | {"outcomes": outcomes})
    figures = {
        "images": {"count": len(rows), "identities": sizes["identities"]},
        "cropped": sizes,
        "steps": steps,
        "held_back": {"undecided": 0, "conflict": 0},
        "curated": kept,
        "non_curated": sizes,
        "ledger": {"decisions": 54, "reviewers": 3, "sittings": 3, "unmatched": 0, "torn_lines": 0},
        "agreement": {"identity": {"faces": 18, "raw": 0.96, "kappa": 0.91, "alpha": 0.91}},
    }
    atomic_files.write_json(workspace.metrics("curate"), figures)


def _only(table: schemas.Table, row: dict[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in table.dtypes}


def without(people: tuple[Person, ...], identity: str) -> tuple[Person, ...]:
    return tuple(person for person in people if person.identity != identity)


def changed(people: tuple[Person, ...], identity: str, **values: Any) -> tuple[Person, ...]:
    return tuple(replace(person, **values) if person.identity == identity else person for person in people)
