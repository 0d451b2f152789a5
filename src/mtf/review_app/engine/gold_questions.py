"""Gold questions of a review session: made when it opens, planted among the faces of its pages by `gold_plan`.

Each has an image and a face id of its own, so that it looks like any other face and no decision can meet a real one.
Its pictures are made from the source face when they are shown (`gold_pictures`); only the answer is stored.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from mtf.annotation.decision import Decision
from mtf.annotation.gold import GoldAnswer, GoldKind
from mtf.review_app.engine.face_key import Key
from mtf.schemas import FACE, Step

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


def image_id(kind: GoldKind, identity: str, source: Key) -> str:
    """Image id of a question, 64 hexadecimal characters like any other."""
    return hashlib.sha256(f"{kind}:{identity}:{source.identity}:{source.face_id}".encode()).hexdigest()
