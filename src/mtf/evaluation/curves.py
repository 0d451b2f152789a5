"""Curves of trainings for DVC's plots: one table of all runs, so that one chart shows them side by side."""

from __future__ import annotations

from pathlib import Path

import polars as pl

# Where DVCLive writes one file for each metric of a training.
LIVE = Path("plots", "metrics")
PARTS = {"train": "train", "val": "validation"}
CURVES = {"run": pl.String, "step": pl.Int64, "part": pl.String, "loss": pl.Float64, "accuracy": pl.Float64}
WEIGHTS = {"step": pl.Int64, "task": pl.String, "weight": pl.Float64}


def learning_curves(folder: Path, run: str) -> pl.DataFrame:
    """Table of the columns CURVES: loss and accuracy of `run` by `part` (train, validation) and `step`, its epoch.

    `folder` holds what the training wrote. An accuracy is 0 to 1, and null where the training logged none.
    """
    found = [pl.DataFrame(schema=CURVES)]
    for prefix, part in PARTS.items():
        loss = _curve(folder, f"{prefix}_loss", "loss")
        both = loss.join(_curve(folder, f"{prefix}_accuracy", "accuracy"), on="step", how="left")
        found.append(both.select(pl.lit(run).alias("run"), "step", pl.lit(part).alias("part"), "loss", "accuracy"))
    return pl.concat(found)


def loss_weights(folder: Path) -> pl.DataFrame:
    """Table of the columns WEIGHTS: weight of each task's loss by epoch; empty if the training logged none."""
    found = [pl.DataFrame(schema=WEIGHTS)]
    for path in sorted((folder / LIVE).glob("weight_*.tsv")):
        task = pl.lit(path.stem.removeprefix("weight_")).alias("task")
        found.append(_curve(folder, path.stem, "weight").select("step", task, "weight"))
    return pl.concat(found)


def _curve(folder: Path, metric: str, name: str) -> pl.DataFrame:
    """Columns `step` and `name` of one metric; no rows if it was not logged."""
    path, schema = folder / LIVE / f"{metric}.tsv", {"step": pl.Int64, metric: pl.Float64}
    rows = pl.read_csv(path, separator="\t", schema_overrides=schema) if path.is_file() else pl.DataFrame(schema=schema)
    return rows.select("step", pl.col(metric).alias(name))
