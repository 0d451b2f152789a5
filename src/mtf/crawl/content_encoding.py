"""Content encodings of HTTP bodies: gzip and deflate, decoded within a limit of size."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

_INFLATED = ("gzip", "x-gzip", "deflate")
_OTHER_ENCODINGS = ("br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip", "aes128gcm")
_MAX_ENCODINGS = 2
_GZIP_MAGIC = b"\x1f\x8b"
# Each member copies what follows it: thousands of empty ones would hold the event loop for minutes.
_MAX_MEMBERS = 100


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """Limit of a body. A longer body is an error or, with `cut`, read up to one byte more.

    throttle: called with the size of each chunk; it waits until more may arrive.
    """

    max_bytes: int
    cut: bool = False
    throttle: Callable[[int], Awaitable[None]] | None = None


def decoded(body: bytes, encodings: str, limit: BodyLimit, *, is_cut: bool = False) -> bytes:
    """Body without its content encodings (RFC 9110, section 8.4), which some servers apply although none was asked for.

    encodings: value of Content-Encoding. `gzip, identity` is gzip. A token that names no encoding (`none`, `utf-8`) is
        a server's mistake and is ignored.
    is_cut: the body was cut off at the limit, so that its end is missing.

    Raises FetchFailed: HTTP_ERROR for another encoding, TRUNCATED, TOO_LARGE.
    """
    named = [token.strip().lower() for token in encodings.split(",")]
    if foreign := [token for token in named if token in _OTHER_ENCODINGS]:
        raise FetchFailed(FetchOutcome.HTTP_ERROR, f"content-encoding {foreign[0]!r}, where identity was asked for")
    coded = [token for token in named if token in _INFLATED]
    for token in reversed(coded[:_MAX_ENCODINGS]):
        body = _inflated(body, token, limit, is_cut=is_cut)
    return body[: limit.max_bytes + 1] if limit.cut else body


def _inflated(body: bytes, encoding: str, limit: BodyLimit, *, is_cut: bool) -> bytes:
    """Inflate all members of a gzip body (RFC 1952, section 2.2), or a deflate body with or without zlib's header.

    Bytes after the last member that begin no other one are ignored, as browsers do. Raises FetchFailed.
    """
    if not body:
        return body
    inflated = b""
    rest = body
    for _ in range(_MAX_MEMBERS):
        inflater = zlib.decompressobj(wbits=_window_bits(rest, encoding))
        try:
            inflated += inflater.decompress(rest, limit.max_bytes + 1 - len(inflated))
        except zlib.error as error:
            detail = f"content-encoding {encoding} cannot be undone: {error}"
            raise FetchFailed(FetchOutcome.TRUNCATED, detail) from None
        if len(inflated) > limit.max_bytes:
            if limit.cut:
                return inflated
            raise too_large("inflates to more", limit.max_bytes)
        if not inflater.eof:
            if is_cut:
                return inflated
            raise FetchFailed(FetchOutcome.TRUNCATED, f"content-encoding {encoding} ends early")
        rest = inflater.unused_data
        if not rest.startswith(_GZIP_MAGIC):
            return inflated
    raise too_large(f"more than {_MAX_MEMBERS} gzip members", limit.max_bytes)


def _window_bits(body: bytes, encoding: str) -> int:
    """Argument `wbits` of zlib: 32 more detects gzip and zlib by their headers; negative is raw deflate (RFC 1951)."""
    has_zlib_header = len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and (body[0] << 8 | body[1]) % 31 == 0
    is_raw = encoding == "deflate" and not has_zlib_header and not body.startswith(_GZIP_MAGIC)
    return -zlib.MAX_WBITS if is_raw else zlib.MAX_WBITS | 32


def too_large(what: str, max_bytes: int) -> FetchFailed:
    """Failure TOO_LARGE of a body. what: how large it is, in words."""
    return FetchFailed(FetchOutcome.TOO_LARGE, f"{what}; permitted: {max_bytes}")
