"""Section of warnings, the first of the report: everything that prevents a release; and the section of changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mtf.gates.outcome import GateOutcome
from mtf.report.models import STALE
from mtf.report.report_page import PageSection, PageTable, number

UNCHECKED = "The gates have not been checked: run `mtf validate`."
DOCS = ("../validate/docs/index.html", "All expectations, in Great Expectations' Data Docs (in the project's folder)")


def warnings(
    found: GateOutcome | None,
    *,
    changed: Sequence[str] = (),
    has_stale_models: bool = False,
    held_back: Mapping[str, int] | None = None,
    unanswered: Sequence[str] = (),
) -> PageSection:
    """Section with the failed gates, critical ones first, the gates that could not be checked, and other warnings.

    - `found`: outcome of the gates, None if they have not been checked;
    - `changed`: names of files and parameters that changed since the check;
    - `has_stale_models`: True if models were evaluated on another test split;
    - `held_back`: reason → number of faces that wait for a decision;
    - `unanswered`: questions of the data set card without an answer.
    """
    others = list(_others(has_stale_models, held_back or {}, unanswered))
    folded = [("Unanswered questions", PageTable(["Question"], [[each] for each in unanswered], numeric=0))]
    folded = folded if unanswered else []
    if found is None:
        return PageSection("warnings", "Warnings", [UNCHECKED, *others], folded=folded)
    failed = [*found.critical, *found.warnings]
    rows = [[str(each.severity), each.name, each.says, each.observed, each.wanted] for each in failed]
    tables = [("Failed gates", PageTable(["Severity", "Gate", "Description", "Observed", "Wanted"], rows, numeric=0))]
    says = [*_of_gates(found, changed, is_all_well=not others), *others]
    return PageSection("warnings", "Warnings", says, tables=tables if failed else [], links=[DOCS], folded=folded)


def _of_gates(found: GateOutcome, changed: Sequence[str], *, is_all_well: bool) -> Iterator[str]:
    failed, count = len(found.critical) + len(found.warnings), len(found.results)
    if changed:
        yield (
            f"The gates were checked on something else: {', '.join(changed)} changed since. Nothing is released until "
            "`mtf validate` has run again; the results below are those of the earlier check."
        )
    none = "None: all" if is_all_well and not changed else "All"
    yield f"{failed} of {count} expectations do not hold." if failed else f"{none} {count} expectations hold."
    if found.critical:
        yield "Nothing is released while a critical expectation does not hold."
    if found.not_checked:
        yield "Not checked: " + "; ".join(f"{each.name} ({each.why})" for each in found.not_checked) + "."


def _others(has_stale_models: bool, held_back: Mapping[str, int], unanswered: Sequence[str]) -> Iterator[str]:
    if has_stale_models:
        yield STALE
    if waiting := sum(held_back.values()):
        why = ", ".join(f"{number(count)} {reason.replace('_', ' ')}" for reason, count in held_back.items() if count)
        waits = f"{number(waiting)} faces wait for a decision of the reviewers ({why})"
        yield f"{waits}: `mtf review status` lists who has to decide."
    if unanswered:
        count = number(len(unanswered))
        yield f"{count} questions of the data set's card have no answer: `data/card.yaml` is the place for it."


def changes(found: Mapping[str, Any] | None, previous: str | None) -> PageSection:
    """Section of changes; `found` is `Changes.as_json()`, None if there is no previous release."""
    if found is None:
        return PageSection("changes", "Since the last release", ["There is no earlier release to compare with."])
    faces, people = found["faces"], found["identities"]
    counted = {f"faces {what}": faces[what] for what in ("added", "removed", "moved", "relabelled")}
    rows = [[title, why, number(count)] for title, reasons in counted.items() for why, count in reasons.items()]
    named = {f"identities {what}": people[what] for what in ("added", "removed")}
    rows += [[title, f"{name}: {why}", "1"] for title, reasons in named.items() for name, why in reasons.items()]
    if people["taken_down"]:
        rows.append(["identities removed", "taken down", number(people["taken_down"])])
    unknown = [f"Not known: {each}." for each in found["unknown"]]
    if not rows:
        return PageSection("changes", "Since the last release", [f"Nothing differs from {previous}.", *unknown])
    table = PageTable(["Change", "Reason", "Count"], rows)
    return PageSection(
        "changes", "Since the last release", [f"Against {previous}.", *unknown], tables=[("Changes", table)]
    )
