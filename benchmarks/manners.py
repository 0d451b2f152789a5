"""Refusals and speed of the crawl at a host that enforces Wikimedia's limits: 2 requests at once, 25 Mbps over 10 s.

    .venv/bin/python benchmarks/manners.py [--files 10000] [--kilobytes 144]

Targets: no answer with status 429, at 90 % or more of the bandwidth that the host allows. The crawl does everything
after the search, as in `fetch.py`, with the profile of `upload.wikimedia.org` in the defaults of `crawl.hosts`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from crawl_shares import crawl_share
from mtf.config import Crawl, Licenses
from mtf.crawl.crawl_context import CrawlContext
from mtf.crawl.crawler import AT_ONCE
from mtf.crawl.http_client import HttpFetcher
from mtf.crawl.signals_client import SignalsClient
from mtf.schemas.takedown_file import Takedowns
from mtf.sources.candidate import Candidate
from mtf.sources.local_sources import LocalSources

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from policy_server import Policy, PolicyWeb, serving

HOST = "upload.wikimedia.org"
IDENTITIES = 64
TARGET = 0.9


def main() -> None:
    arguments = _arguments()
    files = Pictures(arguments.files, arguments.kilobytes)
    policy = Policy(concurrency=2, bytes_per_s=25e6 / 8)
    begin = time.monotonic()
    with serving({HOST: policy}, files) as web, tempfile.TemporaryDirectory() as folder:
        outcomes = asyncio.run(_crawl(Path(folder), web, list(files)))
    seconds = time.monotonic() - begin
    print(f"{len(files):,} files of {len(files.data) / 1024:.0f} KiB in {seconds:.0f} s: {dict(outcomes)}")
    print(f"refused with 429: {len(policy.refused)} (target: 0); at most {policy.most_at_once} requests at once")
    print(f"share of the allowed bandwidth: {policy.used_share:.1%} (target: {TARGET:.0%})")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--kilobytes", type=int, default=144)
    return parser.parse_args()


class Pictures(Mapping[str, bytes]):
    """Path → a JPEG of noise, of about `kilobytes`. All are different: the number stands behind the end."""

    def __init__(self, count: int, kilobytes: int) -> None:
        side = int((kilobytes * 1024 / 1.15) ** 0.5)
        pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
        self.data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        self._numbers = {f"/{number:05d}.jpg": number for number in range(count)}

    def __getitem__(self, path: str) -> bytes:
        return self.data + b"%05d" % self._numbers[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


async def _crawl(folder: Path, web: PolicyWeb, paths: list[str]) -> Counter[str]:
    crawl = Crawl.model_validate({"sources": [{"kind": "bing"}]})
    binding = Licenses.model_validate({"permitted": ["CC0-1.0"]}).binding_opt_outs
    places = asyncio.Semaphore(AT_ONCE)
    with ThreadPoolExecutor(1) as examiner:
        async with HttpFetcher(crawl, user_agent="mtf benchmark", web=web) as fetcher:
            context = CrawlContext(
                crawl, fetcher, SignalsClient(fetcher, binding), Takedowns(), LocalSources((), Path()), examiner
            )
            jobs = (
                _one(f"person-{at}", list(part), folder, context, places)
                for at, part in enumerate(np.array_split(paths, IDENTITIES))
            )
            return sum(await asyncio.gather(*jobs), Counter())


async def _one(
    identity: str, paths: list[str], folder: Path, context: CrawlContext, places: asyncio.Semaphore
) -> Counter[str]:
    candidates = [Candidate(f"http://{HOST}{path}", "bing", number) for number, path in enumerate(paths)]
    async with places:
        return await crawl_share(identity, candidates, folder, context)


if __name__ == "__main__":
    main()
