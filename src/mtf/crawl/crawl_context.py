"""Context of a crawl: what the identities of one run share in one process."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

from mtf.config import Crawl
from mtf.crawl.http_client import HttpFetcher
from mtf.crawl.signals_client import SignalsClient
from mtf.schemas.takedown_file import Takedowns
from mtf.sources.local_sources import LocalSources


@dataclass(frozen=True)
class CrawlContext:
    """Clients, sources and parameters that all identities of one run share.

    examiner: executor with one thread, since Pillow's warnings are silenced per process.
    """

    crawl: Crawl
    fetcher: HttpFetcher
    signals_client: SignalsClient
    takedowns: Takedowns
    local: LocalSources
    examiner: Executor
