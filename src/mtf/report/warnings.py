"""Section of warnings: everything that prevents a release or needs a person; and the section of changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mtf.core.errors import listed
from mtf.gates.outcome import GateOutcome
from mtf.report.models import STALE
from mtf.report.report_page import PageSection, PageTable, number

UNCHECKED = "The gates have not been checked: run `mtf validate`."


class ReportWarning(NamedTuple):
    """Warning.

    - `short`: for the first screen;
    - `says`: in full, with what to do.
    """

    short: str
    says: str


def collected(
    found: GateOutcome | None,
    *,
    changed: Sequence[str] = (),
    audit_errors: Sequence[str] = (),
    has_stale_models: bool = False,
    held_back: Mapping[str, int] | None = None,
    unanswered: Sequence[str] = (),
) -> list[ReportWarning]:
    """Warnings, those that prevent a release first.

    - `found`: outcome of the gates, None if they have not been checked;
    - `changed`: names of files and parameters that changed since the check;
    - `audit_errors`: pictures that the audit forbids, in words;
    - `has_stale_models`: True if models were evaluated on another test split;
    - `held_back`: reason → number of faces that wait for a decision;
    - `unanswered`: questions of the data set card without an answer.
    """
    return [
        *_of_gates(found, changed),
        *_of_audit(audit_errors),
        *_others(has_stale_models, held_back or {}, unanswered),
    ]


def warnings(
    collected: Sequence[ReportWarning], found: GateOutcome | None, *, unanswered: Sequence[str] = ()
) -> PageSection:
    """Section with the warnings and the failed gates, critical ones first."""
    folded = [("Unanswered questions", PageTable(["Question"], [[each] for each in unanswered], numeric=0))]
    failed = [*found.critical, *found.warnings] if found else []
    rows = [[str(each.severity), each.name, each.says, each.observed, each.wanted] for each in failed]
    tables = [("Failed gates", PageTable(["Severity", "Gate", "Description", "Observed", "Wanted"], rows, numeric=0))]
    return PageSection(
        "warnings",
        "Warnings",
        [each.says for each in collected] or ["None."],
        tables=tables if failed else [],
        folded=folded if unanswered else [],
    )


def _of_gates(found: GateOutcome | None, changed: Sequence[str]) -> Iterator[ReportWarning]:
    if found is None:
        yield ReportWarning("The gates have not been checked", UNCHECKED)
        return
    if changed:
        yield ReportWarning(
            "The gates were checked on something else",
            f"The gates were checked on something else: {', '.join(changed)} changed since. Nothing is released until "
            "`mtf validate` has run again; the results shown are those of the earlier check.",
        )
    if failed := len(found.critical) + len(found.warnings):
        says = f"{failed} of {len(found.results)} expectations do not hold."
        stops = " Nothing is released while a critical expectation does not hold." if found.critical else ""
        yield ReportWarning(f"{failed} of {len(found.results)} expectations do not hold", says + stops)


def _of_audit(errors: Sequence[str]) -> Iterator[ReportWarning]:
    if errors:
        short = f"The audit forbids {number(len(errors))} of the pictures"
        yield ReportWarning(short, f"{short}: {listed(errors, 3)}. `mtf audit release --planned` lists all of them.")


def _others(has_stale_models: bool, held_back: Mapping[str, int], unanswered: Sequence[str]) -> Iterator[ReportWarning]:
    if has_stale_models:
        yield ReportWarning("Models were measured on another test split", STALE)
    if waiting := sum(held_back.values()):
        why = ", ".join(f"{number(count)} {reason.replace('_', ' ')}" for reason, count in held_back.items() if count)
        waits = f"{number(waiting)} faces wait for a decision of the reviewers"
        yield ReportWarning(waits, f"{waits} ({why}): `mtf review status` lists who has to decide.")
    if unanswered:
        short = f"{number(len(unanswered))} questions of the data set's card have no answer"
        yield ReportWarning(short, f"{short}: `data/card.yaml` is the place for it.")


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
