"""Gold questions of a review session: made when it opens, planted among the faces of its pages by `gold_plan`.

Each has an image and a face id of its own, so that it looks like any other face and no decision can meet a real one.
Its pictures are made from the source face when they are shown (`gold_pictures`); only the answer is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl

from mtf.annotation import consensus
from mtf.annotation.decision import Decision
from mtf.annotation.gold import GoldAnswer, GoldKind
from mtf.faces.box import Box, face_id
from mtf.review_app.engine.review_data import Key, ReviewData
from mtf.schemas import BOX, FACE, Step

# Kinds that are made of a face, with the step at which they are to be rejected.
MADE = {
    GoldKind.STRANGER: str(Step.IDENTITY),
    GoldKind.BLURRED: str(Step.QUALITY),
    GoldKind.CUT: str(Step.FACE),
    GoldKind.DRAWN: str(Step.QUALITY),
}
# Columns of a source that say nothing of the picture that is shown, or would tell whom it shows.
_NOT_SHOWN = ("title", "also_under", "resembles", "contradicts", "exact_group", "near_group", "across_group")


class GoldQuestion(NamedTuple):
    """Gold question.

    kind: its origin.
    key: key under which it is shown; its identity is the person whom the page asks about.
    source: the face that its pictures are made from.
    step: step at which it is to be rejected, or accepted.
    stays: the right answer.
    """

    kind: GoldKind
    key: Key
    source: Key
    step: str
    stays: bool


@dataclass
class GoldQuestions:
    """Gold questions of one session.

    questions: by the key under which they are shown, in the order of their rows.
    share: of gold among all questions, 0 to 1.
    answered: number that the reviewer answered before this session.
    planted: key → step of the page on which it was put.
    """

    questions: dict[Key, GoldQuestion]
    share: float
    answered: int = 0
    planted: dict[Key, str] = field(default_factory=dict)

    def rows(self, faces: pl.DataFrame) -> pl.DataFrame:
        """Rows of the questions as in the table of faces: those of their sources, without what would tell."""
        questions = list(self.questions.values())
        places = faces.select(FACE).with_row_index("row")
        sources = pl.DataFrame([each.source for each in questions], schema=dict.fromkeys(FACE, pl.String), orient="row")
        rows = faces[sources.join(places, on=FACE, how="left", maintain_order="left")["row"]]
        people = {Key(*key).identity: number for number, key in enumerate(faces.select(FACE).iter_rows())}
        persons = faces[[people[each.key.identity] for each in questions]]
        of_person = [name for name in faces.columns if name == "name" or name.startswith("roster_")]
        return rows.with_columns(
            pl.Series("identity", [each.key.identity for each in questions], dtype=pl.String),
            pl.Series("face_id", [each.key.face_id for each in questions], dtype=pl.String),
            pl.Series("image_id", [image_id(each.kind, each.key.identity, each.source) for each in questions]),
            *(persons[name] for name in of_person),
            *(pl.lit(None, faces.schema[name]).alias(name) for name in _NOT_SHOWN if name in faces.columns),
            duplicate_group=pl.lit(None, pl.String),
            proposed_keeper=pl.lit(value=False),
        ).select(faces.columns)

    def answer(
        self, question: GoldQuestion, decision: Decision, place: tuple[str, tuple[int, int, int, int]]
    ) -> GoldAnswer:
        """Answer that a decision on a question stands for; `place` is the image and box of its source."""
        return GoldAnswer(
            reviewer=decision.reviewer,
            time=decision.time,
            kind=question.kind,
            identity=question.key.identity,
            source=question.source.identity,
            image_id=place[0],
            box=place[1],
            step=question.step,
            stays=question.stays,
            verdict=decision.verdict,
            reason=decision.reason,
        )


def made(
    review_data: ReviewData, answers: Sequence[GoldAnswer], *, reviewer: str, share: float, seed: int
) -> GoldQuestions:
    """Gold questions for a reviewer: of each person enough for a share of `share`, those answered before left out.

    answers: standing answers of all reviewers.
    """
    own = [answer for answer in answers if answer.reviewer == reviewer]
    answered = {(one.kind, one.identity, one.image_id, one.box, one.step) for one in own}
    random = np.random.default_rng([seed, *reviewer.encode()])
    found: dict[Key, GoldQuestion] = {}
    if share > 0:
        for question in _questions(review_data, share, random):
            place = review_data.place(question.source)
            if (question.kind, question.key.identity, *place, question.step) not in answered:
                found[question.key] = question
    return GoldQuestions(found, share, answered=len(own))


def image_id(kind: GoldKind, identity: str, source: Key) -> str:
    """Image id of a question, 64 hexadecimal characters like any other."""
    return hashlib.sha256(f"{kind}:{identity}:{source.identity}:{source.face_id}".encode()).hexdigest()


def _questions(review_data: ReviewData, share: float, random: np.random.Generator) -> Iterator[GoldQuestion]:
    faces = review_data.faces
    refused = set(_keys(review_data.settled.filter(pl.col("verdict") == "reject")))
    clear = _clear(faces, refused)
    known = list(_known(review_data))
    people = faces["identity"].unique(maintain_order=True).to_list()
    by_person = {person: [key for key in clear if key.identity == person] for person in people}
    for person in people:
        count = int(np.ceil(share / (1 - share) * len(review_data.rows_of(person)))) + len(MADE)
        for kind, step in MADE.items():
            others = (
                [key for key in clear if key.identity != person] if kind is GoldKind.STRANGER else by_person[person]
            )
            for place in random.permutation(len(others))[:count]:
                yield _question(review_data, kind, person, others[place], step, stays=False)
    for kind, key, step, stays in known:
        yield _question(review_data, kind, key.identity, key, step, stays=stays)


def _clear(faces: pl.DataFrame, refused: Collection[Key]) -> list[Key]:
    """Faces that make good questions: the sharper half of each person, found for nobody else, rejected by nobody."""
    sharp = (
        pl.col("sharpness") >= pl.col("sharpness").median().over("identity") if "sharpness" in faces.columns else True
    )
    alone = pl.col("across_group").is_null() if "across_group" in faces.columns else True
    return [key for key in _keys(faces.filter(sharp, alone)) if key not in refused]


def _known(review_data: ReviewData) -> Iterator[tuple[GoldKind, Key, str, bool]]:
    """Faces whose answer is known: those of the joint session, and those that the whole panel accepted."""
    outcomes = review_data.outcomes.filter(pl.col("step") != str(Step.DUPLICATE))
    joint = outcomes.filter(pl.col("decided_by") == consensus.JOINT)
    for identity, face, step, outcome in joint.select(*FACE, "step", "outcome").iter_rows():
        if review_data.has(Key(identity, face)):
            yield GoldKind.JOINT, Key(identity, face), step, outcome != "reject"
    whole = outcomes.filter(
        pl.col("decided_by") != consensus.JOINT,
        pl.col("agreeing") == pl.col("given"),
        pl.col("given") >= max(review_data.reviewers, 2),
        pl.col("outcome") == "accept",
        pl.col("step") == str(Step.IDENTITY),
    )
    for key in _keys(whole):
        if review_data.has(key):
            yield GoldKind.ACCEPTED, key, str(Step.IDENTITY), True


def _question(
    review_data: ReviewData, kind: GoldKind, person: str, source: Key, step: str, *, stays: bool
) -> GoldQuestion:
    image = image_id(kind, person, source)
    box = Box(*review_data.faces.select(*BOX).row(review_data.row(source)))
    return GoldQuestion(kind, Key(person, face_id(image, box)), source, step, stays)


def _keys(rows: pl.DataFrame) -> list[Key]:
    return [Key(*names) for names in rows.select(FACE).iter_rows()]
