"""Records of APIs: their answers about pictures, kept as they came and read whenever a picture is judged.

One answer speaks of many pictures, so an identity's shard holds each answer once, as `SHA256.record.gz`, and says
in `records.parquet` which address it speaks of. It is kept for pictures that could not be fetched yet, too: they
are tried again without a new search.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl

from mtf import schemas
from mtf.core import shards

RECORDS = "records.parquet"

_SCHEMA = {
    "url": pl.String,
    "source": pl.String,
    "status": pl.Int32,
    "sha256": pl.String,
    "fetched_at": schemas.UTC,
}


@dataclass(frozen=True, slots=True)
class Record:
    """One answer of the API of `source`. `sha256` is of its body, `compressed` (gzip) gives it back."""

    source: str
    fetched_at: datetime
    status: int
    sha256: str
    compressed: Callable[[], bytes]

    def body(self) -> bytes:
        return gzip.decompress(self.compressed())


def of_answer(source: str, body: bytes, *, status: int, fetched_at: datetime) -> Record:
    """The record of an answer that has just come."""
    kept = gzip.compress(body, mtime=0)
    return Record(source, fetched_at, status, hashlib.sha256(body).hexdigest(), lambda: kept)


def add(shard: shards.ShardWriter, records: Mapping[str, Record]) -> None:
    """Keep `records` (by the picture's address) in a shard; a shard without any is left as it is."""
    if not records:
        return
    for sha256, record in {record.sha256: record for record in records.values()}.items():
        shard.add(_member(sha256), record.compressed())
    rows = [
        {"url": url, **{name: getattr(record, name) for name in _SCHEMA if name != "url"}}
        for url, record in records.items()
    ]
    buffer = io.BytesIO()
    pl.DataFrame(rows, schema=_SCHEMA, orient="row").write_parquet(buffer, statistics=False)
    shard.add(RECORDS, buffer.getvalue())


def load(path: Path, members: Mapping[str, tuple[int, int]]) -> dict[str, Record]:
    """The records that the shard at `path` keeps, by the picture's address; their bodies are read when asked for.

    Raises KeyError, OSError or a PolarsError for a shard that is damaged.
    """
    if RECORDS not in members:
        return {}
    frame = pl.read_parquet(io.BytesIO(shards.read(path, *members[RECORDS])))
    return {
        row.pop("url"): Record(**row, compressed=partial(shards.read, path, *members[_member(row["sha256"])]))
        for row in frame.iter_rows(named=True)
    }


def _member(sha256: str) -> str:
    return f"{sha256}.record.gz"
