"""Section on the models: accuracy by task and subgroup, with baselines; results of `mtf compare` and `mtf label`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from mtf.evaluation import group_tables
from mtf.evaluation.figure_files import Groups, Scores
from mtf.papers import mtf_tables
from mtf.report.report_page import COLOURS, Chart, PageSection, PageTable, bars_height_px, number, percent

Figures = Mapping[str, Any]
BASELINE_COLOURS = {
    "untrained": "#DDDDDD",
    "uniform_guess": "#BBBBBB",
    "random_guess": "#BBBBBB",  # the uniform guess, before version 0.2
    "majority": "#777777",
}
ENDS = ["Model", "Grouped by", "Worst group", "Best group", "Gap", *group_tables.DIFFERENCES.values()]
STALE = "Some models were measured on another test split than the present one: `dvc repro` measures them again."
Named = tuple[str, PageTable]
MEASURES = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "roc_auc": "ROC AUC", "f1": "F1"}


def models(
    scores: Scores,
    groups: Groups,
    *,
    all_correct: Mapping[str, float],
    pictures: Sequence[tuple[str, str]] = (),
    is_stale: bool = False,
    others: Sequence[tuple[str, PageTable]] = (),
    confusions: Sequence[tuple[str, PageTable]] = (),
    undetected: str | None = None,
) -> PageSection:
    """Section with the accuracy of every model on every task, baselines, and the accuracy by subgroup with intervals.

    - `scores`: task → model → measure → figure;
    - `groups`: task → model → grouping → figures;
    - `all_correct`: multi-task network → share of pictures with every task correct, 0 to 1;
    - `pictures`: further figures as `data:` addresses with captions;
    - `is_stale`: True if models were evaluated on another test split;
    - `others`: tables of trainings outside the pipeline;
    - `confusions`: confusion matrices as tables, where there are no pictures of them;
    - `undetected`: sentence on the test pictures without a detected face, None if nothing is known of them.
    """
    if not scores:
        return PageSection("models", "Models", ["No model has been evaluated yet."], tables=others)
    says = ["On the test split; macro averages.", *([undetected] if undetected else [])]
    for model, share in all_correct.items():
        says.append(f"{model}: every task correct for {percent(share)} of the pictures.")
    if is_stale:
        says.insert(0, STALE)
    grouped = {task: groups[task] for task in scores if task in groups}
    scope = f". {undetected}" if undetected else ""
    tables = [(f"Test results: {task}{scope}", _scores(rows)) for task, rows in scores.items()]
    folded = []
    for task, found in grouped.items():
        folded += [(f"Worst and best group: {task}", PageTable(ENDS, rows))] if (rows := list(_ends(found))) else []
        folded += _rates(task, found)
        folded += [(f"Intersections: {task}", table)] if (table := _intersections(found)) else []
    if worst := list(_worst(grouped)):
        tables.insert(
            0,
            (
                "The worst group of each model",
                PageTable(["Task", "Model", "Worst group", "Gap to the best group"], worst),
            ),
        )
    folded += confusions
    charts = [_accuracies(scores), *(_subgroups(task, by_model) for task, by_model in grouped.items())]
    return PageSection("models", "Models", says, charts, [*tables, *others], pictures=pictures, folded=folded)


def _accuracies(scores: Scores) -> Chart:
    names = _names(scores)
    figure = go.Figure()
    for model in names:
        values = [scores[task].get(model, {}).get("accuracy") for task in scores]
        figure.add_bar(name=readable(model), x=list(scores), y=values, marker_color=_colour(model, names))
    figure.update_layout(barmode="group", yaxis={"title": "accuracy", "range": [0, 1]})
    rows = [
        [task, *(percent(by[model]["accuracy"]) if model in by else "" for model in names)]
        for task, by in scores.items()
    ]
    return Chart(
        name="accuracy",
        title="Accuracy by task and model",
        says="Grouped bar chart of accuracy by task and model, with baselines; the table has the figures.",
        figure=figure,
        table=PageTable(["Task", *map(readable, names)], rows, numeric=len(names)),
    )


def _scores(rows: Mapping[str, Mapping[str, float]]) -> PageTable:
    names = list(dict.fromkeys(name for scores in rows.values() for name in scores))
    body = [
        [readable(model), *(f"{scores[name]:.3f}" if name in scores else "" for name in names)]
        for model, scores in rows.items()
    ]
    return PageTable(["Model", *map(readable, names)], body, numeric=len(names))


def _ends(by_model: Mapping[str, Mapping[str, Figures]]) -> Iterator[list[str]]:
    """Rows of the worst and best group, and the gap, for each model and grouping; small groups do not count.

    A group is named only if its difference is significant (`fairness.summary`).
    """
    for model, groupings in by_model.items():
        for grouping, found in groupings.items():
            summary, groups = found["summary"], found["groups"]
            if "gap" in summary:
                yield [
                    readable(model),
                    grouping,
                    *(_end(summary, groups, which) for which in ("worst", "best")),
                    _gap(found),
                    *group_tables.differences(summary),
                ]


def worst_group(groupings: Mapping[str, Figures]) -> tuple[str, str] | None:
    """Name of the worst group of all groupings of a model, and its accuracy as text; None if no group can be named."""
    if (found := _worst_grouping(groupings)) is None:
        return None
    name = found["summary"]["worst_group"]
    return name, _share(found["groups"][name])


def _worst_grouping(groupings: Mapping[str, Figures]) -> Figures | None:
    """Grouping whose worst group has the lowest accuracy, of those that name one (`fairness.summary`)."""
    named = [found for found in groupings.values() if "worst_group" in found["summary"]]
    return min(named, key=lambda found: found["summary"]["worst"], default=None)


def confusion_table(found: Figures) -> PageTable:
    """Confusion matrices of all intersections as a table, for a page without pictures; `found` is their JSON file."""
    labels = found["labels"]
    rows = [
        [" × ".join(group["group"].values()) or "all", label, *map(number, counts)]
        for group in found["groups"]
        for label, counts in zip(labels, group["matrix"], strict=True)
    ]
    return PageTable(["Group", "True label", *(f"said {label}" for label in labels)], rows, numeric=len(labels))


def _worst(groups: Groups) -> Iterator[list[str]]:
    """Rows of the worst group of all groupings for each task and model, of those that can be named."""
    for task, by_model in groups.items():
        for model, groupings in by_model.items():
            if (found := _worst_grouping(groupings)) is not None:
                yield [task, readable(model), _end(found["summary"], found["groups"], "worst"), _gap(found)]


def _end(summary: Figures, groups: Mapping[str, Figures], which: str) -> str:
    """Name and figures of the worst or the best group; without a significant difference, its accuracy alone."""
    if (name := summary.get(f"{which}_group")) is not None:
        return f"{name}: {_share(groups[name])}"
    return f"{percent(summary[which])}; which group cannot be said"


def _gap(found: Figures) -> str:
    """Gap of a grouping with its interval and the pictures of all groups: `12.0 % (2.1 to 20.3; n = 87)`."""
    summary = found["summary"]
    low, high = summary.get("gap_low"), summary.get("gap_high")
    interval = "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}; "
    n = sum(group["n"] for group in found["groups"].values())
    return f"{percent(summary['gap'])} ({interval}n = {n:,})"


def _subgroups(task: str, by_model: Mapping[str, Mapping[str, Figures]]) -> Chart:
    """Chart of the accuracy of each group of a single attribute, with its confidence interval of 95 %."""
    names = list(by_model)
    rows = _by_group(by_model, lambda grouping: "×" not in grouping)
    figure = go.Figure()
    for model in names:
        plotted = {group: found[model] for group, found in rows.items() if "accuracy" in found.get(model, {})}
        shares = [found["accuracy"] for found in plotted.values()]
        figure.add_scatter(
            name=readable(model),
            mode="markers",
            orientation="h",
            x=shares,
            y=list(plotted),
            marker={"color": _colour(model, names), "size": 9},
            error_x=_interval(list(plotted.values())),
        )
    figure.update_layout(
        scattermode="group", xaxis={"title": "accuracy", "range": [0, 1.02]}, yaxis={"autorange": "reversed"}
    )
    return Chart(
        name=f"subgroups-{'-'.join(task.split())}",
        title=f"Accuracy by subgroup, with intervals of 95 % by person: {task}",
        says=(
            f"Dot chart of the accuracy on {task} by subgroup with intervals; the table has the figures. "
            "A group without an interval has too few people for one; the table says how many more it takes."
        ),
        figure=figure,
        table=_table(rows, names),
        height_px=bars_height_px(len(rows) * max(1, len(names) - 1)),
    )


def _rates(task: str, by_model: Mapping[str, Mapping[str, Figures]]) -> Iterator[Named]:
    """Table of the rates of each model, by group of a single attribute."""
    for model, groupings in by_model.items():
        single = {name: part for name, part in groupings.items() if "×" not in name}
        if names := group_tables.columns(single):
            header = ["Subgroup", "People", *(group_tables.RATES[name] for name in names)]
            title = f"Rates by group: {task}, {readable(model)}. {group_tables.MEANS_OVER_LABELS}"
            yield title, PageTable(header, list(group_tables.rate_rows(single, names)), numeric=1 + len(names))


def _intersections(by_model: Mapping[str, Mapping[str, Figures]]) -> PageTable | None:
    rows = _by_group(by_model, lambda grouping: "×" in grouping)
    return _table(rows, list(by_model)) if rows else None


def _by_group(by_model: Mapping[str, Mapping[str, Figures]], wanted: Any) -> dict[str, dict[str, Figures]]:
    """Figures by group: "GROUPING: GROUP" → model → figures, for the groupings that are `wanted`."""
    found: dict[str, dict[str, Figures]] = {}
    for model, groupings in by_model.items():
        for grouping, part in groupings.items():
            for group, figures in part["groups"].items() if wanted(grouping) else ():
                found.setdefault(f"{grouping}: {group}", {})[model] = figures
    return found


def _table(rows: Mapping[str, Mapping[str, Figures]], names: Sequence[str]) -> PageTable:
    body = [
        [group, number(max(figures["n"] for figures in found.values())), *(_share(found.get(n, {})) for n in names)]
        for group, found in rows.items()
    ]
    return PageTable(["Subgroup", "Faces", *map(readable, names)], body, numeric=1 + len(names))


def _share(figures: Figures) -> str:
    """Accuracy with its interval and pictures, `95.2 % (77.3 to 99.2; n = 21)`; empty for a group without pictures.

    Without an interval, it says how many people are missing: `95.2 % (no interval: 9 more people; n = 21)`.
    """
    if "accuracy" not in figures:
        return ""
    low, high = figures.get("low"), figures.get("high")
    missing = f"no interval: {group_tables.more_people(figures)}; " if "more_people" in figures else ""
    interval = missing if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}; "
    return f"{percent(figures['accuracy'])} ({interval}n = {figures['n']:,})"


def _interval(figures: Sequence[Figures]) -> dict[str, Any]:
    ends = [(f["accuracy"], f.get("low", f["accuracy"]), f.get("high", f["accuracy"])) for f in figures]
    above, below = [high - share for share, _, high in ends], [share - low for share, low, _ in ends]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below}


def _names(scores: Scores) -> list[str]:
    return list(dict.fromkeys(model for rows in scores.values() for model in rows))


def _colour(model: str, names: Sequence[str]) -> str:
    trained = [name for name in names if name not in BASELINE_COLOURS]
    return BASELINE_COLOURS.get(model) or COLOURS[trained.index(model) % (len(COLOURS) - 1)]


def readable(name: str) -> str:
    return name.replace("_", " ")


def compared(found: Mapping[str, Figures]) -> Iterator[Named]:
    """Tables of `metrics/compare/`; `found`: name of the file → content. Unfinished comparisons have no table."""
    done = {name: figures for name, figures in found.items() if "tasks" in figures}
    if "recipes" in done:
        rows = mtf_tables.recipes(done["recipes"])
        title = f"Recipes compared: {done['recipes']['model']}, {_seeds(done['recipes']['seeds'])}"
        yield title, PageTable(mtf_tables.RECIPE_COLUMNS, rows, numeric=len(mtf_tables.RECIPE_COLUMNS) - 2)
    if "curation" in done:
        table = mtf_tables.curation(done["curation"])
        title = f"Training sets compared: {mtf_tables.curation_title(table)}"
        yield (
            title,
            PageTable(
                mtf_tables.CURATION_COLUMNS, mtf_tables.curation_rows(table), numeric=len(mtf_tables.COLUMNS) - 2
            ),
        )


def labelled(found: Mapping[str, Figures]) -> Iterator[Named]:
    """Tables of `metrics/label/`: test results of the fitted classifier, and of the compared models."""
    if rows := [[name, *_measures(figures["test"])] for name, figures in found.get("classifier", {}).items()]:
        yield "The label classifier, on the test split", _comparison_table("Attribute", rows)
    for name, figures in found.items():
        if name.startswith("compare-"):
            rows = [
                [model, *_measures({metric: by_split["test"] for metric, by_split in by_metric.items()})]
                for model, by_metric in figures["table_1"].items()
            ]
            yield (
                f"Label classifiers compared on {figures['attribute']}, on the test split",
                _comparison_table("Model", rows),
            )


def _comparison_table(first: str, rows: list[list[str]]) -> PageTable:
    return PageTable([first, *MEASURES.values()], rows, numeric=len(MEASURES))


def _measures(figures: Mapping[str, float | None]) -> list[str]:
    return ["" if (figure := figures.get(name)) is None else f"{figure:.3f}" for name in MEASURES]


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count > 1)} each"
