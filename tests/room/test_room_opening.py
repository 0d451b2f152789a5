"""What a reviewer's samples are made from: where nothing of it changed, opening again makes none anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mtf import params
from mtf.licenses import attribution
from mtf.room import faces
from mtf.room.opening import desk_of, material_of, read, samples_made_from
from mtf.workspace import Workspace


def test_samples_are_made_anew_for_an_author_that_was_found(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 3})
    table = attribution.path(workspace)
    table.write_text(",".join(attribution.COLUMNS) + "\n")
    before = samples_made_from(workspace, "anna", joint=False)
    assert samples_made_from(workspace, "anna", joint=False) == before
    table.write_text(table.read_text() + f"2026-05-01,image_id,{'0' * 64},Someone,,,,anna,asked\n")
    assert samples_made_from(workspace, "anna", joint=False) != before


def test_a_decision_that_is_written_while_the_room_opens_is_taken_in(
    project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = project({"ada": 3})
    loaded = params.load(workspace.params)
    load = faces.load

    def and_ben_decides(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(faces, "load", load)
        material, _ = material_of(workspace, loaded)
        desk = desk_of(workspace, material, "ben", joint=False)
        desk.accept(material.faces_of("ada"))
        desk.close()
        return load(*given, **named)

    monkeypatch.setattr(faces, "load", and_ben_decides)
    reading = read(workspace, loaded, "anna", joint=False)
    assert reading.material.votes.is_empty()
    assert reading.renewed.has_news()
    renewed, _ = reading.renewed(reading.material) or pytest.fail("nothing new")
    assert renewed.votes["reviewer"].to_list() == ["ben"] * 3
    assert reading.renewed(renewed) is None
    assert not reading.renewed.has_news()
