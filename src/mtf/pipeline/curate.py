"""`mtf curate`: what survives the steps of the funnel, and by whose decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from mtf import schemas
from mtf.annotation import agreement, consensus, duplicate_rules, ledger, matching
from mtf.config import Params
from mtf.core import atomic_files, csv_files
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.curation import funnel, funnel_inputs
from mtf.curation.duplicates import AUTOMATIC, duplicate_groups
from mtf.curation.funnel_inputs import weakest_decision
from mtf.curation.funnel_tables import funnel_table, left_by_step
from mtf.rights import attribution
from mtf.schemas import FACE, IMAGE, Reason, Step, roster_file, takedown_file

# Intervals of agreement are drawn; not with the project's seed, which is the split's and the training's.
AGREEMENT_SEED = 0


@dataclass(frozen=True)
class PanelResult:
    """The ledger, as far as it concerns faces that are there."""

    ledger: ledger.Ledger
    unmatched: int
    votes: pl.DataFrame
    verdicts: pl.DataFrame
    label_verdicts: pl.DataFrame

    @property
    def accepted(self) -> pl.DataFrame:
        """The faces that the panel accepted as their person's: identity and face_id."""
        is_accepted = (pl.col("step") == Step.IDENTITY) & (pl.col("outcome") == consensus.Outcome.ACCEPT)
        return self.verdicts.filter(is_accepted).select(FACE)


def run(workspace: ProjectPaths, params: Params) -> None:
    """Write curated, non_curated and exclusions. Raises BadInput and ContractViolated as the tables' readers do."""
    faces, images = _gathered(workspace, params)
    heard = _heard(workspace, params, faces)
    automatic = funnel.run(faces, funnel.automatic(params))
    with_people = funnel_inputs.with_verdicts(
        faces, verdicts=heard.verdicts, label_verdicts=heard.label_verdicts, columns=list(params.attributes)
    )
    result = funnel.run(with_people if _is_curated(params) else faces, funnel.steps(params, accepted=heard.accepted))
    non_curated = automatic.kept.with_columns(
        decided_by=pl.lit(AUTOMATIC), duplicate_group=duplicate_groups(automatic.kept)
    )
    made = (
        (schemas.curated(params), _decided(result.kept, heard, params)),
        (schemas.non_curated(params), non_curated),
        (schemas.EXCLUSIONS, result.exclusions),
    )
    for table, rows in made:
        _write(workspace, table, rows, faces)
    metrics = _metrics(images, faces, result, automatic, heard)
    atomic_files.write_json(workspace.metrics("curate"), metrics)
    # In the order of the funnel, for `dvc plots`.
    csv_files.write(workspace.plots("funnel.csv"), [("step", "faces"), *left_by_step(metrics)])
    _report(metrics, heard)


def _is_curated(params: Params) -> bool:
    return params.curate.mode == "curated"


def _gathered(workspace: ProjectPaths, params: Params) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The faces with all that the legal steps and the duplicates need, and the images."""
    people = roster_file.load(workspace.roster, params)
    images = schemas.read(schemas.IMAGES, workspace.table("crawl", "images"))
    evidence = attribution.evidence(workspace)
    faces_path = workspace.table("crop", "faces")
    faces = schemas.read(schemas.FACES, faces_path)
    screening = schemas.read(schemas.SCREENING, workspace.table("screen", "screening"))
    for parent, key in ((people, ["identity"]), (images, IMAGE), (screening, FACE)):
        _check_refers(faces, parent, key, faces_path)
    _check_refers(evidence, images, IMAGE, workspace.table("crawl", "evidence"))
    measured = funnel_inputs.with_labels_and_measures(faces, roster=people, screening=screening)
    legal = funnel_inputs.with_legal(
        measured,
        images=images,
        evidence=evidence,
        takedowns=takedown_file.load(workspace.takedowns),
        licenses=params.licenses,
        today=datetime.now(UTC).date(),
    )
    return legal, images


def _check_refers(child: pl.DataFrame, parent: pl.DataFrame, key: list[str], path: Path) -> None:
    """`path` is the child's."""
    schemas.check_refers(child, parent, on=key, where=str(path), failures_to=schemas.failures_path(path))


def _heard(workspace: ProjectPaths, params: Params, faces: pl.DataFrame) -> PanelResult:
    everything = ledger.read(workspace.review)
    permitted = {column: task.labels for column, task in params.attributes.items()}
    consensus.check_labels(everything.decisions, permitted)
    matched = matching.match(everything.decisions, faces, box_iou=params.curate.box_iou)
    votes, labels = consensus.current_votes(matched), consensus.current_labels(matched)
    reviewers = params.curate.reviewers
    return PanelResult(
        ledger=everything,
        unmatched=matched["face_id"].null_count(),
        votes=votes,
        verdicts=duplicate_rules.with_group_conflicts(
            consensus.verdicts(votes, reviewers=reviewers), _permitted(faces)
        ),
        label_verdicts=consensus.label_verdicts(labels, votes, faces, columns=list(permitted), reviewers=reviewers),
    )


def _permitted(faces: pl.DataFrame) -> pl.DataFrame:
    """Without those that the legal steps take away: a copy of one that is gone is a copy no more."""
    return faces.filter(pl.col("taken_down").is_null(), pl.col("license_reason").is_null())


def _decided(kept: pl.DataFrame, heard: PanelResult, params: Params) -> pl.DataFrame:
    """The kept faces with whose decision it was, and with the groups that must not part."""
    whose = weakest_decision(heard.verdicts) if _is_curated(params) else weakest_decision(heard.verdicts.clear())
    joined = kept.join(whose, on=FACE, how="left", maintain_order="left")
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
    heard: PanelResult,
) -> dict[str, Any]:
    decisions = heard.ledger.decisions
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
            "unmatched": heard.unmatched,
            "torn_lines": len(heard.ledger.torn),
        },
        "agreement": agreement.by_step(heard.votes, seed=AGREEMENT_SEED),
    }


def _steps(result: funnel.FunnelResult) -> dict[str, dict[str, Any]]:
    return {
        str(figures.step): {"faces": figures.faces, "identities": figures.identities, "dropped": figures.dropped}
        for figures in result.step_figures
    }


def _sizes(rows: pl.DataFrame) -> dict[str, int]:
    return {"faces": rows.height, "identities": rows["identity"].n_unique()}


def _report(metrics: dict[str, Any], heard: PanelResult) -> None:
    console = Console()
    for line in heard.ledger.torn:
        console.print(f"curate: {PATHS_IN_PROJECT.review}/{line}", markup=False, highlight=False)
    if heard.unmatched:
        console.print(f"curate: {heard.unmatched} decisions meet no face that is there now", highlight=False)
    console.print(funnel_table(metrics))
    held = metrics["held_back"]
    if sum(held.values()):
        counts = f"{held[Reason.UNDECIDED.value]} undecided, {held[Reason.CONFLICT.value]} in conflict"
        console.print(f"Held back until the reviewers decide: {counts}.", highlight=False)
    if figures := metrics["agreement"].get(Step.IDENTITY.value):
        shown = ", ".join(f"{name} {figures[name]:.3f}" for name in ("raw", "kappa", "alpha") if name in figures)
        console.print(f"Reviewers agree on identity: {shown} ({figures['faces']} faces).", highlight=False)
