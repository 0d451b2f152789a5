"""What sites reserve: robots.txt and tdmrep.json, asked once per site and run, and what an answer's headers say.

Each reservation is `SIGNAL: what it says`. Those whose signal `licenses.binding_opt_outs` names are binding: the
picture is not stored. The others are written into its evidence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from typing import Generic, TypeVar

from protego import Protego
from yarl import URL

from mtf.crawl.failure import Failed
from mtf.crawl.fetch import ROBOT, Fetcher
from mtf.licenses import optouts
from mtf.tables import Fetched

MAX_ROBOTS_BYTES = 2_000_000
_TOO_MANY_REQUESTS = 429
_TELLING = frozenset({optouts.X_ROBOTS_TAG, "tdm-reservation"})

Headers = tuple[tuple[str, str], ...]
Value = TypeVar("Value")


class Reservations:
    """Shared by everything that one crawl asks for. `binding` holds the signals' names."""

    def __init__(self, fetcher: Fetcher, binding: Iterable[str]) -> None:
        self._fetcher = fetcher
        self._binding = frozenset(binding)
        self._robots = _OncePerSite(self._read_robots)
        self._tdm_rules = _OncePerSite(self._read_tdm_rules)

    async def permit(self, url: str) -> None:
        """Raises Failed where robots.txt keeps us from `url` (RFC 9309): OPTED_OUT where it says so, else the
        reason for which it could not be read, which counts as a refusal for this run.
        """
        if optouts.ROBOTS_TXT not in self._binding:
            return
        rules = await self._robots.of(url)
        if rules is not None and not rules.can_fetch(url, ROBOT):
            raise Failed(Fetched.OPTED_OUT, f"{optouts.ROBOTS_TXT}: {URL(url).host} disallows this address")

    async def of_site(self, url: str, headers: Headers) -> list[str]:
        """What the tdmrep.json of its site reserves for `url`; an answer's own `headers` may take its place."""
        signal = optouts.of_tdmrep(await self._tdm_rules.of(url), url, headers=headers)
        return [signal] if signal else []

    async def of_robots(self, url: str) -> list[str]:
        """What robots.txt says of `url` where that is not binding; a robots.txt that cannot be read says nothing."""
        try:
            rules = await self._robots.of(url)
        except Failed:
            return []
        if rules is None or rules.can_fetch(url, ROBOT):
            return []
        return [f"{optouts.ROBOTS_TXT}: {URL(url).host} disallows this address"]

    @staticmethod
    def of_headers(headers: Headers) -> list[str]:
        """What the headers of an answer reserve. Read one by one: no signal may hide another that is binding."""
        telling = [header for header in headers if header[0].lower() in _TELLING]
        return [signal for header in telling if (signal := optouts.of_headers([header], agent=ROBOT))]

    def enforce(self, signals: Iterable[str | None]) -> None:
        """Raises Failed(OPTED_OUT) where one of `signals` is binding."""
        for signal in (optouts.joined(*signals) or "").split(optouts.SEPARATOR):
            if signal.partition(":")[0] in self._binding:
                raise Failed(Fetched.OPTED_OUT, signal)

    async def _read_robots(self, site: URL) -> Protego | None:
        """The rules of a site; None where there are none."""
        try:
            answer = await self._fetcher.get(str(site / "robots.txt"), max_bytes=MAX_ROBOTS_BYTES)
        except Failed as failure:
            text = f"robots.txt: {failure.detail}; taken as a refusal for this run"
            raise Failed(failure.outcome, text, http_status=failure.http_status) from None
        if answer.status >= 500 or answer.status == _TOO_MANY_REQUESTS:
            text = f"robots.txt: status {answer.status}; taken as a refusal for this run"
            raise Failed(Fetched.HTTP_ERROR, text, http_status=answer.status)
        if not answer.is_success:
            return None
        rules = Protego.parse(answer.body.decode("utf-8", "replace"))
        if delay_s := rules.crawl_delay(ROBOT):
            self._fetcher.pacing.slow_down(site.host or "", delay_s)
        return rules

    async def _read_tdm_rules(self, site: URL) -> tuple[optouts.TdmRule, ...]:
        try:
            answer = await self._fetcher.get(
                str(site.with_path(optouts.TDMREP_PATH)), max_bytes=optouts.MAX_FILE_BYTES, permission=self.permit
            )
        except Failed:
            return ()
        return optouts.read_tdmrep(answer.body) if answer.is_success else ()


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
