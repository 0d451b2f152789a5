"""Contents of a file: pictures in a tar, in the cells of a table, in an HTML page, or the file itself.

A tar is read member by member, so that one of any size takes little memory.
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
    """Error: a file may hold an erased picture and cannot be read in its format."""


def others_beside(file: BinaryIO, suffix: str, scope: TakedownScope) -> int | None:
    """Number of other pictures in a file with an erased one; None if it has no erased one.

    The format is taken from the first HEAD_BYTES; a `suffix` of ".tar" also makes it a tar. Raises Unexaminable.
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
    """True if a file that begins with `head` is an HTML page."""
    return head.lstrip().lower().startswith((b"<!doctype html", b"<html"))


def digest(file: BinaryIO) -> str:
    """sha256 of a file, from its current position."""
    state = hashlib.sha256()
    while piece := file.read(2**20):
        state.update(piece)
    return state.hexdigest()


def erased_members(tar: tarfile.TarFile, scope: TakedownScope) -> Iterator[tarfile.TarInfo]:
    """Members whose content is an erased image. For tars that people made, whose names need not be image_ids."""
    return (member for member in members(tar) if member.isreg() and _is_erased_image(tar, member, scope))


def members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Members one by one, in little memory: headers that were read are dropped from the TarFile."""
    for member in tar:
        yield member
        tar.members.clear()  # ty: ignore[missing-attribute]


def _in_tar(file: BinaryIO, scope: TakedownScope) -> int | None:
    """Other pictures of a tar with an erased one; 0 for a shard of an identity that is erased altogether."""
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
    """True for IMAGE_ID, FACE_ID and, as in an export, IDENTITY-FACE_ID of an erased picture."""
    return stem in scope.names or stem.rpartition("-")[2] in scope.names


def _rows(tar: tarfile.TarFile, member: tarfile.TarInfo, scope: TakedownScope) -> tuple[int, bool]:
    """Number of rows on erased people, images or faces, and if the whole shard belongs to an erased identity.

    Embeddings and measures are personal data too, even without a picture.
    """
    file = tar.extractfile(member)
    rows = pl.read_parquet(io.BytesIO(file.read() if file else b""))
    is_whole = "identity" in rows.columns and rows.height > 0 and rows["identity"].is_in(list(scope.whole)).all()
    return scope.rows_in(rows), bool(is_whole)


def _is_erased_image(tar: tarfile.TarFile, member: tarfile.TarInfo, scope: TakedownScope) -> bool:
    file = tar.extractfile(member) if scope.may_be_erased(member.size) else None
    return file is not None and digest(file) in scope.image_ids  # ty: ignore[invalid-argument-type]


def _in_table(file: BinaryIO, scope: TakedownScope) -> int | None:
    """Other faces of a published table with pictures in its cells; None for a table without pictures."""
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
    """Other pictures of a report that has inline pictures and names an affected identity or an erased face."""
    text = file.read()
    pictures = text.count(_INLINE)
    names = {name.encode("ascii") for name in scope.affected | scope.face_ids}
    return max(pictures - 1, 0) if pictures and any(name in text for name in names) else None
