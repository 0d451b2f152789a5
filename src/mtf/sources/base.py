"""Base classes of crawl sources, and the HTTP client that a source is given."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Protocol

from pydantic import Field

from mtf.config.section import Section
from mtf.rights.evidence.combination import Statement
from mtf.sources.api_answers import ApiAnswer
from mtf.sources.candidate import Candidate

# Ways of data collection in the vocabulary of Croissant RAI (`rai:dataCollectionType`).
WEB_SCRAPING, WEB_API, OTHERS, SECONDARY_DATA_ANALYSIS = (
    "Web Scraping",
    "Web API",
    "Others",
    "Secondary Data Analysis",
)
FROM_THE_WEB = (WEB_SCRAPING, WEB_API)


class Answer(Protocol):
    """Response of the HTTP client, after redirects."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def retry_after_s(self) -> float | None: ...
    def demand_success(self) -> None:
        """Raises Failed where the status is not 2xx."""
        ...


class RateLimits(Protocol):
    """Rate limits by host."""

    def slow_down(self, host: str, delay_s: float) -> None:
        """Leave at least `delay_s` between two requests to `host`."""
        ...

    def hold(self, host: str, wait_s: float, *, http_status: int) -> None:
        """Send `host` nothing for `wait_s`. Raises Failed where that is too long."""
        ...


class Fetcher(Protocol):
    """HTTP client of the crawl, as far as sources use it: one paced GET. Raises Failed."""

    @property
    def pacing(self) -> RateLimits: ...
    async def get(self, url: str, *, max_bytes: int, headers: Mapping[str, str] = ...) -> Answer: ...


@dataclass
class SearchResult:
    """Candidates in the source's order.

    problems: one line for each part of the search that could not be read; what was found before it is kept.
    """

    candidates: list[Candidate] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


RecheckedStatements = Mapping[str, Statement | None]
"""Page of a picture → what its record states now, None where the host no longer has the picture.

A page whose record could not be had is not a key.
"""


class Source(Section):
    """A crawl source: its parameters are the fields, its entry in `crawl.sources` is one instance.

    A subclass narrows `kind` to `Literal["NAME"]`, the name under which it is registered, and implements `search`.

    Class variables:
        hosts: hosts whose search or API is asked.
        data_collection_type: how its pictures are collected, in Croissant RAI's words; the release states it.
        record_is_evidence: True if the API is that of the pictures' own host, whose record takes the place of the page.
        recheck_method: `method` of the evidence whose record `recheck` asks for again; None where the page is asked.
    """

    kind: Annotated[str, Field(min_length=1)]

    hosts: ClassVar[tuple[str, ...]] = ()
    data_collection_type: ClassVar[str] = WEB_SCRAPING
    record_is_evidence: ClassVar[bool] = False
    recheck_method: ClassVar[str | None] = None

    @property
    def label(self) -> str:
        """Name of this entry in messages about a crawl."""
        return self.kind

    @property
    def entry_name(self) -> str:
        """Name of this entry among `crawl.sources`, in messages about params.yaml."""
        return self.kind

    @property
    def stated_license(self) -> str | None:
        """License that params.yaml states for all pictures of this entry, to be checked before any work is done."""
        return None

    @property
    def secret_variables(self) -> tuple[str, ...]:
        """Environment variables that have to hold a secret for this entry."""
        return ()

    @abstractmethod
    async def search(self, fetcher: Fetcher, query: str) -> SearchResult:
        """All candidates for `query`. Problems of the search are returned, not raised.

        Raises BadInput where a parameter cannot be used, such as an environment variable that is not set.
        """
        raise NotImplementedError

    @classmethod
    def read(cls, body: bytes) -> ApiAnswer:
        """Pictures that one answer of the API describes; for sources whose candidates have a record.

        Raises UnreadableAnswer.
        """
        raise NotImplementedError(f"{cls.__name__} keeps no records")

    @classmethod
    async def recheck(
        cls, fetcher: Fetcher, page_urls: Sequence[str], sources: Iterable[Source]
    ) -> RecheckedStatements:
        """Ask for the records of the pictures on `page_urls` again; `sources` (params.yaml) name the keys for it.

        Called where `recheck_method` is set.
        """
        raise NotImplementedError(f"{cls.__name__} has no record to recheck")


class LocalFiles(Protocol):
    """Files of one local source, listed once."""

    @property
    def prefix(self) -> str:
        """Beginning of the addresses of its files, and of no others: `file:PATH/`."""
        ...

    def find(self, files: str | None) -> list[Candidate]:
        """Candidates that one cell of the roster's column `files` names, missing ones included."""
        ...

    def read(self, url: str, *, max_bytes: int) -> bytes:
        """Bytes of one file. Raises Failed."""
        ...

    def stamp(self, files: str | None) -> list[str]:
        """Lines that change when one of the named files does."""
        ...


class LocalSource(Source):
    """A source whose files are on disk: nothing is asked of the network, and no page stands beside a picture."""

    data_collection_type: ClassVar[str] = OTHERS

    @abstractmethod
    def open(self, root: Path) -> LocalFiles:
        """List the files; relative paths begin at `root`. Raises BadInput where they are not there."""
        raise NotImplementedError

    @abstractmethod
    def statement(self) -> Statement:
        """License and creator that the owner states for all files."""
        raise NotImplementedError

    @property
    def files_path(self) -> str:
        """Path of the folder or archive, relative to the project; an erasure searches it."""
        raise NotImplementedError

    async def search(self, fetcher: Fetcher, query: str) -> SearchResult:  # noqa: ARG002 (files are named, not searched)
        return SearchResult()
