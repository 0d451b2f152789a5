"""Signals client: a site's robots.txt, ai.txt, tdmrep.json and RSL documents, and the signals of an answer's headers.

Each file is requested once per site and run, an RSL document once per address. Each preference is recorded with the
address, the time and the digest of the bytes that it was read from. If `licenses.binding_opt_outs` names the signal of
an opt-out, it is binding: the picture is not stored. Others are recorded in the evidence, and so are files that cannot
be read or fetched (`unknown`). A file that is not there, with a status 4xx, says nothing, and neither does a host that
cannot be reached at all.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from typing import Generic, TypeVar

from yarl import URL

from mtf.core.hashing import fingerprint
from mtf.crawl import site_files
from mtf.crawl.host_leases import SharedDocuments
from mtf.crawl.http_client import HttpFetcher, Permission, permit_all
from mtf.crawl.robot_name import ROBOT
from mtf.rights.signals import opt_outs as optouts
from mtf.rights.signals import robots_file, rsl, tdmrep, usage_preferences
from mtf.rights.signals.preferences import Answer, Preference, Signal, Use, located, opt_outs
from mtf.rights.signals.robots_file import AI_TXT_PATH, AiTxtRules, RobotsFile
from mtf.rights.signals.tdmrep import TdmRule
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

MAX_ROBOTS_BYTES = 2_000_000
"""Bytes read of a robots.txt; RFC 9309, section 2.5, asks for at least 500 KiB."""
MAX_SHARED_SITES = 512
"""Sites whose files are kept parsed, if workers share the files: parsing again is cheap, fetching again is not."""
_TOO_MANY_REQUESTS = 429
_TELLING = frozenset(
    {
        optouts.X_ROBOTS_TAG,
        tdmrep.TDM_RESERVATION,
        Signal.TDM_POLICY.value,
        usage_preferences.CONTENT_USAGE,
        usage_preferences.CONTENT_SIGNAL,
    }
)

Headers = tuple[tuple[str, str], ...]
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Document(Generic[Value]):
    """A file with signals, as it was received.

    value: its parsed content; for a file that could not be fetched, a value that says so.
    sha256: digest of its bytes; None if nothing was received.
    """

    value: Value
    url: str
    sha256: str | None
    heard_at: datetime

    def locate(self, preferences: Iterable[Preference]) -> list[Preference]:
        """Preferences that this file states, with their source."""
        return located(preferences, found_at=self.url, sha256=self.sha256, heard_at=self.heard_at)


@dataclass(frozen=True, slots=True, eq=False)
class _SiteRobots:
    """robots.txt of a site, with its preferences located once for all addresses of the site.

    permits, disallows: preference for an address that its Allow and Disallow rules permit, and for any other.
    """

    file: RobotsFile
    permits: Preference
    disallows: Preference

    @lru_cache(maxsize=1024)  # noqa: B019 (asked before a request and after it; few sites are kept longer than needed)
    def of_rules(self, url: str) -> Preference:
        return self.permits if self.file.rules.can_fetch(url, ROBOT) else self.disallows


@dataclass(frozen=True, slots=True)
class _SiteFiles:
    """tdmrep.json and ai.txt of a site."""

    tdm_rules: Document[tuple[TdmRule, ...]]
    ai_txt: Document[AiTxtRules]


class SignalsClient:
    """Signals client of one crawl.

    binding: names of the binding signals.
    documents: files that the workers of one crawl share; None for a crawl by one process.
    """

    def __init__(self, fetcher: HttpFetcher, binding: Iterable[str], documents: SharedDocuments | None = None) -> None:
        self._fetcher = fetcher
        self._binding = frozenset(binding)
        self._documents = documents
        # What has left the cache is read again from the shared documents, not requested again.
        max_entries = None if documents is None else MAX_SHARED_SITES
        self._robots = _ReadOnce(self._read_robots, max_entries)
        self._files = _ReadOnce(self._read_files, max_entries)
        self._rsl_documents = _ReadOnce(self._read_rsl, max_entries)
        self._sites_digests = _ReadOnce(self._read_sites_digest, max_entries)

    async def permit(self, url: str) -> None:
        """Check that robots.txt permits `url` (RFC 9309).

        Raises FetchFailed: OPTED_OUT if it disallows the address, else the reason why robots.txt could not be read,
        which counts as a refusal for this run.
        """
        if optouts.ROBOTS_TXT not in self._binding:
            return
        robots = await self._robots.of(_site(url))
        if robots.value is None:
            return
        of_rules = robots.value.of_rules(url)
        if of_rules.answer == Answer.DISALLOW:
            raise FetchFailed(FetchOutcome.OPTED_OUT, opt_outs([of_rules])[0], preferences=(of_rules,))

    def picture_permission(self) -> Permission:
        """Permission for the request of one picture: as `permit`, but it waits for the files that `of_site` needs.

        So they come before the site's pictures, and no downloaded picture waits for them. Sites that a picture is
        redirected to are not asked for theirs.
        """
        own_site: URL | None = None

        async def permit(url: str) -> None:
            nonlocal own_site
            await self.permit(url)
            site = _site(url)
            own_site = own_site or site
            if site == own_site:
                await self._files.of(site)

        return permit

    async def of_site(self, url: str, headers: Headers) -> list[Preference]:
        """Preferences for `url` in its site's tdmrep.json, ai.txt and RSL documents.

        The answer's own `headers` may replace tdmrep.json, and may name RSL documents.
        """
        files = await self._files.of(_site(url))
        preferences: list[Preference] = []
        if rules := files.tdm_rules.value:
            preferences += files.tdm_rules.locate(tdmrep.of_file(rules, url, headers=headers))
        if rules := files.ai_txt.value:
            preferences += files.ai_txt.locate(robots_file.ai_txt_preferences(rules, url))
        if documents := rsl.links_of_headers(headers, url):
            preferences += await self.of_rsl(url, documents)
        return preferences

    async def of_robots(self, url: str) -> list[Preference]:
        """Preferences for `url` in robots.txt, and in the RSL documents that it names.

        An unreadable robots.txt is UNKNOWN. If it binds, `permit` raises for a Disallow.
        """
        try:
            robots = await self._robots.of(_site(url))
        except FetchFailed as failure:
            if failure.outcome == FetchOutcome.CONNECTION:
                return []
            text = failure.detail.removeprefix("robots.txt: ")
            unread = [Preference(Signal.ROBOTS_TXT, Use.ANY, Answer.UNKNOWN, text, "robots.txt")]
            return located(unread, found_at=str(_site(url) / "robots.txt"), sha256=None, heard_at=self._fetcher.now())
        if robots.value is None:
            return []
        preferences = [robots.value.of_rules(url), *robots.value.file.preferences(url)]
        if documents := robots.value.file.licenses:
            preferences += await self.of_rsl(url, documents)
        return preferences

    async def of_rsl(self, url: str, documents: Iterable[str]) -> list[Preference]:
        """Preferences for `url` in RSL documents, given by their addresses."""
        preferences: list[Preference] = []
        for address in dict.fromkeys(documents):
            document = await self._rsl_documents.of(address)
            preferences += document.locate(rsl.preferences(document.value, url, found_in=address))
        return preferences

    async def sites_digest(self, *urls: str) -> str | None:
        """Digest of robots.txt, tdmrep.json and ai.txt of the sites of `urls`.

        None if one of the files could not be fetched, or names RSL documents: these can change without the file.
        """
        return await self._sites_digests.of(tuple(dict.fromkeys(map(_site, urls))))

    async def _read_sites_digest(self, sites: tuple[URL, ...]) -> str | None:
        digests = [await self._site_digest(site) for site in sites]
        return None if None in digests else fingerprint(digests)

    async def _site_digest(self, site: URL) -> str | None:
        try:
            robots = await self._robots.of(site)
        except FetchFailed:
            return None
        files = await self._files.of(site)
        is_unread = any(each.sha256 is None and each.value for each in (files.tdm_rules, files.ai_txt))
        if is_unread or (robots.value is not None and robots.value.file.licenses):
            return None
        return fingerprint([each.sha256 for each in (robots, files.tdm_rules, files.ai_txt)])

    @staticmethod
    def of_headers(headers: Headers, *, url: str, heard_at: datetime) -> list[Preference]:
        """Preferences in the headers of an answer from `url`."""
        telling = _telling(headers)
        if not telling:
            return []
        preferences = optouts.header_preferences(telling, agent=ROBOT)
        return header_source(headers, url=url, heard_at=heard_at).locate(preferences)

    def enforce(self, preferences: Iterable[Preference]) -> None:
        """Raise FetchFailed(OPTED_OUT) if one of `preferences` is a binding opt-out."""
        preferences = list(preferences)
        if texts := opt_outs(preferences):
            self.enforce_texts(texts, preferences=preferences)

    def enforce_texts(
        self, texts: Iterable[str | None], *, preferences: Iterable[Preference] = (), image_id: str | None = None
    ) -> None:
        """Raise FetchFailed(OPTED_OUT) if one of `texts` (`SIGNAL: statement`) is binding.

        `preferences` and `image_id` go into the failure.
        """
        joined = optouts.joined(*texts)
        for text in () if joined is None else joined.split(optouts.SEPARATOR):
            if text.partition(":")[0] in self._binding:
                raise FetchFailed(FetchOutcome.OPTED_OUT, text, image_id=image_id, preferences=tuple(preferences))

    async def _get(
        self, url: str, *, max_bytes: int, permission: Permission = permit_all, cut: bool = False
    ) -> site_files.SiteFile:
        """File of a site, of any status, requested once by all workers. Raises FetchFailed."""
        fetch = partial(site_files.fetch, self._fetcher, url, max_bytes=max_bytes, permission=permission, cut=cut)
        if self._documents is None:
            return site_files.unpacked(await fetch())
        return site_files.unpacked(await self._documents.of(url, fetch))

    async def _read_robots(self, site: URL) -> Document[_SiteRobots | None]:
        """robots.txt of a site, up to its first MAX_ROBOTS_BYTES; its value is None if there is none."""
        url = str(site / "robots.txt")
        try:
            answer = await self._get(url, max_bytes=MAX_ROBOTS_BYTES, cut=True)
        except FetchFailed as failure:
            text = f"robots.txt: {failure.detail}; taken as a refusal for this run"
            raise FetchFailed(failure.outcome, text, http_status=failure.http_status) from None
        if answer.status >= 500 or answer.status == _TOO_MANY_REQUESTS:
            text = f"robots.txt: status {answer.status}; taken as a refusal for this run"
            raise FetchFailed(FetchOutcome.HTTP_ERROR, text, http_status=answer.status)
        if not answer.is_success:
            return self._without_file(None, url)
        robots = robots_file.parse(robots_file.whole_lines(answer.body, MAX_ROBOTS_BYTES), agent=ROBOT)
        if delay_s := robots.rules.crawl_delay(ROBOT):
            self._fetcher.pacing.slow_down(site.host or "", delay_s)
        return _located_robots(_document(robots, url, answer), site.host or "")

    async def _read_files(self, site: URL) -> _SiteFiles:
        return _SiteFiles(await self._read_tdm_rules(site), await self._read_ai_txt(site))

    async def _read_tdm_rules(self, site: URL) -> Document[tuple[TdmRule, ...]]:
        url = str(site.with_path(tdmrep.TDMREP_PATH))
        try:
            answer = await self._get(url, max_bytes=tdmrep.MAX_FILE_BYTES, permission=self.permit)
        except FetchFailed as failure:
            return self._without_file(() if await self._is_unreached(url, failure) else tdmrep.UNREADABLE, url)
        if _is_absent(answer):
            return self._without_file((), url)
        rules = tdmrep.read_tdmrep(answer.body) if answer.is_success else tdmrep.UNREADABLE
        return _document(rules, url, answer)

    async def _read_ai_txt(self, site: URL) -> Document[AiTxtRules]:
        """Rules of a site's ai.txt; none if there is none."""
        url = str(site.with_path(AI_TXT_PATH))
        unknown = (("/", Answer.UNKNOWN),)
        try:
            answer = await self._get(url, max_bytes=tdmrep.MAX_FILE_BYTES, permission=self.permit, cut=True)
        except FetchFailed as failure:
            return self._without_file(() if await self._is_unreached(url, failure) else unknown, url)
        if not answer.is_success:
            return self._without_file(() if _is_absent(answer) else unknown, url)
        rules = robots_file.parse_ai_txt(robots_file.whole_lines(answer.body, tdmrep.MAX_FILE_BYTES), agent=ROBOT)
        is_cut = len(answer.body) > tdmrep.MAX_FILE_BYTES
        return _document((*rules, *unknown) if rules and is_cut else rules, url, answer)

    def _without_file(self, value: Value, url: str) -> Document[Value]:
        """Document for a file that is not there, or cannot be read."""
        return Document(value, url, None, self._fetcher.now())

    async def can_reach(self, url: str) -> bool:
        """True if the site of `url` answered a request for its robots.txt."""
        try:
            await self._robots.of(_site(url))
        except FetchFailed as failure:
            return failure.outcome != FetchOutcome.CONNECTION
        return True

    async def _is_unreached(self, url: str, failure: FetchFailed) -> bool:
        """True if `failure` is that of a host that cannot be reached at all, not of one file."""
        return failure.outcome == FetchOutcome.CONNECTION and not await self.can_reach(url)

    async def _read_rsl(self, address: str) -> Document[tuple[rsl.Content, ...] | None]:
        try:
            answer = await self._get(address, max_bytes=rsl.MAX_BYTES, permission=self.permit)
        except FetchFailed:
            return self._without_file(None, address)
        return _document(rsl.read(answer.body) if answer.is_success else None, address, answer)


def header_source(headers: Headers, *, url: str, heard_at: datetime) -> Document[None]:
    """The header lines that may hold signals, as a document: its digest is that of `Name: value` lines."""
    lines = "".join(f"{name}: {value}\n" for name, value in _telling(headers))
    digest = hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
    return Document(None, url, digest, heard_at)


def signal_headers(headers: Headers) -> tuple[str | None, list[str]]:
    """Headers that state preferences, or name documents that do, for comparison."""
    return header_source(headers, url="", heard_at=datetime.min).sha256, _links(headers)


def telling_headers(headers: Iterable[tuple[str, str]]) -> Headers:
    """Those of `headers` that `signal_headers` compares."""
    return tuple(each for each in headers if each[0].lower() in _TELLING or each[0].lower() == "link")


def _links(headers: Headers) -> list[str]:
    return [value for name, value in headers if name.lower() == "link"]


def _telling(headers: Headers) -> list[tuple[str, str]]:
    return [header for header in headers if header[0].lower() in _TELLING]


def _located_robots(robots: Document[RobotsFile], host: str) -> Document[_SiteRobots | None]:
    of_rules = (
        Preference(Signal.ROBOTS_TXT, Use.ANY, Answer.ALLOW, f"{host} permits this address"),
        Preference(Signal.ROBOTS_TXT, Use.ANY, Answer.DISALLOW, f"{host} disallows this address"),
    )
    usage = tuple((pattern, tuple(robots.locate(of_line))) for pattern, of_line in robots.value.usage)
    value = _SiteRobots(replace(robots.value, usage=usage), *robots.locate(of_rules))
    return Document(value, robots.url, robots.sha256, robots.heard_at)


def _is_absent(answer: site_files.SiteFile) -> bool:
    return 400 <= answer.status < 500 and answer.status != _TOO_MANY_REQUESTS


def _document(value: Value, url: str, answer: site_files.SiteFile) -> Document[Value]:
    digest = hashlib.sha256(answer.body).hexdigest() if answer.is_success else None
    return Document(value, url, digest, answer.heard_at)


def _site(url: str) -> URL:
    end = url.find("/", url.find("://") + len("://"))
    return _origin(url if end < 0 else url[:end])


@lru_cache(maxsize=4096)
def _origin(url: str) -> URL:
    return URL(url).origin()


class _ReadOnce(Generic[Key, Value]):
    """Cache of `read(key)`, or its failure. Concurrent calls for one key read it once.

    max_entries: the oldest entries beyond it are dropped; None for no limit.
    """

    def __init__(self, read: Callable[[Key], Awaitable[Value]], max_entries: int | None) -> None:
        self._read = read
        self._max_entries = max_entries
        self._answers: dict[Key, asyncio.Future[Value]] = {}

    async def of(self, key: Key) -> Value:
        answer = self._answers.get(key)
        if answer is None:
            answer = asyncio.ensure_future(self._read(key))
            # Callers get the failure: asyncio need not log it as unretrieved.
            answer.add_done_callback(lambda future: future.cancelled() or future.exception())
            self._answers[key] = answer
            if self._max_entries is not None and len(self._answers) > self._max_entries:
                self._answers.pop(next(iter(self._answers)))
        # A cancelled caller must not cancel what others wait for.
        return answer.result() if answer.done() else await asyncio.shield(answer)
