"""Writers of shards in img2dataset's formats: a tar for webdataset, a Parquet file, or a folder of files.

Each shard `NNNNN` gets a table `NNNNN.parquet` with a row for every address, and at last `NNNNN_stats.json`, which says
that the shard is whole. Files are written beside their place, then renamed: a killed run leaves none that is not whole.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from mtf.core import arrow_arrays, atomic_files, system_errors, tar_members
from mtf.fetch.options import shard_name
from mtf.fetch.sample_columns import PICTURE

_BUFFERED_ROWS = 500
_ROW_GROUP_BYTES = 2**24
_PART = ".part"
_JSON = json.JSONEncoder(default=str)
_COUNTS = {"count", "successes"}
"""Counts that the stats of a whole shard have at least."""


class SampleWriter(Protocol):
    """Writer of one shard. `row` has the columns of the schema; `data` is None for a sample without picture."""

    def add(self, row: dict[str, Any], data: bytes | None) -> None: ...
    def finish(self) -> None:
        """Complete the shard's files; only then they appear. Slow: it waits for the disk."""
        ...


class _Table:
    """Rows of a shard as Arrow batches, which take less memory than dictionaries."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._batches: list[pa.Table] = []

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == _BUFFERED_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._batches.append(_batch(self._rows, self._schema))
        self._rows = []

    def write(self, path: Path) -> None:
        """Write all rows in the order of their keys."""
        self._flush()
        with atomic_files.replacing(path) as beside:
            pq.write_table(pa.concat_tables(self._batches).sort_by("key"), beside)


class _TarWriter:
    """Writer of `NNNNN.tar`: KEY.jpg, KEY.json and, with captions, KEY.txt, in the order of arrival."""

    def __init__(self, beside: Path, table: Path, schema: pa.Schema) -> None:
        self._file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        self._rows = _Table(schema)
        self._table = table

    def add(self, row: dict[str, Any], data: bytes | None) -> None:
        self._rows.add(row)
        if data is not None:
            parts: list[bytes] = []
            for ending, content in _members(row, data):
                header = tar_members.header(f"{row['key']}.{ending}", len(content))
                parts += [header, content, tar_members.padding(len(content))]
            _write(self._file, parts)

    def finish(self) -> None:
        _write(self._file, [bytes(2 * tar_members.BLOCK_BYTES)])
        self._rows.write(self._table)

    def close(self) -> None:
        os.close(self._file)


class _FolderWriter:
    """Writer of the folder `NNNNN` with the members of `_TarWriter` as files."""

    def __init__(self, beside: Path, table: Path, schema: pa.Schema) -> None:
        self._folder = beside
        self._folder.mkdir()
        self._rows = _Table(schema)
        self._table = table

    def add(self, row: dict[str, Any], data: bytes | None) -> None:
        self._rows.add(row)
        if data is not None:
            for ending, content in _members(row, data):
                (self._folder / f"{row['key']}.{ending}").write_bytes(content)

    def finish(self) -> None:
        for path in self._folder.iterdir():
            atomic_files.flush(path)
        self._rows.write(self._table)

    def close(self) -> None:
        pass


class _ParquetWriter:
    """Writer of `NNNNN.parquet` with the pictures' bytes in the column `jpg`, in the order of arrival."""

    def __init__(self, beside: Path, _table: Path, schema: pa.Schema) -> None:
        self._schema = schema.append(pa.field(PICTURE, pa.binary()))
        self._writer = pq.ParquetWriter(beside, self._schema, compression={schema.names[0]: "snappy"})
        self._rows: list[dict[str, Any]] = []
        self._size_bytes = 0

    def add(self, row: dict[str, Any], data: bytes | None) -> None:
        self._rows.append(row | {PICTURE: data})
        self._size_bytes += len(data or b"")
        if self._size_bytes >= _ROW_GROUP_BYTES or len(self._rows) == _BUFFERED_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(_batch(self._rows, self._schema))
            self._rows, self._size_bytes = [], 0

    def finish(self) -> None:
        self._flush()

    def close(self) -> None:
        self._writer.close()


_WRITERS: dict[str, tuple[Callable[[Path, Path, pa.Schema], Any], str]] = {
    "webdataset": (_TarWriter, ".tar"),
    "parquet": (_ParquetWriter, ".parquet"),
    "files": (_FolderWriter, ""),
}


@contextmanager
def writing(folder: Path, number: int, output_format: str, schema: pa.Schema) -> Generator[SampleWriter]:
    """Write a shard; its files appear if the block ends without an error, after `finish`.

    Raises OSError; one on a full or failing disk names the shard.
    """
    kind, ending = _WRITERS[output_format]
    name = shard_name(number)
    place, beside = folder / f"{name}{ending}", folder / f".{name}{ending}.{secrets.token_hex(4)}{_PART}"
    try:
        writer = kind(beside, folder / f"{name}.parquet", schema)
        try:
            yield writer
        finally:
            writer.close()
        atomic_files.flush(beside)
        if place.is_dir():
            shutil.rmtree(place)  # of a run that was killed before it wrote the shard's stats
        beside.replace(place)
        atomic_files.flush(folder)
    except Exception as error:
        if named := system_errors.naming(error, place):
            raise named from error
        raise
    finally:
        _remove(beside)


def write_stats(folder: Path, number: int, stats: dict[str, Any]) -> None:
    """Write `NNNNN_stats.json`: the shard is whole."""
    atomic_files.write_text(_stats_path(folder, number), json.dumps(stats, indent=4))


def read_stats(folder: Path, number: int) -> dict[str, Any] | None:
    """Content of `NNNNN_stats.json`; None if the shard is not whole: the file is missing, or damaged."""
    try:
        stats = json.loads(_stats_path(folder, number).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return stats if isinstance(stats, dict) and stats.keys() >= _COUNTS else None


def _stats_path(folder: Path, number: int) -> Path:
    return folder / f"{shard_name(number)}_stats.json"


def sweep(folder: Path) -> None:
    """Remove what killed runs left unfinished. Nobody may be writing there now."""
    for path in folder.glob(f".*{_PART}"):
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _batch(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    columns = [arrow_arrays.array_of([row[field.name] for row in rows], field.type) for field in schema]
    return pa.table(columns, schema=schema)


def _members(row: dict[str, Any], data: bytes) -> list[tuple[str, bytes]]:
    """Endings and contents of a sample's files, in webdataset's order."""
    described = _JSON.encode(row).encode("utf-8", "replace")
    members = [(PICTURE, data), ("json", described)]
    if "caption" in row:
        members.append(("txt", (row["caption"] or "").encode("utf-8", "replace")))
    return members


def _write(file: int, parts: list[bytes]) -> None:
    """Write all bytes of `parts`, without copying them together unless the disk takes less at once."""
    written = os.writev(file, parts)
    if written < sum(map(len, parts)):
        rest = memoryview(b"".join(parts))[written:]
        while rest:
            rest = rest[os.write(file, rest) :]
