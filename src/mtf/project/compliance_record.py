"""Compliance record: which preferences of rights holders were heard for each picture, and what the policy made of them.

One row per picture and statement: who said it, about what use, allow or disallow, where it was found, when, and the
digest of its bytes. A picture for which nothing was heard has one row, with the answer `none`. Addresses that gave no
picture for another reason are not part of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from mtf.config import Params
from mtf.core import atomic_files, csv_files
from mtf.core.errors import BadInput, bad_value
from mtf.core.project_paths import ProjectPaths
from mtf.rights.audit.findings import first_line, stored_table
from mtf.rights.signals.preferences import OUR_USES, Answer
from mtf.schemas import FetchOutcome

SCHEMA_VERSION = "1.0"
FORMATS = (".csv", ".json")
COLUMNS = [
    "identity", "image_id", "url", "is_held", "signal", "said_by", "use", "answer", "statement", "found_in", "found_at",
    "heard_at", "sha256", "detail", "policy",
]  # fmt: skip
NONE = "none"
_KEYS = ["identity", "url"]
_OUTCOMES = [str(each) for each in (FetchOutcome.STORED, FetchOutcome.DUPLICATE, FetchOutcome.OPTED_OUT)]
_ROWS_AT_ONCE = 50_000


def check_path(path: Path) -> None:
    """Check the format of a record's file by its ending. Raises BadInput."""
    if path.suffix.lower() not in FORMATS:
        raise bad_value("--record", path.name, "a file that ends in .csv or .json")


def write(workspace: ProjectPaths, params: Params, path: Path) -> int:
    """Write the record to `path`, as CSV or JSON by its ending. Returns the number of rows. Raises BadInput."""
    check_path(path)
    try:
        rows = compiled(workspace, params).collect(engine="streaming").sort(*_KEYS, "signal", "statement", "found_at")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"a table of {workspace.relative(workspace.stage('crawl'))}: {first_line(error)}") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".csv":
        csv_files.write(path, rows)
    else:
        _write_json(rows, params, path)
    return rows.height


def compiled(workspace: ProjectPaths, params: Params) -> pl.LazyFrame:
    """Rows of the record (COLUMNS). Raises BadInput if a table is missing or unreadable."""
    fetches = stored_table(workspace, "crawl", "fetches", [*_KEYS, "outcome", "image_id", "fetched_at"])
    heard = stored_table(
        workspace, "crawl", "signals",
        [*_KEYS, "signal", "said_by", "use", "answer", "statement", "found_in", "found_at", "heard_at", "sha256",
         "detail"],
    )  # fmt: skip
    pictures = fetches.filter(pl.col("outcome").is_in(_OUTCOMES))
    is_held = pl.col("outcome") != FetchOutcome.OPTED_OUT
    when = pl.coalesce("heard_at", "fetched_at")
    return (
        pictures.join(heard, on=_KEYS, how="left")
        .with_columns(
            is_held=is_held,
            policy=_policy(params.licenses.binding_opt_outs, is_held),
            heard_at=when.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        .with_columns(pl.col("answer").fill_null(NONE))
        .select(pl.col(name) for name in COLUMNS)
    )


def _policy(binding: Sequence[str], is_held: pl.Expr) -> pl.Expr:
    """Consequence of a statement, in words."""
    is_unread = pl.col("answer") == Answer.UNKNOWN
    binds = pl.col("signal").is_in(binding) & ~is_unread | (is_unread & pl.lit("unknown" in binding))
    is_ours = pl.col("use").is_in([str(use) for use in OUR_USES])
    consequence = (
        pl.when(is_held)
        .then(pl.lit("binds: left out of the data set"))
        .otherwise(pl.lit("binds: the picture is not held"))
    )
    return (
        pl.when(pl.col("answer").is_null())
        .then(pl.lit("nothing was said"))
        .when(pl.col("answer") == Answer.ALLOW)
        .then(pl.lit("permits"))
        .when(~is_ours)
        .then(pl.lit("recorded: no use of this data set"))
        .when(binds)
        .then(consequence)
        .otherwise(pl.lit("recorded: does not bind"))
    )


def _write_json(rows: pl.DataFrame, params: Params, path: Path) -> None:
    """Write one row a line: JSON's strings contain no line breaks."""
    head = {
        "schema_version": SCHEMA_VERSION,
        "project": params.project.name,
        "binding_opt_outs": list(params.licenses.binding_opt_outs),
    }
    with atomic_files.replacing(path) as beside, beside.open("w", encoding="utf-8") as out:
        out.write(json.dumps(head, indent=2, ensure_ascii=False).removesuffix("\n}") + ',\n  "record": [')
        for start in range(0, rows.height, _ROWS_AT_ONCE):
            lines = rows.slice(start, _ROWS_AT_ONCE).write_ndjson().rstrip("\n").replace("\n", ",\n")
            out.write((",\n" if start else "\n") + lines)
        out.write("\n  ]\n}\n")
