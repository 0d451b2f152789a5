"""Facts about a data set from its tables, for its cards and its Croissant description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from mtf.config import Params
from mtf.curation import certificate
from mtf.curation.certificate import Certificate
from mtf.faces.detectors import describe
from mtf.faces.model_files import ModelFile
from mtf.release.distribution import Distribution, distribution
from mtf.rights.audit.run import UNSTATED
from mtf.rights.licenses import catalogue
from mtf.schemas import SPLITS, DetectionOutcome, FetchOutcome
from mtf.sources import registry
from mtf.sources.base import FROM_THE_WEB, SECONDARY_DATA_ANALYSIS

Counted = list[tuple[str, int]]


@dataclass(frozen=True)
class FunnelCount:
    """Step of the funnel.

    - `step`: its name;
    - `left`: number of faces after it;
    - `reasons`: reason → number of faces that it dropped.
    """

    step: str
    left: int
    reasons: Counted


@dataclass(frozen=True)
class Facts:
    """Facts about a data set; counts are pairs of a name and a number.

    - `params`: parameters of the project;
    - `counts`: distribution over labels;
    - `splits`: faces of each split;
    - `licenses`: published originals by license, whatever the variant;
    - `sources`: images by source;
    - `outcomes`: addresses by outcome;
    - `images`, `without_face`, `faces`: stored images, images without a cropped face, cropped faces;
    - `funnel`: steps of the curation;
    - `first_fetched`, `last_fetched`: dates (ISO 8601), None if nothing was fetched;
    - `agreement`: step → figures of the reviewers' agreement;
    - `non_curated`: faces of the non-curated set;
    - `certificate`: certificate on wrong people, None if there is none;
    - `weights`: files of trained weights that found, measured or compared the faces;
    - `recorded_on`: day on which this version of `data/` was committed, None outside git.
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
    funnel: list[FunnelCount]
    first_fetched: str | None
    last_fetched: str | None
    agreement: Mapping[str, Any]
    non_curated: int
    certificate: Certificate | None = None
    weights: Sequence[ModelFile] = ()
    recorded_on: date | None = None

    @property
    def certified(self) -> list[str]:
        """Sentences of the certificate: the bound, or why there is none; the attention; then a line for each group."""
        if self.certificate is None:
            return []
        attention = certificate.decoy_line(self.certificate)
        groups = certificate.group_lines(self.certificate)
        return [certificate.in_words(self.certificate), *([attention] if attention else []), *groups]

    @property
    def title(self) -> str:
        return self.params.project.title

    @property
    def version(self) -> str:
        return self.params.release.version

    @property
    def contact_page(self) -> str | None:
        """The contact if it is a web address, None for a mail address."""
        contact = self.params.project.contact
        return contact if contact.startswith(("http://", "https://")) else None

    @property
    def license_urls(self) -> dict[str, str | None]:
        """License of the release, then those of its pictures → address of the terms, None if there is no single one."""
        names = dict.fromkeys([self.params.release.license, *(name for name, _ in self.licenses)])
        records = {name: catalogue.get(name) for name in names}
        return {name: record.url if record else None for name, record in records.items()}

    @property
    def detector(self) -> str:
        """The face detector and its parameters, in words."""
        return describe(self.params.crop)

    @property
    def levels(self) -> list[str]:
        """Label columns, then `identity`: the levels of folders of a release."""
        return [*self.params.attributes, "identity"]

    @property
    def is_reviewed(self) -> bool:
        """True if people reviewed every face of the data set; faces without agreement are held back."""
        return self.params.curate.mode == "curated"

    @property
    def is_licensed(self) -> bool:
        """True if a source states a license for every picture."""
        return UNSTATED not in dict(self.licenses)

    @property
    def is_from_the_web(self) -> bool:
        """True if some pictures were found by web scraping or a web API."""
        return any(kind in FROM_THE_WEB for kind in self.collection)

    @property
    def collection(self) -> list[str]:
        """Types of data collection in the words of Croissant's RAI vocabulary."""
        kinds = dict.fromkeys(collection_type(source) for source, _ in self.sources)
        return [*kinds, *(["Manual Human Curator"] if self.is_reviewed else [])]

    @property
    def imbalances(self) -> list[str]:
        """Sentences on the most and least frequent label of each task, and on pairs of labels without a face."""
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
    certified: Certificate | None = None,
    weights: Sequence[ModelFile] = (),
    recorded_on: date | None = None,
) -> Facts:
    """Facts from the tables. `published` has the faces of all variants with their pictures' licenses; `curated` is
    metrics/curate.json; `certified` is the certificate of the published faces.
    """
    fetched = fetches.filter(pl.col("outcome") == FetchOutcome.STORED)["fetched_at"]
    return Facts(
        params=params,
        counts=distribution(data, params),
        splits=[(split, data.filter(pl.col("split") == split).height) for split in SPLITS],
        licenses=tally(published.unique(["image_id", "license"])["license"].fill_null(UNSTATED)),
        sources=tally(images["source"]),
        outcomes=tally(fetches["outcome"]),
        images=images.height,
        without_face=detections.filter(pl.col("outcome") != DetectionOutcome.CROPPED).height,
        faces=faces.height,
        funnel=funnel(curated["steps"]),
        first_fetched=_day(fetched.min()),
        last_fetched=_day(fetched.max()),
        agreement=curated["agreement"],
        non_curated=non_curated.height,
        certificate=certified,
        weights=weights,
        recorded_on=recorded_on,
    )


def funnel(steps: Mapping[str, Any]) -> list[FunnelCount]:
    """Steps of the funnel, with those that dropped nothing. `steps` is from metrics/curate.json."""
    return [
        FunnelCount(step, figures["faces"], sorted(figures["dropped"].items(), key=lambda each: (-each[1], each[0])))
        for step, figures in steps.items()
    ]


def tally(values: pl.Series) -> Counted:
    """Distinct values with their counts, sorted by count (descending), then by name."""
    counts = values.alias("value").value_counts(name="count").sort("count", "value", descending=[True, False])
    return [(str(value), int(count)) for value, count in counts.iter_rows()]


def collection_type(source: str) -> str:
    """Way of collection of a source by its name; a data set that is no registered source is secondary data."""
    registered = registry.find(source)
    return SECONDARY_DATA_ANALYSIS if registered is None else registered.data_collection_type


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
