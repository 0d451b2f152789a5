"""`mtf evaluate --paper-tables` and `mtf multitask --paper-tables`: figures in metrics/ as the tables of the papers."""

from __future__ import annotations

import json
import sys
from typing import Any

from mtf import config, schemas
from mtf.config import IDENTITY, NETWORKS, OF_TORCHVISION, Params
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import figure_files, undetected_pictures
from mtf.evaluation import figure_files as made
from mtf.evaluation.undetected_pictures import UndetectedPictures
from mtf.pipeline import train, training_minutes

WITHOUT_SVM = "The rows Facenet and FFNet (support vector machines) are not made yet: `mtf compare svm` trains them."
WITHOUT_TABLE_5 = "Table 5 is not made yet: `mtf evaluate --on OTHER` measures the networks on another labelled set."
WITHOUT_TABLE_9 = "Table 9 is not made yet: `mtf compare curation` trains what it compares."


def show_mtf_tables(*, as_json: bool) -> None:
    """Print MTF's Tables 4 to 9 as Markdown, or as a JSON list; a line says so if Table 9 is missing.

    Raises BadInput if a model of params.yaml has no figures. Table 4 needs none, and is already printed as Markdown by
    then.
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
    _print_undetected(workspace)
    print(mtf_tables.curation_markdown(compared) if compared else f"{WITHOUT_TABLE_9}\n", end="")


def _print_undetected(workspace: ProjectPaths) -> None:
    """Print what became of test pictures without a face, which concerns every table above."""
    if said := undetected_pictures.statement(workspace):
        print(f"{said}\n")


def _undetected(workspace: ProjectPaths, typed: Params) -> str | None:
    """Sentence on the test pictures without a face; of the split where no `mtf evaluate` ran, as in Das's protocol."""
    split = workspace.table("split", "splits")
    if (said := undetected_pictures.statement(workspace)) or not split.is_file():
        return said
    return UndetectedPictures.read(workspace, typed, schemas.read(schemas.splits(typed), split)).statement


def _table_4(workspace: ProjectPaths, typed: Params) -> dict[str, Any]:
    """Table 4 for the paper's networks and those of params.yaml; the number of identities needs the stage split."""
    from mtf.papers import mtf_tables
    from mtf.training.networks import registry

    split = workspace.table("split", "splits")
    people = schemas.read(schemas.splits(typed), split)[IDENTITY].n_unique() if split.is_file() else 0
    tasks = {name: typed.tasks[name] for name in typed.train.tasks}
    labels = {name: people if task.column == IDENTITY else len(task.labels) for name, task in tasks.items()}
    classes = {name: count for name, count in labels.items() if count > 1}
    networks = {registry.network_of(model) for model in typed.train.models} | set(OF_TORCHVISION)
    sizes = {
        network: {task: registry.size(network, count) for task, count in classes.items()}
        for network in NETWORKS
        if network in networks
    }
    return mtf_tables.sizes(sizes, classes)


def _single_models(workspace: ProjectPaths, typed: Params) -> list[dict[str, Any]]:
    from mtf.papers import mtf_tables

    evaluated = figure_files.read_figures(workspace, "evaluate")
    pairs = [(model, task) for model in typed.train.models for task in typed.train.tasks]
    trained = {(model, task): _trained(workspace, model, task) for model, task in pairs}
    classes = {task: rows for task, rows in evaluated.items() if task in typed.tasks}
    return mtf_tables.tables(classes, trained, typed.tasks)


def _trained(workspace: ProjectPaths, model: str, task: str) -> dict[str, Any]:
    """Figures of a training, with its minutes if it ran in this folder: DVC does not fetch those of another's run."""
    figures = figure_files.read_json(workspace, train.training_figures(workspace, model, task))
    minutes = training_minutes.file(workspace, "train", model, task)
    return figures | (figure_files.read_json(workspace, minutes) if minutes.is_file() else {})


def _table_9(workspace: ProjectPaths) -> dict[str, Any] | None:
    """Table 9; None if no comparison has finished."""
    from mtf.comparison import run_figures
    from mtf.papers import mtf_tables

    found = run_figures.read_runs(workspace.metrics("compare/curation"))
    return mtf_tables.curation(found) if "tasks" in found else None


def show_das_tables(*, as_json: bool, workspace: ProjectPaths | None = None) -> None:
    """Print Das et al.'s tables; `workspace` defaults to the project of the current folder.

    Raises BadInput if a network of params.yaml's multitask section has no figures.
    """
    from mtf.papers import das_tables

    workspace = workspace or ProjectPaths.find()
    typed = config.load(workspace.params)
    if typed.multitask is None:
        raise BadInput("params.yaml: multitask: missing; it names the tasks, the backbone and the weightings")
    tasks = {task: typed.tasks[task] for task in typed.multitask.tasks}
    shared = {
        f"multitask, {weighting}": _shared(made.read_figures(workspace, f"multitask/{weighting}"))
        for weighting in typed.multitask.weightings
    }
    svm = _svm(workspace)
    measured = svm | _single(workspace, typed) | shared
    found = das_tables.tables(measured, tasks, undetected=_undetected(workspace, typed))
    elsewhere = [made.read_json(workspace, path) for path in sorted((workspace.metrics_folder / "on").glob("*.json"))]
    found += [das_tables.table_5(figures, tasks) for figures in elsewhere]
    missing = [WITHOUT_SVM] * (not svm) + [WITHOUT_TABLE_5] * (not elsewhere)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        print("\n".join(missing), end="\n" if missing else "", file=sys.stderr)
        return
    print("\n".join([das_tables.markdown(found), *missing]))


Measured = tuple[dict[str, Any], dict[str, Any]]


def _shared(figures: dict[str, Any]) -> Measured:
    # Versions before 0.2 have accuracies alone.
    known = {task: {"accuracy": accuracy} for task, accuracy in figures["accuracy"].items()}
    return known | figures.get("over_all", {}), figures["by_group"]


def _svm(workspace: ProjectPaths) -> dict[str, Measured]:
    """Rows of `mtf compare svm`, if it has finished: FaceNet's embedding as it is, and fine-tuned."""
    from mtf.comparison import run_figures

    found = run_figures.read_runs(workspace.metrics("compare/svm"))
    return {name: (row["over_all"], row["by_group"]) for name, row in found.get("rows", {}).items()}


def _single(workspace: ProjectPaths, typed: Params) -> dict[str, Measured]:
    """Figures of the single-task models that have been evaluated."""
    if not workspace.metrics("evaluate").is_file():
        return {}
    evaluated = made.read_figures(workspace, "evaluate")
    path = workspace.metrics("fairness/over_all")
    over_all = made.read_json(workspace, path) if path.is_file() else {}
    found = {}
    for model in typed.train.models:
        measured = {
            task: over_all.get(model, {}).get(task, {"accuracy": rows[model]["accuracy"]})
            for task, rows in evaluated.items()
            if model in rows
        }
        by_group = {task: _by_others(workspace, typed, model, task) for task in measured if task in typed.tasks}
        found[model] = measured, by_group
    return found


def _by_others(workspace: ProjectPaths, typed: Params, model: str, task: str) -> dict[str, Any]:
    fairness = made.read_figures(workspace, f"fairness/models/{model}/{task}")
    others = [name for name in typed.attributes if name not in typed.tasks[task].columns]
    return {name: fairness[name]["groups"] for name in others if name in fairness}
