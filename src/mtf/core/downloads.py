"""Download of one large file whose digest is known: bounded in size and time, resumable, and atomic."""

from __future__ import annotations

import http.client
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from mtf.core.atomic_files import flush
from mtf.core.errors import BadInput, MtfError
from mtf.core.file_lock import ProcessLock
from mtf.core.hashing import file_digest

BLOCK_BYTES = 1 << 20
TIMEOUT_S = 30
MAX_SECONDS = 3600
ATTEMPTS = 3
# Answers that a server does not mend by being asked again.
_LASTING = frozenset({400, 401, 403, 404, 405, 410, 451})
_AGENT = "mtf (model files)"

Progress = Callable[[int], None]


class _OnlyTheWeb(urllib.request.HTTPRedirectHandler):
    """Redirects within http and https, never from https down to http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = _scheme(req.full_url), _scheme(newurl)
        if new not in ("http", "https") or (old == "https" and new != "https"):
            raise URLError(f"a redirect to {new or 'no'} scheme is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _scheme(url: str) -> str:
    """Scheme of an address; empty if it is none."""
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


class _TooLong(Exception):
    """An answer that is longer than the file can be."""


def fetch(url: str, path: Path, *, sha256: str, max_bytes: int, progress: Progress | None = None) -> None:
    """Download `url` to `path`; a file that is there is replaced once all of the new one is good.

    sha256: its digest, hex, or the first digits of it.
    max_bytes: a longer answer is refused before more is stored.
    progress: called with the number of bytes that are there so far.

    What a broken connection leaves is kept beside `path`, and the next call goes on from there. Raises BadInput if the
    address does not give the file, and MtfError if another process is fetching it.
    """
    if _scheme(url) not in ("http", "https"):
        raise BadInput(f"{url[:200]}: not an address; permitted: https://… or http://…")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    lock = ProcessLock(path.with_name(f".{path.name}.lock"))
    if not lock.take():
        raise MtfError(f"{path}: another process is fetching it")
    try:
        _download(url, part, max_bytes=max_bytes, progress=progress)
        if not (found := file_digest(part)).startswith(sha256):
            part.unlink()
            raise BadInput(f"{url}: sha256 {found}, but {path.name} has {sha256}; nothing is kept of it")
        flush(part)
        part.replace(path)
    finally:
        lock.release()


def _download(url: str, part: Path, *, max_bytes: int, progress: Progress | None) -> None:
    """Fill the file `part`, from where it ends. Raises BadInput."""
    deadline = time.monotonic() + MAX_SECONDS
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _attempt(url, part, max_bytes=max_bytes, deadline=deadline, progress=progress)
            return
        except _TooLong as error:
            part.unlink()
            raise BadInput(f"{url}: {error}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            if (
                attempt == ATTEMPTS
                or time.monotonic() > deadline
                or (isinstance(error, HTTPError) and error.code in _LASTING)
            ):
                kept = part.stat().st_size if part.is_file() else 0
                hint = f"; {kept:,} bytes are kept, run it again to go on" if kept else ""
                raise BadInput(f"{url}: {_reason(error)}{hint}") from None


def _reason(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    return " ".join(str(reason).split())[:160] or type(error).__name__


def _attempt(url: str, part: Path, *, max_bytes: int, deadline: float, progress: Progress | None) -> None:
    start = part.stat().st_size if part.is_file() else 0
    if start > max_bytes:
        part.unlink()
        start = 0
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (`fetch` permits http and https alone)
    try:
        answer = urllib.request.build_opener(_OnlyTheWeb).open(request, timeout=TIMEOUT_S)
    except HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # Either all of it is there, or what is there belongs to another file: the digest tells.
        return
    with answer, part.open("ab") as file:
        if start and not _goes_on(answer, start):
            file.truncate(0)
            start = 0
        _copy(answer, file, start=start, max_bytes=max_bytes, deadline=deadline, progress=progress)


def _goes_on(answer: Any, start: int) -> bool:
    """True if the answer is the rest of the file from byte `start`."""
    stated = answer.headers.get("Content-Range", "")
    return answer.status == http.HTTPStatus.PARTIAL_CONTENT and stated.startswith(f"bytes {start}-")


def _copy(
    answer: Any, file: IO[bytes], *, start: int, max_bytes: int, deadline: float, progress: Progress | None
) -> None:
    size = start
    length = answer.headers.get("Content-Length", "")
    expected = start + int(length) if length.isdecimal() else None
    if expected is not None and expected > max_bytes:
        raise _TooLong(f"{expected:,} bytes, more than the {max_bytes:,} of this file")
    while block := answer.read1(BLOCK_BYTES):
        size += len(block)
        if size > max_bytes:
            raise _TooLong(f"more than the {max_bytes:,} bytes of this file")
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done after {MAX_SECONDS // 60} minutes")
        file.write(block)
        if progress is not None:
            progress(size)
    if expected is not None and size < expected:
        raise ConnectionError(f"the connection ended after {size:,} of {expected:,} bytes")
