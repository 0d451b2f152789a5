"""Small pictures in the page itself, made of pixels alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping

import polars as pl
from PIL import Image

from mtf.report.parts import Gallery

SIDE_PX = 72
GROUPS, PER_GROUP, PEOPLE = 4, 8, 4


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


def groups(screening: pl.DataFrame, kinds: Mapping[str, str], crop: Callable[[str, str], bytes]) -> list[Gallery]:
    """A few of the largest groups of each kind; `crop(identity, face_id)` gives a crop's file.

    `kinds` names the columns of `screening` that hold the groups, with what their members have in common.
    """
    return [gallery for column, words in kinds.items() for gallery in _of_kind(screening, column, words, crop)]


def _of_kind(screening: pl.DataFrame, column: str, words: str, crop: Callable[[str, str], bytes]) -> Iterator[Gallery]:
    grouped = screening.filter(pl.col(column).is_not_null())
    largest = grouped.group_by(column).len().sort("len", column, descending=[True, False]).head(GROUPS)
    for group, size in largest.iter_rows():
        members = grouped.filter(pl.col(column) == group).sort("identity", "face_id").head(PER_GROUP)
        faces = list(members.select("identity", "face_id").iter_rows())
        pictures = [(thumbnail(crop(*face)), f"a face of {face[0]}") for face in faces]
        shown = f"{size} faces" if size == len(faces) else f"{size} faces, {len(faces)} of them shown"
        people = ", ".join(sorted(set(grouped.filter(pl.col(column) == group)["identity"]))[:PEOPLE])
        yield Gallery(f"{words[0].upper()}{words[1:]}: {shown}, of {people}", pictures)
