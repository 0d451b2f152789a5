"""`mtf evaluate --paper-tables`: the figures that stand in metrics/, as the paper prints them."""

from __future__ import annotations

import json
import sys
from typing import Any

from mtf import params, tables
from mtf.params import IDENTITY, NETWORKS, OF_TORCHVISION, Params
from mtf.stages import figures
from mtf.workspace import Workspace

WITHOUT_TABLE_9 = "Table 9 is not made yet: `mtf compare curation` trains what it compares."


def show(*, as_json: bool) -> None:
    """Print Tables 4 to 9 as Markdown or, a list of tables, as JSON; one line says so where there is no Table 9 yet.

    Raises BadInput where the figures of a model that params.yaml names are not there; Table 4, which needs none, has
    been printed as Markdown by then.
    """
    from mtf.learn import papers

    workspace = Workspace.find()
    typed = params.load(workspace.params)
    sizes = _table_4(workspace, typed)
    if not as_json:
        print(papers.sizes_markdown(sizes))
    found = _single_models(workspace, typed)
    compared = _table_9(workspace)
    if as_json:
        print(json.dumps([sizes, *found, *([compared] if compared else [])], indent=2, ensure_ascii=False))
        if compared is None:
            print(WITHOUT_TABLE_9, file=sys.stderr)
        return
    print(papers.markdown(found))
    print(papers.curation_markdown(compared) if compared else f"{WITHOUT_TABLE_9}\n", end="")


def _table_4(workspace: Workspace, typed: Params) -> dict[str, Any]:
    """Of the paper's networks and those of params.yaml, for each task. Who is recognised is known from the split on."""
    from mtf.learn import models, papers

    split = workspace.table("split", "splits")
    people = tables.read(tables.splits(typed), split)[IDENTITY].n_unique() if split.is_file() else 0
    asked = {name: typed.tasks[name] for name in typed.train.tasks}
    labels = {name: people if task.column == IDENTITY else len(task.labels) for name, task in asked.items()}
    known = {name: count for name, count in labels.items() if count > 1}
    shown = {models.network_of(model) for model in typed.train.models} | set(OF_TORCHVISION)
    sizes = {
        network: {task: models.size(network, count) for task, count in known.items()}
        for network in NETWORKS
        if network in shown
    }
    return papers.sizes(sizes, known)


def _single_models(workspace: Workspace, typed: Params) -> list[dict[str, Any]]:
    from mtf.learn import papers

    evaluated = figures.read(workspace, "evaluate")
    pairs = [(model, task) for model in typed.train.models for task in typed.train.tasks]
    trained = {(model, task): figures.read(workspace, f"train/{model}/{task}") for model, task in pairs}
    known = {task: rows for task, rows in evaluated.items() if task in typed.tasks}
    return papers.tables(known, trained, typed.tasks)


def _table_9(workspace: Workspace) -> dict[str, Any] | None:
    """None where no comparison has come to its end."""
    from mtf.learn import papers, runs

    found = runs.read(workspace.metrics("compare/curation"))
    return papers.curation(found) if "tasks" in found else None
