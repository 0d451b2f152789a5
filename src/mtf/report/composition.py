"""Sections on the composition of the data set: labels, splits, addresses, licenses, duplicates and reviewers.

The page draws and filters the charts of labels and splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import plotly.graph_objects as go
import polars as pl

from mtf.config import Params
from mtf.report.report_page import (
    COLOURS,
    Chart,
    Gallery,
    PageSection,
    PageTable,
    bars,
    bars_height_px,
    number,
    percent,
)
from mtf.schemas import SPLITS

Figures = Mapping[str, Any]
DUPLICATES = {"exact_group": "the same picture", "near_group": "nearly the same", "across_group": "across identities"}
MEASURES = ("raw", "kappa", "alpha")
ALIKE = "not defined"


def composition(data: pl.DataFrame, params: Params) -> PageSection:
    """Section with the faces by labels against the target, and the faces per identity, by split and label.

    The page receives one row per identity, split and labels with its number of faces, and each label's target share.
    """
    columns = list(params.attributes)
    keys = ["identity", "split", *columns]
    cube = data.group_by(keys).agg(images=pl.len()).sort(keys)
    targets = {column: _target(column, params) for column in columns}
    filters = {
        "columns": columns,
        "labels": {column: list(task.labels) for column, task in params.attributes.items()},
        "splits": list(SPLITS),
        "targets": targets,
        "rows": [list(row) for row in cube.select(*keys, "images").iter_rows()],
    }
    says = [
        f"{number(data.height)} faces of {number(data['identity'].n_unique())} people.",
        f"The line is the target: {_in_words(targets, params)}.",
    ]
    return PageSection("composition", "Composition", says if columns else says[:1], filters=filters)


def _target(column: str, params: Params) -> dict[str, float]:
    """Label → target share of the faces, 0 to 1; equal shares unless `report.target` names others."""
    labels = params.attributes[column].labels
    wanted = {params.tasks[task].column: shares for task, shares in params.report.target.items()}.get(column)
    return {label: 1 / len(labels) if wanted is None else wanted.get(label, 0.0) for label in labels}


def _in_words(targets: Mapping[str, Mapping[str, float]], params: Params) -> str:
    named = {params.tasks[task].column for task in params.report.target}
    if not named:
        return (
            f"an equal share of the faces for each of the {prod(map(len, targets.values())):,} combinations of labels"
        )
    shares = "; ".join(
        f"{column} {', '.join(f'{label} {percent(share)}' for label, share in targets[column].items())}"
        if column in named
        else f"{column} in equal shares"
        for column in targets
    )
    return f"{shares}, independent of each other"


def splits(data: pl.DataFrame, params: Params) -> PageSection:
    """Section with the size of each split, and the faces of each label in it."""
    counts = [
        [split, number(n := data.filter(pl.col("split") == split).height), percent(n / max(1, data.height))]
        for split in SPLITS
    ]
    labels = [
        [
            column,
            label,
            *(number(data.filter((pl.col(column) == label) & (pl.col("split") == s)).height) for s in SPLITS),
        ]
        for column, task in params.attributes.items()
        for label in task.labels
    ]
    tables = [("Faces by split", PageTable(["Split", "Faces", "Share"], counts, numeric=2))]
    if labels:
        tables.append(("Faces by label and split", PageTable(["Task", "Label", *SPLITS], labels, numeric=3)))
    says = ["No original and no group of duplicates lies in two splits."]
    return PageSection("splits", "Splits", says, tables=tables)


def addresses(crawled: Figures) -> PageSection:
    outcomes = crawled["outcomes"]
    names = [name.replace("_", " ") for name in outcomes]
    chart = Chart(
        name="addresses",
        title="What came of the addresses",
        says=f"Bar chart of {number(crawled['addresses'])} addresses by outcome.",
        figure=bars(names, list(outcomes.values()), title="addresses"),
        height_px=bars_height_px(len(names)),
        table=PageTable(["Outcome", "Addresses"], list(zip(names, map(number, outcomes.values()), strict=True))),
    )
    says = f"{number(crawled['images'])} pictures of {number(crawled['identities'])} people were stored."
    return PageSection("addresses", "Where the pictures come from", [says], [chart])


def licenses(shares: pl.DataFrame, release_license: str) -> PageSection:
    """Section with the licenses of the images; `shares` has license, images and share."""
    rows = [[license, number(images), percent(share)] for license, images, share in shares.iter_rows()]
    chart = Chart(
        name="licenses",
        title="Faces by the license that the source of their image states",
        says=f"Bar chart of {shares.height} licenses; the most frequent is {rows[0][0]}." if rows else "No faces.",
        figure=bars(shares["license"].to_list(), shares["images"].to_list(), title="faces", colour=COLOURS[2]),
        height_px=bars_height_px(shares.height),
        table=PageTable(["License", "Faces", "Share"], rows, numeric=2),
    )
    return PageSection("licenses", "Licenses", [f"The release itself bears {release_license}."], [chart])


def duplicates(screening: pl.DataFrame, galleries: Sequence[Gallery], *, thumbnails: bool) -> PageSection:
    """Number of faces that repeat another; `galleries` shows a few of the groups."""
    rows = []
    for column, words in DUPLICATES.items():
        grouped = screening.filter(pl.col(column).is_not_null())
        rows.append([words, number(grouped[column].n_unique()), number(grouped.height)])
    pictures = "Of their pictures those are shown that the policy permits, each with its credit."
    says = [
        "Groups that screening found, before anybody judged them.",
        pictures if thumbnails else "Pictures are switched off (report.thumbnails).",
    ]
    tables = [("Groups of duplicates", PageTable(["Kind", "Groups", "Faces in them"], rows, numeric=2))]
    return PageSection("duplicates", "Duplicates", says, tables=tables, galleries=galleries)


def reviewers(curated: Figures) -> PageSection:
    ledger = curated["ledger"]
    says = [
        f"{number(ledger['decisions'])} decisions of {number(ledger['reviewers'])} reviewers "
        f"in {number(ledger['sittings'])} sittings."
    ]
    steps = {step: figures for step, figures in curated["agreement"].items() if "raw" in figures}
    if not steps:
        return PageSection("reviewers", "Reviewers' agreement", [*says, "Too few faces have two votes to compare."])
    rows = [
        [
            step.replace("_", " "),
            number(figures["faces"]),
            *(f"{figures[key]:.3f}" if key in figures else ALIKE for key in MEASURES),
        ]
        for step, figures in steps.items()
    ]
    table = PageTable(["Step", "Faces", "Agreement", "Kappa", "Alpha"], rows, numeric=4)
    varied = {step: figures for step, figures in steps.items() if "alpha" in figures}
    if alike := [step.replace("_", " ") for step in steps if step not in varied]:
        says.append(f"All votes are alike, so that alpha is not defined: {', '.join(alike)}.")
    if not varied:
        return PageSection("reviewers", "Reviewers' agreement", says, tables=[("Agreement by step", table)])
    names = [step.replace("_", " ") for step in varied]
    chart = Chart(
        name="agreement",
        title="Krippendorff's alpha by step (1: they always agree, 0: as by chance)",
        says="Bar chart of the reviewers' agreement by step; the table has the figures.",
        figure=_with_intervals(names, list(varied.values())),
        table=table,
        height_px=bars_height_px(len(names)),
    )
    return PageSection("reviewers", "Reviewers' agreement", says, [chart])


def _with_intervals(names: list[str], steps: list[Figures]) -> go.Figure:
    figure = bars(names, [figures["alpha"] for figures in steps], title="alpha", colour=COLOURS[5])
    above = [figures.get("alpha_high", figures["alpha"]) - figures["alpha"] for figures in steps]
    below = [figures["alpha"] - figures.get("alpha_low", figures["alpha"]) for figures in steps]
    figure.update_traces(error_x={"type": "data", "symmetric": False, "array": above, "arrayminus": below})
    return figure
