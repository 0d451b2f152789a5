"""Stage split: the curated faces divided into train, val and test."""

from __future__ import annotations

from dataclasses import dataclass
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
from mtf.curation.split import NOTHING_LEFT, counted, split_of_each
from mtf.curation.split_units import UNIT_COLUMNS
from mtf.schemas import FACE, SPLITS, Reason

_SPLIT = pl.Enum(SPLITS)


def run(workspace: ProjectPaths, params: Params) -> None:
    """Write the tables splits and undetected, and metrics.

    Only the columns that decide are held in memory whole.

    Raises GateFailed if there is no curated face, or if the minimums cannot be met; it names the identities or labels.
    """
    curated = schemas.scan(schemas.curated(params), workspace.table("curate", "curated"))
    divided = _divided(workspace, params, curated)
    rows = pl.concat([curated, divided.splits.to_frame().lazy()], how="horizontal").drop_nulls("split")
    in_order = rows if divided.is_sorted else rows.sort(FACE)
    written = schemas.sink(schemas.splits(params), in_order, workspace.table("split", "splits"))
    undetected = schemas.undetected(params)
    schemas.write(undetected, _undetected(workspace, params, written), workspace.table("split", "undetected"))
    atomic_files.write_json(workspace.metrics("split"), divided.metrics)
    console().print(split_table(divided.metrics))
    if params.split.balance is not None:
        over = ", ".join(params.split.balance.over)
        chosen, all_faces = len(divided.splits) - divided.splits.null_count(), len(divided.splits)
        print(f"split: {chosen:,} of {all_faces:,} curated faces, balanced over {over} (split.balance)")


@dataclass(frozen=True)
class _Divided:
    """Splits of the curated faces.

    splits: split of each face in the order of the table curated; null if `split.balance` leaves it out.
    is_sorted: True if the table curated is sorted by identity and face_id.
    metrics: content of `metrics/split.json`.
    """

    splits: pl.Series
    is_sorted: bool
    metrics: dict[str, Any]


def _divided(workspace: ProjectPaths, params: Params, curated: pl.LazyFrame) -> _Divided:
    faces = _deciding_columns(params, curated).sort(FACE)
    if faces.is_empty():
        raise GateFailed(_why_nothing_is_left(workspace))
    chosen = balanced_subset.of_split(faces, params.split, seed=params.seed)
    places = split_of_each(chosen, columns=list(params.columns), split=params.split, seed=params.seed)
    chosen = chosen.with_columns(split=pl.Series(places).cat.to(_SPLIT))
    splits = pl.repeat(None, faces.height, dtype=_SPLIT, eager=True).alias("split")
    metrics = _metrics(chosen, params)
    if params.split.balance is not None:
        metrics["left_out_for_balance"] = balanced_subset.left_out(faces, chosen, params.split.balance.over)
    return _Divided(splits.scatter(chosen["row"], chosen["split"]), faces["row"].is_sorted(), metrics)


def _deciding_columns(params: Params, curated: pl.LazyFrame) -> pl.DataFrame:
    """Columns that decide on a face's split, and its `row` in the table, with numbers and categories for texts."""
    over = params.split.balance.over if params.split.balance else []
    labels = [name for name in dict.fromkeys([*params.columns, *over]) if name not in FACE]
    faces = curated.with_row_index("row").select("row", pl.col("identity", *labels).cast(pl.Categorical()), "face_id")
    numbers = [curated.select(pl.col(name).rank("dense")) for name in UNIT_COLUMNS]
    return pl.concat([each.collect(engine="streaming") for each in (faces, *numbers)], how="horizontal")


def _undetected(workspace: ProjectPaths, params: Params, rows: pl.LazyFrame) -> pl.DataFrame:
    """Test pictures without a detected face, of the people of the data set.

    They have the share that `split` gives the test part; the image_id, a random number, decides which ones.
    """
    path, table = workspace.table("curate", "undetected"), schemas.undetected(params)
    found = schemas.read(table, path) if path.is_file() else schemas.frame(table, [])
    share = (1 - params.split.train_share) * (1 - params.split.val_share_of_rest)
    number = pl.col("image_id").str.head(8).str.to_integer(base=16, dtype=pl.Int64)
    people = rows.select(pl.col("identity").unique()).collect(engine="streaming")["identity"]
    return found.filter(pl.col("identity").is_in(people.to_list()), number < share * 16**8)


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
