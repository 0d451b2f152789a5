"""The stage `curate`: every face is in the data set, or out of it at one step and for one reason."""

from __future__ import annotations

import csv
import json

import polars as pl
import pytest
from made_faces import PANEL, STEPS, Face, face_id, image_id, params, project
from rich.console import Console

from mtf.annotation.decision import Verdict
from mtf.core.errors import BadInput
from mtf.curation.funnel_tables import funnel_table
from mtf.pipeline import curate
from mtf.schemas import ContractViolated, Reason, Step
from mtf.schemas.funnel_steps import review_reasons

GOOD = [Face(f"good {number}") for number in range(5)]


def _decided(*faces: Face):
    return [each for face in faces for each in face.accepted()]


def _run(tmp_path, faces, decisions=None, *, takedowns="", **sections):
    said = _decided(*faces) if decisions is None else decisions
    workspace = project(tmp_path / "project", faces, said, takedowns=takedowns)
    curate.run(workspace, params(**sections))
    return workspace


def _read(workspace, table):
    return pl.read_parquet(workspace.table("curate", table))


def _why(workspace, face: Face) -> tuple[str, str, str]:
    rows = _read(workspace, "exclusions").filter(face_id=face.face_id, identity=face.identity)
    return rows.select("step", "reason", "decided_by").row(0)


def _kept(workspace, table="curated") -> set[str]:
    return set(_read(workspace, table)["face_id"])


def _ids(*faces: Face) -> set[str]:
    return {face.face_id for face in faces}


def test_faces_that_the_panel_accepts_at_every_step_are_curated(tmp_path):
    workspace = _run(tmp_path, GOOD)
    rows = _read(workspace, "curated")
    assert set(rows["face_id"]) == _ids(*GOOD)
    assert rows["decided_by"].unique().to_list() == ["panel 3/3"]
    assert rows["license"].unique().to_list() == ["CC-BY-4.0"]
    assert rows.select("race", "gender", "age").unique().rows() == [("Blue", "Females", "Young")]
    assert _read(workspace, "exclusions").is_empty()


def test_a_face_that_the_panel_rejects_is_out_at_that_step_for_that_reason(tmp_path):
    cases = {Face(reason): (step, reason) for step, reasons in review_reasons().items() for reason in reasons}
    said = _decided(*GOOD)
    for face, (step, reason) in cases.items():
        said += face.accepted(but=[step]) + face.by_all(reason, step)
    workspace = _run(tmp_path, [*GOOD, *cases], said)
    assert {_why(workspace, face) for face in cases} == {(*case, "panel 3/3") for case in cases.values()}
    assert len(cases) == 11
    assert _kept(workspace) == _ids(*GOOD)


def test_the_first_step_that_drops_a_face_is_the_one_recorded(tmp_path):
    bad = Face("bad")
    said = bad.by_all(Reason.BLURRED, Step.QUALITY) + bad.by_all(Reason.WRONG_PERSON, Step.IDENTITY)
    workspace = _run(tmp_path, [*GOOD, bad], _decided(*GOOD) + said + bad.by_all(Verdict.ACCEPT, Step.FACE))
    assert _why(workspace, bad)[:2] == ("identity", "wrong_person")


def test_a_face_without_enough_votes_is_held_back_as_undecided(tmp_path):
    open_faces = {step: Face(f"open at {step}") for step in STEPS}
    said = _decided(*GOOD)
    for step, face in open_faces.items():
        said += [*face.accepted(but=[step]), face.said(Verdict.ACCEPT, "ann", step)]
    workspace = _run(tmp_path, [*GOOD, *open_faces.values()], said)
    for step, face in open_faces.items():
        assert _why(workspace, face) == (step, "undecided", "panel 1/1")
    metrics = json.loads(workspace.metrics("curate").read_text())
    assert metrics["held_back"] == {"undecided": len(STEPS), "conflict": 0}


def test_a_face_nobody_looked_at_is_held_back_at_the_first_step(tmp_path):
    workspace = _run(tmp_path, [*GOOD, Face("new")], _decided(*GOOD))
    assert _why(workspace, Face("new")) == ("face", "undecided", "panel 0/0")


def test_a_face_the_panel_disagrees_on_is_held_back_as_a_conflict(tmp_path):
    odd = {step: Face(f"odd at {step}") for step in review_reasons()}
    said = _decided(*GOOD)
    for step, face in odd.items():
        said += [*face.accepted(but=[step]), face.said(Verdict.ACCEPT, "ann", step)]
        said += [face.said(review_reasons()[step][0], "bea", step)]
    workspace = _run(tmp_path, [*GOOD, *odd.values()], said)
    for step, face in odd.items():
        assert _why(workspace, face) == (step, "conflict", "panel 1/2")
    metrics = json.loads(workspace.metrics("curate").read_text())
    assert metrics["held_back"] == {"undecided": 0, "conflict": len(odd)}


def test_a_joint_verdict_settles_a_conflict_and_is_named(tmp_path):
    odd = Face("odd")
    split = [odd.said(Verdict.ACCEPT, "ann", Step.FACE), odd.said(Reason.NOT_A_FACE, "bea", Step.FACE)]
    joint = odd.said(Verdict.ACCEPT, "cid", Step.FACE, joint=True, minute=9)
    workspace = _run(tmp_path, [*GOOD, odd], [*_decided(*GOOD), *odd.accepted(but=[Step.FACE]), *split, joint])
    row = _read(workspace, "curated").filter(face_id=odd.face_id)
    assert row["decided_by"].to_list() == ["joint"]


def test_a_curated_face_is_as_sure_as_its_least_agreed_step(tmp_path):
    face = Face("two of three")
    said = face.accepted(but=[Step.QUALITY])
    said += [face.said(word, name, Step.QUALITY) for word, name in zip((Verdict.ACCEPT,) * 2, PANEL, strict=False)]
    said.append(face.said(Reason.BLURRED, "cid", Step.QUALITY))
    workspace = _run(tmp_path, [*GOOD, face], _decided(*GOOD) + said)
    assert _read(workspace, "curated").filter(face_id=face.face_id)["decided_by"].to_list() == ["panel 2/3"]


def test_a_face_cropped_anew_keeps_its_decisions_and_one_gone_is_counted(tmp_path):
    said = _decided(*[Face(face.name, box=(13, 12, 104, 98)) for face in GOOD])
    gone = Face("good 0", box=(300, 200, 60, 60)).by_all(Verdict.ACCEPT, Step.FACE)
    workspace = _run(tmp_path, GOOD, said + gone)
    assert _kept(workspace) == _ids(*GOOD)
    assert json.loads(workspace.metrics("curate").read_text())["ledger"]["unmatched"] == 3


def test_the_license_policy_comes_before_the_people(tmp_path):
    cases = {
        Reason.NOT_PERMITTED: {"license": "CC-BY-NC-4.0"},
        Reason.CONTRADICTION: {"stated": "contradiction"},
        Reason.CLAIM_ONLY: {"stated": "unstated", "license": None},
        Reason.OPTED_OUT: {"opt_out": "x-robots-tag: noai"},
    }
    bad = {reason: Face(reason, evidence=evidence) for reason, evidence in cases.items()}
    workspace = _run(tmp_path, [*GOOD, *bad.values()])
    for reason, face in bad.items():
        assert _why(workspace, face) == ("license", reason, "automatic")
    assert _kept(workspace, "non_curated") == _kept(workspace) == _ids(*GOOD)


def test_a_picture_without_a_record_of_evidence_is_one_whose_source_states_nothing(tmp_path):
    workspace = project(tmp_path / "project", GOOD, _decided(*GOOD))
    path = workspace.table("crawl", "evidence")
    pl.read_parquet(path).filter(pl.col("image_id") != GOOD[0].image_id).write_parquet(path)
    curate.run(workspace, params(curate={"min_images_per_identity": 4}))
    assert _why(workspace, GOOD[0]) == ("license", "claim_only", "automatic")


def test_what_was_taken_down_is_out_first_and_the_request_is_named(tmp_path):
    requests = {
        Face("a", identity="bob"): "identity bob",
        Face("b"): f"image_id {image_id('b')}",
        Face("c", url="https://host.example/c.jpg"): "picture https://host.example/c.jpg",
        Face("d", page_url="https://host.example/d"): "page https://host.example/d",
        # The search named no page; what is stated of the picture, or a person who found its author, does.
        Face("e", evidence={"page_url": "https://host.example/e"}): "page https://host.example/e",
    }
    rows = "".join(f"2026-02-01,{request.replace(' ', ',')},asked,someone,T-1\n" for request in requests.values())
    workspace = _run(tmp_path, [*GOOD, *requests], takedowns=rows)
    details = dict(_read(workspace, "exclusions").select("face_id", "detail").rows())
    for face, request in requests.items():
        assert _why(workspace, face) == ("takedown", "taken_down", "takedown")
        assert details[face.face_id] == f"{request}; reference T-1"
    assert _kept(workspace, "non_curated") == _kept(workspace) == _ids(*GOOD)


def test_an_identity_with_too_few_images_left_is_out(tmp_path):
    few = [Face(f"few {number}", identity="bob") for number in range(4)]
    workspace = _run(tmp_path, [*GOOD, *few])
    assert _why(workspace, few[0]) == ("enough_images", "too_few_images", "automatic")
    assert _read(workspace, "exclusions")["detail"].unique().to_list() == ["4 images left, 5 needed"]
    assert _read(workspace, "curated")["identity"].unique().to_list() == ["ada"]


def _group(**members: dict) -> list[Face]:
    """Members of one near group, by name, with their measures."""
    named = face_id(min(members, key=face_id))
    return [Face(name, screening={"near_group": named} | measures) for name, measures in members.items()]


def _details(workspace) -> dict[str, tuple[str, str, str]]:
    rows = _read(workspace, "exclusions").select("face_id", "reason", "decided_by", "detail").rows()
    return {face: (reason, by, detail) for face, reason, by, detail in rows}


def test_of_near_duplicates_the_largest_is_kept_then_the_sharpest_and_the_choice_is_explained(tmp_path):
    small, large, blunt = _group(
        small={"size_px": 80, "sharpness": 900.0},
        large={"size_px": 120, "sharpness": 310.25},
        blunt={"size_px": 120, "sharpness": 120.5},
    )
    workspace = _run(tmp_path, [*GOOD, small, large, blunt])
    assert _kept(workspace) == _ids(*GOOD, large)
    found = _details(workspace)
    assert found[small.face_id] == (
        "near_duplicate",
        "automatic",
        f"kept {large.face_id}: larger, 120 px against 80 px",
    )
    assert found[blunt.face_id][2] == f"kept {large.face_id}: sharper, 310.2 against 120.5"


def test_exact_duplicates_go_without_asking(tmp_path):
    pair = [Face(name, screening={"exact_group": face_id("one")}) for name in ("one", "two")]
    workspace = _run(tmp_path, [*GOOD, *pair])
    first, second = sorted(pair, key=lambda face: face.face_id)
    assert _details(workspace)[second.face_id] == (
        "exact_duplicate",
        "automatic",
        f"kept {first.face_id}: alike in size and sharpness, the first by its id",
    )


def test_the_panel_may_name_the_keeper(tmp_path):
    small, large = _group(small={"size_px": 80}, large={"size_px": 120})
    workspace = _run(
        tmp_path, [*GOOD, small, large], _decided(*GOOD, small, large) + small.by_all(Verdict.KEEP, Step.DUPLICATE)
    )
    assert _kept(workspace) == _ids(*GOOD, small)
    assert _details(workspace)[large.face_id] == (
        "near_duplicate",
        "panel 3/3",
        f"kept {small.face_id}: named by the reviewers",
    )


def test_a_face_accepted_as_no_duplicate_stays_but_may_not_part_from_its_group(tmp_path):
    small, large = _group(small={"size_px": 80}, large={"size_px": 120})
    said = _decided(*GOOD, small, large) + small.by_all(Verdict.ACCEPT, Step.DUPLICATE)
    workspace = _run(tmp_path, [*GOOD, small, large], said)
    assert _kept(workspace) == _ids(*GOOD, small, large)
    groups = dict(_read(workspace, "curated").select("face_id", "duplicate_group").rows())
    assert groups[small.face_id] == groups[large.face_id] == min(small.face_id, large.face_id)
    assert {groups[face.face_id] for face in GOOD} == {None}


def test_one_vote_on_a_duplicate_leaves_the_choice_to_screening(tmp_path):
    small, large = _group(small={"size_px": 80}, large={"size_px": 120})
    said = [*_decided(*GOOD, small, large), small.said(Verdict.KEEP, "ann", Step.DUPLICATE)]
    assert _kept(_run(tmp_path, [*GOOD, small, large], said)) == _ids(*GOOD, large)


def test_a_face_dropped_earlier_is_no_keeper(tmp_path):
    small, large = _group(small={"size_px": 80}, large={"size_px": 120})
    said = _decided(*GOOD, small) + large.accepted(but=[Step.QUALITY]) + large.by_all(Reason.BLURRED, Step.QUALITY)
    workspace = _run(tmp_path, [*GOOD, small, large], said)
    assert _kept(workspace) == _ids(*GOOD, small)


def test_a_keeper_is_alone_and_faces_alike_across_identities_hang_together(tmp_path):
    across = {"across_group": face_id("good 0")}
    here = [Face(face.name, screening=across if face.name == "good 0" else {}) for face in GOOD]
    there = [Face(f"bob {number}", identity="bob", screening=across if number == 0 else {}) for number in range(5)]
    small, large = _group(small={"size_px": 80}, large={"size_px": 120})
    workspace = _run(tmp_path, [*here, *there, small, large])
    groups = dict(_read(workspace, "curated").select("face_id", "duplicate_group").rows())
    assert groups[face_id("good 0")] == groups[face_id("bob 0")] == min(face_id("good 0"), face_id("bob 0"))
    assert groups[large.face_id] is None


def _labelled(face: Face, label: str, *reviewers: str):
    return [face.said(Verdict.LABEL, name, Step.TASK_FIT, labels={"age": label}, minute=1) for name in reviewers]


AGE_PER_FACE = {
    "recognition": {"column": "identity"},
    "race": {"column": "race", "labels": ["Blue", "Green"]},
    "gender": {"column": "gender", "labels": ["Males", "Females"]},
    "age": {"column": "age", "labels": ["Young", "Old"], "per_identity": False},
}


def test_a_label_is_corrected_by_the_majority(tmp_path):
    said = _decided(*GOOD) + _labelled(GOOD[0], "Old", "ann", "bea") + _labelled(GOOD[1], "Old", "ann")
    workspace = _run(tmp_path, GOOD, said, tasks=AGE_PER_FACE)
    ages = dict(_read(workspace, "curated").select("face_id", "age").rows())
    assert ages[GOOD[0].face_id] == "Old"
    assert {ages[face.face_id] for face in GOOD[1:]} == {"Young"}
    assert set(_read(workspace, "non_curated")["age"]) == {"Young"}


def test_a_label_without_a_majority_is_held_back_as_a_conflict(tmp_path):
    odd = Face("odd")
    said = [*_decided(*GOOD), *odd.accepted(but=[Step.TASK_FIT]), *_labelled(odd, "Old", "ann")]
    said += [odd.said(Verdict.ACCEPT, name, Step.TASK_FIT) for name in ("bea",)]
    said += [odd.said(Verdict.ACCEPT, "ann", Step.TASK_FIT)]
    workspace = _run(tmp_path, [*GOOD, odd], said, tasks=AGE_PER_FACE)
    assert _why(workspace, odd) == ("task_fit", "conflict", "panel 1/2")
    assert _read(workspace, "exclusions")["detail"].to_list() == ["age: 1 Old, 1 Young of 3 reviewers"]


def test_a_label_of_the_person_is_that_of_most_of_their_faces(tmp_path):
    """The roster says Young of everyone; the panel says Old of all of ada's faces but one."""
    six = [*GOOD, Face("good 5")]
    said = _decided(*six) + [each for face in GOOD for each in _labelled(face, "Old", *PANEL)]
    workspace = _run(tmp_path, six, said)
    assert _read(workspace, "curated")["age"].to_list() == ["Old"] * 5
    assert _why(workspace, six[5]) == ("task_fit", "conflict", "panel 3/3")
    assert _read(workspace, "exclusions")["detail"].to_list() == [
        "age Young where most of the identity's faces have Old"
    ]


def test_the_non_curated_mode_takes_all_legal_crops_of_identities_that_have_enough(tmp_path):
    bad = Face("bad", evidence={"license": "CC-BY-NC-4.0"})
    pair = [Face(name, screening={"near_group": face_id("one")}) for name in ("one", "two")]
    few = [Face("few", identity="bob")]
    workspace = _run(tmp_path, [*GOOD, *pair, bad, *few], [], curate={"mode": "non_curated"})
    assert _kept(workspace, "non_curated") == _ids(*GOOD, *pair, *few)
    assert _kept(workspace) == _ids(*GOOD, *pair)
    rows = _read(workspace, "curated")
    assert rows["decided_by"].unique().to_list() == ["automatic"]
    tied = rows.filter(pl.col("duplicate_group").is_not_null())
    assert set(tied["face_id"]) == _ids(*pair)
    assert _why(workspace, few[0])[:2] == ("enough_images", "too_few_images")


def test_several_faces_of_one_image_are_one_image_of_the_person(tmp_path):
    """bob has five faces in four images, which is one image too few."""
    bobs = [Face(f"bob {number}", identity="bob") for number in range(4)]
    again = Face("bob again", identity="bob", image="bob 0", box=(200, 10, 100, 100))
    workspace = _run(tmp_path, [*GOOD, *bobs, again])
    assert _kept(workspace) == _ids(*GOOD)
    assert _why(workspace, again) == ("enough_images", "too_few_images", "automatic")
    assert set(_read(workspace, "exclusions")["detail"]) == {"4 images left, 5 needed"}


@pytest.mark.parametrize("mode", ["curated", "non_curated", "screened"])
def test_no_person_says_whose_a_shot_of_the_non_curated_set_is(tmp_path, mode):
    """The panel's word counts where people may be involved; what is left out without it is counted."""
    group = {"across_group": face_id("shot")}
    anns = [Face("shot", identity=name, screening=group) for name in ("ann", "bob")]
    others = [Face(f"{name} {number}", identity=name) for name in ("ann", "bob") for number in range(5)]
    said = [*_decided(*others, anns[0]), *anns[1].by_all(Reason.WRONG_PERSON, Step.IDENTITY)]
    workspace = _run(tmp_path, [*anns, *others], said, curate={"mode": mode})
    assert _kept(workspace, "non_curated") == _ids(*others)
    shots = _read(workspace, "curated").filter(face_id=face_id("shot"))["identity"].to_list()
    assert shots == ([] if mode == "non_curated" else ["ann"])
    figures = json.loads(workspace.metrics("curate").read_text())["non_curated"]
    assert (figures["faces"], figures["identities"]) == (10, 2)
    assert figures["steps"]["one_person"] == {"faces": 10, "identities": 2, "dropped": {"several_people": 2}}


@pytest.mark.parametrize("mode", ["non_curated", "screened"])
def test_a_shot_that_is_listed_for_several_people_is_nobodys(tmp_path, mode):
    group = {"across_group": face_id("shot")}
    anns = [Face("shot", identity=name, screening=group) for name in ("ann", "bob")]
    others = [Face(f"{name} {number}", identity=name) for name in ("ann", "bob") for number in range(5)]
    workspace = _run(tmp_path / "open", [*anns, *others], [], curate={"mode": mode})
    assert _kept(workspace) == _kept(workspace, "non_curated") == _ids(*others)
    rows = _read(workspace, "exclusions").select("identity", "step", "reason", "decided_by", "detail").rows()
    why = ("one_person", "several_people", "automatic", f"group {face_id('shot')} has faces of several people")
    assert rows == [("ann", *why), ("bob", *why)]


def test_people_have_no_say_in_the_non_curated_mode(tmp_path):
    said = GOOD[0].by_all(Reason.NOT_A_FACE, Step.FACE) + _labelled(GOOD[1], "Old", *PANEL)
    workspace = _run(tmp_path, GOOD, said, curate={"mode": "non_curated"})
    rows = _read(workspace, "curated")
    assert set(rows["face_id"]) == _ids(*GOOD)
    assert set(rows["age"]) == {"Young"}
    assert set(rows["decided_by"]) == {"automatic"}


def test_every_face_is_in_the_data_set_or_among_the_exclusions_once(tmp_path):
    faces = [*GOOD, *(Face(f"open {number}", identity="bob") for number in range(3)), *_group(small={}, large={})]
    workspace = _run(tmp_path, faces, _decided(*GOOD))
    curated, excluded = _kept(workspace), _read(workspace, "exclusions")["face_id"].to_list()
    assert sorted([*curated, *excluded]) == sorted(face.face_id for face in faces)


def test_the_figures_follow_the_funnel(tmp_path, capsys):
    blurred, new = Face("blurred"), Face("new")
    said = _decided(*GOOD) + blurred.accepted(but=[Step.QUALITY]) + blurred.by_all(Reason.BLURRED, Step.QUALITY)
    workspace = _run(tmp_path, [*GOOD, blurred, new], said)
    metrics = json.loads(workspace.metrics("curate").read_text())
    assert metrics["images"] == {"count": 7, "identities": 1}
    assert metrics["cropped"] == {"faces": 7, "identities": 1}
    left = {step: figures["faces"] for step, figures in metrics["steps"].items()}
    assert left == {
        "takedown": 7,
        "license": 7,
        "face": 6,
        "identity": 6,
        "quality": 5,
        "duplicate": 5,
        "task_fit": 5,
        "enough_images": 5,
    }
    assert metrics["steps"]["quality"]["dropped"] == {"blurred": 1}
    assert metrics["curated"] == {"faces": 5, "identities": 1}
    assert metrics["agreement"]["quality"]["raw"] == 1
    assert metrics["ledger"] == {"decisions": len(said), "reviewers": 3, "sittings": 3, "unmatched": 0, "torn_lines": 0}
    with workspace.plots("funnel.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["faces"] for row in rows] == ["7", "7", "7", "7", "6", "6", "5", "5", "5", "5"]
    assert rows[0]["step"] == "images downloaded"
    printed = capsys.readouterr().out
    assert "blurred 1" in printed
    assert "Held back until the reviewers decide: 1 undecided, 0 in conflict." in printed


def test_the_funnel_is_shown_from_its_metrics_alone(tmp_path):
    metrics = json.loads(_run(tmp_path, GOOD).metrics("curate").read_text())
    console = Console(width=120)
    with console.capture() as shown:
        console.print(funnel_table(metrics))
    assert "a whole human face" in shown.get()


def test_a_torn_line_is_told_and_the_run_goes_on(tmp_path, capsys):
    workspace = project(tmp_path / "project", GOOD, _decided(*GOOD))
    torn = workspace.review / "ann" / "2026-03-02T09-00-00Z.jsonl"
    torn.write_bytes(b'{"image_id":"12')
    curate.run(workspace, params())
    assert "data/review/ann/2026-03-02T09-00-00Z.jsonl line 1: torn" in capsys.readouterr().out.replace("\n", "")
    assert _kept(workspace) == _ids(*GOOD)


def test_a_label_outside_the_task_stops_the_stage_before_anything_is_written(tmp_path):
    said = _decided(*GOOD) + _labelled(GOOD[0], "Ancient", "ann")
    with pytest.raises(
        BadInput, match=r"ann/.*line 21: labels\.age: 'Ancient' is not permitted; permitted: Young, Old"
    ):
        _run(tmp_path, GOOD, said)
    assert not (tmp_path / "project" / "build" / "curate").exists()


def test_a_face_of_nobody_on_the_roster_breaks_the_contract(tmp_path):
    workspace = project(tmp_path / "project", [*GOOD, Face("x", identity="bob")], [])
    rows = workspace.roster.read_text().splitlines(keepends=True)
    workspace.roster.write_text("".join(row for row in rows if not row.startswith("bob")))
    with pytest.raises(ContractViolated, match="refers_to_parent"):
        curate.run(workspace, params())


def test_the_order_of_the_tables_rows_does_not_matter(tmp_path):
    faces = [*GOOD, *_group(small={}, large={})]
    one = _run(tmp_path / "one", faces)
    other = _run(tmp_path / "other", faces[::-1], _decided(*faces))
    for table in ("curated", "non_curated", "exclusions"):
        assert _read(one, table).equals(_read(other, table))
    assert one.metrics("curate").read_bytes() == other.metrics("curate").read_bytes()


def test_a_project_without_any_decision_curates_nothing_and_says_why(tmp_path):
    workspace = _run(tmp_path, GOOD, [])
    assert _read(workspace, "curated").is_empty()
    assert json.loads(workspace.metrics("curate").read_text())["held_back"]["undecided"] == 5
