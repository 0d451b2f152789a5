"""Mitigation of differences between groups: reweighting, group DRO and threshold optimisation, and what each costs.

- `none`: the recipe as it is.
- `reweighting`: each combination of label and group weighs as much in the loss.
- `group_dro`: group distributionally robust optimisation (Sagawa et al. 2020).
- `thresholds`: the network of `none`, with a threshold for each group, set on the validation part so that the true and
  the false positive rates of the groups agree (equalised odds; Hardt et al. 2016), by fairlearn. For two labels.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from mtf.comparison import setup
from mtf.comparison.group_trials import GroupTrial, over_seeds
from mtf.comparison.run_figures import RunStore, mean_and_std
from mtf.config import IDENTITY, Params
from mtf.core.errors import bad_value
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import figure_files
from mtf.training.group_losses import GroupDro, Reweighted

NAME = f"{setup.FOLDER}/mitigation"
NONE, REWEIGHTING, GROUP_DRO, THRESHOLDS = METHODS = ("none", "reweighting", "group_dro", "thresholds")
LOSSES = {REWEIGHTING: Reweighted, GROUP_DRO: GroupDro}
TWO = 2


def run(
    workspace: ProjectPaths,
    params: Params,
    *,
    model: str,
    task: str,
    by: str,
    recipe: str,
    seeds: int,
    methods: Sequence[str] = METHODS,
) -> dict[str, Any]:
    """Train `model` on `task` with each method, for the groups of the attribute `by`, from `seeds` seeds, and test it.

    Writes metrics/compare/mitigation.json and returns it without the single runs: `{"model", "task", "by", "recipe",
    "seeds", "methods": {method: figures of group_trials.over_seeds and "change"}, "left_out": {method: reason}}`.
    `change` has, for the same seed, the difference of a method from `none`: `{"accuracy", "groups": {label: {"mean",
    "std"}}, "gaps": {attribute: {"mean", "std"}}}`; below 0 is a loss of accuracy, or a smaller gap. Runs with the
    same data, recipe and code that are in the file are not repeated.

    Raises BadInput for a name that params.yaml does not have, and for an attribute that the task asks about.
    """
    _check(params, task=task, by=by, methods=methods)
    trial = GroupTrial.of(workspace, params, model=model, task=task, recipe=recipe)
    store = RunStore(workspace.metrics(NAME))
    finished: dict[str, list[dict[str, Any]]] = {method: [] for method in METHODS}
    trained = [NONE, *(method for method in LOSSES if method in methods)]
    for number in range(seeds):
        for method in trained:
            seed = params.seed + number
            name, digest = (
                f"{model}/{task}/{by}/{recipe}/{method}/{seed}",
                trial.digest(by, method, seed, code=[__name__]),
            )
            state = "kept from before" if store.has(name, digest) else "training"
            print(f"compare mitigation {name}: {state}", file=sys.stderr)
            run_figures = store.get_or_run(name, digest, partial(_run, trial, by, method, seed))
            finished[method].append(run_figures["figures"])
            if method == NONE:
                finished[THRESHOLDS].append(run_figures[THRESHOLDS])
    left_out = {}
    if reason := next((each["left_out"] for each in finished[THRESHOLDS] if "left_out" in each), None):
        left_out[THRESHOLDS] = reason
    kept = [method for method in METHODS if (method == NONE or method in methods) and method not in left_out]
    found = {
        method: over_seeds(finished[method]) | {"change": _change(finished[method], finished[NONE], by)}
        for method in kept
    }
    summary = {"model": model, "task": task, "by": by, "recipe": recipe, "seeds": seeds} | {
        "methods": found,
        "left_out": {method: reason for method, reason in left_out.items() if method in methods},
    }
    store.write_summary(summary)
    figure_files.declare_figures(workspace, NAME, _headline(found, by))
    return summary


def _check(params: Params, *, task: str, by: str, methods: Sequence[str]) -> None:
    for method in methods:
        if method not in METHODS:
            raise bad_value("--method", method, ", ".join(METHODS))
    if task not in params.tasks or params.tasks[task].column == IDENTITY:
        known = [name for name, each in params.tasks.items() if each.column != IDENTITY]
        raise bad_value("--task", task, f"of params.yaml: {', '.join(known)}")
    others = [column for column in params.attributes if column not in params.tasks[task].columns]
    if by not in others:
        raise bad_value("--by", by, f"an attribute that {task} does not ask about: {', '.join(others)}")


def _run(trial: GroupTrial, by: str, method: str, seed: int) -> dict[str, Any]:
    groups = {split: _groups(trial, by, split) for split in ("train", "val", "test")}
    if method == NONE:
        network = trial.fit(seed)
    else:
        cells = {split: _cells(trial, by, split, groups[split]) for split in ("train", "val")}
        network = trial.fit(seed, loss=LOSSES[method], cells=cells)
    probabilities = trial.probabilities(network, "test")
    found = {"figures": trial.figures(probabilities.argmax(axis=1), probabilities)}
    if method == NONE:
        found[THRESHOLDS] = _thresholds(trial, trial.probabilities(network, "val"), probabilities, groups, seed)
    return found


def _groups(trial: GroupTrial, by: str, split: str) -> np.ndarray:
    """(n,), the group of each picture of a split, as its label of the attribute."""
    return trial.splits[trial.examples(split).rows][by].to_numpy()


def _cells(trial: GroupTrial, by: str, split: str, groups: np.ndarray) -> np.ndarray:
    """(n,), number of the combination of label and group of each picture."""
    labels = trial.attributes[by]
    numbers = {label: number for number, label in enumerate(labels)}
    return trial.examples(split).targets * len(labels) + np.array([numbers[group] for group in groups])


class ProbabilityAsGiven(BaseEstimator):
    """Estimator for scikit-learn whose one feature is the probability of the second label."""

    def fit(self, *_: Any) -> ProbabilityAsGiven:
        """Nothing to fit."""
        self.classes_ = np.arange(TWO)
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Probabilities (n, 2) of features (n, 1)."""
        return np.hstack([1 - features, features])


def optimised_thresholds(
    validated: tuple[np.ndarray, np.ndarray, np.ndarray], tested: tuple[np.ndarray, np.ndarray], *, seed: int
) -> np.ndarray:
    """Labels (n,), 0 or 1, of test pictures by thresholds for each group that equalise the odds (fairlearn).

    validated: probability of label 1 (m,), label (m,) and group (m,) of validation pictures; tested: probability (n,)
    and group (n,). Pictures between two thresholds are dealt out at random, from `seed`.

    Raises ValueError if a group has one label alone.
    """
    from fairlearn.postprocessing import ThresholdOptimizer

    optimizer = ThresholdOptimizer(
        estimator=ProbabilityAsGiven().fit(), constraints="equalized_odds", prefit=True, predict_method="predict_proba"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas and scikit-learn, about nothing that can be changed here
        # fairlearn cannot mix its own float64 with a network's float32.
        known, asked = (np.asarray(each[0], np.float64)[:, None] for each in (validated, tested))
        optimizer.fit(known, validated[1], sensitive_features=validated[2])
        return np.asarray(optimizer.predict(asked, sensitive_features=tested[1], random_state=seed))


def _thresholds(
    trial: GroupTrial, validated: np.ndarray, tested: np.ndarray, groups: Mapping[str, np.ndarray], seed: int
) -> dict[str, Any]:
    """Figures of `thresholds`, or `left_out`, the reason why there are none."""
    if len(trial.labels) != TWO:
        return {"left_out": f"thresholds are for two labels, and {trial.task} has {len(trial.labels)}"}
    targets = trial.examples("val").targets
    for group in np.unique(groups["test"]):
        if len(np.unique(targets[groups["val"] == group])) < TWO:
            return {"left_out": f"the validation part has no picture of {group} for one of the labels"}
    predicted = optimised_thresholds(
        (validated[:, 1], targets, groups["val"]), (tested[:, 1], groups["test"]), seed=seed
    )
    # An answer by a group's threshold has no probability.
    return trial.figures(predicted.astype(np.int64), None)


def _change(runs: Sequence[Mapping[str, Any]], plain: Sequence[Mapping[str, Any]], by: str) -> dict[str, Any]:
    """Differences from `none`, seed by seed: of the accuracy, of each group's, and of the gap of each attribute."""
    pairs = list(zip(runs, plain, strict=True))

    def mean(value: Any) -> dict[str, float | None]:
        return mean_and_std([value(run) - value(other) for run, other in pairs])

    attributes = runs[0]["by_group"]
    groups = [label for label, figures in attributes[by]["groups"].items() if "accuracy" in figures]
    gaps = [name for name in attributes if all("gap" in each["by_group"][name]["summary"] for each in (*runs, *plain))]
    return {
        "accuracy": mean(lambda run: run["over_all"]["accuracy"]),
        "groups": {
            label: mean(lambda run, label=label: run["by_group"][by]["groups"][label]["accuracy"]) for label in groups
        },
        "gaps": {name: mean(lambda run, name=name: run["by_group"][name]["summary"]["gap"]) for name in gaps},
    }


def _headline(found: Mapping[str, Any], by: str) -> dict[str, float]:
    return {
        f"mitigation_{method}_{name}": figure["mean"]
        for method, figures in found.items()
        for name, figure in (("accuracy", figures["accuracy"]), ("gap", figures["by_group"][by].get("gap")))
        if figure is not None
    }
