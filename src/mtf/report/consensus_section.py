"""Section on the panel's consensus: who decided, how sure the model of the reviewers is, and how often each errs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mtf.curation.steps import title_of
from mtf.report.report_page import PageSection, PageTable, number, percent

Figures = Mapping[str, Any]
CLASSIFIER = "the classifier"


def consensus(curated: Figures) -> PageSection | None:
    """Section from metrics/curate.json; None where the majority decided alone, or before there were enough votes.

    The reviewers are numbered, not named.
    """
    found = curated.get("consensus")
    if not found:
        return None
    decided = found["decided_by"]
    says = [
        f"Of {number(sum(decided.values()))} verdicts, {number(decided['panel'])} are those of the panel's majority, "
        f"{number(decided['joint'])} of the joint session, and {number(decided['model'])} of the model of the "
        "reviewers: there the panel was split, and the model was sure that its majority is wrong.",
    ]
    tables = [("How sure the consensus is, by step", _by_step(found)), ("Annotators", _annotators(found))]
    return PageSection("consensus", "The panel's consensus", says, tables=tables)


def _by_step(found: Figures) -> PageTable:
    rows = [
        [title_of(step), number(each["verdicts"]), percent(each["mean"]), f"{each['expected_wrong']:.1f}"]
        for step, each in found["confidence"].items()
    ]
    return PageTable(["Step", "Verdicts", "Mean confidence", "Expected wrong verdicts"], rows)


def _annotators(found: Figures) -> PageTable:
    header = ["Annotator", "Step", "Faces", "Wrongly rejected", "Wrongly kept"]
    return PageTable(header, list(_rows(found)), numeric=3)


def _rows(found: Figures) -> Iterator[list[str]]:
    annotators = [(f"reviewer {place}", each["steps"]) for place, each in enumerate(found["reviewers"], 1)]
    for name, steps in [*annotators, (CLASSIFIER, found["classifier"])]:
        for step, each in steps.items():
            errors = (percent(each["wrongly_rejected"]), percent(each["wrongly_kept"]))
            yield [name, title_of(step), number(each["faces"]), *errors]
