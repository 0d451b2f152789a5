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
        return _examined(data, crawl, has_manifest=c2pa_manifest.is_present(data))


def examine_quickly(data: bytes, crawl: Crawl) -> Examined | None:
    """Examine a file that takes a fraction of a millisecond: a JPEG of usual size without C2PA manifest; else None.

    So an event loop need not hand it to a thread, which costs more. Raises FetchFailed as `examine`.
    """
    if len(data) > MAX_QUICK_BYTES or not data.startswith(_JPEG) or c2pa_manifest.is_present(data):
        return None
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        return None
    try:
        return _examined(data, crawl, has_manifest=False)
    finally:
        _ONE_AT_A_TIME.release()


def _examined(data: bytes, crawl: Crawl, *, has_manifest: bool) -> Examined:
    kind, picture = sniffing.opened(data, crawl)
    with of_any_size():  # `sniffing` has judged it
        statement = combination.read_picture(data, picture)
    if has_manifest:
        statement = _with_manifest(statement, data, kind)
    return Examined(hashlib.sha256(data).hexdigest(), kind, len(data), statement)


def _with_manifest(statement: combination.Statement, data: bytes, kind: ImageFormat) -> combination.Statement:
    found = c2pa_reader.read(data, kind.media_type)
    if not found:
        return statement
    opt_out = optouts.joined(statement.opt_out, *opt_outs(found))
    return replace(statement, opt_out=opt_out, preferences=(*statement.preferences, *found))


def perceptual_hash(read: Reader, *, max_pixels: int) -> int | None:
    """Perceptual hash of a file (`takedown_filter.perceptual_hash`); None if it cannot be decoded."""
    return takedown_filter.perceptual_hash(read(), max_pixels=max_pixels)
