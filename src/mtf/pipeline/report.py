"""Stage report: one HTML page on the state of the data set, from the tables and metrics of the other stages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from mtf import schemas
from mtf.config import Params
from mtf.core import atomic_files, shards
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import figure_files, undetected_pictures
from mtf.gates import outcome
from mtf.gates.figures import licenses
from mtf.release import card, metadata, release_tables, revision_diff
from mtf.release.release_tables import Sources
from mtf.report import (
    composition,
    funnel_section,
    models,
    report_page,
    thumbnails,
    verification_tables,
    warnings,
)
from mtf.report.report_page import Gallery, PageSection


def run(workspace: ProjectPaths, params: Params) -> None:
    """Write `build/report/index.html`, a page that needs no network and no other file."""
    target = workspace.stage("report") / "index.html"
    project = params.project
    text = report_page.rendered(
        list(_sections(workspace, params)), title=project.title, version=params.release.version, contact=project.contact
    )
    atomic_files.write_text(target, text)
    print(f"report: {workspace.relative(target)}, {target.stat().st_size / 1e6:.1f} MB; open it in a browser")


def _sections(workspace: ProjectPaths, params: Params) -> Iterator[PageSection]:
    """Sections in the order of the page, warnings first."""
    data = schemas.read(schemas.splits(params), workspace.table("split", "splits"))
    screening = schemas.read(schemas.SCREENING, workspace.table("screen", "screening"))
    curated = _figures(workspace.metrics("curate"))
    sources = release_tables.read_sources(workspace, params)
    has_stale_models = any(not _is_of(data, path) for path in _predictions(workspace))
    yield _warnings(workspace, params, sources, held_back=curated["held_back"], has_stale_models=has_stale_models)
    yield funnel_section.funnel(curated, _figures(workspace.metrics("crop")), _undetected(workspace))
    yield composition.composition(data, params)
    yield composition.splits(data, params)
    if crawled := _figures(workspace.metrics("crawl")):
        yield composition.addresses(crawled)
    yield composition.licenses(licenses(data, sources.evidence), params.release.license)
    with_thumbnails = params.report.thumbnails
    galleries = _galleries(workspace, params, sources, screening) if with_thumbnails else []
    yield composition.duplicates(screening, galleries, thumbnails=with_thumbnails)
    yield composition.reviewers(curated)
    yield _models(workspace, has_stale_models=has_stale_models)
    yield warnings.changes(_changes(workspace, params), params.release.previous)


def _undetected(workspace: ProjectPaths) -> list[dict[str, Any]]:
    """Rows of the table undetected; none if the crops were made before it existed."""
    path = workspace.table("crop", "undetected")
    return schemas.read(schemas.UNDETECTED, path).to_dicts() if path.is_file() else []


def _warnings(
    workspace: ProjectPaths, params: Params, sources: Sources, *, held_back: dict[str, int], has_stale_models: bool
) -> PageSection:
    found = outcome.read(workspace)
    release_facts = release_tables.gather_facts(workspace, params, sources)
    return warnings.warnings(
        found,
        changed=outcome.changed_since(found, workspace, params) if found else (),
        has_stale_models=has_stale_models,
        held_back=held_back,
        unanswered=card.unanswered(release_facts, card.load(workspace.card)),
    )


def _models(workspace: ProjectPaths, *, has_stale_models: bool) -> PageSection:
    metrics = workspace.metrics_folder
    multitask, fairness = _by_name(metrics / "multitask"), metrics / "fairness"
    single = {(path.parent.name, path.stem): _figures(path) for path in sorted(fairness.glob("models/*/*.json"))}
    confusions = sorted(workspace.plots("multitask").glob("*/confusion/*.png"))
    return models.models(
        figure_files.merged_scores(_figures(workspace.metrics("evaluate")) or {}, multitask),
        figure_files.scores_by_group(single, _by_name(fairness / "multitask")),
        at_once=figure_files.all_at_once(multitask),
        pictures=[
            (
                thumbnails.embedded(path.read_bytes(), "image/png"),
                f"Confusion at every intersection: {path.stem}, {figure_files.model_of(path.parts[-3])}",
            )
            for path in confusions
        ],
        is_stale=has_stale_models,
        undetected=undetected_pictures.statement(workspace),
        others=[
            *models.compared(_by_name(metrics / "compare")),
            *models.labelled(_by_name(metrics / "label")),
            *verification_tables.verified(_by_name(metrics / "verify")),
        ],
    )


def _predictions(workspace: ProjectPaths) -> list[Path]:
    single = workspace.table("evaluate", "predictions")
    return [
        *([single] if single.is_file() else []),
        *sorted(workspace.stage("multitask").glob("*/predictions.parquet")),
    ]


def _is_of(data: pl.DataFrame, path: Path) -> bool:
    """True if the predictions have exactly the faces of the current test split."""
    keys = ["identity", "face_id"]
    predicted = schemas.read(schemas.PREDICTIONS, path).select(keys).unique()
    wanted = data.filter(split="test").select(keys)
    return predicted.sort(keys).equals(wanted.sort(keys))


def _by_name(folder: Path) -> dict[str, Any]:
    return {path.stem: _figures(path) for path in sorted(folder.glob("*.json"))}


def _galleries(workspace: ProjectPaths, params: Params, sources: Sources, screening: pl.DataFrame) -> list[Gallery]:
    """Galleries of near duplicates, only of faces that the policy permits, with the credits of a release."""
    keys = ["identity", "face_id"]
    byte_ranges = {(row[0], row[1]): row[2:] for row in sources.faces.select(*keys, "offset", "size_bytes").iter_rows()}
    permitted = schemas.read(schemas.non_curated(params), workspace.table("curate", "non_curated"))
    side = pl.lit(thumbnails.SIDE_PX)
    shown = permitted.with_columns(file=pl.lit(""), side_px=side, crop_px=side)
    credited = metadata.credited(shown, sources.images, sources.evidence)

    def crop(identity: str, face_id: str) -> bytes:
        return shards.read(workspace.shard("crop", identity), *byte_ranges[identity, face_id])

    credit = {
        (row["identity"], row["face_id"]): Markup(metadata.html_line(row))  # noqa: S704 (html_line escapes it)
        for row in credited.iter_rows(named=True)
    }
    return thumbnails.groups(screening, composition.DUPLICATES, crop, credit=credit)


def _changes(workspace: ProjectPaths, params: Params) -> dict[str, Any] | None:
    if params.release.previous is None:
        return None
    return revision_diff.run(workspace, params, params.release.previous, None).as_json()


def _figures(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
