"""The certification: blind questions, one at a time, whose answers are no votes."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
import typer.testing
from review_sessions import NoScreen
from reviewed_project import with_curated

from mtf import config
from mtf.cli import app
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.curation import certificate
from mtf.review_app import certification, terminal
from mtf.review_app.engine import loading

Project = Callable[..., ProjectPaths]
LOOKS = 0.02


def curated(project: Project) -> tuple[ProjectPaths, config.Params]:
    """A project whose people are all in the curated set but the last, whom the panel rejected."""
    workspace = with_curated(project({"ada": 8, "bob": 7}))
    return workspace, config.load(workspace.params)


def planned(workspace: ProjectPaths, params: config.Params, **options: bool) -> str:
    given = {"anew": False, "writes": True} | options
    return certification.planned(workspace, params, max_share=LOOKS, allowed=0, **given)


def answer(workspace: ProjectPaths, params: config.Params, *keys: str) -> None:
    review_data, plan, _ = loading.load_certification(workspace, params)
    session = loading.certification_session(workspace, review_data, plan, "dora")
    terminal.review(session, review_data, answers=iter(keys), screen=NoScreen(), permitted=terminal.CERTIFICATE_ANSWERS)
    session.close()


def test_all_answers_give_a_bound_and_none_of_them_is_a_vote(project: Project) -> None:
    workspace, params = curated(project)
    planned(workspace, params)
    answer(workspace, params, *["a"] * 20)
    found = certificate.read(workspace, params)
    assert found is not None
    assert (found.bound, found.looks, found.wrong) == (0.0, 14, 0)
    assert loading.load_review_data(workspace, params)[0].votes.is_empty()
    assert "another person than named" in certification.result(workspace, params)


def test_who_stops_goes_on_where_they_stopped(project: Project) -> None:
    workspace, params = curated(project)
    planned(workspace, params)
    answer(workspace, params, "a", "x", "s", "q")
    found = certificate.read(workspace, params)
    assert found is not None
    assert found.bound is None
    assert found.open >= 12
    assert planned(workspace, params).splitlines()[-1].startswith("Open: the sample of ")
    answer(workspace, params, *["a"] * 20)
    finished = certificate.read(workspace, params)
    assert finished is not None
    assert finished.open == 0


def test_an_answer_can_be_undone(project: Project) -> None:
    workspace, params = curated(project)
    planned(workspace, params)
    answer(workspace, params, "x", "u", *["a"] * 20)
    found = certificate.read(workspace, params)
    assert found is not None
    assert found.wrong == 0


def test_an_undone_question_comes_back_alone(project: Project) -> None:
    workspace, params = curated(project)
    planned(workspace, params)
    review_data, plan, _ = loading.load_certification(workspace, params)
    session = loading.certification_session(workspace, review_data, plan, "dora")
    first = session.page()
    session.accept(first.faces, at=first.step)
    assert session.page().faces != first.faces
    session.undo()
    assert (session.page().faces, session.page().run) == (first.faces, first.run)
    session.close()


def test_a_question_tells_nothing_of_the_panel(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    workspace, params = curated(project)
    planned(workspace, params)
    answer(workspace, params, *["a"] * 20)
    shown = capsys.readouterr().out
    assert shown.count("Is this ") == 15  # one rejected face is mixed in
    assert not any(word in shown for word in ("panel", "rejected", "decoy", "stratum", "likely"))


def test_each_asks_about_one_face_and_those_asked_are_in_another_order_than_the_tables(project: Project) -> None:
    workspace, params = curated(project)
    planned(workspace, params)
    review_data, plan, _ = loading.load_certification(workspace, params)
    votes = review_data.votes_by("dora")
    page, open_faces = plan.next_page(votes)
    assert len(page.faces) == 1
    assert open_faces["identity"] == 15
    assert sum(open_faces.values()) == 15


def test_a_changed_set_needs_a_new_certificate(project: Project) -> None:
    workspace, params = curated(project)
    planned(workspace, params)
    path = workspace.table("curate", "curated")
    pl.read_parquet(path).head(13).write_parquet(path)
    with pytest.raises(BadInput, match="no certificate of this data set is planned"):
        loading.load_certification(workspace, params)
    text = planned(workspace, params)
    assert "which is invalid now" in text
    assert "Drawn: 13 faces at random" in text


def test_the_plan_alone_writes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, _ = curated(project)
    monkeypatch.chdir(workspace.root)
    shown = typer.testing.CliRunner().invoke(app, ["review", "certify", "--reviewer", "dora", "--plan"])
    assert shown.exit_code == 0
    assert shown.output.startswith("14 faces in the curated set; looks for at most 2.00% wrong people (95%)")
    assert not workspace.certificate.exists()


def test_without_a_curated_set_one_line_says_what_to_do(project: Project) -> None:
    workspace = project({"ada": 2})
    with pytest.raises(BadInput, match=r"build/curate/curated\.parquet: no such file; run `dvc repro`"):
        planned(workspace, config.load(workspace.params))


def test_the_plan_promises_no_bound_that_the_wrong_ones_found_exceed_already(project: Project) -> None:
    workspace, params = curated(project)
    text = certification.planned(workspace, params, max_share=0.1, allowed=1, anew=False, writes=False)
    assert "  14 looks, if at most 1 of them turns out wrong\n" in text
    assert "  no number of looks, if more turn out wrong: 2 are 14.29% already" in text
    assert "if none of them turns out wrong" in text


def test_a_certificate_in_a_terminal_offers_no_answer_without_a_meaning(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, params = curated(project)
    planned(workspace, params)
    answer(workspace, params, "k", "l age Old", "A", "p", "a", "q")
    said = capsys.readouterr().out
    assert "x: no, another person" in said
    assert "keep" not in said
    assert "whole page" not in said
    assert said.count("is no answer") == 4
