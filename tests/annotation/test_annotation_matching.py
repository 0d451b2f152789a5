"""Decisions meet faces by picture and box."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from review_lines import BEGIN, BOX, decision, face_id, faces, image_id, reject

from mtf.annotation import consensus, ledger
from mtf.annotation.matching import match
from mtf.schemas import Reason, Step


@pytest.fixture
def said(tmp_path):
    def read(*decisions) -> pl.DataFrame:
        ledger.write_session(tmp_path, list(decisions))
        return ledger.read(tmp_path).decisions

    return read


def _met(decisions: pl.DataFrame, there: pl.DataFrame, box_iou: float = 0.5) -> list[str | None]:
    return match(decisions, there, box_iou=box_iou)["face_id"].to_list()


def test_a_face_cropped_anew_with_another_box_keeps_its_decision(said):
    assert _met(said(decision()), faces((95, 104, 90, 84))) == [face_id("face 0")]


def test_overlap_is_measured_as_intersection_over_union(said):
    """80 × 80 against the same moved by 20: 60 × 80 shared of 100 × 80, 0.6."""
    moved = faces((120, 100, 80, 80))
    decisions = said(decision())
    assert _met(decisions, moved, 0.6) == [face_id("face 0")]
    assert _met(decisions, moved, 0.61) == [None]


def test_boxes_that_do_not_touch_never_meet(said):
    assert _met(said(decision()), faces((181, 181, 80, 80), (0, 0, 20, 20)), 1e-9) == [None]


def test_of_several_faces_the_one_with_the_most_overlap_is_met(said):
    assert _met(said(decision()), faces((110, 110, 80, 80), (102, 102, 80, 80), (90, 90, 80, 80))) == [
        face_id("face 1")
    ]


def test_another_picture_or_another_identity_is_not_met(said):
    decisions = said(decision())
    assert _met(decisions, faces(BOX, image="another")) == [None]
    assert _met(decisions, faces(BOX, identity="bob")) == [None]


def test_the_order_of_decisions_is_kept(said):
    there = faces(BOX, (300, 300, 50, 50))
    decisions = said(
        decision(box=(300, 300, 50, 50)), decision(minute=1), decision(minute=2, image_id=image_id("gone"))
    )
    assert _met(decisions, there) == [face_id("face 1"), face_id("face 0"), None]


# A box of 60 × 60 in the middle of BOX (80 × 80): 3600 of 6400 pixels, 0.56; one of 40 × 40: 0.25.
INSIDE = (110, 110, 60, 60)
WELL_INSIDE = (120, 124, 40, 40)


@pytest.mark.parametrize(("box", "face"), [(WELL_INSIDE, BOX), (BOX, WELL_INSIDE)])
def test_a_box_inside_the_face_or_around_it_meets_it_though_they_overlap_by_less_than_half(said, box, face):
    """Detectors frame the features, or the whole head."""
    assert _met(said(decision(box=box)), faces(face)) == [face_id("face 0")]


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((100, 100, 40, 40), "in a corner: the middles are too far apart"),
        ((122, 122, 34, 34), "too small: 0.18 of the face"),
        ((144, 120, 44, 44), "too much of it outside"),
    ],
)
def test_a_box_inside_the_face_but_in_a_corner_or_tiny_is_another(said, box, reason):
    assert _met(said(decision(box=box)), faces(BOX)) == [None], reason


def test_a_face_that_a_box_meets_by_overlap_is_not_met_by_one_inside_it(said):
    decisions = said(decision(box=INSIDE), decision(minute=1, box=WELL_INSIDE))
    assert _met(decisions, faces(BOX)) == [face_id("face 0"), None]


def test_of_several_boxes_inside_a_face_the_largest_meets_it(said):
    decisions = said(decision(box=(122, 122, 38, 38)), decision(minute=1, box=WELL_INSIDE))
    assert _met(decisions, faces(BOX)) == [None, face_id("face 0")]


def test_what_was_rejected_as_a_part_of_a_face_does_not_reject_the_face(said):
    kept = decision(minute=1, box=WELL_INSIDE, step=Step.QUALITY)
    decisions = said(reject(Reason.PARTIAL_FACE, box=WELL_INSIDE), kept)
    assert _met(decisions, faces(BOX)) == [None, face_id("face 0")]


def test_what_was_rejected_as_a_part_of_a_face_stays_rejected_where_the_boxes_overlap_by_half(said):
    assert _met(said(reject(Reason.PARTIAL_FACE)), faces(INSIDE)) == [face_id("face 0")]


def test_rejections_at_later_steps_are_kept_for_a_box_inside_the_face(said):
    decisions = said(reject(Reason.WRONG_PERSON, step=Step.IDENTITY, box=WELL_INSIDE))
    assert _met(decisions, faces(BOX)) == [face_id("face 0")]


def test_an_undone_rejection_of_a_box_inside_the_face_leaves_the_verdict_before_it(said):
    first = decision(box=WELL_INSIDE)
    rejected = reject(Reason.NOT_A_FACE, box=WELL_INSIDE, minute=1)
    decisions = said(first, rejected, rejected.undone(time=BEGIN + timedelta(minutes=2)))
    matched = match(decisions, faces(BOX), box_iou=0.5)
    assert matched["face_id"].to_list() == [face_id("face 0"), None, None]
    assert consensus.current_votes(matched)["verdict"].to_list() == ["accept"]
