"""`mtf multitask --paper-tables`: the figures that stand in metrics/, as Das et al. print them."""

from __future__ import annotations

import json
from typing import Any

from mtf import params
from mtf.errors import BadInput
from mtf.params import Params
from mtf.stages import figures as made
from mtf.workspace import Workspace


def show(*, as_json: bool, workspace: Workspace | None = None) -> None:
    """`workspace` is the project of the current folder, where none is given.

    Raises BadInput where a network of params.yaml's multitask section has no figures yet.
    """
    from mtf.learn import multitask_tables

    workspace = workspace or Workspace.find()
    typed = params.load(workspace.params)
    if typed.multitask is None:
        raise BadInput("params.yaml: multitask: missing; it names the tasks, the backbone and the weightings")
    tasks = {task: typed.tasks[task] for task in typed.multitask.tasks}
    networks = {
        f"multitask, {weighting}": _shared(made.read(workspace, f"multitask/{weighting}"))
        for weighting in typed.multitask.weightings
    }
    found = multitask_tables.tables(_single(workspace, typed) | networks, tasks)
    shown = json.dumps(found, indent=2, ensure_ascii=False) + "\n" if as_json else multitask_tables.markdown(found)
    print(shown, end="")


def _shared(figures: dict[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    by_group = {
        task: {attribute: _accuracies(labels) for attribute, labels in attributes.items()}
        for task, attributes in figures["by_group"].items()
    }
    return figures["accuracy"], by_group


def _single(workspace: Workspace, typed: Params) -> dict[str, tuple[dict[str, float], dict[str, Any]]]:
    """The models of one task each, where they have been measured."""
    if not workspace.metrics("evaluate").is_file():
        return {}
    evaluated = made.read(workspace, "evaluate")
    found = {}
    for model in typed.train.models:
        measured = {task: rows[model]["accuracy"] for task, rows in evaluated.items() if model in rows}
        by_group = {task: _by_others(workspace, typed, model, task) for task in measured if task in typed.tasks}
        found[model] = measured, by_group
    return found


def _by_others(workspace: Workspace, typed: Params, model: str, task: str) -> dict[str, dict[str, float | None]]:
    fairness = made.read(workspace, f"fairness/models/{model}/{task}")
    others = [name for name in typed.attributes if name not in typed.tasks[task].columns]
    return {name: _accuracies(fairness[name]["groups"]) for name in others if name in fairness}


def _accuracies(groups: dict[str, dict[str, Any]]) -> dict[str, float | None]:
    return {label: figures.get("accuracy") for label, figures in groups.items()}
