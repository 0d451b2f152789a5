"""The label classifier (EFRS), as `mtf label` calls it. No stage of dvc.yaml: whoever needs it runs it.

Its figures go to `metrics/label/` and `plots/label/`; a `dvc.yaml` of its own beside the figures declares what is
there, so that `dvc metrics` and `dvc plots` show it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from mtf import atomic, roster, tables
from mtf.errors import BadInput, bad_value
from mtf.learn import calibration, efrs, hints, inputs, label, label_scores
from mtf.params import Params
from mtf.stages import figures as figures_of
from mtf.stages import label_files
from mtf.workspace import PATHS_IN_PROJECT, Workspace

STAGE = "label"
CLASSIFIER = "classifier.pt"
FIGURES = "label/classifier"


@dataclass(frozen=True)
class Material:
    """The project's splits, with their table's digest, and their crops (n, 48, 48) uint8 grey."""

    splits: pl.DataFrame
    split_sha256: str
    pictures: np.ndarray

    @property
    def split(self) -> np.ndarray:
        return self.splits["split"].to_numpy()

    def rows(self, split: str) -> np.ndarray:
        return self.split == split


def fit(
    workspace: Workspace, params: Params, *, model: str, attributes: Sequence[str], epochs: int, seed: int
) -> dict[str, Any]:
    """One classifier per attribute, kept together in build/label/classifier.pt; returns attribute → figures of those
    fitted now.

    Classifiers of other attributes stay where they were fitted by this very split; what is left of others goes.

    Raises BadInput for an attribute or a model that is not known, and where a split has no pictures.
    """
    material = _material(workspace, params)
    kept, figures = _still_valid(workspace, params, material, fitted_anew=attributes)
    labellers, measured = {labeller.attribute: labeller for labeller in kept}, {}
    for name in attributes:
        labellers[name], targets = _fitted(params, material, name, model=model, epochs=epochs, seed=seed)
        measured[name] = _measured(labellers[name], params, material, targets)
        test = material.rows("test")
        label_files.write_fit(workspace, labellers[name], material.pictures[test], targets[test])
    label_files.forget_fits(workspace, but=labellers)
    together = [name for name in params.attributes if name in labellers]
    label.save(workspace.stage(STAGE) / CLASSIFIER, [labellers[name] for name in together])
    atomic.write_json(workspace.metrics(FIGURES), {name: (figures | measured)[name] for name in together})
    label_files.declare(workspace)
    return measured


def _still_valid(
    workspace: Workspace, params: Params, material: Material, *, fitted_anew: Sequence[str]
) -> tuple[list[label.Labeller], dict[str, Any]]:
    """The classifiers of the last fit that stay, and their figures; a line says of each other why it goes."""
    path = workspace.stage(STAGE) / CLASSIFIER
    others = [name for name in params.attributes if name not in fitted_anew]
    if not others or not path.is_file():
        return [], {}
    try:
        before, figures = label.load(path), figures_of.read(workspace, FIGURES, made_by="mtf label fit")
    except BadInput as error:
        print(f"label: no attribute is kept of the last fit: {error}")
        return [], {}
    kept = []
    for labeller in before:
        name = labeller.attribute
        if name not in others:
            continue
        if why := _why_it_goes(labeller, params.attributes[name].labels, material, figures):
            print(f"label {name}: left out, {why}; fit it again")
        else:
            print(f"label {name}: kept from before")
            kept.append(labeller)
    return kept, {labeller.attribute: figures[labeller.attribute] for labeller in kept}


def _why_it_goes(
    labeller: label.Labeller, labels: Sequence[str], material: Material, measured: Collection[str]
) -> str | None:
    """None where a classifier of the last fit may stay beside those that are fitted now."""
    if labeller.fitted_on is None:
        return "fitted by an older version"
    if labeller.labels != labels:
        return "fitted for other labels"
    if labeller.fitted_on.split_sha256 != material.split_sha256:
        return "fitted by another split"
    if labeller.attribute not in measured:
        return f"{PATHS_IN_PROJECT.metrics(FIGURES)} lacks its figures"
    return None


def compare(
    workspace: Workspace, params: Params, *, attribute: str, model: str | None, epochs: int, seed: int
) -> dict[str, Any]:
    """All four models of EFRS on one attribute: its Tables 1 to 6, which are returned, and Figures 2 to 7.

    Tables 3 to 6 and Figure 7 are of `model`; of the one with the best balanced accuracy in validation where that is
    None. EFRS chooses by the test split as well, which would flatter the choice.
    """
    if model is not None and model not in efrs.NAMES:
        raise bad_value("--model", model, ", ".join(efrs.NAMES))
    material = _material(workspace, params)
    rows, fitted, targets = {}, {}, np.empty(0)
    for name in efrs.NAMES:
        fitted[name], targets = _fitted(params, material, attribute, model=name, epochs=epochs, seed=seed)
        rows[name] = _measured(fitted[name], params, material, targets)
        print(f"{name:9} {_shown(rows[name]['test'])}", file=sys.stderr, flush=True)
    chosen = model or max(rows, key=lambda name: rows[name]["val"]["balanced_accuracy"])
    report = {"attribute": attribute, "labels": params.attributes[attribute].labels, "chosen": chosen, "models": rows}
    test = material.rows("test")
    probabilities = {name: each.probabilities(material.pictures[test]) for name, each in fitted.items()}
    label_files.write_figures(
        workspace, params, report, fitted, material.splits, material.pictures, probabilities, targets[test], seed=seed
    )
    found = label_files.write_tables(workspace, params, report)
    label_files.declare(workspace)
    return found


def hint(
    workspace: Workspace,
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
    """Writes build/label/hints.parquet (tables.HINTS) of all cropped faces; returns it and how many were looked at.

    `classifier` is a file of `fit`'s, of this or another project; None takes this project's, where there is one, for
    the attributes that it has. What no classifier covers is predicted out of fold by classifiers `model`.

    Raises BadInput where the file's labels are not those of params.yaml, where it does not say what it was fitted on,
    or an attribute is not known.
    """
    labels = {name: params.attributes[name].labels for name in attributes or params.attributes}
    path = workspace.root / classifier if classifier else workspace.stage(STAGE) / CLASSIFIER
    labellers = label.load(path) if classifier or path.is_file() else []
    for labeller in labellers:
        if labeller.attribute in labels:
            _check_usable(labeller, labels[labeller.attribute], where=f"{path.name} attribute {labeller.attribute}")
    faces = _cropped(workspace, params)
    shards, cache = workspace.shards("crop"), workspace.stage("inputs") / "cropped"
    pictures = efrs.grey(inputs.prepare(faces, shards, cache, size_px=efrs.SIDE_PX))
    probabilities = hints.predicted(
        labellers, labels, faces, pictures, name=model, folds=folds, seed=seed, epochs=epochs
    )
    found = hints.contradictions(faces, labels, probabilities, confidence=confidence)
    return tables.write(tables.HINTS, found, workspace.table(STAGE, "hints")), faces.height


def _check_usable(labeller: label.Labeller, labels: Sequence[str], *, where: str) -> None:
    if labeller.labels != labels:
        raise bad_value(where, labeller.labels, f"params.yaml's labels {labels}, in this order")
    if labeller.fitted_on is None:
        raise BadInput(f"{where}: fitted by an older version; run `mtf label fit`")


def attributes_of(params: Params, named: Sequence[str] | None) -> list[str]:
    """The named attributes, all where none is named. Raises BadInput, naming the known ones."""
    for name in named or ():
        if name not in params.attributes:
            raise bad_value("attribute", name, ", ".join(params.attributes))
    return list(named or params.attributes)


def _material(workspace: Workspace, params: Params) -> Material:
    path = workspace.table("split", "splits")
    splits = tables.read(tables.splits(params), path)
    pictures = inputs.prepare(splits, workspace.shards("crop"), workspace.stage("inputs"), size_px=efrs.SIDE_PX)
    return Material(splits, hashlib.sha256(path.read_bytes()).hexdigest(), efrs.grey(pictures))


def _cropped(workspace: Workspace, params: Params) -> pl.DataFrame:
    """All faces of the crop with the roster's labels; faces of people who left the roster are passed over."""
    people = roster.load(workspace.roster, params).select("identity", *params.attributes)
    faces = tables.read(tables.FACES, workspace.table("crop", "faces"))
    known = faces.join(people, on="identity", how="inner", maintain_order="left")
    if known.is_empty():
        raise BadInput(f"{workspace.relative(workspace.table('crop', 'faces'))}: no face of a person on the roster")
    return known


def _fitted(
    params: Params, material: Material, attribute: str, *, model: str, epochs: int, seed: int
) -> tuple[label.Labeller, np.ndarray]:
    labels = params.attributes[attribute].labels
    targets = hints.numbers_of(material.splits[attribute], labels)
    labeller = label.fit(
        attribute,
        labels,
        material.pictures,
        targets,
        material.split,
        name=model,
        seed=seed,
        epochs=epochs,
    )
    return replace(labeller, fitted_on=label.FittedOn.of(material.splits, material.split_sha256)), targets


def _measured(labeller: label.Labeller, params: Params, material: Material, targets: np.ndarray) -> dict[str, Any]:
    trainable, total = efrs.parameters(labeller.classifier.name, len(labeller.labels))
    probabilities = labeller.probabilities(material.pictures)
    parts = {name: material.rows(name) for name in tables.SPLITS}
    test = parts["test"]
    others = {name: task.labels for name, task in params.attributes.items() if name != labeller.attribute}
    groups = {name: material.splits[name].to_numpy()[test].tolist() for name in others}
    return {
        "parameters": trainable,
        "total_parameters": total,
        "epochs": labeller.classifier.epochs,
        **{name: label_scores.figures(targets[rows], probabilities[rows]) for name, rows in parts.items()},
        "calibration_error": round(calibration.expected_error(probabilities[test], targets[test]), label_scores.DIGITS),
        "temperature": round(labeller.temperature, label_scores.DIGITS),
        "by_own_label": label_scores.by_own_label(targets[test], probabilities[test], labeller.labels),
        "by_subgroup": {
            name: label_scores.by_subgroup(targets[test], probabilities[test], groups[name], labels)
            for name, labels in others.items()
        },
    }


def _shown(figures: Mapping[str, float | None]) -> str:
    return "  ".join(f"{name} {value}" for name, value in figures.items())
