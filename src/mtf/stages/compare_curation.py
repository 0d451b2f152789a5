"""Comparison of training sets: one network trained on crops, screened crops and curated crops (MTF, Table 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from mtf import tables
from mtf.errors import BadInput, bad_value
from mtf.params import IDENTITY, Params
from mtf.stages import compared, figures
from mtf.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np

    from mtf.learn.trial import ComparisonData

NAME = f"{compared.FOLDER}/curation"


def run(
    workspace: Workspace, params: Params, *, model: str, tasks: Sequence[str], recipe: str, seeds: int
) -> dict[str, Any]:
    """Train `model` on each task with each training set, and test it on the set's own test part (`own`, as the paper
    does) and on the curated one (`common`). Writes metrics/compare/curation.json; returns it without the single runs.

    `{"model", "recipe", "seeds", "arms": {arm: {"faces", "identities"}}, "tasks": {task: {arm: {"images", "own",
    "common"}}}}`, where an arm is a training set. Face recognition is trained only on identities of the curated set
    (section 5.4). Runs with the same data, recipe and code that are in the file are not repeated.

    Raises BadInput for a name that params.yaml does not have, and if the data set is not curated.
    """
    compared.check_names(params, model=model, tasks=tasks, recipes=[recipe])
    if params.curate.mode != "curated":
        raise bad_value(
            "params.yaml: curate.mode", params.curate.mode, "curated, which is compared with the other sets"
        )
    # torch takes seconds to import: wrong names are reported before.
    from mtf.learn import arms, data, inputs, runs, trial

    splits, non_curated, screening = _read(workspace, params)
    pictures = inputs.prepare(
        non_curated, workspace.shards("crop"), workspace.stage("compare") / "inputs", size_px=params.train.input_px
    )
    places = non_curated.with_row_index("row").select("row", "identity", "face_id")
    faces = {
        name: data.with_combined_columns(
            arm.join(places, on=["identity", "face_id"], maintain_order="left"), params.tasks
        )
        for name, arm in arms.training_sets(splits, non_curated, screening, params).items()
    }
    store = runs.RunStore(workspace.metrics(NAME))
    found: dict[str, dict[str, Any]] = {task: {} for task in tasks}
    for task in tasks:
        labels = data.labels_of(params.tasks[task], splits)
        for name in arms.TRAINING_SETS:
            comparison_data, images = _comparison_data(
                workspace, params, faces, pictures, name, task=task, labels=labels
            )
            runs_of_recipe = compared.comparison_runs(workspace, params, model=model, recipe=recipe, seeds=seeds)
            finished = compared.run_all(store, runs_of_recipe, comparison_data, name=f"{model}/{task}/{recipe}/{name}")
            found[task][name] = {"images": images} | {
                test: trial.mean_over_seeds(finished, test) for test in comparison_data.tests
            }
    sizes = {name: {"faces": arm.height, "identities": arm["identity"].n_unique()} for name, arm in faces.items()}
    summary = {"model": model, "recipe": recipe, "seeds": seeds, "arms": sizes, "tasks": found}
    store.write_summary(summary)
    figures.declare(workspace, compared.FOLDER)
    return summary


def _read(workspace: Workspace, params: Params) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Curated faces with their split, all crops that may be used, and their screening.

    If one picture is listed for several identities, only reviewers can decide whose it is: the sets made without
    review leave it out, so no set is trained or tested on it.
    """
    splits = tables.read(tables.splits(params), workspace.table("split", "splits"))
    non_curated = tables.read(tables.non_curated(params), workspace.table("curate", "non_curated"))
    splits = splits.join(non_curated, on=["identity", "face_id"], how="semi", maintain_order="left")
    return splits, non_curated, tables.read(tables.SCREENING, workspace.table("screen", "screening"))


def _comparison_data(
    workspace: Workspace,
    params: Params,
    arms: Mapping[str, pl.DataFrame],
    pictures: np.ndarray,
    name: str,
    *,
    task: str,
    labels: list[str],
) -> tuple[ComparisonData, dict[str, int]]:
    """Examples of the training set `name` for `task`, and the number of images in each of its parts."""
    from mtf.learn import data, trial

    column = params.tasks[task].column
    has_known_label = pl.col(column).is_in(labels) if column == IDENTITY else pl.lit(value=True)
    faces, curated = arms[name].filter(has_known_label), arms["curated"]
    parts = {**{split: faces.filter(split=split) for split in tables.SPLITS}, "common": curated.filter(split="test")}
    images = {split: part.height for split, part in parts.items()}
    if empty := [split for split, count in images.items() if not count]:
        raise BadInput(f"compare curation: {name} has no image to {task} in its part {empty[0]}")
    training, validation, own, common = (
        data.Examples.of_rows(pictures, part, column=column, labels=labels) for part in parts.values()
    )
    digest = compared.digest_of_faces(
        pl.concat([faces, parts["common"].with_columns(split=pl.lit("common"))]),
        ["split", column],
        workspace.shards("crop"),
    )
    withheld = {"withheld": faces.height - sum(images[split] for split in tables.SPLITS)}
    return trial.ComparisonData(
        task, labels, training, validation, {"own": own, "common": common}, digest
    ), images | withheld
