"""The one HTTP client of the crawl: every source's pictures, pages, search results and robots.txt come through it.

Each hop of a redirect is an address like any other: checked, paced, and asked about before it is followed. Sizes
are bounded while bytes arrive. With a recorded web, requests go to its server on loopback and nowhere else.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Protocol

import aiohttp
from yarl import URL

from mtf import __version__
from mtf.config import Crawl, Project
from mtf.crawl import network_guard
from mtf.crawl.rate_limits import LONGEST_WAIT_S, Pacing
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

ROBOT = "mtf"
"""Our name in robots.txt."""
MAX_REDIRECTS = 5
_TRIES = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 503})
_MAX_HEADER_BYTES = 32_768
_CONNECT_S = 10.0
_INFLATED = ("gzip", "x-gzip", "deflate")
_OTHER_ENCODINGS = ("br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip", "aes128gcm")
_MAX_ENCODINGS = 2
_NO_HEADERS: Mapping[str, str] = {}


class StandIn(Protocol):
    """A web in place of the live one: says where a request for an address goes, and with which headers.

    Raises ConnectionRefusedError for a host that is not in it.
    """

    def locate(self, url: str) -> tuple[str, dict[str, str]]: ...


Permission = Callable[[str], Awaitable[None]]
"""Asked before each hop; raises Failed where the address must not be fetched."""
Asked = Callable[[], None]
"""Called whenever a request goes out: what is held back before that was not asked for."""


def user_agent(project: Project) -> str:
    """Says honestly who asks, and where to complain."""
    return f"{ROBOT}/{__version__} ({project.name}; +{project.contact})"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What an address answered, after redirects. `body` is empty unless the status is 2xx."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that a busy host asks to wait for; None where it does not say."""
        return retry_after_s(self.headers)

    def demand_success(self) -> None:
        """Raises Failed(HTTP_ERROR) where the status is not 2xx."""
        if not self.is_success:
            raise FetchFailed(FetchOutcome.HTTP_ERROR, f"status {self.status}", http_status=self.status)


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """How many bytes of a body are read: more is an error or, with `cut`, left unread."""

    max_bytes: int
    cut: bool = False


async def _permit_all(_url: str) -> None:
    return


def _nobody_counts() -> None:
    return


class HttpFetcher:
    """Use it in an `async with`; `web` stands in for the live web where it is given."""

    def __init__(self, crawl: Crawl, *, user_agent: str, web: StandIn | None) -> None:
        self._web = web
        self._user_agent = user_agent
        self._timeout = aiohttp.ClientTimeout(total=crawl.timeout_s, sock_connect=min(crawl.timeout_s, _CONNECT_S))
        self._session: aiohttp.ClientSession | None = None
        self.pacing = Pacing(
            concurrency=crawl.concurrency,
            per_host_concurrency=crawl.per_host_concurrency,
            per_host_delay_s=crawl.per_host_delay_s,
        )

    async def __aenter__(self) -> HttpFetcher:
        resolver = None if self._web else network_guard.PublicResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=resolver, ttl_dns_cache=300),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            read_bufsize=2**18,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(
        self,
        url: str,
        *,
        max_bytes: int,
        permission: Permission = _permit_all,
        headers: Mapping[str, str] = _NO_HEADERS,
        asked: Asked = _nobody_counts,
        cut: bool = False,
    ) -> HttpAnswer:
        """What `url` answers, of any status, after at most five redirects.

        `headers` go to the site of `url` alone: they may hold a secret, and a redirect may lead anywhere. `asked` is
        called for each request that goes out, those for redirects and repetitions included. With `cut`, a body of more
        than `max_bytes` is read up to there, and one byte more shows that there was more.

        Raises Failed: REFUSED_ADDRESS, CONNECTION, TIMEOUT, TRUNCATED, TOO_LARGE, HTTP_ERROR (too many redirects,
        a host that wants us to wait too long), or what `permission` raises.
        """
        here = network_guard.parse(url)
        site = here.origin()
        for _ in range(MAX_REDIRECTS + 1):
            await permission(str(here))
            own_headers = headers if here.origin() == site else _NO_HEADERS
            answer = await self._ask_patiently(here, BodyLimit(max_bytes, cut=cut), own_headers, asked)
            if answer.status not in _REDIRECTS or "Location" not in answer.headers:
                return answer
            here = _next_hop(here, answer.headers["Location"])
        raise FetchFailed(FetchOutcome.HTTP_ERROR, f"more than {MAX_REDIRECTS} redirects", http_status=answer.status)

    async def _ask_patiently(self, url: URL, limit: BodyLimit, headers: Mapping[str, str], asked: Asked) -> HttpAnswer:
        """Ask, and ask again when a busy host has named a time that is not too far off."""
        host = url.host or ""
        for _ in range(_TRIES):
            async with self.pacing.turn(host):
                network_guard.check_number(url)
                asked()
                answer = await self._ask(url, limit, headers)
            wait_s = retry_after_s(answer.headers) if answer.status in _BUSY else None
            if wait_s is None:
                break
            self.pacing.hold(host, wait_s, http_status=answer.status)
            if wait_s > LONGEST_WAIT_S:
                break
        return answer

    async def _ask(self, url: URL, limit: BodyLimit, own_headers: Mapping[str, str]) -> HttpAnswer:
        assert self._session is not None, "use the fetcher in an `async with`"  # noqa: S101
        try:
            target, headers = self._target(url)
            async with self._session.get(target, headers={**own_headers, **headers}, allow_redirects=False) as response:
                body = await _read(response, limit) if 200 <= response.status < 300 else b""
                return HttpAnswer(str(url), response.status, response.headers, body)
        except TimeoutError:
            raise FetchFailed(FetchOutcome.TIMEOUT, f"no whole answer in {self._timeout.total:g} s") from None
        except aiohttp.ClientPayloadError as error:
            raise FetchFailed(FetchOutcome.TRUNCATED, f"the connection ended early: {error}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _connection_failure(error) from None

    def _target(self, url: URL) -> tuple[URL, dict[str, str]]:
        if self._web is None:
            return url, {}
        target, headers = self._web.locate(str(url))
        return URL(target, encoded=True), headers


def _connection_failure(error: Exception) -> FetchFailed:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, network_guard.RefusedAddress):
        return FetchFailed(FetchOutcome.REFUSED_ADDRESS, str(cause))
    if isinstance(cause, aiohttp.InvalidURL):
        return FetchFailed(FetchOutcome.REFUSED_ADDRESS, "not an address that can be read")
    return FetchFailed(FetchOutcome.CONNECTION, f"{type(error).__name__}: {error}")


def _next_hop(here: URL, location: str) -> URL:
    try:
        return network_guard.parse(str(here.join(network_guard.as_it_stands(location))))
    except ValueError:
        raise FetchFailed(FetchOutcome.REFUSED_ADDRESS, "redirected to an address that cannot be read") from None


async def _read(response: aiohttp.ClientResponse, limit: BodyLimit) -> bytes:
    """The body, decoded; never more than the limit (and a piece of the network's) of it, sent or decoded, is held."""
    if (response.content_length or 0) > limit.max_bytes and not limit.cut:
        raise _too_large(f"{response.content_length} bytes declared", limit.max_bytes)
    chunks, size_bytes = [], 0
    async for chunk in response.content.iter_any():
        size_bytes += len(chunk)
        chunks.append(chunk)
        if size_bytes > limit.max_bytes:
            if limit.cut:
                break
            raise _too_large(f"{size_bytes} bytes and more to come", limit.max_bytes)
    is_cut = size_bytes > limit.max_bytes
    return _decoded(b"".join(chunks), response.headers.get("Content-Encoding", "identity"), limit, is_cut=is_cut)


def _decoded(body: bytes, encodings: str, limit: BodyLimit, *, is_cut: bool = False) -> bytes:
    """Undo encodings that we asked not to be used, and that some servers use nevertheless (RFC 9110, section 8.4).

    `gzip, identity` is gzip. A token that names no encoding (`none`, `utf-8`) is a server's mistake and means none.
    """
    named = [token.strip().lower() for token in encodings.split(",")]
    if foreign := [token for token in named if token in _OTHER_ENCODINGS]:
        raise FetchFailed(FetchOutcome.HTTP_ERROR, f"content-encoding {foreign[0]!r}, where identity was asked for")
    coded = [token for token in named if token in _INFLATED]
    for token in reversed(coded[:_MAX_ENCODINGS]):
        body = _inflated(body, token, limit, is_cut=is_cut)
    return body[: limit.max_bytes + 1] if limit.cut else body


def _inflated(body: bytes, encoding: str, limit: BodyLimit, *, is_cut: bool) -> bytes:
    """All members of a gzip body (RFC 1952, section 2.2), or a deflate body with or without zlib's header."""
    decoded = b""
    rest = body
    while rest:
        inflater = zlib.decompressobj(wbits=_window_bits(rest, encoding))
        try:
            decoded += inflater.decompress(rest, limit.max_bytes + 1 - len(decoded))
        except zlib.error as error:
            raise FetchFailed(
                FetchOutcome.TRUNCATED, f"content-encoding {encoding} cannot be undone: {error}"
            ) from None
        if len(decoded) > limit.max_bytes:
            if limit.cut:
                return decoded
            raise _too_large("inflates to more", limit.max_bytes)
        if not inflater.eof:
            if is_cut:
                return decoded
            raise FetchFailed(FetchOutcome.TRUNCATED, f"content-encoding {encoding} ends early")
        rest = inflater.unused_data.lstrip(b"\0") if encoding != "deflate" else b""
    return decoded


def _window_bits(body: bytes, encoding: str) -> int:
    """zlib's `wbits`: 32 more for gzip or zlib by their headers; negative for deflate without one (RFC 1951)."""
    has_zlib_header = len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and (body[0] << 8 | body[1]) % 31 == 0
    is_raw = encoding == "deflate" and not has_zlib_header and not body.startswith(b"\x1f\x8b")
    return -zlib.MAX_WBITS if is_raw else zlib.MAX_WBITS | 32


def _too_large(what: str, max_bytes: int) -> FetchFailed:
    return FetchFailed(FetchOutcome.TOO_LARGE, f"{what}; permitted: {max_bytes}")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a busy host asks to wait for (a number or a date); None where it does not say."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
