"""Data that all reviewers share: the faces, the votes when the ledger was read, and the embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from mtf.annotation import consensus, duplicate_rules, matching
from mtf.annotation.ledger import Ledger
from mtf.review_app.engine import triage
from mtf.review_app.engine.likeness import Likeness
from mtf.review_app.engine.queue import OPINIONS, SETTLED, Rows, Settled, groups_of, settled_of
from mtf.review_app.engine.reviewer_votes import ReviewerVotes
from mtf.schemas import FACE, Step, funnel_steps


class Key(NamedTuple):
    """A face, as the tables name it."""

    identity: str
    face_id: str


class ReviewData:
    """The faces (as `room.faces.load` gives them) and the ledger as it was read. Nothing here changes; see `after`.

    `box_iou` and `reviewers` are those of params.yaml's `curate`; `labels` is column → permitted labels,
    and `age_column` the one that groups people by their years (None where there is none).
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
        age_column: str | None = None,
        embeddings: np.ndarray | None = None,
    ) -> None:
        self.faces = faces
        self.labels = labels
        self.age_column = age_column
        self.reviewers = reviewers
        self.embeddings = embeddings
        self._box_iou = box_iou
        self.matched = matching.match(ledger.decisions, faces, box_iou=box_iou)
        self.votes = consensus.current_votes(self.matched)
        self.corrections = consensus.current_labels(self.matched)

    def after(self, ledger: Ledger) -> ReviewData:
        """The same faces with what the ledger says by now."""
        renewed = ReviewData(
            self.faces,
            ledger,
            box_iou=self._box_iou,
            reviewers=self.reviewers,
            labels=self.labels,
            age_column=self.age_column,
            embeddings=self.embeddings,
        )
        of_faces = ("persons", "likeness", "outlines", "groups", "_people", "_rows", "_keys", "_places", "_groups")
        vars(renewed).update({name: vars(self)[name] for name in of_faces if name in vars(self)})
        return renewed

    def opinions_of(self, reviewer: str, *, joint: bool = False) -> pl.DataFrame:
        """A reviewer's own verdicts (queue.OPINIONS), or the joint ones, whoever wrote them down.

        Joint ones that contradict each other, such as that all of a group are duplicates, are to be given again.
        """
        if joint:
            own = self.votes.filter("joint").sort("order").unique([*FACE, "step"], keep="last", maintain_order=True)
            contradicting = self.outcomes.filter(pl.col("outcome") == consensus.Outcome.CONFLICT)
            own = own.join(contradicting, on=[*FACE, "step"], how="anti", maintain_order="left")
        else:
            own = self.votes.filter(~pl.col("joint"), pl.col("reviewer") == reviewer)
        return own.select(*OPINIONS)

    def said_by(self, reviewer: str, *, joint: bool = False) -> ReviewerVotes:
        """A reviewer's word on every face, or the joint session's, ready to be added to."""
        given = self.corrections.filter(pl.col("joint") == joint).sort("order")
        own = given if joint else given.filter(pl.col("reviewer") == reviewer)
        labels = own.unique([*FACE, "column"], keep="last", maintain_order=True).select(*FACE, "column", "label")
        return ReviewerVotes(self.faces, self.opinions_of(reviewer, joint=joint), labels)

    @cached_property
    def persons(self) -> Rows:
        """The number of each face's identity."""
        return self.faces["identity"].rank("dense").cast(pl.Int64).to_numpy() - 1

    @cached_property
    def likeness(self) -> Likeness | None:
        """Likeness of a person's faces; None where there are no embeddings."""
        return None if self.embeddings is None else Likeness(self.embeddings, self.persons)

    @cached_property
    def outlines(self) -> np.ndarray | None:
        """The embeddings in brief, for the triage; None where there are none."""
        return None if self.embeddings is None else triage.brief(self.embeddings, seed=0)

    @cached_property
    def outcomes(self) -> pl.DataFrame:
        """The panel's verdicts when the ledger was read, as `consensus.verdicts` gives them.

        Here a split is a conflict only when everyone has voted: until then another's vote may still settle it.
        """
        found = duplicate_rules.demanded(consensus.verdicts(self.votes, reviewers=self.reviewers), self.faces)
        is_early = (pl.col("outcome") == consensus.Outcome.CONFLICT) & ~self._everyone_spoke
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
        """Verdicts and labels on which the panel is split, once everyone has voted: a joint session settles them.

        Columns: identity, face_id, step, column (null: the verdict; else the label), outcome, detail. Where there is a
        majority it stands unless the joint session says otherwise.
        """
        split = self.outcomes.filter(consensus.is_split(), self._everyone_spoke)
        verdicts = split.select(*FACE, "step", "outcome", "detail", column=pl.lit(None, pl.String))
        labels = self._split_labels.select(*FACE, "column", "outcome", "detail", step=pl.lit(str(Step.TASK_FIT)))
        return pl.concat([verdicts, labels.select(verdicts.columns)])

    @property
    def _everyone_spoke(self) -> pl.Expr:
        """True where a row of the outcomes has all of the panel's votes, or what they said together."""
        return (pl.col("given") >= self.reviewers) | (pl.col("decided_by") == consensus.JOINT)

    @cached_property
    def label_outcomes(self) -> pl.DataFrame:
        """The panel's word on the labels that anyone corrected, as `consensus.label_verdicts` gives it."""
        return consensus.label_verdicts(
            self.corrections, self.votes, self.faces, columns=list(self.labels), reviewers=self.reviewers
        )

    @property
    def _split_labels(self) -> pl.DataFrame:
        """Of the faces that the panel did not reject, where everyone has said whether they fit the tasks."""
        rejected = self.settled.filter(pl.col("verdict") == consensus.Outcome.REJECT)
        fit = self.outcomes.filter(pl.col("step") == str(Step.TASK_FIT))
        everyone = fit.filter(self._everyone_spoke)
        split = self.label_outcomes.filter(consensus.is_split())
        return split.join(rejected, on=FACE, how="anti").join(everyone, on=FACE, how="semi")

    @cached_property
    def conflicts_by_row(self) -> pl.DataFrame:
        """`conflicts` with `row`, the face's place in `faces`, and `place`, the step's among the reviewed ones."""
        return self._by_row(self.conflicts)

    @cached_property
    def undecided_by_row(self) -> pl.DataFrame:
        """Where too few have voted: row, place, and `panel`, which is undecided."""
        undecided = str(consensus.Outcome.UNDECIDED)
        waiting = self._by_row(self.outcomes.filter(pl.col("outcome") == undecided))
        return waiting.select("row", "place", panel=pl.lit(undecided))

    def _by_row(self, concerned: pl.DataFrame) -> pl.DataFrame:
        places = {str(step): place for place, step in enumerate(funnel_steps.reviewed())}
        met = self.faces.select(FACE).with_row_index("row").join(concerned, on=FACE)
        placed = met.with_columns(
            pl.col("row").cast(pl.Int64), place=pl.col("step").replace_strict(places, return_dtype=pl.Int64)
        )
        return placed.sort("row", "place", maintain_order=True)

    def conflicts_of(self, face: Key) -> str:
        """Description of the panel's split on a face; empty where it is not."""
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

    def has_copies(self, face: Key) -> bool:
        """True if screening put the face in a group of duplicates, whatever became of the others."""
        row = self.row(face)
        return any(self.faces[name][row] is not None for name in ("near_group", "exact_group"))

    def are_the_same_picture(self, one: Key, other: Key) -> bool:
        exact = self.faces["exact_group"]
        first = exact[self.row(one)]
        return first is not None and first == exact[self.row(other)]

    def faces_of(self, identity: str) -> list[Key]:
        return [self.key(row) for row in self.rows_of(identity)]

    def rows_of(self, identity: str) -> Rows:
        """The places of an identity's faces in `faces`."""
        return self._people.get(identity, np.zeros(0, np.int64))

    @cached_property
    def _people(self) -> dict[str, Rows]:
        grouped = self.faces.select("identity").with_row_index("row").group_by("identity", maintain_order=True)
        return {identity: np.array(rows) for identity, rows in grouped.agg("row").iter_rows()}

    @cached_property
    def groups(self) -> Rows:
        """As `queue.groups_of`."""
        return groups_of(self.faces)

    @cached_property
    def words(self) -> Settled:
        """The panel's settled verdicts, as arrays."""
        return settled_of(self.faces, self.settled)

    def key(self, row: int) -> Key:
        """The face in that place of `faces`."""
        return self._keys[row]

    @cached_property
    def _keys(self) -> list[Key]:
        return list(self._rows)

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
