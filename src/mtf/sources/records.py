"""Records of APIs: answers about pictures, stored unchanged and parsed whenever a picture is judged.

One answer describes many pictures, so an identity's shard holds each answer once, as `SHA256.record.gz`, with a table
of the addresses that it describes, `records.parquet`. Pictures that could not be fetched keep their record, too: a
later run tries them again without a new search.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from mtf.core import row_tables, shards
from mtf.schemas import dtypes

RECORDS = "records.parquet"

_SCHEMA = {
    "url": pl.String,
    "source": pl.String,
    "status": pl.Int32,
    "sha256": pl.String,
    "fetched_at": dtypes.UTC,
}


@dataclass(frozen=True, slots=True)
class Record:
    """One answer of an API.

    source: name of the source (`kind`).
    status: HTTP status.
    sha256: digest of the body.
    compressed: function that returns the body, compressed by gzip.
    """

    source: str
    fetched_at: datetime
    status: int
    sha256: str
    compressed: Callable[[], bytes]

    def body(self) -> bytes:
        return gzip.decompress(self.compressed())


def of_answer(source: str, body: bytes, *, status: int, fetched_at: datetime) -> Record:
    """Record of an answer that was just received."""
    kept = gzip.compress(body, mtime=0)
    return Record(source, fetched_at, status, hashlib.sha256(body).hexdigest(), lambda: kept)


def add(shard: shards.ShardWriter, records: Mapping[str, Record]) -> None:
    """Add `records` (picture's address → record) to a shard; without any, nothing is added."""
    if not records:
        return
    for sha256, record in {record.sha256: record for record in records.values()}.items():
        shard.add_from(_member(sha256), record.compressed)
    rows = [
        {"url": url, **{name: getattr(record, name) for name in _SCHEMA if name != "url"}}
        for url, record in records.items()
    ]
    shard.add(RECORDS, row_tables.parquet_bytes(rows, _SCHEMA))


def load(path: Path, members: Mapping[str, tuple[int, int]]) -> dict[str, Record]:
    """Picture's address → record, from the shard at `path`. Bodies are read on demand.

    Raises KeyError, OSError or a PolarsError for a damaged shard.
    """
    if RECORDS not in members:
        return {}
    frame = pl.read_parquet(io.BytesIO(shards.read(path, *members[RECORDS])))
    return {
        row.pop("url"): Record(**row, compressed=shards.Member(path, *members[_member(row["sha256"])]))
        for row in frame.iter_rows(named=True)
    }


def _member(sha256: str) -> str:
    return f"{sha256}.record.gz"
