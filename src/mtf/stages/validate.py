"""`mtf validate`: the data set as a whole against `params.gates`, before anything of it is published."""

from __future__ import annotations

import json
from dataclasses import asdict

import polars as pl

from mtf import atomic, tables
from mtf.errors import GateFailed
from mtf.params import Params
from mtf.revisions import Revision
from mtf.validation import figures, suggest, suite
from mtf.validation.expectations import Severity, expectations
from mtf.workspace import Workspace

SPLITS, SCREENING, CURATED = "build/split/splits.parquet", "build/screen/screening.parquet", "metrics/curate.json"


def run(workspace: Workspace, params: Params) -> None:
    """Write `build/validate/` (results.json, Data Docs) and metrics. Raises GateFailed where a critical gate fails."""
    measured = _figures(workspace, params)
    folder = workspace.stage("validate")
    results = suite.run(expectations(params, measured), measured, folder)
    atomic.write_json(folder / "results.json", [asdict(result) for result in results])
    atomic.write_json(workspace.metrics("validate"), _counts(results))
    _report(results)
    critical = [result for result in results if not result.holds and result.severity is Severity.CRITICAL]
    if critical:
        lines = [f"  {result.name}: {result.observed}; wanted {result.wanted}" for result in critical]
        raise GateFailed("\n".join([f"validate: {len(critical)} critical expectations do not hold:", *lines]))


def suggestion(workspace: Workspace, params: Params) -> str:
    """A section `gates` for params.yaml that the data set at hand meets."""
    return suggest.as_yaml(suggest.suggested(_figures(workspace, params), params.gates))


def _figures(workspace: Workspace, params: Params) -> dict[str, pl.DataFrame]:
    data = tables.read(tables.splits(params), workspace.table("split", "splits"))
    screening = tables.read(tables.SCREENING, workspace.table("screen", "screening"))
    evidence = tables.read(tables.EVIDENCE, workspace.table("crawl", "evidence"))
    curated = json.loads(workspace.metrics("curate").read_text(encoding="utf-8"))
    before = Revision(workspace.root, params.release.previous) if params.release.previous else None
    licenses = figures.licenses(data, evidence)
    return {
        "identities": figures.identities(data),
        "labels": figures.labels(data, params),
        "pairs": figures.pairs(data, params),
        "splits": figures.splits(data, params),
        "licenses": licenses,
        "unstated": licenses.filter(pl.col("license") == "none stated"),
        "agreement": figures.agreement(curated),
        "funnel": figures.funnel(curated, before.figures(CURATED) if before else None),
        "drift": figures.drift(data, screening, _data_before(before) if before else None),
    }


def _data_before(before: Revision) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    data, screening = before.table(SPLITS), before.table(SCREENING)
    return None if data is None or screening is None else (data, screening)


def _counts(results: list[suite.Result]) -> dict[str, int]:
    failed = [result.severity for result in results if not result.holds]
    return {"expectations": len(results), **{str(grade): failed.count(grade) for grade in Severity}}


def _report(results: list[suite.Result]) -> None:
    print(f"validate: {sum(result.holds for result in results)} of {len(results)} expectations hold")
    for result in results:
        if not result.holds:
            print(f"  {result.severity}: {result.name} ({result.says}): {result.observed}; wanted {result.wanted}")
