"""Figures 2 to 7 of EFRS on this data set: a table and a picture of each."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtf.evaluation import label_scores
from mtf.papers.efrs_tables import METRIC_NAMES

SHOWN_FACES = 15
FACES_A_ROW = 5


def distributions(labels: pl.DataFrame, attributes: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Table of Figure 3: attribute, label, n, with labels that have no picture."""
    rows = [
        {"attribute": name, "label": label, "n": int((labels[name] == label).sum())}
        for name, names in attributes.items()
        for label in names
    ]
    return pl.DataFrame(rows)


def history(epochs: Sequence[Mapping[str, float]]) -> pl.DataFrame:
    """Table of Figure 4: epoch (from 1), train_loss, train_accuracy, val_loss, val_accuracy."""
    return pl.DataFrame(list(epochs)).with_row_index("epoch", offset=1)


def compared(models: Mapping[str, Any]) -> pl.DataFrame:
    """Table of Figure 6: model, metric, value on the test split, and its interval over seeds (low, high)."""
    rows = [
        (name, metric, *_value_and_interval(row["test"][metric]))
        for name, row in models.items()
        for metric in label_scores.METRICS
    ]
    return pl.DataFrame(rows, schema={"model": pl.String, "metric": pl.String, **_VALUES}, orient="row")


def subgroups(by_subgroup: Mapping[str, Any]) -> pl.DataFrame:
    """Table of Figure 7: attribute, group, n, metric, value (null if undefined), and its interval over seeds."""
    rows = [
        (attribute, group, _value_and_interval(row["n"])[0], metric, *_value_and_interval(row[metric]))
        for attribute, part in by_subgroup.items()
        for group, row in part["groups"].items()
        for metric in label_scores.METRICS
    ]
    columns = {"attribute": pl.String, "group": pl.String, "n": pl.Float64, "metric": pl.String, **_VALUES}
    table = pl.DataFrame(rows, schema=columns, orient="row", strict=False)
    return table.with_columns(pl.col("n").cast(pl.Int64)) if (table["n"] % 1 == 0).all() else table


_VALUES = {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64}


def _value_and_interval(figure: Any) -> tuple[float | None, float | None, float | None]:
    """Value, low and high of a figure of a report: a number of one seed, or a mean with its interval."""
    if isinstance(figure, Mapping):
        return figure["mean"], figure["low"], figure["high"]
    return figure, None, None


def _error_bars(part: pl.DataFrame) -> np.ndarray | None:
    """Distances (2, n) of the intervals' ends from the values; None if there are no intervals."""
    if part["low"].null_count() == part.height:
        return None
    below, above = part["value"] - part["low"], part["high"] - part["value"]
    return np.stack([each.cast(pl.Float64).fill_null(0.0).to_numpy() for each in (below, above)])


def faces(pictures: np.ndarray, *, seed: int) -> bytes:
    """PNG of Figure 2: fifteen random pictures of (n, 48, 48) uint8."""
    count = min(SHOWN_FACES, len(pictures))
    chosen = np.random.default_rng(seed).choice(len(pictures), count, replace=False)
    figure, places = _figure(-(-count // FACES_A_ROW), min(FACES_A_ROW, count), height=1.6, width=1.6)
    for place in places:
        place.set_axis_off()
    for place, number in zip(places, chosen, strict=False):
        place.imshow(pictures[number], cmap="gray", vmin=0, vmax=255)
    return _encoded(figure, "png")


def distributions_picture(counts: pl.DataFrame) -> bytes:
    """SVG of Figure 3: a bar chart for each attribute."""
    parts = counts.partition_by("attribute", maintain_order=True)
    figure, places = _figure(1, len(parts))
    for place, part in zip(places, parts, strict=True):
        place.bar(part["label"], part["n"])
        _label(place, part["attribute"][0], y="pictures")
    return _encoded(figure)


def history_picture(epochs: pl.DataFrame, *, title: str) -> bytes:
    """SVG of Figure 4: loss and accuracy by epoch."""
    figure, places = _figure(1, 2)
    for place, quantity in zip(places, ("loss", "accuracy"), strict=True):
        for split, name in (("train", "training"), ("val", "validation")):
            place.plot(epochs["epoch"], epochs[f"{split}_{quantity}"], marker="o", label=name)
        _label(place, title, x="epoch", y=quantity, legend=True, turned=False)
    return _encoded(figure)


def roc_picture(curves: Mapping[str, pl.DataFrame], areas: Mapping[str, float | None]) -> bytes:
    """SVG of Figure 5: the ROC curves of all models, and the diagonal of random guessing."""
    figure, (place,) = _figure(1, 1, height=5, width=5)
    for model, curve in curves.items():
        area = "" if areas[model] is None else f" (AUC {areas[model]:.3f})"
        place.plot(curve["false_positive_rate"], curve["true_positive_rate"], label=f"{model}{area}")
    place.plot([0, 1], [0, 1], color="grey", linestyle="--", label="random")
    _label(place, "ROC", x="false positive rate", y="true positive rate", legend=True, turned=False)
    return _encoded(figure)


def compared_picture(figures: pl.DataFrame) -> bytes:
    """SVG of Figure 6: a bar chart for each metric."""
    metrics = figures["metric"].unique(maintain_order=True).to_list()
    figure, places = _figure(1, len(metrics), width=3)
    for place, metric in zip(places, metrics, strict=True):
        part = figures.filter(pl.col("metric") == metric).drop_nulls("value")
        place.bar(part["model"], part["value"], yerr=_error_bars(part), capsize=3)
        if part.height:
            lowest, highest = part["low"].fill_null(part["value"]).min(), part["high"].fill_null(part["value"]).max()
            place.set_ylim(max(0, lowest - 0.05), min(1.05, highest + 0.02))  # ty: ignore
        _label(place, METRIC_NAMES[metric])
    return _encoded(figure)


def subgroups_picture(figures: pl.DataFrame) -> bytes:
    """SVG of Figure 7: a line chart for each attribute, a line for each metric."""
    parts = figures.partition_by("attribute", maintain_order=True)
    figure, places = _figure(1, len(parts))
    for place, part in zip(places, parts, strict=True):
        for metric in part["metric"].unique(maintain_order=True):
            row = part.filter(pl.col("metric") == metric)
            values = row["value"].cast(pl.Float64).fill_null(float("nan"))
            place.errorbar(
                row["group"], values, yerr=_error_bars(row), marker="o", capsize=2, label=METRIC_NAMES[metric]
            )
        _label(place, part["attribute"][0], legend=True)
    return _encoded(figure)


def _figure(rows: int, columns: int, *, height: float = 4, width: float = 4.5) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def _label(
    place: Axes, title: str, *, x: str | None = None, y: str | None = None, legend: bool = False, turned: bool = True
) -> None:
    # Labels are free text: a dollar sign in one must not begin a formula.
    place.set_title(title, parse_math=False)
    place.set_xlabel(x or "")
    place.set_ylabel(y or "")
    if turned:
        place.tick_params(axis="x", labelrotation=60)
    for text in place.get_xticklabels():
        text.set_parse_math(False)
    if legend:
        place.legend(fontsize="small")


def _encoded(figure: Figure, form: str = "svg") -> bytes:
    """Figure as a file, the same bytes for the same figure: no date, no random identifiers."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "mtf"}):
        figure.savefig(buffer, format=form, metadata={"Date": None} if form == "svg" else None)
    return buffer.getvalue()
