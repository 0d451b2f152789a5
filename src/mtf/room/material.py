"""What lies on the table for everyone: the faces, who voted how when the room was opened, and the embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from mtf.review import consensus, matching, standing
from mtf.review.ledger import Ledger
from mtf.room import triage
from mtf.room.queue import FACE, OPINIONS, SETTLED


class Key(NamedTuple):
    """A face, as the tables name it."""

    identity: str
    face_id: str


class Material:
    """The faces (as `room.faces.load` gives them) and the ledger as it was read. Nothing here changes.

    `box_iou` and `reviewers` are those of params.yaml's `curate`; `labels` is column → permitted labels.
    `embeddings` is (faces, dimensions) in the order of `faces`, or None.
    """

    def __init__(
        self,
        faces: pl.DataFrame,
        ledger: Ledger,
        *,
        box_iou: float,
        reviewers: int,
        labels: Mapping[str, Sequence[str]],
        embeddings: np.ndarray | None = None,
    ) -> None:
        self.faces = faces
        self.labels = labels
        self.reviewers = reviewers
        self.embeddings = embeddings
        self.matched = matching.match(ledger.decisions, faces, box_iou=box_iou)
        self.votes = standing.votes(self.matched)

    def opinions_of(self, reviewer: str, *, joint: bool = False) -> pl.DataFrame:
        """A reviewer's own verdicts (queue.OPINIONS), or the joint ones, whoever wrote them down."""
        if joint:
            own = self.votes.filter("joint").sort("order").unique([*FACE, "step"], keep="last", maintain_order=True)
        else:
            own = self.votes.filter(~pl.col("joint"), pl.col("reviewer") == reviewer)
        return own.select(*OPINIONS)

    @cached_property
    def outlines(self) -> np.ndarray | None:
        """The embeddings in brief, for the triage; None where there are none."""
        return None if self.embeddings is None else triage.brief(self.embeddings, seed=0)

    @cached_property
    def outcomes(self) -> pl.DataFrame:
        """The panel's verdicts when the room was opened, as `consensus.verdicts` gives them.

        Here a split is a conflict only when everyone has voted: until then another's vote may still settle it.
        """
        found = consensus.verdicts(self.votes, reviewers=self.reviewers)
        is_early = (pl.col("outcome") == consensus.Outcome.CONFLICT) & (pl.col("given") < self.reviewers)
        undecided = pl.lit(consensus.Outcome.UNDECIDED.value)
        return found.with_columns(outcome=pl.when(is_early).then(undecided).otherwise("outcome"))

    @cached_property
    def settled(self) -> pl.DataFrame:
        """Those of the outcomes that are accept, reject or keep (queue.SETTLED)."""
        settled = self.outcomes.filter(pl.col("outcome").is_in(["accept", "reject", "keep"]))
        joint = pl.col("decided_by") == consensus.JOINT
        return settled.select(*FACE, "step", "reason", verdict="outcome", joint=joint).select(*SETTLED)

    @cached_property
    def conflicts(self) -> pl.DataFrame:
        """The faces and steps on which the panel is split: identity, face_id, step, detail."""
        split = self.outcomes.filter(pl.col("outcome") == consensus.Outcome.CONFLICT)
        return split.select(*FACE, "step", "detail")

    def conflicts_of(self, face: Key) -> str:
        """How the panel is split on a face, in words; empty where it is not."""
        found = self.conflicts.filter(identity=face.identity, face_id=face.face_id)
        return "; ".join(f"{step}: {detail}" for step, detail in found.select("step", "detail").iter_rows())

    def row(self, face: Key) -> int:
        """The face's place in `faces`; raises KeyError where there is no such face."""
        return self._rows[face]

    def place(self, face: Key) -> tuple[str, tuple[int, int, int, int]]:
        """The image and the box that a decision on the face is keyed by."""
        image_id, *box = self._places.row(self.row(face))
        return image_id, (box[0], box[1], box[2], box[3])

    def rivals(self, face: Key) -> list[Key]:
        """The other members of the face's duplicate group."""
        group = self._groups.get((face.identity, self._group_of(face)), [])
        return [other for other in group if other != face]

    def are_the_same_picture(self, one: Key, other: Key) -> bool:
        exact = self.faces["exact_group"]
        first = exact[self.row(one)]
        return first is not None and first == exact[self.row(other)]

    def faces_of(self, identity: str) -> list[Key]:
        return self._people.get(identity, [])

    @cached_property
    def _people(self) -> dict[str, list[Key]]:
        found: dict[str, list[Key]] = {}
        for key in self._rows:
            found.setdefault(key.identity, []).append(key)
        return found

    @cached_property
    def _rows(self) -> dict[Key, int]:
        return {Key(*names): row for row, names in enumerate(self.faces.select(FACE).iter_rows())}

    @cached_property
    def _places(self) -> pl.DataFrame:
        return self.faces.select("image_id", "x", "y", "width", "height")

    @cached_property
    def _groups(self) -> dict[tuple[str, str | None], list[Key]]:
        grouped = self.faces.filter(pl.col("duplicate_group").is_not_null())
        found: dict[tuple[str, str | None], list[Key]] = {}
        for identity, face_id, group in grouped.select(*FACE, "duplicate_group").iter_rows():
            found.setdefault((identity, group), []).append(Key(identity, face_id))
        return found

    def _group_of(self, face: Key) -> str | None:
        return self.faces["duplicate_group"][self.row(face)]
