"""Queue: faces that a reviewer still has to judge, and their order."""

from __future__ import annotations

import polars as pl
import pytest

from mtf.review_app.engine.queue import (
    OPINIONS,
    SETTLED,
    codes_of,
    counted,
    groups_of,
    in_order,
    named,
    next_steps,
    settled_of,
)
from mtf.schemas.funnel_steps import reviewed


def some_faces(*names: str, groups: dict[str, str] | None = None) -> pl.DataFrame:
    rows = [{"identity": "ada", "face_id": name, "duplicate_group": (groups or {}).get(name)} for name in names]
    return pl.DataFrame(rows, schema={"identity": pl.String, "face_id": pl.String, "duplicate_group": pl.String})


def opinions(*rows: tuple[str, str, str]) -> pl.DataFrame:
    full = [("ada", face, step, verdict, None) for face, step, verdict in rows]
    return pl.DataFrame(full, schema=OPINIONS, orient="row")


def settled(*rows: tuple[str, str, str, bool]) -> pl.DataFrame:
    full = [("ada", face, step, verdict, None, joint) for face, step, verdict, joint in rows]
    return pl.DataFrame(full, schema=SETTLED, orient="row")


def owed(faces: pl.DataFrame, own: pl.DataFrame, panel: pl.DataFrame) -> pl.DataFrame:
    steps, ready = next_steps(codes_of(faces, own), settled_of(faces, panel), groups_of(faces))
    return faces.with_columns(step=named(steps), ready=pl.Series(ready))


def step_of(faces: pl.DataFrame) -> dict[str, str | None]:
    return dict(faces.select("face_id", "step").iter_rows())


def test_a_face_that_nobody_has_seen_is_owed_at_the_first_step() -> None:
    assert step_of(owed(some_faces("a"), opinions(), settled())) == {"a": "face"}


def test_an_accepted_face_goes_on_and_a_rejected_one_is_done() -> None:
    own = opinions(("a", "face", "accept"), ("b", "face", "reject"))
    assert step_of(owed(some_faces("a", "b"), own, settled())) == {"a": "identity", "b": None}


def test_a_skipped_face_stays_owed() -> None:
    assert step_of(owed(some_faces("a"), opinions(("a", "face", "skip")), settled())) == {"a": "face"}


def test_two_others_who_agree_spare_nobody_the_step_they_agree_on() -> None:
    panel = settled(("a", "face", "reject", False), ("b", "face", "accept", False))
    assert step_of(owed(some_faces("a", "b"), opinions(), panel)) == {"a": "face", "b": "face"}


def test_what_the_panel_rejected_is_not_carried_on() -> None:
    own, panel = opinions(("a", "face", "accept")), settled(("a", "face", "reject", False))
    assert step_of(owed(some_faces("a"), own, panel)) == {"a": None}


def test_a_reviewer_who_was_outvoted_goes_on_with_the_panel() -> None:
    own, panel = opinions(("a", "face", "reject")), settled(("a", "face", "accept", False))
    assert step_of(owed(some_faces("a"), own, panel)) == {"a": "identity"}


def test_a_joint_verdict_is_owed_by_nobody() -> None:
    panel = settled(("a", "face", "accept", True), ("b", "face", "reject", True))
    assert step_of(owed(some_faces("a", "b"), opinions(), panel)) == {"a": "identity", "b": None}


@pytest.mark.parametrize(("groups", "expected"), [({}, "task_fit"), ({"a": "g", "b": "g"}, "duplicate")])
def test_only_a_face_in_a_group_is_asked_about_duplicates(groups: dict[str, str], expected: str) -> None:
    own = opinions(*((face, step, "accept") for face in "ab" for step in ("face", "identity", "quality")))
    assert step_of(owed(some_faces("a", "b", groups=groups), own, settled())) == {"a": expected, "b": expected}


def test_a_group_waits_for_its_members_and_a_member_without_rivals_goes_on() -> None:
    faces = some_faces("a", "b", groups={"a": "g", "b": "g"})
    arrived = [("a", step, "accept") for step in ("face", "identity", "quality")]
    waiting = owed(faces, opinions(*arrived), settled())
    assert step_of(waiting) == {"a": "duplicate", "b": "face"}
    assert dict(waiting.select("face_id", "ready").iter_rows()) == {"a": False, "b": True}
    alone = owed(faces, opinions(*arrived, ("b", "face", "reject")), settled())
    assert step_of(alone) == {"a": "task_fit", "b": None}


def test_the_keeper_of_a_group_goes_on_to_the_tasks() -> None:
    own = opinions(
        *((face, step, "accept") for face in "ab" for step in ("face", "identity", "quality")),
        ("a", "duplicate", "keep"),
        ("b", "duplicate", "reject"),
    )
    faces = some_faces("a", "b", groups={"a": "g", "b": "g"})
    assert step_of(owed(faces, own, settled())) == {"a": "task_fit", "b": None}


def test_a_face_accepted_at_every_step_is_done() -> None:
    own = opinions(*(("a", str(step), "accept") for step in reviewed()))
    faces = some_faces("a")
    steps, _ = next_steps(codes_of(faces, own), settled_of(faces, settled()), groups_of(faces))
    assert counted(steps) == dict.fromkeys(map(str, reviewed()), 0)


def rated(*rows: tuple[str, str, str, float, str]) -> pl.DataFrame:
    names = ("identity", "face_id", "step", "score", "run")
    return pl.DataFrame(
        [dict(zip(names, row, strict=True)) | {"duplicate_group": None, "ready": True} for row in rows]
    ).with_columns(pl.col("duplicate_group").cast(pl.String))


def test_likely_accepts_and_likely_rejects_stand_together() -> None:
    faces = rated(
        ("ada", "a", "face", 0.1, "likely reject"),
        ("bob", "b", "face", 0.9, "likely accept"),
        ("ada", "c", "face", 0.5, "unsure"),
        ("ada", "d", "face", 0.95, "likely accept"),
    )
    queue = in_order(faces)
    assert queue["face_id"].to_list() == ["d", "b", "c", "a"]
    assert queue["page"].to_list() == [0, 0, 1, 2]


def test_at_the_identity_step_a_page_is_of_one_person() -> None:
    faces = rated(
        ("bob", "b", "identity", 0.9, "unsure"),
        ("ada", "a", "identity", 0.1, "unsure"),
        ("bob", "c", "identity", 0.8, "unsure"),
    )
    queue = in_order(faces)
    assert queue["face_id"].to_list() == ["a", "b", "c"]
    assert queue["page"].to_list() == [0, 1, 1]


def test_a_page_holds_no_more_than_asked_for() -> None:
    faces = rated(*(("ada", f"f{number:02d}", "face", 0.5, "unsure") for number in range(10)))
    assert in_order(faces, page_faces=4)["page"].to_list() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


def test_the_earlier_step_comes_first() -> None:
    faces = rated(("ada", "a", "quality", 0.9, "likely accept"), ("ada", "b", "face", 0.1, "likely reject"))
    assert in_order(faces)["face_id"].to_list() == ["b", "a"]
