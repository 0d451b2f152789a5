"""`mtf compare groups` and `mtf compare mitigation`: tables of figures by group over seeds and methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Column, Table

from mtf.comparison.run_figures import format_mean_std

Figures = Mapping[str, Any]
PERCENT: dict[str, Any] = {"unit": " %", "scale": 100, "digits": 1}
POINTS: dict[str, Any] = {"scale": 100, "digits": 1}


def group_tables(found: Figures) -> Iterator[Table]:
    """A table per task of `groups.run`: each group with the mean and the standard deviation over seeds."""
    for task, figures in found["tasks"].items():
        title = f"{found['model']}, {task}: {_share(figures['accuracy'])} over {found['seeds']} seeds"
        table = Table(
            "group",
            *map(_right, ("n", "accuracy", "interval of the mean", "FPR", "FNR", "calibration error")),
            title=title,
        )
        for attribute, part in figures["by_group"].items():
            for label, row in part["groups"].items():
                shown = [_share(row.get(name)) for name in _RATES]
                table.add_row(f"{attribute}: {label}", f"{row['n']:,}", shown[0], _interval(row), *shown[1:])
            if "gap" in part:
                table.add_row(f"{attribute}: gap", "", _share(part["gap"]), "", "", "", "", end_section=True)
        yield table


_RATES = ("accuracy", "false_positive_rate", "false_negative_rate", "calibration_error")


def mitigation_tables(found: Figures) -> Iterator[Table]:
    """Two tables of `mitigation.run`: the methods, and what each changes for each group."""
    by, methods = found["by"], found["methods"]
    title = f"{found['model']}, {found['task']}, groups by {by}, {found['seeds']} seed{'s' * (found['seeds'] > 1)}"
    others = [name for name in next(iter(methods.values()))["by_group"] if name != by]
    names = ("accuracy", "gap", "equalised odds", "demographic parity", *(f"gap by {name}" for name in others))
    table = Table("method", *map(_right, names), title=title)
    for method, figures in methods.items():
        part = figures["by_group"][by]
        kinds = ("gap", "equalized_odds_difference", "demographic_parity_difference")
        cells = [figures["accuracy"], *(part.get(name) for name in kinds)]
        cells += [figures["by_group"][name].get("gap") for name in others]
        table.add_row(method, *map(_share, cells))
    yield table
    table = Table("group", _right("n"), *map(_right, methods), title=f"accuracy by {by}, and its change in points")
    for label, row in methods["none"]["by_group"][by]["groups"].items():
        if "accuracy" not in row:
            continue
        cells = [_share(row["accuracy"])]
        for method, figures in methods.items():
            if method != "none":
                share = figures["by_group"][by]["groups"][label]["accuracy"]
                change = format_mean_std(figures["change"]["groups"][label], **POINTS)
                cells.append(f"{100 * share['mean']:.1f} % ({'' if change.startswith('-') else '+'}{change})")
        table.add_row(label, f"{row['n']:,}", *cells)
    yield table


def _right(name: str) -> Column:
    return Column(name, justify="right")


def _share(figure: Figures | None) -> str:
    return "–" if figure is None else format_mean_std(figure, **PERCENT)


def _interval(row: Figures) -> str:
    if "more_people" in row and row["n"]:
        return f"cannot be said: {row['more_people']:,} more people"
    return f"{100 * row['low']:.0f} to {100 * row['high']:.0f}" if "low" in row else "–"
