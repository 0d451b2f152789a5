"""Comparison of label classifiers on one attribute: EFRS's Tables 1 to 6 and Figures 2 to 7, over seeds.

Beside EFRS's four models, which take crops as they are, stand any networks of the registry. Each finished model is kept
in `build/label/compare-ATTRIBUTE`: a comparison that was stopped continues where it was.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtf.config import MODELS, Params
from mtf.core.errors import bad_value
from mtf.core.hashing import file_digest, fingerprint
from mtf.core.project_paths import ProjectPaths
from mtf.label_classifier import classifier_files, networks, registered_networks, repeats, roster_contradictions, runs
from mtf.label_classifier import labeller as label
from mtf.label_classifier.fit_store import FitStore
from mtf.label_classifier.runs import LabelData
from mtf.training import input_cache
from mtf.training.resumption import UnfinishedTraining

Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class SeedResult:
    """Result of one seed: figures of each model, the classifiers, and what its figures are drawn from.

    - `rows`: model → figures of `runs.measured_on`;
    - `fitted`: model → classifier;
    - `probabilities`: model → probabilities (m, labels) of the test split;
    - `targets`: label numbers (m,) of the test split.
    """

    rows: Rows
    fitted: dict[str, label.AttributeClassifier]
    probabilities: dict[str, np.ndarray]
    targets: np.ndarray


def compare(
    workspace: ProjectPaths,
    params: Params,
    *,
    attribute: str,
    model: str | None,
    networks_beside: Sequence[str] = (),
    epochs: int,
    seed: int,
    seeds: int = 1,
) -> dict[str, Any]:
    """Fit the four models of EFRS, and `networks_beside` of the registry, on one attribute from each of `seeds` seeds.

    Writes its Tables 1 to 6 and Figures 2 to 7, and returns the tables. With several seeds every figure is a mean with
    its 95 % interval (`repeats`). Tables 3 to 6 and Figure 7 are of `model`, by default the one with the highest
    balanced accuracy on the validation split. EFRS also uses the test split for this choice, which makes its results
    look better. Figures 2 to 5 are of the first seed, which has the project's own split.

    Raises BadInput for an unknown model or network, and if a split has no pictures.
    """
    names = [*networks.NAMES, *dict.fromkeys(networks_beside)]
    for name in networks_beside:
        if name not in MODELS:
            raise bad_value("--network", name, ", ".join(MODELS))
    if model is not None and model not in names:
        raise bad_value("--model", model, ", ".join(names))
    data = runs.label_data(workspace, params)
    colour = _coloured(workspace, params, data) if networks_beside else None
    results = []
    for number in range(seeds):
        own = data if number == 0 else _divided_anew(data, attribute, seed=seed + number)
        results.append(_of_seed(workspace, params, own, colour, attribute, names, epochs=epochs, seed=seed + number))
    chosen = model or max(names, key=lambda name: _validated(results, name))
    reports = [
        {"attribute": attribute, "labels": params.attributes[attribute].labels, "chosen": chosen, "models": each.rows}
        for each in results
    ]
    found = classifier_files.write_tables(workspace, params, reports, seeds=[seed + n for n in range(seeds)])
    first = results[0]
    classifier_files.write_figures(
        workspace,
        params,
        repeats.combined(reports),
        first.fitted,
        data.splits,
        data.pictures,
        first.probabilities,
        first.targets,
        seed=seed,
    )
    classifier_files.declare(workspace)
    return found


def _validated(results: Sequence[SeedResult], name: str) -> float:
    return float(np.mean([each.rows[name]["val"]["balanced_accuracy"] for each in results]))


def _coloured(workspace: ProjectPaths, params: Params, data: LabelData) -> np.ndarray:
    """Crops in colour, aligned as for every other training of a network."""
    return input_cache.prepare(
        data.splits,
        workspace.shards("crop"),
        workspace.stage("inputs"),
        size_px=params.train.input_px,
        alignment=params.train.alignment,
    )


def _divided_anew(data: LabelData, attribute: str, *, seed: int) -> LabelData:
    splits = data.splits.with_columns(repeats.divided(data.splits, attribute, seed=seed))
    return replace(data, splits=splits, split_sha256=fingerprint(splits.select("face_id", "split").write_csv()))


def _of_seed(
    workspace: ProjectPaths,
    params: Params,
    data: LabelData,
    colour: np.ndarray | None,
    attribute: str,
    names: Sequence[str],
    *,
    epochs: int,
    seed: int,
) -> SeedResult:
    store = FitStore(workspace.stage(runs.STAGE) / f"compare-{attribute}")
    rows, fitted, probabilities, targets = {}, {}, {}, np.empty(0)
    test = data.rows("test")
    for name in names:
        if name in networks.NAMES:
            pictures: np.ndarray = data.pictures
            fitted[name], targets = runs.fitted(
                params, data, attribute, model=name, epochs=epochs, seed=seed, store=store
            )
        else:
            assert colour is not None  # noqa: S101 (made for the networks)
            pictures = colour
            fitted[name], targets = _network(
                workspace, params, data, colour, attribute, name=name, seed=seed, store=store
            )
        found = fitted[name].probabilities(pictures)
        rows[name] = runs.measured_on(fitted[name], params, data, targets, probabilities=found)
        probabilities[name] = found[test]
        print(f"{seed} {name:9} {_figures_text(rows[name]['test'])}", file=sys.stderr, flush=True)
    return SeedResult(rows, fitted, probabilities, targets[test])


def _network(
    workspace: ProjectPaths,
    params: Params,
    data: LabelData,
    colour: np.ndarray,
    attribute: str,
    *,
    name: str,
    seed: int,
    store: FitStore,
) -> tuple[label.AttributeClassifier, np.ndarray]:
    """Network of the registry as a classifier of an attribute, from `store` if it is there, and the label numbers."""
    labels = params.attributes[attribute].labels
    recipe = params.train.recipes[params.train.recipe]
    local = params.train.weights.get(name)
    weights = workspace.root / local if local else None
    targets = roster_contradictions.label_numbers(data.splits[attribute], labels)
    digest = fingerprint(
        *(attribute, labels, name, recipe, seed, params.train.input_px, data.shards),
        *([] if params.train.alignment == "none" else [params.train.alignment]),
        *(data.split.tolist(), targets.tolist(), torch.__version__),
        file_digest(weights) if weights and weights.is_file() else None,
        code=[registered_networks.__name__],
    )

    def fit(state: Path) -> label.AttributeClassifier:
        network = registered_networks.fit(
            name,
            colour,
            targets,
            data.split,
            labels=len(labels),
            recipe=recipe,
            weights=weights,
            seed=seed,
            unfinished=UnfinishedTraining(state, digest),
        )
        val = data.rows("val")
        made = label.calibrated(attribute, labels, network, colour[val], targets[val])
        return replace(made, fitted_on=label.TrainingProvenance.of(data.splits, data.split_sha256))

    return store.get_or_fit(f"{attribute}-{name}-{seed}", digest, fit), targets


def _figures_text(figures: Mapping[str, float | None]) -> str:
    return "  ".join(f"{name} {value}" for name, value in figures.items())
