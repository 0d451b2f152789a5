"""Decisions from another tool's file, each with its place there for a message. See `exchange` for the formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from mtf.errors import BadInput, bad_value, shortened
from mtf.review.decision import Decision
from mtf.review.ledger import checked_reviewer

BOX = ("x", "y", "width", "height")
SAID = ("step", "verdict", "reason", "reviewer", "labels", "joint", "time")
LABELS = "labels.json"
NEEDED = ("identity", "image_id", *BOX, "step", "verdict")
MAX_BYTES = 2 * 2**30


class Arrival(NamedTuple):
    """A decision that another tool gives; `where` names its place for a message."""

    where: str
    decision: Decision


def read(source: Path, *, format: str, reviewer: str | None) -> list[Arrival]:
    """The decisions of a CSV file, or of a COCO or FiftyOne folder, in the file's order.

    `reviewer` said what the file gives to nobody. Raises BadInput for the first thing that is wrong.
    """
    given = _read_csv(source) if format == "csv" else _read_labels(source / LABELS, format)
    return [Arrival(one.where, _decision(one, reviewer)) for one in given]


class _Said(NamedTuple):
    """A decision as another tool gives it, unchecked; `where` names its place for a message."""

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


def _read_csv(source: Path) -> Iterator[_Said]:
    rows = csv.DictReader(io.StringIO(_text(source)), strict=True)
    if missing := [name for name in NEEDED if name not in (rows.fieldnames or ())]:
        raise BadInput(f"{source.name} row 1: missing column {', '.join(missing)}")
    for number, row in enumerate(rows, 2):
        where = f"{source.name} row {number}"
        if row["verdict"]:
            box = _box([row[side] for side in BOX], where)
            yield _Said(
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


def _read_labels(source: Path, format: str) -> Iterator[_Said]:
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


def _from_object(where: str, identity: str, image_id: str, box: tuple[int, int, int, int], given: Any) -> _Said:
    if isinstance(given, dict):
        if unknown := given.keys() - set(SAID):
            raise bad_value(f"{where}: decisions", min(unknown), ", ".join(SAID))
        fields = {name: given.get(name) for name in SAID} | {"joint": given.get("joint", False)}
        return _Said(where, identity, image_id, box, **fields)
    parts = str(given).split()
    if len(parts) not in (3, 4):
        raise bad_value(f"{where}: decisions", str(given), "REVIEWER STEP VERDICT, and a reason after reject")
    reviewer, step, verdict = parts[:3]
    return _Said(where, identity, image_id, box, step, verdict, parts[3] if len(parts) == 4 else None, reviewer)


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


def _decision(said: _Said, reviewer: str | None) -> Decision:
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
