"""Review data shared by all reviewers: the faces, the decisions in the ledger, and the embeddings."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from mtf.annotation import consensus, duplicate_rules, matching, model_verdicts
from mtf.annotation.ledger import Ledger
from mtf.review_app.engine import panel_model, triage
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.gold_questions import GoldQuestions
from mtf.review_app.engine.likeness import Likeness
from mtf.review_app.engine.panel_model import PanelModel
from mtf.review_app.engine.queue import OPINIONS, SETTLED, Rows, Settled, groups_of, settled_of
from mtf.review_app.engine.reviewer_votes import ReviewerVotes
from mtf.schemas import FACE, Step, funnel_steps

# Cached properties that depend on the rows of `faces`.
_BY_ROW = (
    *("persons", "likeness", "components", "groups", "panel_verdicts", "conflicts_by_row", "undecided_by_row"),
    *("_people", "_rows", "_keys", "_places", "_groups"),
)


class ReviewData:
    """Faces and decisions as read from a project; immutable, see `after` for later decisions.

    faces: as `face_table.load` returns them.
    ledger: the decisions.
    box_iou: `curate.box_iou` of params.yaml.
    reviewers: size of the panel, `curate.reviewers` of params.yaml.
    labels: column → permitted labels.
    age_column: the column that groups people by age; None if there is none.
    embeddings: (faces, dimensions) in the order of `faces`, or None.
    distinguishes_people: True if the embedding tells people apart, not only shots.
    min_confidence: probability from which the model of the reviewers decides; None if the majority decides alone.
    third_vote_below: probability below which a face needs the vote of every reviewer; None if each face needs it.
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
        distinguishes_people: bool = False,
        min_confidence: float | None = None,
        third_vote_below: float | None = None,
    ) -> None:
        self.faces = faces
        self.real = self
        self.gold: GoldQuestions | None = None
        self._min_confidence = min_confidence
        self._third_vote_below = third_vote_below
        self.distinguishes_people = distinguishes_people and embeddings is not None
        self.labels = labels
        self.age_column = age_column
        self.reviewers = reviewers
        self.embeddings = embeddings
        self._box_iou = box_iou
        self._ledger = ledger
        self.matched = matching.match(ledger.decisions, faces, box_iou=box_iou)
        self.votes = consensus.current_votes(self.matched)
        self.corrections = consensus.current_labels(self.matched)

    def after(self, ledger: Ledger) -> ReviewData:
        """Same faces, gold questions and model of the reviewers, with the decisions of a newer ledger."""
        if self.gold is not None:
            return self.real.after(ledger).with_gold(self.gold)
        renewed = ReviewData(
            self.faces,
            ledger,
            box_iou=self._box_iou,
            reviewers=self.reviewers,
            labels=self.labels,
            age_column=self.age_column,
            embeddings=self.embeddings,
            distinguishes_people=self.distinguishes_people,
            min_confidence=self._min_confidence,
            third_vote_below=self._third_vote_below,
        )
        of_faces = (
            "model",
            "persons",
            "likeness",
            "components",
            "groups",
            "_people",
            "_rows",
            "_keys",
            "_places",
            "_groups",
        )
        vars(renewed).update({name: vars(self)[name] for name in of_faces if name in vars(self)})
        return renewed

    def with_gold(self, gold: GoldQuestions) -> ReviewData:
        """Same decisions, with the gold questions as further rows after the faces; `real` is this one."""
        # Computed before the copy, so that both share them.
        _ = self.settled, self.spared
        shown = copy.copy(self)
        for name in _BY_ROW:
            vars(shown).pop(name, None)
        shown.real, shown.gold, shown.embeddings = self, gold, None
        shown.faces = pl.concat([self.faces, gold.rows(self.faces)])
        return shown

    def since(self, time: datetime) -> ReviewData:
        """Same faces with the decisions given at `time` or later."""
        return self.after(Ledger(self._ledger.decisions.filter(pl.col("time") >= time), self._ledger.torn))

    def opinions_of(self, reviewer: str, *, joint: bool = False) -> pl.DataFrame:
        """Current verdicts of a reviewer (columns OPINIONS), or the joint ones, whoever recorded them.

        Joint verdicts that contradict each other are left out and have to be given again, for example if all faces of a
        group are rejected as duplicates.
        """
        if joint:
            own = self.votes.filter("joint").sort("order").unique([*FACE, "step"], keep="last", maintain_order=True)
            contradicting = self.outcomes.filter(pl.col("outcome") == consensus.Outcome.CONFLICT)
            own = own.join(contradicting, on=[*FACE, "step"], how="anti", maintain_order="left")
        else:
            own = self.votes.filter(~pl.col("joint"), pl.col("reviewer") == reviewer)
        return own.select(*OPINIONS)

    def votes_by(self, reviewer: str, *, joint: bool = False) -> ReviewerVotes:
        """Verdicts and labels of a reviewer, or of the joint session, to which the session adds."""
        given = self.corrections.filter(pl.col("joint") == joint).sort("order")
        own = given if joint else given.filter(pl.col("reviewer") == reviewer)
        labels = own.unique([*FACE, "column"], keep="last", maintain_order=True).select(*FACE, "column", "label")
        counts = consensus.verdict_counts(self.matched).filter(pl.col("joint") == joint)
        times = counts if joint else counts.filter(pl.col("reviewer") == reviewer)
        return ReviewerVotes(
            self.faces,
            self.opinions_of(reviewer, joint=joint),
            labels,
            times.group_by(*FACE, "step").agg(pl.col("times").sum()).with_columns(verdict=pl.lit("accept")),
            counted_faces=self.real.faces.height,
        )

    @cached_property
    def persons(self) -> Rows:
        """Number of each face's identity."""
        return self.faces["identity"].rank("dense").cast(pl.Int64).to_numpy() - 1

    @cached_property
    def likeness(self) -> Likeness | None:
        """Similarities of faces; None without embeddings."""
        return None if self.embeddings is None else Likeness(self.embeddings, self.persons)

    @cached_property
    def components(self) -> np.ndarray | None:
        """Principal components of the embeddings, for the triage; None without embeddings."""
        return None if self.embeddings is None else triage.principal_components(self.embeddings, seed=0)

    @cached_property
    def outcomes(self) -> pl.DataFrame:
        """Panel verdicts, as `model_verdicts.decided` returns them.

        A split is a conflict only when everyone has voted: until then another vote may still settle it.
        """
        found = duplicate_rules.with_group_conflicts(
            model_verdicts.decided(
                consensus.verdicts(self.votes, reviewers=self.reviewers),
                self.opinions,
                reviewers=self.reviewers,
                min_confidence=self._min_confidence or 1.0,
            ),
            self.faces,
        )
        is_early = (pl.col("outcome") == consensus.Outcome.CONFLICT) & ~self._all_voted
        undecided = pl.lit(consensus.Outcome.UNDECIDED.value)
        return found.with_columns(outcome=pl.when(is_early).then(undecided).otherwise("outcome"))

    @cached_property
    def model(self) -> PanelModel:
        """Model of the reviewers; without steps if the majority decides alone."""
        if self._min_confidence is None:
            return PanelModel({})
        return panel_model.fitted(self.faces, self.votes, embeddings=self.embeddings)

    @cached_property
    def opinions(self) -> pl.DataFrame:
        """Opinions of the model on the votes (columns `panel_model.OPINION`)."""
        return self.model.opinions(self.votes)

    @cached_property
    def spared(self) -> pl.DataFrame:
        """Faces and steps (identity, face_id, step) that need no vote of a further reviewer."""
        if self._third_vote_below is None:
            return self.opinions.clear().drop("stays")
        return model_verdicts.needs_no_further_vote(
            consensus.verdicts(self.votes, reviewers=self.reviewers),
            self.opinions,
            reviewers=self.reviewers,
            min_confidence=self._third_vote_below,
        )

    @cached_property
    def settled(self) -> pl.DataFrame:
        """Outcomes that are accept, reject or keep (columns SETTLED)."""
        settled = self.outcomes.filter(pl.col("outcome").is_in(["accept", "reject", "keep"]))
        joint = pl.col("decided_by") == consensus.JOINT
        return settled.select(*FACE, "step", "reason", verdict="outcome", joint=joint).select(*SETTLED)

    @cached_property
    def conflicts(self) -> pl.DataFrame:
        """Verdicts and labels on which the panel is split once everyone has voted, for the joint session to settle.

        A majority, where there is one, stands unless the joint session decides otherwise. Columns: identity, face_id,
        step, column (the label; null for a verdict), outcome, detail.
        """
        split = self.outcomes.filter(consensus.is_split(), self._all_voted)
        verdicts = split.select(*FACE, "step", "outcome", "detail", column=pl.lit(None, pl.String))
        labels = self._split_labels.select(*FACE, "column", "outcome", "detail", step=pl.lit(str(Step.TASK_FIT)))
        return pl.concat([verdicts, labels.select(verdicts.columns)])

    @property
    def _all_voted(self) -> pl.Expr:
        """Expression over outcomes: true if the whole panel has voted, or the verdict is joint."""
        return (pl.col("given") >= self.reviewers) | (pl.col("decided_by") == consensus.JOINT)

    @cached_property
    def label_outcomes(self) -> pl.DataFrame:
        """Panel verdicts on corrected labels, as `consensus.label_verdicts` returns them."""
        return consensus.label_verdicts(
            self.corrections, self.votes, self.faces, columns=list(self.labels), reviewers=self.reviewers
        )

    @property
    def _split_labels(self) -> pl.DataFrame:
        """Split labels of faces that the panel did not reject, once everyone has voted at the step task_fit."""
        rejected = self.settled.filter(pl.col("verdict") == consensus.Outcome.REJECT)
        fit = self.outcomes.filter(pl.col("step") == str(Step.TASK_FIT))
        everyone = fit.filter(self._all_voted)
        split = self.label_outcomes.filter(consensus.is_split())
        return split.join(rejected, on=FACE, how="anti").join(everyone, on=FACE, how="semi")

    @cached_property
    def conflicts_by_row(self) -> pl.DataFrame:
        """Conflicts with `row` (place in `faces`) and `place` (of the step)."""
        return self._by_row(self.conflicts)

    @cached_property
    def undecided_by_row(self) -> pl.DataFrame:
        """Undecided steps, with too few votes: `row`, `place`, and `panel`, which is always undecided."""
        undecided = str(consensus.Outcome.UNDECIDED)
        waiting = self._by_row(self.outcomes.filter(pl.col("outcome") == undecided))
        return waiting.select("row", "place", panel=pl.lit(undecided))

    def _by_row(self, concerned: pl.DataFrame) -> pl.DataFrame:
        places = {str(step): place for place, step in enumerate(funnel_steps.reviewed())}
        matched = self.faces.select(FACE).with_row_index("row").join(concerned, on=FACE)
        placed = matched.with_columns(
            pl.col("row").cast(pl.Int64), place=pl.col("step").replace_strict(places, return_dtype=pl.Int64)
        )
        return placed.sort("row", "place", maintain_order=True)

    def conflicts_of(self, face: Key) -> str:
        """Description of the panel's split on a face; empty if there is none."""
        found = self.conflicts.filter(identity=face.identity, face_id=face.face_id)
        return "; ".join(f"{step}: {detail}" for step, detail in found.select("step", "detail").iter_rows())

    def has(self, face: Key) -> bool:
        """True if the face is in `faces`."""
        return face in self._rows

    def row(self, face: Key) -> int:
        """Place of the face in `faces`; raises KeyError for an unknown face."""
        return self._rows[face]

    def place(self, face: Key) -> tuple[str, tuple[int, int, int, int]]:
        """Image and box by which a decision on the face is keyed."""
        image_id, *box = self._places.row(self.row(face))
        return image_id, (box[0], box[1], box[2], box[3])

    def rivals(self, face: Key) -> list[Key]:
        """Other members of the face's duplicate group."""
        group = self._groups.get((face.identity, self._group_of(face)), [])
        return [other for other in group if other != face]

    def has_copies(self, face: Key) -> bool:
        """True if screening put the face in a duplicate group, even if its other members are gone."""
        row = self.row(face)
        return any(self.faces[name][row] is not None for name in ("near_group", "exact_group"))

    def are_the_same_picture(self, one: Key, other: Key) -> bool:
        exact = self.faces["exact_group"]
        first = exact[self.row(one)]
        return first is not None and first == exact[self.row(other)]

    def faces_of(self, identity: str) -> list[Key]:
        return [self.key(row) for row in self.rows_of(identity)]

    def rows_of(self, identity: str) -> Rows:
        """Places of an identity's faces in `faces`."""
        return self._people.get(identity, np.zeros(0, np.int64))

    @cached_property
    def _people(self) -> dict[str, Rows]:
        grouped = self.faces.select("identity").with_row_index("row").group_by("identity", maintain_order=True)
        return {identity: np.array(rows) for identity, rows in grouped.agg("row").iter_rows()}

    @cached_property
    def groups(self) -> Rows:
        """Duplicate group numbers, as `queue.groups_of`."""
        return groups_of(self.faces)

    @cached_property
    def panel_verdicts(self) -> Settled:
        """Settled verdicts of the panel as arrays."""
        return settled_of(self.faces, self.settled, self.spared)

    def key(self, row: int) -> Key:
        """Key of the face at a place in `faces`."""
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
