"""HTTP client of the crawl, for pictures, pages, search results, API answers and robots.txt.

Each hop of a redirect is checked, rate-limited and needs a permission, like any other address. Sizes are bounded while
bytes arrive. With a recorded web, all requests go to its server on loopback.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Protocol

import aiohttp
from yarl import URL

from mtf import __version__
from mtf.config import Crawl, Project
from mtf.crawl import network_guard
from mtf.crawl.content_encoding import BodyLimit, decoded, too_large
from mtf.crawl.rate_limits import Pacing
from mtf.crawl.robot_name import ROBOT
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

MAX_REDIRECTS = 5
_TRIES = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TOO_MANY_REQUESTS = 429
_BUSY = frozenset({_TOO_MANY_REQUESTS, 503})
_MAX_HEADER_BYTES = 32_768
_CONNECT_S = 10.0
_SMALL_BUFFER_BYTES = 2**17
_NO_HEADERS: Mapping[str, str] = {}


class StandIn(Protocol):
    """A web in place of the live one.

    recorded_at: time of each crawl of it; None for the time of the machine.
    """

    @property
    def recorded_at(self) -> datetime | None: ...

    def locate(self, url: str) -> tuple[str, dict[str, str]]:
        """Address to request, with headers. Raises ConnectionRefusedError for an unknown host."""
        ...


Permission = Callable[[str], Awaitable[None]]
"""Called before each hop; raises FetchFailed if the address must not be requested."""
OnRequest = Callable[[], None]
"""Called when a request is sent."""


def user_agent(project: Project) -> str:
    """User-Agent with the program, its version, the project and its contact."""
    return f"{ROBOT}/{__version__} ({project.name}; +{project.contact})"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Response of an address, after redirects.

    url: address of the last hop.
    body: empty unless the status is 2xx.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def retry_after_s(self) -> float | None:
        """Seconds to wait according to Retry-After; None without that header."""
        return retry_after_s(self.headers)

    def demand_success(self) -> None:
        """Raise FetchFailed(HTTP_ERROR) unless the status is 2xx."""
        if not self.is_success:
            raise FetchFailed(FetchOutcome.HTTP_ERROR, f"status {self.status}", http_status=self.status)


async def permit_all(_url: str) -> None:
    """Permission for every address."""


def _ignore_request() -> None:
    return


class HttpFetcher:
    """HTTP client, for use in an `async with`.

    web: replaces the live web if it is given.
    pacing: rate limits; by default those of a process that crawls alone.
    """

    def __init__(self, crawl: Crawl, *, user_agent: str, web: StandIn | None, pacing: Pacing | None = None) -> None:
        self._web = web
        self._user_agent = user_agent
        self._timeout = aiohttp.ClientTimeout(total=crawl.timeout_s, sock_connect=min(crawl.timeout_s, _CONNECT_S))
        self._session: aiohttp.ClientSession | None = None
        self._slow_session: aiohttp.ClientSession | None = None
        self.pacing = pacing or Pacing(crawl)

    def now(self) -> datetime:
        """Time of what is requested now: of the machine, or of a recorded web that has a time of its own."""
        recorded_at = None if self._web is None else self._web.recorded_at
        return recorded_at or datetime.now(UTC)

    async def __aenter__(self) -> HttpFetcher:
        self._session = self._new_session(read_bufsize=2**18)
        # For hosts with a limited bandwidth. These buffers hold what a host has sent ahead: the smaller, the less.
        self._slow_session = self._new_session(read_bufsize=2**15, socket_factory=_small_socket)
        return self

    def _new_session(
        self, *, read_bufsize: int, socket_factory: aiohttp.SocketFactoryType | None = None
    ) -> aiohttp.ClientSession:
        resolver = None if self._web else network_guard.PublicResolver()
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, resolver=resolver, ttl_dns_cache=300, socket_factory=socket_factory
            ),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            read_bufsize=read_bufsize,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )

    async def __aexit__(self, *_: object) -> None:
        for session in (self._session, self._slow_session):
            if session is not None:
                await session.close()

    async def get(
        self,
        url: str,
        *,
        max_bytes: int,
        permission: Permission = permit_all,
        headers: Mapping[str, str] = _NO_HEADERS,
        on_request: OnRequest = _ignore_request,
        cut: bool = False,
    ) -> HttpAnswer:
        """Response of `url`, of any status, after at most MAX_REDIRECTS redirects.

        headers: sent to the site of `url` only: they may hold a secret, and a redirect may lead anywhere.
        on_request: called for each request that is sent, those for redirects and repetitions included.
        cut: read only `max_bytes` and one byte more, which tells that the body is longer.

        Raises FetchFailed: REFUSED_ADDRESS, CONNECTION, TIMEOUT, TRUNCATED, TOO_LARGE, HTTP_ERROR (too many redirects,
        or a host that wants a too long wait), and whatever `permission` raises.
        """
        here = network_guard.parse(url)
        site = here.origin()
        for _ in range(MAX_REDIRECTS + 1):
            await permission(str(here))
            own_headers = headers if here.origin() == site else _NO_HEADERS
            answer = await self._request_with_retries(here, BodyLimit(max_bytes, cut=cut), own_headers, on_request)
            if answer.status not in _REDIRECTS or "Location" not in answer.headers:
                return answer
            here = _next_hop(here, answer.headers["Location"])
        raise FetchFailed(FetchOutcome.HTTP_ERROR, f"more than {MAX_REDIRECTS} redirects", http_status=answer.status)

    async def _request_with_retries(
        self, url: URL, limit: BodyLimit, headers: Mapping[str, str], on_request: OnRequest
    ) -> HttpAnswer:
        """Send a request; repeat it after a busy host's Retry-After, or a pause of our own, unless that is too long."""
        host = url.host or ""
        for _ in range(_TRIES):
            async with self.pacing.turn(host):
                network_guard.check_number(url)
                on_request()
                answer = await self._request(url, limit, headers)
                may_repeat = self._may_repeat(host, answer)
            if not may_repeat:
                break
        return answer

    def _may_repeat(self, host: str, answer: HttpAnswer) -> bool:
        """True if the host is busy and the wait that it demands, which is kept from here on, is within its limits."""
        wait_s = answer.retry_after_s if answer.status in _BUSY else None
        if wait_s is not None:
            return self.pacing.hold(host, wait_s, http_status=answer.status)
        if answer.status == _TOO_MANY_REQUESTS:
            return self.pacing.back_off(host, http_status=answer.status)
        self.pacing.end_back_off(host)
        return False

    async def _request(self, url: URL, limit: BodyLimit, own_headers: Mapping[str, str]) -> HttpAnswer:
        host = url.host or ""
        session, timeout = self._session, self._timeout
        if self.pacing.is_bandwidth_limited(host):
            session, limit = self._slow_session, replace(limit, throttle=partial(self.pacing.received, host))
            total_s = (timeout.total or 0) + self.pacing.added_time_s(host, limit.max_bytes)
            timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=timeout.sock_connect)
        assert session is not None, "use the fetcher in an `async with`"  # noqa: S101
        try:
            target, headers = self._target(url)
            async with session.get(
                target, headers={**own_headers, **headers}, allow_redirects=False, timeout=timeout
            ) as response:
                body = await _read(response, limit) if 200 <= response.status < 300 else b""
                return HttpAnswer(str(url), response.status, response.headers, body)
        except TimeoutError:
            raise FetchFailed(FetchOutcome.TIMEOUT, f"no whole answer in {timeout.total:g} s") from None
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


def _small_socket(address: tuple[Any, ...]) -> socket.socket:
    """Socket with a small receive buffer, so that a host cannot send far ahead."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER_BYTES)
    return made


async def _read(response: aiohttp.ClientResponse, limit: BodyLimit) -> bytes:
    """Decoded body. Memory never holds more than the limit and one chunk, encoded or decoded."""
    if (response.content_length or 0) > limit.max_bytes and not limit.cut:
        raise too_large(f"{response.content_length} bytes declared", limit.max_bytes)
    chunks, size_bytes = [], 0
    async for chunk in response.content.iter_any():
        size_bytes += len(chunk)
        chunks.append(chunk)
        if limit.throttle is not None:
            await limit.throttle(len(chunk))
        if size_bytes > limit.max_bytes:
            if limit.cut:
                break
            raise too_large(f"{size_bytes} bytes and more to come", limit.max_bytes)
    is_cut = size_bytes > limit.max_bytes
    return decoded(b"".join(chunks), response.headers.get("Content-Encoding", "identity"), limit, is_cut=is_cut)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait according to Retry-After (a number or a date); None without that header."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
