"""Which faces are worth a look, and what is shown beside them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

from mtf import config, schemas
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine import face_table, triage
from mtf.review_app.engine.loading import load_review_data, session_of
from mtf.review_app.fiftyone.sample_updates import sample_rows
from mtf.schemas import Step


def loaded(workspace: ProjectPaths) -> pl.DataFrame:
    return face_table.load(workspace, config.load(workspace.params), today=datetime.now(UTC).date())


@pytest.mark.parametrize(("accepts", "shown"), [("false", 3), ("true", 4)])
def test_a_picture_without_a_record_is_shown_where_curation_permits_it(
    project: Callable[..., ProjectPaths], accepts: str, shown: int
) -> None:
    workspace = project({"ada": 4})
    path = workspace.table("crawl", "evidence")
    schemas.write(schemas.EVIDENCE, schemas.read(schemas.EVIDENCE, path).tail(3), path)
    text = workspace.params.read_text()
    assert "accept_unstated: false" in text
    workspace.params.write_text(text.replace("accept_unstated: false", f"accept_unstated: {accepts}"))
    assert loaded(workspace).height == shown


def doubted(workspace: ProjectPaths) -> str:
    """A face of which the label classifier doubts two labels."""
    face = schemas.read(schemas.FACES, workspace.table("crop", "faces"))["face_id"][0]
    doubts = (("gender", "Females", "Males", 0.93), ("age", "Young", "Old", 0.71))
    rows = [
        {"identity": "ada", "face_id": face, "attribute": attribute, "roster_label": roster}
        | {"predicted": predicted, "confidence": confidence}
        for attribute, roster, predicted, confidence in doubts
    ]
    schemas.write(schemas.HINTS, rows, workspace.table("label", "hints"))
    return face


def test_what_the_label_classifier_doubts_is_said_beside_the_face(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 3})
    assert loaded(workspace)["contradicts"].to_list() == [None] * 3
    face = doubted(workspace)
    said = "age: Young on the roster, Old predicted (0.71); gender: Females on the roster, Males predicted (0.93)"
    assert loaded(workspace).filter(face_id=face).select("contradicts", "contradiction").row(0) == (
        said,
        pytest.approx(0.93),
    )
    review_data, _ = load_review_data(workspace, config.load(workspace.params))
    session = session_of(workspace, review_data, "anna", joint=False)
    shown = sample_rows(session, review_data, dataset="x")
    assert shown.filter(face_id=face)["contradicts"].to_list() == [said]
    session.close()


def test_a_shot_that_stands_under_two_names_says_the_other(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 2, "bob": 2, "cyd": 1})
    path = workspace.table("screen", "screening")
    screening = schemas.read(schemas.SCREENING, path).sort("identity", "face_id")
    ada, _, bob, _, cyd = screening["face_id"]
    shared = pl.col("face_id").is_in([ada, bob, cyd])
    schemas.write(schemas.SCREENING, screening.with_columns(across_group=pl.when(shared).then(pl.lit(ada))), path)
    said = {ada: "Bob; Cyd", bob: "Ada; Cyd", cyd: "Ada; Bob"}
    assert dict(loaded(workspace).select("face_id", "also_under").drop_nulls().iter_rows()) == said
    review_data, _ = load_review_data(workspace, config.load(workspace.params))
    session = session_of(workspace, review_data, "anna", joint=False)
    shown = sample_rows(session, review_data, dataset="x")
    assert shown.filter(face_id=bob)["also_under"].to_list() == ["Ada; Cyd"]
    session.close()


def test_a_doubted_face_comes_last_at_the_tasks_while_nothing_is_learnt_yet(
    project: Callable[..., ProjectPaths],
) -> None:
    workspace = project({"ada": 3})
    face = doubted(workspace)
    table = loaded(workspace).with_columns(identity_distance=pl.lit(0.5))
    rated = triage.rate(table, pl.Series([None] * 3, dtype=pl.Float64).to_numpy(), step=Step.TASK_FIT)
    assert rated.sort("score")["face_id"][0] == face
