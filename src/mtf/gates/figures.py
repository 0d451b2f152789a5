"""Tables of figures on the data set as a whole, which the gates check.

A table without rows means that there is nothing to check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import combinations, product
from typing import Any

import numpy as np
import polars as pl

from mtf.config import IDENTITY, Params
from mtf.curation import split
from mtf.rights.audit.run import UNSTATED
from mtf.rights.consent import REASONS, Consents
from mtf.schemas import FACE, SPLITS, EvidenceStatus

MEASURES = ("size_px", "sharpness", "brightness")
TIMES = " × "
DETECTED = "images with a face"
# Contents of metrics/crop.json and metrics/curate.json.
Counts = tuple[Mapping[str, Any], Mapping[str, Any]]


def identities(data: pl.DataFrame) -> pl.DataFrame:
    """Images per identity, and their share of all, 0 to 1; two faces of one image count once."""
    counted = data.group_by(IDENTITY).agg(images=pl.col("image_id").n_unique()).sort(IDENTITY)
    return counted.with_columns(share=pl.col("images") / pl.col("images").sum())


def labels(data: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Share, 0 to 1, of each permitted label of each task; 0 for a label without an image."""
    rows = [
        {"task": column, "label": label, "share": _share(data, pl.col(column) == label)}
        for column, task in params.attributes.items()
        for label in task.labels
    ]
    return pl.DataFrame(rows, schema={"task": pl.String, "label": pl.String, "share": pl.Float64})


def pairs(data: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Share, 0 to 1, of each pair of labels of two tasks."""
    tables = [_combinations(data, params, columns) for columns in combinations(params.attributes, 2)]
    return pl.concat([_combinations(data, params, ()), *tables])


def intersections(data: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Share, 0 to 1, of each combination of labels of all tasks; no rows for fewer than three tasks (see `pairs`)."""
    columns = tuple(params.attributes)
    return _combinations(data, params, columns if len(columns) > 2 else ())


def vanished(now: pl.DataFrame, before: pl.DataFrame | None, params: Params) -> pl.DataFrame:
    """Combinations of all labels that the previous data set has and this one lacks: one row, their names and number.

    No rows if there is no previous data set, or it has other label columns.
    """
    columns = list(params.attributes)
    schema = {"combinations": pl.String, "gone": pl.Int64}
    if before is None or not columns or not set(columns) <= set(before.columns):
        return pl.DataFrame(schema=schema)
    gone = sorted(set(before.select(columns).iter_rows()) - set(now.select(columns).iter_rows()))
    names = ", ".join(TIMES.join(map(str, labels)) for labels in gone)
    return pl.DataFrame([{"combinations": names, "gone": len(gone)}], schema=schema)


def _combinations(data: pl.DataFrame, params: Params, columns: Sequence[str]) -> pl.DataFrame:
    counts = dict(_counted(data, columns)) if columns else {}
    labels = product(*(params.attributes[column].labels for column in columns)) if columns else ()
    rows = [
        {
            "tasks": TIMES.join(columns),
            "labels": TIMES.join(combination),
            "share": counts.get(combination, 0) / max(1, data.height),
        }
        for combination in labels
    ]
    return pl.DataFrame(rows, schema={"tasks": pl.String, "labels": pl.String, "share": pl.Float64})


def _counted(data: pl.DataFrame, columns: Sequence[str]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Combinations of labels that occur, with their numbers of images."""
    for *labels, images in data.group_by(columns).len().iter_rows():
        yield tuple(labels), images


def splits(data: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Share of each split, the share that the split can give it, and the distance between them, all from 0 to 1.

    With few images per person, the minimums of the split give val and test more than the shares of params.yaml.
    """
    sizes = data.group_by(IDENTITY).len()["len"].to_numpy().astype(np.int64)
    asked, least = split.shares(params.split), split.minimums(params.split)
    if IDENTITY in params.columns and len(sizes) and sizes.min() >= least.sum():
        asked = split.targets(sizes, wanted=asked, least=least).sum(axis=0) / data.height
    rows = [
        {"split": name, "share": _share(data, pl.col("split") == name), "wanted": float(wanted)}
        for name, wanted in zip(SPLITS, asked, strict=True)
    ]
    return pl.DataFrame(rows).with_columns(distance=(pl.col("share") - pl.col("wanted")).abs())


def licenses(data: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """Licenses by share of the images, largest first; `none stated` if the source states none."""
    keys = ["identity", "image_id"]
    stated = data.select(keys).join(evidence.select(*keys, "stated", "license"), on=keys, how="left")
    has_license = pl.col("stated").is_in([str(EvidenceStatus.STATED), str(EvidenceStatus.CONTRADICTION)])
    named = stated.select(license=pl.when(has_license).then("license").fill_null(UNSTATED))
    counted = named.group_by("license").agg(images=pl.len()).sort("images", "license", descending=[True, False])
    return counted.with_columns(share=pl.col("images") / max(1, data.height))


def license_groups(shares: pl.DataFrame, groups: Sequence[str]) -> pl.DataFrame:
    """Share, 0 to 1, of each group of licenses, a pattern with `*` for any characters; 0 if no image matches."""
    rows = [
        {"licenses": group, "share": sum(share for name, share in named.items() if fnmatchcase(name, group))}
        for named in [dict(shares.select("license", "share").iter_rows())]
        for group in groups
    ]
    return pl.DataFrame(rows, schema={"licenses": pl.String, "share": pl.Float64})


def unstated(shares: pl.DataFrame) -> pl.DataFrame:
    """Share, 0 to 1, of the images whose source states no license: one row."""
    share = float(shares.filter(pl.col("license") == UNSTATED)["share"].sum())
    return pl.DataFrame({"license": [UNSTATED], "share": [share]})


def consents(data: pl.DataFrame, consents: Consents) -> dict[str, pl.DataFrame]:
    """Reason of `consent.REASONS` → subjects that are refused for it, and their number of pictures.

    One row, `nobody` and 0, if there is none: unlike other tables, an empty one would not be checked.
    """
    refused = consents.verdicts(data[IDENTITY].unique())
    pictures = data.group_by(IDENTITY).agg(pictures=pl.col("image_id").n_unique())
    counted = refused.join(pictures, on=IDENTITY).sort("pictures", IDENTITY, descending=[True, False])
    nobody = pl.DataFrame({IDENTITY: ["nobody"], "pictures": [0]}, schema={IDENTITY: pl.String, "pictures": pl.UInt32})
    tables = {str(reason): counted.filter(pl.col("consent_reason") == str(reason)) for reason in REASONS}
    columns = [IDENTITY, pl.col("pictures").cast(pl.UInt32)]
    return {name: nobody if rows.is_empty() else rows.select(columns) for name, rows in tables.items()}


def agreement(figures: Mapping[str, Any]) -> pl.DataFrame:
    """Reviewers' agreement by step, from `metrics/curate.json`: Krippendorff's alpha, or 1 if all votes are equal.

    Alpha is undefined for equal votes, as no disagreement by chance is possible; the raw agreement is 1. Steps without
    a face that has two votes have no row.
    """
    measured = {step: values for step, values in figures.get("agreement", {}).items() if "raw" in values}
    rows = [
        {"step": step, "agreement": values.get("alpha", values["raw"])}
        | {name: values.get(name) for name in ("faces", "raw", "alpha")}
        for step, values in measured.items()
    ]
    shares = dict.fromkeys(("agreement", "raw", "alpha"), pl.Float64)
    return pl.DataFrame(rows, schema={"step": pl.String, "faces": pl.Int64, **shares})


def funnel(now: Counts, before: Counts | None) -> pl.DataFrame:
    """Share that each step keeps, 0 to 1, now and before, and the change; no rows without a previous release.

    The first step is the detector, with the share of images that have a face; all others are shares of faces.
    """
    schema = {"step": pl.String, "share": pl.Float64, "before": pl.Float64, "change": pl.Float64}
    if before is None:
        return pl.DataFrame(schema=schema)
    shares, earlier = _kept_shares(*now), _kept_shares(*before)
    rows = [
        {"step": step, "share": share, "before": earlier[step], "change": abs(share - earlier[step])}
        for step, share in shares.items()
        if step in earlier
    ]
    return pl.DataFrame(rows, schema=schema)


def drift(
    data: pl.DataFrame, screening: pl.DataFrame, before: tuple[pl.DataFrame, pl.DataFrame] | None
) -> pl.DataFrame:
    """Drift of the distribution of each measure: Kolmogorov-Smirnov distance, 0 to 1.

    `before` is the previous data set with its screening; no rows without it.
    """
    schema = {"measure": pl.String, "median": pl.Float64, "before": pl.Float64, "distance": pl.Float64}
    if before is None:
        return pl.DataFrame(schema=schema)
    rows = []
    for measure in MEASURES:
        new, old = (_measured(each, screens, measure) for each, screens in ((data, screening), before))
        if len(new) and len(old):
            medians = {"median": float(np.median(new)), "before": float(np.median(old))}
            rows.append({"measure": measure, **medians, "distance": _ks_distance(new, old)})
    return pl.DataFrame(rows, schema=schema)


def _measured(data: pl.DataFrame, screening: pl.DataFrame, measure: str) -> np.ndarray:
    return data.select(FACE).join(screening.select(*FACE, measure), on=FACE)[measure].to_numpy()


def _ks_distance(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import ks_2samp

    return float(ks_2samp(one, other).statistic)


def _kept_shares(cropped: Mapping[str, Any], curated: Mapping[str, Any]) -> dict[str, float]:
    """Step → share of its input that it keeps, 0 to 1."""
    shares = {DETECTED: cropped["images_with_faces"] / max(1, cropped["images"])}
    entered = curated["cropped"]["faces"]
    for step, figures in curated["steps"].items():
        shares[step] = figures["faces"] / entered if entered else 1.0
        entered = figures["faces"]
    return shares


def _share(data: pl.DataFrame, holds: pl.Expr) -> float:
    return data.filter(holds).height / max(1, data.height)
