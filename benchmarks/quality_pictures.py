"""Pictures with a face for the benchmarks of quality, and what the stages crop and screen make of them."""

from __future__ import annotations

import csv
import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

import crawled_project
from mtf.config import Crop
from mtf.faces import crop as cut
from mtf.faces import quality, quality_components
from mtf.faces.box import Box
from mtf.faces.detectors import Detection, Detector, Landmarks

JPEG_QUALITY = (75, 96)


class Picture(NamedTuple):
    """Picture with its largest face, as it was found before anything was planted."""

    name: str
    group: str
    pixels: np.ndarray
    face: Detection
    found: int


def pictures(archive: str, detector: Detector, *, half: int | None, count: int) -> Iterator[Picture]:
    """Pictures with a face: of a half (0, 1) by the parity of their digest, or of both."""
    groups = fairface_groups() if archive.startswith("fairface") else {}
    with tarfile.open(crawled_project.REAL_DATA / archive) as tar:
        members = sorted((member for member in tar if member.isfile()), key=lambda member: digest(member.name.encode()))
        for member in members:
            file = tar.extractfile(member)
            data = b"" if file is None else file.read()
            if count == 0:
                return
            if half is not None and digest(data)[0] % 2 != half:
                continue
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            faces = detector(pixels)
            if faces:
                count -= 1
                largest = max(faces, key=lambda face: face.box.width)
                yield Picture(member.name, groups.get(member.name, ""), pixels, largest, len(faces))


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def fairface_groups() -> dict[str, str]:
    with (crawled_project.REAL_DATA / "fairface" / "labels.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["race"] for row in csv.DictReader(file)}


def saved(pixels: np.ndarray, like: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pixels after JPEG; grey if the picture was, since a colour would give the fault away."""
    if (like[:, :, 0] == like[:, :, 1]).all():
        pixels = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*JPEG_QUALITY))])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def same_face(faces: Sequence[Detection], box: Box) -> Detection | None:
    """Face whose middle is nearest to that of `box`, within half of its width."""

    def distance(face: Detection) -> float:
        across = face.box.x + face.box.width / 2 - box.x - box.width / 2
        down = face.box.y + face.box.height / 2 - box.y - box.height / 2
        return float(np.hypot(across, down))

    nearest = min(faces, key=distance, default=None)
    return nearest if nearest is not None and distance(nearest) < box.width / 2 else None


def measured(
    pixels: np.ndarray, face: Detection, boxes: Sequence[Box], *, crop: Crop, with_eyes: bool = False
) -> dict[str, float]:
    """Measures of a face as the stage screen stores them, from the JPEG of its crop.

    with_eyes: count the eyes that the cascade finds, too, which takes longer than the rest.
    """
    place = face.box.with_margin(crop.margin_share, shape=pixels.shape[:2])
    part = cut.decoded(cut.encoded(cut.cut(pixels, place), quality=crop.jpeg_quality))
    box = face.box._replace(x=face.box.x - place.x, y=face.box.y - place.y)
    points = face.landmarks and Landmarks(*((x - place.x, y - place.y) for x, y in face.landmarks))
    grey = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    inside = cut.cut(grey, box)
    return {
        **quality_components.measure(part, box, points, boxes=boxes)._asdict(),
        "sharpness": quality.sharpness(inside),
        "brightness": float(inside.mean()),
        "clipped_share": float(np.mean((inside == 0) | (inside == 255))),
        "eyes": quality.eyes(grey, box) if with_eyes else None,
    }
