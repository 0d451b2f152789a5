"""Model of the panel in a project: spared third votes, what decides each curated face, and who is told what."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from reviewed_project import a_project

from mtf import config
from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger import LedgerWriter
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import curate
from mtf.report.consensus_section import consensus
from mtf.review_app.engine import panel_model
from mtf.review_app.engine.loading import load_review_data, plan_of
from mtf.schemas import Reason, Step, funnel_steps

FACES = 60


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory) -> ProjectPaths:
    """Two people with FACES faces each: anna and bert accept all but ten of each, on which they agree; cleo said
    nothing.
    """
    workspace = a_project(tmp_path_factory.mktemp("panel"), {"ada": FACES, "bea": FACES})
    for reviewer in ("anna", "bert"):
        vote(workspace, reviewer, steps=(Step.FACE,))
    return workspace


def vote(workspace: ProjectPaths, reviewer: str, *, steps: tuple[str, ...], rejects: int = 10) -> None:
    review_data, _ = load_review_data(workspace, config.load(workspace.params))
    lines = []
    for identity in ("ada", "bea"):
        for number, face in enumerate(review_data.faces_of(identity)):
            image_id, box = review_data.place(face)
            fields = {"image_id": image_id, "box": box, "identity": identity, "reviewer": reviewer}
            if number < rejects:
                verdict = {"verdict": Verdict.REJECT, "reason": Reason.NOT_A_FACE, "step": Step.FACE}
                lines.append(Decision(**fields, **verdict))
            else:
                lines += [Decision(**fields, verdict=Verdict.ACCEPT, step=step) for step in steps]
    with LedgerWriter(workspace.review, reviewer) as writer:
        writer.append(*lines)


def open_for_cleo(workspace: ProjectPaths, **review: object) -> dict[str, int]:
    params = config.load(workspace.params).model_copy(update={"review": config.Review(**review)})
    review_data, _ = load_review_data(workspace, params)
    return plan_of(review_data, joint=False).counted(review_data.votes_by("cleo"))


def test_the_third_is_not_asked_where_two_agree_and_the_model_is_sure(reviewed):
    spared = open_for_cleo(reviewed)
    review_data, _ = load_review_data(reviewed, config.load(reviewed.params))
    of_all = [face for face in review_data.faces["face_id"] if int(face[:2], 16) < 0.1 * 256]
    assert 0 < len(of_all) < FACES / 2
    assert spared["face"] == len(of_all)
    assert spared["identity"] > FACES
    assert open_for_cleo(reviewed, third_votes="always")["face"] == 2 * FACES


def test_the_third_is_asked_while_there_are_too_few_votes_for_a_model(reviewed, monkeypatch):
    monkeypatch.setattr(panel_model, "MIN_COMPARED", 2 * FACES + 1)
    assert open_for_cleo(reviewed)["face"] == 2 * FACES


def test_each_curated_face_says_what_decided_and_how_sure_that_is(tmp_path):
    workspace = a_project(tmp_path, {"ada": FACES, "bea": FACES})
    for reviewer in ("anna", "bert", "cleo"):
        vote(workspace, reviewer, steps=tuple(funnel_steps.reviewed()))
    params = config.load(workspace.params)
    curate.run(workspace, params)
    curated = pl.read_parquet(workspace.table("curate", "curated"))
    assert curated.height == 2 * FACES - 20
    assert curated["decided_by"].unique().to_list() == ["panel 3/3"]
    assert float(np.min(curated["confidence"].to_numpy())) > 0.99
    figures = json.loads(workspace.metrics("curate").read_text())
    assert figures["consensus"]["decided_by"] == {"panel": 5 * 2 * FACES - 4 * 20, "model": 0, "joint": 0}
    assert [one["right"] > 0.99 for one in figures["consensus"]["reviewers"]] == [True] * 3
    assert "anna" not in json.dumps(figures["consensus"])
    section = consensus(figures)
    assert section is not None
    assert [row[:2] for row in section.tables[1][1].rows[:2]] == [
        ["reviewer 1", "a whole human face"],
        ["reviewer 1", "the right person"],
    ]
    by_majority = params.model_copy(update={"curate": params.curate.model_copy(update={"consensus": "majority"})})
    curate.run(workspace, by_majority)
    assert pl.read_parquet(workspace.table("curate", "curated"))["confidence"].null_count() == curated.height
    assert consensus(json.loads(workspace.metrics("curate").read_text())) is None
