"""Files of the label classifier: tables, figures, and the `dvc.yaml` that declares them."""

from __future__ import annotations

import json
import os
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mtf.config import Params
from mtf.core import atomic_files, csv_files
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import figure_files, label_scores
from mtf.label_classifier import repeats
from mtf.label_classifier.labeller import AttributeClassifier
from mtf.papers import efrs_figures, efrs_tables

ROC = {"x": "false_positive_rate", "y": "true_positive_rate"}


def forget_fits(workspace: ProjectPaths, *, but: Container[str]) -> None:
    """Remove the curves of fits, except those of the attributes `but`, as their classifiers no longer exist."""
    for path in workspace.plots("label").glob("*.csv"):
        _, _, attribute = path.stem.partition("-")
        if attribute not in but:
            path.unlink()


def write_fit(
    workspace: ProjectPaths, labeller: AttributeClassifier, pictures: np.ndarray, targets: np.ndarray
) -> None:
    """Write the curves of one fitted classifier, replacing older ones: plots/label/{history,roc}-ATTRIBUTE.csv."""
    folder = workspace.plots("label")
    for curve in ("history", "roc"):
        (folder / f"{curve}-{labeller.attribute}.csv").unlink(missing_ok=True)
    if labeller.classifier.history:
        csv_files.write(folder / f"history-{labeller.attribute}.csv", efrs_figures.history(labeller.classifier.history))
    if len(labeller.labels) == len(set(targets.tolist())):
        curve = label_scores.roc(targets, labeller.probabilities(pictures))
        csv_files.write(folder / f"roc-{labeller.attribute}.csv", pl.DataFrame(curve))


def write_tables(
    workspace: ProjectPaths, params: Params, reports: Sequence[Mapping[str, Any]], *, seeds: Sequence[int]
) -> dict[str, Any]:
    """Write Tables 1 to 6 to metrics/label and the reports, one for each seed, to build/label; return the tables."""
    name = f"compare-{reports[0]['attribute']}"
    found = repeats.combined([efrs_tables.tables(report, params.attributes) for report in reports])
    found = {"seeds": list(seeds), **found}
    whole = repeats.combined(reports) | {"seeds": list(seeds), "by_seed": [report["models"] for report in reports]}
    atomic_files.write_json(workspace.stage("label") / f"{name}.json", whole)
    atomic_files.write_json(workspace.metrics(f"label/{name}"), found)
    return found


def read_tables(workspace: ProjectPaths, attribute: str) -> dict[str, Any]:
    """Tables that `write_tables` wrote. Raises BadInput if there are none."""
    return figure_files.read_figures(workspace, f"label/compare-{attribute}", made_by=f"mtf label compare {attribute}")


def write_figures(
    workspace: ProjectPaths,
    params: Params,
    report: Mapping[str, Any],
    fitted: Mapping[str, AttributeClassifier],
    splits: pl.DataFrame,
    pictures: np.ndarray,
    probabilities: Mapping[str, np.ndarray],
    targets: np.ndarray,
    *,
    seed: int,
) -> None:
    """Write Figures 2 to 7 to plots/label/compare-ATTRIBUTE, each as numbers (CSV) and as a picture.

    `report`: over all seeds; `fitted`, `probabilities` and `targets`: of the first seed, the latter two of its test
    split. Figure 4 is of the best network if the chosen model has no epochs.
    """
    folder, models = workspace.plots("label") / f"compare-{report['attribute']}", report["models"]
    attributes = {name: task.labels for name, task in params.attributes.items()}
    atomic_files.write_bytes(folder / "figure-2-faces.png", efrs_figures.faces(pictures, seed=seed))
    counts = efrs_figures.distributions(splits, attributes)
    _write_both(folder / "figure-3-distributions", counts, efrs_figures.distributions_picture(counts))
    trained = [name for name, each in fitted.items() if each.classifier.history]
    best = max(trained, key=lambda name: (name == report["chosen"], _validated(models[name])))
    epochs = efrs_figures.history(fitted[best].classifier.history)
    _write_both(folder / "figure-4-history", epochs, efrs_figures.history_picture(epochs, title=best))
    if len(set(targets.tolist())) == len(report["labels"]):
        curves = {name: pl.DataFrame(label_scores.roc(targets, each)) for name, each in probabilities.items()}
        for name, curve in curves.items():
            csv_files.write(folder / "roc" / f"{name}.csv", curve)
        areas = {name: repeats.mean_of(row["test"]["roc_auc"]) for name, row in models.items()}
        atomic_files.write_bytes(folder / "figure-5-roc.svg", efrs_figures.roc_picture(curves, areas))
    bars = efrs_figures.compared(models)
    _write_both(folder / "figure-6-models", bars, efrs_figures.compared_picture(bars))
    if groups := models[report["chosen"]]["by_subgroup"]:
        lines = efrs_figures.subgroups(groups)
        _write_both(folder / "figure-7-subgroups", lines, efrs_figures.subgroups_picture(lines))


def declare(workspace: ProjectPaths) -> None:
    """Write metrics/label/dvc.yaml, by which DVC shows the plots that exist, and the test accuracy of each fitted
    classifier (`label_ATTRIBUTE`) and of the model that each comparison chose (`compare_ATTRIBUTE`).
    """
    home, plots = workspace.metrics_folder / "label", workspace.plots("label")
    found: list[Any] = []
    for folder in sorted(plots.glob("compare-*")):
        name = folder.name.removeprefix("compare-")
        if curves := sorted((folder / "roc").glob("*.csv")):
            files = {_from(home, path): ROC["y"] for path in curves}
            found.append({f"{name}: ROC": {"x": ROC["x"], "y": files, "template": "simple", "title": f"ROC, {name}"}})
        history = folder / "figure-4-history.csv"
        if history.is_file():
            lines = {_from(home, history): ["train_loss", "val_loss"]}
            found.append({f"{name}: loss": {"x": "epoch", "y": lines, "template": "simple", "title": f"Loss, {name}"}})
        found += [_from(home, path) for path in sorted([*folder.glob("*.svg"), *folder.glob("*.png")])]
    for path in sorted(plots.glob("roc-*.csv")):
        title = f"ROC of the label classifier, {path.stem.removeprefix('roc-')}"
        found.append({_from(home, path): ROC | {"template": "simple", "title": title}})
    fitted = workspace.metrics("label/classifier")
    measured = json.loads(fitted.read_text(encoding="utf-8")) if fitted.is_file() else {}
    accuracies = {f"label_{name}": figures["test"]["accuracy"] for name, figures in measured.items()}
    for path in sorted(workspace.stage("label").glob("compare-*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        accuracies[f"compare_{report['attribute']}"] = repeats.mean_of(
            report["models"][report["chosen"]]["test"]["accuracy"]
        )
    figure_files.declare_figures(workspace, "label/classifier", accuracies, found)


def _validated(row: Mapping[str, Any]) -> float:
    return repeats.mean_of(row["val"]["balanced_accuracy"]) or 0.0


def _from(home: Path, path: Path) -> str:
    return Path(os.path.relpath(path, home)).as_posix()


def _write_both(path: Path, data: pl.DataFrame, picture: bytes) -> None:
    csv_files.write(path.with_suffix(".csv"), data)
    atomic_files.write_bytes(path.with_suffix(".svg"), picture)
