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


def test_a_person_who_left_the_roster_is_not_said_to_be_lost_on_the_web(tmp_path: Path) -> None:
    images = pl.DataFrame({"identity": ["ada", "ben", "ben"], "image_id": ["1", "2", "3"], "url": ["u1", "u2", "u3"]})
    fetches = pl.DataFrame({"identity": ["ben"], "url": ["u2"], "outcome": ["stored"]})
    before, after = Tables(images, None, None, None), Tables(images[1:2], fetches, None, None)
    found = changes(before, after, ProjectPaths(tmp_path), began=BEGAN)
    assert found.withdrawn == {"no longer in the roster": 1, "no longer found": 1}
