"""Thumbnails as `data:` addresses, without metadata, and galleries of duplicate groups."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping

import polars as pl
from markupsafe import Markup
from PIL import Image

from mtf.report.report_page import Gallery
from mtf.schemas import FACE

Face = tuple[str, str]
SIDE_PX = 72
GROUPS, PER_GROUP, PEOPLE = 4, 8, 4


def thumbnail(data: bytes) -> str:
    """Thumbnail of a picture file as a `data:` address, at most 72 × 72 pixels."""
    return embedded(jpeg(data), "image/jpeg")


def jpeg(data: bytes) -> bytes:
    """Thumbnail of a picture file as a JPEG file, at most 72 × 72 pixels."""
    with Image.open(io.BytesIO(data)) as opened:
        opened.draft("RGB", (2 * SIDE_PX, 2 * SIDE_PX))
        pixels = opened.convert("RGB")
    pixels.thumbnail((SIDE_PX, SIDE_PX))
    bare = Image.frombytes("RGB", pixels.size, pixels.tobytes())
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


def embedded(data: bytes, media_type: str) -> str:
    """File as a `data:` address, so that the page contains it."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def groups(
    screening: pl.DataFrame,
    kinds: Mapping[str, str],
    crop: Callable[[str, str], bytes],
    *,
    credit: Mapping[Face, Markup],
) -> list[Gallery]:
    """Galleries of a few of the largest duplicate groups of each kind.

    - `kinds`: column of `screening` with groups → description of them;
    - `crop`: (identity, face_id) → file of the crop;
    - `credit`: face → credit. Other faces are not shown: they may not be published, or their maker is unknown.

    Groups with fewer than two faces to show are left out.
    """
    may_be_shown = pl.DataFrame(list(credit), schema=dict.fromkeys(FACE, pl.String), orient="row")
    found = screening.join(may_be_shown.with_columns(may=True), on=FACE, how="left")
    return [
        gallery for column, words in kinds.items() for gallery in _of_kind(found, column, words, crop, credit=credit)
    ]


def _of_kind(
    screening: pl.DataFrame,
    column: str,
    words: str,
    crop: Callable[[str, str], bytes],
    *,
    credit: Mapping[Face, Markup],
) -> Iterator[Gallery]:
    grouped = screening.filter(pl.col(column).is_not_null())
    sizes = grouped.group_by(column).agg(pl.len(), shown=pl.col("may").count()).filter(pl.col("shown") > 1)
    largest = sizes.sort("len", column, descending=[True, False]).head(GROUPS)
    for group, size, _ in largest.iter_rows():
        members = grouped.filter(pl.col(column) == group, pl.col("may")).sort(FACE).head(PER_GROUP)
        faces = [(str(identity), str(face_id)) for identity, face_id in members.select(FACE).iter_rows()]
        pictures = [(thumbnail(crop(*face)), f"a face of {face[0]}") for face in faces]
        shown = f"{size} faces" if size == len(faces) else f"{size} faces, {len(faces)} of them shown"
        people = ", ".join(sorted(set(grouped.filter(pl.col(column) == group)["identity"]))[:PEOPLE])
        caption = f"{words[0].upper()}{words[1:]}: {shown}, of {people}"
        yield Gallery(caption, pictures, [credit[face] for face in faces])
