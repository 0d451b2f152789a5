"""The pictures of an open room: what is shown of a face is that face, whatever becomes of the shards meanwhile."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from mtf import config
from mtf.annotation import ledger
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.review_app import terminal
from mtf.review_app.engine import face_pictures, face_table
from mtf.review_app.engine.face_pictures import Asked
from mtf.review_app.engine.loading import desk_of, read
from mtf.review_app.engine.review_data import Key
from mtf.review_app.fiftyone.live_session import LiveSession
from mtf.review_app.fiftyone.samples import sample_id
from mtf.schemas import takedown_file

Project = Callable[..., ProjectPaths]
DATASET = "sample-anna"


class NoDatabase:
    def bulk_write(self, *_: Any, **__: Any) -> None:
        """What the screen would show is not asked here."""


@pytest.fixture
def opened() -> Generator[Callable[[ProjectPaths], LiveSession]]:
    rooms: list[LiveSession] = []

    def open_(workspace: ProjectPaths) -> LiveSession:
        reading = read(workspace, config.load(workspace.params), "anna", joint=False)
        desk = desk_of(workspace, reading.material, "anna", joint=False, check=reading.pictures.check)
        rooms.append(LiveSession(reading.material, reading.pictures, desk, DATASET, NoDatabase()))
        return rooms[-1]

    yield open_
    for room in rooms:
        room.close()


def made_anew(workspace: ProjectPaths, other: ProjectPaths, identity: str, stage: str) -> None:
    """The identity's shard is written anew, from the pictures of another project; the tables are not yet."""
    beside = workspace.shard(stage, identity).with_suffix(".new")
    shutil.copy(other.shard(stage, identity), beside)
    beside.replace(workspace.shard(stage, identity))


def test_a_person_who_is_taken_down_is_neither_shown_nor_decided_any_more(
    project: Project, opened: Callable[[ProjectPaths], LiveSession]
) -> None:
    workspace = project({"ada": 3, "bob": 3})
    room = opened(workspace)
    ada, bob = room.material.faces_of("ada")[0], room.material.faces_of("bob")[0]
    request = "2026-01-02T03:04:05Z,identity,ada,asked,ada,"
    workspace.takedowns.write_text(",".join(takedown_file.COLUMNS) + "\n" + request + "\n")
    with pytest.raises(BadInput, match="ada was taken down while the room was open"):
        room.desk.accept([ada])
    with pytest.raises(KeyError):
        room.bytes_of(Asked("crop", DATASET, ada))
    assert room.desk.accept([bob]) == [bob]
    assert room.bytes_of(Asked("crop", DATASET, bob))


def test_nothing_new_is_written_of_who_was_taken_down_be_it_an_undo_or_a_keepers_rival(
    project: Project, opened: Callable[[ProjectPaths], LiveSession]
) -> None:
    workspace = project({"ada": 3}, groups={"ada": [[0, 1]]})
    room = opened(workspace)
    pair = [face for face in room.material.faces_of("ada") if room.material.rivals(face)]
    room.desk.accept(pair)
    room.desk.accept(pair)
    room.desk.accept(pair)
    before = ledger.read(workspace.review).decisions.height
    image_id, _ = room.material.place(pair[1])
    request = f"2026-01-02T03:04:05Z,image_id,{image_id},asked,ada,"
    workspace.takedowns.write_text(",".join(takedown_file.COLUMNS) + "\n" + request + "\n")
    line = "ada was taken down while the room was open"
    with pytest.raises(BadInput, match=line):
        room.desk.keep(pair[:1])
    with pytest.raises(BadInput, match=line):
        room.desk.undo()
    assert ledger.read(workspace.review).decisions.height == before == 6


@pytest.fixture
def other(tmp_path: Path, project: Project) -> ProjectPaths:
    """The same identities, each with the other one's pictures."""
    made = project({"bob": 6, "ada": 6})
    return ProjectPaths(made.root.rename(tmp_path / "other"))


def test_a_picture_is_of_a_face_of_the_reviewers_own_data_set_and_a_face_is_named_once(
    project: Project, opened: Callable[[ProjectPaths], LiveSession]
) -> None:
    room = opened(project({"ada": 2, "bob": 1}))
    face, other = room.material.faces_of("ada")
    with pytest.raises(KeyError):
        room.bytes_of(Asked("crop", "sample-ben", face))
    with pytest.raises(KeyError):
        room.bytes_of(Asked("crop", DATASET, Key("bob", face.face_id)))
    named = [sample_id(*face), sample_id(*other), f"{sample_id(*face)}-modal"]
    assert room.named(named) == [face, other]
    with pytest.raises(BadInput, match="this sample is not a face of the review"):
        room.named([sample_id(*face), "0" * 24])


def test_a_terminal_names_a_shard_that_was_never_there(
    project: Project, opened: Callable[[ProjectPaths], LiveSession]
) -> None:
    workspace = project({"ada": 2})
    workspace.shard("crop", "ada").unlink()
    room = opened(workspace)
    with pytest.raises(BadInput, match=r"crop/shards/ada\.tar: No such file or directory; run the stage that makes it"):
        terminal._picture(room.pictures)(room.material.faces_of("ada")[0])


@pytest.mark.parametrize("stage", face_pictures.STAGES)
def test_a_person_whose_shard_is_made_anew_has_no_pictures_and_takes_no_verdict(
    project: Project, opened: Callable[[ProjectPaths], LiveSession], other: ProjectPaths, stage: str
) -> None:
    workspace = project({"ada": 6, "bob": 6})
    room = opened(workspace)
    ada, bob = (room.material.faces_of(name) for name in ("ada", "bob"))
    kinds = {"crop": ("crop", "person"), "crawl": ("picture",)}[stage]
    before = [room.bytes_of(Asked(kind, DATASET, face)) for kind in kinds for face in bob]
    made_anew(workspace, other, "ada", stage)
    for kind in kinds:
        for face in ada:
            with pytest.raises(OSError, match=r"ada\.tar: made anew since the room was opened"):
                room.bytes_of(Asked(kind, DATASET, face))
    line = "the pictures of ada were made anew while the room was open; open it again"
    for face in ada:
        with pytest.raises(BadInput, match=f"^{line}$"):
            room.desk.skip([bob[0], face])
    assert [room.bytes_of(Asked(kind, DATASET, face)) for kind in kinds for face in bob] == before
    assert ledger.read(workspace.review).decisions.is_empty()
    assert room.desk.skip(bob) == bob
    assert room.named([sample_id(*ada[0])]) == ada[:1]
    with pytest.raises(BadInput, match=line):
        terminal._picture(room.pictures)(ada[0])


def test_a_shard_that_is_made_anew_while_the_tables_are_read_is_noticed(
    project: Project,
    opened: Callable[[ProjectPaths], LiveSession],
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
    assert shown_and_taken(opened(workspace)) == {"bob"}


def test_a_shard_that_was_made_anew_before_its_table_shows_no_other_face(
    project: Project, opened: Callable[[ProjectPaths], LiveSession], other: ProjectPaths
) -> None:
    workspace = project({"ada": 6, "bob": 6})
    made_anew(workspace, other, "ada", "crop")
    assert shown_and_taken(opened(workspace)) == {"bob"}


def test_a_shard_that_takes_a_shards_place_is_not_read_whatever_its_members_are_called(
    project: Project, opened: Callable[[ProjectPaths], LiveSession]
) -> None:
    workspace = project({"ada": 6, "bob": 6})
    room = opened(workspace)
    made_anew(workspace, workspace, "ada", "crop")
    assert shown_and_taken(room) == {"bob"}


def test_a_person_whose_pictures_are_erased_takes_no_verdict(
    project: Project, opened: Callable[[ProjectPaths], LiveSession]
) -> None:
    workspace = project({"ada": 6, "bob": 6})
    room = opened(workspace)
    for stage in face_pictures.STAGES:
        workspace.shard(stage, "ada").unlink()
    assert shown_and_taken(room) == {"bob"}


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
        yield answer

    monkeypatch.setattr(terminal, "_answers", answers)
    terminal.run(workspace, config.load(workspace.params), "anna", joint=False)
    assert re.search("not done: the pictures of (ada|bob) were made anew", capsys.readouterr().out)
    assert ledger.read(workspace.review).decisions.is_empty()


def shown_and_taken(room: LiveSession) -> set[str]:
    """The persons with pictures; verdicts are taken of them alone."""
    shown = {face for identity in ("ada", "bob") for face in room.material.faces_of(identity) if _is_shown(room, face)}
    taken = {face for identity in ("ada", "bob") for face in room.material.faces_of(identity) if _is_taken(room, face)}
    assert shown == taken
    return {face.identity for face in shown}


def _is_shown(room: LiveSession, face: Key) -> bool:
    try:
        return bool(room.bytes_of(Asked("crop", DATASET, face)))
    except OSError:
        return False


def _is_taken(room: LiveSession, face: Key) -> bool:
    try:
        room.pictures.check([face])
    except BadInput:
        return False
    return True
