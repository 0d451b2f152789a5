"""Work of a crawl's workers that requests addresses of a `host_log`; here, since a worker imports it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from host_log import LoggedHosts
from mtf.config import Crawl
from mtf.crawl.host_leases import SharedHosts
from mtf.crawl.http_client import HttpFetcher
from mtf.crawl.signals_client import SignalsClient
from mtf.crawl.work import Do


@dataclass(frozen=True)
class Visits:
    """Items are lists of addresses: each is requested if robots.txt permits it.

    A path in place of an address kills the process, and is made first, so that it is done once.
    """

    web: LoggedHosts
    crawl: Crawl

    @asynccontextmanager
    async def open(self, hosts: SharedHosts) -> AsyncGenerator[Do]:
        async with HttpFetcher(self.crawl, user_agent="mtf test", web=self.web, pacing=hosts.pacing) as fetcher:
            signals = SignalsClient(fetcher, ["robots.txt"], hosts.documents)

            async def visit(urls: list[str]) -> int:
                for path in [Path(url) for url in urls if url.startswith("/")]:
                    if not path.exists():
                        path.touch()
                        os.kill(os.getpid(), signal.SIGKILL)
                asked = [url for url in urls if not url.startswith("/")]
                await asyncio.gather(*(fetcher.get(url, max_bytes=1000, permission=signals.permit) for url in asked))
                return len(asked)

            yield visit
