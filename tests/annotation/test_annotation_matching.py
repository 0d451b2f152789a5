"""Decisions meet faces by picture and box."""

from __future__ import annotations

import polars as pl
import pytest
from review_lines import BOX, decision, face_id, faces, image_id

from mtf.annotation import ledger
from mtf.annotation.matching import match


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
