"""A project whose crawl is done: shards and the table of images, made from bytes at hand."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mtf import schemas
from mtf.config import Compute, Crop, Params
from mtf.core import shards
from mtf.core.hashing import fingerprint
from mtf.core.project_paths import ProjectPaths

Crawled = Callable[[Mapping[str, Sequence[bytes]]], None]


@pytest.fixture
def workspace(tmp_path: Path) -> ProjectPaths:
    return ProjectPaths(tmp_path)


@pytest.fixture
def params(sample_params: Params) -> Params:
    """The repository's own, in this process: the pool of processes is the engine's affair.

    The detector is `haar`, for which the heads below are drawn.
    """
    return sample_params.model_copy(update={"compute": Compute(workers=1), "crop": Crop(detector="haar")})


@pytest.fixture
def crawled(workspace: ProjectPaths) -> Crawled:
    """Write build/crawl for identity → pictures (bytes); a shard whose digest holds is left alone."""

    def write(pictures: Mapping[str, Sequence[bytes]]) -> None:
        rows = [row for identity, files in pictures.items() for row in _crawl_shard(workspace, identity, files)]
        schemas.write(schemas.IMAGES, rows, workspace.table("crawl", "images"))

    return write


def _crawl_shard(workspace: ProjectPaths, identity: str, files: Sequence[bytes]) -> list[dict[str, object]]:
    path = workspace.shard("crawl", identity)
    digest = fingerprint([hashlib.sha256(data).hexdigest() for data in files])
    if shards.digest_of(path) == digest:
        return list(shards.rows_of(path).iter_rows(named=True))
    with shards.writing(path, digest) as writer:
        rows = [_image_row(identity, data, writer.add(f"{_id(data)}.jpg", data)) for data in files]
        writer.finish(schemas.frame(schemas.IMAGES, rows))
    return rows


def _image_row(identity: str, data: bytes, place: tuple[int, int]) -> dict[str, object]:
    return {
        "identity": identity,
        "image_id": _id(data),
        "url": f"https://example.org/{_id(data)}",
        "source": "folder",
        "media_type": "image/jpeg",
        "width": 1,
        "height": 1,
        "offset": place[0],
        "size_bytes": place[1],
    }


def _id(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="session")
def drawn_face() -> np.ndarray:
    """A drawn head, frontal, upright, left of the middle and above it: 480 × 640, blue, green, red."""
    return draw_face(seed=1)


def draw_face(*, seed: int, height: int = 480, width: int = 640, middle: tuple[int, int] = (240, 200)) -> np.ndarray:
    """Ellipses in the places of a face, with a camera's blur and noise. `middle` is (x, y) of the head."""
    rng = np.random.default_rng(seed)
    x, y = middle
    skin = tuple(int(value) for value in rng.integers([130, 150, 170], [170, 190, 220]))
    picture = np.full((height, width, 3), rng.integers(90, 140, 3), np.uint8)
    cv2.ellipse(picture, (x, y - 20), (105, 140), 0, 0, 360, (40, 45, 55), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (x, y), (90, 120), 0, 0, 360, skin, -1, cv2.LINE_AA)
    for side in (-1, 1):
        eye = (x + side * 38, y - 25)
        cv2.ellipse(picture, (eye[0], eye[1] - 22), (24, 5), 0, 180, 360, (40, 45, 55), 5, cv2.LINE_AA)
        cv2.ellipse(picture, eye, (20, 10), 0, 0, 360, (235, 235, 235), -1, cv2.LINE_AA)
        cv2.circle(picture, eye, 9, (40, 30, 25), -1, cv2.LINE_AA)
    shadow = tuple(int(value * 0.72) for value in skin)
    cv2.ellipse(picture, (x, y + 22), (15, 9), 0, 0, 180, shadow, -1, cv2.LINE_AA)
    cv2.line(picture, (x - 6, y - 15), (x - 12, y + 20), shadow, 4, cv2.LINE_AA)
    cv2.ellipse(picture, (x, y + 66), (34, 10), 0, 0, 360, (70, 60, 140), -1, cv2.LINE_AA)
    blurred = cv2.GaussianBlur(picture, (0, 0), 1.2)
    return np.clip(blurred + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


def encode(pixels: np.ndarray, kind: str = ".jpg", quality: int = 92) -> bytes:
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality] if kind == ".jpg" else []
    return cv2.imencode(kind, pixels, settings)[1].tobytes()


def saved(pixels: np.ndarray, kind: str, *, mode: str = "RGB", **options: object) -> bytes:
    """`pixels` (blue, green, red) in one of Pillow's formats and modes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, ::-1]).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def make_face() -> Callable[..., np.ndarray]:
    return draw_face


@pytest.fixture(scope="session")
def as_jpeg() -> Callable[..., bytes]:
    return encode


@pytest.fixture(scope="session")
def as_file() -> Callable[..., bytes]:
    return saved


@pytest.fixture(scope="session")
def orl_people(real_data: Path) -> list[list[bytes]]:
    """Ten PGM shots each of the first twelve people of ORL."""
    with tarfile.open(real_data / "orl" / "faces.tar") as tar:
        return [
            [tar.extractfile(f"s{person:02d}/{shot:02d}.pgm").read() for shot in range(1, 11)]
            for person in range(1, 13)
        ]
