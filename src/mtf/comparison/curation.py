"""Training sets of MTF's Table 9 (non-curated and curated), a screened one between them, and a common test part.

The paper tests each set on a part of itself. The test part of crops that nobody reviewed contains wrong labels, so a
network loses accuracy for correct answers; the common test part, which people curated, shows the difference.

Comparison of training sets: one network trained on crops, screened crops and curated crops (MTF, Table 9).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mtf import schemas
from mtf.comparison import setup
from mtf.config import IDENTITY, Params
from mtf.core.errors import BadInput, GateFailed, bad_value
from mtf.core.project_paths import ProjectPaths
from mtf.curation import funnel, screened
from mtf.curation.duplicates import components
from mtf.curation.split import assigned
from mtf.curation.split_units import UNIT_COLUMNS
from mtf.evaluation import figure_files
from mtf.schemas import FACE

TRAINING_SETS = ("non_curated", "screened", "curated")
WITHHELD = "withheld"
NAME = f"{setup.FOLDER}/curation"


def training_sets(
    splits: pl.DataFrame, non_curated: pl.DataFrame, screening: pl.DataFrame, params: Params
) -> dict[str, pl.DataFrame]:
    """Training sets by name, each with the columns of the table `splits`:

    - `non_curated`: every crop, with the roster's labels;
    - `screened`: those of them within the limits of `curate.screened`, one per duplicate group;
    - `curated`: the faces that people kept.

    The first two are split by the shares of the curated split, without its minimum numbers. If a face of the curated
    test part, or one linked to it, would be in the train or val part, its `split` is WITHHELD instead.
    """
    raw = non_curated.sort(FACE)
    own = {
        "non_curated": _with_split(raw, params),
        "screened": _with_split(screened_faces(raw, screening, params), params),
        "curated": splits,
    }
    linked = linked_faces(splits.filter(split="test"), raw)
    return {name: _withhold_leaks(own[name], linked) for name in TRAINING_SETS}


def screened_faces(faces: pl.DataFrame, screening: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Faces that automatic screening alone would keep, with the columns of `faces`."""
    measured = faces.join(screening.drop("image_id"), on=FACE, how="left", maintain_order="left")
    return funnel.run(measured, screened.steps(params.curate.screened)).kept.select(faces.columns)


def linked_faces(tested: pl.DataFrame, everything: pl.DataFrame) -> pl.DataFrame:
    """Faces of `everything` that are linked to a face of `tested`: identity and face_id.

    Two faces are linked if they come from the same source image or are in the same duplicate group, directly or through
    other faces. `everything` (identity, face_id, image_id, duplicate_group) also has the links over faces that the
    curated set dropped.
    """
    numbered = everything.select(*FACE, component=pl.Series(components(everything, UNIT_COLUMNS)))
    marked = numbered.join(tested.select(FACE), on=FACE, how="semi")["component"].unique()
    return numbered.filter(pl.col("component").is_in(marked.to_list())).select(FACE)


def _with_split(faces: pl.DataFrame, params: Params) -> pl.DataFrame:
    unbound = params.split.model_copy(update={"min_train": 0, "min_val": 0, "min_test": 0})
    return assigned(faces, columns=list(params.columns), split=unbound, seed=params.seed)


def _withhold_leaks(faces: pl.DataFrame, linked: pl.DataFrame) -> pl.DataFrame:
    marked = faces.join(linked.with_columns(linked=pl.lit(value=True)), on=FACE, how="left", maintain_order="left")
    leaks = pl.col("linked").fill_null(value=False) & (pl.col("split") != "test")
    return marked.with_columns(split=pl.when(leaks).then(pl.lit(WITHHELD)).otherwise("split")).drop("linked")


if TYPE_CHECKING:
    import numpy as np

    from mtf.comparison.trials import ComparisonData


def run(
    workspace: ProjectPaths, params: Params, *, model: str, tasks: Sequence[str], recipe: str, seeds: int
) -> dict[str, Any]:
    """Train `model` on each task with each training set, and test it on the set's own test part (`own`, as the paper
    does) and on the curated one (`common`). Writes metrics/compare/curation.json; returns it without the single runs.

    `{"model", "recipe", "seeds", "arms": {arm: {"faces", "identities"}}, "tasks": {task: {arm: {"images", "own",
    "common"}}}}`, where an arm is a training set. Face recognition is trained only on identities of the curated set
    (section 5.4). Runs with the same data, recipe and code that are in the file are not repeated. The networks of the
    first seed are kept in build/compare/curation, for `mtf release --models`.

    Raises BadInput for a name that params.yaml does not have, and if the data set is not curated.
    """
    setup.check_names(params, model=model, tasks=tasks, recipes=[recipe])
    if params.curate.mode != "curated":
        raise bad_value(
            "params.yaml: curate.mode", params.curate.mode, "curated, which is compared with the other sets"
        )
    # torch takes seconds to import: wrong names are reported before.
    from mtf.comparison import run_figures, trials
    from mtf.training import data

    splits, pictures, faces = _arms(workspace, params)
    store = run_figures.RunStore(workspace.metrics(NAME))
    found: dict[str, dict[str, Any]] = {task: {} for task in tasks}
    for task in tasks:
        labels = data.labels_of(params.tasks[task], splits)
        for name in TRAINING_SETS:
            comparison_data, images = _comparison_data(
                workspace, params, faces, pictures, name, task=task, labels=labels
            )
            runs_of_recipe = setup.comparison_runs(workspace, params, model=model, recipe=recipe, seeds=seeds)
            run_name = f"{model}/{task}/{recipe}/{name}"
            finished = setup.run_all(
                store,
                runs_of_recipe,
                comparison_data,
                name=run_name,
                first_model=_model_file(workspace, run_name),
            )
            found[task][name] = {"images": images} | {
                test: trials.mean_over_seeds(finished, test) for test in comparison_data.tests
            }
    sizes = {name: {"faces": arm.height, "identities": arm["identity"].n_unique()} for name, arm in faces.items()}
    summary = {"model": model, "recipe": recipe, "seeds": seeds, "arms": sizes, "tasks": found}
    store.write_summary(summary)
    on_curated = {f"{name}_{task}": arm["common"] for task, arms in found.items() for name, arm in arms.items()}
    headline = {name: figures["accuracy"]["mean"] for name, figures in on_curated.items() if "accuracy" in figures}
    figure_files.declare_figures(workspace, NAME, headline)
    return summary


@dataclass(frozen=True)
class KeptModel:
    """Network of the first seed of a training set, with what it was trained on.

    - `task`, `arm`: the task and the training set;
    - `path`: its file;
    - `faces`: rows of the training set, with their split;
    - `digest`: digest of the faces, their labels and their pictures;
    - `tests`: test part → scores.
    """

    task: str
    arm: str
    path: Path
    faces: pl.DataFrame
    digest: str
    tests: Mapping[str, Mapping[str, float]]


def kept_models(workspace: ProjectPaths, params: Params) -> list[KeptModel]:
    """Networks of the last comparison, those of its first seed; none if there was no comparison.

    Raises GateFailed if one is missing, or was trained on other data or with another recipe than today's.
    """
    from mtf.comparison import run_figures
    from mtf.training import data

    found = run_figures.read_runs(workspace.metrics(NAME))
    if "tasks" not in found:
        return []
    model, recipe = found["model"], found["recipe"]
    setup.check_names(params, model=model, tasks=list(found["tasks"]), recipes=[recipe])
    splits, pictures, faces = _arms(workspace, params)
    store, kept = run_figures.RunStore(workspace.metrics(NAME)), []
    for task in found["tasks"]:
        labels = data.labels_of(params.tasks[task], splits)
        for name in TRAINING_SETS:
            comparison_data, _ = _comparison_data(workspace, params, faces, pictures, name, task=task, labels=labels)
            run = setup.comparison_runs(workspace, params, model=model, recipe=recipe, seeds=1)[0]
            run_name = f"{model}/{task}/{recipe}/{name}"
            path, full_name = _model_file(workspace, run_name), f"{run_name}/{run.seed}"
            if not path.is_file() or not store.has(full_name, run.digest(comparison_data)):
                raise GateFailed(
                    f"{workspace.relative(path)}: missing, or trained on other data, recipe or code than today's; "
                    f"`mtf compare curation --model {model} --recipe {recipe}` trains what has changed"
                )
            tests = found["runs"][full_name]["tests"]
            kept.append(KeptModel(task, name, path, faces[name], comparison_data.digest, tests))
    return kept


def _model_file(workspace: ProjectPaths, run_name: str) -> Path:
    """File of the network of a run's first seed."""
    return workspace.stage("compare") / "curation" / f"{run_name}.pt"


def _arms(workspace: ProjectPaths, params: Params) -> tuple[pl.DataFrame, np.ndarray, dict[str, pl.DataFrame]]:
    """Table of splits, the pictures of all crops, and the training sets by name, with the row of each picture."""
    from mtf.training import data, input_cache

    splits, non_curated, screening = _read(workspace, params)
    pictures = input_cache.prepare(
        non_curated,
        workspace.shards("crop"),
        workspace.stage("compare") / "inputs",
        size_px=params.train.input_px,
        alignment=params.train.alignment,
    )
    places = non_curated.with_row_index("row").select("row", "identity", "face_id")
    faces = {
        name: data.with_combined_columns(
            arm.join(places, on=["identity", "face_id"], maintain_order="left"), params.tasks
        )
        for name, arm in training_sets(splits, non_curated, screening, params).items()
    }
    return splits, pictures, faces


def _read(workspace: ProjectPaths, params: Params) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Curated faces with their split, all crops that may be used, and their screening.

    If one picture is listed for several identities, only reviewers can decide whose it is: the sets made without
    review leave it out, so no set is trained or tested on it.
    """
    splits = schemas.read(schemas.splits(params), workspace.table("split", "splits"))
    non_curated = schemas.read(schemas.non_curated(params), workspace.table("curate", "non_curated"))
    splits = splits.join(non_curated, on=["identity", "face_id"], how="semi", maintain_order="left")
    return splits, non_curated, schemas.read(schemas.SCREENING, workspace.table("screen", "screening"))


def _comparison_data(
    workspace: ProjectPaths,
    params: Params,
    arms: Mapping[str, pl.DataFrame],
    pictures: np.ndarray,
    name: str,
    *,
    task: str,
    labels: list[str],
) -> tuple[ComparisonData, dict[str, int]]:
    """Examples of the training set `name` for `task`, and the number of images in each of its parts."""
    from mtf.comparison import trials
    from mtf.training import data, input_cache

    column = params.tasks[task].column
    has_known_label = pl.col(column).is_in(labels) if column == IDENTITY else pl.lit(value=True)
    faces, curated = arms[name].filter(has_known_label), arms["curated"]
    parts = {**{split: faces.filter(split=split) for split in schemas.SPLITS}, "common": curated.filter(split="test")}
    images = {split: part.height for split, part in parts.items()}
    if empty := [split for split, count in images.items() if not count]:
        raise BadInput(f"compare curation: {name} has no image to {task} in its part {empty[0]}")
    training, validation, own, common = (
        data.Examples.of_rows(pictures, part, column=column, labels=labels) for part in parts.values()
    )
    digest = input_cache.digest_of_faces(
        pl.concat([faces, parts["common"].with_columns(split=pl.lit("common"))]),
        ["split", column],
        workspace.shards("crop"),
        alignment=params.train.alignment,
    )
    withheld = {"withheld": faces.height - sum(images[split] for split in schemas.SPLITS)}
    return trials.ComparisonData(
        task, labels, training, validation, {"own": own, "common": common}, digest
    ), images | withheld
