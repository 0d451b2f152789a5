"""A reviewer's desk: what is said is in the ledger first, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from mtf import params
from mtf.errors import BadInput
from mtf.review import ledger
from mtf.room import progress
from mtf.room.desk import Desk
from mtf.room.material import Material
from mtf.room.opening import desk_of, material_of
from mtf.room.shown import sample_rows
from mtf.tables import Step
from mtf.workspace import Workspace


def opened(workspace: Workspace, reviewer: str = "anna", *, joint: bool = False) -> tuple[Desk, Material]:
    material, _ = material_of(workspace, params.load(workspace.params))
    return desk_of(workspace, material, reviewer, joint=joint), material


def written(workspace: Workspace) -> pl.DataFrame:
    return ledger.read(workspace.review).decisions


def test_a_verdict_is_in_the_ledger_when_the_desk_answers(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 3})
    desk, _ = opened(workspace)
    desk.accept(desk.page().faces[:1])
    assert written(workspace).select("step", "verdict", "reviewer", "joint").rows() == [
        ("face", "accept", "anna", False)
    ]


def test_a_reason_of_a_later_step_is_refused_and_nothing_is_written(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 3})
    desk, _ = opened(workspace)
    with pytest.raises(BadInput, match="reason at the step face: 'blurred' is not permitted; permitted: not_a_face"):
        desk.reject(desk.page().faces, "blurred")
    assert written(workspace).is_empty()


def test_a_reason_of_an_earlier_step_takes_back_what_was_said_there(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 2})
    desk, material = opened(workspace)
    desk.accept(desk.page().faces)
    face = desk.page().faces[0]
    desk.reject([face], "not_a_face")
    assert desk.verdict(face, Step.FACE) == ("reject", "not_a_face")
    assert desk.owed(["ada"]).filter(face_id=face.face_id)["step"].to_list() == [None]
    assert len(material.faces) == 2


def test_a_key_for_a_face_that_has_gone_on_is_refused(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 2})
    desk, _ = opened(workspace)
    faces = desk.page().faces
    desk.accept(faces, at=Step.FACE)
    desk.page()
    with pytest.raises(BadInput, match="at the step identity by now, not at face"):
        desk.accept(faces, at=Step.FACE)
    assert len(written(workspace)) == 2


def test_undo_takes_back_a_whole_page_and_shows_it_again(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 4})
    desk, _ = opened(workspace)
    faces = desk.page().faces
    desk.reject(faces)
    assert desk.page().faces == ()
    assert set(desk.undo()) == set(faces)
    assert set(desk.page().faces) == set(faces)
    assert desk.done[Step.FACE] == 0
    with pytest.raises(BadInput, match="nothing of this sitting is left to undo"):
        desk.undo()


def test_what_was_undone_is_open_again_for_the_next_sitting(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 4})
    desk, _ = opened(workspace)
    desk.accept(desk.page().faces[:3])
    desk.undo()
    desk.accept(desk.page().faces[:1])
    desk.close()
    again, _ = opened(workspace)
    assert len(again.page().faces) == 3


def test_a_correction_of_a_label_leaves_the_face_in_the_queue(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 2})
    desk, _ = opened(workspace)
    face = desk.page().faces[0]
    desk.label([face], "age", "Old")
    assert face in desk.page().faces
    assert written(workspace)["labels"].to_list() == [[{"column": "age", "label": "Old"}]]
    with pytest.raises(BadInput, match="label age: 'Ancient' is not permitted; permitted: Young, Old"):
        desk.label([face], "age", "Ancient")


def test_the_proposed_keeper_stands_first_and_keeping_it_rejects_its_rivals(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 4}, groups={"ada": [[1, 2, 3]]})
    desk, material = opened(workspace)
    while desk.page().step is not Step.DUPLICATE:
        desk.accept(desk.page().faces)
    group = desk.page().faces
    keeper = material.faces.filter("proposed_keeper").row(0, named=True)
    assert len(group) == 3
    assert group[0].face_id == keeper["face_id"]
    assert len(desk.keep(group[:1])) == 3
    assert [desk.verdict(face, Step.DUPLICATE)[0] for face in group] == ["keep", "reject", "reject"]


def test_nobody_is_told_what_others_said_before_they_said_it_themselves(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 2})
    for reviewer, verdict in (("ben", "accept"), ("cyd", "reject")):
        desk, _ = opened(workspace, reviewer)
        getattr(desk, verdict)(desk.page().faces)
        desk.close()
    anna, material = opened(workspace, "anna")
    assert len(anna.page().faces) == 2
    assert set(sample_rows(anna, material, dataset="x")["panel"]) == {None}
    told, material = opened(workspace, "ben")
    assert set(sample_rows(told, material, dataset="x")["panel"]) == {"undecided"}


def test_the_joint_session_is_about_conflicts_alone_and_settles_them(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 3})
    for reviewer, rejected in (("anna", 0), ("ben", 1)):
        desk, _ = opened(workspace, reviewer)
        faces = sorted(desk.page().faces)
        desk.reject(faces[: 1 + rejected])
        desk.accept(faces[1 + rejected :])
        desk.close()
    raw = params.load(workspace.params)
    workspace.params.write_text(workspace.params.read_text().replace("reviewers: 3", "reviewers: 2"))
    assert raw.curate.reviewers == 3
    joint, _ = opened(workspace, "anna", joint=True)
    assert joint.page().faces == (faces[1],)
    joint.accept(joint.page().faces)
    joint.close()
    assert joint.page().faces == ()
    assert written(workspace).filter("joint")["verdict"].to_list() == ["accept"]
    after, _ = opened(workspace, "ben")
    assert {(face.face_id, after.page().step) for face in after.page().faces} == {
        (faces[1].face_id, Step.IDENTITY),
        (faces[2].face_id, Step.IDENTITY),
    }


def test_cropping_with_another_margin_orphans_no_decision(project: Callable[..., Workspace]) -> None:
    workspace = project({"ada": 5})
    before, material = opened(workspace)
    before.accept(before.page().faces[:3])
    before.reject(before.page().faces)
    before.close()
    names = set(material.faces["face_id"])
    workspace = project({"ada": 5}, margin_px=10)
    after, material = opened(workspace)
    assert names.isdisjoint(material.faces["face_id"])
    assert after.done[Step.FACE] == 5
    assert after.page().step is Step.IDENTITY
    assert len(after.page().faces) == 3


def test_the_status_counts_what_is_done_and_what_is_open(project: Callable[..., Workspace], tmp_path: Path) -> None:
    workspace = project({"ada": 6})
    for reviewer in ("anna", "ben", "cyd"):
        desk, _ = opened(workspace, reviewer)
        faces = sorted(desk.page().faces)
        desk.reject(faces[:2])
        desk.accept(faces[2:])
        desk.close()
    status = progress.measure(workspace, params.load(workspace.params))
    assert [(one.name, one.done["face"], one.open_faces["identity"]) for one in status.reviewers] == [
        ("anna", 6, 4),
        ("ben", 6, 4),
        ("cyd", 6, 4),
    ]
    assert status.agreement["face"]["raw"] == 1.0
    assert sum(status.conflicts.values()) == 0
    assert "Fleiss' kappa" in progress.as_text(status)
