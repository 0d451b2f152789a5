"""Last look: pairs of duplicates found by eye become groups for the whole panel, in the room and in the funnel."""

from __future__ import annotations

import cv2
import numpy as np
import polars as pl
import pytest
from review_sessions import open_session
from reviewed_project import a_project

from mtf import config
from mtf.annotation import ledger, pairs
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import curate
from mtf.review_app import contact_sheet, last_look_terminal
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.face_pictures import Pictures, stamps
from mtf.review_app.engine.last_look import LastLook, by_likeness
from mtf.review_app.engine.last_look_session import LastLookSession
from mtf.review_app.engine.loading import load_review_data
from mtf.review_app.engine.review_data import ReviewData
from mtf.schemas import Step

PANEL = ("anna", "bert", "cleo")


@pytest.fixture
def workspace(tmp_path) -> ProjectPaths:
    """Two people, of whom the panel accepted every face."""
    workspace = a_project(tmp_path, {"ada": 6, "bea": 6})
    for reviewer in PANEL:
        session, _ = open_session(workspace, reviewer)
        while (page := session.page()).faces:
            session.accept(page.faces, at=page.step)
        session.close()
    return workspace


def data_of(workspace: ProjectPaths) -> ReviewData:
    return load_review_data(workspace, config.load(workspace.params))[0]


def pair_of(workspace: ProjectPaths, reviewer: str = "anna") -> tuple[Key, Key]:
    look = LastLook(workspace, data_of(workspace), reviewer)
    page = look.page()
    assert page is not None
    look.group(*page.faces[:2])
    look.close()
    return page.faces[0], page.faces[1]


def test_two_faces_that_one_reviewer_groups_are_asked_of_everybody_and_one_of_them_goes(workspace):
    one, other = pair_of(workspace)
    for reviewer in PANEL:
        session, review_data = open_session(workspace, reviewer)
        page = session.page()
        assert (page.step, set(page.faces)) == (Step.DUPLICATE, {one, other})
        assert review_data.rivals(one) == [other]
        session.keep([one], at=page.step)
        session.close()
    curate.run(workspace, config.load(workspace.params))
    gone = pl.read_parquet(workspace.table("curate", "exclusions")).filter(identity="ada")
    assert gone.select("face_id", "step", "reason", "decided_by").rows() == [
        (other.face_id, "duplicate", "near_duplicate", "panel 3/3")
    ]


def test_a_pair_that_is_taken_back_leaves_everything_as_it_was(workspace):
    before = data_of(workspace)
    look = LastLook(workspace, before, "anna")
    page = look.page()
    assert page is not None
    look.group(*page.faces[:2])
    shown = look.page()
    assert shown is not None
    assert [set(pair) for pair in shown.grouped] == [set(page.faces[:2])]
    look.undo()
    with pytest.raises(BadInput, match="no pair"):
        look.undo()
    look.close()
    assert pairs.read(workspace.review) == []
    assert data_of(workspace).faces.equals(before.faces)


def test_a_person_is_looked_over_once_and_again_when_a_face_was_added(workspace):
    look = LastLook(workspace, data_of(workspace), "anna")
    assert look.left == 2
    seen = []
    while (page := look.page()) is not None:
        seen.append(page.identity)
        look.finish()
    look.close()
    assert seen == ["ada", "bea"]
    assert LastLook(workspace, data_of(workspace), "anna").page() is None
    lines = next(workspace.review.glob("anna/looks/*.jsonl"))
    lines.write_text(lines.read_text().replace(page_face := data_of(workspace).faces_of("bea")[0].face_id, "0" * 32))
    again = LastLook(workspace, data_of(workspace), "anna").page()
    assert again is not None
    assert again.identity == "bea"
    assert page_face in {face.face_id for face in again.faces}


def test_a_pair_joins_the_groups_that_its_faces_are_in_already(tmp_path):
    workspace = a_project(tmp_path, {"ada": 5}, groups={"ada": [[0, 1], [2, 3]]})
    faces = data_of(workspace).faces
    by_group = faces.filter(pl.col("near_group").is_not_null()).group_by("near_group").first().sort("near_group")
    first, second = by_group.rows(named=True)
    pair = pairs.Pair(
        reviewer="anna",
        identity="ada",
        image_id=first["image_id"],
        box=(first["x"], first["y"], first["width"], first["height"]),
        other_image_id=second["image_id"],
        other_box=(second["x"], second["y"], second["width"], second["height"]),
    )
    joined = pairs.grouped(faces, [pair], box_iou=0.5)["near_group"]
    assert joined.null_count() == 1
    assert joined.drop_nulls().unique().to_list() == [min(first["near_group"], second["near_group"])]


def test_faces_that_are_alike_stand_side_by_side(workspace):
    data = data_of(workspace)
    random = np.random.default_rng(0)
    middles = np.eye(4)[[0, 1, 0, 2, 1, 2]]
    vectors = np.vstack([middles + random.normal(0, 0.01, (6, 4)), np.zeros((6, 4))])
    data.embeddings = (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)).astype(np.float16)
    order = [data.row(face) for face in by_likeness(data, np.arange(7))]
    assert order[-1] == 6
    assert sorted(sorted(order[start : start + 2]) for start in (0, 2, 4)) == [[0, 2], [1, 4], [3, 5]]


def test_in_the_room_a_rejection_groups_faces_and_a_person_is_finished_once_all_were_seen(workspace):
    votes = ledger.read(workspace.review).decisions.height
    session = LastLookSession(workspace, data_of(workspace), "anna")
    page = session.page()
    assert (page.step, page.together, len(page.faces)) == (Step.DUPLICATE, "ada", 6)
    assert page.question_about("Ada") == "Which of these faces of Ada are the same shot?"
    first, second, third, *others = page.faces
    with pytest.raises(BadInput, match="mark the faces"):
        session.reject([first])
    assert session.reject([first, second, third], "near_duplicate", at=page.step) == [first, second, third]
    assert session.page().faces == tuple(others)
    assert len(pairs.read(workspace.review)) == 2
    session.undo()
    assert pairs.read(workspace.review) == []
    assert session.page().faces == page.faces
    session.reject([first, second])
    session.accept([third])
    session.accept(others)
    assert session.page().together == "bea"
    assert session.left == 1
    with pytest.raises(BadInput, match="nothing about this person"):
        session.undo()
    session.accept(session.page().faces)
    assert session.page().step is None
    session.close()
    assert ledger.read(workspace.review).decisions.height == votes
    (pair,) = pairs.read(workspace.review)
    assert pair.faces == {data_of(workspace).place(first), data_of(workspace).place(second)}


def test_in_the_terminal_two_numbers_make_a_pair_and_the_sheet_shows_every_face(workspace, capsys):
    seen = stamps(workspace)
    data = data_of(workspace)
    look = LastLook(workspace, data, "anna")
    pictures = Pictures(workspace, data, seen=seen, max_pixels=10**8)
    sheets = []

    def show(page):
        sheets.append(contact_sheet.contact_sheet([pictures.crop(face) for face in page.faces]))
        return workspace.root / "sheet.jpg"

    first = look.page()
    answers = iter(["9 9", "1 3", "d", "q"])
    last_look_terminal.review(look, answers=answers, show=show, check=pictures.check)
    look.close()
    out = capsys.readouterr().out
    assert "'9 9' is no answer" in out
    assert "1 and 3 are duplicates" in out
    assert "bea: 6 accepted faces; 1 people left" in out
    (pair,) = pairs.read(workspace.review)
    assert pair.faces == {data.place(first.faces[0]), data.place(first.faces[2])}
    pixels = cv2.imdecode(np.frombuffer(sheets[0], np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape[:2] == (
        contact_sheet.TILE_PX + contact_sheet.NUMBER_PX,
        8 * contact_sheet.TILE_PX,
    )
