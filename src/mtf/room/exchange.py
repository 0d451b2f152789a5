"""Decisions to and from other tools: CSV, COCO, and FiftyOne's detection format. Needs no database.

CSV is one file with a line per decision, and one for each face that nobody decided. COCO and FiftyOne are folders
as those formats want them, `data/` with the whole pictures and `labels.json` with a box per face; each box carries
`decisions`, a list of texts `REVIEWER STEP VERDICT` with the reason after a `reject`. What is read back need not be
all that was written: a decision that stands in the ledger already is passed over.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from pydantic import ValidationError

from mtf import atomic, shards
from mtf.errors import BadInput, bad_value, shortened
from mtf.params import Params
from mtf.review import matching
from mtf.review.decision import Decision
from mtf.review.ledger import Sitting, checked_reviewer
from mtf.room.material import Material
from mtf.room.opening import material_of
from mtf.room.queue import FACE
from mtf.workspace import Workspace

BOX = ("x", "y", "width", "height")
COLUMNS = (
    "identity",
    "face_id",
    "image_id",
    *BOX,
    "url",
    "page_url",
    "license",
    "step",
    "verdict",
    "reason",
    "reviewer",
)
NEEDED = ("identity", "image_id", *BOX, "step", "verdict")
MAX_BYTES = 2 * 2**30
LABELS = "labels.json"


class Said(NamedTuple):
    """A decision as another tool gives it; `where` names its place for a message."""

    where: str
    identity: str
    image_id: str
    box: tuple[int, int, int, int]
    step: str
    verdict: str
    reason: str | None
    reviewer: str | None


def write(workspace: Workspace, params: Params, to: Path, *, format: str) -> str:
    """Write faces and standing decisions to `to`; returns a line that says what was written."""
    material, _ = material_of(workspace, params)
    data = _with_decisions(material)
    if format == "csv":
        atomic.write_text(to, _csv(data))
        return f"{to}: {data['verdict'].count()} decisions on {material.faces.height} faces"
    grouped = _grouped(data)
    content = _coco(grouped) if format == "coco" else _fiftyone(grouped)
    pictures = _write_pictures(workspace, grouped, to / "data")
    atomic.write_json(to / LABELS, content)
    return f"{to}: {grouped.height} faces in {pictures} pictures, {data['verdict'].count()} decisions"


def read(workspace: Workspace, params: Params, source: Path, *, format: str, reviewer: str | None) -> str:
    """Add the decisions of `source` to the ledger, a sitting for each reviewer; returns a line that says so.

    Raises BadInput, with nothing written, where a decision is malformed or meets no face.
    """
    material, _ = material_of(workspace, params)
    said = list(_read_csv(source) if format == "csv" else _read_labels(source / LABELS, format))
    decisions = [_decision(one, reviewer) for one in said]
    fresh = _not_standing(decisions, [one.where for one in said], material, box_iou=params.curate.box_iou)
    for name in sorted({decision.reviewer for decision in fresh}):
        with Sitting(workspace.review, name) as sitting:
            sitting.append(*(decision for decision in fresh if decision.reviewer == name))
    return f"{len(fresh)} decisions added, {len(decisions) - len(fresh)} stood in the ledger already"


def _with_decisions(material: Material) -> pl.DataFrame:
    votes = material.votes.filter(~pl.col("joint")).sort("reviewer", *FACE, "step")
    return material.faces.join(
        votes.select(*FACE, "step", "verdict", "reason", "reviewer"), on=FACE, how="left", maintain_order="left_right"
    )


def _csv(data: pl.DataFrame) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_unexecutable(value) for value in row] for row in data.select(COLUMNS).iter_rows())
    return file.getvalue()


def _unexecutable(value: Any) -> Any:
    """A spreadsheet runs a cell that begins like a formula; an apostrophe before it stops that."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _grouped(data: pl.DataFrame) -> pl.DataFrame:
    text = pl.concat_str("reviewer", "step", "verdict", "reason", separator=" ", ignore_nulls=True)
    first = [
        pl.col(name).first() for name in data.columns if name not in (*FACE, "step", "verdict", "reason", "reviewer")
    ]
    said = text.filter(pl.col("verdict").is_not_null()).alias("decisions")
    return data.group_by(FACE, maintain_order=True).agg(*first, said)


def _write_pictures(workspace: Workspace, faces: pl.DataFrame, folder: Path) -> int:
    places = faces.unique("image_id", keep="first", maintain_order=True)
    names = ("identity", "image_id", "image_offset", "image_size_bytes")
    for identity, image_id, offset, size_bytes in places.select(names).iter_rows():
        atomic.write_bytes(
            folder / f"{image_id}.jpg", shards.read(workspace.shard("crawl", identity), offset, size_bytes)
        )
    return places.height


def _coco(faces: pl.DataFrame) -> dict[str, Any]:
    identities = faces["identity"].unique().sort().to_list()
    images = faces.unique("image_id", keep="first", maintain_order=True)
    number_of = {image_id: number for number, image_id in enumerate(images["image_id"], 1)}
    return {
        "info": {"description": "faces for review"},
        "categories": [{"id": number, "name": name} for number, name in enumerate(identities, 1)],
        "images": [
            {"id": number_of[row["image_id"]], "file_name": f"{row['image_id']}.jpg", "width": row["image_width"]}
            | {"height": row["image_height"]}
            for row in images.iter_rows(named=True)
        ],
        "annotations": [
            {"id": number, "image_id": number_of[row["image_id"]]}
            | {"category_id": identities.index(row["identity"]) + 1, "bbox": [row[side] for side in BOX]}
            | {"area": row["width"] * row["height"], "iscrowd": 0, "decisions": row["decisions"]}
            for number, row in enumerate(faces.iter_rows(named=True), 1)
        ],
    }


def _fiftyone(faces: pl.DataFrame) -> dict[str, Any]:
    labels: dict[str, list[dict[str, Any]]] = {}
    for row in faces.iter_rows(named=True):
        wide, high = row["image_width"], row["image_height"]
        box = [row["x"] / wide, row["y"] / high, row["width"] / wide, row["height"] / high]
        attributes = {"decisions": row["decisions"], "box": [row[side] for side in BOX]}
        one = {"label": row["identity"], "bounding_box": box, "attributes": attributes}
        labels.setdefault(row["image_id"], []).append(one)
    return {"classes": None, "labels": labels}


def _read_csv(source: Path) -> Iterator[Said]:
    rows = csv.DictReader(io.StringIO(_text(source)), strict=True)
    if missing := [name for name in NEEDED if name not in (rows.fieldnames or ())]:
        raise BadInput(f"{source.name} row 1: missing column {', '.join(missing)}")
    for number, row in enumerate(rows, 2):
        where = f"{source.name} row {number}"
        if row["verdict"]:
            box = _box([row[side] for side in BOX], where)
            reason, reviewer = row.get("reason") or None, row.get("reviewer") or None
            yield Said(where, row["identity"], row["image_id"], box, row["step"], row["verdict"], reason, reviewer)


def _read_labels(source: Path, format: str) -> Iterator[Said]:
    try:
        content = json.loads(_text(source))
        boxes = list(_coco_boxes(content) if format == "coco" else _fiftyone_boxes(content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{source.name}: not readable as {format}: {type(error).__name__} {shortened(str(error))}"
        ) from None
    for where, identity, image_id, box, decisions in boxes:
        place = f"{source.name} {where}"
        for text in decisions:
            yield _from_text(place, identity, image_id, _box(box, place), str(text))


def _coco_boxes(content: dict[str, Any]) -> Iterator[tuple[str, str, str, Any, Iterable[Any]]]:
    names = {one["id"]: one["name"] for one in content["categories"]}
    files = {one["id"]: Path(one["file_name"]).stem for one in content["images"]}
    for number, one in enumerate(content["annotations"]):
        where = f"annotations[{number}]"
        yield where, names[one["category_id"]], files[one["image_id"]], one["bbox"], one.get("decisions") or ()


def _fiftyone_boxes(content: dict[str, Any]) -> Iterator[tuple[str, str, str, Any, Iterable[Any]]]:
    for image_id, found in content["labels"].items():
        for number, one in enumerate(found or ()):
            attributes = one.get("attributes") or one
            where = f"labels.{image_id[:12]}[{number}]"
            yield where, one["label"], Path(image_id).stem, attributes["box"], attributes.get("decisions") or ()


def _from_text(where: str, identity: str, image_id: str, box: tuple[int, int, int, int], text: str) -> Said:
    parts = text.split()
    if len(parts) not in (3, 4):
        raise bad_value(f"{where}: decisions", text, "REVIEWER STEP VERDICT, and a reason after reject")
    reviewer, step, verdict = parts[:3]
    return Said(where, identity, image_id, box, step, verdict, parts[3] if len(parts) == 4 else None, reviewer)


def _box(values: Any, where: str) -> tuple[int, int, int, int]:
    try:
        x, y, width, height = (round(float(value)) for value in values)
    except (TypeError, ValueError, OverflowError):
        raise bad_value(f"{where}: box", values, "four numbers: x, y, width, height in pixels") from None
    return x, y, width, height


def _decision(said: Said, reviewer: str | None) -> Decision:
    name = said.reviewer or reviewer
    if name is None:
        raise BadInput(f"{said.where}: no reviewer; name one with --reviewer")
    fields = said._asdict() | {"reviewer": checked_reviewer(name), "time": datetime.now(UTC).isoformat()}
    fields.pop("where")
    try:
        return Decision.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{said.where}: {key} {first['msg'].removeprefix('Value error, ')}") from None


def _not_standing(
    decisions: list[Decision], places: list[str], material: Material, *, box_iou: float
) -> list[Decision]:
    if not decisions:
        return []
    rows = [
        {"number": number, "identity": one.identity, "image_id": one.image_id, **dict(zip(BOX, one.box, strict=True))}
        | {"step": str(one.step), "verdict": str(one.verdict), "reason": one.reason and str(one.reason)}
        | {"reviewer": one.reviewer}
        for number, one in enumerate(decisions)
    ]
    given = pl.DataFrame(rows, schema_overrides={"reason": pl.String}, infer_schema_length=None)
    met = matching.match(given, material.faces, box_iou=box_iou)
    if not (lost := met.filter(pl.col("face_id").is_null())).is_empty():
        where = places[lost["number"][0]]
        raise BadInput(f"{where}: meets no face ({lost.height} such decisions); is it from this data set?")
    standing = material.votes.filter(~pl.col("joint"))
    key = ["reviewer", *FACE, "step", "verdict", "reason"]
    return [decisions[number] for number in met.join(standing, on=key, how="anti", nulls_equal=True)["number"].sort()]


def _text(source: Path) -> str:
    try:
        if source.stat().st_size > MAX_BYTES:
            raise BadInput(f"{source.name}: larger than {MAX_BYTES} bytes")
        return source.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{source}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{source.name}: not UTF-8 at byte {error.start}") from None
