"""`mtf evaluate --paper-tables`: the figures that stand in metrics/, as the paper prints them."""

from __future__ import annotations

import json
from typing import Any

from mtf import params
from mtf.errors import BadInput
from mtf.workspace import Workspace


def show(*, as_json: bool) -> None:
    from mtf.learn import papers

    workspace = Workspace.find()
    typed = params.load(workspace.params)
    evaluated = _read(workspace, "evaluate")
    pairs = [(model, task) for model in typed.train.models for task in typed.train.tasks]
    trained = {(model, task): _read(workspace, f"train/{model}/{task}") for model, task in pairs}
    known = {task: rows for task, rows in evaluated.items() if task in typed.tasks}
    found = papers.tables(known, trained, typed.tasks)
    print(json.dumps(found, indent=2, ensure_ascii=False) if as_json else papers.markdown(found), end="")


def _read(workspace: Workspace, name: str) -> dict[str, Any]:
    path = workspace.metrics(name)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise BadInput(f"{workspace.relative(path)}: no such figures; `dvc repro` makes them") from None
    except ValueError as error:
        raise BadInput(f"{workspace.relative(path)}: not readable as JSON: {error}") from None
