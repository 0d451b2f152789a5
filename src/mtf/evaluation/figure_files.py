"""Figures in metrics/: reading and declaring their files; test scores of single-task and multi-task models together.

The report, the summary and the papers' tables use them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mtf.core import atomic_files
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths

Scores = dict[str, dict[str, dict[str, float]]]
Groups = dict[str, dict[str, dict[str, Any]]]
ALL = "all"
HEADLINE = "headline"


def read_figures(workspace: ProjectPaths, name: str, *, made_by: str = "dvc repro") -> dict[str, Any]:
    """metrics/NAME.json. Raises BadInput where the command `made_by` has not made it yet, or it cannot be read."""
    return read_json(workspace, workspace.metrics(name), made_by=made_by)


def read_json(workspace: ProjectPaths, path: Path, *, made_by: str = "dvc repro") -> dict[str, Any]:
    """Figures in the file `path`. Raises BadInput if the command `made_by` has not made it, or it is not readable."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise BadInput(f"{workspace.relative(path)}: no such figures; `{made_by}` makes them") from None
    except ValueError as error:
        raise BadInput(f"{workspace.relative(path)}: not readable as JSON: {error}") from None


def declare_figures(
    workspace: ProjectPaths, name: str, headline: Mapping[str, float], plots: Sequence[Any] = ()
) -> None:
    """metrics/FOLDER/{headline/FILE.json,dvc.yaml} for the name FOLDER/FILE: the headline figures and `plots` that DVC
    shows, though no stage makes them.

    `plots` are entries of DVC's plots, their paths relative to metrics/FOLDER.
    """
    folder, file = name.split("/")
    home = workspace.metrics_folder / folder
    atomic_files.write_json(home / HEADLINE / f"{file}.json", dict(headline))
    metrics = sorted(path.relative_to(home).as_posix() for path in (home / HEADLINE).glob("*.json"))
    content = {"metrics": metrics, "plots": list(plots)}
    written = {name: entries for name, entries in content.items() if entries}
    atomic_files.write_text(home / "dvc.yaml", yaml.safe_dump(written, sort_keys=False, allow_unicode=True))


def merged_scores(evaluated: Mapping[str, Any], multitask: Mapping[str, Mapping[str, Any]]) -> Scores:
    """Task → model → measure → figure, from `metrics/evaluate.json` and, by weighting, `metrics/multitask/*.json`.

    A multi-task network is called `multitask-WEIGHTING`. In files before version 0.2 it has only the measure accuracy.
    """
    found: Scores = {task: dict(models) for task, models in evaluated.items()}
    for weighting, figures in multitask.items():
        for task, accuracy in figures["accuracy"].items():
            if task != ALL:
                scores = figures.get("scores", {}).get(task, {"accuracy": accuracy})
                found.setdefault(task, {})[model_of(weighting)] = scores
    return found


def all_correct(multitask: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Multi-task network → share of the pictures with every task correct, 0 to 1."""
    return {
        model_of(name): figures["accuracy"][ALL] for name, figures in multitask.items() if ALL in figures["accuracy"]
    }


def scores_by_group(single: Mapping[tuple[str, str], Any], multitask: Mapping[str, Mapping[str, Any]]) -> Groups:
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
