"""The certificate: what is sampled, what the answers say of the set, and when it no longer holds."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from made_faces import Face, params, project

from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger import LedgerWriter
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.curation import certificate
from mtf.pipeline import curate
from mtf.schemas import Step

PARAMS = params(curate={"min_images_per_identity": 1})


def certified_project(root: Path, *, faces: int = 120, strangers: int = 8) -> tuple[ProjectPaths, dict[str, Face]]:
    """A curated project, a copy for one test, and its faces."""
    made, found = curated_project(faces, strangers)
    return ProjectPaths(shutil.copytree(made.name, root / "project")), dict(found)


@cache
def curated_project(faces: int, strangers: int) -> tuple[tempfile.TemporaryDirectory, dict[str, Face]]:
    """A project that is curated once for all tests, and its faces."""
    people = [
        Face(f"{name} {number}", identity=name, screening={"identity_distance": number / faces})
        for name in ("ada", "bob")
        for number in range(faces // 2)
    ]
    others = [Face(f"stranger {number}") for number in range(strangers)]
    decisions = [line for face in people for line in face.accepted()]
    for face in others:
        decisions += face.by_all(Verdict.ACCEPT, Step.FACE) + face.by_all("wrong_person", Step.IDENTITY)
    folder = tempfile.TemporaryDirectory(prefix="mtf-curated-project-")
    workspace = project(Path(folder.name), [*people, *others], decisions)
    curate.run(workspace, PARAMS)
    return folder, {face.face_id: face for face in [*people, *others]}


def plan_for(workspace: ProjectPaths, *, max_share: float = 0.05, seed: int = 3) -> certificate.Plan:
    faces = certificate.curated_faces(workspace, PARAMS)
    return certificate.make_plan(workspace, faces, max_share=max_share, allowed=0, seed=seed)


def sampled(workspace: ProjectPaths, plan: certificate.Plan) -> pl.DataFrame:
    return certificate.sample(workspace, certificate.curated_faces(workspace, PARAMS), plan)


def answer(
    workspace: ProjectPaths,
    faces: dict[str, Face],
    rows: pl.DataFrame,
    *,
    is_wrong: Callable[[str, int], bool] = lambda _, stratum: stratum < 0,
    reviewer: str = "dora",
) -> None:
    with LedgerWriter(workspace.certificate, reviewer) as writer:
        for _, face_id, stratum in rows.iter_rows():
            wrong = is_wrong(face_id, stratum)
            face = faces[face_id]
            writer.append(
                Decision(
                    image_id=face.image_id,
                    box=face.box,
                    identity=face.identity,
                    step=Step.IDENTITY,
                    verdict=Verdict.REJECT if wrong else Verdict.ACCEPT,
                    reason="wrong_person" if wrong else None,
                    reviewer=reviewer,
                )
            )


def read(workspace: ProjectPaths) -> certificate.Certificate:
    found = certificate.read(workspace, PARAMS)
    assert found is not None
    return found


def test_without_a_plan_there_is_no_certificate(tmp_path: Path) -> None:
    workspace, _ = certified_project(tmp_path)
    assert certificate.read(workspace, PARAMS) is None


def test_the_doubtful_faces_are_drawn_more_often_and_rejected_ones_are_mixed_in(tmp_path: Path) -> None:
    workspace, _ = certified_project(tmp_path)
    plan = plan_for(workspace)
    rows = sampled(workspace, plan)
    curated = certificate.curated_faces(workspace, PARAMS)
    shares = [
        rows.filter(pl.col("stratum") == place).height / stratum.height
        for place, stratum in enumerate(certificate.strata(curated))
    ]
    assert shares[0] > shares[1] > 0
    assert 0 < rows.filter(pl.col("stratum") < 0).height <= 8
    assert rows.select("identity", "face_id").is_unique().all()
    assert sampled(workspace, plan).equals(rows)


def test_all_right_answers_reach_the_bound_that_was_planned(tmp_path: Path) -> None:
    workspace, faces = certified_project(tmp_path)
    rows = sampled(workspace, plan_for(workspace))
    answer(workspace, faces, rows)
    found = read(workspace)
    assert found.bound is not None
    assert found.bound <= 0.05
    assert (found.wrong, found.open, found.people, found.decoys_missed) == (0, 0, 1, 0)
    assert found.decoys == rows.filter(pl.col("stratum") < 0).height
    assert certificate.in_words(found).startswith("At most ")


def test_wrong_faces_raise_the_bound_and_missed_decoys_are_counted_apart(tmp_path: Path) -> None:
    workspace, faces = certified_project(tmp_path)
    rows = sampled(workspace, plan_for(workspace))
    bad = set(rows.filter(pl.col("stratum") == 1)["face_id"].head(3))
    answer(workspace, faces, rows, is_wrong=lambda face_id, _: face_id in bad)
    found = read(workspace)
    assert found.wrong == 3
    assert found.bound is not None
    assert found.bound > 0.05
    assert found.decoys_missed == found.decoys > 0


def test_a_face_is_wrong_if_anybody_says_so_and_the_last_answer_of_each_counts(tmp_path: Path) -> None:
    workspace, faces = certified_project(tmp_path)
    rows = sampled(workspace, plan_for(workspace))
    answer(workspace, faces, rows, is_wrong=lambda *_: True)
    answer(workspace, faces, rows)
    assert read(workspace).wrong == 0
    one = rows.filter(pl.col("stratum") >= 0).head(1)
    answer(workspace, faces, one, is_wrong=lambda *_: True, reviewer="emil")
    assert (read(workspace).wrong, read(workspace).people) == (1, 2)


def test_until_all_answers_are_given_there_is_no_bound(tmp_path: Path) -> None:
    workspace, faces = certified_project(tmp_path)
    rows = sampled(workspace, plan_for(workspace)).filter(pl.col("stratum") >= 0)
    answer(workspace, faces, rows.head(5))
    found = read(workspace)
    assert (found.bound, found.looks, found.open) == (None, 5, rows.height - 5)
    assert "5" in certificate.in_words(found) or "missing" in certificate.in_words(found)


def test_answers_from_before_the_plan_do_not_count(tmp_path: Path) -> None:
    workspace, faces = certified_project(tmp_path)
    first = plan_for(workspace)
    answer(workspace, faces, sampled(workspace, first))
    plan_for(workspace, seed=4)
    assert read(workspace).looks == 0


def test_once_the_set_has_changed_it_is_invalid(tmp_path: Path) -> None:
    workspace, faces = certified_project(tmp_path)
    answer(workspace, faces, sampled(workspace, plan_for(workspace)))
    curated = certificate.curated_faces(workspace, PARAMS)
    released = certificate.read(workspace, PARAMS, curated.tail(curated.height - 1))
    assert released is not None
    assert not released.is_valid
    assert released.bound is None
    assert "invalid" in certificate.in_words(released)
    same = certificate.read(workspace, PARAMS, curated.reverse())
    assert same is not None
    assert same.is_valid


def test_groups_get_a_bound_of_their_own_where_enough_were_sampled(tmp_path: Path) -> None:
    workspace, faces = certified_project(tmp_path)
    answer(workspace, faces, sampled(workspace, plan_for(workspace, max_share=0.02)))
    found = read(workspace)
    assert {group.column for group in found.groups} == {"race", "gender", "age"}
    for group in found.groups:
        assert (group.bound is None) == (group.looks < certificate.MIN_GROUP_LOOKS)
    assert found.bound is not None
    whole = next(group for group in found.groups if group.faces == found.faces)
    assert whole.bound == pytest.approx(found.bound)


def test_the_plan_names_nobody(tmp_path: Path) -> None:
    workspace, faces = certified_project(tmp_path)
    plan_for(workspace)
    text = certificate.plan_path(workspace).read_text()
    assert not any(name in text for face in faces.values() for name in (face.identity, face.face_id, face.image_id))


@pytest.mark.parametrize("text", ["", "[]", '{"seed": 1}', '{"seed": "x"}', "\x00"])
def test_a_plan_that_is_none_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    workspace, _ = certified_project(tmp_path, faces=4, strangers=0)
    certificate.plan_path(workspace).parent.mkdir(parents=True)
    certificate.plan_path(workspace).write_text(text)
    with pytest.raises(BadInput, match=r"data/certificate/plan\.json: .*remove the file to certify anew") as refused:
        certificate.read(workspace, PARAMS)
    assert "\n" not in str(refused.value)
