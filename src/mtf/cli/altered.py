"""`mtf evaluate --altered`: table of accuracies on altered copies of the test part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.table import Column, Table

from mtf.core.console import console
from mtf.core.errors import listed
from mtf.core.project_paths import ProjectPaths


def show(*, as_json: bool) -> None:
    """Measure the trained networks on altered copies, and print the accuracies.

    Raises BadInput as `altered.run` does.
    """
    from mtf import config
    from mtf.comparison import altered

    workspace = ProjectPaths.find()
    params = config.load(workspace.params)
    found = altered.run(workspace, params)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    recognition = altered.recognition_tasks(params)
    for model, tasks in found["models"].items():
        console().print(_table(model, tasks, recognition, images=found["images"]))
    print(found["statement"])
    if found["left_out"]:
        print(f"Not trained, and not measured: {listed(found['left_out'])}.")
    print(f"  figures: {workspace.relative(workspace.metrics(altered.NAME))}")
    print("  (low to high): interval of 95 %, by person where it is known who is who; – where there are too few")


def _table(model: str, tasks: Mapping[str, Any], recognition: list[str], *, images: int) -> Table:
    names = [f"{task} (re-identification)" if task in recognition else task for task in tasks]
    title = f"{model}: accuracy on {images:,} test pictures"
    table = Table("alteration", *(Column(name, justify="right") for name in names), title=title)
    for alteration in next(iter(tasks.values())):
        table.add_row(alteration, *(_share(figures[alteration]) for figures in tasks.values()))
    return table


def _share(figures: Mapping[str, float]) -> str:
    shown = f"{100 * figures['accuracy']:.1f} %"
    if "low" not in figures:
        return f"{shown} (–)"
    return f"{shown} ({100 * figures['low']:.0f} to {100 * figures['high']:.0f})"
