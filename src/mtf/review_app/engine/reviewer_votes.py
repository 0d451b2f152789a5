"""Votes of one reviewer in arrays over all faces: fast to look up, and each can be undone."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl

from mtf.annotation.decision import Verdict
from mtf.review_app.engine.queue import NOTHING, REJECT, SKIP, VERDICTS, VerdictCodes, codes_of, numbered
from mtf.schemas import FACE, funnel_steps

NO_REASON = -1


class ReviewerVotes:
    """Verdicts and corrected labels of one reviewer, or of the joint session; a face is given by its row.

    codes: faces × steps, as in `queue.VERDICTS`.
    done: number of verdicts per step.
    times: faces × steps, how often each verdict was given; at most 127.

    A verdict on a row from `counted_faces` on, on a gold question, does not count in `done`.

    `opinions` (columns OPINIONS), `labels` (identity, face_id, column, label) and `counts` (identity, face_id, step,
    times) are the votes when the review app opened. Without `counts` each verdict was given once.
    """

    def __init__(
        self,
        faces: pl.DataFrame,
        opinions: pl.DataFrame,
        labels: pl.DataFrame,
        counts: pl.DataFrame | None = None,
        *,
        counted_faces: int | None = None,
    ) -> None:
        self._counted_faces = faces.height if counted_faces is None else counted_faces
        self._steps = funnel_steps.reviewed()
        self._reason_names = tuple(funnel_steps.step_of_reason())
        given = numbered(faces, opinions)
        self.codes: VerdictCodes = codes_of(faces, opinions)
        self.times = np.asarray(_is_verdict(self.codes), np.int8)
        if counts is not None:
            placed = numbered(faces, counts)
            self.times[placed["row"], placed["place"]] = placed["times"].clip(0, 127)
        self._reasons = np.full(self.codes.shape, NO_REASON, np.int8)
        codes = {str(reason): place for place, reason in enumerate(self._reason_names)}
        reasons = given["reason"].replace_strict(codes, default=NO_REASON, return_dtype=pl.Int8)
        self._reasons[given["row"], given["place"]] = reasons
        rows = faces.select(FACE).with_row_index("row").join(labels, on=FACE).select("row", "column", "label")
        self._labels = {(row, column): [label] for row, column, label in rows.iter_rows()}
        # Earlier codes at a place, oldest first, for undo.
        self._before: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self.done: Counter[str] = Counter(
            {step: int(np.count_nonzero(_is_verdict(self.codes[:, place]))) for place, step in enumerate(self._steps)}
        )

    def first(self, faces: int) -> ReviewerVotes:
        """Votes on the first `faces` faces; they share memory with these."""
        few = copy.copy(self)
        few.codes, few.times, few._reasons = self.codes[:faces], self.times[:faces], self._reasons[:faces]
        return few

    def set_verdict(self, row: int, step: str, verdict: Verdict, reason: str | None) -> None:
        """Set the verdict on a face at a step."""
        place = self._steps.index(step)
        self._before.setdefault((row, place), []).append((int(self.codes[row, place]), int(self._reasons[row, place])))
        code = VERDICTS.index(str(verdict))
        self._count(row, place, by=int(_is_verdict(code)))
        self._put(row, step, code, self._code_of(reason))

    def remember_verdicts(self, row: int, step: str, given: Sequence[tuple[Verdict, str | None]]) -> None:
        """Take over what the reviewer said of a face at a step in earlier sessions, oldest first.

        The last one stands already; `undo_verdict` brings back those before it.
        """
        codes = [(VERDICTS.index(str(verdict)), self._code_of(reason)) for verdict, reason in given]
        self._before[row, self._steps.index(step)] = [(NOTHING, NO_REASON), *codes[:-1]]

    def _code_of(self, reason: str | None) -> int:
        return self._reason_names.index(reason) if reason else NO_REASON

    def remember_labels(self, row: int, column: str, labels: Sequence[str]) -> None:
        """Take over the labels that the reviewer gave a face in earlier sessions, oldest first."""
        self._labels[row, column] = list(labels)

    def undo_verdict(self, row: int, step: str) -> None:
        """Undo the last `set_verdict` on a face at a step."""
        place = self._steps.index(step)
        self._count(row, place, by=-int(_is_verdict(self.codes[row, place])))
        self._put(row, step, *self._before[row, place].pop())

    def _count(self, row: int, place: int, *, by: int) -> None:
        self.times[row, place] = min(max(int(self.times[row, place]) + by, 0), 127)

    def _put(self, row: int, step: str, code: int, reason: int) -> None:
        place = self._steps.index(step)
        if row < self._counted_faces:
            self.done[step] += int(_is_verdict(code)) - int(_is_verdict(self.codes[row, place]))
        self.codes[row, place], self._reasons[row, place] = code, reason

    def set_label(self, row: int, column: str, label: str) -> None:
        """Set the label of a face."""
        self._labels.setdefault((row, column), []).append(label)

    def undo_label(self, row: int, column: str) -> None:
        """Undo the last label of a face's column."""
        self._labels[row, column].pop()

    def label(self, row: int, column: str) -> str | None:
        """Label that this reviewer gave a face in place of the roster's; None if they gave none."""
        given = self._labels.get((row, column))
        return given[-1] if given else None

    def corrections(self) -> pl.DataFrame:
        """Corrected labels: row, column, label."""
        given = [(row, column, labels[-1]) for (row, column), labels in self._labels.items() if labels]
        return pl.DataFrame(given, schema={"row": pl.Int64, "column": pl.String, "label": pl.String}, orient="row")

    def verdict(self, row: int, step: str) -> tuple[Verdict, str | None] | None:
        """Verdict at a step (accept, reject, keep or skip) with its reason; None without one."""
        place = self._steps.index(step)
        code, reason = VERDICTS[self.codes[row, place]], self._reasons[row, place]
        return (Verdict(code), self._reason_names[reason] if reason != NO_REASON else None) if code else None

    def last_verdicts(self) -> pl.DataFrame:
        """Table of `verdict` and `reason` per face: of its rejection, else of the latest step with a verdict or
        a skip.
        """
        has_verdict = self.codes != NOTHING
        rejected = self.codes == REJECT
        last = len(self._steps) - 1 - has_verdict[:, ::-1].argmax(axis=1)
        place = np.where(rejected.any(axis=1), rejected.argmax(axis=1), last)
        everyone = np.arange(len(self.codes))
        codes, reasons = self.codes[everyone, place], self._reasons[everyone, place]
        verdicts = pl.Series(VERDICTS, dtype=pl.String).gather(codes)
        names = pl.Series([*map(str, self._reason_names), None], dtype=pl.String)
        return pl.DataFrame(
            {"verdict": verdicts, "reason": names.gather(np.where(reasons < 0, len(self._reason_names), reasons))}
        )

    def last_verdict(self, row: int) -> tuple[str | None, str | None]:
        """Verdict and reason of one face, as in `last_verdicts`."""
        step = self.last_step(row)
        chosen = self.verdict(row, step) if step else None
        return (str(chosen[0]), str(chosen[1]) if chosen[1] else None) if chosen else (None, None)

    def last_step(self, row: int) -> str | None:
        """Step of `last_verdict`: of the rejection, else the latest with a verdict or a skip; None without any."""
        codes = self.codes[row]
        places = (
            np.flatnonzero(codes == REJECT)[:1] if (codes == REJECT).any() else np.flatnonzero(codes != NOTHING)[-1:]
        )
        return self._steps[places[0]] if len(places) else None


def _is_verdict(code: VerdictCodes | int) -> VerdictCodes | bool:
    """True if a code is a verdict; a skip leaves the face open and is none."""
    return (code != NOTHING) & (code != SKIP)
