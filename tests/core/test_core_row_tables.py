"""Parquet tables of rows, as members of shards have them."""

import io
from datetime import UTC, datetime
from enum import StrEnum

import polars as pl
import pytest

from mtf import schemas
from mtf.core import row_tables

DTYPES = {
    "identity": pl.String,
    "width": pl.Int32,
    "content_hash": pl.UInt64,
    "found_by": pl.List(pl.String),
    "fetched_at": schemas.UTC,
}


class Outcome(StrEnum):
    STORED = "stored"


def test_polars_reads_the_values_and_types_of_the_rows():
    row = {
        "identity": Outcome.STORED,
        "width": 640,
        "content_hash": 2**64 - 1,
        "found_by": ("first", "second"),
        "fetched_at": datetime(2026, 3, 1, 12, 30, 15, 123456, UTC),
    }
    read = pl.read_parquet(io.BytesIO(row_tables.parquet_bytes([row], DTYPES)))
    assert read.schema == pl.DataFrame(schema=DTYPES).schema
    assert read.row(0, named=True) == row | {"identity": "stored", "found_by": ["first", "second"]}


def test_missing_values_are_null_and_other_columns_are_left_out():
    read = pl.read_parquet(io.BytesIO(row_tables.parquet_bytes([{"width": 1, "height": 2}], DTYPES)))
    assert read.columns == list(DTYPES)
    assert read.row(0) == (None, 1, None, None, None)


def test_no_rows_make_a_table_with_all_columns():
    read = pl.read_parquet(io.BytesIO(row_tables.parquet_bytes([], DTYPES)))
    assert (read.height, read.schema) == (0, pl.DataFrame(schema=DTYPES).schema)


def test_the_same_rows_give_the_same_bytes():
    rows = [{"identity": f"person-{number}", "width": number} for number in range(100)]
    assert row_tables.parquet_bytes(rows, DTYPES) == row_tables.parquet_bytes(iter(rows), dict(DTYPES))


@pytest.mark.parametrize("table", ["IMAGES", "FETCHES", "EVIDENCE", "EARLIER", "SIGNALS"])
def test_the_tables_of_a_crawl_keep_their_types(table):
    dtypes = getattr(schemas, table).dtypes
    assert pl.read_parquet(io.BytesIO(row_tables.parquet_bytes([], dtypes))).schema == pl.Schema(dtypes)
