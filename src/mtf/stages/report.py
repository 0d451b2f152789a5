"""`mtf report`: one page on the data set's health, from the tables and figures that the other stages left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from mtf import atomic, shards, tables
from mtf.curation.shown import TITLES
from mtf.params import Params
from mtf.report import collection, composition, models, page, results, scores, thumbnails
from mtf.report.parts import Gallery, Section
from mtf.stages import diff
from mtf.validation import outcome
from mtf.validation.figures import licenses
from mtf.workspace import Workspace


def run(workspace: Workspace, params: Params) -> None:
    """Write `build/report/index.html`: it needs no network and no file beside it."""
    target = workspace.stage("report") / "index.html"
    project = params.project
    text = page.rendered(
        list(_sections(workspace, params)), title=project.title, version=params.release.version, contact=project.contact
    )
    atomic.write_text(target, text)
    print(f"report: {workspace.relative(target)}, {target.stat().st_size / 1e6:.1f} MB; open it in a browser")


def _sections(workspace: Workspace, params: Params) -> Iterator[Section]:
    """In the order of the page: what is wrong first."""
    data = tables.read(tables.splits(params), workspace.table("split", "splits"))
    screening = tables.read(tables.SCREENING, workspace.table("screen", "screening"))
    evidence = tables.read(tables.EVIDENCE, workspace.table("crawl", "evidence"))
    curated = _figures(workspace.metrics("curate"))
    yield results.warnings(outcome.read(workspace))
    yield collection.funnel(curated, TITLES)
    yield composition.composition(data, params)
    yield composition.splits(data, params)
    if crawled := _figures(workspace.metrics("crawl")):
        yield collection.addresses(crawled)
    yield collection.licenses(licenses(data, evidence), params.release.license)
    shown = params.report.thumbnails
    galleries = _galleries(workspace, screening) if shown else []
    yield collection.duplicates(screening, galleries, thumbnails=shown)
    yield collection.reviewers(curated)
    yield _models(workspace, data)
    yield results.changes(_changes(workspace, params), params.release.previous)


def _models(workspace: Workspace, data: pl.DataFrame) -> Section:
    multitask = _by_name(workspace.root / "metrics/multitask")
    fairness = workspace.root / "metrics/fairness"
    single = {(path.parent.name, path.stem): _figures(path) for path in sorted(fairness.glob("models/*/*.json"))}
    confusions = sorted(workspace.plots("multitask").glob("*/confusion/*.png"))
    return models.models(
        scores.merged(_figures(workspace.metrics("evaluate")) or {}, multitask),
        scores.groups(single, _by_name(fairness / "multitask")),
        at_once=scores.all_at_once(multitask),
        pictures=[
            (
                f"../../{path.relative_to(workspace.root).as_posix()}",
                f"Confusion at every intersection: {path.stem}, {scores.model_of(path.parts[-3])}",
            )
            for path in confusions
        ],
        is_stale=any(not _is_of(data, path) for path in _predictions(workspace)),
    )


def _predictions(workspace: Workspace) -> list[Path]:
    single = workspace.table("evaluate", "predictions")
    return [
        *([single] if single.is_file() else []),
        *sorted(workspace.stage("multitask").glob("*/predictions.parquet")),
    ]


def _is_of(data: pl.DataFrame, path: Path) -> bool:
    """Whether the predictions are of today's test split, face for face."""
    keys = ["identity", "face_id"]
    predicted = tables.read(tables.PREDICTIONS, path).select(keys).unique()
    wanted = data.filter(split="test").select(keys)
    return predicted.sort(keys).equals(wanted.sort(keys))


def _by_name(folder: Path) -> dict[str, Any]:
    return {path.stem: _figures(path) for path in sorted(folder.glob("*.json"))}


def _galleries(workspace: Workspace, screening: pl.DataFrame) -> list[Gallery]:
    faces = tables.read(tables.FACES, workspace.table("crop", "faces"))
    places = {
        (row[0], row[1]): row[2:] for row in faces.select("identity", "face_id", "offset", "size_bytes").iter_rows()
    }

    def crop(identity: str, face_id: str) -> bytes:
        return shards.read(workspace.shard("crop", identity), *places[identity, face_id])

    return thumbnails.groups(screening, collection.DUPLICATES, crop)


def _changes(workspace: Workspace, params: Params) -> dict[str, Any] | None:
    if params.release.previous is None:
        return None
    return diff.run(workspace, params, params.release.previous, None).as_json()


def _figures(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
