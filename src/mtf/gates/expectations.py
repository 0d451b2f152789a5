"""Expectations of the gates: the figure, its table, its bounds, and the severity of a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from mtf.config import Gate, Params
from mtf.rights.audit.findings import RECOMMENDATIONS, Code
from mtf.rights.consent import ConsentRule

Figures = Mapping[str, pl.DataFrame]


def _consent_says(what: str, code: Code) -> str:
    return f"{what}. {RECOMMENDATIONS[code]}"


SAYS: dict[Gate, str] = {
    "label_share": "share of the images that carry each label",
    "pair_share": "share of the images that carry each pair of labels",
    "intersection_share": "share of the images that carry each combination of all labels",
    "vanished": "combinations of labels that only the previous release has",
    "min_images": "images per identity",
    "median_images": "images per identity",
    "max_images": "images per identity",
    "identity_share": "share of one identity",
    "split_share": "distance between a split's share and the wanted share",
    "license_share": "share of the images under these licenses",
    "unstated_licenses": "share of the images whose source states no license",
    "agreement": "reviewers' agreement (Krippendorff's alpha; 1 where all votes are alike)",
    "funnel": "change of the share that a step keeps",
    "drift": "distance of a measure's distribution to that of the previous release",
    "consent_revoked": _consent_says("pictures of people who revoked their consent", Code.CONSENT_REVOKED),
    "consent_expired": _consent_says("pictures of people whose consent expired", Code.CONSENT_EXPIRED),
    "guardian_missing": _consent_says("pictures of minors without a guardian's consent", Code.GUARDIAN_MISSING),
    "consent_scope": _consent_says("pictures of people who permit less than the release does", Code.CONSENT_SCOPE),
    "consent_missing": _consent_says("pictures of people without a consent on record", Code.CONSENT_MISSING),
}
# In the order of `mtf.rights.consent.REASONS`.
CONSENT_GATES: tuple[Gate, ...] = (
    "consent_revoked", "consent_expired", "guardian_missing", "consent_scope", "consent_missing",
)  # fmt: skip


class Severity(StrEnum):
    """Severity of a failed expectation: a critical one prevents a release."""

    CRITICAL = "critical"
    WARNING = "warning"


class Statistic(StrEnum):
    """Statistic of a column that an expectation bounds."""

    EVERY = "every value"
    LEAST = "the least"
    MEDIAN = "the median"
    MOST = "the most"


@dataclass(frozen=True)
class Expectation:
    """Expectation that a statistic of a column lies within bounds.

    - `name`: its gate;
    - `table`, `column`, `of`: table of figures, column, and statistic of the column;
    - `least`, `most`: bounds, both included, None for no bound;
    - `severity`: severity of a failure;
    - `says`: description for people;
    - `part`: task or licenses, if the gate has bounds for each.
    """

    name: Gate
    table: str
    column: str
    of: Statistic
    least: float | None
    most: float | None
    severity: Severity
    says: str
    part: str = ""

    @property
    def full_name(self) -> str:
        """Name of the gate, with its part: `GATE.PART`."""
        return f"{self.name}.{self.part}" if self.part else self.name

    @property
    def wanted(self) -> str:
        """Bounds in words."""
        if self.least is None:
            return f"at most {_figure_text(self.most)}"
        return (
            f"at least {_figure_text(self.least)}"
            if self.most is None
            else f"{_figure_text(self.least)} to {_figure_text(self.most)}"
        )

    def offenders(self, figures: pl.DataFrame) -> str:
        """Values out of bounds with the names of their rows, worst first; the first three and the number of others."""
        value = pl.col(self.column)
        if self.of is Statistic.MEDIAN:
            return f"median {_figure_text(figures[self.column].median())}"
        below = value < self.least if self.least is not None else pl.lit(False)
        above = value > self.most if self.most is not None else pl.lit(False)
        out = figures.filter(below | above).sort(self.column, descending=self.least is None)
        names = [name for name, dtype in figures.schema.items() if dtype == pl.String]
        texts = [
            f"{' '.join(row[n] for n in names)} {_figure_text(row[self.column])}" for row in out.iter_rows(named=True)
        ]
        return ", ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")


@dataclass(frozen=True)
class NotChecked:
    """Gate that could not be checked.

    - `name`: name of the gate, with its part;
    - `why`: the reason.
    """

    name: str
    why: str


def expectations(params: Params) -> list[Expectation]:
    """Expectations of every gate of `params.gates` that has bounds, in the order of the parameters."""
    gates = params.gates
    every = [
        *_of_labels(params),
        _gate(params, "pair_share", "pairs", "share", gates.pair_share),
        _gate(params, "intersection_share", "intersections", "share", gates.intersection_share),
        _gate(params, "vanished", "vanished", "gone", (None, gates.vanished)),
        _gate(params, "min_images", "identities", "images", (gates.min_images, None), of=Statistic.LEAST),
        _gate(params, "median_images", "identities", "images", gates.median_images, of=Statistic.MEDIAN),
        _gate(params, "max_images", "identities", "images", (None, gates.max_images), of=Statistic.MOST),
        _gate(params, "identity_share", "identities", "share", (None, gates.identity_share), of=Statistic.MOST),
        _gate(params, "split_share", "splits", "distance", (None, gates.split_share)),
        *_of_licenses(params),
        _gate(params, "unstated_licenses", "unstated", "share", (None, _most_unstated(params))),
        _gate(params, "agreement", "agreement", "agreement", (gates.agreement, None)),
        _gate(params, "funnel", "funnel", "change", (None, gates.funnel)),
        _gate(params, "drift", "drift", "distance", (None, gates.drift)),
        *_of_consent(params),
    ]
    return [each for each in every if (each.least, each.most) != (None, None)]


def table_of_labels(task: str) -> str:
    """Name of the table with the label shares of a task."""
    return f"labels_{task}"


def table_of_licenses(group: str) -> str:
    """Name of the table with the share of a group of licenses."""
    return f"licenses_{re.sub(r'[*]', '_', group)}"


def not_checked(params: Params, figures: Figures) -> list[NotChecked]:
    """Gates without bounds, and gates whose tables have no rows, with the reason."""
    without_bounds = {
        "max_images": "null sets no bound" if params.gates.max_images is None else None,
        "license_share": None if params.gates.license_share else "no license has bounds",
        "unstated_licenses": "null, and the policy accepts them" if _most_unstated(params) is None else None,
        **_tasks_without_bounds(params),
    }
    empty = [each for each in expectations(params) if figures[each.table].is_empty()]
    return [
        *(NotChecked(name, why) for name, why in without_bounds.items() if why),
        *(NotChecked(each.full_name, _why_empty(each.name, params)) for each in empty),
    ]


def _why_empty(name: Gate, params: Params) -> str:
    if name in ("vanished", "funnel", "drift"):
        return (
            "no previous release" if params.release.previous is None else "nothing to compare in the previous release"
        )
    return {
        "label_share": "no task has labels",
        "pair_share": "fewer than two tasks have labels",
        "intersection_share": "fewer than three tasks have labels",
        "agreement": "too few faces have two votes",
    }.get(name, "no images")


def _of_labels(params: Params) -> Iterator[Expectation]:
    bounds = params.gates.label_share
    if not isinstance(bounds, dict):
        yield _gate(params, "label_share", "labels", "share", bounds)
        return
    for task, limits in bounds.items():
        yield _gate(params, "label_share", table_of_labels(task), "share", limits, part=task)


def _tasks_without_bounds(params: Params) -> dict[str, str]:
    bounds = params.gates.label_share
    labelled = [name for name, task in params.tasks.items() if task.labels and not task.combines]
    missing = [name for name in labelled if isinstance(bounds, dict) and name not in bounds]
    return {f"label_share.{name}": "it has no bounds" for name in missing}


def _of_licenses(params: Params) -> Iterator[Expectation]:
    for group, limits in params.gates.license_share.items():
        yield _gate(params, "license_share", table_of_licenses(group), "share", limits, part=group)


def _of_consent(params: Params) -> Iterator[Expectation]:
    """No picture of a person whose consent is lacking; critical whatever `warn_only` says."""
    for name in CONSENT_GATES if ConsentRule.of(params) else ():
        yield Expectation(name, name, "pictures", Statistic.EVERY, None, 0, Severity.CRITICAL, SAYS[name])


def _gate(
    params: Params,
    name: Gate,
    table: str,
    column: str,
    bounds: tuple[float | None, float | None],
    *,
    of: Statistic = Statistic.EVERY,
    part: str = "",
) -> Expectation:
    severity = Severity.WARNING if name in params.gates.warn_only else Severity.CRITICAL
    return Expectation(name, table, column, of, *bounds, severity, SAYS[name], part)


def _most_unstated(params: Params) -> float | None:
    policy = params.licenses
    is_unasked = policy.basis == "consent" or policy.accept_unstated or policy.accept_claim
    if params.gates.unstated_licenses is None and is_unasked:
        return None
    return params.gates.unstated_licenses or 0.0


def _figure_text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
