"""Examination of a downloaded file: format, size, digest and embedded metadata. One file is examined at a time."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, replace

from mtf.config import Crawl
from mtf.crawl import c2pa_reader, sniffing, takedown_filter
from mtf.crawl.sniffing import ImageFormat
from mtf.crawl.spool import Reader
from mtf.faces.decoding import of_any_size
from mtf.rights.evidence import combination
from mtf.rights.signals import c2pa_manifest
from mtf.rights.signals import opt_outs as optouts
from mtf.rights.signals.preferences import opt_outs

MAX_QUICK_BYTES = 2**21
_JPEG = b"\xff\xd8\xff"
# Pillow's warnings are silenced for the whole process, not for a thread.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True)
class Examined:
    """Result of an examination: digest, format, size, and the statement of the metadata and of the C2PA manifest."""

    image_id: str
    kind: ImageFormat
    size_bytes: int
    statement: combination.Statement


def examine(read: Reader, crawl: Crawl) -> Examined:
    """Examine a file. Raises FetchFailed if it is no complete picture within the bounds of `crawl`."""
    data = read()
    with _ONE_AT_A_TIME:
        opened = sniffing.opened(data, crawl)
        examined = _examined(data, opened)
    return _with_manifest(examined, data) if c2pa_manifest.is_present(opened.metadata) else examined


def examine_quickly(data: bytes, crawl: Crawl) -> Examined | None:
    """Examine a file that takes a fraction of a millisecond: a JPEG of usual size without C2PA manifest; else None.

    So an event loop need not hand it to a thread, which costs more. Raises FetchFailed as `examine`.
    """
    if len(data) > MAX_QUICK_BYTES or not data.startswith(_JPEG):
        return None
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        return None
    try:
        opened = sniffing.opened(data, crawl)
        return None if c2pa_manifest.is_present(opened.metadata) else _examined(data, opened)
    finally:
        _ONE_AT_A_TIME.release()


def _examined(data: bytes, opened: sniffing.OpenedPicture) -> Examined:
    """Examined file without its C2PA manifest."""
    statement = combination.Statement()
    if opened.picture is not None:
        with of_any_size():  # `sniffing` has judged it
            statement = combination.read_picture(data, opened.picture)
    return Examined(hashlib.sha256(data).hexdigest(), opened.kind, len(data), statement)


def _with_manifest(examined: Examined, data: bytes) -> Examined:
    statement = examined.statement
    found = c2pa_reader.read(data, examined.kind.media_type)
    if not found:
        return examined
    opt_out = optouts.joined(statement.opt_out, *opt_outs(found))
    preferences = (*statement.preferences, *found)
    return replace(examined, statement=replace(statement, opt_out=opt_out, preferences=preferences))


def perceptual_hash(read: Reader, *, max_pixels: int) -> int | None:
    """Perceptual hash of a file (`takedown_filter.perceptual_hash`); None if it cannot be decoded."""
    return takedown_filter.perceptual_hash(read(), max_pixels=max_pixels)
