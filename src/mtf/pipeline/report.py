"""Stage report: one HTML page on the state of the data set, from the tables and metrics of the other stages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from mtf import schemas
from mtf.config import Params
from mtf.core import atomic_files, shards
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import figure_files, undetected_pictures
from mtf.evaluation.figure_files import Groups, Scores
from mtf.gates import outcome
from mtf.gates.figures import licenses
from mtf.gates.outcome import GateOutcome
from mtf.release import card, metadata, release_tables, revision_diff
from mtf.release.release_tables import Sources
from mtf.report import (
    composition,
    consensus_section,
    funnel_section,
    gates_section,
    models,
    overview,
    report_page,
    thumbnails,
    verification_tables,
    warnings,
)
from mtf.report.report_page import Gallery, Overview, PageSection


def run(workspace: ProjectPaths, params: Params) -> None:
    """Write `build/report/index.html`, a page that needs no network and no other file."""
    target = workspace.stage("report") / "index.html"
    project = params.project
    first, sections = _contents(workspace, params)
    text = report_page.rendered(
        sections, overview=first, title=project.title, version=params.release.version, contact=project.contact
    )
    atomic_files.write_text(target, text)
    print(f"report: {workspace.relative(target)}, {target.stat().st_size / 1e6:.1f} MB; open it in a browser")


def _contents(workspace: ProjectPaths, params: Params) -> tuple[Overview, list[PageSection]]:
    """First screen, and the sections in the order of the page."""
    data = schemas.read(schemas.splits(params), workspace.table("split", "splits"))
    screening = schemas.read(schemas.SCREENING, workspace.table("screen", "screening"))
    curated = _figures(workspace.metrics("curate"))
    sources = release_tables.read_sources(workspace, params)
    found, changed = _gates(workspace, params)
    audit_errors = release_tables.audit_errors(workspace, params, sources)
    has_stale_models = any(not _is_of(data, path) for path in _predictions(workspace))
    unanswered = card.unanswered(release_tables.gather_facts(workspace, params, sources), card.load(workspace.card))
    warned = warnings.collected(
        found,
        changed=changed,
        audit_errors=audit_errors,
        has_stale_models=has_stale_models,
        held_back=curated["held_back"],
        unanswered=unanswered,
    )
    shares, since = licenses(data, sources.evidence), _changes(workspace, params)
    scores, groups = _scores(workspace)
    is_publishable, reasons = overview.verdict(found, changed, audit_errors)
    first = Overview(
        is_publishable,
        reasons,
        [
            overview.composition(data),
            overview.licenses(shares, params.release.license),
            overview.evenness(data, params),
            overview.accuracy(scores, groups),
            overview.attention([each.short for each in warned]),
            overview.changes(since, params.release.previous),
        ],
    )
    with_thumbnails = params.report.thumbnails
    galleries = _galleries(workspace, params, sources, screening) if with_thumbnails else []
    crawled = _figures(workspace.metrics("crawl"))
    sections = [
        warnings.warnings(warned, found, unanswered=unanswered),
        funnel_section.funnel(curated, _figures(workspace.metrics("crop")), _undetected(workspace)),
        composition.composition(data, params),
        composition.splits(data, params),
        *([composition.addresses(crawled)] if crawled else []),
        composition.licenses(shares, params.release.license),
        composition.duplicates(screening, galleries, thumbnails=with_thumbnails),
        composition.reviewers(curated),
        *([judged] if (judged := consensus_section.consensus(curated)) is not None else []),
        _models(workspace, scores, groups, is_stale=has_stale_models, with_pictures=with_thumbnails),
        gates_section.gates(found),
        warnings.changes(since, params.release.previous),
    ]
    return first, sections


def _gates(workspace: ProjectPaths, params: Params) -> tuple[GateOutcome | None, Sequence[str]]:
    """Outcome of the gates, None if they have not been checked, and what changed since."""
    found = outcome.read(workspace)
    return found, outcome.changed_since(found, workspace, params) if found else ()


def _undetected(workspace: ProjectPaths) -> list[dict[str, Any]]:
    """Rows of the table undetected; none if the crops were made before it existed."""
    path = workspace.table("crop", "undetected")
    return schemas.read(schemas.UNDETECTED, path).to_dicts() if path.is_file() else []


def _scores(workspace: ProjectPaths) -> tuple[Scores, Groups]:
    """Test scores and figures by group of all models."""
    metrics = workspace.metrics_folder
    fairness = metrics / "fairness"
    single = {(path.parent.name, path.stem): _figures(path) for path in sorted(fairness.glob("models/*/*.json"))}
    return (
        figure_files.merged_scores(_figures(workspace.metrics("evaluate")) or {}, _by_name(metrics / "multitask")),
        figure_files.scores_by_group(single, _by_name(fairness / "multitask")),
    )


def _models(
    workspace: ProjectPaths, scores: Scores, groups: Groups, *, is_stale: bool, with_pictures: bool
) -> PageSection:
    metrics = workspace.metrics_folder
    confusions = [
        (path, f"Confusion at every intersection: {path.stem}, {figure_files.model_of(path.parts[-3])}")
        for path in sorted(workspace.plots("multitask").glob("*/confusion/*.png"))
    ]
    as_tables = [(title, path.with_suffix(".json")) for path, title in confusions if not with_pictures]
    return models.models(
        scores,
        groups,
        all_correct=figure_files.all_correct(_by_name(metrics / "multitask")),
        pictures=[
            (thumbnails.embedded(path.read_bytes(), "image/png"), title) for path, title in confusions if with_pictures
        ],
        confusions=[(title, models.confusion_table(_figures(path))) for title, path in as_tables if path.is_file()],
        is_stale=is_stale,
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
    sides = sources.faces.select(*keys, crop_px=pl.min_horizontal("crop_width", "crop_height"))
    shown = permitted.join(sides, on=keys, validate="1:1").with_columns(
        file=pl.lit(""), side_px=pl.min_horizontal("crop_px", pl.lit(thumbnails.SIDE_PX))
    )
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
