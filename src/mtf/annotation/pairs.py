"""Pairs of duplicates that reviewers found by eye, in a last look over all accepted faces of a person (MTF, 3.2).

A pair proposes: its faces form a near-duplicate group, as if screening had found it, and the panel is asked which one
stays. Lines lie in `data/review/NAME/pairs/TIME.jsonl`, and in `looks` which persons a reviewer has looked over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mtf.annotation import ledger, matching
from mtf.annotation.decision import Pixel, Size, Slug
from mtf.annotation.record import Record
from mtf.schemas import BOX, FACE, FACE_ID, SHA256

PAIRS, LOOKS = "pairs", "looks"

Place = tuple[str, tuple[int, int, int, int]]
"""Image id and box (x, y, width, height in pixels of the upright image) of a face."""


class Pair(Record):
    """Two faces of one person that a reviewer takes for duplicates.

    identity: slug of the person.
    image_id, box: the one face.
    other_image_id, other_box: the other face.
    undone: true if the reviewer takes the pair back.
    """

    identity: Slug
    image_id: Annotated[str, Field(pattern=SHA256)]
    box: tuple[Pixel, Pixel, Size, Size]
    other_image_id: Annotated[str, Field(pattern=SHA256)]
    other_box: tuple[Pixel, Pixel, Size, Size]
    undone: bool = False

    @property
    def faces(self) -> frozenset[Place]:
        return frozenset(((self.image_id, self.box), (self.other_image_id, self.other_box)))


class Look(Record):
    """Last look of a reviewer over a person, finished.

    identity: slug of the person.
    faces: ids of the faces that were shown.
    """

    identity: Slug
    faces: tuple[Annotated[str, Field(pattern=FACE_ID)], ...]


def standing(lines: Iterable[Pair]) -> list[Pair]:
    """Pairs of `lines` (oldest first) that their reviewer has not taken back."""
    last = {(pair.reviewer, pair.identity, pair.faces): pair for pair in lines}
    return [pair for pair in last.values() if not pair.undone]


def read(folder: Path) -> list[Pair]:
    """Standing pairs of all reviewers in the ledger at `folder`. Raises BadInput for a malformed line."""
    return standing(ledger.records(folder, PAIRS, Pair)[0])


def grouped(faces: pl.DataFrame, pairs: Sequence[Pair], *, box_iou: float) -> pl.DataFrame:
    """Faces with the pairs joined to the groups of screening: `near_group` is the lowest face_id of the whole group.

    Groups without a pair stay as they are. A pair without its two faces, or of one face, has no effect.

    faces: identity, face_id, image_id, x, y, width, height, near_group and exact_group.
    box_iou: as in `matching.match`.
    """
    ends = _ends(faces, pairs, box_iou)
    if ends.is_empty():
        return faces
    rows = faces.with_row_index("row")
    edges = [ends]
    for name in ("near_group", "exact_group"):
        members = rows.filter(pl.col(name).is_not_null())
        first = pl.col("row").first().over("identity", name)
        edges.append(members.select(row=first, other=pl.col("row")).cast(pl.Int64))
    joined = pl.concat(edges)
    links = coo_array((np.ones(joined.height), (joined["row"], joined["other"])), (faces.height, faces.height))
    whole = connected_components(links, directed=False)[1]
    touched = np.isin(whole, whole[ends["row"].to_numpy()])
    named = rows.with_columns(_whole=pl.Series(whole), _touched=pl.Series(touched))
    lowest = pl.col("face_id").min().over("_whole")
    return named.with_columns(
        near_group=pl.when("_touched").then(lowest).otherwise("near_group"),
    ).drop("row", "_whole", "_touched")


def _ends(faces: pl.DataFrame, pairs: Sequence[Pair], box_iou: float) -> pl.DataFrame:
    """Rows in `faces` of the two faces of each pair (row, other)."""
    sides = [
        pl.DataFrame(
            [(pair.identity, image_id, *box) for pair in pairs for image_id, box in [place(pair)]],
            schema={"identity": pl.String, "image_id": pl.String, **dict.fromkeys(BOX, pl.Int64)},
            orient="row",
        )
        for place in (lambda pair: (pair.image_id, pair.box), lambda pair: (pair.other_image_id, pair.other_box))
    ]
    numbered = faces.select(FACE).with_row_index("row")
    found = [
        matching.match(side, faces, box_iou=box_iou)
        .join(numbered, on=FACE, how="left", maintain_order="left")["row"]
        .cast(pl.Int64)
        for side in sides
    ]
    ends = pl.DataFrame({"row": found[0], "other": found[1]}).drop_nulls()
    return ends.filter(pl.col("row") != pl.col("other"))
