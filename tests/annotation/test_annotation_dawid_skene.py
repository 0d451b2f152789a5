"""Model of annotators, verdicts with it, and the test of attention."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mtf.annotation import attention, consensus, dawid_skene, model_verdicts

KEPT = ((0.02, 0.04), (0.05, 0.05), (0.15, 0.20))


def simulated(faces: int, errors: tuple[tuple[float, float], ...], *, staying: float, seed: int = 0) -> tuple:
    """Votes (faces, annotators) and the truth; errors are (wrongly rejected, wrongly kept)."""
    random = np.random.default_rng(seed)
    stays = random.random(faces) < staying
    votes = np.column_stack(
        [np.where(random.random(faces) < np.where(stays, out, kept), ~stays, stays) for out, kept in errors]
    ).astype(float)
    return votes, stays


def test_the_errors_of_each_annotator_are_found_from_their_votes_alone():
    votes, _ = simulated(4000, KEPT, staying=0.3)
    found = dawid_skene.fitted(votes)
    assert 1 - found.keeps == pytest.approx([one for one, _ in KEPT], abs=0.02)
    assert 1 - found.rejects == pytest.approx([other for _, other in KEPT], abs=0.02)
    assert found.staying == pytest.approx(0.3, abs=0.02)


def test_the_errors_are_found_where_the_third_votes_only_on_faces_that_the_others_are_split_on():
    votes, _ = simulated(6000, KEPT, staying=0.3)
    votes[votes[:, 0] == votes[:, 1], 2] = np.nan
    # A tenth is voted on by everybody, or nothing would tell the third from the others.
    whole, _ = simulated(600, KEPT, staying=0.3, seed=1)
    found = dawid_skene.fitted(np.vstack([votes, whole]))
    assert 1 - found.keeps == pytest.approx([one for one, _ in KEPT], abs=0.03)


def test_three_reviewers_and_a_classifier_err_at_most_half_as_often_as_the_majority_of_the_three():
    errors = ((0.02, 0.02), (0.05, 0.05), (0.15, 0.15), (0.05, 0.05))
    votes, stays = simulated(20_000, errors, staying=0.3)
    majority = votes[:, :3].sum(axis=1) >= 2
    model = dawid_skene.fitted(votes).probability(votes) > 0.5
    assert (model != stays).mean() <= 0.5 * (majority != stays).mean()


def test_a_handful_of_votes_makes_nobody_perfect():
    votes = np.array([[1.0, 1.0, np.nan], [0.0, 0.0, np.nan]])
    found = dawid_skene.fitted(votes)
    assert found.keeps.max() < 0.99
    assert found.keeps[2] == pytest.approx(dawid_skene.PRIOR_RIGHT)
    with pytest.raises(ValueError, match="no votes"):
        dawid_skene.fitted(np.full((2, 3), np.nan))


def a_verdict(outcome: str, agreeing: int, given: int, *, by: str = "panel", reason: str | None = None) -> dict:
    return {
        **{"identity": "ada", "face_id": "ff", "step": "identity", "outcome": outcome, "decided_by": by},
        **{"agreeing": agreeing, "given": given, "detail": "d", "reason": reason, "given_reason": "wrong_person"},
    }


@pytest.mark.parametrize(
    ("verdict", "stays", "outcome", "decided_by"),
    [
        (a_verdict("accept", 2, 3), 0.001, "reject", "model 1/3"),
        (a_verdict("reject", 2, 3, reason="wrong_person"), 0.999, "accept", "model 1/3"),
        (a_verdict("accept", 2, 3), 0.02, "accept", "panel"),
        (a_verdict("accept", 3, 3), 0.0, "accept", "panel"),
        (a_verdict("undecided", 1, 2), 0.999, "undecided", "panel"),
        (a_verdict("conflict", 1, 2), 0.999, "conflict", "panel"),
        (a_verdict("conflict", 2, 4), 0.999, "accept", "model 2/4"),
        (a_verdict("accept", 1, 1, by=consensus.JOINT), 0.0, "accept", consensus.JOINT),
    ],
)
def test_the_model_decides_only_where_everyone_voted_and_they_are_split_and_it_is_sure(
    verdict, stays, outcome, decided_by
):
    key = {name: verdict[name] for name in ("identity", "face_id", "step")}
    found = model_verdicts.decided(
        pl.DataFrame([verdict], schema_overrides={"reason": pl.String}),
        pl.DataFrame([key | {"stays": stays}]),
        reviewers=3,
        min_confidence=0.99,
    ).row(0, named=True)
    assert (found["outcome"], found["decided_by"]) == (outcome, decided_by)
    if decided_by.startswith("model"):
        assert found["reason"] == ("wrong_person" if outcome == "reject" else None)
        assert found["confidence"] == pytest.approx(0.999)


@pytest.mark.parametrize(
    ("verdict", "stays", "is_spared"),
    [
        (a_verdict("accept", 2, 2), 0.995, True),
        (a_verdict("reject", 2, 2), 0.005, True),
        (a_verdict("accept", 2, 2), 0.9, False),
        (a_verdict("undecided", 1, 2), 0.999, False),
        (a_verdict("undecided", 1, 1), 0.999, False),
    ],
)
def test_a_third_vote_is_spared_only_where_a_majority_agrees_and_the_model_is_sure(verdict, stays, is_spared):
    key = {name: verdict[name] for name in ("identity", "face_id", "step")}
    found = model_verdicts.needs_no_further_vote(
        pl.DataFrame([verdict], schema_overrides={"reason": pl.String}),
        pl.DataFrame([key | {"stays": stays}]),
        reviewers=3,
        min_confidence=0.99,
    )
    assert found.height == is_spared


def test_who_overlooks_a_tenth_of_the_exceptions_is_named_and_who_is_attentive_is_not():
    random = np.random.default_rng(0)
    runs = {share: [attention.tested(random.random(160) < share) for _ in range(1000)] for share in (0.10, 0.02)}
    assert np.mean([one.is_named for one in runs[0.10]]) >= 0.95
    assert np.mean([one.is_named for one in runs[0.02]]) <= attention.FALSE_ALARM


def test_no_exceptions_name_nobody():
    assert attention.tested([]) == attention.Attention(0, 0, 1.0, None)
    assert attention.tested([True] * 3).named_after == 2
