"""Stage validate: check of the whole data set against `params.gates`, before a release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeVar

import polars as pl

from mtf import schemas
from mtf.config import Params
from mtf.core import atomic_files
from mtf.core.errors import BadInput, GateFailed
from mtf.core.project_paths import ProjectPaths
from mtf.core.revisions import Revision
from mtf.gates import figures, outcome, suggestions, suite
from mtf.gates.expectations import Severity, expectations, not_checked, table_of_labels, table_of_licenses
from mtf.gates.figures import Counts
from mtf.gates.outcome import CROP_FIGURES, CURATE_FIGURES, SCREENING_FILE, SPLITS_FILE, GateOutcome
from mtf.rights import consent

Before = tuple[pl.DataFrame, pl.DataFrame]
Found = TypeVar("Found")


def run(workspace: ProjectPaths, params: Params) -> None:
    """Write `build/validate/` (results.json, Data Docs) and metrics. Raises GateFailed if a critical gate fails.

    The report is the output of another stage; the error names the command that writes it.
    """
    measured = _figures(workspace, params)
    wanted = [each for each in expectations(params) if not measured[each.table].is_empty()]
    results = suite.run(wanted, measured, workspace.stage("validate"))
    found = GateOutcome(outcome.input_digests(workspace, params), results, not_checked(params, measured))
    suite.finish(workspace.stage("validate") / suite.DOCS, results, found.not_checked)
    outcome.write(workspace, found)
    counts = _counts(found)
    atomic_files.write_json(workspace.metrics("validate"), counts)
    atomic_files.write_json(workspace.headline("gates"), {"failed": sum(counts[grade] for grade in Severity)})
    for line in _lines(found):
        print(line, flush=True)
    if found.critical:
        raise GateFailed(_failure(workspace, found))


def suggestion(workspace: ProjectPaths, params: Params) -> str:
    """Section `gates` for params.yaml that the current data set meets, as YAML."""
    return suggestions.as_yaml(suggestions.suggested(_figures(workspace, params), params))


def _figures(workspace: ProjectPaths, params: Params) -> dict[str, pl.DataFrame]:
    data = schemas.read(schemas.splits(params), workspace.table("split", "splits"))
    screening = schemas.read(schemas.SCREENING, workspace.table("screen", "screening"))
    evidence = schemas.read(schemas.EVIDENCE, workspace.table("crawl", "evidence"))
    cropped, curated = (_counts_of(workspace, name) for name in ("crop", "curate"))
    before, counted_before = _before(workspace, params)
    labels, licenses = figures.labels(data, params), figures.licenses(data, evidence)
    groups = params.gates.license_share
    return {
        "identities": figures.identities(data),
        "labels": labels,
        **{table_of_labels(name): labels.filter(task=task.column) for name, task in params.tasks.items()},
        "pairs": figures.pairs(data, params),
        "intersections": figures.intersections(data, params),
        "vanished": figures.vanished(data, before[0] if before else None, params),
        "splits": figures.splits(data, params),
        "licenses": licenses,
        **{table_of_licenses(group): figures.license_groups(licenses, [group]) for group in groups},
        "unstated": figures.unstated(licenses),
        "agreement": figures.agreement(curated),
        "funnel": figures.funnel((cropped, curated), counted_before),
        "drift": figures.drift(data, screening, before),
        **figures.consents(data, consent.load(workspace, params)),
    }


def _counts_of(workspace: ProjectPaths, stage: str) -> dict[str, Any]:
    return json.loads(workspace.metrics(stage).read_text(encoding="utf-8"))


def _before(workspace: ProjectPaths, params: Params) -> tuple[Before | None, Counts | None]:
    """Data set with screening, and figures of the funnel, of the previous release; None if there is none.

    Raises BadInput if one of them cannot be read; else three gates would be skipped without notice.
    """
    name = params.release.previous
    if name is None:
        return None, None
    outcome.previous_commit(workspace.root, name)
    try:
        revision = Revision(workspace.root, name)
        data, screening = (_required(revision.table(path), path, name) for path in (SPLITS_FILE, SCREENING_FILE))
        cropped, curated = (_required(revision.figures(path), path, name) for path in (CROP_FIGURES, CURATE_FIGURES))
        return (data, screening), (cropped, curated)
    except BadInput as error:
        raise BadInput(f"params.yaml: {outcome.KEY}: {error}; {outcome.INSTEAD}") from None


def _required(found: Found | None, path: str, version: str) -> Found:
    if found is None:
        raise BadInput(f"{version}: it has no {path}")
    return found


def _counts(found: GateOutcome) -> dict[str, int]:
    failed = {Severity.CRITICAL: found.critical, Severity.WARNING: found.warnings}
    counts = {str(grade): len(results) for grade, results in failed.items()}
    return {"expectations": len(found.results), **counts, "not_checked": len(found.not_checked)}


def _lines(found: GateOutcome) -> Iterator[str]:
    """Summary: expectations that hold; failed ones, critical first; and those that could not be checked."""
    yield f"validate: {sum(each.holds for each in found.results)} of {len(found.results)} expectations hold"
    for each in (*found.critical, *found.warnings):
        yield f"  {each.severity}: {_line(each)}"
    for each in found.not_checked:
        yield f"  not checked: {each.name} ({each.why})"


def _failure(workspace: ProjectPaths, found: GateOutcome) -> str:
    count, names = len(found.critical), ", ".join(each.name for each in found.critical)
    site = workspace.relative(workspace.stage("validate") / suite.DOCS / suite.INDEX)
    return (
        f"validate: {count} critical {'expectation does' if count == 1 else 'expectations do'} not hold ({names}); "
        f"all expectations: {site}; `mtf report` writes the report that shows them"
    )


def _line(result: suite.ExpectationResult) -> str:
    return f"{result.name} ({result.says}): {result.observed}; wanted {result.wanted}"
