"""When two web addresses are the same address, however they are spelled: for takedowns and for evidence alike."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import polars as pl

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F))
# What an escape hides from the parser of addresses: unescaped it would mean something else.
_KEPT_IN_PATH = frozenset("/?#%")
_KEPT_IN_QUERY = frozenset("&=+;#%")


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
