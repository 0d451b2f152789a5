"""Patterns of what an erasure removes, taken from its objects before they are erased.

Two groups of kinds: HELD is what a picture or an embedding can be made from, and must be gone afterwards. TEXT names
somebody or something; lines of text stay in tables, requests and git's history, and the receipt says where.
"""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import polars as pl

from mtf.core import csv_files
from mtf.core.project_paths import PATHS_IN_PROJECT
from mtf.core.shards import DIGEST, ROWS
from mtf.forget import byte_patterns
from mtf.forget.byte_patterns import Pattern
from mtf.forget.file_versions import finished_name
from mtf.forget.history import History
from mtf.report.thumbnails import thumbnail
from mtf.takedown import file_contents, history_tables
from mtf.takedown.scope import TakedownScope, is_one_of
from mtf.takedown.scope_search import EVIDENCE, IMAGES

PICTURES, CROPS, FILES, THUMBNAILS, EMBEDDINGS = "pictures", "crops", "files", "thumbnails", "embeddings"
NAMES, NUMBERS, ADDRESSES = "names", "numbers of pictures", "addresses"
HELD = (PICTURES, CROPS, FILES, THUMBNAILS, EMBEDDINGS)
TEXT = (NAMES, NUMBERS, ADDRESSES)
_KINDS = {PATHS_IN_PROJECT.stage("crawl").parts: PICTURES, PATHS_IN_PROJECT.stage("crop").parts: CROPS}
_ROSTER = PATHS_IN_PROJECT.roster.as_posix()
_EMBEDDING = "embedding"


def of_erasure(objects: list[dict[str, Any]], scope: TakedownScope, history: History) -> set[Pattern]:
    """Patterns of the objects to erase (as the receipt has them), of the people, and of their addresses."""
    found = {*_of_texts(scope, history)}
    for oid, path in {each["oid"]: each["path"] for each in objects}.items():
        with history.index.open(oid) as file:
            if file is not None:
                found.update(_of_object(file, finished_name(PurePosixPath(path)), scope))
    return found


def _of_object(file: BinaryIO, name: PurePosixPath, scope: TakedownScope) -> Iterator[Pattern]:
    head = file.read(file_contents.HEAD_BYTES)
    file.seek(0)
    if head.startswith(b"PAR1"):
        yield from _of_table(file.read(), scope)
    elif name.suffix == ".tar" or head[257:262] == b"ustar":
        yield from _of_tar(file, _KINDS.get(name.parts[:2], FILES), scope)
    elif not file_contents.is_page(head):
        yield from _of_picture(PICTURES if name.parts[0] == "data" else FILES, file.read())


def _of_tar(file: BinaryIO, kind: str, scope: TakedownScope) -> Iterator[Pattern]:
    """Patterns of the erased members of a tar; of a damaged one, those of the members before the damage."""
    try:
        with tarfile.open(fileobj=file, mode="r:*") as tar:
            for member in file_contents.members(tar):
                opened = tar.extractfile(member) if member.isreg() and member.name != DIGEST else None
                data = opened.read() if opened else b""
                stem = PurePosixPath(member.name).name.partition(".")[0]
                if member.name == ROWS or member.name.endswith(".parquet"):
                    yield from _of_table(data, scope)
                elif {stem, stem.rpartition("-")[2]} & scope.names or file_contents.digest(io.BytesIO(data)) in (
                    scope.image_ids
                ):
                    yield from _of_picture(kind, data)
    except (tarfile.TarError, EOFError):
        return


def _of_picture(kind: str, data: bytes) -> Iterator[Pattern]:
    yield from byte_patterns.of_content(kind, data)
    if kind == PICTURES:
        return
    try:
        shown = base64.b64decode(thumbnail(data).partition(",")[2])
    except (OSError, ValueError):  # no picture, such as a label beside it
        return
    # Base64 of what follows the tables, which all thumbnails share. Three bytes are four characters.
    start = -(-(shown.rfind(byte_patterns.SCAN_DATA) + len(byte_patterns.SCAN_DATA)) // 3) * 3
    yield from byte_patterns.of_content(THUMBNAILS, base64.b64encode(shown[start:]))


def _of_table(data: bytes, scope: TakedownScope) -> Iterator[Pattern]:
    """Patterns of the cells with bytes in the rows on an erased person, image or face."""
    try:
        rows = pl.read_parquet(io.BytesIO(data))
    except pl.exceptions.PolarsError:
        return
    binary = [name for name, kind in rows.schema.items() if kind == pl.Binary or isinstance(kind, pl.Struct)]
    if not binary or not scope.rows_in(rows):
        return
    for row in rows.filter(scope.is_about(rows)).select(binary).iter_rows(named=True):
        for name, value in row.items():
            cells = value.values() if isinstance(value, dict) else [value]
            for cell in (each for each in cells if isinstance(each, bytes)):
                yield from _of_vector(cell) if name == _EMBEDDING else _of_picture(FILES, cell)


def _of_vector(vector: bytes) -> Iterator[Pattern]:
    """Patterns of an embedding (float16, as screening stores it), and of its forms in float32 and float64."""
    values = np.frombuffer(vector, np.float16) if len(vector) % 2 == 0 else np.zeros(0, np.float16)
    for kind in (np.float16, np.float32, np.float64):
        yield from byte_patterns.of_content(EMBEDDINGS, values.astype(kind).tobytes(), count=2)


def _of_texts(scope: TakedownScope, history: History) -> Iterator[Pattern]:
    names = {*scope.whole, *_roster_names(scope, history)}
    texts = [(NAMES, name) for name in names]
    texts += [(NUMBERS, number) for number in scope.names]
    texts += [(ADDRESSES, address) for address in _addresses(scope, history)]
    found = [byte_patterns.of_text(kind, text.encode("utf-8")) for kind, text in texts]
    yield from (pattern for pattern in found if pattern is not None)


def _roster_names(scope: TakedownScope, history: History) -> Iterator[str]:
    """Names that the roster of any version has for people who are erased altogether."""
    current = history.root / _ROSTER
    tables = [*history.texts(_ROSTER), *([current.read_bytes()] if current.is_file() else [])]
    for table in tables if scope.whole else ():
        for row in csv_files.read_leniently(table):
            if row.text("identity") in scope.whole and row.text("name"):
                yield row.text("name")


def _addresses(scope: TakedownScope, history: History) -> set[str]:
    """Addresses of erased images, without those at which an image that stays was found, too."""
    erased: set[str] = set()
    kept: set[str] = set()
    for _, images in history_tables.tables(history, IMAGES, EVIDENCE, columns=("image_id", "url", "page_url")):
        is_erased = is_one_of("image_id", scope.image_ids)
        for column in ("url", "page_url"):
            erased |= {*images.filter(is_erased)[column].drop_nulls()}
            kept |= {*images.filter(~is_erased)[column].drop_nulls()}
    return erased - kept
