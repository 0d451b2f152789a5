"""The line in which a run of `mtf watch` says what it found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from mtf.core.project_paths import ProjectPaths
from mtf.schemas import VisitResult
from mtf.watch.run_changes import Tables, changes

BEGAN = datetime(2025, 1, 6, 12, tzinfo=UTC)


def test_a_run_that_reached_no_page_says_so(tmp_path: Path) -> None:
    workspace = ProjectPaths(tmp_path)
    path = workspace.table("crawl", "visits")
    path.parent.mkdir(parents=True)
    rows = {"image_id": ["a", "b", "c"], "visited_at": [BEGAN] * 3}
    pl.DataFrame(rows).with_columns(
        page=pl.Series([VisitResult.UNREAD, VisitResult.UNREAD, VisitResult.UNCHANGED], dtype=pl.String),
        file=pl.Series([VisitResult.UNREAD, VisitResult.UNREAD, VisitResult.UNCHANGED], dtype=pl.String),
    ).write_parquet(path)
    nothing = Tables(None, None, None, None)
    said = str(changes(nothing, nothing, workspace, began=BEGAN))
    assert said.startswith("asked again for 3 pictures, 1 unchanged, 2 pages not read; ")
