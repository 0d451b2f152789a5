"""Parquet tables of all versions, read from the stores with their revisions."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterator

import polars as pl
import pyarrow as pa
import pyarrow.parquet

from mtf.forget.file_versions import NO_VERSION
from mtf.forget.history import History

# Columns of each object that was opened once, per history: one that lacks a column is not opened again.
_COLUMNS: weakref.WeakKeyDictionary[History, dict[str, frozenset[str]]] = weakref.WeakKeyDictionary()


def tables(history: History, *paths: str, columns: Collection[str]) -> Iterator[tuple[list[str], pl.DataFrame]]:
    """Parquet tables at one of `paths`, reduced to `columns`, each with its revisions.

    Includes files of the same name whose folder is not known, and unnamed objects, if they have these columns.
    Objects that cannot be read as a table are skipped.
    """
    for version in history.at(*paths):
        yield from ((version.revisions, table) for table in _table(history, version.oid, columns))
    for oid in history.unnamed:
        yield from (([NO_VERSION], table) for table in _table(history, oid, columns))


def _table(history: History, oid: str, columns: Collection[str]) -> Iterator[pl.DataFrame]:
    known = _COLUMNS.setdefault(history, {})
    if oid in known and not set(columns) <= known[oid]:
        return
    known.setdefault(oid, frozenset())
    with history.index.open(oid) as file:
        if file is None or file.read(4) != b"PAR1":
            return
        try:
            table = pa.parquet.ParquetFile(file)
            known[oid] = frozenset(table.schema_arrow.names)
            if set(columns) <= known[oid]:
                yield pl.DataFrame(pl.from_arrow(table.read(columns=list(columns))))
        except pa.ArrowException:
            return
