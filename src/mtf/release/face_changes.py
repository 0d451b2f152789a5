"""Changes of single faces between two versions: added, gone, cropped again, relabelled, in another split, under another
license; and why.

`mtf.release.changes` counts them for the changelog; here each is a row. Faces and identities that were taken down are
counted there, and are in no row here: they are named nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import polars as pl

from mtf.release.changes import TAKEN_DOWN, DatasetVersion, added_faces, paired, removed_faces
from mtf.schemas import FACE, IMAGE

BOX = ["x", "y", "width", "height"]
CROP = ["crop_x", "crop_y", "crop_width", "crop_height", "size_bytes"]


class ChangeKind(StrEnum):
    """Kind of a change."""

    ADDED = "added"
    GONE = "gone"
    CROPPED = "cropped"
    RELABELLED = "relabelled"
    MOVED = "moved"
    LICENSE = "license"


COLUMNS = {
    "kind": pl.String,
    "identity": pl.String,
    "image_id": pl.String,
    "old_face": pl.String,
    "new_face": pl.String,
    "what": pl.String,
    "why": pl.String,
}
"""Columns of the table of changes: the face in each version, null if it has none; what differs; and why."""


def between(
    old: DatasetVersion,
    new: DatasetVersion,
    *,
    labels: Sequence[str],
    box_iou: float,
    rosters: tuple[pl.DataFrame | None, pl.DataFrame | None] = (None, None),
    evidence: tuple[pl.DataFrame | None, pl.DataFrame | None] = (None, None),
    crop_changes: str = "",
    split_changes: str = "",
) -> pl.DataFrame:
    """Changes from `old` to `new`, with the columns COLUMNS, sorted by kind, identity and face.

    labels: label columns that both have.
    box_iou: overlap from which two boxes are the same face, as for decisions.
    rosters: of both versions, with identity and labels.
    evidence: of both versions (`schemas.EVIDENCE`).
    crop_changes, split_changes: parameters of the stages crop and split that differ, in words.
    """
    pairs = paired(old.data, new.data, box_iou=box_iou)
    added = added_faces(old, new, pairs, box_iou=box_iou).select(
        *IMAGE, old_face=pl.lit(None, pl.String), new_face="face_id", what=pl.lit("new in the data set"), why="why"
    )
    gone = removed_faces(old, new, pairs, box_iou=box_iou).select(
        *IMAGE, old_face="face_id", new_face=pl.lit(None, pl.String), what=pl.lit("no longer in it"), why="why"
    )
    both = (
        old.data.select(*FACE, "image_id", "split", *labels)
        .join(pairs, on=FACE)
        .rename({"face_id": "old_face", "other_id": "new_face"})
    )
    parts = {
        ChangeKind.ADDED: added,
        ChangeKind.GONE: gone.filter(pl.col("why") != TAKEN_DOWN),
        ChangeKind.CROPPED: _cropped(both, old, new, crop_changes),
        ChangeKind.RELABELLED: _relabelled(both, new, labels, rosters),
        ChangeKind.MOVED: _moved(both, new, split_changes),
        ChangeKind.LICENSE: _relicensed(old, new, pairs, evidence),
    }
    tables = [part.with_columns(kind=pl.lit(str(kind))).select(*COLUMNS) for kind, part in parts.items()]
    down = [name for name in old.data["identity"].unique() if new.takedowns and new.takedowns.of_identity(name)]
    order = {str(kind): place for place, kind in enumerate(ChangeKind)}
    return (
        pl.concat(tables)
        .filter(~pl.col("identity").is_in(down))
        .sort(
            pl.col("kind").replace_strict(order, return_dtype=pl.Int8), "identity", pl.coalesce("new_face", "old_face")
        )
    )


def _cropped(both: pl.DataFrame, old: DatasetVersion, new: DatasetVersion, changes: str) -> pl.DataFrame:
    """Faces whose box or crop differs."""
    if old.faces is None or new.faces is None or not set(CROP) <= {*old.faces.columns} & {*new.faces.columns}:
        return pl.DataFrame(schema=COLUMNS)
    places = [*BOX, *CROP]
    joined = both.join(old.faces.select("identity", *places, old_face="face_id"), on=["identity", "old_face"]).join(
        new.faces.select("identity", *places, new_face="face_id"), on=["identity", "new_face"], suffix="_new"
    )
    has_moved = pl.any_horizontal(pl.col(name) != pl.col(f"{name}_new") for name in BOX)
    differs = pl.any_horizontal(pl.col(name) != pl.col(f"{name}_new") for name in places)
    sizes = pl.format("{} × {} → {} × {} pixels", *CROP[2:4], *(f"{name}_new" for name in CROP[2:4]))
    why = f"parameters: {changes}" if changes else "the stage crop was made again, with other code or another detector"
    return joined.filter(differs).select(
        *IMAGE, "old_face", "new_face",
        what=pl.format("{}, {}", pl.when(has_moved).then(pl.lit("another box")).otherwise(pl.lit("same box")), sizes),
        why=pl.lit(why),
    )  # fmt: skip


def _relabelled(
    both: pl.DataFrame,
    new: DatasetVersion,
    labels: Sequence[str],
    rosters: tuple[pl.DataFrame | None, pl.DataFrame | None],
) -> pl.DataFrame:
    """Faces with another label, one row for each label."""
    joined = both.join(
        new.data.select("identity", *labels, new_face="face_id"), on=["identity", "new_face"], suffix="_new"
    )
    on_roster = _roster_changes(rosters, labels)
    parts = [
        joined.filter(pl.col(name).ne_missing(pl.col(f"{name}_new"))).select(
            *IMAGE, "old_face", "new_face",
            what=pl.format(f"{name}: {{}} → {{}}", *(pl.col(each).fill_null("none") for each in (name, f"{name}_new"))),
            why=pl.when(pl.col("identity").is_in(on_roster.get(name, [])))
            .then(pl.lit("the roster says so now"))
            .otherwise(pl.lit("reviewers decided so, or the roster's dates")),
        )
        for name in labels
    ]  # fmt: skip
    return pl.concat(parts) if parts else pl.DataFrame(schema=COLUMNS)


def _moved(both: pl.DataFrame, new: DatasetVersion, changes: str) -> pl.DataFrame:
    """Faces in another split."""
    joined = both.join(
        new.data.select("identity", "split", new_face="face_id"), on=["identity", "new_face"], suffix="_new"
    )
    again = "the stage split divided again: faces came or went, or their labels or duplicates differ"
    why = f"parameters: {changes}" if changes else again
    return joined.filter(pl.col("split").ne_missing(pl.col("split_new"))).select(
        *IMAGE, "old_face", "new_face",
        what=pl.format("{} → {}", *(pl.col(name).fill_null("none") for name in ("split", "split_new"))),
        why=pl.lit(why),
    )  # fmt: skip


def _roster_changes(
    rosters: tuple[pl.DataFrame | None, pl.DataFrame | None], labels: Sequence[str]
) -> dict[str, list[str]]:
    """Label → identities whose roster says another one now."""
    old, new = rosters
    if old is None or new is None:
        return {}
    joined = old.join(new, on="identity", suffix="_new")
    shared = [name for name in labels if name in old.columns and name in new.columns]
    return {name: joined.filter(pl.col(name) != pl.col(f"{name}_new"))["identity"].to_list() for name in shared}


def _relicensed(
    old: DatasetVersion,
    new: DatasetVersion,
    pairs: pl.DataFrame,
    evidence: tuple[pl.DataFrame | None, pl.DataFrame | None],
) -> pl.DataFrame:
    """Faces of either version whose picture's source states another license, also those that left or came for it."""
    before, after = evidence
    if before is None or after is None:
        return pl.DataFrame(schema=COLUMNS)
    drifted = (
        before.select(*IMAGE, "license")
        .join(after.select(*IMAGE, "license", "stated", "checked_at"), on=IMAGE, suffix="_new")
        .filter(pl.col("license").ne_missing(pl.col("license_new")))
    )
    faces = pl.concat(
        [
            old.data.select(*FACE, "image_id").join(pairs, on=FACE, how="left").select(
                *IMAGE, old_face="face_id", new_face="other_id"
            ),
            new.data.join(pairs.select("identity", face_id="other_id"), on=FACE, how="anti").select(
                *IMAGE, old_face=pl.lit(None, pl.String), new_face="face_id"
            ),
        ]
    )  # fmt: skip
    return faces.join(drifted, on=IMAGE).select(
        *IMAGE, "old_face", "new_face",
        what=pl.format("{} → {}", pl.col("license").fill_null("none"), pl.col("license_new").fill_null("none")),
        why=pl.format("its source, asked on {}: {}", pl.col("checked_at").dt.strftime("%Y-%m-%d"), "stated"),
    )  # fmt: skip
