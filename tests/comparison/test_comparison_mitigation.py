"""Figures by group over seeds, and mitigation of differences: reweighting, group DRO, thresholds by fairlearn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from fairlearn.metrics import equalized_odds_difference
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight
from torch.nn import functional
from typer.testing import CliRunner

from mtf.cli import app
from mtf.comparison import mitigation, seed_intervals
from mtf.comparison.group_trials import GroupTrial
from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import fairness
from mtf.training.group_losses import GroupDro, Reweighted
from training_project import write_project

QUICK = {"optimizer": "adamw", "learning_rate": 0.01, "max_epochs": 2, "patience": 2, "batch": 16}


def test_reweighted_losses_are_those_of_scikit_learns_balanced_weights() -> None:
    random = np.random.default_rng(0)
    cells, labels = random.choice(6, 200, p=[0.5, 0.2, 0.1, 0.1, 0.08, 0.02]), random.integers(0, 2, 200)
    scores = torch.tensor(random.normal(size=(200, 2)))
    own = Reweighted(cells, count=6)(scores, torch.tensor(labels), torch.tensor(cells))
    each = functional.cross_entropy(scores, torch.tensor(labels), reduction="none").numpy()
    assert float(own) == pytest.approx(np.average(each * compute_sample_weight("balanced", cells)), rel=1e-5)


def test_group_dro_follows_the_papers_algorithm() -> None:
    """Sagawa et al. 2020, Algorithm 1, written out in NumPy over three batches."""
    random = np.random.default_rng(1)
    every = np.array([0, 0, 0, 1, 1, 3])
    loss, weights = GroupDro(every, count=4), np.array([1, 1, 0, 1]) / 3
    for _ in range(3):
        cells, labels = random.choice([0, 1, 3], 20), random.integers(0, 2, 20)
        scores = torch.tensor(random.normal(size=(20, 2)) * 5, dtype=torch.float32)
        each = functional.cross_entropy(scores, torch.tensor(labels), reduction="none").numpy()
        means = np.array([each[cells == cell].mean() if (cells == cell).any() else 0 for cell in range(4)])
        weights = weights * np.exp(GroupDro.STEP * means)
        weights /= weights.sum()
        assert float(loss(scores, torch.tensor(labels), torch.tensor(cells))) == pytest.approx(
            weights @ means, rel=1e-4
        )
    np.testing.assert_allclose(loss.weights.numpy(), weights, rtol=1e-4)
    assert loss.weights[2] == 0


def test_thresholds_are_fairlearns_and_even_out_the_odds() -> None:
    random = np.random.default_rng(2)
    group = random.choice(["a", "b"], 4000, p=[0.7, 0.3])
    label = random.integers(0, 2, 4000)
    # The score is shifted for one group, so that one threshold for both treats them differently.
    score = label + random.normal(0, 0.8, 4000) + np.where(group == "b", 0.9, 0.0)
    model = LogisticRegression().fit(score[:, None], label)
    probability = model.predict_proba(score[:, None])[:, 1]
    fit, test = slice(0, 2000), slice(2000, None)
    own = mitigation.optimised_thresholds(
        (probability[fit], label[fit], group[fit]), (probability[test], group[test]), seed=7
    )
    optimizer = ThresholdOptimizer(
        estimator=model, constraints="equalized_odds", prefit=True, predict_method="predict_proba"
    ).fit(score[fit, None], label[fit], sensitive_features=group[fit])
    np.testing.assert_array_equal(
        own, optimizer.predict(score[test, None], sensitive_features=group[test], random_state=7)
    )
    # A network's probabilities are of another type.
    single = probability.astype(np.float32)
    of_network = mitigation.optimised_thresholds(
        (single[fit], label[fit], group[fit]), (single[test], group[test]), seed=7
    )
    assert (of_network == own).mean() > 0.99
    before = equalized_odds_difference(label[test], probability[test] > 0.5, sensitive_features=group[test])
    after = equalized_odds_difference(label[test], own, sensitive_features=group[test])
    assert before > 0.3
    assert after < 0.06


@pytest.fixture
def in_project(tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch) -> tuple[ProjectPaths, Params]:
    workspace, params = write_project(
        tmp_path, sample_params, recipe="quick", recipes={"quick": QUICK}, tasks=["gender", "age"]
    )
    workspace.params.write_text(yaml.safe_dump(params.model_dump(mode="json")))
    monkeypatch.chdir(tmp_path)
    return workspace, params


def compared(workspace: ProjectPaths, params: Params, **changes: Any) -> dict[str, Any]:
    asked = {"model": "small_cnn", "task": "gender", "by": "age", "recipe": "quick", "seeds": 2} | changes
    return mitigation.run(workspace, params, **asked)


@pytest.mark.train
def test_methods_are_compared_with_what_each_costs(
    in_project: tuple[ProjectPaths, Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, params = in_project
    found = compared(workspace, params)
    assert list(found["methods"]) == ["none", "reweighting", "group_dro", "thresholds"]
    runs = json.loads(workspace.metrics("compare/mitigation").read_text())["runs"]
    assert len(runs) == 6
    plain, weighed = (
        [runs[f"small_cnn/gender/age/quick/{method}/{seed}"]["figures"] for seed in (42, 43)]
        for method in ("none", "reweighting")
    )
    changes = found["methods"]["reweighting"]["change"]
    for label in ("Young", "Old"):
        pairs = [
            run["by_group"]["age"]["groups"][label]["accuracy"] - other["by_group"]["age"]["groups"][label]["accuracy"]
            for run, other in zip(weighed, plain, strict=True)
        ]
        assert changes["groups"][label]["mean"] == pytest.approx(np.mean(pairs), abs=1e-4)
        assert changes["groups"][label]["std"] == pytest.approx(np.std(pairs, ddof=1), abs=1e-4)
    assert set(found["methods"]["none"]["change"]["groups"]["Young"].values()) == {0}
    # Nothing is trained twice.
    monkeypatch.setattr(GroupTrial, "fit", lambda *_, **__: pytest.fail("trained again"))
    assert compared(workspace, params) == found
    result = CliRunner().invoke(app, ["compare", "mitigation", "--task", "gender", "--by", "age", "--seeds", "2"])
    assert result.exit_code == 0, result.output
    assert "group_dro" in result.stdout


@pytest.mark.train
def test_thresholds_for_more_than_two_labels_are_left_out_with_the_reason(
    in_project: tuple[ProjectPaths, Params],
) -> None:
    found = compared(*in_project, task="race", by="gender", seeds=1, methods=["thresholds"])
    assert list(found["methods"]) == ["none"]
    assert found["left_out"] == {"thresholds": "thresholds are for two labels, and race has 4"}


@pytest.mark.train
def test_groups_over_seeds_are_the_mean_and_deviation_of_single_trainings(
    in_project: tuple[ProjectPaths, Params],
) -> None:
    workspace, _ = in_project
    arguments = ["compare", "groups", "--task", "age", "--seeds", "2", "--json"]
    found = json.loads(CliRunner().invoke(app, arguments, catch_exceptions=False).stdout)
    runs = json.loads(workspace.metrics("compare/groups").read_text())["runs"]
    single = [runs[f"small_cnn/age/quick/{seed}"]["by_group"]["gender"] for seed in (42, 43)]
    males = found["tasks"]["age"]["by_group"]["gender"]["groups"]["Males"]
    for figure in ("accuracy", "false_negative_rate"):
        values = pl.Series([run["groups"]["Males"][figure] for run in single])
        assert males[figure]["mean"] == pytest.approx(values.mean(), abs=1e-4)
        assert males[figure]["std"] == pytest.approx(values.std(), abs=1e-4)
    assert (males["n"], males["more_people"]) == (9, 27)
    assert "low" not in males
    table = CliRunner().invoke(app, arguments[:-1], env={"COLUMNS": "160"}, catch_exceptions=False).stdout
    assert "interval of the mean" in table and "cannot be said: 27 more people" in table


def test_the_interval_of_a_mean_over_seeds_contains_it_and_covers_the_truth_of_the_people_left_out() -> None:
    rng, covered = np.random.default_rng(3), 0
    for _ in range(200):
        # Two networks that err on the same people: their mean varies as much as each of them.
        hard = rng.beta(4, 1, 40)
        runs = []
        for shift in (0.0, 0.04):
            people = np.repeat(np.arange(40), 5)
            right = rng.random(200) < np.minimum(hard[people] * 0.96 + shift, 1)
            said = pl.DataFrame({"identity": people, "label": "a", "predicted": np.where(right, "a", "b")})
            runs.append(fairness.over_all(said.with_columns(pl.col("identity").cast(pl.String))))
        found = seed_intervals.of_mean(runs)
        mean = np.mean([run["accuracy"] for run in runs])
        assert found["low"] < mean < found["high"]
        covered += found["low"] <= 0.8 * 0.96 + 0.02 <= found["high"]
    assert covered >= 180
    assert seed_intervals.of_mean([{"accuracy": 1.0, "more_people": 3}] * 2) == {"more_people": 3}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"by": "gender"}, r"--by: 'gender' is not permitted; permitted: an attribute that gender does not ask about"),
        ({"task": "recognition"}, r"--task: 'recognition' is not permitted; permitted: of params.yaml: race, gender"),
        ({"methods": ["magic"]}, r"--method: 'magic' is not permitted; permitted: none, reweighting, group_dro, thr"),
        ({"recipe": "none"}, r"--recipe: 'none' is not permitted"),
    ],
)
def test_names_that_are_unknown_are_refused(
    in_project: tuple[ProjectPaths, Params], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        compared(*in_project, **changes)
