from collections import Counter
from pathlib import Path

import pytest

from crawl_project import Project
from mtf.crawl import recorded_web


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

    monkeypatch.setattr(recorded_web.RecordedWeb, "__init__", remember)
    return counts
