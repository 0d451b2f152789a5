"""Signals client: a site's robots.txt, ai.txt, tdmrep.json and RSL documents, and the signals of an answer's headers.

Each file is asked for once per site (an RSL document once per address) and run. An opt-out is `SIGNAL: statement`.
Those whose signal `licenses.binding_opt_outs` names are binding: the picture is not stored. The others are written
into its evidence, and so is what could not be read (`unknown`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from typing import Generic, TypeVar

from yarl import URL

from mtf.crawl.http_client import ROBOT, HttpFetcher
from mtf.rights.signals import opt_outs as optouts
from mtf.rights.signals import robots_file, rsl, usage_preferences
from mtf.rights.signals.preferences import opt_outs
from mtf.rights.signals.robots_file import AI_TXT_PATH, RobotsFile
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

MAX_ROBOTS_BYTES = 2_000_000
"""RFC 9309, section 2.5, asks for at least 500 KiB; what stands after this bound is not read."""
_TOO_MANY_REQUESTS = 429
_TELLING = frozenset(
    {
        optouts.X_ROBOTS_TAG,
        "tdm-reservation",
        "tdm-policy",
        usage_preferences.CONTENT_USAGE,
        usage_preferences.CONTENT_SIGNAL,
    }
)

Headers = tuple[tuple[str, str], ...]
Value = TypeVar("Value")


class SignalsClient:
    """Shared by everything that one crawl asks for. `binding` holds the signals' names."""

    def __init__(self, fetcher: HttpFetcher, binding: Iterable[str]) -> None:
        self._fetcher = fetcher
        self._binding = frozenset(binding)
        self._robots = _OncePerSite(self._read_robots)
        self._tdm_rules = _OncePerSite(self._read_tdm_rules)
        self._ai_txt = _OncePerSite(self._read_ai_txt)
        self._rsl_documents: dict[str, asyncio.Future[tuple[rsl.Content, ...] | None]] = {}

    async def permit(self, url: str) -> None:
        """Raises Failed where robots.txt keeps us from `url` (RFC 9309): OPTED_OUT where it says so, else the
        reason for which it could not be read, which counts as a refusal for this run.
        """
        if optouts.ROBOTS_TXT not in self._binding:
            return
        robots = await self._robots.of(url)
        if robots is not None and not robots.rules.can_fetch(url, ROBOT):
            raise FetchFailed(FetchOutcome.OPTED_OUT, f"{optouts.ROBOTS_TXT}: {URL(url).host} disallows this address")

    async def of_site(self, url: str, headers: Headers) -> list[str]:
        """The opt-outs of the files of its site for `url`: tdmrep.json, ai.txt, and RSL documents.

        An answer's own `headers` may take the place of tdmrep.json, and may name RSL documents.
        """
        signal = optouts.of_tdmrep(await self._tdm_rules.of(url), url, headers=headers)
        return [
            *([signal] if signal else []),
            *opt_outs(robots_file.ai_txt_preferences(await self._ai_txt.of(url), url, agent=ROBOT)),
            *await self.of_rsl(url, rsl.links_of_headers(headers, url)),
        ]

    async def of_robots(self, url: str) -> list[str]:
        """The opt-outs of robots.txt for `url`, but for a binding Disallow, which `permit` raises.

        These are Content-Usage and Content-Signal lines, RSL documents that it names, and a Disallow that does not
        bind. A robots.txt that cannot be read says nothing here.
        """
        try:
            robots = await self._robots.of(url)
        except FetchFailed:
            return []
        if robots is None:
            return []
        refused = [] if robots.rules.can_fetch(url, ROBOT) else [f"{URL(url).host} disallows this address"]
        return [
            *(f"{optouts.ROBOTS_TXT}: {text}" for text in refused),
            *opt_outs(robots.preferences(url)),
            *await self.of_rsl(url, robots.licenses),
        ]

    async def of_rsl(self, url: str, documents: Iterable[str]) -> list[str]:
        """The opt-outs that RSL documents, given by their addresses, state for `url`."""
        found = []
        for address in dict.fromkeys(documents):
            found += rsl.preferences(await self._rsl(address), url, found_in=address)
        return opt_outs(found)

    async def _rsl(self, address: str) -> tuple[rsl.Content, ...] | None:
        """The RSL document at `address`, asked for once; None where it cannot be had or is none."""
        if address not in self._rsl_documents:
            self._rsl_documents[address] = asyncio.ensure_future(self._read_rsl(address))
        return await asyncio.shield(self._rsl_documents[address])

    @staticmethod
    def of_headers(headers: Headers) -> list[str]:
        """The opt-outs in the headers of an answer."""
        signals = optouts.of_headers([header for header in headers if header[0].lower() in _TELLING], agent=ROBOT)
        return signals.split(optouts.SEPARATOR) if signals else []

    def enforce(self, signals: Iterable[str | None]) -> None:
        """Raises Failed(OPTED_OUT) where one of `signals` is binding."""
        for signal in (optouts.joined(*signals) or "").split(optouts.SEPARATOR):
            if signal.partition(":")[0] in self._binding:
                raise FetchFailed(FetchOutcome.OPTED_OUT, signal)

    async def _read_robots(self, site: URL) -> RobotsFile | None:
        """The robots.txt of a site; None where there is none. Of a longer one, the first 2 MB are read."""
        try:
            answer = await self._fetcher.get(str(site / "robots.txt"), max_bytes=MAX_ROBOTS_BYTES, cut=True)
        except FetchFailed as failure:
            text = f"robots.txt: {failure.detail}; taken as a refusal for this run"
            raise FetchFailed(failure.outcome, text, http_status=failure.http_status) from None
        if answer.status >= 500 or answer.status == _TOO_MANY_REQUESTS:
            text = f"robots.txt: status {answer.status}; taken as a refusal for this run"
            raise FetchFailed(FetchOutcome.HTTP_ERROR, text, http_status=answer.status)
        if not answer.is_success:
            return None
        robots = robots_file.parse(robots_file.whole_lines(answer.body, MAX_ROBOTS_BYTES), agent=ROBOT)
        if delay_s := robots.rules.crawl_delay(ROBOT):
            self._fetcher.pacing.slow_down(site.host or "", delay_s)
        return robots

    async def _read_tdm_rules(self, site: URL) -> tuple[optouts.TdmRule, ...]:
        try:
            answer = await self._fetcher.get(
                str(site.with_path(optouts.TDMREP_PATH)), max_bytes=optouts.MAX_FILE_BYTES, permission=self.permit
            )
        except FetchFailed:
            return ()
        return optouts.read_tdmrep(answer.body) if answer.is_success else ()

    async def _read_ai_txt(self, site: URL) -> bytes:
        """The ai.txt of a site; empty where there is none, or where it is a page for people."""
        try:
            answer = await self._fetcher.get(
                str(site.with_path(AI_TXT_PATH)), max_bytes=optouts.MAX_FILE_BYTES, permission=self.permit
            )
        except FetchFailed:
            return b""
        is_page = answer.headers.get("Content-Type", "text/plain").lower().startswith(("text/html", "application/"))
        return answer.body if answer.is_success and not is_page else b""

    async def _read_rsl(self, address: str) -> tuple[rsl.Content, ...] | None:
        try:
            answer = await self._fetcher.get(address, max_bytes=rsl.MAX_BYTES, permission=self.permit)
        except FetchFailed:
            return None
        return rsl.read(answer.body) if answer.is_success else None


@lru_cache(maxsize=4096)
def _site(url: str) -> URL:
    return URL(url).origin()


class _OncePerSite(Generic[Value]):
    """The answer of `read(site)`, or its failure, kept for the run; asked for by many at once, it is read once."""

    def __init__(self, read: Callable[[URL], Awaitable[Value]]) -> None:
        self._read = read
        self._found: dict[URL, asyncio.Future[Value]] = {}

    async def of(self, url: str) -> Value:
        site = _site(url)
        if site not in self._found:
            self._found[site] = asyncio.ensure_future(self._read(site))
            # A failure is raised to those who ask; nobody else needs to hear of it.
            self._found[site].add_done_callback(lambda future: future.cancelled() or future.exception())
        found = self._found[site]
        # A cancelled asker must not cancel what others wait for.
        return found.result() if found.done() else await asyncio.shield(found)
