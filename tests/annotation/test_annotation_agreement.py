"""Agreement, against published examples and values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtf.annotation.agreement import by_step, fleiss_kappa, krippendorff_alpha, raw_agreement, with_interval

# Ten subjects, fourteen raters, five categories: the worked example of Fleiss' kappa on Wikipedia, kappa = 0.210.
FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)
# Four observers, twelve units, missing values: Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability",
# section C, nominal alpha = 0.743.
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def _counts(observers: list[list[int | None]]) -> np.ndarray:
    units = zip(*observers, strict=True)
    return np.array([[sum(value == category for value in unit) for category in range(1, 6)] for unit in units])


def test_fleiss_kappa_is_that_of_the_published_example():
    assert fleiss_kappa(FLEISS) == pytest.approx(0.20993, abs=1e-5)


def test_krippendorffs_alpha_is_that_of_the_published_example():
    assert krippendorff_alpha(_counts(KRIPPENDORFF)) == pytest.approx(0.743, abs=5e-4)


def test_by_hand_two_reviewers_on_four_faces():
    """3 of 4 agree; accept 5/8, reject 3/8: expected 34/64, kappa = (48 - 34) / 30. Alpha: 1 - (2/8) / (30/56)."""
    counts = np.array([[2, 0], [2, 0], [0, 2], [1, 1]])
    assert raw_agreement(counts) == pytest.approx(0.75)
    assert fleiss_kappa(counts) == pytest.approx(14 / 30)
    assert krippendorff_alpha(counts) == pytest.approx(1 - 0.25 * 56 / 30)


def test_of_three_who_split_one_pair_in_three_agrees():
    assert raw_agreement(np.array([[2, 1]])) == pytest.approx(1 / 3)


def test_where_all_say_the_same_only_raw_agreement_is_defined():
    counts = np.array([[3, 0], [3, 0]])
    assert raw_agreement(counts) == 1
    assert math.isnan(fleiss_kappa(counts))
    assert math.isnan(krippendorff_alpha(counts))


def test_faces_with_one_vote_do_not_count():
    counts = np.array([[2, 0], [0, 2], [1, 1]])
    with_single = np.vstack([counts, [[1, 0]], [[0, 0]]])
    for measure in (raw_agreement, fleiss_kappa, krippendorff_alpha):
        assert measure(with_single) == pytest.approx(measure(counts))


def test_kappa_of_unequal_numbers_of_votes_is_that_of_the_published_example():
    """25 subjects, each rated positive or negative by 2 to 5: Fleiss, Levin and Paik (2003), chapter 18, after Fleiss
    and Cuzick; kappa = 0.5415 in the manual of Stata's `kappa`."""
    given = np.array([2, 2, 3, 4, 3, 4, 3, 5, 2, 4, 5, 3, 4, 4, 2, 2, 3, 2, 4, 5, 3, 4, 3, 3, 2])
    positive = np.array([2, 0, 2, 3, 3, 1, 0, 0, 0, 4, 5, 3, 4, 3, 0, 2, 1, 1, 1, 4, 2, 0, 0, 3, 2])
    assert fleiss_kappa(np.stack([positive, given - positive], axis=1)) == pytest.approx(0.5415, abs=5e-5)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=20))
@settings(deadline=None)
def test_a_row_with_a_weight_is_that_many_rows(rows):
    counts = np.array(rows)
    weights = np.arange(1, len(rows) + 1)
    for measure in (raw_agreement, fleiss_kappa, krippendorff_alpha):
        assert measure(counts, weights) == pytest.approx(measure(np.repeat(counts, weights, axis=0)), nan_ok=True)


def test_the_interval_holds_the_value_and_narrows_with_more_faces():
    few = np.array([[3, 0], [0, 3], [2, 1], [3, 0], [1, 2]] * 4)
    narrow, wide = (with_interval(raw_agreement, counts, seed=1) for counts in (np.repeat(few, 25, axis=0), few))
    assert wide.low < wide.value < wide.high
    assert narrow.value == pytest.approx(wide.value)
    assert narrow.high - narrow.low < (wide.high - wide.low) / 3
    assert with_interval(raw_agreement, few, seed=1) == wide


def test_the_interval_is_about_as_wide_as_theory_says():
    """Pairs that agree in 80 % of 400 faces: a standard error of 0.02, 95 % within 0.0392 to either side."""
    counts = np.array([[2, 0]] * 320 + [[1, 1]] * 80)
    found = with_interval(raw_agreement, counts, seed=3)
    assert found.high - found.low == pytest.approx(2 * 0.0392, rel=0.15)


def test_to_accept_and_to_keep_a_face_agree():
    said = {"p": ("accept", "keep"), "q": ("keep", "reject"), "r": ("reject", "reject")}
    rows = [
        {"identity": "ada", "face_id": face, "step": "duplicate", "reviewer": name, "verdict": verdict, "joint": False}
        for face, verdicts in said.items()
        for name, verdict in zip(("ann", "bea"), verdicts, strict=True)
    ]
    assert by_step(pl.DataFrame(rows), seed=0)["duplicate"]["raw"] == pytest.approx(2 / 3, abs=1e-6)


def test_all_measures_are_over_the_faces_with_two_votes_or_more_whoever_gave_them():
    """A fourth reviewer of a panel of three leaves no face aside."""
    rows = [
        {"identity": "ada", "face_id": str(face), "step": "face", "reviewer": name, "verdict": verdict, "joint": False}
        for face, names in enumerate(["abcd", "abcd", "abc", "ab", "a"])
        for name, verdict in zip(names, [["accept"] * 4, ["reject"] * 4][face % 2], strict=False)
    ]
    figures = by_step(pl.DataFrame(rows), seed=0)["face"]
    assert figures["faces"] == 4
    assert (figures["raw"], figures["kappa"], figures["alpha"]) == (1, 1, 1)


def test_figures_by_step_leave_out_joint_verdicts_and_steps_nobody_voted_on():
    def vote(face: str, reviewer: str, verdict: str, joint: bool = False) -> dict:
        return {
            "identity": "ada",
            "face_id": face,
            "step": "face",
            "reviewer": reviewer,
            "verdict": verdict,
            "joint": joint,
        }

    votes = [vote(face, name, "accept") for face in "pq" for name in ("ann", "bea")]
    votes += [vote("r", "ann", "accept"), vote("r", "bea", "reject"), vote("r", "bea", "accept", joint=True)]
    votes += [vote("s", "ann", "accept")]
    figures = by_step(pl.DataFrame(votes), seed=0)
    assert list(figures) == ["face"]
    assert figures["face"]["faces"] == 3
    assert figures["face"]["raw"] == pytest.approx(2 / 3, abs=1e-6)
    assert figures["face"]["kappa"] == pytest.approx(-0.2, abs=1e-6)
    assert figures["face"]["raw_low"] <= figures["face"]["raw"] <= figures["face"]["raw_high"]
