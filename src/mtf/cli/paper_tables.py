"""`mtf evaluate --paper-tables`: the figures that stand in metrics/, as the paper prints them.

`mtf multitask --paper-tables`: the figures that stand in metrics/, as Das et al. print them.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from mtf import config, schemas
from mtf.config import IDENTITY, NETWORKS, OF_TORCHVISION, Params
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import figure_files
from mtf.evaluation import figure_files as made

WITHOUT_TABLE_9 = "Table 9 is not made yet: `mtf compare curation` trains what it compares."


def show_mtf_tables(*, as_json: bool) -> None:
    """Print Tables 4 to 9 as Markdown or, a list of tables, as JSON; one line says so where there is no Table 9 yet.

    Raises BadInput where the figures of a model that params.yaml names are not there; Table 4, which needs none, has
    been printed as Markdown by then.
    """
    from mtf.papers import mtf_tables

    workspace = ProjectPaths.find()
    typed = config.load(workspace.params)
    sizes = _table_4(workspace, typed)
    if not as_json:
        print(mtf_tables.sizes_markdown(sizes))
    found = _single_models(workspace, typed)
    compared = _table_9(workspace)
    if as_json:
        print(json.dumps([sizes, *found, *([compared] if compared else [])], indent=2, ensure_ascii=False))
        if compared is None:
            print(WITHOUT_TABLE_9, file=sys.stderr)
        return
    print(mtf_tables.markdown(found))
    print(mtf_tables.curation_markdown(compared) if compared else f"{WITHOUT_TABLE_9}\n", end="")


def _table_4(workspace: ProjectPaths, typed: Params) -> dict[str, Any]:
    """Of the paper's networks and those of params.yaml, for each task. Who is recognised is known from the split on."""
    from mtf.papers import mtf_tables
    from mtf.training.networks import registry

    split = workspace.table("split", "splits")
    people = schemas.read(schemas.splits(typed), split)[IDENTITY].n_unique() if split.is_file() else 0
    asked = {name: typed.tasks[name] for name in typed.train.tasks}
    labels = {name: people if task.column == IDENTITY else len(task.labels) for name, task in asked.items()}
    known = {name: count for name, count in labels.items() if count > 1}
    shown = {registry.network_of(model) for model in typed.train.models} | set(OF_TORCHVISION)
    sizes = {
        network: {task: registry.size(network, count) for task, count in known.items()}
        for network in NETWORKS
        if network in shown
    }
    return mtf_tables.sizes(sizes, known)


def _single_models(workspace: ProjectPaths, typed: Params) -> list[dict[str, Any]]:
    from mtf.papers import mtf_tables

    evaluated = figure_files.read_figures(workspace, "evaluate")
    pairs = [(model, task) for model in typed.train.models for task in typed.train.tasks]
    trained = {(model, task): figure_files.read_figures(workspace, f"train/{model}/{task}") for model, task in pairs}
    known = {task: rows for task, rows in evaluated.items() if task in typed.tasks}
    return mtf_tables.tables(known, trained, typed.tasks)


def _table_9(workspace: ProjectPaths) -> dict[str, Any] | None:
    """None where no comparison has come to its end."""
    from mtf.comparison import run_figures
    from mtf.papers import mtf_tables

    found = run_figures.read_runs(workspace.metrics("compare/curation"))
    return mtf_tables.curation(found) if "tasks" in found else None


def show_das_tables(*, as_json: bool, workspace: ProjectPaths | None = None) -> None:
    """`workspace` is the project of the current folder, where none is given.

    Raises BadInput where a network of params.yaml's multitask section has no figures yet.
    """
    from mtf.papers import das_tables

    workspace = workspace or ProjectPaths.find()
    typed = config.load(workspace.params)
    if typed.multitask is None:
        raise BadInput("params.yaml: multitask: missing; it names the tasks, the backbone and the weightings")
    tasks = {task: typed.tasks[task] for task in typed.multitask.tasks}
    networks = {
        f"multitask, {weighting}": _shared(made.read_figures(workspace, f"multitask/{weighting}"))
        for weighting in typed.multitask.weightings
    }
    found = das_tables.tables(_single(workspace, typed) | networks, tasks)
    shown = json.dumps(found, indent=2, ensure_ascii=False) + "\n" if as_json else das_tables.markdown(found)
    print(shown, end="")


def _shared(figures: dict[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    by_group = {
        task: {attribute: _accuracies(labels) for attribute, labels in attributes.items()}
        for task, attributes in figures["by_group"].items()
    }
    return figures["accuracy"], by_group


def _single(workspace: ProjectPaths, typed: Params) -> dict[str, tuple[dict[str, float], dict[str, Any]]]:
    """The models of one task each, where they have been measured."""
    if not workspace.metrics("evaluate").is_file():
        return {}
    evaluated = made.read_figures(workspace, "evaluate")
    found = {}
    for model in typed.train.models:
        measured = {task: rows[model]["accuracy"] for task, rows in evaluated.items() if model in rows}
        by_group = {task: _by_others(workspace, typed, model, task) for task in measured if task in typed.tasks}
        found[model] = measured, by_group
    return found


def _by_others(workspace: ProjectPaths, typed: Params, model: str, task: str) -> dict[str, dict[str, float | None]]:
    fairness = made.read_figures(workspace, f"fairness/models/{model}/{task}")
    others = [name for name in typed.attributes if name not in typed.tasks[task].columns]
    return {name: _accuracies(fairness[name]["groups"]) for name in others if name in fairness}


def _accuracies(groups: dict[str, dict[str, Any]]) -> dict[str, float | None]:
    return {label: figures.get("accuracy") for label, figures in groups.items()}
