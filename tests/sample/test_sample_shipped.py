"""The sample that lies in the repository: whole, small, dirty in the promised numbers, and reviewed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from mtf.annotation import consensus, ledger, matching
from mtf.config import Compute, Params
from mtf.crawl import recorded_web
from mtf.faces import crop
from mtf.faces.box import Box, face_id
from mtf.sample import listing, panel, web
from mtf.sample.finds import CLEAN_IF_RARE, CLEAN_PER_IDENTITY, DIRT, WHOLE, PictureKind, plan
from mtf.sample.panel import REVIEWERS, Face
from mtf.sample.people import CAST, RARELY_PICTURED
from mtf.schemas import Reason, Step
from mtf.schemas.funnel_steps import review_reasons

ROOT = Path(__file__).parent.parent.parent
# The sample takes 11 MB, its recorded run 33 MB.
MAX_BYTES = 50_000_000
BOX = ["x", "y", "width", "height"]


@pytest.fixture(scope="module")
def decisions(shipped) -> pl.DataFrame:
    read = ledger.read(shipped.data / "review")
    assert read.torn == []
    return read.decisions


@pytest.fixture(scope="module")
def faces(decisions: pl.DataFrame) -> pl.DataFrame:
    """The faces that were reviewed."""
    rows = decisions.select("identity", "image_id", *BOX).unique().sort("identity", "image_id", *BOX)
    return rows.with_columns(
        face_id=pl.Series([face_id(image_id, Box(*box)) for _, image_id, *box in rows.iter_rows()])
    )


@pytest.fixture(scope="module")
def verdicts(decisions: pl.DataFrame, faces: pl.DataFrame) -> pl.DataFrame:
    votes = consensus.current_votes(matching.match(decisions, faces, box_iou=0.5))
    return consensus.verdicts(votes, reviewers=len(REVIEWERS))


def test_all_objects_together_are_small() -> None:
    objects = [path for path in (ROOT / "sample-remote").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in objects) < MAX_BYTES


def test_the_web_has_a_time_of_its_own_before_all_reviews(shipped, decisions: pl.DataFrame) -> None:
    assert recorded_web.recorded_at(shipped.data / "web") == web.RECORDED_AT
    assert decisions["time"].min() > web.RECORDED_AT


def test_the_remote_holds_this_sample(shipped) -> None:
    objects = {path.read_bytes() for path in (ROOT / "sample-remote").rglob("*") if path.is_file()}
    assert {path.read_bytes() for path in shipped.data.rglob("*") if path.is_file()} <= objects


def test_every_kind_of_dirt_is_there_in_the_promised_number(shipped) -> None:
    counts = Counter(truth.kind for truth in shipped.truths)
    clean = counts.pop(PictureKind.CLEAN) - CLEAN_IF_RARE * len(RARELY_PICTURED)
    assert counts == DIRT
    assert set(DIRT) == set(PictureKind) - {PictureKind.CLEAN}
    assert len(CAST) * CLEAN_PER_IDENTITY[0] <= clean <= len(CAST) * CLEAN_PER_IDENTITY[1]


@pytest.mark.parametrize("identity", ["ochre-trapezoid", "thistle-prism"])
def test_the_generator_draws_this_sample_again_byte_for_byte(shipped, sample_params: Params, identity: str) -> None:
    seed = sample_params.seed
    person = next(person for person in CAST if person.identity == identity)
    listed = listing.listings(seed, plan(seed), WHOLE.people)
    own = [each for each in listed if each.find.identity == identity]
    drawn = {item.find.key: item for item in web.drawn_files(seed, listed, [person], Compute(workers=1))}
    pictures = [each for each in own if each.find.taken_from is None]
    responses = [*web._searches(seed, person, own)]
    responses += [page for each in pictures for page in web._picture(each, drawn[each.find.key])]

    image_ids = {(truth.identity, truth.number): truth.image_id for truth in shipped.truths}
    for each in pictures:
        assert image_ids[each.find.key] == hashlib.sha256(drawn[each.find.key].file.data).hexdigest()
    served = recorded_web.RecordedWeb(shipped.data / "web")
    assert len(responses) > 2 * 15
    for response in responses:
        host, _, path = response.url.removeprefix("https://").partition("/")
        record = served.find(host, f"/{path}")
        assert record is not None and record.status == response.status, response.url
        assert response.body is None or (record.place and record.place.read() == response.body), response.url


def test_it_is_the_web_that_the_generator_plans(shipped, sample_params: Params) -> None:
    finds = plan(sample_params.seed)
    listed = listing.listings(sample_params.seed, finds, [*CAST, *RARELY_PICTURED])
    planned = [
        (it.find.identity, it.find.number, it.find.kind, it.url, it.page_url, it.claim, it.license) for it in listed
    ]
    assert planned == [(t.identity, t.number, t.kind, t.url, t.page_url, t.claim, t.license) for t in shipped.truths]


def test_some_identities_need_a_second_page_of_results(shipped) -> None:
    claimed = Counter(truth.identity for truth in shipped.truths if truth.claim == listing.COMMERCIAL)
    assert sum(count > 20 for count in claimed.values()) >= 4


def test_true_boxes_of_all_pictures_lie_inside_them(shipped) -> None:
    for truth in shipped.truths:
        for (x, y, width, height), _ in truth.faces:
            assert 0 <= x < x + width <= truth.width, truth
            assert 0 <= y < y + height <= truth.height, truth


def test_the_detector_finds_the_clean_faces(shipped, sample_params: Params) -> None:
    """Every third of them, which is enough to see it fail."""
    clean = [truth for truth in shipped.truths if truth.kind is PictureKind.CLEAN][::3]
    found = sum(bool(crop.cut_faces(shipped.body(t), sample_params.crop, max_pixels=10**8)) for t in clean)
    assert len(clean) > 100
    assert found / len(clean) >= 0.97


def test_every_line_of_the_ledger_says_that_it_was_simulated(shipped, decisions: pl.DataFrame) -> None:
    lines = [line for path in (shipped.data / "review").rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert all("simulated panel" in json.loads(line)["program"] for line in lines)
    assert set(decisions["reviewer"]) == set(REVIEWERS)


def test_reviewers_go_through_the_steps_in_order_and_stop_at_a_rejection(decisions: pl.DataFrame) -> None:
    order = {str(step): place for place, step in enumerate(Step)}
    alone = decisions.filter(~pl.col("joint")).sort("reviewer", "time")
    for _, decided in alone.group_by("reviewer", "identity", "image_id", *BOX, maintain_order=True):
        steps = [order[step] for step in decided["step"]]
        assert steps == sorted(set(steps))
        assert "reject" not in decided["verdict"].to_list()[:-1]


def test_the_reviewers_agree_often_but_not_always(decisions: pl.DataFrame) -> None:
    votes = decisions.filter(~pl.col("joint"), pl.col("verdict") != "skip")
    by_face = votes.group_by("identity", "image_id", *BOX, "step").agg(pl.col("verdict"))
    whole = by_face.filter(pl.col("verdict").list.len() == len(REVIEWERS))
    agreeing = (whole["verdict"].list.n_unique() == 1).mean()
    assert 0.95 <= agreeing < 1.0


def test_a_few_faces_stay_in_conflict_and_a_few_undecided(verdicts: pl.DataFrame) -> None:
    open_faces = Counter(verdicts.filter(pl.col("outcome").is_in(["conflict", "undecided"]))["outcome"])
    settled = verdicts.filter(pl.col("decided_by") == consensus.JOINT)
    assert 1 <= open_faces["conflict"] <= 12
    assert open_faces["undecided"] >= panel.UNFINISHED_FACES
    assert settled.height == panel.HARD_FACES // 2


def test_the_panels_majority_is_nearly_always_right(shipped, faces: pl.DataFrame, verdicts: pl.DataFrame) -> None:
    faces_of = {Face(identity, image_id, tuple(box)): name for identity, image_id, *box, name in faces.iter_rows()}
    right = {
        (face.identity, faces_of[face]): judgement
        for face, judgement in panel.judge(list(faces_of), shipped.truths).items()
    }
    rejected = {
        (identity, name): (step, reason)
        for identity, name, step, reason in verdicts.filter(pl.col("outcome") == "reject")
        .select("identity", "face_id", "step", "reason")
        .iter_rows()
    }
    agreeing = sum(
        rejected.get(key) == ((judgement.step, judgement.reason) if judgement.step else None)
        for key, judgement in right.items()
    )
    assert 0.97 <= agreeing / len(right) <= 1.0


def test_each_step_of_the_review_has_something_to_reject(verdicts: pl.DataFrame) -> None:
    rejected = Counter(verdicts.filter(pl.col("outcome") == "reject")["reason"])
    people_gave = [reason for reasons in review_reasons().values() for reason in reasons]
    for reason in set(people_gave) - {Reason.PARTIAL_FACE}:
        assert rejected[str(reason)] >= 2, reason


def test_rarely_pictured_people_have_too_few_and_all_others_enough(shipped, faces: pl.DataFrame) -> None:
    faces_of = [Face(identity, image_id, tuple(box)) for identity, image_id, *box, _ in faces.iter_rows()]
    fit = Counter(
        face.identity for face, judgement in panel.judge(faces_of, shipped.truths).items() if not judgement.step
    )
    assert all(fit[person.identity] < 5 for person in RARELY_PICTURED)
    assert all(fit[person.identity] >= 8 for person in CAST)
