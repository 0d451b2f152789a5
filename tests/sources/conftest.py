from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sources_web import KEY, USER_AGENT, ScriptedWeb

from mtf.config import Params
from mtf.crawl import recorded_web
from mtf.crawl.http_client import HttpFetcher
from mtf.pipeline import crawl
from mtf.sources import openverse
from mtf.sources.api import ApiSource
from mtf.sources.base import SearchResult

# The project of the crawl's own tests: a roster and a recorded web.
sys.path.append(str(Path(__file__).parents[1] / "crawl"))

from crawl_project import Project


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openverse, "ANONYMOUS_DELAY_S", 0.0)
    monkeypatch.setattr(openverse, "TOKEN_DELAY_S", 0.0)
    monkeypatch.setenv("FLICKR_API_KEY", KEY)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Counter[str]]:
    """The recorded web's counts of requests, one Counter a run."""
    counts: list[Counter[str]] = []
    begin = recorded_web.RecordedWeb.__init__

    def remember(self: recorded_web.RecordedWeb, folder: Path) -> None:
        begin(self, folder)
        counts.append(self.requests)

    run = crawl.run

    def run_and_count(*arguments: Any, **options: Any) -> None:
        before = len(counts)
        run(*arguments, **options)
        if len(counts) == before:  # nothing was due, so that no web was opened
            counts.append(Counter())

    monkeypatch.setattr(recorded_web.RecordedWeb, "__init__", remember)
    monkeypatch.setattr(crawl, "run", run_and_count)
    return counts


@pytest.fixture
def find(sample_params: Params) -> Callable[[ScriptedWeb, ApiSource], SearchResult]:
    """One search on a scripted web."""

    def found(web: ScriptedWeb, source: ApiSource, query: str = "Ana Béla") -> SearchResult:
        async def run() -> SearchResult:
            async with HttpFetcher(sample_params.crawl, user_agent=USER_AGENT, web=web) as fetcher:
                return await source.search(fetcher, query)

        return asyncio.run(run())

    return found
