"""The gates, one line each: which figure, of which table, within which bounds, and how grave it is if not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from mtf.params import Gate, Params


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"


class Of(StrEnum):
    """Of which figure of a column an expectation speaks."""

    EVERY = "every value"
    LEAST = "the least"
    MEDIAN = "the median"
    MOST = "the most"


@dataclass(frozen=True)
class Expectation:
    """`column` of `table` lies within `least` and `most` (both included; None is no bound). `says` is for people."""

    name: Gate
    table: str
    column: str
    of: Of
    least: float | None
    most: float | None
    severity: Severity
    says: str

    @property
    def wanted(self) -> str:
        if self.least is None:
            return f"at most {_shown(self.most)}"
        return f"at least {_shown(self.least)}" if self.most is None else f"{_shown(self.least)} to {_shown(self.most)}"

    def offenders(self, figures: pl.DataFrame) -> str:
        """The values that are out of bounds, worst first, with what they belong to."""
        value = pl.col(self.column)
        if self.of is Of.MEDIAN:
            return f"median {_shown(figures[self.column].median())}"
        below = value < self.least if self.least is not None else pl.lit(False)
        above = value > self.most if self.most is not None else pl.lit(False)
        out = figures.filter(below | above).sort(self.column, descending=self.least is None)
        names = [name for name, dtype in figures.schema.items() if dtype == pl.String]
        texts = [f"{' '.join(row[n] for n in names)} {_shown(row[self.column])}" for row in out.iter_rows(named=True)]
        return ", ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")


def expectations(params: Params, figures: Mapping[str, pl.DataFrame]) -> list[Expectation]:
    """The expectations of `params.gates` whose tables have rows, in the order of the parameters."""
    gates = params.gates

    def gate(
        name: Gate, table: str, column: str, least: float | None, most: float | None, says: str, of: Of = Of.EVERY
    ) -> Expectation:
        severity = Severity.WARNING if name in gates.warn_only else Severity.CRITICAL
        return Expectation(name, table, column, of, least, most, severity, says)

    every = [
        gate("label_share", "labels", "share", *gates.label_share, "share of the images that carry each label"),
        gate("pair_share", "pairs", "share", *gates.pair_share, "share of the images that carry each pair of labels"),
        gate("least_images", "identities", "images", gates.least_images, None, "images per identity", Of.LEAST),
        gate("median_images", "identities", "images", *gates.median_images, "images per identity", Of.MEDIAN),
        gate("identity_share", "identities", "share", None, gates.identity_share, "share of one identity", Of.MOST),
        gate("split_share", "splits", "distance", None, gates.split_share, "distance of a split's share to the wanted"),
        gate("agreement", "agreement", "alpha", gates.agreement, None, "reviewers' agreement (Krippendorff's alpha)"),
        gate("funnel", "funnel", "change", None, gates.funnel, "change of the share that a step leaves"),
        gate("drift", "drift", "distance", None, gates.drift, "distance of a measure's distribution to the one before"),
    ]
    if (most := _most_unstated(params)) is not None:
        says = "share of images whose source states no license"
        every.append(gate("unstated_licenses", "unstated", "share", None, most, says))
    return [expectation for expectation in every if not figures[expectation.table].is_empty()]


def _most_unstated(params: Params) -> float | None:
    policy = params.licenses
    if params.gates.unstated_licenses is None and (policy.accept_unstated or policy.accept_claim):
        return None
    return params.gates.unstated_licenses or 0.0


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
