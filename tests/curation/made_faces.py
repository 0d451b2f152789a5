"""A made-up project up to the screening, small, and what reviewers say of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from mtf import config as parameters
from mtf import schemas
from mtf.annotation import ledger
from mtf.annotation.decision import Decision, Verdict
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.schemas import EvidenceStatus, Step, funnel_steps

REPOSITORY = Path(__file__).parents[2]
PANEL = ("ann", "bea", "cid")
# Where people accept a face that is fit; of duplicates only one is named.
STEPS = tuple(step for step in funnel_steps.reviewed() if step != Step.DUPLICATE)
BEGIN = datetime(2026, 3, 1, 9, tzinfo=UTC)
BOX = (10, 10, 100, 100)


def face_id(name: str) -> str:
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def image_id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Face:
    """A face called `name` of an identity; it has a picture of its own unless `image` names one."""

    name: str
    identity: str = "ada"
    image: str | None = None
    box: tuple[int, int, int, int] = BOX
    screening: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    url: str | None = None
    page_url: str | None = None

    @property
    def face_id(self) -> str:
        return face_id(self.name)

    @property
    def image_id(self) -> str:
        return image_id(self.image or self.name)

    def said(self, verdict: Verdict | str, reviewer: str, step: str, *, minute: int = 0, **fields: Any) -> Decision:
        """A decision; a reason is a reject."""
        reason = None if isinstance(verdict, Verdict) else verdict
        return Decision(
            image_id=self.image_id,
            box=self.box,
            identity=self.identity,
            step=step,
            verdict=verdict if isinstance(verdict, Verdict) else Verdict.REJECT,
            reason=reason,
            reviewer=reviewer,
            time=BEGIN + timedelta(minutes=minute),
            **fields,
        )

    def by_all(self, verdict: Verdict | str, step: str) -> list[Decision]:
        return [self.said(verdict, reviewer, step) for reviewer in PANEL]

    def accepted(self, *, but: Sequence[str] = ()) -> list[Decision]:
        """All of the panel accept it at every step, except those in `but`."""
        return [each for step in STEPS if step not in but for each in self.by_all(Verdict.ACCEPT, step)]


def params(**sections: dict[str, Any]) -> Params:
    """The repository's params.yaml with some sections' keys changed."""
    raw = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    for name, changes in sections.items():
        raw[name] = changes if name == "tasks" else raw[name] | changes
    return parameters.parse(raw)


def project(
    root: Path, faces: Iterable[Face], decisions: Iterable[Decision] = (), *, takedowns: str = ""
) -> ProjectPaths:
    """The project's folder with the tables of crawl, crop and screen, the roster, the ledger and the takedowns."""
    workspace = ProjectPaths(root)
    faces = list(faces)
    _write_people(workspace, sorted({face.identity for face in faces}))
    pictures = {(face.identity, face.image_id): face for face in faces}.values()
    schemas.write(schemas.IMAGES, [_image(face) for face in pictures], workspace.table("crawl", "images"))
    schemas.write(schemas.EVIDENCE, [_evidence(face) for face in pictures], workspace.table("crawl", "evidence"))
    schemas.write(schemas.FACES, [_face(face) for face in faces], workspace.table("crop", "faces"))
    schemas.write(schemas.SCREENING, [_screening(face) for face in faces], workspace.table("screen", "screening"))
    said = list(decisions)
    for reviewer in {each.reviewer for each in said}:
        ledger.write_session(workspace.review, [each for each in said if each.reviewer == reviewer])
    if takedowns:
        header = "added_at,kind,value,reason,requested_by,reference\n"
        workspace.takedowns.write_text(header + takedowns, encoding="utf-8")
    return workspace


def _write_people(workspace: ProjectPaths, identities: list[str]) -> None:
    rows = "".join(f"{identity},{identity.title()},Blue,Females,Young\n" for identity in identities)
    workspace.data.mkdir(parents=True)
    workspace.roster.write_text("identity,name,race,gender,age\n" + rows, encoding="utf-8")


def _url(face: Face) -> str:
    return face.url or f"https://pictures.example/{face.image_id[:8]}.jpg"


def _image(face: Face) -> dict[str, Any]:
    return {
        "identity": face.identity,
        "image_id": face.image_id,
        "url": _url(face),
        "page_url": face.page_url,
        "source": "bing",
        "claim": "commercial,modify",
        "media_type": "image/jpeg",
        "width": 500,
        "height": 400,
        "offset": 512,
        "size_bytes": 1000,
    }


def _evidence(face: Face) -> dict[str, Any]:
    stated = {"stated": EvidenceStatus.STATED.value, "license": "CC-BY-4.0", "checked_at": BEGIN}
    return {
        "identity": face.identity,
        "image_id": face.image_id,
        "url": _url(face),
        "claim": "commercial,modify",
    } | (stated | face.evidence)


def _face(face: Face) -> dict[str, Any]:
    x, y, width, height = face.box
    return {
        "identity": face.identity,
        "face_id": face.face_id,
        "image_id": face.image_id,
        **{"x": x, "y": y, "width": width, "height": height},
        **{"crop_x": x, "crop_y": y, "crop_width": width, "crop_height": height},
        **{"image_width": 500, "image_height": 400, "offset": 512, "size_bytes": 1000},
    }


def _screening(face: Face) -> dict[str, Any]:
    return {
        "identity": face.identity,
        "face_id": face.face_id,
        "image_id": face.image_id,
        "size_px": 100,
        "sharpness": 50.0,
        "brightness": 120.0,
        "clipped_share": 0.0,
        "eyes": 2,
        "not_photograph": 0.0,
        "hash": 0,
    } | face.screening
