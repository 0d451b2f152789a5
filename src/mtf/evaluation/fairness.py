"""Accuracy of a classifier by group: intervals clustered by person, rates, gaps, and the statistics of EFRS's tables.

Pictures of one person resemble each other, so intervals and tests count people (`groups`). If a group has too few for
an interval, the figures say how many more it needs. A group is called the worst or the best only if a test says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from mtf.config import WITH, Fairness
from mtf.core import clustered_share
from mtf.evaluation import cluster_bootstrap, group_tests, rate_intervals
from mtf.evaluation.group_rates import ORDERED, RATES, Answers, differences, rates
from mtf.evaluation.groups import Group, Question, everybody, groups_of

DEFAULT = Fairness()
DIGITS = 4
# Level at which a group is called the worst or the best, and 1 - confidence of all intervals.
LEVEL = 0.05
INTERVALS = ("low", "high", "bootstrap_low", "bootstrap_high")
FIGURES = ("n", "people", "more_people", "accuracy", *INTERVALS, *RATES, *ORDERED, *rate_intervals.columns())
SUMMARY = (
    *("worst_group", "worst", "worst_p", "best_group", "best", "best_p"),
    *("gap", "gap_low", "gap_high", "ratio", "mean", "std", "spread"),
)

Interval = tuple[float | None, float | None]


def over_all(predictions: pl.DataFrame, *, settings: Fairness = DEFAULT) -> dict[str, Any]:
    """`n`, `people`, `accuracy`, `low` and `high` of all predictions, as of `by_group`; undefined ones are left out."""
    return _defined(_accuracy(everybody(predictions), settings))


def by_group(
    predictions: pl.DataFrame,
    attributes: Mapping[str, Sequence[str]],
    *,
    seed: int,
    settings: Fairness = DEFAULT,
    question: Question | None = None,
) -> list[dict[str, Any]]:
    """Figures for every combination of the attributes' labels, as of `groups_of`. A row has the attributes' labels and

    - `n`, `people`, `accuracy`: pictures, people, and share of right answers (null where n is 0);
    - `low`, `high`: interval of 95 %, clustered by person (`clustered_share.interval`); null for fewer than
      `settings.min_people` people, and `more_people` then says how many are missing (else null);
    - `bootstrap_low`, `bootstrap_high`: the same by a bootstrap over people (`cluster_bootstrap.interval`), for groups
      of at least `settings.min_n` pictures and `min_people` people;
    - with a `question`, and at least one picture: the figures of `group_rates.rates`; from `settings.min_people` people
      on, with the ends of `rate_intervals.intervals`.
    """
    groups = groups_of(predictions, attributes)
    answers = question.answers(predictions) if question else None
    generator = np.random.default_rng(seed)
    return [
        dict(zip(attributes, group.labels, strict=True)) | _figures(group, answers, settings, generator)
        for group in groups
    ]


def _figures(
    group: Group, answers: Answers | None, settings: Fairness, generator: np.random.Generator
) -> dict[str, Any]:
    """The FIGURES of one group."""
    found: dict[str, Any] = dict.fromkeys(FIGURES) | _accuracy(group, settings)
    if len(group.pictures) >= settings.min_people and group.n >= settings.min_n:
        ends = cluster_bootstrap.interval(*group.counts, settings.bootstraps, generator)
        found["bootstrap_low"], found["bootstrap_high"] = _rounded(ends)
    if answers is not None and group.n:
        of_group = answers.of(group.rows)
        found |= rates(of_group)
        if len(group.pictures) >= settings.min_people:
            found |= rate_intervals.intervals(of_group, group.people, found)
    return found


def _accuracy(group: Group, settings: Fairness) -> dict[str, Any]:
    """`n`, `people`, `more_people`, `accuracy`, `low` and `high` of one group."""
    people, min_people = len(group.pictures), settings.min_people
    ends = None
    if people >= min_people:
        ends = clustered_share.interval(*group.counts, min_clusters=min_people)
    low, high = _rounded(ends)
    return {
        "n": group.n,
        "people": people,
        "more_people": min_people - people if people < min_people else None,
        "accuracy": round(int(group.right.sum()) / group.n, DIGITS) if group.n else None,
        "low": low,
        "high": high,
    }


def _rounded(ends: tuple[float, float] | None) -> Interval:
    return (None, None) if ends is None else (round(ends[0], DIGITS), round(ends[1], DIGITS))


def summary(groups: Sequence[Group], *, seed: int, settings: Fairness = DEFAULT) -> dict[str, Any]:
    """Summary of the groups that have at least `settings.min_n` pictures; all null if there is none.

    - `groups`, `small_groups`, `empty_groups`: numbers of groups that are counted, too small, and without a picture;
    - `worst`, `best`: lowest and highest accuracy; `gap`, `ratio`: difference and quotient of the two;
    - `gap_low`, `gap_high`: interval of the gap, of 95 % for all pairs of groups together (Bonferroni), by
      `clustered_share.difference`; null if one of the two has fewer than `settings.min_people` people;
    - `worst_group`, `best_group`: names of these groups, if their accuracy differs from that of all groups by more than
      chance: `worst_p`, `best_p` at most LEVEL, by `group_tests.lower_and_higher`; else null. In data without a
      difference between groups, one is called the worst in at most 5 % of cases;
    - `mean`, `std`, `spread`: as in EFRS's Tables 3 to 5. `spread` is EFRS's word for the gap. EFRS does not say which
      standard deviation it means; this is the sample's (n - 1), as pandas computes it.
    """
    min_n = settings.min_n
    large = [group for group in groups if group.n and group.n >= min_n]
    found: dict[str, Any] = {
        "groups": len(large),
        "small_groups": sum(0 < group.n < min_n for group in groups),
        "empty_groups": sum(group.n == 0 for group in groups),
    }
    if not large:
        return found | dict.fromkeys(SUMMARY)
    shares = {group.name: int(group.right.sum()) / group.n for group in large}
    lowest, highest = (choose(large, key=lambda group: shares[group.name]) for choose in (min, max))
    worst, best = round(shares[lowest.name], DIGITS), round(shares[highest.name], DIGITS)
    gap_low, gap_high = gap_interval(lowest, highest, groups=len(large), min_people=settings.min_people)
    tested = group_tests.lower_and_higher({group.name: group.counts for group in large}, seed=seed)
    lower, higher = tested[lowest.name][0], tested[highest.name][1]
    return found | {
        "worst_group": lowest.name if lower <= LEVEL else None,
        "worst": worst,
        "worst_p": round(lower, DIGITS),
        "best_group": highest.name if higher <= LEVEL else None,
        "best": best,
        "best_p": round(higher, DIGITS),
        "gap": round(best - worst, DIGITS),
        "gap_low": gap_low,
        "gap_high": gap_high,
        "ratio": round(worst / best, DIGITS) if best else None,
        **spread([round(share, DIGITS) for share in shares.values()]),
    }


def gap_interval(lowest: Group, highest: Group, *, groups: int, min_people: int) -> Interval:
    """Interval of the gap between two of `groups` groups, which are the lowest and the highest of all.

    It is one of 95 % for all pairs of groups together (Bonferroni), and never below 0.
    """
    pairs = groups * (groups - 1) // 2
    if not pairs:
        return None, None
    low, high = _rounded(
        clustered_share.difference(highest.counts, lowest.counts, confidence=1 - LEVEL / pairs, min_clusters=min_people)
    )
    return (None if low is None else max(low, 0.0)), high


def groupings(attributes: Sequence[str]) -> list[list[str]]:
    """Sets of attributes to group by: each attribute, each pair, and all of them together."""
    sizes = sorted({1, min(2, len(attributes)), len(attributes)}) if attributes else []
    return [list(names) for size in sizes for names in itertools.combinations(attributes, size)]


def report(
    predictions: pl.DataFrame,
    attributes: Mapping[str, Sequence[str]],
    *,
    seed: int,
    settings: Fairness = DEFAULT,
    question: Question | None = None,
) -> dict[str, dict[str, Any]]:
    """Fairness report: grouping (`A`, `A × B`, …) → `summary`, and `groups`: name of the group → figures.

    The summary is that of `summary`, and with a `question` also has the differences of `group_rates.differences` over
    its groups. If the model predicts the attribute itself, the groups are the true labels, and their accuracy is the
    recall. Undefined figures are left out.
    """
    found = {}
    answers = question.answers(predictions) if question else None
    for names in groupings(list(attributes)):
        parts = {name: attributes[name] for name in names}
        groups = groups_of(predictions, parts)
        over_all = summary(groups, seed=seed, settings=settings)
        if answers:
            large = [answers.of(group.rows) for group in groups if group.n and group.n >= settings.min_n]
            over_all |= differences(large)
        generator = np.random.default_rng(seed)
        found[WITH.join(names)] = {
            "summary": _defined(over_all),
            "groups": {group.name: _defined(_figures(group, answers, settings, generator)) for group in groups},
        }
    return found


def table(found: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """Table of a report, for plots: `group`, a unique name (`ATTRIBUTE: LABEL`), and the figures of each group."""
    rows = [
        {"group": f"{attribute}: {group}"} | {figure: figures.get(figure) for figure in FIGURES}
        for attribute, part in found.items()
        for group, figures in part["groups"].items()
    ]
    counts = dict.fromkeys(("n", "people", "more_people"), pl.Int64)
    types = {"group": pl.String} | dict.fromkeys(FIGURES, pl.Float64) | counts
    return pl.DataFrame(rows, schema=types)


def _defined(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if value is not None}


def spread(figures: Sequence[float | None]) -> dict[str, float | None]:
    """Mean, sample standard deviation and spread (maximum minus minimum) of one metric over subgroups, as in EFRS.

    A subgroup for which the metric is undefined, such as the ROC AUC of one class, is None and left out.
    """
    values = [figure for figure in figures if figure is not None]
    if not values:
        return {"mean": None, "std": None, "spread": None}
    std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {
        "mean": round(float(np.mean(values)), DIGITS),
        "std": round(std, DIGITS),
        "spread": round(max(values) - min(values), DIGITS),
    }
