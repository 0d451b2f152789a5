"""Day of publication: the card's, `release.date`, or the day on which this version of the data was committed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from mtf.core.revisions import committed_on
from mtf.release.card import Card
from mtf.release.citation import released_on
from projects import run_in


def test_the_last_commit_of_the_data_is_the_day_where_nobody_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert committed_on(tmp_path, "data.dvc") is None
    run_in(tmp_path, "git", "init", "-q")
    assert committed_on(tmp_path, "data.dvc") is None
    for name, day in (("data.dvc", "2026-01-31T23:30:00-0200"), ("README.md", "2026-03-01T12:00:00+0000")):
        (tmp_path / name).write_text(name)
        monkeypatch.setenv("GIT_COMMITTER_DATE", day)
        run_in(tmp_path, "git", "add", name)
        run_in(tmp_path, "git", "commit", "-q", "-m", name)
    recorded = committed_on(tmp_path, "data.dvc")
    assert recorded == date(2026, 2, 1), "in UTC"

    def day_of(card: Card, asked: date | None) -> date | None:
        facts = SimpleNamespace(params=SimpleNamespace(release=SimpleNamespace(date=asked)), recorded_on=recorded)
        return released_on(facts, card)  # ty: ignore[invalid-argument-type]

    assert day_of(Card(), None) == recorded
    assert day_of(Card(), date(2027, 1, 1)) == date(2027, 1, 1)
    assert day_of(Card(published=date(2028, 1, 1)), date(2027, 1, 1)) == date(2028, 1, 1)
