"""Test results of single-task and multi-task models combined, for the report and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Scores = dict[str, dict[str, dict[str, float]]]
Groups = dict[str, dict[str, dict[str, Any]]]


def merged(evaluated: Mapping[str, Any], multitask: Mapping[str, Mapping[str, Any]]) -> Scores:
    """Task → model → measure → figure, from `metrics/evaluate.json` and, by weighting, `metrics/multitask/*.json`.

    A multi-task network is called `multitask-WEIGHTING` and has only the measure accuracy.
    """
    found: Scores = {task: dict(models) for task, models in evaluated.items()}
    for weighting, figures in multitask.items():
        for task, accuracy in figures["accuracy"].items():
            if task != ALL:
                found.setdefault(task, {})[model_of(weighting)] = {"accuracy": accuracy}
    return found


def all_at_once(multitask: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Multi-task network → share of the pictures with every task correct, 0 to 1."""
    return {
        model_of(name): figures["accuracy"][ALL] for name, figures in multitask.items() if ALL in figures["accuracy"]
    }


def groups(single: Mapping[tuple[str, str], Any], multitask: Mapping[str, Mapping[str, Any]]) -> Groups:
    """Task → model → grouping → figures, from `metrics/fairness/`; `single` is by (model, task), `multitask` by
    weighting.
    """
    found: Groups = {}
    for (model, task), figures in single.items():
        found.setdefault(task, {})[model] = figures
    for weighting, by_task in multitask.items():
        for task, figures in by_task.items():
            found.setdefault(task, {})[model_of(weighting)] = figures
    return found


def model_of(weighting: str) -> str:
    """Name of the multi-task network with this weighting."""
    return f"multitask-{weighting}"


ALL = "all"
