"""Forms in which copies keep pictures: single files, tar and zip archives, Parquet and Arrow tables.

A form is told from the first bytes of a file, not from its name. Archives and tables are read picture by picture, and
are rewritten beside themselves without the removed members.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mtf.recall.picture_bytes import (
    ARROW,
    CLOSED,
    CLOSED_SUFFIXES,
    COMPRESSIONS,
    HEAD_BYTES,
    MAX_PICTURE_BYTES,
    PARQUET,
    ZIPS,
    Member,
    NotLookedInto,
    is_picture,
    is_tar,
    open_regular,
)
from mtf.recall.pictures_in_archives import tar_members, tar_without, zip_members, zip_without
from mtf.recall.pictures_in_tables import arrow_members, arrow_without, parquet_members, parquet_without

# End of the names of files that are being written; a killed run leaves them.
UNFINISHED = ".recall-part"


class Form(NamedTuple):
    """Form of a file.

    name: for messages.
    members: yields the pictures; raises NotLookedInto.
    without: writes the file to the second path without the members at the given places, and returns the names of what
        belonged to them; None if the file is one picture.
    """

    name: str
    members: Callable[[Path], Iterator[Member]]
    without: Callable[[Path, Path, Collection[int]], list[str]] | None


def _single(path: Path) -> Iterator[Member]:
    with open_regular(path) as file:
        data = file.read(MAX_PICTURE_BYTES + 1)
    if len(data) > MAX_PICTURE_BYTES:
        raise NotLookedInto(f"a picture of more than {MAX_PICTURE_BYTES} bytes")
    yield Member(-1, "", data)


PICTURE = Form("picture", _single, None)
TAR = Form("tar", tar_members, tar_without)
ZIP = Form("zip", zip_members, zip_without)
PARQUET_TABLE = Form("parquet", parquet_members, parquet_without)
ARROW_TABLE = Form("arrow", arrow_members, arrow_without)


def form_of(path: Path) -> Form | None:
    """Form of a file; None if it holds no pictures. Raises NotLookedInto for a container that is not opened here."""
    with open_regular(path) as file:
        head = file.read(HEAD_BYTES)
    if is_picture(head):
        return PICTURE
    if is_tar(head) or head.startswith(tuple(COMPRESSIONS)):
        return TAR
    if head.startswith(ZIPS):
        return ZIP
    if head.startswith(PARQUET):
        return PARQUET_TABLE
    # A stream, as Hugging Face's `datasets` caches it, begins with a mark and the length of its schema.
    if head.startswith(ARROW) or (head.startswith(b"\xff\xff\xff\xff") and path.suffix == ".arrow"):
        return ARROW_TABLE
    closed = next((name for magic, name in CLOSED.items() if head.startswith(magic)), None)
    closed = closed or (CLOSED_SUFFIXES.get(path.suffix.lower()) if head else None)
    if closed:
        raise NotLookedInto(f"{closed} files are not opened here; unpack it, and look again")
    return None


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Path beside `path` to write to; it takes its place, flushed to disk, if the block ends without an error."""
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        yield beside
        shutil.copymode(path, beside)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
