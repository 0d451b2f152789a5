"""Readers of decisions from CSV, COCO and FiftyOne files, each with its place for error messages.

The formats are those of `export`. In COCO and FiftyOne files a decision may also be a text `REVIEWER STEP VERDICT`,
with the reason after `reject`. Every reader yields the fields as they are in the file, and `_decision` checks them all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from mtf.annotation.decision import MAX_PIXEL, Decision
from mtf.annotation.ledger import checked_reviewer
from mtf.annotation.ledger_files import CLOCKS_DIFFER_BY
from mtf.core import csv_files
from mtf.core.csv_files import Row
from mtf.core.errors import BadInput, bad_value, listed, shortened
from mtf.core.regular_files import check_regular
from mtf.schemas import BOX

DECISION_FIELDS = ("step", "verdict", "reason", "reviewer", "labels", "joint", "time")
LABELS = "labels.json"
MAX_BYTES = 2 * 2**30
_NEEDED = ("identity", "image_id", *BOX, "step", "verdict")
_TEXT = "an object, or a text REVIEWER STEP VERDICT with the reason after reject"
_TIME = "a time with its zone, such as 2026-01-31T12:00:00Z"
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
# Unix seconds and full-width digits, which `datetime` or pydantic would take, are mistakes.
_ISO_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.,]+(?:[Zz]|[+-][0-9:]+)")
_PLAIN_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TIMES = f"from {_EARLIEST.year} until {CLOCKS_DIFFER_BY // timedelta(minutes=1)} minutes from now"

# Place in a file, and the fields of the decision there.
_Given = tuple[str, dict[str, Any]]
_Content = TypeVar("_Content", bound=BaseModel)


class ImportedDecision(NamedTuple):
    """Decision read from another tool's file.

    where: place in the file, for messages.
    decision: the decision.
    """

    where: str
    decision: Decision


def read(source: Path, *, format: str, reviewer: str | None) -> list[ImportedDecision]:
    """Read the decisions of a CSV file, or of a COCO or FiftyOne folder, in the file's order.

    `reviewer` is the reviewer of decisions for which the file names none. A decision without a time gets the current
    one. Raises BadInput for the first error, with its place, value and what is permitted.
    """
    if reviewer is not None:
        reviewer = checked_reviewer(reviewer, is_person=True)
    given = _of_csv(source) if format == "csv" else _of_folder(source, format)
    now = datetime.now(UTC)
    return [ImportedDecision(where, _decision(fields, where, reviewer=reviewer, now=now)) for where, fields in given]


def _of_csv(source: Path) -> Iterator[_Given]:
    for row in csv_files.read(source).requiring(_NEEDED):
        # Most faces that are exported have no decision. A reason or a label without a verdict is an error.
        if any(row.text(name) for name in ("verdict", "reason", "labels")):
            yield row.where, _of_row(row)


def _of_row(row: Row) -> dict[str, Any]:
    filled = {name: row.cells.get(name) or None for name in DECISION_FIELDS}
    as_given = {name: row.cells[name] for name in ("identity", "image_id", "step", "verdict")}
    read = {"labels": _labels(filled["labels"], row.where), "joint": _flag(filled["joint"], row.where)}
    return {**filled, **as_given, **read, "box": _pixels_of([row.text(side) for side in BOX], row.where)}


def _labels(text: str | None, where: str) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        raise bad_value(f"{where}: labels", text, 'as JSON, such as {"age": "Old"}') from None


def _flag(text: str | None, where: str) -> bool:
    if text is None or text.lower() in ("true", "false"):
        return text is not None and text.lower() == "true"
    raise bad_value(f"{where}: joint", text, "true, false, or nothing")


class _Category(BaseModel):
    """Category of a COCO file: an identity."""

    id: int
    name: str


class _Image(BaseModel):
    """Image of a COCO file."""

    id: int
    file_name: str


class _Attributes(BaseModel):
    """Attributes of a box: its decisions, and in FiftyOne's files the box in pixels."""

    box: Any = None
    decisions: list[Any] | None = None


class _Annotation(BaseModel):
    """Annotation of a COCO file: a box with its decisions."""

    category_id: int
    image_id: int
    bbox: Any = None
    decisions: list[Any] | None = None
    attributes: _Attributes | None = None


class _Coco(BaseModel):
    """COCO file, as far as it is read."""

    categories: list[_Category]
    images: list[_Image]
    annotations: list[_Annotation]


class _Detection(_Attributes):
    """Detection of a FiftyOne labels file."""

    label: Any = None
    attributes: _Attributes | None = None


class _Fiftyone(BaseModel):
    """FiftyOne labels file, as far as it is read; with `classes`, a label is an index into them."""

    classes: list[str] | None = None
    labels: dict[str, list[_Detection] | None]


def _of_folder(source: Path, format: str) -> Iterator[_Given]:
    if source.is_file():
        raise bad_value(format, str(source), f"a folder with {LABELS}")
    file = source / LABELS
    is_coco = format == "coco"
    for place, fields, box, decisions in _coco_boxes(file) if is_coco else _fiftyone_boxes(file):
        for number, given in enumerate(decisions):
            where = f"{LABELS} {place}: decisions[{number}]"
            drawn = _box(box, f"{LABELS} {place}: {'bbox' if is_coco else 'box'}")
            yield where, {**fields, "box": drawn, **_of_object(given, where)}


# Place in the file, identity and image_id, box, decisions.
_Boxes = Iterator[tuple[str, dict[str, Any], Any, Iterable[Any]]]


def _coco_boxes(file: Path) -> _Boxes:
    content = _parsed(file, _Coco)
    names = {one.id: one.name for one in content.categories}
    files = {one.id: Path(one.file_name).stem for one in content.images}
    for number, one in enumerate(content.annotations):
        for key, value, permitted_ids in (("category_id", one.category_id, names), ("image_id", one.image_id, files)):
            if value not in permitted_ids:
                permitted = f"an id of the {'categories' if permitted_ids is names else 'images'}"
                raise bad_value(f"{file.name} annotations[{number}]: {key}", value, permitted)
        fields = {"identity": names[one.category_id], "image_id": files[one.image_id]}
        # Tools that know only COCO's own keys keep others under `attributes`.
        kept = one.attributes.decisions if one.attributes else None
        yield f"annotations[{number}]", fields, one.bbox, one.decisions or kept or ()


def _fiftyone_boxes(file: Path) -> _Boxes:
    content = _parsed(file, _Fiftyone)
    names = dict(enumerate(content.classes or ()))
    for image_id, detections in content.labels.items():
        for number, one in enumerate(detections or ()):
            source = one.attributes if one.attributes and one.attributes.decisions else one
            label = names.get(one.label) if isinstance(one.label, int) else one.label
            fields = {"identity": one.label if label is None else label, "image_id": Path(image_id).stem}
            yield f"labels[{image_id[:12]!r}][{number}]", fields, source.box, source.decisions or ()


def _parsed(file: Path, content: type[_Content]) -> _Content:
    try:
        return content.model_validate_json(_text(file))
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Invalid JSON: ")
        place = _place(first["loc"])
        if first["type"] == "json_invalid":
            raise BadInput(f"{file.name}: not JSON: {message}") from None
        if first["type"] == "missing":
            raise BadInput(f"{file.name}: {place}: missing") from None
        raise bad_value(": ".join(filter(None, (file.name, place))), first["input"], message) from None


def _place(path: Sequence[int | str]) -> str:
    """Place in a JSON file, such as `annotations[3].bbox`, from pydantic's tuple; other keys are quoted and
    shortened.
    """
    parts = [f".{key}" if str(key).isidentifier() and len(str(key)) < 30 else f"[{shortened(key, 30)}]" for key in path]
    return "".join(parts).removeprefix(".")


def _of_object(given: Any, where: str) -> dict[str, Any]:
    """Fields of a decision attached to a box, given as an object or as a text."""
    if isinstance(given, dict):
        if unknown := given.keys() - set(DECISION_FIELDS):
            raise bad_value(where, min(unknown), listed(DECISION_FIELDS))
        joint = given.get("joint")
        return {name: given.get(name) for name in DECISION_FIELDS} | {"joint": False if joint is None else joint}
    parts = given.split() if isinstance(given, str) else []
    if len(parts) not in (3, 4):
        raise bad_value(where, given, _TEXT)
    return dict(zip(("reviewer", "step", "verdict", "reason"), parts, strict=False))


def _box(values: Any, where: str) -> list[int]:
    if not isinstance(values, list) or len(values) != len(BOX):
        raise bad_value(where, values, f"four numbers: {', '.join(BOX)} in pixels")
    return _pixels_of(values, where)


def _pixels_of(values: Sequence[Any], where: str) -> list[int]:
    """Box rounded to whole pixels; the first comparison also refuses NaN, infinity and integers too large for a
    float.
    """
    pixels = []
    for side, value in zip(BOX, values, strict=True):
        number, least = _number(value), int(side in ("width", "height"))
        if number is None or not abs(number) <= MAX_PIXEL or round(number) < least:
            raise bad_value(f"{where}: {side}", value, f"a number of pixels from {least} to {MAX_PIXEL}")
        pixels.append(round(number))
    return pixels


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if _PLAIN_NUMBER.fullmatch(value) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _decision(fields: dict[str, Any], where: str, *, reviewer: str | None, now: datetime) -> Decision:
    absent = {"reviewer": reviewer, "time": now.isoformat()}
    given = fields | {name: value for name, value in absent.items() if fields.get(name) in (None, "")}
    given["reviewer"] = _checked_reviewer(given["reviewer"], where)
    if not isinstance(given["time"], str) or not _ISO_TIME.fullmatch(given["time"]):
        raise bad_value(f"{where}: time", given["time"], _TIME)
    try:
        decision = Decision.model_validate_json(json.dumps(given))
    except ValidationError as error:
        raise _malformed(given, where, error) from None
    # The latest decision counts: one from the future could not be replaced until its time has come.
    if not _EARLIEST <= decision.time <= now + CLOCKS_DIFFER_BY:
        raise bad_value(f"{where}: time", given["time"], _TIMES)
    return decision


def _checked_reviewer(name: Any, where: str) -> str:
    if name is None:
        raise BadInput(f"{where}: no reviewer; name one with --reviewer")
    if not isinstance(name, str):
        raise bad_value(f"{where}: reviewer", name, "a text")
    try:
        return checked_reviewer(name, is_person=True)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None


def _malformed(given: dict[str, Any], where: str, error: ValidationError) -> BadInput:
    first = error.errors()[0]
    if first["type"] == "value_error":  # the model's own words, with what is permitted
        return BadInput(f"{where}: {first['msg'].removeprefix('Value error, ')}")
    if first["type"] == "json_invalid":
        return bad_value(where, given, "text that can be written as UTF-8")
    column, message = str(first["loc"][0]), first["msg"]
    permitted = _TIME if column == "time" else f"{message[0].lower()}{message[1:]}"
    return bad_value(f"{where}: {column}", given[column], permitted)


def _text(source: Path) -> str:
    try:
        check_regular(source, MAX_BYTES)
        return source.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{source}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{source.name}: not UTF-8 at byte {error.start}") from None
