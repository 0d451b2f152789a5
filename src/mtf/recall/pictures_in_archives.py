"""Pictures in tar and zip archives, read member by member and removed by a rewritten archive.

Archives are hostile: decompressed bytes, headers and members are bounded, and an archive that ends in disorder counts
as not looked into.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import tarfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Self

from mtf.recall.picture_bytes import (
    COMPRESSIONS,
    HEAD_BYTES,
    MAX_PICTURE_BYTES,
    Member,
    NotLookedInto,
    holds_more,
    is_picture,
    one_line,
    open_regular,
)

# Decompressed bytes of an archive: at most so many times the file, and always this much.
MAX_EXPANSION = 100
FREE_EXPANSION_BYTES = 1 << 30
MAX_HEADER_BYTES = 1 << 20
_EXPANDS = "it would expand to more than a hundred times its size"
_NESTED = "an archive or table inside an archive; unpack it"
_BLOCK = 512
_COPIED = 1 << 20
_OPENERS = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
             tarfile.GNUTYPE_LONGLINK)  # fmt: skip


class _BoundedHeader(tarfile.TarInfo):
    """Header of a member; one of more than MAX_HEADER_BYTES would be decompressed into memory at once."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if found.type in _EXTENDED and found.size > MAX_HEADER_BYTES:
            raise NotLookedInto(f"a header of more than {MAX_HEADER_BYTES} bytes")
        return found


def tar_members(path: Path) -> Iterator[Member]:
    """Pictures of a tar, compressed or not. Raises NotLookedInto."""
    allowed = path.stat().st_size * MAX_EXPANSION + FREE_EXPANSION_BYTES
    try:
        with open_regular(path) as file, tarfile.open(fileobj=file, mode="r:*", tarinfo=_BoundedHeader) as tar:
            for member in _headers(tar):
                if member.offset_data + member.size > allowed:
                    raise NotLookedInto(_EXPANDS)
                if member.isreg():
                    yield from _in_tar(tar, member)
            _check_end(tar, allowed)
    except NotLookedInto:
        raise
    except tarfile.ReadError as error:
        raise NotLookedInto(f"no tar, or a damaged one; unpack it, and look again ({one_line(error)})") from None
    except Exception as error:  # a hostile archive may raise anything in a decompressor
        raise NotLookedInto(f"the rest of the tar: {one_line(error)}") from None


def _check_end(tar: tarfile.TarFile, allowed: int) -> None:
    """Check that only zeros follow the last member. tarfile ends silently at a damaged header and at a second tar."""
    source = tar.fileobj
    assert source is not None  # noqa: S101 (an open tar has it)
    source.seek(tar.offset)
    place = tar.offset
    while piece := source.read(_COPIED):
        place += len(piece)
        if piece.strip(b"\0"):
            raise NotLookedInto(
                f"something follows the end of the tar, or it is damaged, near byte {place - len(piece)}"
            )
        if place > allowed:
            raise NotLookedInto(_EXPANDS)


def _headers(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Members one by one; the headers that were read are dropped, so that memory does not grow."""
    while (member := tar.next()) is not None:
        tar.members.clear()  # ty: ignore[missing-attribute]
        yield member


def _in_tar(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[Member]:
    if member.issparse():  # it may claim any size
        yield Member(member.offset, member.name, None, "a sparse file")
        return
    file = tar.extractfile(member)
    if file is None:
        return
    head = file.read(HEAD_BYTES)
    if is_picture(head):
        if member.size > MAX_PICTURE_BYTES:
            yield Member(member.offset, member.name, None, f"a picture of more than {MAX_PICTURE_BYTES} bytes")
            return
        yield Member(member.offset, member.name, head + file.read())
    elif holds_more(head):
        yield Member(member.offset, member.name, None, _NESTED)


def tar_without(path: Path, to: Path, places: Collection[int]) -> list[str]:
    """Write a tar without the members at the offsets `places`, and without what belongs to them; return its names.

    All other blocks are copied as they are. With a picture go the files that are no pictures and share its name up to
    the first dot, as in a sample of WebDataset, and hard links to it.
    """
    with open_regular(path) as file:
        head = file.read(HEAD_BYTES)
    packing = next((kind for magic, kind in COMPRESSIONS.items() if head.startswith(magic)), None)
    if packing is None:
        return _plain_tar_without(path, to, places)
    opened, plain = to.with_suffix(".in" + to.suffix), to.with_suffix(".out" + to.suffix)
    try:
        with _OPENERS[packing](path, "rb") as source, opened.open("wb") as target:
            shutil.copyfileobj(source, target, _COPIED)
        gone = _plain_tar_without(opened, plain, places)
        with plain.open("rb") as source, _OPENERS[packing](to, "wb") as target:
            shutil.copyfileobj(source, target, _COPIED)
    finally:
        opened.unlink(missing_ok=True)
        plain.unlink(missing_ok=True)
    return gone


def _plain_tar_without(path: Path, to: Path, places: Collection[int]) -> list[str]:
    removed, keys = set(places), set()
    with open_regular(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
        names = {member.name for member in _headers(tar) if member.offset in removed}
        keys = {_sample_key(name) for name in names}
    gone: list[str] = []
    with (
        open_regular(path) as file,
        open_regular(path) as raw,
        to.open("wb") as target,
        tarfile.open(fileobj=file, mode="r:") as tar,
    ):
        copied = 0
        for member in _headers(tar):
            belongs = _sample_key(member.name) in keys and member.isreg() and not _is_picture_in(tar, member)
            if member.offset not in removed and not belongs and not (member.islnk() and member.linkname in names):
                continue
            if member.offset not in removed:
                gone.append(member.name)
            _copy(raw, target, copied, member.offset)
            size = member.size if member.isreg() else 0
            copied = member.offset_data + -(-size // _BLOCK) * _BLOCK
        _copy(raw, target, copied, os.fstat(raw.fileno()).st_size)
    return gone


def _sample_key(name: str) -> str:
    path = PurePosixPath(name)
    return f"{path.parent}/{path.name.partition('.')[0]}"


def _is_picture_in(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
    file = tar.extractfile(member)
    return file is not None and is_picture(file.read(HEAD_BYTES))


def _copy(source: IO[bytes], target: IO[bytes], start: int, end: int) -> None:
    source.seek(start)
    left = end - start
    while left > 0 and (piece := source.read(min(left, _COPIED))):
        target.write(piece)
        left -= len(piece)


def zip_members(path: Path) -> Iterator[Member]:
    """Pictures of a zip archive. Raises NotLookedInto."""
    left = path.stat().st_size * MAX_EXPANSION + FREE_EXPANSION_BYTES
    try:
        with zipfile.ZipFile(path) as archive:
            for place, info in enumerate(archive.infolist()):
                if info.is_dir():
                    continue
                left -= info.file_size
                if left < 0:
                    raise NotLookedInto(_EXPANDS)
                yield from _in_zip(archive, place, info)
    except NotLookedInto:
        raise
    except Exception as error:
        raise NotLookedInto(f"the rest of the zip: {one_line(error)}") from None


def _in_zip(archive: zipfile.ZipFile, place: int, info: zipfile.ZipInfo) -> Iterator[Member]:
    try:
        with archive.open(info) as file:
            head = file.read(HEAD_BYTES)
            if is_picture(head):
                data = head + file.read(MAX_PICTURE_BYTES)
                too_large = len(data) > MAX_PICTURE_BYTES
                yield Member(place, info.filename, None if too_large else data, "too large" if too_large else "")
            elif holds_more(head):
                yield Member(place, info.filename, None, _NESTED)
    except Exception as error:  # encrypted, an unknown compression, a wrong checksum
        yield Member(place, info.filename, None, one_line(error))


def zip_without(path: Path, to: Path, places: Collection[int]) -> list[str]:
    """Write a zip archive without the members `places` (indices)."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(to, "w") as target:
        target.comment = source.comment
        for place, info in enumerate(source.infolist()):
            if place in places:
                continue
            with source.open(info) as file, target.open(info, "w", force_zip64=info.file_size >= 1 << 31) as copy:
                shutil.copyfileobj(file, copy, _COPIED)
    return []
