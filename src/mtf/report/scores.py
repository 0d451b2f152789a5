"""Test results of all models, those of one task and those of several, laid together: what report and summary show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Scores = dict[str, dict[str, dict[str, float]]]
Groups = dict[str, dict[str, dict[str, Any]]]


def merged(evaluated: Mapping[str, Any], multitask: Mapping[str, Mapping[str, Any]]) -> Scores:
    """Task → model → measures, from `metrics/evaluate.json` and, by weighting, `metrics/multitask/*.json`.

    A network for several tasks is `multitask-WEIGHTING`; of it the accuracy alone is known.
    """
    found: Scores = {task: dict(models) for task, models in evaluated.items()}
    for weighting, figures in multitask.items():
        for task, accuracy in figures["accuracy"].items():
            if task != ALL:
                found.setdefault(task, {})[model_of(weighting)] = {"accuracy": accuracy}
    return found


def all_at_once(multitask: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Model → the share of the pictures of which every task's answer is right."""
    return {
        model_of(name): figures["accuracy"][ALL] for name, figures in multitask.items() if ALL in figures["accuracy"]
    }


def groups(single: Mapping[tuple[str, str], Any], multitask: Mapping[str, Mapping[str, Any]]) -> Groups:
    """Task → model → grouping → figures, from `metrics/fairness/`: by model and task, and by weighting."""
    found: Groups = {}
    for (model, task), figures in single.items():
        found.setdefault(task, {})[model] = figures
    for weighting, by_task in multitask.items():
        for task, figures in by_task.items():
            found.setdefault(task, {})[model_of(weighting)] = figures
    return found


def model_of(weighting: str) -> str:
    return f"multitask-{weighting}"


ALL = "all"
