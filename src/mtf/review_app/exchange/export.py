"""Decisions to and from other tools: CSV, COCO, and FiftyOne's detection format. Needs no database.

CSV is one file with a line per standing verdict and corrected label, and one for each face that nobody decided. COCO
and FiftyOne are folders as those formats want them, `data/` with the whole pictures and `labels.json` with a box per
face; each box carries `decisions`, a list of objects with reviewer, step, verdict, and as they apply reason, labels,
joint and time. Texts `REVIEWER STEP VERDICT`, with the reason after a `reject`, are read as well.

What is read need not be all that was written: passed over is what stands in the ledger already, what is older than
the last word there on the same thing, and what is about a picture that was taken down since. Without a time a decision
counts as given now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl

from mtf.annotation import consensus
from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger import TOGETHER, LedgerWriter
from mtf.config import Params
from mtf.core import atomic_files, csv_files
from mtf.core.errors import MtfError, bad_value
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.loading import material_of
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.exchange import exported_pictures, import_formats, import_merge
from mtf.review_app.exchange.import_formats import LABELS, SAID
from mtf.review_app.review_lock import alone
from mtf.schemas import BOX, FACE, Step, takedown_file

COLUMNS = (
    "identity",
    "face_id",
    "image_id",
    *BOX,
    "url",
    "page_url",
    "license",
    *SAID,
)
PICTURES = "data"
TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"


def write(workspace: ProjectPaths, params: Params, to: Path, *, format: str) -> str:
    """Write faces and standing decisions to `to`, a file for csv, else a folder; returns a line that says so.

    Over an earlier export it writes what is in now, and removes the pictures of what is not. Raises BadInput where
    something else is there, and MtfError where it cannot be written or a picture is missing; of a missing one before
    anything is written. What is there afterwards without its `labels.json` is no export; it can be written over.
    """
    _check_place(to, format)
    material, _ = material_of(workspace, params)
    try:
        return _written(workspace, material, to, format)
    except OSError as error:
        raise _not_written(to, error) from None


def _check_place(to: Path, format: str) -> None:
    try:
        is_file, is_folder = to.is_file(), to.is_dir()
        is_strange = is_folder and any(to.iterdir()) and not _is_export(to)
    except OSError as error:
        raise _not_written(to, error) from None
    if format == "csv" and is_folder:
        raise bad_value(format, str(to), "the name of a file; this is a folder")
    if format != "csv" and (is_file or is_strange):
        raise bad_value(format, str(to), "a folder that is new, empty, or an earlier export's")


def _is_export(folder: Path) -> bool:
    """Whether an export was written there, or was being written when something ended it."""
    is_begun = [each.name for each in folder.iterdir()] == [PICTURES] and exported_pictures.is_ours(folder / PICTURES)
    return is_begun or (folder / LABELS).is_file()


def _not_written(to: Path, error: OSError) -> MtfError:
    is_in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
    why = "something else stands where a folder would" if is_in_the_way else error.strerror
    return MtfError(f"{to}: not written: {why}")


def _written(workspace: ProjectPaths, material: ReviewData, to: Path, format: str) -> str:
    data = _with_decisions(material)
    if format == "csv":
        csv_files.write(to, data.select(COLUMNS))
        return f"{to}: {data['verdict'].count()} decisions on {material.faces.height} faces"
    grouped = _grouped(data)
    pictures = exported_pictures.find(workspace, grouped)
    content = _coco(grouped, pictures) if format == "coco" else _fiftyone(grouped)
    (to / LABELS).unlink(missing_ok=True)
    exported_pictures.write(workspace, pictures, to / PICTURES)
    atomic_files.write_json(to / LABELS, content)
    return f"{to}: {grouped.height} faces in {len(pictures)} pictures, {data['verdict'].count()} decisions"


def read(workspace: ProjectPaths, params: Params, source: Path, *, format: str, reviewer: str | None) -> str:
    """Add the decisions of `source` to the ledger, a sitting for each reviewer; returns a line that says so.

    Raises BadInput, with nothing written, where a decision is malformed, meets no face, or gives a label that its
    task does not have: lines are never taken back, and one such would stop every reader of the ledger. Raises
    MtfError where the ledger cannot be written, or one of the reviews is open.
    """
    given = import_formats.read(source, format=format, reviewer=reviewer)
    arrived = import_merge.not_taken_down(given, takedown_file.load(workspace.takedowns))
    material, _ = material_of(workspace, params)
    for where, decision in arrived:
        for column, label in (decision.labels or {}).items():
            consensus.check_label(column, label, material.labels, where=where)
    met = import_merge.met(arrived, material, box_iou=params.curate.box_iou)
    standing, older = import_merge.standing(met, material), import_merge.older(met, material)
    added = met.filter(~standing, ~older).sort("time", "number")["number"]
    fresh = import_merge.without_repetitions([arrived[number].decision for number in added])
    with ExitStack() as held:
        # A room that is open would go on asking for what is decided here.
        for name in sorted({TOGETHER if decision.joint else decision.reviewer for decision in fresh}):
            held.enter_context(alone(workspace.stage("room"), name))
        for name in sorted({decision.reviewer for decision in fresh}):
            _append(workspace, name, [decision for decision in fresh if decision.reviewer == name])
    counts = f"{len(fresh)} decisions added, {standing.sum()} stood in the ledger already"
    if repeated := len(added) - len(fresh):
        counts += f", {repeated} repeat another of this file"
    if outdated := int((older & ~standing).sum()):
        counts += f", {outdated} are older than the last word there"
    if taken_down := len(given) - len(arrived):
        counts += f", {taken_down} are about pictures that were taken down"
    return counts


def _append(workspace: ProjectPaths, reviewer: str, decisions: list[Decision]) -> None:
    try:
        with LedgerWriter(workspace.review, reviewer) as sitting:
            sitting.append(*decisions)
    except OSError as error:
        place = workspace.relative(workspace.review / reviewer)
        raise MtfError(f"{place}: not written: {error.strerror}; mend that and import the same file again") from None


def _with_decisions(material: ReviewData) -> pl.DataFrame:
    """The faces with the verdicts and labels that stand (SAID), as often as there are some, and once where none."""
    given = material.corrections.select("column", "label").iter_rows()
    texts = [json.dumps({column: label}, ensure_ascii=False) for column, label in given]
    columns = ["reviewer", "joint", *FACE, "step", "verdict", "reason", "labels", "order"]
    verdicts = material.votes.with_columns(labels=pl.lit(None, pl.String)).select(columns)
    labels = material.corrections.with_columns(
        step=pl.lit(str(Step.TASK_FIT)),
        verdict=pl.lit(str(Verdict.LABEL)),
        reason=pl.lit(None, pl.String),
        labels=pl.Series(texts, dtype=pl.String),
    ).select(columns)
    said = pl.concat([verdicts, labels])
    said = said.with_columns(time=material.matched["time"].gather(said["order"]).dt.strftime(TIME))
    said = said.sort("reviewer", *FACE, "time", "step").select(*FACE, *SAID)
    return material.faces.join(said, on=FACE, how="left", maintain_order="left_right")


def _grouped(data: pl.DataFrame) -> pl.DataFrame:
    first = [pl.col(name).first() for name in data.columns if name not in (*FACE, *SAID)]
    said = pl.struct(SAID).filter(pl.col("verdict").is_not_null()).alias("decisions")
    return data.group_by(FACE, maintain_order=True).agg(*first, said)


def _as_objects(decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what does not apply, and labels as what they are."""
    return [
        {name: json.loads(value) if name == "labels" else value for name, value in one.items() if value}
        for one in decisions
    ]


def _coco(faces: pl.DataFrame, pictures: Mapping[str, exported_pictures.Stored]) -> dict[str, Any]:
    identities = faces["identity"].unique().sort().to_list()
    images = faces.unique("image_id", keep="first", maintain_order=True)
    number_of = {image_id: number for number, image_id in enumerate(images["image_id"], 1)}
    return {
        "info": {"description": "faces for review"},
        "categories": [{"id": number, "name": name} for number, name in enumerate(identities, 1)],
        "images": [
            {"id": number_of[row["image_id"]], "file_name": pictures[row["image_id"]].name}
            | {"width": row["image_width"], "height": row["image_height"]}
            for row in images.iter_rows(named=True)
        ],
        "annotations": [
            {"id": number, "image_id": number_of[row["image_id"]]}
            | {"category_id": identities.index(row["identity"]) + 1, "bbox": [row[side] for side in BOX]}
            | {"area": row["width"] * row["height"], "iscrowd": 0, "decisions": _as_objects(row["decisions"])}
            for number, row in enumerate(faces.iter_rows(named=True), 1)
        ],
    }


def _fiftyone(faces: pl.DataFrame) -> dict[str, Any]:
    labels: dict[str, list[dict[str, Any]]] = {}
    for row in faces.iter_rows(named=True):
        wide, high = row["image_width"], row["image_height"]
        box = [row["x"] / wide, row["y"] / high, row["width"] / wide, row["height"] / high]
        attributes = {"decisions": _as_objects(row["decisions"]), "box": [row[side] for side in BOX]}
        one = {"label": row["identity"], "bounding_box": box, "attributes": attributes}
        labels.setdefault(row["image_id"], []).append(one)
    return {"classes": None, "labels": labels}
