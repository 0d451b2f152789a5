"""What the tables know about a data set, gathered once for its cards and its Croissant description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from mtf.faces.detectors import describe
from mtf.licenses.audit import UNSTATED
from mtf.params import Params
from mtf.release.distribution import Distribution, distribution
from mtf.tables import SPLITS, Detected, Fetched

Counted = list[tuple[str, int]]
SEARCHED, ASKED, OWN, REUSED = "Web Scraping", "Web API", "Others", "Secondary Data Analysis"
_COLLECTED = {
    "bing": SEARCHED,
    "google": SEARCHED,
    "openverse": ASKED,
    "commons": ASKED,
    "flickr": ASKED,
    "folder": OWN,
}


@dataclass(frozen=True)
class Left:
    """A step of the funnel: how many faces are left after it, and why the others are not."""

    step: str
    left: int
    reasons: Counted


@dataclass(frozen=True)
class Facts:
    """`agreement` is the reviewers', by step; `first_fetched` and `last_fetched` are dates (ISO 8601).

    `licenses` counts the originals that are published, whichever variant shows them.
    """

    params: Params
    counts: Distribution
    splits: Counted
    licenses: Counted
    sources: Counted
    outcomes: Counted
    images: int
    without_face: int
    faces: int
    funnel: list[Left]
    first_fetched: str | None
    last_fetched: str | None
    agreement: Mapping[str, Any]
    non_curated: int

    @property
    def title(self) -> str:
        return self.params.project.title

    @property
    def version(self) -> str:
        return self.params.release.version

    @property
    def detector(self) -> str:
        """The face detector and its parameters, in words."""
        return describe(self.params.crop)

    @property
    def levels(self) -> list[str]:
        return [*self.params.attributes, "identity"]

    @property
    def is_reviewed(self) -> bool:
        """Whether people judged every face of the data set: those that they did not agree on are held back."""
        return self.params.curate.flavour == "curated"

    @property
    def is_licensed(self) -> bool:
        """Whether a source states a license for every picture."""
        return UNSTATED not in dict(self.licenses)

    @property
    def is_from_the_web(self) -> bool:
        return any(kind in (SEARCHED, ASKED) for kind in self.collection)

    @property
    def collection(self) -> list[str]:
        """How the pictures came, in the words of Croissant's RAI vocabulary."""
        kinds = dict.fromkeys(_COLLECTED.get(source, REUSED) for source, _ in self.sources)
        return [*kinds, *(["Manual Human Curator"] if self.is_reviewed else [])]

    @property
    def imbalances(self) -> list[str]:
        """In words: the most and the least frequent label of each task, and pairs of labels that nothing carries."""
        return [*_spreads(self.counts), *_gaps(self.counts)]


def gather(
    *,
    params: Params,
    data: pl.DataFrame,
    non_curated: pl.DataFrame,
    published: pl.DataFrame,
    faces: pl.DataFrame,
    images: pl.DataFrame,
    fetches: pl.DataFrame,
    detections: pl.DataFrame,
    curated: Mapping[str, Any],
) -> Facts:
    """`published` are the faces of all variants, with their pictures' licenses; `curated` is metrics/curate.json."""
    fetched = fetches.filter(pl.col("outcome") == Fetched.STORED)["fetched_at"]
    return Facts(
        params=params,
        counts=distribution(data, params),
        splits=[(split, data.filter(pl.col("split") == split).height) for split in SPLITS],
        licenses=tally(published.unique(["image_id", "license"])["license"].fill_null(UNSTATED)),
        sources=tally(images["source"]),
        outcomes=tally(fetches["outcome"]),
        images=images.height,
        without_face=detections.filter(pl.col("outcome") != Detected.CROPPED).height,
        faces=faces.height,
        funnel=funnel(curated["steps"]),
        first_fetched=_day(fetched.min()),
        last_fetched=_day(fetched.max()),
        agreement=curated["agreement"],
        non_curated=non_curated.height,
    )


def funnel(steps: Mapping[str, Any]) -> list[Left]:
    """What is left after each step; steps that dropped nothing are there too. `steps` is of metrics/curate.json."""
    return [
        Left(step, figures["faces"], sorted(figures["dropped"].items(), key=lambda each: (-each[1], each[0])))
        for step, figures in steps.items()
    ]


def tally(values: pl.Series) -> Counted:
    """Distinct values with their counts, most frequent first, then by name."""
    counts = values.alias("value").value_counts(name="count").sort("count", "value", descending=[True, False])
    return [(str(value), int(count)) for value, count in counts.iter_rows()]


def _day(time: Any) -> str | None:
    return None if time is None else time.date().isoformat()


def _spreads(counts: Distribution) -> list[str]:
    total = counts["total"]["images"] or 1
    lines = []
    for column, labels in counts["tasks"].items():
        most, least = (pick(labels, key=lambda label: labels[label]["images"]) for pick in (max, min))
        shares = [f"{label} {100 * labels[label]['images'] / total:.1f} %" for label in (most, least)]
        lines.append(f"{column}: the most frequent label is {shares[0]} of the faces, the least frequent {shares[1]}.")
    return lines


def _gaps(counts: Distribution) -> list[str]:
    return [
        f"{name.replace('_by_', ' × ')}: no face is {row} and {label}."
        for name, table in counts["pairs"].items()
        for row, cells in table.items()
        for label, count in cells.items()
        if count["images"] == 0
    ]
