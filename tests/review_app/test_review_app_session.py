"""A reviewer's session: what is said is in the ledger first, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from review_sessions import open_session

from mtf import config
from mtf.annotation import ledger
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.review_app import progress
from mtf.review_app.engine.face_key import Key
from mtf.review_app.fiftyone.sample_updates import sample_rows
from mtf.schemas import Step
from mtf.schemas.funnel_steps import reviewed


def written(workspace: ProjectPaths) -> pl.DataFrame:
    return ledger.read(workspace.review).decisions


def test_a_verdict_is_in_the_ledger_when_the_desk_answers(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 3})
    session, _ = open_session(workspace)
    session.accept(session.page().faces[:1])
    assert written(workspace).select("step", "verdict", "reviewer", "joint").rows() == [
        ("face", "accept", "anna", False)
    ]


def test_a_reason_of_a_later_step_is_refused_and_nothing_is_written(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 3})
    session, _ = open_session(workspace)
    with pytest.raises(BadInput, match="reason at the step face: 'blurred' is not permitted; permitted: not_a_face"):
        session.reject(session.page().faces, "blurred")
    assert written(workspace).is_empty()


def test_a_reason_of_an_earlier_step_takes_back_what_was_said_there(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 2})
    session, _ = open_session(workspace)
    session.accept(session.page().faces)
    face = session.page().faces[0]
    session.reject([face], "not_a_face")
    assert session.verdict(face, Step.FACE) == ("reject", "not_a_face")
    assert session.owed_step(face) == (None, True)


def test_a_mind_is_changed_at_the_step_that_rejected_the_face(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 2})
    session, _ = open_session(workspace)
    while session.page().step is not Step.QUALITY:
        session.accept(session.page().faces)
    face = session.page().faces[0]
    session.reject([face], "partial_face")
    assert session.step_of(face) is Step.FACE
    session.accept([face])
    assert session.verdict(face, Step.FACE) == ("accept", None)
    assert session.owed_step(face) == (Step.QUALITY, True)
    assert written(workspace).tail(2).select("step", "verdict").rows() == [("face", "reject"), ("face", "accept")]


def test_each_face_of_a_view_must_be_at_the_step_it_was_shown_at(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 3})
    session, _ = open_session(workspace)
    faces = session.page().faces
    session.accept(faces[:1])
    shown = {face: session.step_of(face) for face in faces}
    assert shown == {faces[0]: Step.IDENTITY, faces[1]: Step.FACE, faces[2]: Step.FACE}
    session.reject(faces[2:], "partial_face")
    session.accept(faces[1:2])
    with pytest.raises(BadInput, match="at the step identity by now, not at face"):
        session.accept(faces[:2], at=shown)
    assert session.accept(faces[:1], at=shown) == [faces[0]]


def test_a_key_for_a_face_that_has_gone_on_is_refused(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 2})
    session, _ = open_session(workspace)
    faces = session.page().faces
    session.accept(faces, at=Step.FACE)
    session.page()
    with pytest.raises(BadInput, match="at the step identity by now, not at face"):
        session.accept(faces, at=Step.FACE)
    assert len(written(workspace)) == 2


@pytest.mark.parametrize("verb", ["accept", "skip", "reject"])
def test_an_old_page_in_another_tab_overturns_no_verdict_and_a_view_does(
    project: Callable[..., ProjectPaths], verb: str
) -> None:
    workspace = project({"ada": 3})
    session, _ = open_session(workspace)
    faces = session.page().faces
    session.reject(faces[:1], at=Step.FACE)
    with pytest.raises(BadInput, match="this face was decided meanwhile; press n"):
        getattr(session, verb)(faces, at=Step.FACE)
    assert written(workspace)["verdict"].to_list() == ["reject"]
    session.undo()
    assert session.reject(faces[:1], at=Step.FACE) == [faces[0]]
    assert getattr(session, verb)(faces[:1], at={faces[0]: Step.FACE}) == [faces[0]]
    assert session.accept(faces[1:], at=Step.FACE) == list(faces[1:])


def test_undo_takes_back_a_whole_page_and_shows_it_again(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 4})
    session, _ = open_session(workspace)
    faces = session.page().faces
    session.reject(faces)
    assert session.page().faces == ()
    assert set(session.undo()) == set(faces)
    assert set(session.page().faces) == set(faces)
    assert session.done[Step.FACE] == 0
    with pytest.raises(BadInput, match="nothing is left to undo"):
        session.undo()


def test_the_undoing_of_a_label_leaves_the_face_at_the_step_it_is_at(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 3})
    session, _ = open_session(workspace)
    page = session.page()
    session.label(page.faces[:1], "age", "Old")
    session.undo()
    assert session.page() == page
    session.accept(page.faces[:1])
    assert written(workspace)["step"].to_list() == ["task_fit", "task_fit", "face"]
    assert written(workspace)["verdict"].to_list() == ["label", "undo", "accept"]


def test_the_undoing_of_a_reason_of_an_earlier_step_returns_the_face_to_its_own(
    project: Callable[..., ProjectPaths],
) -> None:
    workspace = project({"ada": 3})
    session, _ = open_session(workspace)
    session.accept(session.page().faces)
    faces = session.page().faces
    session.reject(faces, "not_a_face")
    assert set(session.undo()) == set(faces)
    assert session.page().step is Step.IDENTITY
    assert set(session.page().faces) == set(faces)
    session.accept(faces)
    assert written(workspace).tail(3)["step"].to_list() == ["identity"] * 3


def test_only_faces_of_the_pages_own_step_are_put_back_on_it(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 20})
    session, _ = open_session(workspace)
    first = session.page().faces
    session.accept(first)
    session.label(first[:1], "age", "Old")
    before = session.page()
    assert before.step is Step.FACE
    session.undo()
    assert session.page() == before
    assert session.undo() == list(first)
    assert session.page().faces == (*first, *before.faces)
    assert session.page().step is Step.FACE
    assert session.open_faces(Step.FACE) == 20


def test_a_face_without_rivals_is_no_longer_asked_about_duplicates(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 2}, groups={"ada": [[0, 1]]})
    session, _ = open_session(workspace)
    while session.page().step is not Step.DUPLICATE:
        session.accept(session.page().faces)
    one, other = session.page().faces
    session.reject([one], "blurred")
    assert (session.page().step, session.page().faces) == (Step.TASK_FIT, (other,))


def test_what_is_open_is_what_is_owed_whatever_left_the_page_and_whatever_was_decided_off_it(
    project: Callable[..., ProjectPaths],
) -> None:
    workspace = project({"ada": 20, "bob": 2}, groups={"bob": [[0, 1]]})
    session, review_data = open_session(workspace)
    page = session.page().faces
    off_page = [face for face in review_data.faces_of("ada") if face not in page][:2]

    def is_true(step: Step) -> int:
        owed = int((session.owed()[0] == reviewed().index(step)).sum())
        assert session.open_faces(step) == owed
        return owed

    assert is_true(Step.FACE) == 22
    session.accept(page[:1])
    assert is_true(Step.FACE) == 21
    session.skip(page[1:2])
    assert is_true(Step.FACE) == 21
    session.reject(off_page)
    assert is_true(Step.FACE) == 19
    while session.page().step is not Step.DUPLICATE:
        session.accept(session.page().faces)
    assert is_true(Step.DUPLICATE) == 2
    session.reject(session.page().faces[:1], "blurred")
    assert is_true(Step.DUPLICATE) == 0


def test_a_skipped_face_comes_after_all_others_of_its_step(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 20})
    session, _ = open_session(workspace)
    skipped = session.page().faces[:1]
    session.skip(skipped)
    seen = []
    while session.page().step is Step.FACE and session.page().faces != skipped:
        seen += session.page().faces
        session.accept(session.page().faces)
    assert len(seen) == 19
    assert session.page().faces == skipped


def test_what_was_undone_is_open_again_for_the_next_sitting(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 4})
    session, _ = open_session(workspace)
    session.accept(session.page().faces[:3])
    session.undo()
    session.accept(session.page().faces[:1])
    session.close()
    again, _ = open_session(workspace)
    assert len(again.page().faces) == 3


def test_a_correction_of_a_label_leaves_the_face_in_the_queue(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 2})
    session, _ = open_session(workspace)
    face = session.page().faces[0]
    session.label([face], "age", "Old")
    assert face in session.page().faces
    assert written(workspace)["labels"].to_list() == [[{"column": "age", "label": "Old"}]]
    with pytest.raises(BadInput, match="label age: 'Ancient' is not permitted; permitted: Young, Old"):
        session.label([face], "age", "Ancient")


def test_a_label_of_a_face_of_a_view_moves_neither_the_face_nor_the_page(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 20})
    session, review_data = open_session(workspace)
    rejected, gone_on = session.page().faces[:2]
    session.reject([rejected])
    session.accept([gone_on])
    page, left = session.page(), session.open_faces(Step.FACE)
    assert session.label([rejected, gone_on], "age", "Old") == [rejected, gone_on]
    assert written(workspace).tail(2).select("step", "verdict").rows() == [("task_fit", "label")] * 2
    assert [session.votes.label(review_data.row(face), "age") for face in (rejected, gone_on)] == ["Old", "Old"]
    assert (session.page(), session.open_faces(Step.FACE)) == (page, left)
    assert [session.step_of(face) for face in (rejected, gone_on)] == [Step.FACE, Step.IDENTITY]
    assert session.verdict(rejected, Step.FACE) == ("reject", "not_a_face")
    session.undo()
    assert session.votes.label(review_data.row(gone_on), "age") is None
    assert session.page() == page


def test_the_proposed_keeper_stands_first_and_keeping_it_rejects_its_rivals(
    project: Callable[..., ProjectPaths],
) -> None:
    workspace = project({"ada": 4}, groups={"ada": [[1, 2, 3]]})
    session, review_data = open_session(workspace)
    while session.page().step is not Step.DUPLICATE:
        session.accept(session.page().faces)
    group = session.page().faces
    keeper = review_data.faces.filter("proposed_keeper").row(0, named=True)
    assert len(group) == 3
    assert group[0].face_id == keeper["face_id"]
    assert len(session.keep(group[:1])) == 3
    assert [session.verdict(face, Step.DUPLICATE)[0] for face in group] == ["keep", "reject", "reject"]


def test_nobody_is_told_what_others_said_before_they_said_it_themselves(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 2})
    for reviewer, verdict in (("ben", "accept"), ("cyd", "reject")):
        session, _ = open_session(workspace, reviewer)
        getattr(session, verdict)(session.page().faces)
        session.close()
    anna, review_data = open_session(workspace, "anna")
    assert len(anna.page().faces) == 2
    assert set(sample_rows(anna, review_data, dataset="x")["panel"]) == {None}
    anna.skip(anna.page().faces)
    assert set(sample_rows(anna, review_data, dataset="x")["panel"]) == {None}
    told, review_data = open_session(workspace, "ben")
    assert set(sample_rows(told, review_data, dataset="x")["panel"]) == {"undecided"}


def test_the_joint_session_is_about_conflicts_alone_and_settles_them(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 3})
    for reviewer, rejected in (("anna", 0), ("ben", 1)):
        session, _ = open_session(workspace, reviewer)
        faces = sorted(session.page().faces)
        session.reject(faces[: 1 + rejected])
        session.accept(faces[1 + rejected :])
        session.close()
    raw = config.load(workspace.params)
    workspace.params.write_text(workspace.params.read_text().replace("reviewers: 3", "reviewers: 2"))
    assert raw.curate.reviewers == 3
    joint, _ = open_session(workspace, "anna", joint=True)
    assert joint.page().faces == (faces[1],)
    joint.accept(joint.page().faces)
    joint.close()
    assert joint.page().faces == ()
    assert written(workspace).filter("joint")["verdict"].to_list() == ["accept"]
    after, _ = open_session(workspace, "ben")
    assert {(face.face_id, after.page().step) for face in after.page().faces} == {
        (faces[1].face_id, Step.IDENTITY),
        (faces[2].face_id, Step.IDENTITY),
    }


def three_say(workspace: ProjectPaths, accepted_by: list[set[int]]) -> list[Key]:
    """Three reviewers accept so many of ada's faces, by number, and reject the others; the faces, sorted."""
    faces: list[Key] = []
    for reviewer, accepted in zip(("anna", "ben", "cyd"), accepted_by, strict=True):
        session, _ = open_session(workspace, reviewer)
        faces = sorted(session.page().faces)
        for number, face in enumerate(faces):
            (session.accept if number in accepted else session.reject)([face])
        session.close()
    return faces


def test_a_panel_of_three_meets_over_every_split_vote_and_the_majority_stands_until_it_did(
    project: Callable[..., ProjectPaths],
) -> None:
    workspace = project({"ada": 4})
    faces = three_say(workspace, [{0, 1, 2}, {0, 1}, {0}])
    status = progress.measure(workspace, config.load(workspace.params))
    assert status.conflicts["face"] == 2
    assert status.held_back["face"] == 0
    joint, review_data = open_session(workspace, "ben", joint=True)
    assert set(joint.page().faces) == {faces[1], faces[2]}
    assert "face: 3 of 3 reviewers decided: 1 accept, 2 reject" in review_data.conflicts_of(faces[2])
    outcomes = dict(review_data.outcomes.select("face_id", "outcome").iter_rows())
    assert [outcomes[face.face_id] for face in faces] == ["accept", "accept", "reject", "reject"]
    joint.accept([faces[2]])
    joint.close()
    after, review_data = open_session(workspace, "anna")
    settled = dict(review_data.settled.select("face_id", "verdict").iter_rows())
    assert [settled[face.face_id] for face in faces] == ["accept", "accept", "accept", "reject"]
    assert set(after.page().faces) == {faces[0], faces[1], faces[2]}
    again, _ = open_session(workspace, "cyd", joint=True)
    assert again.page().faces == (faces[1],)
    assert progress.measure(workspace, config.load(workspace.params)).conflicts["face"] == 1


def everyone_accepts(workspace: ProjectPaths, labels: dict[str, str | None]) -> None:
    """The reviewers accept all faces at every step, and correct the age of the first to what each says."""
    for reviewer, age in labels.items():
        session, _ = open_session(workspace, reviewer)
        while (page := session.page()).faces:
            if page.step is Step.TASK_FIT and age:
                session.label(sorted(page.faces)[:1], "age", age)
            session.accept(page.faces)
        session.close()


def test_the_joint_session_settles_the_labels_that_the_panel_is_split_on(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 2})
    everyone_accepts(workspace, {"anna": "Old", "ben": None, "cyd": None})
    status = progress.measure(workspace, config.load(workspace.params))
    assert status.label_conflicts["age"] == 1
    assert "split on labels: 1 on age" in progress.as_text(status)
    joint, review_data = open_session(workspace, "ben", joint=True)
    (face,) = joint.page().faces
    assert (joint.page().step, joint.page().label) == (Step.TASK_FIT, "age")
    assert "age: 2 Young, 1 Old of 3 reviewers" in review_data.conflicts_of(face)
    with pytest.raises(BadInput, match="the panel is split on the label age of this face: give the label"):
        joint.accept([face])
    joint.label([face], "age", "Old")
    assert joint.page().faces == ()
    assert joint.undo() == [face]
    assert joint.page().faces == (face,)
    joint.label([face], "age", "Old")
    joint.close()
    said = written(workspace).filter("joint")
    assert said["verdict"].to_list() == ["label", "undo", "label"]
    _, review_data = open_session(workspace, "anna")
    assert review_data.label_outcomes.select("label", "decided_by").rows() == [("Old", "joint")]
    assert review_data.conflicts.is_empty()


def test_a_label_of_a_face_that_the_panel_rejected_is_no_matter(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 1})
    for reviewer in ("anna", "ben", "cyd"):
        session, _ = open_session(workspace, reviewer)
        while (page := session.page()).faces:
            if page.step is not Step.TASK_FIT:
                session.accept(page.faces)
                continue
            if reviewer == "anna":
                session.label(page.faces, "age", "Old")
            (session.accept if reviewer == "anna" else session.reject)(page.faces)
        session.close()
    _, review_data = open_session(workspace, "anna", joint=True)
    assert review_data.conflicts["column"].to_list() == [None]


def test_ones_own_corrections_are_shown_and_nobody_elses(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 2})
    everyone_accepts(workspace, {"anna": "Old", "ben": None})
    anna, review_data = open_session(workspace, "anna")
    assert sorted(sample_rows(anna, review_data, dataset="x")["own_age"].to_list(), key=str) == [None, "Old"]
    ben, review_data = open_session(workspace, "ben")
    assert sample_rows(ben, review_data, dataset="x")["own_age"].to_list() == [None, None]


def test_cropping_with_another_margin_orphans_no_decision(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 5})
    before, review_data = open_session(workspace)
    before.accept(before.page().faces[:3])
    before.reject(before.page().faces)
    before.close()
    names = set(review_data.faces["face_id"])
    workspace = project({"ada": 5}, margin_px=10)
    after, review_data = open_session(workspace)
    assert names.isdisjoint(review_data.faces["face_id"])
    assert after.done[Step.FACE] == 5
    assert after.page().step is Step.IDENTITY
    assert len(after.page().faces) == 3


def test_the_status_counts_what_is_done_and_what_is_open(project: Callable[..., ProjectPaths], tmp_path: Path) -> None:
    workspace = project({"ada": 6})
    for reviewer in ("anna", "ben", "cyd"):
        session, _ = open_session(workspace, reviewer)
        faces = sorted(session.page().faces)
        session.reject(faces[:2])
        session.accept(faces[2:])
        session.close()
    status = progress.measure(workspace, config.load(workspace.params))
    assert [(one.name, one.done["face"], one.open_faces["identity"]) for one in status.reviewers] == [
        ("anna", 6, 4),
        ("ben", 6, 4),
        ("cyd", 6, 4),
    ]
    assert status.agreement["face"]["raw"] == 1.0
    assert sum(status.conflicts.values()) == 0
    text = progress.as_text(status)
    assert "Fleiss' kappa" in text
    assert text.partition("two votes or more")[2].split()[:4] == ["6", "faces", "0", "faces"]
    assert status.silent == 0


def test_the_status_says_how_many_of_the_panel_have_not_begun(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 2})
    session, _ = open_session(workspace, "anna")
    session.accept(session.page().faces)
    session.close()
    status = progress.measure(workspace, config.load(workspace.params))
    assert status.silent == 2
    assert "(2 of the panel of 3 have decided nothing yet)" in progress.as_text(status)
