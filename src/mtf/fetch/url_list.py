"""Lists of addresses (Parquet, CSV, TSV, text, JSON lines), read in batches and cut into shards.

As img2dataset does, each file of a folder begins a new shard, so that the same lists give the same keys.
"""

from __future__ import annotations

import gzip
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from mtf.core import arrow_arrays, atomic_files
from mtf.core.errors import BadInput, listed, shortened
from mtf.core.regular_files import check_regular
from mtf.fetch.options import LIST_FORMATS, FetchOptions, shard_name

if TYPE_CHECKING:
    from mtf.fetch.target import Target

_ENDINGS = {ending: name for name in LIST_FORMATS for ending in (f".{name}", f".{name}.gz")}
_BATCH_ROWS = 10_000
_BLOCK_BYTES = 2**22
_TEXT_COLUMNS = frozenset({"url", "caption", "page_url", "claim"})
_MAX_LIST_BYTES = 2**50
_UNREADABLE = (pa.ArrowInvalid, pa.ArrowKeyError, pa.ArrowTypeError, pa.ArrowNotImplementedError)


@dataclass(frozen=True)
class Shard:
    """Rows of one shard: a table with the columns of the samples (`ListColumns.renamed`)."""

    number: int
    table: pa.Table

    def opened(self) -> Shard:
        return self


@dataclass(frozen=True)
class StoredShard:
    """A shard whose table is in a file (Arrow IPC), for workers on other machines.

    path: in a folder that they see, or at the target.
    """

    number: int
    path: str
    target: Target | None = None

    @classmethod
    def of(cls, shard: Shard, options: FetchOptions, folder: str) -> StoredShard:
        """Write the table of a shard to `folder`, below the folder of the run or the target."""
        name = f"{folder}/{shard_name(shard.number)}.arrow"
        path = options.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_files.replacing(path) as beside, pa.ipc.new_file(beside, shard.table.schema) as writer:
            writer.write_table(shard.table)
        if options.target is None:
            return cls(shard.number, str(path))
        options.target.put(options.folder, name)
        path.unlink()
        return cls(shard.number, name, options.target)

    def opened(self) -> Shard:
        if self.target is not None:
            return Shard(self.number, self.target.table(self.path))
        with pa.ipc.open_file(self.path) as file:
            return Shard(self.number, file.read_all())


def files(options: FetchOptions) -> list[Path]:
    """Files of the list, sorted. Raises BadInput if there is none, or one has no known format or is no regular file."""
    source = options.source
    if not source.exists():
        raise BadInput(f"{source}: no such list; name a file or a folder of this machine")
    if not source.is_dir():
        _format(source, options)
        check_regular(source, _MAX_LIST_BYTES)  # a pipe could be read once alone, and a list is read twice
        return [source]
    wanted = None if options.list_format is None else {options.list_format}
    known = (path for path in source.iterdir() if path.is_file() and _known(path))
    found = sorted(path for path in known if wanted in (None, {_known(path)}))
    if not found:
        raise BadInput(f"{source}: no list here; a name ends in one of {listed(_ENDINGS, 20)}")
    return found


def _known(path: Path) -> str | None:
    return next((name for ending, name in _ENDINGS.items() if path.name.lower().endswith(ending)), None)


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
    texts = [name for name, to in renamed.items() if to in _TEXT_COLUMNS - {"url"}]
    with ExitStack() as stack:
        try:
            for batch in _read(path, _format(path, options), list(renamed), texts, stack):
                if lacking := [name for name in renamed if name not in batch.column_names]:
                    raise BadInput(
                        f"{path}: no column {lacking[0]!r}; it has {listed(map(repr, batch.column_names), 12)}"
                    )
                if repeated := [name for name in renamed if batch.column_names.count(name) > 1]:
                    raise BadInput(f"{path}: two columns are named {repeated[0]!r}; rename one of them")
                columns = {to: _checked(batch.column(name), name, to, path) for name, to in renamed.items()}
                yield pa.table(columns)
        except (*_UNREADABLE, UnicodeDecodeError, EOFError, zlib.error) as error:
            raise BadInput(f"{path}: not a list that can be read: {shortened(str(error), 300)}") from None
        except OSError as error:
            if error.errno is not None:
                raise  # of the disk; gzip's and Arrow's decompressors raise one without number
            raise BadInput(f"{path}: not a list that can be read: {shortened(str(error), 300)}") from None


def _read(path: Path, kind: str, columns: list[str], texts: list[str], stack: ExitStack) -> Iterator[pa.Table]:
    """Batches of one file, with the columns that are asked for or more.

    texts: columns whose cells are texts, whatever they look like: `007` stays, and a column may begin with empty cells.
    """
    if kind == "parquet":
        parquet = stack.enter_context(pq.ParquetFile(path))
        known = [name for name in columns if name in parquet.schema_arrow.names]
        # Without a column that it lacks, so that the message can name those it has.
        wanted = known if len(known) == len(columns) else None
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=wanted):
            yield pa.Table.from_batches([batch])
        return
    is_compressed = path.name.lower().endswith(".gz")
    if kind == "txt":
        lines: Any = stack.enter_context(path.open("rb"))
        if is_compressed:
            lines = stack.enter_context(gzip.GzipFile(fileobj=lines))
        yield from _lines(lines, columns, path)
        return
    if kind == "jsonl" and path.stat().st_size == 0:  # a part without rows, which Arrow refuses
        return

    # Arrow reads ahead in threads of its own. In a file object of Python, one of them could still be at work when the
    # interpreter ends, which aborts the process.
    def opened() -> pa.NativeFile:
        return stack.enter_context(pa.input_stream(str(path), compression="gzip" if is_compressed else None))

    open_reader = _json_reader if kind == "jsonl" else partial(_csv_reader, delimiter="\t" if kind == "tsv" else ",")
    with open_reader(opened()) as first:
        schema = first.schema

    def kept_type(name: str) -> pa.DataType:
        found = schema.field(name).type
        # Arrow takes the text `2024-01-01` of JSON for a time.
        is_text = name in texts and (kind != "jsonl" or pa.types.is_timestamp(found))
        return pa.string() if is_text or pa.types.is_null(found) else found

    # Other columns may change their type, or begin, after the block from which Arrow takes the types. Without a column
    # that is asked for, all are read, so that the message can name them.
    are_there = all(schema.names.count(name) == 1 for name in columns)
    wanted = {name: kept_type(name) for name in columns} if are_there else None
    for batch in stack.enter_context(open_reader(opened(), wanted)):
        yield pa.Table.from_batches([batch])


def _json_reader(file: pa.NativeFile, columns: dict[str, pa.DataType] | None = None) -> Any:
    """Reader of JSON lines. columns: those to read, with their types; None for all."""
    parsing = None
    if columns is not None:
        parsing = pyarrow.json.ParseOptions(pa.schema(list(columns.items())), unexpected_field_behavior="ignore")
    reading = pyarrow.json.ReadOptions(block_size=_BLOCK_BYTES)
    return pyarrow.json.open_json(file, read_options=reading, parse_options=parsing)


def _csv_reader(file: pa.NativeFile, columns: dict[str, pa.DataType] | None = None, *, delimiter: str) -> Any:
    """Reader of CSV, as `_json_reader`."""
    return pyarrow.csv.open_csv(
        file,
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        read_options=pyarrow.csv.ReadOptions(block_size=_BLOCK_BYTES),
        convert_options=pyarrow.csv.ConvertOptions(column_types=columns, include_columns=list(columns or ())),
    )


def _lines(file: IO[bytes], columns: list[str], path: Path) -> Iterator[pa.Table]:
    """One address a line; empty lines are left out. Its only column is the one asked for as address."""
    name = columns[-1] if len(columns) == 1 else "url"
    urls: list[str] = []
    for number, line in enumerate(file, 1):
        try:
            url = line.removeprefix(BOM_UTF8 if number == 1 else b"").decode("utf-8").strip()
        except UnicodeDecodeError:
            raise BadInput(f"{path} line {number}: {shortened(line)} is not UTF-8; save the list as UTF-8") from None
        if url:
            urls.append(url)
        if len(urls) == _BATCH_ROWS:
            yield pa.table({name: arrow_arrays.texts(urls)})
            urls = []
    if urls:
        yield pa.table({name: arrow_arrays.texts(urls)})


def _checked(column: pa.ChunkedArray, name: str, to: str, path: Path) -> pa.ChunkedArray:
    """Column whose values Python can hold: a column of texts has texts, in UTF-8.

    name, to: its name in the list, and in the samples. Raises BadInput.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if to == "url" and not (is_text or pa.types.is_null(kind)):
        raise BadInput(f"{path}: the column with addresses holds {kind}; texts are permitted")
    if to in _TEXT_COLUMNS and pa.types.is_nested(kind):
        raise BadInput(f"{path} column {name!r}: holds {kind}; texts are permitted")
    try:
        needs_text = to in _TEXT_COLUMNS and column.type not in (pa.string(), pa.large_string(), pa.null())
        if needs_text or pa.types.is_string_view(kind):  # Arrow cannot sort a table that has a view
            column = column.cast(pa.string())
        column.validate(full=True)
        if _holds_times(kind):
            column.to_pylist()
    except (pa.ArrowInvalid, OverflowError, ValueError, KeyError) as error:  # the last one for an unknown time zone
        raise BadInput(f"{path} column {name!r}: a value that cannot be read: {shortened(str(error), 300)}") from None
    return column


def _holds_times(kind: pa.DataType) -> bool:
    """True for times, dates and durations, also in a list or a structure: Arrow's may be outside Python's range."""
    return pa.types.is_temporal(kind) or any(_holds_times(kind.field(at).type) for at in range(kind.num_fields))
