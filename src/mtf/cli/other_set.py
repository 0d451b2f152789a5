"""`mtf evaluate --on OTHER`: accuracies of trained networks on another labelled set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

from mtf.core.console import console
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths

Figures = Mapping[str, Any]


def show(
    on: Path,
    *,
    labels_map: Path | None = None,
    labels: Path | None = None,
    part: str | None = None,
    crop: bool | None = None,
    networks: Sequence[Path] = (),
    as_json: bool,
    workspace: ProjectPaths | None = None,
) -> None:
    """Measure trained networks on the set `on`, a project or a folder or tar of pictures, and print the figures.

    `workspace` defaults to the project of the current folder.

    Raises BadInput as `other_set_results.run` does, and for an option that does not fit the set.
    """
    from mtf import config
    from mtf.comparison import other_sets
    from mtf.datasets import label_mapping

    if part is not None:
        other_sets.check_part(part)
    if not on.exists():
        raise BadInput(f"--on: {on}: no such folder or tar")
    is_project = other_sets.is_project(on)
    if is_project and (labels is not None or crop is not None):
        raise BadInput("--labels, --crop: for a folder of pictures; a project has its labels and its crops")
    if not is_project and part is not None:
        raise BadInput("--part: for a project; a folder of pictures has no parts")
    workspace = workspace or ProjectPaths.find()
    params = config.load(workspace.params)
    attributes = {column: task.labels for column, task in params.attributes.items()}
    mapping = label_mapping.read(labels_map, attributes) if labels_map else label_mapping.identity([*attributes])
    # torch takes seconds to import: wrong options are reported before.
    from mtf.comparison import other_set_results

    if is_project:
        other = other_sets.of_project(on, part=part or "all")
    else:
        cropped = True if crop is None else crop
        other = other_sets.of_folder(workspace, params, on, mapping, labels=labels, cropped=cropped)
    found = other_set_results.run(workspace, params, other, mapping, files=networks)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    _print(found, workspace.relative(workspace.metrics(f"{other_sets.FOLDER}/{other.name}")))


def _print(found: Figures, path: str) -> None:
    about = found["set"]
    people = f" of {about['people']:,} people" if about["people"] else ""
    print(f"evaluate on {about['name']}: {about['pictures']:,} pictures{people}. {about['statement']}")
    for line in about["left_out"]:
        print(f"  {line}")
    for name, each in found["networks"].items():
        console().print(_table(name, each))
    print(f"  figures: {path}")
    print("  (low to high): interval of 95 %, by person where it is known who is who")


def _table(name: str, each: Figures) -> Table:
    right = [Column(column, justify="right") for column in ("n", "accuracy", "macro F1")]
    table = Table("task", *right, "worst group", title=escape(name))
    for task, figures in each["tasks"].items():
        f1 = f"{100 * figures['f1']:.1f} %"
        table.add_row(task, f"{figures['n']:,}", _share(figures), f1, _worst(task, figures))
    if "all" in each:
        filled = sum(row["n"] > 0 for row in each["categories"])
        categories = f"{filled} of {len(each['categories'])} categories"
        table.add_row("all attributes", f"{each['all']['n']:,}", _share(each["all"]), "", categories)
    return table


def _share(figures: Figures) -> str:
    shown = f"{100 * figures['accuracy']:.1f} %"
    if "low" not in figures:
        return (
            f"{shown} (cannot be said: {figures['more_people']:,} more people)" if "more_people" in figures else shown
        )
    return f"{shown} ({100 * figures['low']:.0f} to {100 * figures['high']:.0f})"


def _worst(task: str, figures: Figures) -> str:
    """The worst single attribute's group, if a test says that it is no chance."""
    named = {
        f"{attribute}: {part['summary']['worst_group']}": part["summary"]["worst"]
        for attribute, part in figures["by_group"].items()
        if "worst_group" in part["summary"] and attribute != task and " × " not in attribute
    }
    if not named:
        return "none can be said"
    name = min(named, key=lambda each: named[each])
    return f"{name} {100 * named[name]:.1f} %"
