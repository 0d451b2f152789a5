"""Sections on what was made of the data set: the models, the gates, and what changed since the last release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl

from mtf.report.parts import COLOURS, Chart, Section, Table, number, percent
from mtf.validation.outcome import Outcome

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]
GUESSES = {"random_guess": "#BBBBBB", "majority": "#777777"}


def models(scores: Scores, predictions: pl.DataFrame | None, data: pl.DataFrame, columns: Sequence[str]) -> Section:
    """Accuracy of every model on every task, beside guessing, and by subgroup. `scores`: task → model → measures."""
    if not scores:
        return Section("models", "Models", ["No model has been evaluated yet."])
    tables = [(f"Test results: {task}", _scores(rows)) for task, rows in scores.items()]
    if predictions is not None and columns:
        tables += [(f"Accuracy by subgroup: {task}", table) for task, table in _subgroups(predictions, data, columns)]
    return Section("models", "Models", ["On the test split; macro averages."], [_accuracies(scores)], tables)


def _accuracies(scores: Scores) -> Chart:
    names = list(dict.fromkeys(model for rows in scores.values() for model in rows))
    figure = go.Figure()
    for rank, model in enumerate(names):
        colour = GUESSES.get(model, COLOURS[rank % (len(COLOURS) - 1)])
        values = [scores[task].get(model, {}).get("accuracy") for task in scores]
        figure.add_bar(name=model.replace("_", " "), x=list(scores), y=values, marker_color=colour)
    figure.update_layout(barmode="group", yaxis={"title": "accuracy", "range": [0, 1]})
    rows = [
        [task, *(percent(by[model]["accuracy"]) if model in by else "" for model in names)]
        for task, by in scores.items()
    ]
    header = ["Task", *(name.replace("_", " ") for name in names)]
    return Chart(
        name="accuracy",
        title="Accuracy by task and model",
        says="Grouped bar chart of accuracy by task and model, with random guessing; the table has the figures.",
        figure=figure,
        table=Table(header, rows, numeric=len(names)),
    )


def _scores(rows: Mapping[str, Mapping[str, float]]) -> Table:
    names = list(dict.fromkeys(name for scores in rows.values() for name in scores))
    body = [
        [model.replace("_", " "), *(f"{scores[name]:.3f}" if name in scores else "" for name in names)]
        for model, scores in rows.items()
    ]
    return Table(["Model", *(name.replace("_", " ") for name in names)], body, numeric=len(names))


def _subgroups(predictions: pl.DataFrame, data: pl.DataFrame, columns: Sequence[str]) -> list[tuple[str, Table]]:
    """Per task: a row per label of every label column, a column per model."""
    right = predictions.with_columns(right=pl.col("label") == pl.col("predicted"))
    joined = right.join(data.select("identity", "face_id", *columns), on=["identity", "face_id"])
    return [
        (str(task), _subgroup_table(rows, columns)) for (task,), rows in joined.group_by("task", maintain_order=True)
    ]


def _subgroup_table(rows: pl.DataFrame, columns: Sequence[str]) -> Table:
    names = rows["model"].unique(maintain_order=True).to_list()
    body = []
    for column in columns:
        for (label,), group in sorted(rows.group_by(column), key=lambda each: str(each[0][0])):
            shares = dict(group.group_by("model").agg(pl.col("right").mean()).iter_rows())
            images = group.n_unique(["identity", "face_id"])
            body.append(
                [f"{column}: {label}", number(images), *(percent(shares[n]) if n in shares else "" for n in names)]
            )
    return Table(["Subgroup", "Images", *names], body, numeric=1 + len(names))


def warnings(found: Outcome | None) -> Section:
    """The gates that do not hold, critical ones first, and those that could not be checked."""
    if found is None:
        return Section("warnings", "Warnings", ["The gates have not been checked: run `mtf validate`."])
    failed = [*found.critical, *found.warnings]
    rows = [[str(each.severity), each.name, each.says, each.observed, each.wanted] for each in failed]
    tables = [("What does not hold", Table(["Severity", "Gate", "Of what", "Observed", "Wanted"], rows, numeric=0))]
    count = len(found.results)
    says = [
        f"{len(failed)} of {count} expectations do not hold." if failed else f"None: all {count} expectations hold."
    ]
    if found.critical:
        says.append("Nothing is released while a critical expectation does not hold.")
    if found.not_checked:
        says.append("Not checked: " + "; ".join(f"{each.name} ({each.why})" for each in found.not_checked) + ".")
    links = [("../validate/docs/index.html", "All expectations, in Great Expectations' Data Docs")]
    return Section("warnings", "Warnings", says, tables=tables if failed else [], links=links)


def changes(found: Mapping[str, Any] | None, previous: str | None) -> Section:
    """`found` is `Changes.as_json()`, None where there is no release before."""
    if found is None:
        return Section("changes", "Since the last release", ["There is no earlier release to compare with."])
    faces, people = found["faces"], found["identities"]
    counted = {f"images {what}": faces[what] for what in ("added", "removed", "moved", "relabelled")}
    rows = [[title, why, number(count)] for title, reasons in counted.items() for why, count in reasons.items()]
    named = {f"identities {what}": people[what] for what in ("added", "removed")}
    rows += [[title, f"{name}: {why}", "1"] for title, reasons in named.items() for name, why in reasons.items()]
    if people["taken_down"]:
        rows.append(["identities removed", "taken down", number(people["taken_down"])])
    unknown = [f"Not known: {each}." for each in found["unknown"]]
    if not rows:
        return Section("changes", "Since the last release", [f"Nothing differs from {previous}.", *unknown])
    table = Table(["What", "Why", "Count"], rows)
    return Section("changes", "Since the last release", [f"Against {previous}.", *unknown], tables=[("Changes", table)])
