"""Decisions to and from other tools: CSV, COCO, and FiftyOne's detection format. Needs no database.

CSV is one file with a line per standing verdict and corrected label, and one for each face that nobody decided. COCO
and FiftyOne are folders as those formats want them, `data/` with the whole pictures and `labels.json` with a box per
face; each box carries `decisions`, a list of objects with reviewer, step, verdict, and as they apply reason, labels,
joint and time. Texts `REVIEWER STEP VERDICT`, with the reason after a `reject`, are read as well.

What is read need not be all that was written: what stands in the ledger already is passed over, and so is what is
older than the last word there on the same thing. Without a time a decision counts as given now.
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
from mtf.review import consensus
from mtf.review.decision import Decision, Verdict
from mtf.review.ledger import Sitting, checked_reviewer
from mtf.room import arrivals
from mtf.room.material import Material
from mtf.room.opening import material_of
from mtf.room.queue import FACE
from mtf.tables import Step
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
    "labels",
    "joint",
    "time",
)
SAID = ("step", "verdict", "reason", "reviewer", "labels", "joint", "time")
TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"
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
    labels: dict[str, Any] | None = None
    joint: bool = False
    time: str | None = None


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

    Raises BadInput, with nothing written, where a decision is malformed, meets no face, or gives a label that its
    task does not have: lines are never taken back, and one such would stop every reader of the ledger.
    """
    material, _ = material_of(workspace, params)
    said = list(_read_csv(source) if format == "csv" else _read_labels(source / LABELS, format))
    decisions = [_decision(one, reviewer) for one in said]
    for one, decision in zip(said, decisions, strict=True):
        for column, label in (decision.labels or {}).items():
            consensus.check_label(column, label, material.labels, where=one.where)
    met = arrivals.met(decisions, [one.where for one in said], material, box_iou=params.curate.box_iou)
    standing, older = arrivals.standing(met, material), arrivals.older(met, material)
    fresh = [decisions[number] for number in met.filter(~standing, ~older).sort("time", "number")["number"]]
    for name in sorted({decision.reviewer for decision in fresh}):
        with Sitting(workspace.review, name) as sitting:
            sitting.append(*(decision for decision in fresh if decision.reviewer == name))
    counts = f"{len(fresh)} decisions added, {standing.sum()} stood in the ledger already"
    left_out = int((older & ~standing).sum())
    return f"{counts}, {left_out} are older than the last word there" if left_out else counts


def _with_decisions(material: Material) -> pl.DataFrame:
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
    first = [pl.col(name).first() for name in data.columns if name not in (*FACE, *SAID)]
    said = pl.struct(SAID).filter(pl.col("verdict").is_not_null()).alias("decisions")
    return data.group_by(FACE, maintain_order=True).agg(*first, said)


def _as_objects(decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what does not apply, and labels as what they are."""
    return [
        {name: json.loads(value) if name == "labels" else value for name, value in one.items() if value}
        for one in decisions
    ]


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


def _read_csv(source: Path) -> Iterator[Said]:
    rows = csv.DictReader(io.StringIO(_text(source)), strict=True)
    if missing := [name for name in NEEDED if name not in (rows.fieldnames or ())]:
        raise BadInput(f"{source.name} row 1: missing column {', '.join(missing)}")
    for number, row in enumerate(rows, 2):
        where = f"{source.name} row {number}"
        if row["verdict"]:
            box = _box([row[side] for side in BOX], where)
            yield Said(
                where,
                row["identity"],
                row["image_id"],
                box,
                step=row["step"] or "",
                verdict=row["verdict"],
                reason=row.get("reason") or None,
                reviewer=row.get("reviewer") or None,
                labels=_labels(row.get("labels") or None, where),
                joint=_flag(row.get("joint") or None, where),
                time=row.get("time") or None,
            )


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
            yield _from_object(place, identity, image_id, _box(box, place), text)


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


def _from_object(where: str, identity: str, image_id: str, box: tuple[int, int, int, int], given: Any) -> Said:
    if isinstance(given, dict):
        if unknown := given.keys() - set(SAID):
            raise bad_value(f"{where}: decisions", min(unknown), ", ".join(SAID))
        fields = {name: given.get(name) for name in SAID} | {"joint": given.get("joint", False)}
        return Said(where, identity, image_id, box, **fields)
    parts = str(given).split()
    if len(parts) not in (3, 4):
        raise bad_value(f"{where}: decisions", str(given), "REVIEWER STEP VERDICT, and a reason after reject")
    reviewer, step, verdict = parts[:3]
    return Said(where, identity, image_id, box, step, verdict, parts[3] if len(parts) == 4 else None, reviewer)


def _labels(text: str | None, where: str) -> dict[str, Any] | None:
    try:
        return json.loads(text) if text else None
    except ValueError:
        raise bad_value(f"{where}: labels", text, 'as JSON, such as {"age": "Old"}') from None


def _flag(text: str | None, where: str) -> bool:
    if text is None or text.lower() in ("true", "false"):
        return text is not None and text.lower() == "true"
    raise bad_value(f"{where}: joint", text, "true, false, or nothing")


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
    time = said.time or datetime.now(UTC).isoformat()
    fields = said._asdict() | {"reviewer": checked_reviewer(name, sits=True), "time": time}
    fields.pop("where")
    try:
        return Decision.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{said.where}: {key} {first['msg'].removeprefix('Value error, ')}") from None


def _text(source: Path) -> str:
    try:
        if source.stat().st_size > MAX_BYTES:
            raise BadInput(f"{source.name}: larger than {MAX_BYTES} bytes")
        return source.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{source}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{source.name}: not UTF-8 at byte {error.start}") from None
