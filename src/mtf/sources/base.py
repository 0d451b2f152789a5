"""Base classes of crawl sources, and the protocol of the HTTP client that they use."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Protocol, runtime_checkable

from pydantic import Field

from mtf.config.section import Section
from mtf.core.hashing import fingerprint
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
        """Raises FetchFailed where the status is not 2xx."""
        ...


class RateLimits(Protocol):
    """Rate limits by host."""

    def slow_down(self, host: str, delay_s: float) -> None:
        """Leave at least `delay_s` between two requests to `host`."""
        ...

    def hold(self, host: str, wait_s: float, *, http_status: int) -> bool:
        """Send `host` nothing for `wait_s` seconds. True if the host may demand that wait."""
        ...


class Fetcher(Protocol):
    """HTTP client of the crawl, as far as sources use it: one rate-limited GET. Raises FetchFailed."""

    @property
    def pacing(self) -> RateLimits: ...
    def now(self) -> datetime: ...
    async def get(self, url: str, *, max_bytes: int, headers: Mapping[str, str] = ...) -> Answer: ...


@dataclass
class SearchResult:
    """Candidates in the source's order.

    problems: one line for each part of the search that could not be read; earlier candidates are kept.
    """

    candidates: list[Candidate] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


RecheckedStatements = Mapping[str, Statement | None]
"""Page of a picture → statement of its record today; None if the host no longer has the picture.

A page whose record could not be fetched is not a key.
"""


class Source(Section):
    """A crawl source: its parameters are the fields, its entry in `crawl.sources` is one instance.

    A subclass narrows `kind` to `Literal["NAME"]`, the name under which it is registered, and implements `search`.

    Class variables:
        hosts: hosts of its search or API.
        data_collection_type: in the vocabulary of Croissant RAI, for the release's metadata.
        record_is_evidence: True if the pictures' own host has the API: its record replaces the page as evidence.
        recheck_method: `method` of the evidence whose record `recheck` fetches; None if the page is fetched instead.
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
        """License that params.yaml states for all pictures of this entry. It is checked before any work is done."""
        return None

    @property
    def secret_variables(self) -> tuple[str, ...]:
        """Names of the environment variables that must hold a secret for this entry."""
        return ()

    @abstractmethod
    async def search(self, fetcher: Fetcher, query: str) -> SearchResult:
        """Find all candidates for `query`. Problems of the search are returned, not raised.

        Raises BadInput if a parameter cannot be used, such as an environment variable that is not set.
        """
        raise NotImplementedError

    @classmethod
    def read(cls, body: bytes) -> ApiAnswer:
        """Parse one answer of the API; for sources whose candidates have a record.

        Raises UnreadableAnswer.
        """
        raise NotImplementedError(f"{cls.__name__} keeps no records")

    @classmethod
    async def recheck(
        cls, fetcher: Fetcher, page_urls: Sequence[str], sources: Iterable[Source]
    ) -> RecheckedStatements:
        """Fetch the records of the pictures on `page_urls` again; `sources` (params.yaml) name the keys for it.

        Called if `recheck_method` is set.
        """
        raise NotImplementedError(f"{cls.__name__} has no record to recheck")


class LocalFiles(Protocol):
    """Files of one local source, listed once."""

    @property
    def prefix(self) -> str:
        """Prefix of the addresses of its files, and of no others: `file:PATH/`.

        `mtf.sources.local_sources` makes them relative to the source before anything is stored.
        """
        ...

    def find(self, files: str | None) -> list[Candidate]:
        """Candidates that one cell of the roster's column `files` names, missing files included."""
        ...

    def read(self, url: str, *, max_bytes: int) -> bytes:
        """Bytes of one file. Raises FetchFailed."""
        ...

    def stamp(self, files: str | None) -> list[str]:
        """Lines that change when one of the named files does."""
        ...


@runtime_checkable
class ListedFiles(Protocol):
    """Local files that can say which they are, for `data/sources.csv`."""

    def listing(self) -> Iterable[tuple[str, int]]:
        """Name and size in bytes of each file."""
        ...


class LocalSource(Source):
    """A source whose files are on disk: it sends no requests, and its pictures have no pages."""

    data_collection_type: ClassVar[str] = OTHERS

    @abstractmethod
    def open(self, root: Path) -> LocalFiles:
        """List the files; relative paths start at `root`. Raises BadInput if they do not exist."""
        raise NotImplementedError

    @abstractmethod
    def statement(self) -> Statement:
        """License and creator that the owner states for all files."""
        raise NotImplementedError

    @property
    def address_name(self) -> str | None:
        """Name of this source in the addresses of its files, `file:@NAME/…`; None for its number in params.yaml."""
        return None

    @property
    def files_path(self) -> str:
        """Path of the folder or archive, relative to the project; an erasure searches it."""
        raise NotImplementedError

    async def search(self, fetcher: Fetcher, query: str) -> SearchResult:  # noqa: ARG002 (files are named, not searched)
        return SearchResult()


def source_key(source: Source) -> str:
    """Key (16 hex characters) of one entry of `crawl.sources`: a digest of all its parameters."""
    return fingerprint(source)[:16]
