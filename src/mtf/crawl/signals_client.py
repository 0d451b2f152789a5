"""Signals client: a site's robots.txt, ai.txt, tdmrep.json and RSL documents, and the signals of an answer's headers.

Each file is requested once per site and run, an RSL document once per address. An opt-out is `SIGNAL: statement`. If
`licenses.binding_opt_outs` names its signal, it is binding: the picture is not stored. Others are recorded in the
evidence, and so are unreadable statements (`unknown`).
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
from mtf.rights.signals.preferences import Answer, opt_outs
from mtf.rights.signals.robots_file import AI_TXT_PATH, AiTxtRules, RobotsFile
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

MAX_ROBOTS_BYTES = 2_000_000
"""Bytes read of a robots.txt; RFC 9309, section 2.5, asks for at least 500 KiB."""
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
    """Signals client of one crawl. `binding` holds the names of the binding signals."""

    def __init__(self, fetcher: HttpFetcher, binding: Iterable[str]) -> None:
        self._fetcher = fetcher
        self._binding = frozenset(binding)
        self._robots = _OncePerSite(self._read_robots)
        self._tdm_rules = _OncePerSite(self._read_tdm_rules)
        self._ai_txt = _OncePerSite(self._read_ai_txt)
        self._rsl_documents: dict[str, asyncio.Future[tuple[rsl.Content, ...] | None]] = {}

    async def permit(self, url: str) -> None:
        """Check that robots.txt permits `url` (RFC 9309).

        Raises FetchFailed: OPTED_OUT if it disallows the address, else the reason why robots.txt could not be read,
        which counts as a refusal for this run.
        """
        if optouts.ROBOTS_TXT not in self._binding:
            return
        robots = await self._robots.of(url)
        if robots is not None and not robots.rules.can_fetch(url, ROBOT):
            raise FetchFailed(FetchOutcome.OPTED_OUT, f"{optouts.ROBOTS_TXT}: {URL(url).host} disallows this address")

    async def of_site(self, url: str, headers: Headers) -> list[str]:
        """Opt-outs for `url` in its site's tdmrep.json, ai.txt and RSL documents.

        The answer's own `headers` may replace tdmrep.json, and may name RSL documents.
        """
        signal = optouts.of_tdmrep(await self._tdm_rules.of(url), url, headers=headers)
        return [
            *([signal] if signal else []),
            *opt_outs(robots_file.ai_txt_preferences(await self._ai_txt.of(url), url)),
            *await self.of_rsl(url, rsl.links_of_headers(headers, url)),
        ]

    async def of_robots(self, url: str) -> list[str]:
        """Opt-outs for `url` in robots.txt, except a binding Disallow, which `permit` raises.

        These are Content-Usage and Content-Signal lines, RSL documents that it names, and a Disallow that does not
        bind. An unreadable robots.txt gives none.
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
        """Opt-outs for `url` in RSL documents, given by their addresses."""
        preferences = []
        for address in dict.fromkeys(documents):
            preferences += rsl.preferences(await self._rsl(address), url, found_in=address)
        return opt_outs(preferences)

    async def _rsl(self, address: str) -> tuple[rsl.Content, ...] | None:
        """RSL document at `address`, requested once; None if it cannot be fetched or parsed."""
        if address not in self._rsl_documents:
            self._rsl_documents[address] = asyncio.ensure_future(self._read_rsl(address))
        return await asyncio.shield(self._rsl_documents[address])

    @staticmethod
    def of_headers(headers: Headers) -> list[str]:
        """Opt-outs in the headers of an answer."""
        signals = optouts.of_headers([header for header in headers if header[0].lower() in _TELLING], agent=ROBOT)
        return signals.split(optouts.SEPARATOR) if signals else []

    def enforce(self, signals: Iterable[str | None]) -> None:
        """Raise FetchFailed(OPTED_OUT) if one of `signals` is binding."""
        for signal in (optouts.joined(*signals) or "").split(optouts.SEPARATOR):
            if signal.partition(":")[0] in self._binding:
                raise FetchFailed(FetchOutcome.OPTED_OUT, signal)

    async def _read_robots(self, site: URL) -> RobotsFile | None:
        """robots.txt of a site, up to its first MAX_ROBOTS_BYTES; None if there is none."""
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

    async def _read_ai_txt(self, site: URL) -> AiTxtRules:
        """Rules of a site's ai.txt; none if there is none."""
        try:
            answer = await self._fetcher.get(
                str(site.with_path(AI_TXT_PATH)), max_bytes=optouts.MAX_FILE_BYTES, permission=self.permit, cut=True
            )
        except FetchFailed:
            return ()
        if not answer.is_success:
            return ()
        rules = robots_file.parse_ai_txt(robots_file.whole_lines(answer.body, optouts.MAX_FILE_BYTES), agent=ROBOT)
        is_cut = len(answer.body) > optouts.MAX_FILE_BYTES
        return (*rules, ("/", Answer.UNKNOWN)) if rules and is_cut else rules

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
    """Cache of `read(site)`, or its failure, for the run. Concurrent calls for one site read it once."""

    def __init__(self, read: Callable[[URL], Awaitable[Value]]) -> None:
        self._read = read
        self._answers: dict[URL, asyncio.Future[Value]] = {}

    async def of(self, url: str) -> Value:
        site = _site(url)
        if site not in self._answers:
            self._answers[site] = asyncio.ensure_future(self._read(site))
            # Callers get the failure: asyncio need not log it as unretrieved.
            self._answers[site].add_done_callback(lambda future: future.cancelled() or future.exception())
        answer = self._answers[site]
        # A cancelled caller must not cancel what others wait for.
        return answer.result() if answer.done() else await asyncio.shield(answer)
