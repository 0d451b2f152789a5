"""Triage model: predictions are tested on verdicts that it was not trained on."""

from __future__ import annotations

import numpy as np
import pytest

from mtf.review_app.engine.triage_model import ERROR_SHARE, UNREACHABLE, fit, is_reliable


def told(count: int, *, noise: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Inputs whose first column says the answer, the better the less noise."""
    random = np.random.default_rng(seed)
    answers = random.random(count) < 0.5
    inputs = random.normal(size=(count, 6))
    inputs[:, 0] = answers + random.normal(scale=noise, size=count)
    return inputs, answers.astype(float)


def test_beyond_its_bounds_what_was_never_judged_is_as_said() -> None:
    inputs, answers = told(1000, noise=0.4)
    learnt = fit(inputs, np.where(np.arange(1000) < 200, answers, np.nan), seed=0)
    assert learnt is not None
    fresh, truth = learnt.score[200:], answers[200:]
    likely, unlikely = fresh >= learnt.likely, fresh <= learnt.unlikely
    assert likely.sum() > 200
    assert unlikely.sum() > 200
    assert 1 - truth[likely].mean() < 1.5 * ERROR_SHARE
    assert truth[unlikely].mean() < 1.5 * ERROR_SHARE


def test_where_nothing_held_there_are_no_bounds() -> None:
    inputs, _ = told(400, noise=0.4)
    coin = (np.random.default_rng(1).random(400) < 0.5).astype(float)
    learnt = fit(inputs, coin, seed=0)
    assert learnt is not None
    assert (learnt.likely, learnt.unlikely) == (UNREACHABLE, 1 - UNREACHABLE)


def test_what_tells_persons_apart_says_nothing_of_another_person() -> None:
    persons = np.repeat(np.arange(10), 20)
    inputs = np.eye(10)[persons] + np.random.default_rng(0).normal(scale=0.1, size=(200, 10))
    answers = (persons % 2).astype(float)
    within, across = fit(inputs, answers, seed=0), fit(inputs, answers, persons=persons, seed=0)
    assert within is not None
    assert across is not None
    assert within.likely <= 1
    assert across.likely == UNREACHABLE


def test_faces_of_one_score_are_called_alike_or_not_at_all() -> None:
    accepted = np.array([1.0] * 100 + [0.0] * 80 + [np.nan] * 20)
    learnt = fit(np.zeros((200, 1)), accepted, seed=0)
    assert learnt is not None
    assert (learnt.likely, learnt.unlikely) == (UNREACHABLE, 1 - UNREACHABLE)


@pytest.mark.parametrize(
    "accepted",
    [
        pytest.param([1.0] * 50 + [0.0] * 4, id="four of a kind"),
        pytest.param([1.0] * 50, id="one kind"),
        pytest.param([np.nan] * 50, id="no verdict"),
    ],
)
def test_of_too_few_verdicts_nothing_is_learnt(accepted: list[float]) -> None:
    inputs = np.random.default_rng(0).normal(size=(len(accepted), 4))
    assert fit(inputs, np.array(accepted), seed=0) is None


def test_of_one_person_nothing_is_learnt_about_others() -> None:
    inputs, answers = told(60, noise=0.1)
    persons = np.repeat([0, 1], 30)
    only_first = np.where(persons == 0, answers, np.nan)
    assert fit(inputs, only_first, persons=persons, seed=0) is None
    assert fit(inputs, only_first, seed=0) is not None


@pytest.mark.parametrize(("wrong", "count", "held"), [(0, 7, False), (0, 8, True), (1, 17, False), (1, 18, True)])
def test_a_tenth_may_be_otherwise_by_the_rule_of_succession(wrong: int, count: int, *, held: bool) -> None:
    assert is_reliable(wrong, count) == held
