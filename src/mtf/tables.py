"""The contracts: one pandera schema per table, checked where a stage reads it and where it writes it.

Tables whose columns depend on the tasks of `params.yaml` are functions of `Params`; the others are constants.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from mtf.atomic import replacing
from mtf.errors import BadInput, GateFailed, listed
from mtf.params import Params

SHOWN_FAILURES = 10
# Characters of a roster's row.
MAX_NAME = 200
MAX_QUERY = 400
UTC = pl.Datetime("us", "UTC")
SLUG = r"^[a-z0-9]+(?:[-_.][a-z0-9]+)*$"
SHA256 = r"^[0-9a-f]{64}$"
FACE_ID = r"^[0-9a-f]{32}$"


class Fetched(StrEnum):
    """What became of one address."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    HTTP_ERROR = "http_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection_failed"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    OPTED_OUT = "opted_out"
    REFUSED_ADDRESS = "refused_address"
    TAKEN_DOWN = "taken_down"
    MISSING = "missing_file"


class Stated(StrEnum):
    """What the source itself says of the license of a picture."""

    STATED = "stated"
    UNSTATED = "unstated"
    CONTRADICTION = "contradiction"
    UNREACHABLE = "unreachable"


class Detected(StrEnum):
    """What the detector made of one image."""

    CROPPED = "cropped"
    NO_FACE = "no_face"
    UNDECODABLE = "undecodable"
    TOO_LARGE = "too_large"


class Step(StrEnum):
    """The steps of the funnel, in their order (MTF, section 3.2); the first three are ours."""

    TAKEDOWN = "takedown"
    LICENSE = "license"
    ONE_PERSON = "one_person"
    FACE = "face"
    IDENTITY = "identity"
    QUALITY = "quality"
    DUPLICATE = "duplicate"
    TASK_FIT = "task_fit"
    ENOUGH_IMAGES = "enough_images"


class Reason(StrEnum):
    """Why a face is not in the data set."""

    TAKEN_DOWN = "taken_down"
    OPTED_OUT = "opted_out"
    NO_EVIDENCE = "no_evidence"
    CLAIM_ONLY = "claim_only"
    NOT_PERMITTED = "license_not_permitted"
    CONTRADICTION = "license_contradiction"
    EVIDENCE_TOO_OLD = "evidence_too_old"
    SEVERAL_PEOPLE = "several_people"
    NOT_A_FACE = "not_a_face"
    PARTIAL_FACE = "partial_face"
    WRONG_PERSON = "wrong_person"
    OBSTRUCTED = "obstructed"
    NOT_A_PHOTOGRAPH = "not_a_photograph"
    UNNATURAL = "unnatural"
    BLURRED = "blurred"
    TOO_SMALL = "too_small"
    BADLY_EXPOSED = "badly_exposed"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    WRONG_AGE_GROUP = "wrong_age_group"
    CHILDHOOD = "childhood"
    TOO_FEW_IMAGES = "too_few_images"
    UNDECIDED = "undecided"
    CONFLICT = "conflict"


# The reasons a person may give at each step of the review.
REVIEW_REASONS: dict[Step, tuple[Reason, ...]] = {
    Step.FACE: (Reason.NOT_A_FACE, Reason.PARTIAL_FACE),
    Step.IDENTITY: (Reason.WRONG_PERSON,),
    Step.QUALITY: (Reason.OBSTRUCTED, Reason.NOT_A_PHOTOGRAPH, Reason.UNNATURAL, Reason.BLURRED),
    Step.DUPLICATE: (Reason.EXACT_DUPLICATE, Reason.NEAR_DUPLICATE),
    Step.TASK_FIT: (Reason.WRONG_AGE_GROUP, Reason.CHILDHOOD),
}
SPLITS = ("train", "val", "test")


class ContractViolated(GateFailed):
    """A table breaks its contract. `failures` has all failing cases: column, check, failure_case, index."""

    def __init__(self, message: str, failures: pl.DataFrame) -> None:
        super().__init__(message)
        self.failures = failures


@dataclass(frozen=True)
class Table:
    name: str
    schema: pa.DataFrameSchema

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        return {name: column.dtype.type for name, column in self.schema.columns.items()}


def _column(dtype: Any, *checks: pa.Check, null: bool = False) -> pa.Column:
    return pa.Column(dtype, list(checks), nullable=null)


def _one_of(values: Iterable[str]) -> pa.Check:
    return pa.Check.isin([str(value) for value in values])


def _matches(pattern: str) -> pa.Check:
    return pa.Check.str_matches(pattern)


def _holds(expression: pl.Expr, error: str) -> pa.Check:
    """A rule over the columns of a row, or over groups of rows by way of `over`."""
    return pa.Check(lambda data: data.lazyframe.select(expression), name=error, error=error)


def _identity() -> pa.Column:
    return _column(pl.String, _matches(SLUG), pa.Check.str_length(max_value=100))


def _text(*, null: bool = True) -> pa.Column:
    return _column(pl.String, null=null)


def _at_least(dtype: Any, least: float, *, null: bool = False) -> pa.Column:
    return _column(dtype, pa.Check.ge(least), null=null)


def _table(name: str, columns: Mapping[str, pa.Column], *, unique: list[str], checks: Sequence[pa.Check] = ()) -> Table:
    schema = pa.DataFrameSchema(dict(columns), checks=list(checks), unique=unique, strict=True, name=name)
    return Table(name, schema)


def _labels(params: Params) -> dict[str, pa.Column]:
    return {column: _column(pl.String, _one_of(task.labels)) for column, task in params.attributes.items()}


def _one_label_per_identity(params: Params) -> list[pa.Check]:
    """No identity with two genders: every task marked `per_identity` has one label for all of a person's rows."""
    return [
        _holds(
            pl.col(column).n_unique().over("identity") == 1,
            f"one {column} per identity (tasks.{column}.per_identity)",
        )
        for column, task in params.attributes.items()
        if task.per_identity
    ]


def roster(params: Params) -> Table:
    """The people the data set is about. `query` is what is searched for; `files` serves the folder source."""
    columns = {
        "identity": _identity(),
        "name": _column(pl.String, pa.Check.str_length(min_value=1, max_value=MAX_NAME)),
        "query": _column(pl.String, pa.Check.str_length(min_value=1, max_value=MAX_QUERY)),
        "page_url": _text(),
        "files": _text(),
    }
    return _table("roster", columns | _labels(params), unique=["identity"])


FETCHES = _table(
    "fetches",
    {
        "identity": _identity(),
        "url": _text(null=False),
        "page_url": _text(),
        "title": _text(),
        "source": _text(null=False),
        "claim": _text(),
        "query": _text(),
        "rank": _at_least(pl.Int32, 0),
        "outcome": _column(pl.String, _one_of(Fetched)),
        "detail": _text(),
        "http_status": _column(pl.Int32, pa.Check.in_range(100, 599), null=True),
        "image_id": _column(pl.String, _matches(SHA256), null=True),
        "size_bytes": _at_least(pl.Int64, 0, null=True),
        "attempts": _at_least(pl.Int32, 0),
        "fetched_at": _column(UTC),
    },
    unique=["identity", "url"],
    checks=[
        _holds(
            (pl.col("outcome") == Fetched.STORED) <= pl.col("image_id").is_not_null(),
            "a stored address has an image_id",
        )
    ],
)

# width and height are of the picture as stored, before its EXIF orientation is applied.
IMAGES = _table(
    "images",
    {
        "identity": _identity(),
        "image_id": _column(pl.String, _matches(SHA256)),
        "url": _text(null=False),
        "page_url": _text(),
        "title": _text(),
        "source": _text(null=False),
        "claim": _text(),
        "media_type": _column(pl.String, _matches(r"^image/[a-z0-9.+-]+$")),
        "width": _at_least(pl.Int32, 1),
        "height": _at_least(pl.Int32, 1),
        "offset": _at_least(pl.Int64, 0),
        "size_bytes": _at_least(pl.Int64, 1),
    },
    unique=["identity", "image_id"],
)

# One record per picture. `license` is an SPDX identifier or LicenseRef-…; `statement` is what was read, word for
# word; `method` says how; `opt_out` names the signal by which the source reserves this use.
EVIDENCE = _table(
    "evidence",
    {
        "identity": _identity(),
        "image_id": _column(pl.String, _matches(SHA256)),
        "url": _text(null=False),
        "page_url": _text(),
        "claim": _text(),
        "stated": _column(pl.String, _one_of(Stated)),
        "license": _column(pl.String, _matches(r"^[A-Za-z0-9.+-]+$"), null=True),
        "license_url": _text(),
        "method": _text(),
        "statement": _text(),
        "creator": _text(),
        "creator_url": _text(),
        "title": _text(),
        "opt_out": _text(),
        "detail": _text(),
        "http_status": _column(pl.Int32, pa.Check.in_range(100, 599), null=True),
        "response_sha256": _column(pl.String, _matches(SHA256), null=True),
        "checked_at": _column(UTC),
    },
    unique=["identity", "image_id"],
    checks=[
        _holds(
            (pl.col("stated") == Stated.STATED) <= pl.col("license").is_not_null(),
            "a stated license has an identifier",
        )
    ],
)

# What the detector made of each image: the images without a face are kept here, with the reason.
DETECTIONS = _table(
    "detections",
    {
        "identity": _identity(),
        "image_id": _column(pl.String, _matches(SHA256)),
        "outcome": _column(pl.String, _one_of(Detected)),
        "detail": _text(),
        "faces": _at_least(pl.Int32, 0),
    },
    unique=["identity", "image_id"],
)

_BOX = {
    "x": _at_least(pl.Int32, 0),
    "y": _at_least(pl.Int32, 0),
    "width": _at_least(pl.Int32, 1),
    "height": _at_least(pl.Int32, 1),
}
_CROP_PLACE = {"offset": _at_least(pl.Int64, 0), "size_bytes": _at_least(pl.Int64, 1)}

# x, y, width, height: the detected box; crop_…: the box with its margin, as cut. Both in pixels of the original
# image in its upright (EXIF) orientation, of image_width × image_height. offset, size_bytes: in the crop shard.
FACES = _table(
    "faces",
    {
        "identity": _identity(),
        "face_id": _column(pl.String, _matches(FACE_ID)),
        "image_id": _column(pl.String, _matches(SHA256)),
        **_BOX,
        "crop_x": _at_least(pl.Int32, 0),
        "crop_y": _at_least(pl.Int32, 0),
        "crop_width": _at_least(pl.Int32, 1),
        "crop_height": _at_least(pl.Int32, 1),
        "image_width": _at_least(pl.Int32, 1),
        "image_height": _at_least(pl.Int32, 1),
        **_CROP_PLACE,
    },
    unique=["identity", "face_id"],
    checks=[
        _holds(
            (pl.col("x") + pl.col("width") <= pl.col("image_width"))
            & (pl.col("y") + pl.col("height") <= pl.col("image_height")),
            "the box lies inside its image",
        ),
        _holds(
            (pl.col("crop_x") + pl.col("crop_width") <= pl.col("image_width"))
            & (pl.col("crop_y") + pl.col("crop_height") <= pl.col("image_height")),
            "the crop lies inside its image",
        ),
    ],
)

# size_px: the box's shorter side. sharpness: variance of the Laplacian of the crop at a common size, in grey
# levels². brightness: mean grey level, 0 to 255. clipped_share: pixels at 0 or 255. eyes: eyes found, 0 to 2.
# not_photograph: 0 (a photograph) to 1 (drawn, flat, synthetic). identity_distance: cosine distance of the
# face's embedding to the middle of its identity's. Groups are named by their least face_id; null is no group.
SCREENING = _table(
    "screening",
    {
        "identity": _identity(),
        "face_id": _column(pl.String, _matches(FACE_ID)),
        "image_id": _column(pl.String, _matches(SHA256)),
        "size_px": _at_least(pl.Int32, 1),
        "sharpness": _at_least(pl.Float32, 0),
        "brightness": _column(pl.Float32, pa.Check.in_range(0, 255)),
        "clipped_share": _column(pl.Float32, pa.Check.in_range(0, 1)),
        "eyes": _column(pl.Int32, pa.Check.in_range(0, 2)),
        "not_photograph": _column(pl.Float32, pa.Check.in_range(0, 1)),
        "identity_distance": _column(pl.Float32, pa.Check.in_range(0, 2), null=True),
        "hash": _column(pl.UInt64),
        "exact_group": _column(pl.String, _matches(FACE_ID), null=True),
        "near_group": _column(pl.String, _matches(FACE_ID), null=True),
        "across_group": _column(pl.String, _matches(FACE_ID), null=True),
    },
    unique=["identity", "face_id"],
)


def _data_set(params: Params) -> dict[str, pa.Column]:
    """Columns of a face that is in the data set: curated and splits share them."""
    return {
        "identity": _identity(),
        "face_id": _column(pl.String, _matches(FACE_ID)),
        "image_id": _column(pl.String, _matches(SHA256)),
        **_BOX,
        **_CROP_PLACE,
        "license": _text(),
        "duplicate_group": _column(pl.String, _matches(FACE_ID), null=True),
        **_labels(params),
        "decided_by": _text(null=False),
    }


def curated(params: Params) -> Table:
    """The faces that survived the funnel. `duplicate_group` ties kept faces that must not part in the split."""
    least = params.curate.min_images_per_identity
    checks = [
        _holds(pl.len().over("identity") >= least, f"at least {least} images per identity"),
        *_one_label_per_identity(params),
    ]
    return _table("curated", _data_set(params), unique=["identity", "face_id"], checks=checks)


def non_curated(params: Params) -> Table:
    """Automatic crops with the roster's labels, no people involved (MTF's second set)."""
    return _table(
        "non_curated",
        _data_set(params),
        unique=["identity", "face_id"],
        checks=_one_label_per_identity(params),
    )


EXCLUSIONS = _table(
    "exclusions",
    {
        "identity": _identity(),
        "face_id": _column(pl.String, _matches(FACE_ID)),
        "image_id": _column(pl.String, _matches(SHA256)),
        "step": _column(pl.String, _one_of(Step)),
        "reason": _column(pl.String, _one_of(Reason)),
        "decided_by": _text(null=False),
        "detail": _text(),
    },
    unique=["identity", "face_id"],
)


def splits(params: Params) -> Table:
    """The data set with its split; no duplicate group and no source image lies in two of them."""
    apart = [
        _holds(
            pl.col(column).is_null() | (pl.col("split").n_unique().over(column) == 1),
            f"one split per {column}",
        )
        for column in ("duplicate_group", "image_id")
    ]
    return _table(
        "splits",
        _data_set(params) | {"split": _column(pl.String, _one_of(SPLITS))},
        unique=["identity", "face_id"],
        checks=[*apart, *_one_label_per_identity(params)],
    )


# What each trained model says of each face of the test split. confidence: of the predicted label, 0 to 1.
PREDICTIONS = _table(
    "predictions",
    {
        "identity": _identity(),
        "face_id": _column(pl.String, _matches(FACE_ID)),
        "task": _text(null=False),
        "model": _text(null=False),
        "label": _text(null=False),
        "predicted": _text(null=False),
        "confidence": _column(pl.Float32, pa.Check.in_range(0, 1)),
    },
    unique=["identity", "face_id", "task", "model"],
)


# Where the label classifier contradicts the roster, surely enough: for reviewers to look at, never a verdict.
# confidence: of the predicted label, calibrated, 0 to 1.
HINTS = _table(
    "hints",
    {
        "identity": _identity(),
        "face_id": _column(pl.String, _matches(FACE_ID)),
        "attribute": _text(null=False),
        "roster_label": _text(null=False),
        "predicted": _text(null=False),
        "confidence": _column(pl.Float32, pa.Check.in_range(0, 1)),
    },
    unique=["identity", "face_id", "attribute"],
    checks=[_holds(pl.col("roster_label") != pl.col("predicted"), "the prediction contradicts the roster")],
)


def frame(table: Table, rows: Iterable[Mapping[str, Any]] | pl.DataFrame) -> pl.DataFrame:
    """Rows as a data frame with the table's columns, order and types; not yet checked."""
    if isinstance(rows, pl.DataFrame):
        return rows.select(pl.col(name).cast(dtype) for name, dtype in table.dtypes.items())
    return pl.DataFrame(list(rows), schema=table.dtypes, orient="row")


def check(table: Table, data: pl.DataFrame, *, where: str, failures_to: Path | None = None) -> pl.DataFrame:
    """`data`, if it keeps the contract of `table`.

    Raises ContractViolated with the first failing cases in its message; all of them are written to `failures_to`
    (JSON lines) where that is given. `where` names the table's file.
    """
    try:
        table.schema.validate(data, lazy=True)
    except SchemaErrors as error:
        raise _violated(
            where, error.failure_cases.select("column", "check", "failure_case", "index"), failures_to
        ) from None
    if failures_to is not None:
        # What an earlier run wrote there has been mended.
        failures_to.unlink(missing_ok=True)
    return data


def check_refers(
    child: pl.DataFrame, parent: pl.DataFrame, *, on: list[str], where: str, failures_to: Path | None = None
) -> None:
    """Foreign keys: every row of `child` has a row in `parent` with the same `on`.

    Raises ContractViolated; `failures_to` is as for `check`.
    """
    orphans = child.with_row_index("index").join(parent, on=on, how="anti").sort("index")
    if orphans.is_empty():
        return
    failures = orphans.select(
        column=pl.lit("+".join(on)),
        check=pl.lit("refers_to_parent"),
        failure_case=pl.concat_str(on, separator=" "),
        index=pl.col("index").cast(pl.Int32),
    )
    raise _violated(where, failures, failures_to)


def read(table: Table, path: Path) -> pl.DataFrame:
    """A Parquet table, checked. Raises BadInput where there is none, ContractViolated where it breaks its contract."""
    if not path.is_file():
        raise BadInput(f"{path}: no such table; run the stage that makes it (`dvc repro`)")
    return check(table, pl.read_parquet(path), where=str(path), failures_to=failures_path(path))


def write(table: Table, rows: Iterable[Mapping[str, Any]] | pl.DataFrame, path: Path) -> pl.DataFrame:
    """Check and write a table as Parquet, whole or not at all."""
    data = check(table, frame(table, rows), where=str(path), failures_to=failures_path(path))
    with replacing(path) as beside:
        data.write_parquet(beside)
    return data


def failures_path(path: Path) -> Path:
    """Where all cases are written in which the table at `path` breaks its contract.

    Beside the stage's folder, not in it: a failed run leaves nothing for DVC to version.
    """
    return path.parent.with_name(f"{path.parent.name}.{path.stem}.failures.jsonl")


def _violated(where: str, failures: pl.DataFrame, failures_to: Path | None) -> ContractViolated:
    lines = [_failure_line(row) for row in failures.head(SHOWN_FAILURES).iter_rows(named=True)]
    rules = listed(failures["check"].unique(maintain_order=True).to_list())
    message = f"{where}: {failures.height} cases break the contract ({rules}); the first:\n" + "\n".join(lines)
    if failures_to is not None:
        with replacing(failures_to) as beside:
            failures.write_ndjson(beside)
        message += f"\n  all of them: {failures_to}"
    return ContractViolated(message, failures)


def _failure_line(row: Mapping[str, Any]) -> str:
    place = "" if row["index"] is None else f" row {row['index']}"
    return f"  {row['column'] or 'table'}{place}: {row['check']}: {_without_the_rest(row['failure_case'])}"[:300]


def _without_the_rest(failure_case: str | None) -> str | None:
    """A rule over a whole row fails with all of it: shown by what names the row, its ids."""
    if failure_case is None or not failure_case.startswith("{"):
        return failure_case
    row = json.loads(failure_case)
    ids = [str(row[name]) for name in ("identity", "face_id", "image_id", "url") if row.get(name) is not None]
    return " ".join(ids[:2]) or failure_case
