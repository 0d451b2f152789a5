"""Small pictures in the page itself, made of pixels alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import polars as pl
from PIL import Image

from mtf.report.parts import Gallery

SIDE_PX = 72
GROUPS, PER_GROUP = 6, 8


def thumbnail(data: bytes) -> str:
    """A picture's file as a `data:` address of at most 72 × 72 pixels."""
    with Image.open(io.BytesIO(data)) as opened:
        opened.draft("RGB", (2 * SIDE_PX, 2 * SIDE_PX))
        pixels = opened.convert("RGB")
    pixels.thumbnail((SIDE_PX, SIDE_PX))
    bare = Image.frombytes("RGB", pixels.size, pixels.tobytes())
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=70)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def groups(screening: pl.DataFrame, crop: Callable[[str, str], bytes]) -> list[Gallery]:
    """A few of the largest groups of near-duplicates; `crop(identity, face_id)` gives a crop's file."""
    grouped = screening.filter(pl.col("near_group").is_not_null())
    largest = grouped.group_by("near_group").len().sort("len", "near_group", descending=[True, False]).head(GROUPS)
    galleries = []
    for group, size in largest.iter_rows():
        members = grouped.filter(pl.col("near_group") == group).sort("identity", "face_id").head(PER_GROUP)
        faces = list(members.select("identity", "face_id").iter_rows())
        pictures = [(thumbnail(crop(*face)), f"a face of {face[0]}") for face in faces]
        galleries.append(Gallery(f"{size} faces of {', '.join(sorted({face[0] for face in faces}))}", pictures))
    return galleries
