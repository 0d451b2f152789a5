"""Sections on what a release depends on: the gates, and what changed since the last release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtf.report.parts import Section, Table, number
from mtf.validation.outcome import Outcome


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
