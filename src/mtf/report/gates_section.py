"""Section on the gates: every expectation, and those that could not be checked."""

from __future__ import annotations

from mtf.gates.outcome import GateOutcome
from mtf.report.report_page import PageSection, PageTable

DOCS = ("../validate/docs/index.html", "All expectations, in Great Expectations' Data Docs (in the project's folder)")


def gates(found: GateOutcome | None) -> PageSection:
    """Section with the results of the gates, failed ones first; None if they have not been checked."""
    if found is None:
        return PageSection("gates", "Gates", ["They have not been checked."])
    ordered = [*found.critical, *found.warnings, *(each for each in found.results if each.holds)]
    rows = [
        [each.name, "yes" if each.holds else "no", str(each.severity), each.says, each.observed, each.wanted]
        for each in ordered
    ]
    header = ["Gate", "Holds", "Severity", "Description", "Observed", "Wanted"]
    held = sum(each.holds for each in found.results)
    unchecked = PageTable(["Gate", "Reason"], [[each.name, each.why] for each in found.not_checked], numeric=0)
    return PageSection(
        "gates",
        "Gates",
        [f"{held} of {len(found.results)} expectations hold; {len(found.not_checked)} could not be checked."],
        tables=[("Gates that could not be checked", unchecked)] if found.not_checked else [],
        folded=[("All expectations", PageTable(header, rows, numeric=0))] if rows else [],
        links=[DOCS],
    )
