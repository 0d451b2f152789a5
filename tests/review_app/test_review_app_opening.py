"""Opening the review app: the files it reads, changes noticed meanwhile, and errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtf import config
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine import face_table
from mtf.review_app.engine.loading import load_review_data, read, samples_made_from, session_of
from mtf.review_app.fiftyone import app
from mtf.review_app.processes import mongodb as database
from mtf.rights import attribution


def test_samples_are_made_anew_for_an_author_that_was_found(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 3})
    table = workspace.attribution
    table.write_text(",".join(attribution.COLUMNS) + "\n")
    before = samples_made_from(workspace, "anna", joint=False)
    assert samples_made_from(workspace, "anna", joint=False) == before
    table.write_text(table.read_text() + f"2026-05-01,image_id,{'0' * 64},Someone,,,,anna,asked\n")
    assert samples_made_from(workspace, "anna", joint=False) != before


def test_a_decision_that_is_written_while_the_room_opens_is_taken_in(
    project: Callable[..., ProjectPaths], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = project({"ada": 3})
    loaded = config.load(workspace.params)
    load = face_table.load

    def and_ben_decides(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(face_table, "load", load)
        review_data, _ = load_review_data(workspace, loaded)
        session = session_of(workspace, review_data, "ben", joint=False)
        session.accept(review_data.faces_of("ada"))
        session.close()
        return load(*given, **named)

    monkeypatch.setattr(face_table, "load", and_ben_decides)
    reading = read(workspace, loaded, "anna", joint=False)
    assert reading.review_data.votes.is_empty()
    assert reading.renewed.has_news()
    renewed, _ = reading.renewed(reading.review_data) or pytest.fail("nothing new")
    assert renewed.votes["reviewer"].to_list() == ["ben"] * 3
    assert reading.renewed(renewed) is None
    assert not reading.renewed.has_news()


# Imported until the main thread waits for this import, or for all threads because the program is at its end.
SLOW = """
import sys, threading, time
from concurrent.futures import ThreadPoolExecutor

def waits(frame):
    code = frame.f_code
    is_waiting = code.co_filename == threading.__file__ and code.co_name in ("join", "_shutdown")
    return is_waiting or (frame.f_back is not None and waits(frame.f_back))

until = time.monotonic() + 60
while not waits(sys._current_frames()[threading.main_thread().ident]) and time.monotonic() < until:
    time.sleep(0.01)
ThreadPoolExecutor(1).submit(int)
"""


def test_what_keeps_a_room_from_opening_is_said_in_one_line(
    project: Callable[..., ProjectPaths], tmp_path: Path
) -> None:
    stand_in = tmp_path / "stand-in" / "fiftyone" / "server"
    stand_in.mkdir(parents=True)
    for module in (stand_in.parent / "__init__.py", stand_in / "__init__.py"):
        module.touch()
    # Still being imported when the ledger has been read, and not to be done once the program is at its end.
    (stand_in / "app.py").write_text(SLOW)
    workspace = project({"ada": 3})
    file = workspace.review / "ben" / "20260101T000000Z.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text('{"image_id": 3}\n')
    place = ("--root", str(workspace.root), "--port", str(database.free_port()))
    found_first = os.pathsep.join([str(tmp_path / "stand-in"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "mtf.review_app.fiftyone.app", *place, "--reviewer", "anna"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {database.URI: "nowhere", "PYTHONPATH": found_first},
    )
    assert done.returncode == 2, done.stderr
    line = done.stderr.rstrip("\n")
    assert line.startswith("mtf: ben/20260101T000000Z.jsonl line 1: image_id: ")
    assert "\n" not in line


def test_the_bundled_database_is_told_from_a_persons_own(mongodb: str) -> None:
    assert app.is_bundled(mongodb)
    assert not app.is_bundled("nowhere")
