"""Cells and rows of tables by group, for terminal and report: rates with intervals, or why there are none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]
RATES = {
    "false_positive_rate": "FPR",
    "false_negative_rate": "FNR",
    "precision": "Precision",
    "recall": "Recall",
    "roc_auc": "ROC AUC",
    "calibration_error": "Calibration error",
    "mean_absolute_error": "MAE, in groups",
    "one_off": "At most one group off",
}
"""Figure of `fairness.report` → column. Labels in an order, such as age groups, have the last two; MAE is in steps of
the order, not in years."""
DIFFERENCES = {
    "equalized_odds_difference": "Equalised odds difference",
    "demographic_parity_difference": "Demographic parity difference",
}
"""Figure of a summary of `fairness.report` → column."""
STEPS = "mean_absolute_error"
MEANS_OVER_LABELS = (
    "Rates are means over the labels, each against the rest; (low to high): interval of 95 %, by person; (–): too few "
    "people of a label for one."
)


def columns(groupings: Mapping[str, Figures]) -> list[str]:
    """Figures of RATES that a group has; of labels without an order, MAE and one-off are left out."""
    every = [group for part in groupings.values() for group in part["groups"].values()]
    return [name for name in RATES if any(name in group for group in every)]


def rate_rows(groupings: Mapping[str, Figures], names: Sequence[str], *, decimals: int = 1) -> Iterator[list[str]]:
    """Row of each group with a picture: group, people, and the figures `names`, as of `rate`.

    A group without an interval has too few people: it has the number that is missing in place of figures.
    """
    for grouping, part in groupings.items():
        for group, figures in part["groups"].items():
            if not figures["n"]:
                continue
            cells = [f"{grouping}: {group}", f"{figures['people']:,}"]
            if "more_people" in figures:
                yield [*cells, f"cannot be said: {more_people(figures)}", *[""] * (len(names) - 1)]
            else:
                yield [*cells, *(rate(figures, name, decimals=decimals) for name in names)]


def large_and_small(groupings: Mapping[str, Figures]) -> tuple[dict[str, Figures], list[str]]:
    """The groupings without the groups that have too few people; and these, each with the number that is missing."""
    large, small = {}, []
    for grouping, part in groupings.items():
        groups = part["groups"]
        large[grouping] = {"groups": {name: row for name, row in groups.items() if "more_people" not in row}}
        small += [
            f"{grouping}: {name} ({more_people(row)})"
            for name, row in groups.items()
            if row["n"] and "more_people" in row
        ]
    return large, small


def rate(figures: Figures, name: str, *, decimals: int = 1) -> str:
    """`12.3 % (8.1 to 17.9)`; without an interval, `12.3 % (–)`; `–` where the figure is not defined.

    decimals: of the ends of the interval.
    """
    if (value := figures.get(name)) is None:
        return "–"
    scale, unit, more = (1, "", 1) if name == STEPS else (100, " %", 0)
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    shown = [f"{scale * end:.{decimals + more}f}" for end in (low, high) if end is not None]
    return f"{scale * value:.{1 + more}f}{unit} ({' to '.join(shown) or '–'})"


def more_people(figures: Figures) -> str:
    """`9 more people`: how many a group lacks for an interval."""
    return f"{figures['more_people']:,} more people"


def differences(summary: Figures) -> list[str]:
    """Cells of DIFFERENCES."""
    return ["–" if name not in summary else f"{100 * summary[name]:.1f} %" for name in DIFFERENCES]


def pair_key(first: str, second: str) -> str:
    """Key of a pair of groups in `across` of a verification test; the groups are in the order of `groups`."""
    return f"{first}, {second}"
