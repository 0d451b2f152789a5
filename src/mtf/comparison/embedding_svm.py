"""Support vector machines on the embedding of a network, as it is and fine-tuned (Das et al., Tables 1 to 4).

The rows "Facenet" and "FFNet" of the paper. Its kernel is the radial basis function (section 3.2); all else is as
scikit-learn has it, since the paper names nothing else.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.svm import SVC
from torch import nn

from mtf import schemas
from mtf.comparison import seed_intervals, setup
from mtf.comparison.run_figures import RunStore, mean_and_std
from mtf.config import FACENET, Params
from mtf.core.errors import BadInput
from mtf.core.hashing import file_digest, fingerprint
from mtf.core.project_paths import ProjectPaths
from mtf.datasets import labelled, protocol_splits
from mtf.evaluation import fairness, figure_files, intersections
from mtf.evaluation.groups import PERSON
from mtf.evaluation.undetected_pictures import UndetectedPictures
from mtf.training import data, devices, input_cache, network_embedding, pretrained, trainer
from mtf.training import recipe as recipes
from mtf.training.data import Examples
from mtf.training.networks import facenet, registry

NAME = f"{setup.FOLDER}/svm"
# Split of the faces that the support vector machine is fitted on.
CLASSIFIER = "classifier"
AS_IT_IS, FINE_TUNED = "as it is", "fine-tuned"
ROWS = {AS_IT_IS: "Facenet", FINE_TUNED: "FFNet"}


@dataclass(frozen=True)
class _Plan:
    """Plan that all runs share.

    faces: table of splits, of which some faces have the split CLASSIFIER; pictures: their input pictures.
    model, recipe, weights: network, name of its recipe, local file of weights.
    """

    workspace: ProjectPaths
    params: Params
    faces: pl.DataFrame
    pictures: np.ndarray
    model: str
    recipe: str
    weights: Path | None

    def examples(self, task: str, split: str) -> Examples:
        """Examples of one split for one task."""
        asked = self.params.tasks[task]
        labels = data.labels_of(asked, self.faces)
        return Examples.of_split(self.pictures, self.faces, split, column=asked.column, labels=labels)


def run(
    workspace: ProjectPaths, params: Params, *, model: str, tasks: Sequence[str], recipe: str, seeds: int
) -> dict[str, Any]:
    """Fit a support vector machine for each task on the embedding of `model` as it is, and fine-tuned for the task.

    Three quarters of the training part fine-tune with `recipe`, the rest fits the machines (section 4.2); where a
    protocol has set that rest aside, it is taken, and the whole training part fine-tunes. Writes
    metrics/compare/svm.json and returns it without the single runs: `{"model", "recipe", "seeds", "images", "rows":
    {name: {"over_all": {task: figures}, "by_group": {task: {attribute: {label: figures}}}}}}`, as `das_tables.tables`
    reads them. With several seeds, an accuracy is their mean with its interval
    (`seed_intervals.of_mean`), and `std` their standard deviation. Runs with the same data, recipe and code that are in
    the file are not repeated.

    Raises BadInput for a name that params.yaml does not have, for too few training pictures, and if
    those that fit a machine all have one label.
    """
    setup.check_names(params, model=model, tasks=tasks, recipes=[recipe])
    faces, pictures = _faces_and_pictures(workspace, params)
    plan = _Plan(workspace, params, faces, pictures, model, recipe, _weights(workspace, params, model))
    store = RunStore(workspace.metrics(NAME))
    rows = {}
    for kind, name in ROWS.items():
        finished = {task: [_finished(store, plan, kind, task, params.seed + n) for n in range(seeds)] for task in tasks}
        rows[name if model == FACENET else f"{model}, {kind}, SVM"] = _row(finished)
    counts = dict(faces["split"].value_counts().iter_rows())
    images = {split: counts.get(split, 0) for split in ("train", CLASSIFIER, "val", "test")}
    summary = {"model": model, "recipe": recipe, "seeds": seeds, "images": images, "rows": rows}
    store.write_summary(summary)
    figure_files.declare_figures(workspace, NAME, _headline(rows))
    return summary


def _weights(workspace: ProjectPaths, params: Params, model: str) -> Path | None:
    """Local file of weights, of the models for one task or of the shared network."""
    named = params.train.weights.get(model)
    if named is None and params.multitask is not None and params.multitask.backbone == model:
        named = params.multitask.weights
    return workspace.root / named if named else None


def _faces_and_pictures(workspace: ProjectPaths, params: Params) -> tuple[pl.DataFrame, np.ndarray]:
    contract = schemas.splits(params)
    splits = schemas.read(contract, workspace.table("split", "splits"))
    aside = workspace.table("split", protocol_splits.CLASSIFIER_TABLE)
    if aside.is_file():
        rest = schemas.read(contract, aside).with_columns(split=pl.lit(CLASSIFIER))
        faces = pl.concat([splits, rest])
    else:
        faces = _with_classifier_part(splits, seed=params.seed)
    pictures = input_cache.prepare(
        faces,
        workspace.shards("crop"),
        workspace.stage(setup.FOLDER) / "svm",
        size_px=params.train.input_px,
        alignment=params.train.alignment,
    )
    return data.with_combined_columns(faces, params.tasks), pictures


def _with_classifier_part(splits: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """Splits of which a quarter of `train`, drawn from `seed`, is CLASSIFIER."""
    rest = pl.Series(protocol_splits.for_classifier(splits["split"], seed=seed))
    return splits.with_columns(split=pl.when(rest).then(pl.lit(CLASSIFIER)).otherwise("split"))


def _finished(store: RunStore, plan: _Plan, kind: str, task: str, seed: int) -> dict[str, Any]:
    params, asked = plan.params, plan.params.tasks[task]
    recipe = params.train.recipes[plan.recipe]
    digest = fingerprint(
        *(kind, plan.model, recipe, seed, params.train.input_px, params.compute.devices, params.fairness.min_people),
        file_digest(plan.weights) if plan.weights is not None and plan.weights.is_file() else None,
        *(params.evaluation.undetected, list(asked.labels)),
        input_cache.digest_of_faces(
            plan.faces,
            ["split", asked.column, *sorted(params.attributes)],
            plan.workspace.shards("crop"),
            alignment=params.train.alignment,
        ),
        code=[__name__],
    )
    name = f"{plan.model}/{kind}/{task}/{seed}"
    state = "kept from before" if store.has(name, digest) else "training" if kind == FINE_TUNED else "embedding"
    print(f"compare svm {name}: {state}", file=sys.stderr)
    return store.get_or_run(name, digest, partial(_run, plan, kind, task, seed))


def _run(plan: _Plan, kind: str, task: str, seed: int) -> dict[str, Any]:
    """Fit one machine; its figures on the test part, over all and by the other attributes."""
    network = (
        _fine_tuned(plan, task, seed) if kind == FINE_TUNED else embedding_as_it_is(plan.model, plan.weights, seed)
    )
    normalise = plan.params.train.recipes[plan.recipe].normalise
    fitted, test = plan.examples(task, CLASSIFIER), plan.examples(task, "test")
    vectors = {
        part: network_embedding.features(network, examples.pictures, examples.rows, normalise=normalise)
        for part, examples in (("fit", fitted), ("test", test))
    }
    if len(np.unique(fitted.targets)) == 1:
        raise BadInput(
            f"compare svm: the {len(fitted)} pictures that fit the machine all have one label of {task}; more pictures "
            "to train, or another seed in params.yaml, bring others"
        )
    predicted = machine().fit(vectors["fit"], fitted.targets).predict(vectors["test"])
    names = pl.Series(data.labels_of(plan.params.tasks[task], plan.faces))
    return _figures(plan, task, test, names[test.targets], names[predicted])


def machine() -> SVC:
    """Support vector machine with the kernel RBF (Das et al., section 3.2), else as scikit-learn has it."""
    return SVC(kernel="rbf")


def embedding_as_it_is(model: str, weights: Path | None, seed: int) -> nn.Module:
    """Embedding network without any training: (n, 3, size, size) → (n, width).

    FaceNet has the width of its file, 128 or 512, and all layers of it; without a file its weights are random. Any
    other model is taken without its last layer.
    """
    if model != FACENET:
        network = registry.start(model, 2, input_px=1024, seed=seed, weights=weights)
        pretrained.drop_last_layer(network)
        return network.eval()
    if weights is None:
        return registry.build(model, 2, seed=seed).get_submodule(pretrained.BACKBONE).eval()
    found = pretrained.read(weights)
    last = found.get("last_linear.weight")
    network = facenet.InceptionResnetV1(facenet.EMBEDDING if last is None else last.shape[0])
    pretrained.load_body(network, found, where=str(weights), last=())
    return network.eval()


def _fine_tuned(plan: _Plan, task: str, seed: int) -> nn.Module:
    params, recipe = plan.params, plan.params.train.recipes[plan.recipe]
    training, validation = (plan.examples(task, split) for split in ("train", "val"))
    labels = len(data.labels_of(params.tasks[task], plan.faces))
    network = registry.start(plan.model, labels, input_px=params.train.input_px, seed=seed, weights=plan.weights)
    with tempfile.TemporaryDirectory(prefix="mtf-svm-") as folder:
        fitted = trainer.fit_classifier(
            network,
            training,
            validation,
            recipe=recipe,
            batch=recipes.batch_of(recipe, registry.network_of(plan.model)),
            labels=labels,
            seed=seed,
            curves=Path(folder) / "curves",
            devices=devices.local_devices(params.compute.devices),
        )
    pretrained.drop_last_layer(fitted.network)
    return fitted.network


def _figures(plan: _Plan, task: str, test: Examples, actual: pl.Series, predicted: pl.Series) -> dict[str, Any]:
    params, asked = plan.params, plan.params.tasks[task]
    attributes = {column: each.labels for column, each in params.attributes.items()}
    answers = plan.faces[test.rows].select(
        "identity", "face_id", *attributes, task=pl.lit(task), label=actual, predicted=predicted
    )
    undetected = UndetectedPictures.read(plan.workspace, params, plan.faces)
    missed = undetected.predictions(asked.columns, task=task, model=plan.model)
    counted = pl.concat([answers, missed.select(answers.columns)])
    # Where nobody knows who is who, each picture counts as a person of its own.
    by_person = counted if labelled.identities_are_people(plan.faces) else counted.drop(PERSON)
    by_group = intersections.by_attribute(
        by_person, {task: asked.columns}, attributes, seed=params.seed, settings=params.fairness
    )
    return {"over_all": fairness.over_all(by_person, settings=params.fairness), "by_group": by_group[task]}


def _row(finished: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    by_group = {
        task: {
            attribute: {label: _over_seeds([run["by_group"][attribute][label] for run in runs]) for label in groups}
            for attribute, groups in runs[0]["by_group"].items()
        }
        for task, runs in finished.items()
    }
    over_all = {task: _over_seeds([run["over_all"] for run in runs]) for task, runs in finished.items()}
    return {"over_all": over_all, "by_group": by_group}


def _over_seeds(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of one seed as they are; of several, the mean accuracy, its interval and its standard deviation."""
    first = figures[0]
    if len(figures) == 1 or "accuracy" not in first:
        return dict(first)
    over = mean_and_std([each["accuracy"] for each in figures])
    kept = {name: first[name] for name in ("n", "people") if name in first}
    return kept | {"accuracy": over["mean"], "std": over["std"]} | seed_intervals.of_mean(figures)


def _headline(rows: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"svm_{name}_{task}".replace(" ", "_").replace(",", ""): figures["accuracy"]
        for name, row in rows.items()
        for task, figures in row["over_all"].items()
    }
