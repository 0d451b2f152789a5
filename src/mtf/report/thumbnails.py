"""Small pictures in the page itself, made of pixels alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping

import polars as pl
from markupsafe import Markup
from PIL import Image

from mtf.report.parts import Gallery
from mtf.tables import FACE

Face = tuple[str, str]
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
    return embedded(buffer.getvalue(), "image/jpeg")


def embedded(data: bytes, media_type: str) -> str:
    """A file as a `data:` address: a page that carries it keeps it wherever it goes."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def groups(
    screening: pl.DataFrame,
    kinds: Mapping[str, str],
    crop: Callable[[str, str], bytes],
    *,
    credit: Mapping[Face, Markup],
) -> list[Gallery]:
    """A few of the largest groups of each kind; `crop(identity, face_id)` gives a crop's file.

    `kinds` names the columns of `screening` that hold the groups, with what their members have in common. Only the
    faces that `credit` says the makers of are shown: the others may not be, or nobody knows whose they are. A group
    of which fewer than two are left shows nothing.
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
