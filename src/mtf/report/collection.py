"""Sections on how the data came about: the funnel, the addresses, the licenses, the duplicates, the reviewers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl

from mtf.report.parts import COLOURS, Chart, Gallery, Section, Table, bars, bars_height_px, number, percent

Figures = Mapping[str, Any]
KEPT, DROPPED = "rgba(68,119,170,0.55)", "rgba(238,102,119,0.45)"


def funnel(curated: Figures, titles: Mapping[str, str]) -> Section:
    """From the faces cut out to the data set; `titles` names the steps for people."""
    start, end = curated["cropped"]["faces"], curated["curated"]["faces"]
    rows = [[titles["cropped"], number(start), ""]]
    for step, figures in curated["steps"].items():
        rows.append([titles[step], number(figures["faces"]), ", ".join(_reasons(figures["dropped"]))])
    says = f"{number(end)} of {number(start)} faces are in the data set ({percent(end / max(1, start))})."
    chart = Chart(
        name="funnel",
        title="Faces from step to step, and why the others left",
        says=f"Flow diagram of the funnel. {says} The table has every step.",
        figure=_sankey(curated, titles),
        table=Table(["Step", "Faces left", "Left out, and why"], rows, numeric=0),
        height_px=90 + 72 * len(curated["steps"]),
    )
    held = curated["held_back"]
    waiting = sum(held.values())
    more = [f"{number(waiting)} faces wait for a decision of the reviewers."] if waiting else []
    return Section("funnel", "The funnel", [says, *more], [chart])


def _reasons(dropped: Mapping[str, int]) -> list[str]:
    """`12 blurred`, … from the most frequent to the least: the order in which plotly lays out a step's nodes."""
    ordered = sorted(dropped.items(), key=lambda item: -item[1])
    return [f"{number(count)} {reason.replace('_', ' ')}" for reason, count in ordered]


def _sankey(curated: Figures, titles: Mapping[str, str]) -> go.Figure:
    """One node per step, one per reason at a step; a band's width is a number of faces.

    The reasons' names stand at the right of their step: on the nodes themselves, which are narrow, they would overlap.
    The pointer shows them there too (`named`).
    """
    labels, colours = [f"{titles['cropped']}: {number(curated['cropped']['faces'])}"], [COLOURS[0]]
    named = list(labels)
    links: list[tuple[int, int, int, str]] = []
    here = 0
    for step, figures in curated["steps"].items():
        labels.append(f"{titles[step]}: {number(figures['faces'])}")
        named.append(labels[-1])
        colours.append(COLOURS[0])
        following = len(labels) - 1
        links.append((here, following, figures["faces"], KEPT))
        for reason, count in zip(_reasons(figures["dropped"]), sorted(figures["dropped"].values())[::-1], strict=True):
            labels.append("")
            named.append(reason)
            colours.append(COLOURS[1])
            links.append((here, len(labels) - 1, count, DROPPED))
        here = following
    source, target, value, colour = (list(column) for column in zip(*links, strict=True))
    figure = go.Figure(
        go.Sankey(
            orientation="v",
            domain={"x": [0, REASONS_FROM - 0.02]},
            node={
                "label": labels,
                "customdata": named,
                "hovertemplate": "%{customdata}<extra></extra>",
                "color": colours,
                "pad": 18,
                "thickness": 16,
                "align": "left",
            },
            link={
                "source": source,
                "target": target,
                "value": value,
                "color": colour,
                "customdata": [named[node] for node in target],
                "hovertemplate": "%{customdata}<extra></extra>",
            },
        )
    )
    return figure.update_layout(annotations=list(_reasons_beside(curated["steps"])))


REASONS_FROM = 0.74  # of the chart's width


def _reasons_beside(steps: Mapping[str, Figures]) -> Iterator[dict[str, Any]]:
    for level, figures in enumerate(steps.values(), start=1):
        if figures["dropped"]:
            yield {
                "text": "<br>".join(_reasons(figures["dropped"])),
                "x": REASONS_FROM,
                "y": 1 - level / len(steps),
                "xref": "paper",
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "middle",
                "align": "left",
                "showarrow": False,
                "font": {"size": 12},
            }


def addresses(crawled: Figures) -> Section:
    outcomes = crawled["outcomes"]
    names = [name.replace("_", " ") for name in outcomes]
    chart = Chart(
        name="addresses",
        title="What came of the addresses",
        says=f"Bar chart of {number(crawled['addresses'])} addresses by outcome.",
        figure=bars(names, list(outcomes.values()), title="addresses"),
        height_px=bars_height_px(len(names)),
        table=Table(["Outcome", "Addresses"], list(zip(names, map(number, outcomes.values()), strict=True))),
    )
    says = f"{number(crawled['images'])} pictures of {number(crawled['identities'])} people were stored."
    return Section("addresses", "Where the pictures come from", [says], [chart])


def licenses(shares: pl.DataFrame, release_license: str) -> Section:
    """`shares` has license, images and share."""
    rows = [[license, number(images), percent(share)] for license, images, share in shares.iter_rows()]
    chart = Chart(
        name="licenses",
        title="Images by the license that their source states",
        says=f"Bar chart of {shares.height} licenses; the most frequent is {rows[0][0]}." if rows else "No images.",
        figure=bars(shares["license"].to_list(), shares["images"].to_list(), title="images", colour=COLOURS[2]),
        height_px=bars_height_px(shares.height),
        table=Table(["License", "Images", "Share"], rows, numeric=2),
    )
    return Section("licenses", "Licenses", [f"The release itself bears {release_license}."], [chart])


DUPLICATES = {"exact_group": "the same picture", "near_group": "nearly the same", "across_group": "across identities"}


def duplicates(screening: pl.DataFrame, galleries: Sequence[Gallery], *, thumbnails: bool) -> Section:
    """How many faces repeat another; `galleries` shows a few of the groups."""
    rows = []
    for column, words in DUPLICATES.items():
        grouped = screening.filter(pl.col(column).is_not_null())
        rows.append([words, number(grouped[column].n_unique()), number(grouped.height)])
    says = ["Groups that screening found, before anybody judged them."]
    if not thumbnails:
        says.append("Pictures are switched off (report.thumbnails).")
    tables = [("Groups of duplicates", Table(["Kind", "Groups", "Faces in them"], rows, numeric=2))]
    return Section("duplicates", "Duplicates", says, tables=tables, galleries=galleries)


def reviewers(curated: Figures) -> Section:
    ledger = curated["ledger"]
    says = [
        f"{number(ledger['decisions'])} decisions of {number(ledger['reviewers'])} reviewers "
        f"in {number(ledger['sittings'])} sittings."
    ]
    steps = {step: figures for step, figures in curated["agreement"].items() if "alpha" in figures}
    if not steps:
        return Section("reviewers", "Reviewers' agreement", [*says, "Too few faces have two votes to compare."])
    names = [step.replace("_", " ") for step in steps]
    rows = [
        [name, number(figures["faces"]), *(f"{figures[key]:.3f}" if key in figures else "" for key in MEASURES)]
        for name, figures in zip(names, steps.values(), strict=True)
    ]
    chart = Chart(
        name="agreement",
        title="Krippendorff's alpha by step (1: they always agree, 0: as by chance)",
        says="Bar chart of the reviewers' agreement by step; the table has the figures.",
        figure=_with_intervals(names, list(steps.values())),
        table=Table(["Step", "Faces", "Agreement", "Kappa", "Alpha"], rows, numeric=4),
        height_px=bars_height_px(len(names)),
    )
    return Section("reviewers", "Reviewers' agreement", says, [chart])


MEASURES = ("raw", "kappa", "alpha")


def _with_intervals(names: list[str], steps: list[Figures]) -> go.Figure:
    figure = bars(names, [figures["alpha"] for figures in steps], title="alpha", colour=COLOURS[5])
    above = [figures.get("alpha_high", figures["alpha"]) - figures["alpha"] for figures in steps]
    below = [figures["alpha"] - figures.get("alpha_low", figures["alpha"]) for figures in steps]
    figure.update_traces(error_x={"type": "data", "symmetric": False, "array": above, "arrayminus": below})
    return figure
