"""Of each group of duplicates one face stays, whatever the reviewers say of the copies one by one."""

from __future__ import annotations

import json
from collections.abc import Callable

import polars as pl
import pytest
from review_sessions import open_session

from mtf import config
from mtf.annotation import ledger
from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger import LedgerWriter
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import curate
from mtf.review_app import progress
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.schemas import EXCLUSIONS, Reason, Step, read

GROUP = {"ada": [[1, 2, 3]]}


def group_of(review_data: ReviewData) -> list[Key]:
    grouped = review_data.faces.filter(pl.col("duplicate_group").is_not_null())
    return sorted(Key(*names) for names in grouped.select("identity", "face_id").iter_rows())


def accept_up_to(session: ReviewSession, step: Step) -> None:
    while session.page().step not in (step, None):
        session.accept(session.page().faces)


def each_keeps_another(workspace: ProjectPaths) -> list[Key]:
    """Three reviewers go through the funnel, and each names another keeper of the group."""
    for number, reviewer in enumerate(("anna", "ben", "cyd")):
        session, review_data = open_session(workspace, reviewer)
        accept_up_to(session, Step.DUPLICATE)
        session.keep([group_of(review_data)[number]])
        while session.page().faces:
            session.accept(session.page().faces)
        session.close()
    return group_of(review_data)


def curated(workspace: ProjectPaths) -> tuple[dict, pl.DataFrame]:
    curate.run(workspace, config.load(workspace.params))
    return json.loads(workspace.metrics("curate").read_text()), read(
        EXCLUSIONS, workspace.table("curate", "exclusions")
    )


def test_where_each_keeps_another_the_group_is_held_back_and_the_joint_session_names_one(
    project: Callable[..., ProjectPaths],
) -> None:
    workspace = project({"ada": 4}, groups=GROUP)
    group = each_keeps_another(workspace)
    metrics, exclusions = curated(workspace)
    assert metrics["held_back"]["conflict"] == 3
    assert metrics["steps"]["duplicate"]["dropped"] == {"conflict": 3}
    detail = "3 of 3 reviewers decided: 1 keep, 2 reject; no face of its group would stay"
    assert set(exclusions.filter(reason="conflict")["detail"]) == {detail}

    status = progress.measure(workspace, config.load(workspace.params))
    assert (status.conflicts["duplicate"], status.held_back["duplicate"]) == (3, 3)
    joint, _ = open_session(workspace, "ben", joint=True)
    assert set(joint.page().faces) == set(group)
    joint.keep([group[0]])
    joint.close()
    metrics, exclusions = curated(workspace)
    assert metrics["held_back"]["conflict"] == 0
    assert metrics["steps"]["duplicate"]["dropped"] == {"near_duplicate": 2}
    assert progress.measure(workspace, config.load(workspace.params)).held_back["duplicate"] == 0


def at_duplicates(project: Callable[..., ProjectPaths]) -> tuple[ReviewSession, list[Key], ProjectPaths]:
    workspace = project({"ada": 4}, groups=GROUP)
    session, review_data = open_session(workspace)
    accept_up_to(session, Step.DUPLICATE)
    return session, group_of(review_data), workspace


@pytest.mark.parametrize("reason", [None, "near_duplicate"])
def test_all_of_a_group_cannot_be_rejected_as_duplicates(
    project: Callable[..., ProjectPaths], reason: str | None
) -> None:
    session, group, workspace = at_duplicates(project)
    before = ledger.read(workspace.review).decisions.height
    with pytest.raises(BadInput, match="one of a group of duplicates has to stay: keep one"):
        session.reject(session.page().faces, reason)
    assert ledger.read(workspace.review).decisions.height == before
    session.reject(group[:1], reason)
    session.reject(group[1:2], reason)
    with pytest.raises(BadInput, match="one of a group of duplicates has to stay"):
        session.reject(group[2:], reason)
    session.reject(group[2:], "blurred")
    assert session.verdict(group[2], Step.QUALITY) == ("reject", "blurred")


def test_of_two_keepers_the_latest_choice_is_the_one(project: Callable[..., ProjectPaths]) -> None:
    session, group, _ = at_duplicates(project)
    session.keep(group[:1])
    session.accept(group[:1], at=Step.TASK_FIT)
    assert set(session.keep(group[1:2])) == set(group[:2])
    assert [session.verdict(face, Step.DUPLICATE)[0] for face in group] == ["reject", "keep", "reject"]
    session.undo()
    assert [session.verdict(face, Step.DUPLICATE)[0] for face in group] == ["keep", "reject", "reject"]


def test_a_copy_that_was_accepted_as_none_stays_when_another_is_kept(project: Callable[..., ProjectPaths]) -> None:
    session, group, _ = at_duplicates(project)
    session.accept(group[:1])
    session.keep(group[1:2])
    assert [session.verdict(face, Step.DUPLICATE)[0] for face in group] == ["accept", "keep", "reject"]


def test_copies_of_a_keeper_that_is_rejected_for_another_reason_are_held_back(
    project: Callable[..., ProjectPaths],
) -> None:
    workspace = project({"ada": 4}, groups=GROUP)
    for reviewer in ("anna", "ben"):
        session, review_data = open_session(workspace, reviewer)
        group = group_of(review_data)
        accept_up_to(session, Step.DUPLICATE)
        session.keep(group[:1])
        session.reject(group[:1], "blurred")
        session.close()
    _, exclusions = curated(workspace)
    reasons = dict(exclusions.select("face_id", "reason").iter_rows())
    assert [reasons[face.face_id] for face in group] == ["blurred", "conflict", "conflict"]


@pytest.mark.parametrize("joint", [False, True])
def test_a_file_that_calls_a_whole_group_duplicates_settles_nothing(
    project: Callable[..., ProjectPaths], *, joint: bool
) -> None:
    workspace = project({"ada": 4}, groups=GROUP)
    each_keeps_another(workspace)
    _, review_data = open_session(workspace)
    group = group_of(review_data)
    for reviewer in ("anna", "ben", "cyd"):
        with LedgerWriter(workspace.review, reviewer) as writer:
            for face in group:
                image_id, box = review_data.place(face)
                fields = {"image_id": image_id, "box": box, "identity": face.identity, "step": Step.DUPLICATE}
                rejected = {"verdict": Verdict.REJECT, "reason": Reason.NEAR_DUPLICATE, "reviewer": reviewer}
                writer.append(Decision(**fields, **rejected, joint=joint))
    session, review_data = open_session(workspace, "anna", joint=True)
    assert set(session.page().faces) == set(group)
    assert review_data.conflicts.filter(step="duplicate").height == 3


def test_the_last_of_its_group_is_no_duplicate_though_the_others_are_gone(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 4}, groups=GROUP)
    _, review_data = open_session(workspace)
    *others, last = group_of(review_data)
    screened = workspace.table("screen", "screening")
    for path in (screened, workspace.table("crop", "faces")):
        table = pl.read_parquet(path)
        table.filter(~pl.col("face_id").is_in([each.face_id for each in others])).write_parquet(path)
    session, review_data = open_session(workspace)
    assert review_data.rivals(last) == []
    accept_up_to(session, Step.DUPLICATE)
    with pytest.raises(BadInput, match="one of a group of duplicates has to stay"):
        session.reject([last], "near_duplicate")
