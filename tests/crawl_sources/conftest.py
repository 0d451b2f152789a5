from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sources_web import KEY, USER_AGENT, ScriptedWeb

from mtf.crawl import apis, openverse, recorded
from mtf.crawl.fetch import Fetcher
from mtf.crawl.search import Found
from mtf.params import Params

# The project of the crawl's own tests: a roster and a recorded web.
sys.path.append(str(Path(__file__).parents[1] / "crawl"))

from crawl_project import Project


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openverse, "ANONYMOUS_DELAY_S", 0.0)
    monkeypatch.setenv("FLICKR_API_KEY", KEY)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Counter[str]]:
    """The recorded web's counts of requests, one Counter a run."""
    counts: list[Counter[str]] = []
    begin = recorded.RecordedWeb.__init__

    def remember(self: recorded.RecordedWeb, folder: Path) -> None:
        begin(self, folder)
        counts.append(self.requests)

    monkeypatch.setattr(recorded.RecordedWeb, "__init__", remember)
    return counts


@pytest.fixture
def find(sample_params: Params) -> Callable[[ScriptedWeb, apis.ApiSource], Found]:
    """One search on a scripted web."""

    def found(web: ScriptedWeb, source: apis.ApiSource, query: str = "Ana Béla") -> Found:
        async def run() -> Found:
            async with Fetcher(sample_params.crawl, user_agent=USER_AGENT, web=web) as fetcher:
                return await apis.search(fetcher, source, query)

        return asyncio.run(run())

    return found
