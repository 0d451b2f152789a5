"""Selection of gold questions for a reviewer: faces that are altered or shown for another person, and known answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import polars as pl

from mtf.annotation import consensus
from mtf.annotation.gold import GoldAnswer, GoldKind
from mtf.faces.box import Box, face_id
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.gold_questions import MADE, GoldQuestion, GoldQuestions, image_id
from mtf.review_app.engine.review_data import ReviewData
from mtf.schemas import BOX, FACE, Step


def selected(
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
