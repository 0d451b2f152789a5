"""Pace of the reviewers and faces left: one count, on the bar and in the status."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from mtf import config
from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger import LedgerWriter
from mtf.core.project_paths import ProjectPaths
from mtf.review_app import progress
from mtf.review_app.engine import pace
from mtf.review_app.engine.loading import load_review_data, session_of
from mtf.schemas import Step

BEGIN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def lines(*keys: tuple[float, int, str]) -> pl.DataFrame:
    """Keys at so many seconds, each with so many lines of a verdict, a few microseconds apart."""
    rows = [
        {"time": BEGIN + timedelta(seconds=at, microseconds=20 * number), "verdict": verdict}
        for at, count, verdict in keys
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema={"time": pl.Datetime("us", "UTC"), "verdict": pl.String})


def test_a_page_counts_with_the_time_it_took_and_a_long_look_is_no_pause_for_it() -> None:
    at, keys = 0.0, []
    for page in range(10):
        keys.append((at, 40, "accept"))
        at += 60 if page % 2 == 0 else 130
    # Nine pages of 40 after the first: five took 60 s, four 130 s, of which 120 s count.
    assert pace.of_lines(lines(*keys)).per_hour == pytest.approx(3600 * 360 / (5 * 60 + 4 * 120))


def test_a_pause_counts_as_two_minutes_and_labels_and_skips_are_time_without_verdicts() -> None:
    keys = [
        (0, 1, "accept"),
        (20, 1, "label"),
        (30, 2, "skip"),
        (40, 3, "reject"),
        (9000, 2, "keep"),
        (9010, 1, "undo"),
    ]
    assert pace.of_lines(lines(*keys)).per_hour == pytest.approx(3600 * 5 / (20 + 10 + 10 + 120 + 10))


def test_the_bar_and_the_ledger_know_one_pace() -> None:
    keys = [(0.0, 12, "accept"), (31.0, 12, "reject"), (300.0, 40, "accept"), (301.0, 1, "skip"), (330.0, 7, "accept")]
    bar = pace.Pace(0.0)
    for at, count, verdict in keys[1:]:
        bar.mark(count if verdict != "skip" else 0, at)
    assert pace.of_lines(lines(*keys)).per_hour == pytest.approx(bar.per_hour)


@pytest.mark.parametrize("keys", [(), ((0.0, 40, "accept"),), ((0.0, 1, "accept"), (4.0, 1, "accept"))])
def test_too_little_work_says_nothing(keys: tuple) -> None:
    assert pace.of_lines(lines(*keys)).per_hour is None


def test_what_is_left_counts_the_steps_to_come() -> None:
    # 100 faces at the first step, half of which go on, a tenth of those with duplicates, half of which go on.
    left = pace.still_to_come([100, 0, 0, 0, 10], [0.5, 1.0, 1.0, 0.5, 1.0], grouped=0.1)
    assert left == pytest.approx(100 + 50 + 50 + 5 + (50 - 2.5 + 10))


def test_the_time_left_is_for_all_steps(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 8})
    loaded = config.load(workspace.params)
    review_data, _ = load_review_data(workspace, loaded)
    with LedgerWriter(workspace.review, "anna") as writer:
        for number, face in enumerate(review_data.faces_of("ada")[:4]):
            image_id, box = review_data.place(face)
            fields = {"image_id": image_id, "box": box, "identity": "ada", "step": Step.FACE, "reviewer": "anna"}
            time = BEGIN + timedelta(seconds=10 * number)
            writer.append(Decision(**fields, verdict=Verdict.ACCEPT, time=time))
    status = progress.measure(workspace, loaded)
    (anna,) = status.reviewers
    assert "360 an hour; about 28 verdicts, 5 min left" in progress.as_text(status, reviewer="anna")
    assert "an hour" not in progress.as_text(status, reviewer="bert")
    assert '"faces_per_hour": null' in progress.as_json(status)
    assert anna.open_faces == {"face": 4, "identity": 4, "quality": 0, "duplicate": 0, "task_fit": 0}
    # Four verdicts on whole faces, and of all eight whose they are, quality and the tasks; no face has a duplicate.
    assert (anna.verdicts_left, anna.faces_per_hour, anna.hours_left) == (28, 360.0, round(28 / 360, 2))
    session = session_of(workspace, load_review_data(workspace, loaded)[0], "anna", joint=False)
    session.page()
    assert session.left == 28


def test_who_only_wrote_down_what_was_decided_together_is_no_reviewer(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 2})
    loaded = config.load(workspace.params)
    review_data, _ = load_review_data(workspace, loaded)
    image_id, box = review_data.place(review_data.faces_of("ada")[0])
    fields = {"image_id": image_id, "box": box, "identity": "ada", "step": Step.FACE, "verdict": Verdict.ACCEPT}
    with LedgerWriter(workspace.review, "dora") as writer:
        writer.append(Decision(**fields, reviewer="dora", joint=True))
    with LedgerWriter(workspace.review, "anna") as writer:
        writer.append(Decision(**fields, reviewer="anna"))
    status = progress.measure(workspace, loaded)
    assert [one.name for one in status.reviewers] == ["anna"]
    assert status.silent == 2
