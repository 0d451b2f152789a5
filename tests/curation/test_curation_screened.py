"""The mode `screened`: what the machine's limits keep, and for which reason each other face goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from made_faces import Face, face_id, params, project

from mtf.config import Screened
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import curate

GOOD = [Face(f"good {number}") for number in range(5)]
LIMITS = {
    "min_size_px": 80,
    "min_sharpness": 40.0,
    "brightness": [60.0, 200.0],
    "max_clipped_share": 0.1,
    "min_eyes": 1,
    "max_not_photograph": 0.5,
    "max_identity_distance": 0.6,
}


def screened(root: Path, faces: list[Face], **changes: Any) -> ProjectPaths:
    workspace = project(root / "project", faces)
    curate.run(workspace, params(curate={"mode": "screened", "screened": LIMITS | changes}))
    return workspace


def table(workspace: ProjectPaths, name: str) -> pl.DataFrame:
    return pl.read_parquet(workspace.table("curate", name))


COMPONENT_LIMITS = {
    "min_eyes_visible": 0.5,
    "min_mouth_occlusion_prevention": 0.5,
    "max_head_pose_yaw": 45.0,
    "max_head_pose_pitch": 30.0,
    "min_inter_eye_distance": 40.0,
    "min_under_exposure_prevention": 0.75,
    "min_over_exposure_prevention": 0.75,
}


@pytest.mark.parametrize(
    ("measured", "reason", "detail"),
    [
        ({"eyes_visible": 0.25}, "obstructed", "eyes_visible 0.25, at least 0.5 wanted"),
        ({"mouth_occlusion_prevention": 0.25}, "obstructed", "mouth_occlusion_prevention 0.25, at least 0.5 wanted"),
        ({"head_pose_yaw": -50.0}, "turned_away", "head_pose_yaw -50.0, at least -45 and at most 45 wanted"),
        ({"head_pose_pitch": 31.0}, "turned_away", "head_pose_pitch 31.0, at least -30 and at most 30 wanted"),
        ({"inter_eye_distance": 39.0}, "too_small", "inter_eye_distance 39.0, at least 40 wanted"),
        (
            {"under_exposure_prevention": 0.5},
            "badly_exposed",
            "under_exposure_prevention 0.5, at least 0.75 wanted",
        ),
        ({"over_exposure_prevention": 0.5}, "badly_exposed", "over_exposure_prevention 0.5, at least 0.75 wanted"),
    ],
)
def test_a_limit_on_a_quality_component_holds_only_where_it_is_set(
    tmp_path: Path, measured: dict[str, float], reason: str, detail: str
) -> None:
    faces = [*GOOD, Face("odd", screening=measured)]
    assert table(screened(tmp_path / "without", faces), "exclusions").is_empty()
    workspace = screened(tmp_path / "with", faces, **COMPONENT_LIMITS)
    (gone,) = table(workspace, "exclusions").iter_rows(named=True)
    assert (gone["face_id"], gone["step"], gone["reason"]) == (face_id("odd"), "quality", reason)
    assert gone["detail"] == detail


@pytest.mark.parametrize(
    ("measured", "step", "reason", "detail"),
    [
        ({"size_px": 79}, "quality", "too_small", "size_px 79.0, at least 80 wanted"),
        ({"sharpness": 39.5}, "quality", "blurred", "sharpness 39.5, at least 40 wanted"),
        ({"brightness": 59.0}, "quality", "badly_exposed", "brightness 59.0, at least 60 and at most 200 wanted"),
        ({"brightness": 201.0}, "quality", "badly_exposed", "brightness 201.0, at least 60 and at most 200 wanted"),
        ({"clipped_share": 0.125}, "quality", "badly_exposed", "clipped_share 0.125, at most 0.1 wanted"),
        ({"eyes": 0}, "quality", "obstructed", "eyes 0.0, at least 1 wanted"),
        ({"not_photograph": 0.75}, "quality", "not_a_photograph", "not_photograph 0.75, at most 0.5 wanted"),
        ({"identity_distance": 0.75}, "identity", "wrong_person", "identity_distance 0.75, at most 0.6 wanted"),
        ({"size_px": 10, "eyes": 0}, "quality", "too_small", "size_px 10.0, at least 80 wanted"),
    ],
)
def test_a_face_outside_a_limit_goes_for_that_reason(
    tmp_path: Path, measured: dict[str, float], step: str, reason: str, detail: str
) -> None:
    workspace = screened(tmp_path, [*GOOD, Face("odd", screening=measured)])
    assert set(table(workspace, "curated")["face_id"]) == {face.face_id for face in GOOD}
    (gone,) = table(workspace, "exclusions").iter_rows(named=True)
    assert (gone["face_id"], gone["step"], gone["reason"]) == (face_id("odd"), step, reason)
    assert (gone["decided_by"], gone["detail"]) == ("automatic", detail)


def test_a_face_at_its_limits_stays_and_so_does_one_without_a_distance(tmp_path: Path) -> None:
    edge = {"size_px": 80, "sharpness": 40.0, "brightness": 60.0, "eyes": 1, "not_photograph": 0.5}
    faces = [*GOOD, Face("edge", screening=edge), Face("no distance", screening={"identity_distance": None})]
    workspace = screened(tmp_path, faces)
    assert set(table(workspace, "curated")["face_id"]) == {face.face_id for face in faces}
    assert table(workspace, "curated")["decided_by"].unique().to_list() == ["automatic"]


def test_one_of_each_group_of_duplicates_stays(tmp_path: Path) -> None:
    exact = {"exact_group": face_id("a"), "near_group": face_id("a")}
    near = {"near_group": face_id("a")}
    across = {"across_group": face_id("good 0")}
    faces = [
        *GOOD,
        Face("a", screening=exact | {"size_px": 100}),
        Face("b", screening=exact | {"size_px": 100, "sharpness": 60.0}),
        Face("c", screening=near | {"size_px": 120}),
        Face("d", screening=across),
    ]
    workspace = screened(tmp_path, faces)
    assert set(table(workspace, "curated")["face_id"]) == {face.face_id for face in [*GOOD, faces[7]]}
    reasons = dict(table(workspace, "exclusions").select("face_id", "reason").iter_rows())
    assert reasons == {
        face_id("a"): "exact_duplicate",
        face_id("b"): "near_duplicate",
        face_id("d"): "several_people",
    }


def test_with_proposals_the_proposed_person_stays_whatever_the_distance(tmp_path: Path) -> None:
    like = {"cluster": 0, "likeness": 1.5, "identity_distance": 0.9}
    faces = [
        *(Face(f"like {number}", screening=like) for number in range(5)),
        Face("stranger", screening={"cluster": 1, "likeness": -0.25, "identity_distance": 0.0}),
        Face("alone", identity="bob", screening={"cluster": 0, "likeness": None}),
    ]
    workspace = screened(tmp_path, faces)
    assert set(table(workspace, "curated")["face_id"]) == {face.face_id for face in faces[:5]}
    gone = {row["face_id"]: row for row in table(workspace, "exclusions").iter_rows(named=True)}
    assert {row["reason"] for row in gone.values()} == {"wrong_person"}
    assert gone[face_id("stranger")]["detail"] == "likeness -0.25 to the proposed person, above 0 wanted"
    assert gone[face_id("alone")]["detail"] == "no two shots of this identity show the same person"


def test_a_shot_found_for_several_people_stays_with_the_one_whose_person_it_is_like(tmp_path: Path) -> None:
    def shared(name: str, identity: str, likeness: float, group: str) -> Face:
        return Face(name, identity, screening={"across_group": face_id(group), "cluster": 0, "likeness": likeness})

    faces = [
        *GOOD,
        shared("hers", "ada", 2.0, "hers"),
        shared("not his", "bob", -2.0, "hers"),
        shared("both", "ada", 2.0, "both"),
        shared("both, too", "bob", 2.0, "both"),
    ]
    workspace = screened(tmp_path, faces)
    reasons = dict(table(workspace, "exclusions").select("face_id", "reason").iter_rows())
    assert reasons == {face_id(name): "several_people" for name in ("not his", "both", "both, too")}


def test_limits_come_before_duplicates_so_that_a_group_keeps_a_face_that_passes(tmp_path: Path) -> None:
    group = {"near_group": face_id("large")}
    faces = [
        *GOOD,
        Face("large", screening=group | {"size_px": 150, "eyes": 0}),
        Face("small", screening=group | {"size_px": 90}),
    ]
    workspace = screened(tmp_path, faces)
    assert face_id("small") in set(table(workspace, "curated")["face_id"])


def test_people_have_no_say_and_the_legal_steps_hold(tmp_path: Path) -> None:
    bad = Face("bad", evidence={"license": "CC-BY-NC-4.0"})
    workspace = screened(tmp_path, [*GOOD, bad, Face("few", identity="bob")])
    reasons = dict(table(workspace, "exclusions").select("face_id", "reason").iter_rows())
    assert reasons == {bad.face_id: "license_not_permitted", face_id("few"): "too_few_images"}


def test_limits_that_cross_are_refused() -> None:
    with pytest.raises(BadInput, match=r"curate\.screened: brightness: the first value must be below the second"):
        params(curate={"screened": {"brightness": [200.0, 100.0]}})
    assert Screened().brightness == (50.0, 205.0)
