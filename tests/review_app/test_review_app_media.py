"""Pictures of an open review app: each shows its face, even if the shards change meanwhile."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import DeleteOne

from mtf import config
from mtf.annotation import ledger
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.review_app import terminal
from mtf.review_app.engine import face_pictures, face_table
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.face_pictures import PictureRequest
from mtf.review_app.engine.loading import read, session_of
from mtf.review_app.fiftyone.live_session import LiveSession
from mtf.review_app.fiftyone.samples import sample_id
from mtf.review_app.terminal_pictures import TerminalPictures
from mtf.schemas import takedown_file

Project = Callable[..., ProjectPaths]
DATASET = "sample-anna"


class NoDatabase:
    """Screen stand-in: nothing is shown here, only what it is told is noted."""

    def __init__(self) -> None:
        self.written: list[Any] = []

    def bulk_write(self, updates: list[Any], **_: Any) -> None:
        self.written += updates


@pytest.fixture
def open_live() -> Generator[Callable[[ProjectPaths], LiveSession]]:
    live_sessions: list[LiveSession] = []

    def open_(workspace: ProjectPaths) -> LiveSession:
        reading = read(workspace, config.load(workspace.params), "anna", joint=False)
        session = session_of(workspace, reading.review_data, "anna", joint=False, check=reading.pictures.check)
        live_sessions.append(LiveSession(reading.review_data, reading.pictures, session, DATASET, NoDatabase()))
        return live_sessions[-1]

    yield open_
    for live in live_sessions:
        live.close()


def made_anew(workspace: ProjectPaths, other: ProjectPaths, identity: str, stage: str) -> None:
    """The identity's shard is written anew, from the pictures of another project; the tables are not yet."""
    beside = workspace.shard(stage, identity).with_suffix(".new")
    shutil.copy(other.shard(stage, identity), beside)
    beside.replace(workspace.shard(stage, identity))


def test_a_person_who_is_taken_down_is_neither_shown_nor_decided_any_more(
    project: Project, open_live: Callable[[ProjectPaths], LiveSession]
) -> None:
    workspace = project({"ada": 3, "bob": 3})
    live = open_live(workspace)
    ada, bob = live.review_data.faces_of("ada")[0], live.review_data.faces_of("bob")[0]
    request = "2026-01-02T03:04:05Z,identity,ada,asked,ada,"
    workspace.takedowns.write_text(",".join(takedown_file.COLUMNS) + "\n" + request + "\n")
    with pytest.raises(BadInput, match="ada was taken down while the review app was open"):
        live.session.accept([ada])
    with pytest.raises(KeyError):
        live.bytes_of(PictureRequest("crop", DATASET, ada))
    assert live.session.accept([bob]) == [bob]
    assert live.bytes_of(PictureRequest("crop", DATASET, bob))
    live.drop_taken_down()
    live.close()
    gone = [DeleteOne({"_id": ObjectId(sample_id(*face))}) for face in live.review_data.faces_of("ada")]
    assert live.collection.written == gone


def test_nothing_new_is_written_of_who_was_taken_down_be_it_an_undo_or_a_keepers_rival(
    project: Project, open_live: Callable[[ProjectPaths], LiveSession]
) -> None:
    workspace = project({"ada": 3}, groups={"ada": [[0, 1]]})
    live = open_live(workspace)
    pair = [face for face in live.review_data.faces_of("ada") if live.review_data.rivals(face)]
    live.session.accept(pair)
    live.session.accept(pair)
    live.session.accept(pair)
    before = ledger.read(workspace.review).decisions.height
    image_id, _ = live.review_data.place(pair[1])
    request = f"2026-01-02T03:04:05Z,image_id,{image_id},asked,ada,"
    workspace.takedowns.write_text(",".join(takedown_file.COLUMNS) + "\n" + request + "\n")
    line = "ada was taken down while the review app was open"
    with pytest.raises(BadInput, match=line):
        live.session.keep(pair[:1])
    with pytest.raises(BadInput, match=line):
        live.session.undo()
    assert ledger.read(workspace.review).decisions.height == before == 6


@pytest.fixture
def other(tmp_path: Path, project: Project) -> ProjectPaths:
    """The same identities, each with the other one's pictures."""
    made = project({"bob": 6, "ada": 6})
    return ProjectPaths(made.root.rename(tmp_path / "other"))


def test_a_picture_is_of_a_face_of_the_reviewers_own_data_set_and_a_face_is_named_once(
    project: Project, open_live: Callable[[ProjectPaths], LiveSession]
) -> None:
    live = open_live(project({"ada": 2, "bob": 1}))
    face, other = live.review_data.faces_of("ada")
    with pytest.raises(KeyError):
        live.bytes_of(PictureRequest("crop", "sample-ben", face))
    with pytest.raises(KeyError):
        live.bytes_of(PictureRequest("crop", DATASET, Key("bob", face.face_id)))
    named = [sample_id(*face), sample_id(*other), f"{sample_id(*face)}-modal"]
    assert live.named(named) == [face, other]
    with pytest.raises(BadInput, match="this sample is not a face of the review"):
        live.named([sample_id(*face), "0" * 24])


def test_a_terminal_names_a_shard_that_was_never_there(
    project: Project, open_live: Callable[[ProjectPaths], LiveSession], tmp_path: Path
) -> None:
    workspace = project({"ada": 2})
    workspace.shard("crop", "ada").unlink()
    live = open_live(workspace)
    with pytest.raises(BadInput, match=r"crop/shards/ada\.tar: No such file or directory; run the stage that makes it"):
        TerminalPictures(live.pictures, tmp_path / "sheet.jpg").show_page(live.review_data.faces_of("ada"))


@pytest.mark.parametrize("stage", face_pictures.STAGES)
def test_a_person_whose_shard_is_made_anew_has_no_pictures_and_takes_no_verdict(
    project: Project,
    open_live: Callable[[ProjectPaths], LiveSession],
    other: ProjectPaths,
    stage: str,
    tmp_path: Path,
) -> None:
    workspace = project({"ada": 6, "bob": 6})
    live = open_live(workspace)
    ada, bob = (live.review_data.faces_of(name) for name in ("ada", "bob"))
    kinds = {"crop": ("crop", "person"), "crawl": ("picture",)}[stage]
    before = [live.bytes_of(PictureRequest(kind, DATASET, face)) for kind in kinds for face in bob]
    made_anew(workspace, other, "ada", stage)
    for kind in kinds:
        for face in ada:
            with pytest.raises(OSError, match=r"ada\.tar: rewritten since the review app was opened"):
                live.bytes_of(PictureRequest(kind, DATASET, face))
    line = "the pictures of ada were rewritten while the review app was open; open it again"
    for face in ada:
        with pytest.raises(BadInput, match=f"^{line}$"):
            live.session.skip([bob[0], face])
    assert [live.bytes_of(PictureRequest(kind, DATASET, face)) for kind in kinds for face in bob] == before
    assert ledger.read(workspace.review).decisions.is_empty()
    assert live.session.skip(bob) == bob
    assert live.named([sample_id(*ada[0])]) == ada[:1]
    with pytest.raises(BadInput, match=line):
        TerminalPictures(live.pictures, tmp_path / "sheet.jpg").show_page(ada)


def test_a_shard_that_is_made_anew_while_the_tables_are_read_is_noticed(
    project: Project,
    open_live: Callable[[ProjectPaths], LiveSession],
    other: ProjectPaths,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace = project({"ada": 6, "bob": 6})
    load = face_table.load

    def and_then(*given: Any, **named: Any) -> Any:
        found = load(*given, **named)
        made_anew(workspace, other, "ada", "crop")
        return found

    monkeypatch.setattr(face_table, "load", and_then)
    assert shown_and_decided(open_live(workspace)) == {"bob"}


def test_a_shard_that_was_made_anew_before_its_table_shows_no_other_face(
    project: Project, open_live: Callable[[ProjectPaths], LiveSession], other: ProjectPaths
) -> None:
    workspace = project({"ada": 6, "bob": 6})
    made_anew(workspace, other, "ada", "crop")
    assert shown_and_decided(open_live(workspace)) == {"bob"}


def test_a_shard_that_takes_a_shards_place_is_not_read_whatever_its_members_are_called(
    project: Project, open_live: Callable[[ProjectPaths], LiveSession]
) -> None:
    workspace = project({"ada": 6, "bob": 6})
    live = open_live(workspace)
    made_anew(workspace, workspace, "ada", "crop")
    assert shown_and_decided(live) == {"bob"}


def test_a_person_whose_pictures_are_erased_takes_no_verdict(
    project: Project, open_live: Callable[[ProjectPaths], LiveSession]
) -> None:
    workspace = project({"ada": 6, "bob": 6})
    live = open_live(workspace)
    for stage in face_pictures.STAGES:
        workspace.shard(stage, "ada").unlink()
    assert shown_and_decided(live) == {"bob"}


@pytest.mark.parametrize("answer", ["a", "x", "s", "k", "l age Old", "A", "X", "S"])
def test_a_terminal_that_draws_no_picture_takes_nothing_on_a_person_whose_shard_is_made_anew(
    project: Project,
    other: ProjectPaths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
) -> None:
    workspace = project({"ada": 6, "bob": 6})

    def answers() -> Generator[str]:
        for identity in ("ada", "bob"):
            made_anew(workspace, other, identity, "crop")
        yield from ["p", answer] if answer in "AXS" else [answer]

    monkeypatch.setattr(terminal, "typed_answers", answers)
    terminal.run(workspace, config.load(workspace.params), "anna", joint=False)
    assert re.search("not done: the pictures of (ada|bob) were rewritten", capsys.readouterr().out)
    assert ledger.read(workspace.review).decisions.is_empty()


def shown_and_decided(live: LiveSession) -> set[str]:
    """The persons with pictures; verdicts are taken of them alone."""
    shown = {
        face for identity in ("ada", "bob") for face in live.review_data.faces_of(identity) if _is_shown(live, face)
    }
    decided = {
        face for identity in ("ada", "bob") for face in live.review_data.faces_of(identity) if _is_decided(live, face)
    }
    assert shown == decided
    return {face.identity for face in shown}


def _is_shown(live: LiveSession, face: Key) -> bool:
    try:
        return bool(live.bytes_of(PictureRequest("crop", DATASET, face)))
    except OSError:
        return False


def _is_decided(live: LiveSession, face: Key) -> bool:
    try:
        live.pictures.check([face])
    except BadInput:
        return False
    return True
