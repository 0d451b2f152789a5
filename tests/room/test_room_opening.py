"""What a reviewer's samples are made from: where nothing of it changed, opening again makes none anew."""

from __future__ import annotations

from collections.abc import Callable

from mtf.licenses import attribution
from mtf.room.opening import samples_made_from
from mtf.workspace import Workspace


def test_samples_are_made_anew_for_an_author_that_was_found(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 3})
    table = attribution.path(workspace)
    table.write_text(",".join(attribution.COLUMNS) + "\n")
    before = samples_made_from(workspace, "anna", joint=False)
    assert samples_made_from(workspace, "anna", joint=False) == before
    table.write_text(table.read_text() + f"2026-05-01,image_id,{'0' * 64},Someone,,,,anna,asked\n")
    assert samples_made_from(workspace, "anna", joint=False) != before
