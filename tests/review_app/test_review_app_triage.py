"""The order in which faces are shown learns from the verdicts, and never replaces them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mtf.review_app.engine import triage
from mtf.review_app.engine.likeness import Likeness
from mtf.review_app.engine.queue import RUNS
from mtf.review_app.engine.triage import LIKELY, UNLIKELY, UNSURE
from mtf.schemas import Step


def crowd(count: int, *, share_right: float, seed: int = 7) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Faces of one person among strangers: table, unit embeddings, and who is right."""
    random = np.random.default_rng(seed)
    right = random.random(count) < share_right
    middle = random.normal(size=16)
    points = np.where(
        right[:, None], middle + random.normal(scale=0.5, size=(count, 16)), random.normal(size=(count, 16))
    )
    embeddings = points / np.linalg.norm(points, axis=1, keepdims=True)
    faces = pl.DataFrame(
        {
            "identity": ["ada"] * count,
            "face_id": [f"{number:032x}" for number in range(count)],
            "size_px": random.integers(40, 400, count),
            "eyes": random.integers(0, 3, count),
        }
    )
    return faces, embeddings, right


def rate(faces: pl.DataFrame, accepted: np.ndarray, *, step: Step, embeddings: np.ndarray | None = None):
    neighbours = None
    if embeddings is not None:
        likeness = Likeness(embeddings, np.zeros(len(embeddings), np.int64))
        neighbours = likeness.neighbours(np.arange(len(embeddings)), accepted)
    return triage.rate(faces, accepted, step=step, neighbours=neighbours)


def verdicts_on(right: np.ndarray, first: int) -> np.ndarray:
    """The truth of the first faces; of the others nothing is known."""
    return np.where(np.arange(len(right)) < first, right, np.nan)


def test_without_verdicts_nothing_is_called_likely() -> None:
    faces, embeddings, right = crowd(50, share_right=0.5)
    rated = rate(faces, verdicts_on(right, 0), step=Step.FACE, embeddings=embeddings)
    assert set(rated["run"]) == {UNSURE}


def test_the_hints_put_open_eyes_first() -> None:
    faces, _, right = crowd(60, share_right=0.5)
    rated = rate(faces, verdicts_on(right, 0), step=Step.QUALITY)
    by_eyes = dict(rated.group_by("eyes").agg(pl.col("score").mean()).iter_rows())
    assert by_eyes[0] < by_eyes[1] < by_eyes[2]


@pytest.mark.parametrize(("verdicts", "run"), [(7, UNSURE), (8, LIKELY)])
def test_a_few_verdicts_of_one_kind_prove_nothing(verdicts: int, run: str) -> None:
    faces, embeddings, _ = crowd(80, share_right=0.5)
    rated = rate(faces, verdicts_on(np.ones(80, bool), verdicts), step=Step.FACE, embeddings=embeddings)
    assert set(rated["run"]) == {run}


@pytest.mark.parametrize(("rejected", "run"), [(1, LIKELY), (4, UNSURE)])
def test_where_nearly_all_were_accepted_the_rest_are_likely(rejected: int, run: str) -> None:
    faces, _, _ = crowd(80, share_right=0.5)
    rated = rate(faces, verdicts_on(np.arange(80) >= rejected, 20), step=Step.QUALITY)
    assert set(rated["run"]) == {run}


def test_a_person_not_begun_is_not_rejected_for_want_of_accepted_faces() -> None:
    crowds = [crowd(40, share_right=0.8, seed=seed) for seed in range(5)]
    faces = pl.concat(
        faces.with_columns(identity=pl.lit(f"person {number}")) for number, (faces, _, _) in enumerate(crowds)
    )
    right = np.concatenate([right for _, _, right in crowds])
    persons = np.repeat(np.arange(5), 40)
    accepted = np.where(persons < 4, right, np.nan)
    likeness = Likeness(np.concatenate([embeddings for _, embeddings, _ in crowds]), persons)
    neighbours = likeness.neighbours(np.arange(200), accepted)
    rated = triage.rate(faces, accepted, step=Step.IDENTITY, neighbours=neighbours).tail(40)
    assert UNLIKELY not in set(rated["run"])


def test_runs_are_nearly_pure_on_faces_that_were_never_judged() -> None:
    faces, embeddings, right = crowd(600, share_right=0.3)
    rated = rate(faces, verdicts_on(right, 120), step=Step.IDENTITY, embeddings=embeddings).tail(480)
    truth = pl.Series(right[120:])
    likely, unlikely = truth.filter(rated["run"] == LIKELY), truth.filter(rated["run"] == UNLIKELY)
    assert len(likely) > 50
    assert len(unlikely) > 150
    assert likely.mean() > 0.9
    assert unlikely.mean() < 0.1


def test_verdicts_that_follow_no_rule_make_no_runs() -> None:
    faces, embeddings, _ = crowd(400, share_right=0.5)
    coin = np.random.default_rng(1).random(400) < 0.5
    rated = rate(faces, verdicts_on(coin, 200), step=Step.FACE, embeddings=embeddings)
    assert (rated["run"] == UNSURE).mean() > 0.9


@pytest.mark.parametrize("step", [Step.FACE, Step.IDENTITY, Step.QUALITY, Step.DUPLICATE, Step.TASK_FIT])
def test_the_same_verdicts_give_the_same_order(step: Step) -> None:
    faces, embeddings, right = crowd(120, share_right=0.5)
    first, second = (rate(faces, verdicts_on(right, 60), step=step, embeddings=embeddings) for _ in range(2))
    assert first.equals(second)
    assert set(first["run"]) <= set(RUNS)
    assert first["score"].is_between(0, 1).all()


def test_neighbours_are_what_each_pair_says_however_they_are_asked_for() -> None:
    random = np.random.default_rng(2)
    points = random.normal(size=(40, 8))
    embeddings = points / np.linalg.norm(points, axis=1, keepdims=True)
    persons = random.integers(0, 3, 40)
    accepted = random.choice([0.0, 1.0, np.nan], 40)
    rows = random.permutation(40)[:30]
    found = Likeness(embeddings, persons).neighbours(rows, accepted[rows])
    for place, row in enumerate(rows):
        among = [other for other in rows if persons[other] == persons[row] and other != row]
        good = [other for other in among if accepted[other] == 1]
        bad = [other for other in among if accepted[other] == 0]
        middle = embeddings[good].sum(axis=0)
        count = len(good) + (accepted[row] == 1)
        expected = [
            max([embeddings[other] @ embeddings[row] for other in good] + [0]),
            max([embeddings[other] @ embeddings[row] for other in bad] + [0]),
            middle @ embeddings[row] / np.linalg.norm(middle) if good else 0,
            np.log1p(count),
        ]
        np.testing.assert_allclose(found[place], expected, atol=1e-4)
