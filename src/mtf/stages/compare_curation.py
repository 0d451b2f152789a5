"""What people's work is worth: one network trained on crops, on screened crops and on curated ones (MTF, Table 9)."""

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

    from mtf.learn.trial import Matter

NAME = f"{compared.FOLDER}/curation"


def run(
    workspace: Workspace, params: Params, *, model: str, tasks: Sequence[str], recipe: str, seeds: int
) -> dict[str, Any]:
    """Train `model` on each task with each arm's training part, and measure it on the arm's own test part (`own`, as
    the paper does) and on the curated one (`common`). Writes metrics/compare/curation.json and returns it without
    the single runs.

    `{"model", "recipe", "seeds", "arms": {arm: {"faces", "identities"}}, "tasks": {task: {arm: {"images", "own",
    "common"}}}}`. Face recognition is learned from the curated set's people alone in every arm (section 5.4).
    Trainings that stand there, made from the same data, recipe and code, are not done again.

    Raises BadInput for a name that params.yaml does not have, and where nobody curated.
    """
    compared.check_names(params, model=model, tasks=tasks, recipes=[recipe])
    if params.curate.mode != "curated":
        raise bad_value("params.yaml: curate.mode", params.curate.mode, "curated, whose worth is asked for")
    # torch takes seconds to import: a wrong name has been told by then.
    from mtf.learn import arms, data, inputs, runs, trial

    splits, non_curated, screening = _read(workspace, params)
    pictures = inputs.prepare(
        non_curated, workspace.shards("crop"), workspace.stage("compare") / "inputs", size_px=params.train.input_px
    )
    places = non_curated.with_row_index("row").select("row", "identity", "face_id")
    faces = {
        name: data.with_combined(arm.join(places, on=["identity", "face_id"], maintain_order="left"), params.tasks)
        for name, arm in arms.arms(splits, non_curated, screening, params).items()
    }
    kept = runs.Runs(workspace.metrics(NAME))
    found: dict[str, dict[str, Any]] = {task: {} for task in tasks}
    for task in tasks:
        labels = data.labels_of(params.tasks[task], splits)
        for name in arms.ARMS:
            matter, images = _matter(workspace, params, faces, pictures, name, task=task, labels=labels)
            trials = compared.trials(workspace, params, model=model, recipe=recipe, seeds=seeds)
            trained = compared.trained(kept, trials, matter, name=f"{model}/{task}/{recipe}/{name}")
            found[task][name] = {"images": images} | {test: trial.over_seeds(trained, test) for test in matter.tests}
    sizes = {name: {"faces": arm.height, "identities": arm["identity"].n_unique()} for name, arm in faces.items()}
    summary = {"model": model, "recipe": recipe, "seeds": seeds, "arms": sizes, "tasks": found}
    kept.conclude(summary)
    figures.declare(workspace, compared.FOLDER)
    return summary


def _read(workspace: Workspace, params: Params) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The curated faces with their split, all crops that may be used, and what screening measured of them.

    Of a shot that is listed for several people only the panel could say whose it is: the sets made without people
    leave it out, and no arm learns it or is tested on it.
    """
    splits = tables.read(tables.splits(params), workspace.table("split", "splits"))
    non_curated = tables.read(tables.non_curated(params), workspace.table("curate", "non_curated"))
    splits = splits.join(non_curated, on=["identity", "face_id"], how="semi", maintain_order="left")
    return splits, non_curated, tables.read(tables.SCREENING, workspace.table("screen", "screening"))


def _matter(
    workspace: Workspace,
    params: Params,
    arms: Mapping[str, pl.DataFrame],
    pictures: np.ndarray,
    name: str,
    *,
    task: str,
    labels: list[str],
) -> tuple[Matter, dict[str, int]]:
    """What the arm `name` gives to learn `task` from, and how many images it has in each part."""
    from mtf.learn import data, trial

    column = params.tasks[task].column
    known = pl.col(column).is_in(labels) if column == IDENTITY else pl.lit(value=True)
    faces, curated = arms[name].filter(known), arms["curated"]
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
    return trial.Matter(task, labels, training, validation, {"own": own, "common": common}, digest), images | withheld
