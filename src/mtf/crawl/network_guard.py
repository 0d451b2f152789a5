"""Network guard against server-side request forgery: only public addresses are connected to.

The check is in the resolver, so the checked address is the one that is connected to: DNS rebinding has no effect.
Addresses written as numbers never reach a resolver and are checked in the URL.
"""

from __future__ import annotations

import ipaddress
import re
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

_VALID = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class RefusedAddress(OSError):
    """A name resolves to an address outside the public internet."""


def is_public(address: str) -> bool:
    """True if an IP address is globally reachable unicast.

    An IPv6 address that leads to an IPv4 address (NAT64, 6to4) is judged by that. IPv4-mapped addresses are refused.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return False
        if (translated := _translated(parsed)) is not None:
            return is_public(str(translated))
        if parsed.is_site_local:  # fec0::/10, deprecated (RFC 3879); `is_global` does not know it
            return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """IPv4 address behind a NAT64 or 6to4 address; None for any other."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


def as_it_stands(url: str) -> URL:
    """URL that keeps the escapes of a valid address (RFC 3986): a signed address must not be rewritten.

    In an invalid address, forbidden characters are escaped, and bytes of a header that are no UTF-8 (surrogates) by
    their value.
    """
    raw = url if url.isascii() else "".join(map(_escaped, url))
    return URL(raw, encoded=_VALID.fullmatch(raw) is not None)


def _escaped(char: str) -> str:
    return f"%{ord(char) - 0xDC00:02X}" if 0xDC80 <= ord(char) <= 0xDCFF else char


def parse(url: str) -> URL:
    """Parse an http or https address, without its fragment. Raises FetchFailed(REFUSED_ADDRESS)."""
    try:
        parsed = as_it_stands(url)
        host, port = parsed.host, parsed.port  # raise where one is no IDNA name, the other no number
    except (ValueError, UnicodeError):
        raise FetchFailed(FetchOutcome.REFUSED_ADDRESS, "not an address that can be read") from None
    if parsed.scheme not in ("http", "https"):
        raise FetchFailed(FetchOutcome.REFUSED_ADDRESS, f"scheme {parsed.scheme[:20]!r}; permitted: http, https")
    if not host or not port:
        raise FetchFailed(FetchOutcome.REFUSED_ADDRESS, "an address without a host or with port 0")
    if parsed.user is not None or parsed.password is not None:
        raise FetchFailed(FetchOutcome.REFUSED_ADDRESS, "an address with a user name or password in it")
    return parsed.with_fragment(None)


def check_number(url: URL) -> None:
    """Check a host that is written as a number. Names are left to `PublicResolver`.

    Raises FetchFailed(REFUSED_ADDRESS) if it is not public.
    """
    host = url.host or ""
    if ":" not in host and not host[-1:].isdigit():  # a name: to try to parse each takes longer
        return
    try:
        public = is_public(host)
    except ValueError:
        return
    if not public:
        raise FetchFailed(FetchOutcome.REFUSED_ADDRESS, f"{host} is not a public address")


class PublicResolver(AbstractResolver):
    """Resolver that refuses a name if any of its addresses is not public."""

    def __init__(self) -> None:
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        results = await self._resolver.resolve(host, port, family)
        for result in results:
            if not is_public(result["host"]):
                raise RefusedAddress(f"{host} resolves to {result['host']}, which is not a public address")
        return results

    async def close(self) -> None:
        await self._resolver.close()
