"""Gold questions: planted unseen among real faces, answered apart from the ledger, and never a part of the data set."""

from __future__ import annotations

import cv2
import numpy as np
import polars as pl
import pytest
from reviewed_project import a_project

from mtf import config
from mtf.annotation import gold, ledger
from mtf.annotation.gold import GoldKind
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import curate
from mtf.release import revision_diff
from mtf.review_app import progress
from mtf.review_app.engine.face_pictures import Pictures, stamps
from mtf.review_app.engine.loading import load_review_data, session_of, with_gold
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.subject import decisions
from mtf.takedown import manual_followups


def opened(
    workspace: ProjectPaths, reviewer: str = "anna", *, gold_share: float = 0.1
) -> tuple[ReviewSession, ReviewData]:
    params = config.load(workspace.params)
    params = params.model_copy(update={"review": config.Review(gold_share=gold_share)})
    review_data, _ = load_review_data(workspace, params)
    review_data = with_gold(workspace, params, review_data, reviewer)
    return session_of(workspace, review_data, reviewer, joint=False), review_data


def is_gold(review_data: ReviewData, face: object) -> bool:
    return review_data.gold is not None and face in review_data.gold.questions


def accept_all(session: ReviewSession, pages: int = 1000) -> list[tuple]:
    """Accept page after page without looking; returns the pages' faces."""
    shown = []
    while (page := session.page()).faces and len(shown) < pages:
        shown.append(page.faces)
        session.accept(page.faces, at=page.step)
    return shown


def test_the_real_faces_come_in_the_same_order_with_gold_and_without(tmp_path):
    workspace = a_project(tmp_path, {"ada": 60, "bea": 60})
    without, _ = opened(workspace, "anna", gold_share=0.0)
    plain = [face for page in accept_all(without) for face in page]
    session, review_data = opened(workspace, "bert", gold_share=0.1)
    shown = [face for page in accept_all(session) for face in page]
    assert [face for face in shown if not is_gold(review_data, face)] == plain
    share = sum(is_gold(review_data, face) for face in shown) / len(shown)
    assert 0.05 < share < 0.15
    assert session.done == without.done


def test_answers_to_gold_lie_apart_and_no_vote_names_a_gold_picture(tmp_path):
    workspace = a_project(tmp_path, {"ada": 60, "bea": 60})
    session, review_data = opened(workspace)
    planted = {face for page in accept_all(session) for face in page if is_gold(review_data, face)}
    session.close()
    votes = ledger.read(workspace.review).decisions
    pictures = set(review_data.real.faces["image_id"])
    assert set(votes["image_id"]) <= pictures
    answers, torn = gold.read(workspace.review)
    assert not torn
    assert len(answers) == len(planted) > 0
    assert {answer.image_id for answer in answers} <= pictures
    assert all(answer.verdict == "accept" and not answer.is_right for answer in answers if not answer.stays)


def test_the_ledger_decides_the_same_with_the_gold_answers_and_without(tmp_path):
    workspace = a_project(tmp_path, {"ada": 40, "bea": 40})
    for reviewer in ("anna", "bert"):
        session, _ = opened(workspace, reviewer)
        accept_all(session, pages=4)
        session.close()
    before, _ = load_review_data(workspace, config.load(workspace.params))
    for path in workspace.review.glob("*/gold/*.jsonl"):
        path.unlink()
    after, _ = load_review_data(workspace, config.load(workspace.params))
    assert before.outcomes.equals(after.outcomes)
    assert before.matched["face_id"].null_count() == 0


def test_undo_takes_a_gold_answer_back_and_shows_the_question_again(tmp_path):
    workspace = a_project(tmp_path, {"ada": 40, "bea": 40})
    session, review_data = opened(workspace, gold_share=0.2)
    page = next(page for page in iter(session.page, None) if page)
    while not any(is_gold(review_data, face) for face in page.faces):
        session.accept(page.faces, at=page.step)
        page = session.page()
    answered = len(gold.read(workspace.review)[0])
    session.accept(page.faces, at=page.step)
    assert len(gold.read(workspace.review)[0]) > answered
    session.undo()
    assert len(gold.read(workspace.review)[0]) == answered
    assert set(session.page().faces) == set(page.faces)


def test_a_question_that_was_answered_is_not_asked_again(tmp_path):
    workspace = a_project(tmp_path, {"ada": 40, "bea": 40})
    session, review_data = opened(workspace)
    asked = {face for page in accept_all(session, pages=6) for face in page if is_gold(review_data, face)}
    session.close()
    again, review_data = opened(workspace)
    assert asked
    assert review_data.gold is not None
    assert not asked & set(review_data.gold.questions)
    assert review_data.gold.answered == len(asked)
    again.close()


def test_curation_makes_the_same_data_set_with_gold_answers_and_without(tmp_path):
    workspace = a_project(tmp_path, {"ada": 40, "bea": 40})
    for reviewer in ("anna", "bert", "cleo"):
        session, _ = opened(workspace, reviewer)
        accept_all(session)
        session.close()
    params = config.load(workspace.params)
    curate.run(workspace, params)
    tables = {path: path.read_bytes() for path in workspace.stage("curate").glob("*.parquet")}
    curated = pl.read_parquet(workspace.table("curate", "curated"))
    answers = gold.read(workspace.review)[0]
    assert curated.height == 80
    assert len(answers) > 3
    for path in workspace.review.glob("*/gold/*.jsonl"):
        path.unlink()
    curate.run(workspace, params)
    assert {path: path.read_bytes() for path in workspace.stage("curate").glob("*.parquet")} == tables


def test_the_changes_of_a_release_count_votes_and_no_gold_answers(tmp_path):
    workspace = a_project(tmp_path, {"ada": 40, "bea": 40})
    session, _ = opened(workspace)
    accept_all(session)
    session.close()
    files = {workspace.relative(path): path for path in workspace.review.rglob("*.jsonl")}
    counted = [path for name, path in files.items() if revision_diff.has_votes(name)]
    assert len(files) == 2
    assert [path.parent.name for path in counted] == ["anna"]
    assert "stranger" not in counted[0].read_text()


def test_a_persons_answer_and_an_erasure_name_the_gold_answers_on_their_pictures(tmp_path):
    workspace = a_project(tmp_path, {"ada": 40, "bea": 40})
    session, _ = opened(workspace)
    accept_all(session)
    session.close()
    shown = [answer for answer in gold.read(workspace.review)[0] if answer.source == "ada"]
    told = [line for line in decisions.about("ada", workspace.review) if "kind" in line]
    assert len(told) == len(shown) > 0
    assert {line["reviewer"] for line in told} == {"reviewer 1"}
    messages = "\n".join(manual_followups.about_remaining_records(["ada"], workspace))
    assert "data/review/anna/gold/" in messages


@pytest.mark.parametrize("kind", [GoldKind.BLURRED, GoldKind.DRAWN, GoldKind.CUT])
def test_a_made_picture_differs_from_its_source_and_is_stored_nowhere(tmp_path, kind):
    workspace = a_project(tmp_path, {"ada": 12, "bea": 12})
    before = {path: path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    seen = stamps(workspace)
    _, review_data = opened(workspace)
    assert review_data.gold is not None
    question = next(each for each in review_data.gold.questions.values() if each.kind == kind)
    pictures = Pictures(workspace, review_data, seen=seen, max_pixels=10**8)
    made, source = (
        cv2.imdecode(np.frombuffer(pictures.crop(key), np.uint8), cv2.IMREAD_COLOR)
        for key in (question.key, question.source)
    )
    assert made.shape == source.shape
    assert np.abs(made.astype(int) - source).mean() > 5
    assert {path: path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_stranger_is_a_face_of_somebody_else_under_the_name_of_the_person(tmp_path):
    workspace = a_project(tmp_path, {"ada": 12, "bea": 12})
    _, review_data = opened(workspace)
    assert review_data.gold is not None
    strangers = [each for each in review_data.gold.questions.values() if each.kind == GoldKind.STRANGER]
    assert {(each.key.identity, each.source.identity) for each in strangers} == {("ada", "bea"), ("bea", "ada")}
    row = review_data.faces.row(review_data.row(strangers[0].key), named=True)
    assert (row["name"], row["title"]) == (strangers[0].key.identity.title(), None)


def test_a_file_of_gold_answers_with_a_wrong_value_is_named_with_its_line(tmp_path):
    workspace = a_project(tmp_path, {"ada": 40, "bea": 40})
    session, _ = opened(workspace)
    accept_all(session)
    session.close()
    path = next(workspace.review.glob("*/gold/*.jsonl"))
    path.write_text(path.read_text().replace('"stays":false', '"stays":3', 1))
    with pytest.raises(Exception, match=rf"{path.name} line \d+: stays: 3 is not permitted"):
        gold.read(workspace.review)


def test_who_accepts_everything_without_looking_is_named_to_the_owner_and_nobody_else_sees_it(tmp_path, monkeypatch):
    workspace = a_project(tmp_path, {"ada": 60, "bea": 60})
    session, _ = opened(workspace)
    accept_all(session)
    session.close()
    params = config.load(workspace.params)
    text = progress.as_text(progress.measure(workspace, params))
    assert "anna overlooks exceptions:" in text
    stranger = params.model_copy(update={"review": config.Review(owner="owner@example.org")})
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.email")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "anna@example.org")
    hidden = progress.measure(workspace, stranger)
    assert hidden.ratings is None
    assert "overlooks" not in progress.as_text(hidden)
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "owner@example.org")
    assert "anna overlooks exceptions:" in progress.as_text(progress.measure(workspace, stranger))


def test_gold_rows_have_the_columns_of_the_faces(tmp_path):
    workspace = a_project(tmp_path, {"ada": 12, "bea": 12})
    _, review_data = opened(workspace)
    assert review_data.faces.schema == review_data.real.faces.schema
    assert review_data.faces["face_id"].is_duplicated().sum() == 0
    assert review_data.faces.filter(pl.col("duplicate_group").is_not_null()).is_empty()
