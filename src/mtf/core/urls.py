"""When two web addresses are the same address, however they are spelled: for takedowns and for evidence alike."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import quote, urlsplit

import polars as pl

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F))
# What an escape hides from the parser of addresses: unescaped it would mean something else.
_KEPT_IN_PATH = frozenset("/?#%")
_KEPT_IN_QUERY = frozenset("&=+;#%")
# What spellings of an address may differ in.
_ESCAPES_AND_MARKS = r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9]"
_IDNA = re.compile(r"xn--[^.:]+")  # a label that may be spelled in Unicode, too
# Of a letter or a digit.
_NEEDLESS_ESCAPE = r"%(?:3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa])"


def address_key(url: str) -> str:
    """What all spellings of an http(s) address have in common (RFC 3986, section 6.2.2, and a little more).

    These do not matter: http or https, a leading `www.`, case of the host, its Unicode or IDNA form, user, default
    port, fragment, and what is escaped (`é`, `%C3%A9` and `%c3%a9` are one), but for characters whose escaping changes
    what they mean. Other addresses, such as `file:`, are their own key.
    """
    try:
        parts = urlsplit(url.strip())
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            return url
        port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
        path = _escaped_once(parts.path, _KEPT_IN_PATH) or "/"
        query = f"?{_escaped_once(parts.query, _KEPT_IN_QUERY)}" if parts.query else ""
    except ValueError:
        return url
    return f"{_site(parts.hostname)}{port}{path}{query}"


def address_keys(column: str) -> pl.Expr:
    """`address_key` of a column of addresses: some seven seconds a million, so filter first where few are meant."""
    return pl.col(column).map_elements(address_key, return_dtype=pl.String)


def among(pictures: pl.LazyFrame, column: str, keys: Collection[str]) -> pl.LazyFrame:
    """The rows of `pictures` whose address in `column` has one of these `keys`, which a column `key` then names.

    Keys are worked out for those rows alone that have what tells the address from others of its site, or that escape
    what needs no escape: of a million pictures these are few.
    """
    if not keys:
        return pictures.clear().with_columns(key=pl.lit(None, pl.String))
    wanted = sorted(keys)
    bare = pl.col(column).str.replace_all(_ESCAPES_AND_MARKS, "")
    telling = bare.str.contains_any([_telling(key) for key in wanted], ascii_case_insensitive=True)
    near = pictures.filter(telling | pl.col(column).str.contains(_NEEDLESS_ESCAPE))
    return near.with_columns(address_keys(column).alias("key")).filter(pl.col("key").is_in(wanted))


def _telling(key: str) -> str:
    """Letters and digits of a key's path and query, which every spelling has that escapes none of them; of the site
    where there is neither.
    """
    site, _, rest = key.partition("/")
    return re.sub(_ESCAPES_AND_MARKS, "", rest) or re.sub(_ESCAPES_AND_MARKS, "", _last_label(site))


def _last_label(site: str) -> str:
    """What follows labels that may be spelled in Unicode, too."""
    return _IDNA.split(site)[-1]


def same_address(one: str, other: str) -> bool:
    """Whether two addresses lead to the same file, as `address_key` has it."""
    return address_key(one) == address_key(other)


def _site(host: str) -> str:
    """Lower case and IDNA, without the dot at the end that a full name may have, and without `www.`."""
    try:
        known = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        known = host
    return known.lower().rstrip(".").removeprefix("www.")


def _escaped_once(text: str, kept: frozenset[str]) -> str:
    """Visible ASCII as it is but for what is `kept` escaped; all else as upper-case escapes of its UTF-8."""

    def plain(found: re.Match[str]) -> str:
        character = chr(int(found[1], 16))
        return character if character in _VISIBLE and character not in kept else found[0].upper()

    return quote(_ESCAPE.sub(plain, text), safe=_VISIBLE)
