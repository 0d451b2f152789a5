from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from crawl_project import Project
from mtf.crawl import recorded_web
from mtf.pipeline import crawl


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Counter[str]]:
    """The recorded web's counts of requests, one Counter a run."""
    counts: list[Counter[str]] = []
    serve = recorded_web.RecordedWeb.__init__

    def remember(self, folder):
        serve(self, folder)
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
