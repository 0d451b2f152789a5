"""Stage split: the curated faces divided into train, val and test."""

from __future__ import annotations

from typing import Any

import polars as pl

from mtf import schemas
from mtf.config import Params
from mtf.core import atomic_files
from mtf.core.console import console
from mtf.core.errors import GateFailed
from mtf.core.project_paths import ProjectPaths
from mtf.curation import balanced_subset
from mtf.curation.funnel_tables import split_table
from mtf.curation.split import NOTHING_LEFT, assigned, counted
from mtf.schemas import FACE, SPLITS, Reason


def run(workspace: ProjectPaths, params: Params) -> None:
    """Write the tables splits and undetected, and metrics.

    Raises GateFailed if there is no curated face, or if the minimums cannot be met; it names the identities or labels.
    """
    curated = schemas.read(schemas.curated(params), workspace.table("curate", "curated"))
    if curated.is_empty():
        raise GateFailed(_why_nothing_is_left(workspace))
    columns = list(params.columns)
    balance = params.split.balance
    chosen = balanced_subset.of_split(curated, params.split, seed=params.seed)
    rows = assigned(chosen, columns=columns, split=params.split, seed=params.seed)
    path = workspace.table("split", "splits")
    schemas.check_refers(rows, curated, on=FACE, where=str(path), failures_to=schemas.failures_path(path))
    written = schemas.write(schemas.splits(params), rows, path)
    undetected = schemas.undetected(params)
    schemas.write(undetected, _undetected(workspace, params, written), workspace.table("split", "undetected"))
    metrics = _metrics(written, params)
    if balance is not None:
        metrics["left_out_for_balance"] = balanced_subset.left_out(curated, chosen, balance.over)
    atomic_files.write_json(workspace.metrics("split"), metrics)
    console().print(split_table(metrics))
    if balance is not None:
        over = ", ".join(balance.over)
        print(f"split: {chosen.height:,} of {curated.height:,} curated faces, balanced over {over} (split.balance)")


def _undetected(workspace: ProjectPaths, params: Params, rows: pl.DataFrame) -> pl.DataFrame:
    """Test pictures without a detected face, of the people of the data set.

    They have the share that `split` gives the test part; the image_id, a random number, decides which ones.
    """
    path, table = workspace.table("curate", "undetected"), schemas.undetected(params)
    found = schemas.read(table, path) if path.is_file() else schemas.frame(table, [])
    share = (1 - params.split.train_share) * (1 - params.split.val_share_of_rest)
    number = pl.col("image_id").str.head(8).str.to_integer(base=16, dtype=pl.Int64)
    return found.filter(pl.col("identity").is_in(rows["identity"].unique().to_list()), number < share * 16**8)


def _why_nothing_is_left(workspace: ProjectPaths) -> str:
    """Message for an empty curated table; if reviewers have not decided yet, with what to do."""
    path = workspace.table("curate", "exclusions")
    exclusions = schemas.read(schemas.EXCLUSIONS, path) if path.is_file() else schemas.frame(schemas.EXCLUSIONS, [])
    waiting = exclusions.filter(pl.col("reason") == Reason.UNDECIDED).height
    if not waiting:
        return NOTHING_LEFT
    return (
        f"split: there is no face to divide: {waiting} wait for the reviewers; `mtf review open --reviewer YOU`, then "
        "`dvc repro` (or, without people, curate.mode in params.yaml: screened or non_curated)"
    )


def _metrics(rows: pl.DataFrame, params: Params) -> dict[str, Any]:
    by_split = {name: rows.filter(pl.col("split") == name) for name in SPLITS}
    return {
        "faces": {name: part.height for name, part in by_split.items()},
        "shares": {name: round(part.height / rows.height, 6) for name, part in by_split.items()},
        "identities": {name: part["identity"].n_unique() for name, part in by_split.items()},
        "labels": counted(rows, list(params.attributes)),
    }
