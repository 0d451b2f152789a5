"""Verdicts and labels of one reviewer, in arrays over all faces: quick to ask, and each can be taken back."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl

from mtf.annotation.decision import Verdict
from mtf.review_app.engine.queue import NOTHING, REJECT, SKIP, VERDICTS, Words, numbered, words_of
from mtf.schemas import FACE, funnel_steps

NO_REASON = -1


class ReviewerVotes:
    """The verdicts and the corrected labels of one reviewer (or of the joint session); faces go by their row.

    `words` is faces × steps, as in queue.VERDICTS. `opinions` (OPINIONS) and `labels` (identity, face_id, column,
    label) are what stood when the room was opened.
    """

    def __init__(self, faces: pl.DataFrame, opinions: pl.DataFrame, labels: pl.DataFrame) -> None:
        self._steps = funnel_steps.reviewed()
        self._reason_names = tuple(funnel_steps.step_of_reason())
        given = numbered(faces, opinions)
        self.words: Words = words_of(faces, opinions)
        self._reasons = np.full(self.words.shape, NO_REASON, np.int8)
        codes = {str(reason): place for place, reason in enumerate(self._reason_names)}
        reasons = given["reason"].replace_strict(codes, default=NO_REASON, return_dtype=pl.Int8)
        self._reasons[given["row"], given["place"]] = reasons
        rows = faces.select(FACE).with_row_index("row").join(labels, on=FACE).select("row", "column", "label")
        self._labels = {(row, column): [label] for row, column, label in rows.iter_rows()}
        # What stood at a place before this sitting's words on it, oldest first.
        self._before: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self.done: Counter[str] = Counter(
            {step: int(np.count_nonzero(_is_verdict(self.words[:, place]))) for place, step in enumerate(self._steps)}
        )

    def say(self, row: int, step: str, verdict: Verdict, reason: str | None) -> None:
        place = self._steps.index(step)
        self._before.setdefault((row, place), []).append((int(self.words[row, place]), int(self._reasons[row, place])))
        self._put(row, step, VERDICTS.index(str(verdict)), self._reason_names.index(reason) if reason else NO_REASON)

    def unsay(self, row: int, step: str) -> None:
        """Take back the last `say` of this sitting on a face at a step."""
        self._put(row, step, *self._before[row, self._steps.index(step)].pop())

    def _put(self, row: int, step: str, word: int, reason: int) -> None:
        place = self._steps.index(step)
        self.done[step] += int(_is_verdict(word)) - int(_is_verdict(self.words[row, place]))
        self.words[row, place], self._reasons[row, place] = word, reason

    def correct(self, row: int, column: str, label: str) -> None:
        self._labels.setdefault((row, column), []).append(label)

    def uncorrect(self, row: int, column: str) -> None:
        """Take back the last `correct` of a face's label."""
        self._labels[row, column].pop()

    def label(self, row: int, column: str) -> str | None:
        """The label that this reviewer gave a face instead of the roster's; None where they gave none."""
        given = self._labels.get((row, column))
        return given[-1] if given else None

    def corrections(self) -> pl.DataFrame:
        """All corrected labels: row, column, label."""
        given = [(row, column, labels[-1]) for (row, column), labels in self._labels.items() if labels]
        return pl.DataFrame(given, schema={"row": pl.Int64, "column": pl.String, "label": pl.String}, orient="row")

    def verdict(self, row: int, step: str) -> tuple[Verdict, str | None] | None:
        """The verdict at a step with its reason: accept, reject, keep or skip; None where nothing was said."""
        place = self._steps.index(step)
        word, reason = VERDICTS[self.words[row, place]], self._reasons[row, place]
        return (Verdict(word), self._reason_names[reason] if reason != NO_REASON else None) if word else None

    def last_words(self) -> pl.DataFrame:
        """Per face `verdict` and `reason`: of the rejection, or of the latest step on which anything was said."""
        has_said = self.words != NOTHING
        rejected = self.words == REJECT
        last = len(self._steps) - 1 - has_said[:, ::-1].argmax(axis=1)
        place = np.where(rejected.any(axis=1), rejected.argmax(axis=1), last)
        everyone = np.arange(len(self.words))
        words, reasons = self.words[everyone, place], self._reasons[everyone, place]
        verdicts = pl.Series(VERDICTS, dtype=pl.String).gather(words)
        names = pl.Series([*map(str, self._reason_names), None], dtype=pl.String)
        return pl.DataFrame(
            {"verdict": verdicts, "reason": names.gather(np.where(reasons < 0, len(self._reason_names), reasons))}
        )

    def last_word(self, row: int) -> tuple[str | None, str | None]:
        """`last_words` of one face."""
        step = self.last_step(row)
        chosen = self.verdict(row, step) if step else None
        return (str(chosen[0]), str(chosen[1]) if chosen[1] else None) if chosen else (None, None)

    def last_step(self, row: int) -> str | None:
        """The step of `last_word`: of the rejection, or the latest on which anything was said."""
        words = self.words[row]
        said = np.flatnonzero(words == REJECT)[:1] if (words == REJECT).any() else np.flatnonzero(words != NOTHING)[-1:]
        return self._steps[said[0]] if len(said) else None


def _is_verdict(word: Words | int) -> Words | bool:
    """A skip leaves the face owed, and is none."""
    return (word != NOTHING) & (word != SKIP)
