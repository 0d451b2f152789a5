"""First screen of the report: permission to publish with its reasons, size, licenses, evenness, accuracy, warnings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from mtf.config import Params
from mtf.core.errors import listed
from mtf.evaluation.figure_files import Groups, Scores
from mtf.gates.outcome import GateOutcome
from mtf.report import models
from mtf.report.report_page import Fact, number, percent
from mtf.schemas import SPLITS

LICENSES_NAMED = 3
Figures = Mapping[str, Any]


def verdict(found: GateOutcome | None, changed: Sequence[str], audit_errors: Sequence[str]) -> tuple[bool, list[str]]:
    """True if the data set may be published, and the reasons.

    - `found`: outcome of the gates, None if they have not been checked;
    - `changed`: what changed since they were checked;
    - `audit_errors`: each picture that the audit forbids, in words.
    """
    reasons = []
    if found is None:
        reasons.append("The gates have not been checked: run `mtf validate`.")
    else:
        if changed:
            reasons.append(f"{listed(changed, 4)} changed since the gates were checked: run `mtf validate` again.")
        if found.critical:
            names = listed([each.name for each in found.critical], 4)
            reasons.append(f"{_count(len(found.critical), 'critical gate')} not hold: {names}.")
    if audit_errors:
        refused = _count(len(audit_errors), "picture", verb=False)
        reasons.append(
            f"The audit forbids {refused}: {listed(audit_errors, 2)}. `mtf audit release --planned` lists all."
        )
    if reasons or found is None:
        return False, reasons
    count = len(found.not_checked)
    unchecked = f" {_count(count, 'gate', verb=False)} could not be checked." if count else ""
    return True, [f"All critical gates hold, and the audit forbids no picture.{unchecked}"]


def _count(count: int, noun: str, *, verb: bool = True) -> str:
    does = (" does" if count == 1 else " do") if verb else ""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}{does}"


def composition(data: pl.DataFrame) -> Fact:
    """Number of faces and people, and the sizes of the splits."""
    people = data["identity"].n_unique()
    sizes = ", ".join(f"{split} {number(data.filter(pl.col('split') == split).height)}" for split in SPLITS)
    return Fact("Faces", [f"{number(data.height)} faces of {number(people)} people", sizes], "composition")


def licenses(shares: pl.DataFrame, release_license: str) -> Fact:
    """Most frequent licenses; `shares` has license, images and share."""
    rows = list(shares.select("license", "share").iter_rows())
    named = ", ".join(f"{name} {percent(share)}" for name, share in rows[:LICENSES_NAMED])
    others = f", and {len(rows) - LICENSES_NAMED} others" if len(rows) > LICENSES_NAMED else ""
    headline = f"{_count(len(rows), 'license', verb=False)} of the pictures" if rows else "no pictures"
    return Fact(
        "Licenses", [headline, *([named + others] if rows else []), f"the release: {release_license}"], "licenses"
    )


def evenness(data: pl.DataFrame, params: Params) -> Fact:
    """Smallest and largest share of the labels of each task, and of the combinations of all labels."""
    columns = list(params.attributes)
    total = max(1, data.height)
    lines = []
    for column, task in params.attributes.items():
        counts = {label: data.filter(pl.col(column) == label).height for label in task.labels}
        least, most = (choose(counts, key=counts.__getitem__) for choose in (min, max))
        lines.append(f"{column}: {least} {percent(counts[least] / total)} to {most} {percent(counts[most] / total)}")
    if len(columns) > 1:
        combinations = 1
        for task in params.attributes.values():
            combinations *= len(task.labels)
        counted = data.group_by(columns).len()["len"].to_list()
        least = 0 if len(counted) < combinations else min(counted)
        spread = f"{number(least)} to {number(max(counted, default=0))} faces"
        lines.insert(0, f"{spread} in each of {number(combinations)} combinations of labels")
    return Fact("Evenness", lines or ["no task has labels"], "composition")


def accuracy(scores: Scores, groups: Groups) -> Fact:
    """Best model of each task with its accuracy, and its worst group, if one can be named."""
    best = {task: max(found.values()) for task, by_model in scores.items() if (found := _trained(by_model))}
    if not best:
        return Fact("Models", ["No model has been evaluated."], "models")
    low, high = percent(min(best.values())), percent(max(best.values()))
    shown = low if low == high else f"{low} to {high}"
    headline = f"accuracy of the best: {shown} on {number(len(best))} task{'' if len(best) == 1 else 's'}"
    return Fact("Models", [headline, *_best(scores, groups)], "models")


def _trained(by_model: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Accuracy of each trained model; guessing is left out."""
    return {
        model: found["accuracy"]
        for model, found in by_model.items()
        if model not in models.BASELINE_COLOURS and "accuracy" in found
    }


def _best(scores: Scores, groups: Groups) -> Iterator[str]:
    for task, by_model in scores.items():
        trained = _trained(by_model)
        if not trained:
            continue
        best = max(trained, key=trained.__getitem__)
        groupings = groups.get(task, {}).get(best, {})
        n = max((_pictures(each) for each in groupings.values()), default=0)
        counted = f" (n = {number(n)})" if n else ""
        worst = models.worst_group(groupings)
        said = f"worst group {worst[0]}: {worst[1]}" if worst else "no group can be said to be worse"
        yield f"{task}: {percent(trained[best])}{counted} by {models.readable(best)}; {said}"


def _pictures(grouping: Figures) -> int:
    """Number of pictures that a grouping measures."""
    return sum(group["n"] for group in grouping["groups"].values())


def attention(lines: Sequence[str]) -> Fact:
    """Warnings, which need a person's attention."""
    return Fact("Needs attention", list(lines) or ["Nothing."], "warnings")


def changes(found: Mapping[str, Any] | None, previous: str | None) -> Fact:
    """Changes since the release before; `found` is `Changes.as_json()`, None if there is none."""
    if found is None:
        return Fact("Changed", ["There is no earlier release to compare with."], "changes")
    counts = {
        f"faces {what}": sum(found["faces"][what].values()) for what in ("added", "removed", "moved", "relabelled")
    }
    people = found["identities"]
    counts |= {"people added": len(people["added"]), "people removed": len(people["removed"]) + people["taken_down"]}
    told = [f"{number(count)} {what}" for what, count in counts.items() if count]
    return Fact("Changed", [f"Against {previous}: {', '.join(told) or 'nothing'}."], "changes")
