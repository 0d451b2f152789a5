"""Writer of a review session: decisions on real faces go to the ledger, answers to gold questions apart from it."""

from __future__ import annotations

from pathlib import Path

from mtf.annotation import gold
from mtf.annotation.decision import Decision
from mtf.annotation.ledger import LedgerWriter
from mtf.annotation.record import Record
from mtf.review_app.engine.gold_questions import GoldQuestion, GoldQuestions, image_id
from mtf.review_app.engine.review_data import ReviewData


class GoldWriter(LedgerWriter):
    """Writer of one reviewer's session that may have gold questions.

    A gold question has an image id of its own: a decision on one never reaches the ledger of votes.
    """

    def __init__(self, folder: Path, reviewer: str, review_data: ReviewData, questions: GoldQuestions) -> None:
        super().__init__(folder, reviewer)
        self._answers = LedgerWriter(folder, reviewer, kind=gold.FOLDER)
        self._data = review_data.real
        self._gold = questions
        self._by_image = {
            (each.key.identity, image_id(each.kind, each.key.identity, each.source)): each
            for each in questions.questions.values()
        }

    def append(self, *records: Decision | Record) -> None:
        """Append decisions, as `LedgerWriter.append` does; of several steps of a face the last is the gold answer."""
        votes: list[Decision | Record] = []
        answers: dict[str, gold.GoldAnswer] = {}
        for record in records:
            question = self._question(record)
            if isinstance(record, Decision) and question is not None:
                place = self._data.place(question.source)
                answers[question.key.face_id] = self._gold.answer(question, record, place)
            else:
                votes.append(record)
        # If the second write fails, the session repeats both; of a repeated answer the last one counts.
        self._answers.append(*answers.values())
        super().append(*votes)

    def _question(self, record: Decision | Record) -> GoldQuestion | None:
        """Gold question that a decision is about; None for a decision on a real face."""
        is_decision = isinstance(record, Decision)
        return self._by_image.get((record.identity, record.image_id)) if is_decision else None

    def close(self) -> None:
        super().close()
        self._answers.close()
