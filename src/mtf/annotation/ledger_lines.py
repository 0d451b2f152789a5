"""Parser of ledger files: JSON lines to rows of a table.

polars reads hundreds of thousands of lines at once. If its result is not certain to equal that of the strict model
(`Decision`), the file is parsed again line by line with the model, which also reports the error.
"""

from __future__ import annotations

import io
from collections import Counter
from itertools import product
from typing import TypeVar

import polars as pl
from pydantic import BaseModel, TypeAdapter, ValidationError

from mtf.annotation.decision import MAX_PIXEL, MAX_SLUG, Decision, Labels, Verdict, contradiction
from mtf.annotation.reviewer_name import is_reviewer_name, reviewer_folder
from mtf.core.errors import BadInput, bad_value, shortened
from mtf.schemas import BOX, SHA256, SLUG, UTC, funnel_steps

_LABELS = pl.List(pl.Struct({"column": pl.String, "label": pl.String}))
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "image_id": pl.String,
    **dict.fromkeys(BOX, pl.Int64),
    "identity": pl.String,
    "step": pl.String,
    "verdict": pl.String,
    "reason": pl.String,
    "labels": _LABELS,
    "reviewer": pl.String,
    "time": UTC,
    "program": pl.String,
    "joint": pl.Boolean,
    "file": pl.String,
    "line": pl.Int64,
}
_AS_WRITTEN: dict[str, pl.DataType | type[pl.DataType]] = {
    "image_id": pl.String,
    "box": pl.List(pl.Int64),
    "identity": pl.String,
    "step": pl.String,
    "verdict": pl.String,
    "reason": pl.String,
    "labels": pl.String,
    "reviewer": pl.String,
    "time": pl.String,
    "program": pl.String,
    "joint": pl.Boolean,
}
_TEXTS = tuple(name for name, kind in _AS_WRITTEN.items() if kind == pl.String and name not in ("reason", "labels"))
# Two digits each, as the strict model requires; polars also accepts one digit, and 60 seconds.
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$"
_labels = TypeAdapter(Labels)

Line = TypeVar("Line", bound=BaseModel)


def parsed(data: bytes, *, name: str, reviewer: str) -> pl.DataFrame:
    """Rows of a file's complete lines, with the columns of SCHEMA.

    `name` and the line's number stand in each row; `reviewer` is the reviewer's folder. Raises BadInput if a line is
    malformed, or names a reviewer who has another folder.
    """
    rows = _at_once(data)
    if rows is None:
        rows = _one_by_one(data, name=name)
    others = [one for one in rows["reviewer"].unique().to_list() if reviewer_folder(one) != reviewer]
    if others:
        strange = rows.with_row_index("line", offset=1).filter(pl.col("reviewer").is_in(others))
        first = strange.row(0, named=True)
        where = f"{name} line {first['line']}: reviewer"
        raise bad_value(where, first["reviewer"], f"a reviewer whose folder is {reviewer!r}, as this file's")
    line = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    return rows.with_columns(file=pl.lit(name), line=line).select(*SCHEMA)


def _at_once(data: bytes) -> pl.DataFrame | None:
    """Rows as polars reads them, if every line is certain to be as `Decision.line` writes it; else None."""
    try:
        read = pl.read_ndjson(io.BytesIO(data), schema=_AS_WRITTEN) if data else pl.DataFrame(schema=_AS_WRITTEN)
    except pl.exceptions.PolarsError:
        return None
    labels = _labels_by_text(read["labels"])
    if labels is None or read.height != data.count(b"\n") or not _has_only_known_keys(data, read, labels):
        return None
    if not read["time"].str.contains(_TIME).fill_null(value=False).all():
        return None
    rows = read.with_columns(
        *(pl.col("box").list.get(place, null_on_oob=True).alias(side) for place, side in enumerate(BOX)),
        time=pl.col("time").str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False),
    )
    if not rows.select(_is_sound().all()).item() or not all(map(is_reviewer_name, rows["reviewer"].unique())):
        return None
    return _with_labels(rows, labels)


def _is_sound() -> pl.Expr:
    """Expression of the model's rules over the columns; a null counts as a violation."""
    numbers = [pl.col(side).is_between(0 if side in "xy" else 1, MAX_PIXEL) for side in BOX]
    slug = pl.col("identity").str.contains(SLUG) & (pl.col("identity").str.len_chars() <= MAX_SLUG)
    combination = pl.concat_str("step", "verdict", pl.col("reason").fill_null(""), separator=" ")
    rules = [
        *numbers,
        slug,
        pl.col("box").list.len() == len(BOX),
        pl.col("image_id").str.contains(SHA256),
        pl.col("program").str.len_chars().is_between(1, 200),
        pl.col("time").is_not_null(),
        pl.col("joint").is_not_null(),
        combination.is_in(_combinations(has_labels=True)) & pl.col("labels").is_not_null()
        | combination.is_in(_combinations(has_labels=False)) & pl.col("labels").is_null(),
    ]
    return pl.all_horizontal(rule.fill_null(value=False) for rule in rules)


def _combinations(*, has_labels: bool) -> list[str]:
    every = product(funnel_steps.names(), Verdict, [None, *funnel_steps.reasons()])
    return [
        f"{step} {verdict} {reason or ''}"
        for step, verdict, reason in every
        if contradiction(step, verdict, reason, has_labels=has_labels) is None
    ]


def _has_only_known_keys(data: bytes, read: pl.DataFrame, labels: dict[str, list[dict[str, str]]]) -> bool:
    """True if the lines have exactly the expected keys and value types.

    Keys are counted in the bytes: this finds keys that polars skipped, and numbers where text belongs. Keys that may be
    null are counted by name, since a misspelt key could make up for a missing one.
    """
    corrected = read.group_by("labels").len().drop_nulls()
    columns: Counter[str] = Counter()
    for text, count in corrected.iter_rows():
        columns.update({entry["column"]: count for entry in labels[text]})
    label_count = columns.total()
    keys = len(_AS_WRITTEN) * read.height + label_count
    texts = len(_TEXTS) * read.height + read["reason"].count() + label_count
    is_named = all(data.count(b'"%s":' % name.encode()) == read.height + columns[name] for name in ("reason", "labels"))
    return data.count(b'":') == keys and data.count(b'":"') == texts and is_named


def _labels_by_text(texts: pl.Series) -> dict[str, list[dict[str, str]]] | None:
    try:
        labels = {text: _entries(_labels.validate_json(text, strict=True)) for text in texts.drop_nulls().unique()}
    except ValidationError:
        return None
    return labels if all(labels.values()) else None


def _entries(labels: Labels) -> list[dict[str, str]]:
    return [{"column": column, "label": label} for column, label in sorted(labels.items())]


def _with_labels(rows: pl.DataFrame, labels: dict[str, list[dict[str, str]]]) -> pl.DataFrame:
    by_text = pl.DataFrame(
        {"text": list(labels), "parsed": list(labels.values())}, {"text": pl.String, "parsed": _LABELS}
    )
    joined = rows.join(by_text, left_on="labels", right_on="text", how="left", maintain_order="left")
    return joined.with_columns(labels="parsed")


def _one_by_one(data: bytes, *, name: str) -> pl.DataFrame:
    decisions = [
        parsed_line(line, Decision, where=f"{name} line {number}")
        for number, line in enumerate(data.split(b"\n")[:-1], 1)
    ]
    rows = [
        decision.model_dump(mode="python", exclude={"box", "labels"})
        | dict(zip(BOX, decision.box, strict=True))
        | {"labels": _entries(decision.labels) if decision.labels else None}
        for decision in decisions
    ]
    columns = {column: kind for column, kind in SCHEMA.items() if column not in ("file", "line")}
    return pl.DataFrame(rows, schema=columns, orient="row")


def parsed_line(line: bytes, model: type[Line], *, where: str) -> Line:
    """Record of one line, by its strict model; raises BadInput with `where`, the key and what is permitted."""
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        raise BadInput(f"{where}: {_what_is_wrong(error, model)}") from None


def _what_is_wrong(error: ValidationError, model: type[BaseModel]) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        value = shortened(str(first["input"], "utf-8", "replace"))
        return f"not JSON: {value}; permitted: one JSON object a line"
    if first["type"] == "missing":
        return f"{key}: missing"
    if first["type"] == "extra_forbidden":
        return f"{shortened(key)}: unknown key; permitted: {', '.join(model.model_fields)}"
    if first["type"] == "value_error":
        return first["msg"].removeprefix("Value error, ")
    message = first["msg"]
    return f"{key}: {shortened(first['input'])} is not permitted; permitted: {message[0].lower()}{message[1:]}".strip(
        ": "
    )
