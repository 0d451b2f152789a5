"""Stage curate: the funnel of steps over all faces, with the panel's verdicts; the faces kept and excluded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from mtf import schemas
from mtf.annotation import agreement, consensus, duplicate_rules, ledger, matching, model_verdicts, pairs
from mtf.config import Params
from mtf.core import atomic_files, csv_files
from mtf.core.console import console
from mtf.core.counts import number
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.curation import funnel, funnel_inputs, proposal_rates
from mtf.curation.duplicates import AUTOMATIC, duplicate_groups
from mtf.curation.funnel_inputs import weakest_decision
from mtf.curation.funnel_tables import funnel_table, left_by_step
from mtf.review_app.engine import panel_metrics, panel_model
from mtf.review_app.engine.likeness import load_embeddings
from mtf.review_app.engine.panel_model import PanelModel
from mtf.rights import attribution, consent
from mtf.schemas import FACE, IMAGE, DetectionOutcome, Reason, Step, roster_file, takedown_file

# Seed of the bootstrap intervals of agreement. Not the project's seed, which is for the split and the training.
AGREEMENT_SEED = 0


@dataclass(frozen=True)
class PanelResult:
    """Panel's votes and verdicts on the faces of the current version.

    - `ledger`: all decisions;
    - `unmatched`: number of decisions without a current face;
    - `votes`: current vote of each reviewer on each face and step;
    - `verdicts`: verdict on each face and step;
    - `label_verdicts`: verdict on each face and label;
    - `model`: model of the reviewers, without steps if the majority decides alone.
    """

    ledger: ledger.Ledger
    unmatched: int
    votes: pl.DataFrame
    verdicts: pl.DataFrame
    label_verdicts: pl.DataFrame
    model: PanelModel

    @property
    def accepted(self) -> pl.DataFrame:
        """Faces (identity, face_id) that the panel accepted as their identity's."""
        is_accepted = (pl.col("step") == Step.IDENTITY) & (pl.col("outcome") == consensus.Outcome.ACCEPT)
        return self.verdicts.filter(is_accepted).select(FACE)


def run(workspace: ProjectPaths, params: Params) -> None:
    """Write the tables curated, non_curated, exclusions and undetected, metrics, and a plot of the funnel.

    Raises BadInput and ContractViolated for tables and files that cannot be read.
    """
    faces, images, undetected = _gathered(workspace, params)
    panel = _panel_result(workspace, params, faces)
    automatic = funnel.run(faces, funnel.automatic(params))
    with_people = funnel_inputs.with_verdicts(
        faces, verdicts=panel.verdicts, label_verdicts=panel.label_verdicts, columns=list(params.attributes)
    )
    result = funnel.run(with_people if _is_curated(params) else faces, funnel.steps(params, accepted=panel.accepted))
    non_curated = automatic.kept.with_columns(
        decided_by=pl.lit(AUTOMATIC), duplicate_group=duplicate_groups(automatic.kept)
    )
    tables = (
        (schemas.curated(params), _decided(result.kept, panel, params)),
        (schemas.non_curated(params), non_curated),
        (schemas.EXCLUSIONS, result.exclusions),
    )
    for table, rows in tables:
        _write(workspace, table, rows, faces)
    schemas.write(schemas.undetected(params), undetected, workspace.table("curate", "undetected"))
    metrics = _metrics(images, faces, result, automatic, panel)
    proposed = proposal_rates.rates(faces, panel.verdicts, columns=list(params.attributes))
    metrics |= {"proposals": proposed} if proposed else {}
    atomic_files.write_json(workspace.metrics("curate"), metrics)
    atomic_files.write_json(workspace.headline("data_set"), _headline(metrics))
    # In the order of the funnel, for `dvc plots`.
    csv_files.write(workspace.plots("funnel.csv"), [("step", "faces"), *left_by_step(metrics)])
    _report(metrics, panel)


def _is_curated(params: Params) -> bool:
    return params.curate.mode == "curated"


def _gathered(workspace: ProjectPaths, params: Params) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Faces with labels, measures and columns of the legal steps; the images; those without a face that may be used."""
    people = roster_file.load(workspace.roster, params)
    images = schemas.read(schemas.IMAGES, workspace.table("crawl", "images"))
    evidence = attribution.evidence(workspace)
    faces_path = workspace.table("crop", "faces")
    faces = schemas.read(schemas.FACES, faces_path)
    screening = schemas.read(schemas.SCREENING, workspace.table("screen", "screening"))
    for parent, key in ((people, ["identity"]), (images, IMAGE), (screening, FACE)):
        _check_refers(faces, parent, key, faces_path)
    _check_refers(evidence, images, IMAGE, workspace.table("crawl", "evidence"))
    measured = pairs.grouped(
        funnel_inputs.with_labels_and_measures(faces, roster=people, screening=screening),
        pairs.read(workspace.review),
        box_iou=params.curate.box_iou,
    )
    with_legal = partial(
        funnel_inputs.with_legal,
        images=images,
        evidence=evidence,
        takedowns=takedown_file.load(workspace.takedowns),
        licenses=params.licenses,
        today=datetime.now(UTC).date(),
        consents=consent.load(workspace, params),
    )
    labelled = _without_face(workspace).join(people, on="identity")
    return with_legal(measured), images, _permitted(with_legal(labelled))


def _without_face(workspace: ProjectPaths) -> pl.DataFrame:
    """Images (identity, image_id) in which no face was detected."""
    path = workspace.table("crop", "detections")
    detections = schemas.read(schemas.DETECTIONS, path) if path.is_file() else schemas.frame(schemas.DETECTIONS, [])
    return detections.filter(pl.col("outcome") == DetectionOutcome.NO_FACE).select(IMAGE)


def _check_refers(child: pl.DataFrame, parent: pl.DataFrame, key: list[str], path: Path) -> None:
    """Check that each row of `child` has a row in `parent`. `path` is the child's table."""
    schemas.check_refers(child, parent, on=key, where=str(path), failures_to=schemas.failures_path(path))


def _panel_result(workspace: ProjectPaths, params: Params, faces: pl.DataFrame) -> PanelResult:
    all_decisions = ledger.read(workspace.review)
    permitted = {column: task.labels for column, task in params.attributes.items()}
    consensus.check_labels(all_decisions.decisions, permitted)
    matched = matching.match(all_decisions.decisions, faces, box_iou=params.curate.box_iou)
    votes, labels = consensus.current_votes(matched), consensus.current_labels(matched)
    reviewers = params.curate.reviewers
    verdicts = consensus.verdicts(votes, reviewers=reviewers)
    model = _model(workspace, params, faces, votes)
    decided = model_verdicts.decided(
        verdicts, model.opinions(votes), reviewers=reviewers, min_confidence=params.curate.min_confidence
    )
    return PanelResult(
        ledger=all_decisions,
        unmatched=matched["face_id"].null_count(),
        votes=votes,
        verdicts=duplicate_rules.with_group_conflicts(decided, _permitted(faces)),
        label_verdicts=consensus.label_verdicts(labels, votes, faces, columns=list(permitted), reviewers=reviewers),
        model=model,
    )


def _model(workspace: ProjectPaths, params: Params, faces: pl.DataFrame, votes: pl.DataFrame) -> PanelModel:
    """Model of the reviewers; without steps if the majority decides alone."""
    if not _is_curated(params) or params.curate.consensus == "majority":
        return PanelModel({})
    shown = _permitted(faces)
    return panel_model.fitted(shown, votes, embeddings=load_embeddings(workspace, shown))


def _permitted(faces: pl.DataFrame) -> pl.DataFrame:
    """Faces or images that the legal steps keep. A duplicate of a removed face counts as no duplicate."""
    return faces.filter(pl.col("taken_down").is_null(), pl.col("license_reason").is_null())


def _decided(kept: pl.DataFrame, panel: PanelResult, params: Params) -> pl.DataFrame:
    """Kept faces with the columns decided_by, confidence and duplicate_group."""
    decided_by = weakest_decision(panel.verdicts) if _is_curated(params) else weakest_decision(panel.verdicts.clear())
    joined = kept.join(decided_by, on=FACE, how="left", maintain_order="left")
    grouped = joined.with_columns(duplicate_group=duplicate_groups(kept))
    return grouped.with_columns(pl.col("decided_by").fill_null(AUTOMATIC))


def _write(workspace: ProjectPaths, table: schemas.Table, rows: pl.DataFrame, faces: pl.DataFrame) -> None:
    path = workspace.table("curate", table.name)
    _check_refers(rows, faces, FACE, path)
    schemas.write(table, rows, path)


def _metrics(
    images: pl.DataFrame,
    faces: pl.DataFrame,
    result: funnel.FunnelResult,
    automatic: funnel.FunnelResult,
    panel: PanelResult,
) -> dict[str, Any]:
    decisions = panel.ledger.decisions
    return {
        "images": {"count": images.height, "identities": images["identity"].n_unique()},
        "cropped": _sizes(faces),
        "steps": _steps(result),
        "held_back": {
            reason.value: sum(figures.dropped.get(reason.value, 0) for figures in result.step_figures)
            for reason in (Reason.UNDECIDED, Reason.CONFLICT)
        },
        "curated": _sizes(result.kept),
        "non_curated": _sizes(automatic.kept) | {"steps": _steps(automatic)},
        "ledger": {
            "decisions": decisions.height,
            "reviewers": decisions["reviewer"].n_unique(),
            "sittings": decisions["file"].n_unique(),
            "unmatched": panel.unmatched,
            "torn_lines": len(panel.ledger.torn),
        },
        "agreement": agreement.by_step(panel.votes, seed=AGREEMENT_SEED),
        **panel_metrics.figures(panel.model, panel.votes, panel.verdicts),
    }


def _headline(metrics: dict[str, Any]) -> dict[str, Any]:
    """Size of the data set, and Krippendorff's alpha of the reviewers on the identity, if two voted on a face."""
    agreed = metrics["agreement"].get(Step.IDENTITY.value, {})
    alpha = {"alpha": round(agreed["alpha"], 3)} if agreed.get("alpha") is not None else {}
    return {"faces": metrics["curated"]["faces"], "people": metrics["curated"]["identities"], **alpha}


def _steps(result: funnel.FunnelResult) -> dict[str, dict[str, Any]]:
    return {
        str(figures.step): {"faces": figures.faces, "identities": figures.identities, "dropped": figures.dropped}
        for figures in result.step_figures
    }


def _sizes(rows: pl.DataFrame) -> dict[str, int]:
    return {"faces": rows.height, "identities": rows["identity"].n_unique()}


def _report(metrics: dict[str, Any], panel: PanelResult) -> None:
    out = console()
    for line in panel.ledger.torn:
        out.print(f"curate: {PATHS_IN_PROJECT.review}/{line}", markup=False, highlight=False)
    if panel.unmatched:
        out.print(
            f"curate: {number(panel.unmatched, 'decision meets', 'decisions meet')} no face that is there now",
            highlight=False,
        )
    out.print(funnel_table(metrics))
    held_back = metrics["held_back"]
    if sum(held_back.values()):
        counts = f"{held_back[Reason.UNDECIDED.value]} undecided, {held_back[Reason.CONFLICT.value]} in conflict"
        out.print(f"Held back until the reviewers decide: {counts}.", highlight=False)
    if figures := metrics["agreement"].get(Step.IDENTITY.value):
        shown = ", ".join(f"{name} {figures[name]:.3f}" for name in ("raw", "kappa", "alpha") if name in figures)
        out.print(f"Reviewers agree on identity: {shown} ({figures['faces']} faces).", highlight=False)
    if proposed := metrics.get("proposals"):
        out.print("Identity proposals against the panel:", highlight=False)
        for line in proposal_rates.lines(proposed):
            out.print(f"  {line}", markup=False, highlight=False)
