"""Label classifier (EFRS) for `mtf label`; not a stage of dvc.yaml.

Its figures go to `metrics/label/` and `plots/label/`; `metrics/label/dvc.yaml` declares them, so that `dvc metrics` and
`dvc plots` show them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from mtf import schemas
from mtf.config import Params
from mtf.core import atomic_files
from mtf.core.errors import BadInput, bad_value
from mtf.core.hashing import fingerprint
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.evaluation import figure_files as figures_of
from mtf.evaluation import label_scores, metrics
from mtf.label_classifier import classifier_files, networks, roster_contradictions
from mtf.label_classifier import labeller as label
from mtf.label_classifier.fit_store import FitStore
from mtf.schemas import roster_file
from mtf.training import input_cache

STAGE = "label"
CLASSIFIER = "classifier.pt"
UNFINISHED = "unfinished"
FIGURES = "label/classifier"


@dataclass(frozen=True)
class LabelData:
    """Faces of the project's split that label classifiers are fitted on.

    - `splits`: the splits table;
    - `split_sha256`: SHA-256 (hex) of its file;
    - `pictures`: crops in the same order, (n, 48, 48) uint8 grey;
    - `shards`: digest of the faces and the files of their crops.
    """

    splits: pl.DataFrame
    split_sha256: str
    pictures: np.ndarray
    shards: str

    @property
    def split(self) -> np.ndarray:
        """Names of the splits, (n,)."""
        return self.splits["split"].to_numpy()

    def rows(self, split: str) -> np.ndarray:
        """Mask (n,) of the rows of one split."""
        return self.split == split


def fit(
    workspace: ProjectPaths, params: Params, *, model: str, attributes: Sequence[str], epochs: int, seed: int
) -> dict[str, Any]:
    """Fit a classifier for each of the `attributes`; return attribute → figures.

    Writes build/label/classifier.pt, in which the classifiers of other attributes are kept if they were fitted on the
    same split, and metrics/label/classifier.json. A fit that was killed continues after its last epoch.

    Raises BadInput for an unknown attribute or model, and if a split has no pictures.
    """
    data = label_data(workspace, params)
    kept, figures = _still_valid(workspace, params, data, refitted=attributes)
    labellers, measured = {labeller.attribute: labeller for labeller in kept}, {}
    store = FitStore(workspace.stage(STAGE) / UNFINISHED)
    for name in attributes:
        labellers[name], targets = fitted(params, data, name, model=model, epochs=epochs, seed=seed, store=store)
        measured[name] = measured_on(labellers[name], params, data, targets)
        test = data.rows("test")
        classifier_files.write_fit(workspace, labellers[name], data.pictures[test], targets[test])
    classifier_files.forget_fits(workspace, but=labellers)
    together = [name for name in params.attributes if name in labellers]
    label.save(workspace.stage(STAGE) / CLASSIFIER, [labellers[name] for name in together])
    atomic_files.write_json(workspace.metrics(FIGURES), {name: (figures | measured)[name] for name in together})
    classifier_files.declare(workspace)
    store.remove()
    return measured


def _still_valid(
    workspace: ProjectPaths, params: Params, data: LabelData, *, refitted: Sequence[str]
) -> tuple[list[label.AttributeClassifier], dict[str, Any]]:
    """Classifiers of the last fit to keep, and their figures; prints a line for each one that is left out."""
    path = workspace.stage(STAGE) / CLASSIFIER
    others = [name for name in params.attributes if name not in refitted]
    if not others or not path.is_file():
        return [], {}
    try:
        before, figures = label.load(path), figures_of.read_figures(workspace, FIGURES, made_by="mtf label fit")
    except BadInput as error:
        print(f"label: nothing is kept of the last fit: {error}")
        return [], {}
    kept = []
    for labeller in before:
        name = labeller.attribute
        if name not in others:
            continue
        if reason := _reason_to_leave_out(labeller, params.attributes[name].labels, data, figures):
            print(f"label {name}: left out, {reason}; fit it again")
        else:
            print(f"label {name}: kept from before")
            kept.append(labeller)
    return kept, {labeller.attribute: figures[labeller.attribute] for labeller in kept}


def _reason_to_leave_out(
    labeller: label.AttributeClassifier, labels: Sequence[str], data: LabelData, measured: Collection[str]
) -> str | None:
    """Reason to leave out a classifier of the last fit, None if it is kept."""
    if labeller.fitted_on is None:
        return "fitted by an older version"
    if labeller.labels != labels:
        return "fitted for other labels"
    if labeller.fitted_on.split_sha256 != data.split_sha256:
        return "fitted by another split"
    if labeller.attribute not in measured:
        return f"{PATHS_IN_PROJECT.metrics(FIGURES)} lacks its figures"
    return None


def hint(
    workspace: ProjectPaths,
    params: Params,
    *,
    confidence: float,
    attributes: Sequence[str] | None,
    classifier: str | None,
    model: str,
    folds: int,
    epochs: int,
    seed: int,
) -> tuple[pl.DataFrame, int]:
    """Find label hints among all cropped faces. Writes build/label/hints.parquet (schemas.HINTS).

    - `sure`: minimum confidence of a hint, 0 to 1;
    - `attributes`: attributes to predict, None for all;
    - `classifier`: file of `fit`, of this or another project; None takes this project's, if there is one;
    - `model`, `folds`, `epochs`, `seed`: for attributes without a classifier, which are predicted out of fold.

    Returns the table, and the number of faces that were predicted. Raises BadInput if the classifier's labels are not
    those of params.yaml, or its file is too old to have its training data.
    """
    labels = {name: params.attributes[name].labels for name in attributes or params.attributes}
    path = workspace.root / classifier if classifier else workspace.stage(STAGE) / CLASSIFIER
    labellers = label.load(path) if classifier or path.is_file() else []
    for labeller in labellers:
        if labeller.attribute in labels:
            _check_usable(labeller, labels[labeller.attribute], where=f"{path.name} attribute {labeller.attribute}")
    faces = _cropped(workspace, params)
    shards, cache = workspace.shards("crop"), workspace.stage("inputs") / "cropped"
    pictures = networks.grey(input_cache.prepare(faces, shards, cache, size_px=networks.SIDE_PX))
    probabilities = roster_contradictions.label_probabilities(
        labellers, labels, faces, pictures, name=model, folds=folds, seed=seed, epochs=epochs
    )
    found = roster_contradictions.contradictions(faces, labels, probabilities, min_confidence=confidence)
    return schemas.write(schemas.HINTS, found, workspace.table(STAGE, "hints")), faces.height


def _check_usable(labeller: label.AttributeClassifier, labels: Sequence[str], *, where: str) -> None:
    if labeller.labels != labels:
        raise bad_value(where, labeller.labels, f"params.yaml's labels {labels}, in this order")
    if labeller.classifier.takes != networks.EFRS_PICTURES:
        raise BadInput(f"{where}: {labeller.classifier.name} gives no hints; permitted: {', '.join(networks.NAMES)}")
    if labeller.fitted_on is None:
        raise BadInput(f"{where}: fitted by an older version; run `mtf label fit`")


def attributes_of(params: Params, named: Sequence[str] | None) -> list[str]:
    """Attributes in `named`, all if there are none. Raises BadInput for an unknown one, naming the known ones."""
    for name in named or ():
        if name not in params.attributes:
            raise bad_value("attribute", name, ", ".join(params.attributes))
    return list(named or params.attributes)


def label_data(workspace: ProjectPaths, params: Params) -> LabelData:
    """Faces of the project's split, with their pictures as EFRS's classifiers take them."""
    path = workspace.table("split", "splits")
    splits = schemas.read(schemas.splits(params), path)
    pictures = input_cache.prepare(
        splits, workspace.shards("crop"), workspace.stage("inputs"), size_px=networks.SIDE_PX
    )
    digest = input_cache.digest_of_faces(splits, [], workspace.shards("crop"), alignment="none")
    return LabelData(splits, hashlib.sha256(path.read_bytes()).hexdigest(), networks.grey(pictures), digest)


def _cropped(workspace: ProjectPaths, params: Params) -> pl.DataFrame:
    """Cropped faces with the roster's labels, without those of identities that are no longer on the roster."""
    people = roster_file.load(workspace.roster, params).select("identity", *params.attributes)
    faces = schemas.read(schemas.FACES, workspace.table("crop", "faces"))
    on_roster = faces.join(people, on="identity", how="inner", maintain_order="left")
    if on_roster.is_empty():
        raise BadInput(f"{workspace.relative(workspace.table('crop', 'faces'))}: no face of a person on the roster")
    return on_roster


def fitted(
    params: Params, data: LabelData, attribute: str, *, model: str, epochs: int, seed: int, store: FitStore
) -> tuple[label.AttributeClassifier, np.ndarray]:
    """Classifier of an attribute, from `store` if it is there, and the label number of each face (n,)."""
    labels = params.attributes[attribute].labels
    targets = roster_contradictions.label_numbers(data.splits[attribute], labels)
    parts = (data.shards, data.split.tolist(), targets.tolist())
    digest = fingerprint(attribute, labels, model, epochs, seed, *parts, torch.__version__, code=[label.__name__])

    def fit_now(state: Path) -> label.AttributeClassifier:
        made = label.fit(
            attribute,
            labels,
            data.pictures,
            targets,
            data.split,
            name=model,
            seed=seed,
            epochs=epochs,
            state=state,
        )
        return replace(made, fitted_on=label.TrainingProvenance.of(data.splits, data.split_sha256))

    return store.get_or_fit(f"{attribute}-{model}-{seed}", digest, fit_now), targets


def measured_on(
    labeller: label.AttributeClassifier,
    params: Params,
    data: LabelData,
    targets: np.ndarray,
    *,
    probabilities: np.ndarray | None = None,
) -> dict[str, Any]:
    """Figures of a classifier on every split, by label and by subgroup.

    `probabilities` (n, labels) of all faces are worked out from `data.pictures` if they are not given.
    """
    if probabilities is None:
        probabilities = labeller.probabilities(data.pictures)
    trainable, total = parameters_of(labeller.classifier.name, params, labels=len(labeller.labels))
    parts = {name: data.rows(name) for name in schemas.SPLITS}
    test = parts["test"]
    others = {name: task.labels for name, task in params.attributes.items() if name != labeller.attribute}
    groups = {name: data.splits[name].to_numpy()[test].tolist() for name in others}
    return {
        "parameters": trainable,
        "total_parameters": total,
        "epochs": labeller.classifier.epochs,
        **{name: label_scores.figures(targets[rows], probabilities[rows]) for name, rows in parts.items()},
        "calibration_error": round(
            metrics.expected_calibration_error(probabilities[test], targets[test]), label_scores.DIGITS
        ),
        "temperature": round(labeller.temperature, label_scores.DIGITS),
        "by_own_label": label_scores.by_own_label(targets[test], probabilities[test], labeller.labels),
        "by_subgroup": {
            name: label_scores.by_subgroup(targets[test], probabilities[test], groups[name], labels)
            for name, labels in others.items()
        },
    }


def parameters_of(name: str, params: Params, *, labels: int) -> tuple[int, int]:
    """Number of trainable parameters of a model, and the "total" of EFRS's Table 2."""
    if name in networks.NAMES:
        return networks.parameters(name, labels)
    from mtf.label_classifier import registered_networks

    return registered_networks.parameters(name, labels, params.train.recipes[params.train.recipe])
