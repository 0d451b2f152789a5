"""`mtf evaluate --paper-tables`: the figures that stand in metrics/, as the paper prints them."""

from __future__ import annotations

import json
import sys
from typing import Any

from mtf import params
from mtf.params import Params
from mtf.stages import figures
from mtf.workspace import Workspace

WITHOUT_TABLE_9 = "Table 9 is not made yet: `mtf compare curation` trains what it compares."


def show(*, as_json: bool) -> None:
    """Print Tables 5 to 9 as Markdown or, a list of tables, as JSON; one line says so where there is no Table 9 yet.

    Raises BadInput where the figures of a model that params.yaml names are not there.
    """
    from mtf.learn import papers

    workspace = Workspace.find()
    found = _single_models(workspace, params.load(workspace.params))
    compared = _table_9(workspace)
    if as_json:
        print(json.dumps([*found, *([compared] if compared else [])], indent=2, ensure_ascii=False))
        if compared is None:
            print(WITHOUT_TABLE_9, file=sys.stderr)
        return
    print(papers.markdown(found))
    print(papers.curation_markdown(compared) if compared else f"{WITHOUT_TABLE_9}\n", end="")


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
