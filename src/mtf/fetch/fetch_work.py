"""Work of the processes of `mtf fetch`.

The process that hands out the shards sends no request. So it loads this description of the work, but not the HTTP
client, nor what reads pages and pictures.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mtf.core.scratch_folder import scratch_folder
from mtf.crawl.host_leases import SharedHosts
from mtf.crawl.work import Do
from mtf.fetch.options import FetchOptions

if TYPE_CHECKING:
    from mtf.crawl.http_client import StandIn

SHARDS_AT_ONCE = 2
"""Shards that a process fetches at a time: one may wait for a slow host."""


@dataclass(frozen=True)
class FetchWork:
    """Work of the processes of one run; picklable.

    web: replaces the live web if it is given.
    own_folder: True if each process has a folder of its own for the shards in work.
    """

    options: FetchOptions
    web: StandIn | None
    own_folder: bool = False

    @asynccontextmanager
    async def open(self, hosts: SharedHosts) -> AsyncGenerator[Do]:
        """Function that fetches one shard (`mtf.fetch.shard_fetcher`)."""
        from mtf.fetch import shard_fetcher

        options = replace(self.options, folder=scratch_folder()) if self.own_folder else self.options
        async with shard_fetcher.opened(options, self.web, hosts) as fetch_shard:
            yield fetch_shard
