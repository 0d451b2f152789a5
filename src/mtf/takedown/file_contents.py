"""What is in a file: pictures in a tar, in a table's cells, in a page, or the file itself. Read in part and in turn,
so that a tar of any size takes little memory.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet

from mtf.core.shards import DIGEST, ROWS

if TYPE_CHECKING:
    from mtf.takedown.scope import TakedownScope

HEAD_BYTES = 512
_INLINE = b"data:image/"


class Unexaminable(Exception):
    """A file that may hold an erased picture and cannot be read as what it seems to be."""


def others_beside(file: BinaryIO, suffix: str, scope: TakedownScope) -> int | None:
    """How many other pictures a file holds beside an erased one; None where it holds no erased one.

    What a file is says its beginning; `suffix` decides for tars, which may begin with anything.
    Raises Unexaminable.
    """
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if suffix == ".tar" or head[257:262] == b"ustar":
        return _in_tar(file, scope)
    if head.startswith(b"PAR1"):
        return _in_table(file, scope)
    if is_page(head):
        return _in_page(file, scope)
    return 0 if digest(file) in scope.image_ids else None


def is_page(head: bytes) -> bool:
    return head.lstrip().lower().startswith((b"<!doctype html", b"<html"))


def digest(file: BinaryIO) -> str:
    """The sha256 of what is left of a file."""
    state = hashlib.sha256()
    while piece := file.read(2**20):
        state.update(piece)
    return state.hexdigest()


def erased_members(tar: tarfile.TarFile, scope: TakedownScope) -> Iterator[tarfile.TarInfo]:
    """The members whose content is an erased image, of a tar that people made: its names say nothing."""
    return (member for member in members(tar) if member.isreg() and _is_erased_image(tar, member, scope))


def members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """One after the other, forgotten afterwards: a TarFile keeps every header that it has read."""
    for member in tar:
        yield member
        tar.members.clear()  # ty: ignore[missing-attribute]


def _in_tar(file: BinaryIO, scope: TakedownScope) -> int | None:
    erased = others = 0
    is_shard = is_whole = False
    try:
        with tarfile.open(fileobj=file, mode="r:*") as tar:
            for member in members(tar):
                stem = PurePosixPath(member.name).name.partition(".")[0]
                is_shard |= member.name == DIGEST
                if member.name == ROWS and is_shard:
                    about, is_whole = _rows(tar, member, scope)
                    erased += about
                elif _names_erased(stem, scope) or (
                    not is_shard and member.isreg() and _is_erased_image(tar, member, scope)
                ):
                    erased += 1
                elif member.isreg() and (not is_shard or len(stem) in (32, 64)):
                    others += 1
    except (tarfile.TarError, EOFError, OSError, pl.exceptions.PolarsError) as error:
        if not erased:
            raise Unexaminable(f"not readable as a tar: {error}") from error
    if is_whole:
        return 0
    return others if erased else None


def _names_erased(stem: str, scope: TakedownScope) -> bool:
    """Pictures bear their image_id or face_id; those of an export, the identity before it."""
    return stem in scope.names or stem.rpartition("-")[2] in scope.names


def _rows(tar: tarfile.TarFile, member: tarfile.TarInfo, scope: TakedownScope) -> tuple[int, bool]:
    """Embeddings and measures are a person's data too, though no picture lies beside them.

    Returns how many rows are about the erased, and whether the shard is of somebody who is erased altogether.
    """
    file = tar.extractfile(member)
    rows = pl.read_parquet(io.BytesIO(file.read() if file else b""))
    is_whole = "identity" in rows.columns and rows.height > 0 and rows["identity"].is_in(list(scope.whole)).all()
    return scope.rows_in(rows), bool(is_whole)


def _is_erased_image(tar: tarfile.TarFile, member: tarfile.TarInfo, scope: TakedownScope) -> bool:
    file = tar.extractfile(member) if scope.may_be(member.size) else None
    return file is not None and digest(file) in scope.image_ids  # ty: ignore[invalid-argument-type]


def _in_table(file: BinaryIO, scope: TakedownScope) -> int | None:
    """A published table that carries pictures in its cells, and not only their names."""
    try:
        table = pa.parquet.ParquetFile(file)
        schema = table.schema_arrow
        carries = any(pa.types.is_struct(kind) or _is_binary(kind) for kind in schema.types)
        if not carries or "face_id" not in schema.names:
            return None
        faces: Any = pl.from_arrow(table.read(columns=["face_id"]))
    except pa.ArrowException as error:
        raise Unexaminable(f"not readable as a table: {error}") from error
    erased = scope.rows_in(faces)
    return faces.height - erased if erased else None


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _in_page(file: BinaryIO, scope: TakedownScope) -> int | None:
    """A report with pictures in it that speaks of somebody whose pictures are erased."""
    text = file.read()
    pictures = text.count(_INLINE)
    names = {name.encode("ascii") for name in scope.affected | scope.face_ids}
    return max(pictures - 1, 0) if pictures and any(name in text for name in names) else None
