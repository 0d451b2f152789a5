"""Addresses of the web compared: one key for all spellings of an address, for takedowns and evidence alike."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import quote, urlsplit

import polars as pl

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
DEFAULT_PORTS = {"http": 80, "https": 443}
_VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F))
# Characters that keep their escape: unescaped they would separate parts of the address.
_KEPT_IN_PATH = frozenset("/?#%")
_KEPT_IN_QUERY = frozenset("&=+;#%")
# Characters in which spellings of one address may differ.
_ESCAPES_AND_MARKS = r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9]"
_IDNA = re.compile(r"xn--[^.:]+")  # a label that may be spelled in Unicode, too
# Escape of a letter or a digit.
_NEEDLESS_ESCAPE = r"%(?:3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa])"


def address_key(url: str) -> str:
    """Key that all spellings of an http(s) address share (RFC 3986, section 6.2.2, and a little more).

    These do not matter:

    - http or https, a leading `www.`, user, default port, fragment;
    - case of the host, and its Unicode or IDNA form;
    - escapes (`é`, `%C3%A9` and `%c3%a9` are one), except of characters that have a meaning unescaped.

    Other addresses, such as `file:`, are their own key.
    """
    try:
        parts = urlsplit(url.strip())
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            return url
        port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
        path = _escaped_once(parts.path, _KEPT_IN_PATH) or "/"
        query = f"?{_escaped_once(parts.query, _KEPT_IN_QUERY)}" if parts.query else ""
    except ValueError:
        return url
    return f"{_site(parts.hostname)}{port}{path}{query}"


def address_keys(column: str) -> pl.Expr:
    """Keys (`address_key`) of a column of addresses. A million takes some seven seconds: filter first if you can."""
    return pl.col(column).map_elements(address_key, return_dtype=pl.String)


def among(pictures: pl.LazyFrame, column: str, keys: Collection[str]) -> pl.LazyFrame:
    """Rows of `pictures` whose address in `column` has one of `keys`, with that key in a new column `key`.

    Keys are computed only for rows that contain the distinctive part of a wanted address, or a needless escape: few
    of a million pictures.
    """
    if not keys:
        return pictures.clear().with_columns(key=pl.lit(None, pl.String))
    wanted = sorted(keys)
    bare = pl.col(column).str.replace_all(_ESCAPES_AND_MARKS, "")
    telling = bare.str.contains_any([_telling(key) for key in wanted], ascii_case_insensitive=True)
    near = pictures.filter(telling | pl.col(column).str.contains(_NEEDLESS_ESCAPE))
    return near.with_columns(address_keys(column).alias("key")).filter(pl.col("key").is_in(wanted))


def _telling(key: str) -> str:
    """Letters and digits of a key's path and query, or of its site if it has neither.

    Every spelling of the address contains them, unless it escapes one of them.
    """
    site, _, rest = key.partition("/")
    return re.sub(_ESCAPES_AND_MARKS, "", rest) or re.sub(_ESCAPES_AND_MARKS, "", _last_label(site))


def _last_label(site: str) -> str:
    """Part of a host after the last label that has a Unicode spelling."""
    return _IDNA.split(site)[-1]


def same_address(one: str, other: str) -> bool:
    """True if two addresses have the same `address_key`."""
    return address_key(one) == address_key(other)


def _site(host: str) -> str:
    """Host in lower case and IDNA, without a final dot and without `www.`."""
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_host = host
    return ascii_host.lower().rstrip(".").removeprefix("www.")


def _escaped_once(text: str, kept: frozenset[str]) -> str:
    """Text with visible ASCII unescaped, except the characters in `kept`; all else as upper-case escapes of UTF-8."""

    def plain(escape: re.Match[str]) -> str:
        character = chr(int(escape[1], 16))
        return character if character in _VISIBLE and character not in kept else escape[0].upper()

    return quote(_ESCAPE.sub(plain, text), safe=_VISIBLE)
