"""The panel's word, case by case."""

from __future__ import annotations

import polars as pl
import pytest
from review_lines import BOX, decision, faces, reject

from mtf.annotation import consensus, ledger, matching
from mtf.annotation.decision import Verdict
from mtf.core.errors import BadInput
from mtf.schemas import Reason, Step

PANEL = ("ann", "bea", "cid", "dot", "eve")
A, K, S = Verdict.ACCEPT, Verdict.KEEP, Verdict.SKIP
NO, PART = Reason.NOT_A_FACE, Reason.PARTIAL_FACE


def _said(verdict, reviewer: str, step: Step, **fields):
    if isinstance(verdict, Reason):
        return reject(verdict, reviewer=reviewer, step=step, **fields)
    return decision(verdict, reviewer=reviewer, step=step, **fields)


def _matched(tmp_path, *said) -> pl.DataFrame:
    for reviewer in {each.reviewer for each in said}:
        ledger.write_session(tmp_path, [each for each in said if each.reviewer == reviewer])
    return matching.match(ledger.read(tmp_path).decisions, faces(BOX), box_iou=0.5)


def _verdict(tmp_path, *said, reviewers: int = 3) -> dict:
    table = consensus.verdicts(consensus.current_votes(_matched(tmp_path, *said)), reviewers=reviewers)
    assert table.height <= 1
    return table.row(0, named=True) if table.height else {}


@pytest.mark.parametrize(
    ("words", "reviewers", "outcome", "reason", "decided_by"),
    [
        ((A, A, A), 3, "accept", None, "panel 3/3"),
        ((A, A), 3, "accept", None, "panel 2/2"),
        ((A, A, NO), 3, "accept", None, "panel 2/3"),
        ((NO, NO, A), 3, "reject", "not_a_face", "panel 2/3"),
        ((NO, PART, PART), 3, "reject", "partial_face", "panel 3/3"),
        ((PART, NO), 3, "reject", "not_a_face", "panel 2/2"),
        ((A,), 3, "undecided", None, "panel 1/1"),
        ((NO,), 3, "undecided", None, "panel 1/1"),
        ((A, NO), 3, "conflict", None, "panel 1/2"),
        ((A, S, S), 3, "undecided", None, "panel 1/1"),
        ((A, A, NO, NO), 3, "conflict", None, "panel 2/4"),
        ((A, A, A, NO, NO), 3, "accept", None, "panel 3/5"),
        ((A,), 1, "accept", None, "panel 1/1"),
        ((NO,), 1, "reject", "not_a_face", "panel 1/1"),
        ((A, NO), 2, "conflict", None, "panel 1/2"),
        ((A,), 2, "undecided", None, "panel 1/1"),
        ((A, A), 5, "undecided", None, "panel 2/2"),
    ],
)
def test_the_majority_of_the_panel_decides(tmp_path, words, reviewers, outcome, reason, decided_by):
    said = [_said(word, name, Step.FACE) for word, name in zip(words, PANEL, strict=False)]
    found = _verdict(tmp_path, *said, reviewers=reviewers)
    assert (found["outcome"], found["reason"], found["decided_by"]) == (outcome, reason, decided_by)


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ((K, K, A), "keep"),
        ((K, A, A), "accept"),
        ((K, A), "keep"),
        ((K, Reason.NEAR_DUPLICATE, Reason.NEAR_DUPLICATE), "reject"),
        ((K,), "undecided"),
        ((K, Reason.NEAR_DUPLICATE), "conflict"),
    ],
)
def test_at_duplicates_a_keeper_stays_as_an_accepted_face_does(tmp_path, words, outcome):
    said = [_said(word, name, Step.DUPLICATE) for word, name in zip(words, PANEL, strict=False)]
    assert _verdict(tmp_path, *said)["outcome"] == outcome


def test_nobody_spoke_is_no_row(tmp_path):
    assert _verdict(tmp_path, decision(Verdict.SKIP)) == {}


@pytest.mark.parametrize(
    ("words", "detail"),
    [
        ((A, NO), "2 of 3 reviewers decided: 1 accept, 1 reject"),
        ((A, A, NO, NO), "4 reviewers (panel of 3) decided: 2 accept, 2 reject"),
    ],
)
def test_the_detail_says_who_said_what(tmp_path, words, detail):
    said = [_said(word, name, Step.FACE) for word, name in zip(words, PANEL, strict=False)]
    assert _verdict(tmp_path, *said)["detail"] == detail


def test_a_joint_verdict_overrides_the_panel_and_its_own_writers_vote_stays(tmp_path):
    said = [_said(word, name, Step.FACE) for word, name in zip((A, A, NO), PANEL, strict=False)]
    together = _said(PART, "ann", Step.FACE, joint=True, minute=5)
    matched = _matched(tmp_path, *said, together)
    found = consensus.verdicts(consensus.current_votes(matched), reviewers=3).row(0, named=True)
    assert (found["outcome"], found["reason"], found["decided_by"]) == ("reject", "partial_face", "joint")
    assert consensus.current_votes(matched).filter(~pl.col("joint"))["verdict"].to_list().count("accept") == 2


def test_of_two_joint_verdicts_the_later_holds_and_undo_brings_the_panel_back(tmp_path):
    panel = [_said(word, name, Step.FACE) for word, name in zip((A, NO), PANEL, strict=False)]
    first = _said(NO, "bea", Step.FACE, joint=True, minute=5)
    second = _said(A, "ann", Step.FACE, joint=True, minute=6)
    assert _verdict(tmp_path / "two", *panel, first, second)["outcome"] == "accept"
    undone = [first, first.undone(time=first.time)]
    assert _verdict(tmp_path / "undone", *panel, *undone)["outcome"] == "conflict"


def _label(tmp_path, *words: str | Verdict, joint: str | None = None) -> dict:
    """Each word is a label for the age, or an accept that leaves the roster's (Young) as it is."""
    said = []
    for word, name in zip(words, PANEL, strict=False):
        if word is Verdict.ACCEPT:
            said.append(decision(reviewer=name, step=Step.TASK_FIT))
        else:
            said.append(decision(Verdict.LABEL, reviewer=name, step=Step.TASK_FIT, labels={"age": word}))
    if joint:
        said.append(
            decision(Verdict.LABEL, reviewer="ann", step=Step.TASK_FIT, labels={"age": joint}, joint=True, minute=3)
        )
    matched = _matched(tmp_path, *said)
    there = faces(BOX).with_columns(age=pl.lit("Young"), race=pl.lit("Blue"))
    table = consensus.label_verdicts(
        consensus.current_labels(matched), consensus.current_votes(matched), there, columns=["age", "race"], reviewers=3
    )
    assert table.height <= 1
    return table.row(0, named=True) if table.height else {}


@pytest.mark.parametrize(
    ("words", "outcome", "label"),
    [
        (("Old", "Old", "Old"), "accept", "Old"),
        (("Old", "Old"), "accept", "Old"),
        (("Old", "Old", A), "accept", "Old"),
        (("Old", A, A), "accept", "Young"),
        (("Old",), "undecided", None),
        (("Old", A), "conflict", None),
        (("Old", "Young", "Elder"), "conflict", None),
    ],
)
def test_labels_are_corrected_by_the_majority_and_who_accepts_speaks_for_the_roster(tmp_path, words, outcome, label):
    found = _label(tmp_path, *words)
    assert (found["column"], found["outcome"], found["label"]) == ("age", outcome, label)


@pytest.mark.parametrize(
    ("words", "detail"),
    [
        (("Old", A), "age: 1 Old, 1 Young of 3 reviewers"),
        (("Old", "Old", A, A), "age: 2 Old, 2 Young of 4 reviewers (panel of 3)"),
    ],
)
def test_the_detail_of_a_label_says_who_said_what(tmp_path, words, detail):
    assert _label(tmp_path, *words)["detail"] == detail


def test_a_label_settled_together_overrides_the_panels(tmp_path):
    found = _label(tmp_path, "Old", A, joint="Old")
    assert (found["outcome"], found["label"], found["decided_by"]) == ("accept", "Old", "joint")


def test_labels_nobody_corrected_have_no_row(tmp_path):
    assert _label(tmp_path, A, A, A) == {}


def test_a_label_that_is_not_the_tasks_is_named_with_file_and_line(tmp_path):
    wrong = decision(Verdict.LABEL, step=Step.TASK_FIT, labels={"age": "Ancient"})
    ledger.write_session(tmp_path, [decision(), wrong])
    rows = ledger.read(tmp_path).decisions
    where = r"rita/2026-03-01T09-00-00Z.jsonl line 2: labels"
    with pytest.raises(BadInput, match=rf"{where}\.age: 'Ancient' is not permitted; permitted: Young, Old"):
        consensus.check_labels(rows, {"age": ["Young", "Old"]})
    with pytest.raises(BadInput, match=rf"{where}: 'age' is not permitted; permitted: race"):
        consensus.check_labels(rows, {"race": ["Blue"]})
