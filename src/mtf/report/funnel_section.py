"""Section on the funnel: images stored, faces detected, faces kept at each step, and reasons of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from mtf.core.clustered_share import MIN_CLUSTERS
from mtf.curation.funnel_tables import CROPPED, IMAGES
from mtf.curation.steps import title_of
from mtf.faces.undetected import headline
from mtf.report.report_page import COLOURS, Chart, PageSection, PageTable, number, percent

Figures = Mapping[str, Any]
KEPT, DROPPED = "rgba(68,119,170,0.55)", "rgba(238,102,119,0.45)"
REASONS_FROM = 0.74  # of the chart's width
DETECTED = "cropped"
CANNOT_BE_SAID = "cannot be said"


@dataclass(frozen=True)
class Passage:
    """Passage from one stage of the funnel to the next.

    - `title`: title of the next stage;
    - `passed`: number that passed;
    - `left`: number after it. Differs from `passed` only for the detector, which images pass and which leaves faces;
    - `dropped`: reason → number dropped.
    """

    title: str
    passed: int
    left: int
    dropped: Mapping[str, int]


def funnel(
    curated: Figures, cropped: Figures | None = None, undetected: Sequence[Mapping[str, Any]] = ()
) -> PageSection:
    """Section on the funnel, from metrics/curate.json, metrics/crop.json and the rows of the table undetected.

    Without the figures of the crop (None) the funnel begins with the faces.
    """
    faces, end = curated["cropped"]["faces"], curated["curated"]["faces"]
    start = (IMAGES, cropped["images"]) if cropped else (CROPPED, faces)
    passages = [*([_detected(cropped)] if cropped else []), *_steps(curated)]
    says = f"{number(end)} of {number(faces)} faces are in the data set ({percent(end / max(1, faces))})."
    found = []
    if cropped:
        images, with_faces = cropped["images"], cropped["images_with_faces"]
        found = [f"The detector found a face in {number(with_faces)} of {number(images)} images."]
    rows = [[start[0], number(start[1]), ""]]
    rows += [[each.title, number(each.left), ", ".join(_reasons(each.dropped))] for each in passages]
    chart = Chart(
        name="funnel",
        title="What is left from step to step, and why the rest left",
        says=f"Flow diagram of the funnel. {says} The table has every step.",
        figure=_sankey(start, passages),
        table=PageTable(["Step", "Left", "Left out, and why"], rows, numeric=0),
        height_px=90 + 72 * len(passages),
    )
    tables = [("Images without a detected face, by group", _by_group(undetected))] if undetected else []
    return PageSection("funnel", "The funnel", [*found, says, *_gaps(undetected)], [chart], tables)


def _by_group(rows: Sequence[Mapping[str, Any]]) -> PageTable:
    cells = [
        [
            row["attribute"],
            row["label"],
            number(row["people"]),
            number(row["images"]),
            number(row["undetected"]),
            "" if row["share"] is None else percent(row["share"]),
            CANNOT_BE_SAID if row["low"] is None else f"{percent(row['low'])} to {percent(row['high'])}",
        ]
        for row in rows
    ]
    header = ["Task", "Label", "People", "Images", "Without a face", "Share", "95 % interval"]
    return PageTable(header, cells, numeric=5)


def _gaps(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Sentence on the difference between the groups of each attribute; it names what cannot be said."""
    if not rows:
        return
    for attribute, figures in headline(rows).items():
        if "gap" in figures:
            n = sum(row["images"] for row in rows if row["attribute"] == attribute)
            gap = f"{100 * figures['gap']:.1f} points between groups of {attribute} (n = {number(n)} images)"
            yield f"The share of images without a detected face differs by {gap}."
        else:
            few = f"a group has fewer than {MIN_CLUSTERS} people"
            yield f"How much detection differs between groups of {attribute} {CANNOT_BE_SAID}: {few}."


def _detected(cropped: Figures) -> Passage:
    dropped = {name: count for name, count in cropped["outcomes"].items() if name != DETECTED and count}
    return Passage(CROPPED, cropped["images_with_faces"], cropped["faces"], dropped)


def _steps(curated: Figures) -> Iterator[Passage]:
    for step, figures in curated["steps"].items():
        yield Passage(title_of(step), figures["faces"], figures["faces"], figures["dropped"])


def _ordered(dropped: Mapping[str, int]) -> list[tuple[str, int]]:
    """Reasons with their numbers, most frequent first, as plotly lays out the nodes of a step."""
    return sorted(dropped.items(), key=lambda item: -item[1])


def _reasons(dropped: Mapping[str, int]) -> list[str]:
    """Texts such as "12 blurred"."""
    return [f"{number(count)} {reason.replace('_', ' ')}" for reason, count in _ordered(dropped)]


def _sankey(start: tuple[str, int], passages: Sequence[Passage]) -> go.Figure:
    """One node per step, one per reason at a step; a band's width is a number of images, then of faces.

    The reasons' names stand at the right of their step: on the nodes themselves, which are narrow, they would overlap.
    The pointer shows them there too (`named`).
    """
    labels, colours = [f"{start[0]}: {number(start[1])}"], [COLOURS[0]]
    named = list(labels)
    links: list[tuple[int, int, int, str]] = []
    here = 0
    for passage in passages:
        labels.append(f"{passage.title}: {number(passage.left)}")
        named.append(labels[-1])
        colours.append(COLOURS[0])
        following = len(labels) - 1
        links.append((here, following, passage.passed, KEPT))
        for reason, (_, count) in zip(_reasons(passage.dropped), _ordered(passage.dropped), strict=True):
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
    return figure.update_layout(annotations=list(_reasons_beside(passages)))


def _reasons_beside(passages: Sequence[Passage]) -> Iterator[dict[str, Any]]:
    for level, passage in enumerate(passages, start=1):
        if passage.dropped:
            yield {
                "text": "<br>".join(_reasons(passage.dropped)),
                "x": REASONS_FROM,
                "y": 1 - level / len(passages),
                "xref": "paper",
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "middle",
                "align": "left",
                "showarrow": False,
                "font": {"size": 12},
            }
