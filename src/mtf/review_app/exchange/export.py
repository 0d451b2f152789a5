"""Export of faces and decisions to CSV, COCO or FiftyOne's detection format. Needs no database.

- CSV: one file with a line per current verdict and corrected label, and one per face without a decision.
- COCO and FiftyOne: a folder with the whole images in `data/`, and `labels.json` with a box per face. Each box has
  `decisions`, a list of objects with reviewer, step, verdict, and if present reason, labels, joint and time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from mtf.annotation.decision import Verdict
from mtf.config import Params
from mtf.core import atomic_files, csv_files
from mtf.core.counts import number
from mtf.core.errors import MtfError, bad_value
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.loading import load_review_data
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.exchange import exported_pictures
from mtf.review_app.exchange.import_formats import DECISION_FIELDS, LABELS
from mtf.schemas import BOX, FACE, Step

COLUMNS = (
    "identity",
    "face_id",
    "image_id",
    *BOX,
    "url",
    "page_url",
    "license",
    *DECISION_FIELDS,
)
PICTURES = "data"
TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"


def write(workspace: ProjectPaths, params: Params, to: Path, *, format: str) -> str:
    """Write faces and current decisions to `to`, a file for csv, else a folder; returns a summary line.

    An earlier export there is replaced, and pictures that are no longer in it are removed. A folder that was left
    without its `labels.json` is an interrupted export and can be written over.

    Raises BadInput if something else is at `to`, and MtfError if it cannot be written or an image is missing. A missing
    image is found before anything is written.
    """
    _check_place(to, format)
    review_data, _ = load_review_data(workspace, params)
    try:
        return _written(workspace, review_data, to, format)
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
    """True if the folder holds an export, or one that was interrupted."""
    is_begun = [each.name for each in folder.iterdir()] == [PICTURES] and exported_pictures.is_ours(folder / PICTURES)
    return is_begun or (folder / LABELS).is_file()


def _not_written(to: Path, error: OSError) -> MtfError:
    is_in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
    why = "something else stands where a folder would" if is_in_the_way else error.strerror
    return MtfError(f"{to}: not written: {why}")


def _written(workspace: ProjectPaths, review_data: ReviewData, to: Path, format: str) -> str:
    data = _with_decisions(review_data)
    if format == "csv":
        csv_files.write(to, data.select(COLUMNS))
        return f"{to}: {number(data['verdict'].count(), 'decision')} on {number(review_data.faces.height, 'face')}"
    grouped = _grouped(data)
    pictures = exported_pictures.find(workspace, grouped)
    content = _coco(grouped, pictures) if format == "coco" else _fiftyone(grouped)
    (to / LABELS).unlink(missing_ok=True)
    exported_pictures.write(workspace, pictures, to / PICTURES)
    atomic_files.write_json(to / LABELS, content)
    decisions = number(data["verdict"].count(), "decision")
    return f"{to}: {number(grouped.height, 'face')} in {number(len(pictures), 'picture')}, {decisions}"


def _with_decisions(review_data: ReviewData) -> pl.DataFrame:
    """Faces joined with their current verdicts and labels (DECISION_FIELDS): one row per decision, or one row without
    any.
    """
    given = review_data.corrections.select("column", "label").iter_rows()
    texts = [json.dumps({column: label}, ensure_ascii=False) for column, label in given]
    columns = ["reviewer", "joint", *FACE, "step", "verdict", "reason", "labels", "order"]
    verdicts = review_data.votes.with_columns(labels=pl.lit(None, pl.String)).select(columns)
    labels = review_data.corrections.with_columns(
        step=pl.lit(str(Step.TASK_FIT)),
        verdict=pl.lit(str(Verdict.LABEL)),
        reason=pl.lit(None, pl.String),
        labels=pl.Series(texts, dtype=pl.String),
    ).select(columns)
    decisions = pl.concat([verdicts, labels])
    decisions = decisions.with_columns(time=review_data.matched["time"].gather(decisions["order"]).dt.strftime(TIME))
    decisions = decisions.sort("reviewer", *FACE, "time", "step").select(*FACE, *DECISION_FIELDS)
    return review_data.faces.join(decisions, on=FACE, how="left", maintain_order="left_right")


def _grouped(data: pl.DataFrame) -> pl.DataFrame:
    first = [pl.col(name).first() for name in data.columns if name not in (*FACE, *DECISION_FIELDS)]
    decisions = pl.struct(DECISION_FIELDS).filter(pl.col("verdict").is_not_null()).alias("decisions")
    return data.group_by(FACE, maintain_order=True).agg(*first, decisions)


def _as_objects(decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Decisions without empty fields, with labels as objects."""
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
