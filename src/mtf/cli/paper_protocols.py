"""Protocols of two papers in a project that is laid out for them: training, measurement and tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtf.config import Params
    from mtf.datasets.protocol_run import ProtocolRun


@dataclass(frozen=True)
class DasParts:
    """Parts of Das et al.'s protocol beside the joint network.

    single_tasks: FaceNet for each task.
    baselines: support vector machines.
    search: parts of the grid of loss weights; None for no search.
    on, labels_map: other labelled set, and the mapping of its labels.
    crop: if faces are cut out of a folder's pictures; None for the default.
    """

    single_tasks: bool
    baselines: bool
    search: int | None
    on: Path | None
    labels_map: Path | None
    crop: bool | None


def run_das(run: ProtocolRun, workspace: ProjectPaths, params: Params, parts: DasParts) -> None:
    """Train and measure by Das et al.'s protocol in a project that is laid out, and print the paper's tables."""
    from mtf.cli import other_set, paper_tables
    from mtf.pipeline import evaluate, multitask, multitask_results, train

    for model, task in product(params.train.models, params.train.tasks) if parts.single_tasks else ():
        # The search changes the section multitask, which these do not depend on.
        own = params.model_dump(mode="json", exclude={"multitask"})
        run.once(f"train {model} {task}", own, partial(train.run, workspace, params, model=model, task=task))
    if parts.single_tasks:
        evaluate.run(workspace, params)
    if parts.baselines:
        from mtf.comparison import embedding_svm

        embedding_svm.run(
            workspace,
            params,
            model=params.train.models[0],
            tasks=params.train.tasks,
            recipe=params.train.recipe,
            seeds=1,
        )
    if parts.search is not None:
        params = _with_searched_weights(workspace, params, parts.search)
    for weighting in params.multitask.weightings if params.multitask else ():
        run.once(
            f"multitask {weighting}",
            params.model_dump(mode="json"),
            partial(multitask.run, workspace, params, weighting=weighting),
        )
        multitask_results.run(workspace, params, weighting=weighting)
    if parts.on is not None:
        from mtf.comparison import other_sets

        crop = None if other_sets.is_project(parts.on) else parts.crop
        other_set.show(parts.on, labels_map=parts.labels_map, crop=crop, as_json=False, workspace=workspace)
    paper_tables.show_das_tables(as_json=False, workspace=workspace)


def _with_searched_weights(workspace: ProjectPaths, params: Params, parts: int) -> Params:
    """Search the first weights of the losses, and write them to the project's params.yaml."""
    from mtf import config
    from mtf.comparison import loss_weight_search
    from mtf.core import atomic_files
    from mtf.project import yaml_text

    best = loss_weight_search.run(workspace, params, parts=parts)["best"]
    text = workspace.params.read_text(encoding="utf-8")
    atomic_files.write_text(workspace.params, yaml_text.rewritten(text, {("multitask", "first_weights"): best}))
    print(f"first weights of the losses: {', '.join(f'{task} {weight:.3g}' for task, weight in best.items())}")
    return config.load(workspace.params)


def run_efrs(workspace: ProjectPaths, params: Params, *, epochs: int, seeds: int, networks: Sequence[str]) -> None:
    """Compare EFRS's models, and `networks`, in a project that is laid out, and print the report's tables."""
    from mtf.label_classifier import model_comparison
    from mtf.papers import efrs_tables

    # Tables 3 to 6 are of model 2 even if another is best here, to be comparable with the report's.
    found = model_comparison.compare(
        workspace,
        params,
        attribute="gender",
        model="cnn2",
        networks_beside=networks,
        epochs=epochs,
        seed=params.seed,
        seeds=seeds,
    )
    print(efrs_tables.markdown(found), end="")
