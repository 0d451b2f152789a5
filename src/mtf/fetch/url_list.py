"""Lists of addresses (Parquet, CSV, TSV, text, JSON lines), read in batches and cut into shards.

As img2dataset does, each file of a folder begins a new shard, so that the same lists give the same keys.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from mtf.core import atomic_files
from mtf.core.errors import BadInput, listed, shortened
from mtf.fetch.options import LIST_FORMATS, FetchOptions, shard_name

_ENDINGS = {ending: name for name in LIST_FORMATS for ending in (f".{name}", f".{name}.gz")}
_BATCH_ROWS = 10_000
_BLOCK_BYTES = 2**22


@dataclass(frozen=True)
class Shard:
    """Rows of one shard: a table with the columns of the samples (`ListColumns.renamed`)."""

    number: int
    table: pa.Table

    def opened(self) -> Shard:
        return self


@dataclass(frozen=True)
class StoredShard:
    """A shard whose table lies in a file (Arrow IPC), for workers on other machines that see it."""

    number: int
    path: Path

    @classmethod
    def of(cls, shard: Shard, folder: Path) -> StoredShard:
        """Write the table of a shard to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{shard_name(shard.number)}.arrow"
        with atomic_files.replacing(path) as beside, pa.ipc.new_file(beside, shard.table.schema) as writer:
            writer.write_table(shard.table)
        return cls(shard.number, path)

    def opened(self) -> Shard:
        with pa.ipc.open_file(self.path) as file:
            return Shard(self.number, file.read_all())


def files(options: FetchOptions) -> list[Path]:
    """Files of the list, sorted. Raises BadInput if there is none, or one has no known format."""
    source = options.source
    if not source.exists():
        raise BadInput(f"{source}: no such list")
    if not source.is_dir():
        _format(source, options)
        return [source]
    wanted = None if options.list_format is None else {options.list_format}
    found = sorted(path for path in source.iterdir() if _known(path) and wanted in (None, {_known(path)}))
    if not found:
        raise BadInput(f"{source}: no list here; a name ends in one of {listed(_ENDINGS, 20)}")
    return found


def _known(path: Path) -> str | None:
    return next((name for ending, name in _ENDINGS.items() if path.name.endswith(ending)), None)


def _format(path: Path, options: FetchOptions) -> str:
    found = options.list_format or _known(path)
    if found is None:
        raise BadInput(f"{path}: the name does not tell its format; name it with --list-format: {listed(LIST_FORMATS)}")
    return found


def count(options: FetchOptions) -> int | None:
    """Number of addresses, if the list's files state it (Parquet); None for others, which take long to read."""
    found = files(options)
    if any(_format(path, options) != "parquet" for path in found):
        return None
    try:
        return sum(pq.read_metadata(path).num_rows for path in found)
    except pa.ArrowInvalid:
        return None  # `shards` names what is wrong


def shards(options: FetchOptions) -> Iterator[Shard]:
    """Shards of the list in their order; memory holds one, and a batch. Raises BadInput for a bad file or column."""
    number = 0
    for path in files(options):
        for table in _tables(path, options):
            yield Shard(number, table)
            number += 1


def _tables(path: Path, options: FetchOptions) -> Iterator[pa.Table]:
    """Tables of `shard_size` rows of one file; the last one may have less."""
    size, held, count = options.shard_size, [], 0
    for batch in _batches(path, options):
        rest = batch
        while count + rest.num_rows >= size:
            yield pa.concat_tables([*held, rest.slice(0, size - count)], promote_options="permissive")
            rest, held, count = rest.slice(size - count), [], 0
        if rest.num_rows:
            held.append(rest)
            count += rest.num_rows
    if held:
        yield pa.concat_tables(held, promote_options="permissive")


def _batches(path: Path, options: FetchOptions) -> Iterator[pa.Table]:
    """Batches of one file with the samples' columns."""
    renamed = options.columns.renamed()
    with ExitStack() as stack:
        try:
            for batch in _read(path, _format(path, options), list(renamed), stack):
                if lacking := [name for name in renamed if name not in batch.column_names]:
                    raise BadInput(
                        f"{path}: no column {lacking[0]!r}; it has {listed(map(repr, batch.column_names), 12)}"
                    )
                yield _checked(batch.select(list(renamed)).rename_columns(list(renamed.values())), path)
        except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
            raise BadInput(f"{path}: not a list that can be read: {shortened(str(error), 300)}") from None


def _read(path: Path, kind: str, columns: list[str], stack: ExitStack) -> Iterator[pa.Table]:
    if kind == "parquet":
        parquet = stack.enter_context(pq.ParquetFile(path))
        known = [name for name in columns if name in parquet.schema_arrow.names]
        # Without a column that it lacks, so that the message can name those it has.
        wanted = known if len(known) == len(columns) else None
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=wanted):
            yield pa.Table.from_batches([batch])
        return
    file: Any = stack.enter_context(path.open("rb"))
    if path.name.endswith(".gz"):
        file = stack.enter_context(gzip.GzipFile(fileobj=file))
    if kind == "txt":
        yield from _lines(file, columns)
    elif kind == "jsonl":
        options = pyarrow.json.ReadOptions(block_size=_BLOCK_BYTES)
        for batch in stack.enter_context(pyarrow.json.open_json(file, read_options=options)):
            yield pa.Table.from_batches([batch])
    else:
        delimiter = pyarrow.csv.ParseOptions(delimiter="\t" if kind == "tsv" else ",", newlines_in_values=True)
        options = pyarrow.csv.ReadOptions(block_size=_BLOCK_BYTES)
        for batch in stack.enter_context(pyarrow.csv.open_csv(file, parse_options=delimiter, read_options=options)):
            yield pa.Table.from_batches([batch])


def _lines(file: IO[bytes], columns: list[str]) -> Iterator[pa.Table]:
    """One address a line; empty lines are left out. Its only column is the one asked for as address."""
    name = columns[-1] if len(columns) == 1 else "url"
    urls: list[str] = []
    for line in file:
        if url := line.decode("utf-8").strip():
            urls.append(url)
        if len(urls) == _BATCH_ROWS:
            yield pa.table({name: pa.array(urls, pa.string())})
            urls = []
    if urls:
        yield pa.table({name: pa.array(urls, pa.string())})


def _checked(table: pa.Table, path: Path) -> pa.Table:
    """Table whose columns of texts are texts."""
    for name in ("url", "caption", "page_url", "claim"):
        if name in table.column_names:
            kind = table.schema.field(name).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
                if name == "url":
                    raise BadInput(f"{path}: the column with addresses holds {kind}; texts are permitted")
                table = table.set_column(table.column_names.index(name), name, table.column(name).cast(pa.string()))
    return table
