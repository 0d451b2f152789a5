"""Pages of identity clusters: a person's faces are judged as a whole, and doubtful verdicts are asked again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mtf.annotation import ledger
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.face_table import with_keepers
from mtf.review_app.engine.identity_pages import AGAIN, steps_at_once
from mtf.review_app.engine.page import Page
from mtf.review_app.engine.plan import ReviewPlan
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.review_app.engine.triage import LIKELY, UNLIKELY, UNSURE
from mtf.schemas import Step

DIMENSIONS = 128
RIGHT, STRANGERS, WALLS = 10, 20, 12
FIRST_STEPS = ("face", "identity", "quality")


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def crowd(people: int = 4) -> tuple[pl.DataFrame, np.ndarray]:
    """Faces with `kind` (right, stranger, wall) and their embeddings."""
    random = np.random.default_rng(4)
    wall, rows, vectors = unit(random.normal(size=DIMENSIONS)), [], []
    for number in range(people):
        own = unit(random.normal(size=DIMENSIONS))
        for kind, count in (("right", RIGHT), ("stranger", STRANGERS), ("wall", WALLS)):
            for _ in range(count):
                noise = unit(random.normal(size=DIMENSIONS))
                base = {"right": own + 0.6 * noise, "stranger": noise, "wall": wall + 0.2 * noise}
                vectors.append(unit(base[kind]))
                name = len(rows)
                rows.append(
                    {"identity": f"person-{number}", "face_id": f"{name:032x}", "image_id": f"{name:064x}"}
                    | {"kind": kind}
                )
    faces = pl.DataFrame(rows).with_columns(
        x=0, y=0, width=80, height=80, size_px=80, sharpness=100.0, eyes=2, name="identity",
        near_group=pl.lit(None, pl.String), exact_group=pl.lit(None, pl.String),
    )  # fmt: skip
    return with_keepers(faces).sort("identity", "face_id"), np.array(vectors, np.float16)


@contextmanager
def session(folder: Path, *, distinguishes: bool = True) -> Iterator[tuple[ReviewSession, dict[Key, str]]]:
    faces, vectors = crowd()
    data = ReviewData(
        faces, ledger.read(folder), box_iou=0.5, reviewers=1, labels={}, embeddings=vectors,
        distinguishes_people=distinguishes,
    )  # fmt: skip
    kinds = {Key(*names): kind for *names, kind in faces.select("identity", "face_id", "kind").iter_rows()}
    writer = ledger.LedgerWriter(folder, "anna")
    opened = ReviewSession(writer, data, ReviewPlan(data), reviewer="anna")
    yield opened, kinds
    opened.close()


def judge(opened: ReviewSession, page: Page, kinds: dict[Key, str], *, wrong: tuple[Key, ...] = ()) -> None:
    """Judge a page by the truth; `wrong` faces get the other verdict."""
    accepted = [face for face in page.faces if (kinds[face] == "right") != (face in wrong)]
    rejected = [face for face in page.faces if face not in accepted]
    if accepted:
        opened.accept(accepted, at=page.step)
    for kind, reason in (("wall", "not_a_face"), ("stranger", "wrong_person"), ("right", "wrong_person")):
        if some := [face for face in rejected if kinds[face] == kind]:
            opened.reject(some, reason if page.step != Step.FACE else None, at=page.step)


def pages(opened: ReviewSession, kinds: dict[Key, str], *, wrong: tuple[Key, ...] = ()) -> Iterator[Page]:
    """Each page up to the duplicates, after which it is judged; `wrong` faces get the other verdict the first time."""
    left = set(wrong)
    while (page := opened.page()).step in FIRST_STEPS:
        yield page
        judge(opened, page, kinds, wrong=tuple(left))
        left -= set(page.faces)


def test_the_first_page_of_each_person_is_their_cluster_and_one_key_answers_three_steps(tmp_path: Path) -> None:
    with session(tmp_path) as (opened, kinds):
        page = opened.page()
        assert (page.run, page.together, page.asks) == (LIKELY, "person-0", FIRST_STEPS)
        shown = [kinds[face] for face in page.faces]
        assert shown.count("right") >= 8
        # A stranger in ten may be as near by chance: the reviewer picks it out.
        assert shown.count("right") >= 0.9 * len(shown)
        first = page.faces[0]
        opened.accept(list(page.faces), at=page.step)
        assert all(opened.verdict(first, step) == ("accept", None) for step in FIRST_STEPS)
        assert opened.page().together == "person-1"
        assert set(opened.undo()) == set(page.faces)
        back = opened.page()
        assert (back.step, back.together, back.asks) == (page.step, "person-0", FIRST_STEPS)
        assert set(back.faces) == set(page.faces), "no face of the next person among them"


def test_the_question_names_all_steps_that_are_asked() -> None:
    page = Page("quality", LIKELY, "ada", (), asks=FIRST_STEPS)
    assert page.question_about("Ada") == (
        "Is this one whole human face? Is this Ada? Is the face unobstructed, natural and sharp?"
    )
    assert Page("identity", UNSURE, None, ()).question_about("Ada") == "Is this Ada?"
    assert steps_at_once() == FIRST_STEPS


def test_a_reviewer_who_never_errs_is_asked_nothing_twice_and_judges_every_face(tmp_path: Path) -> None:
    with session(tmp_path) as (opened, kinds):
        seen = list(pages(opened, kinds))
        runs = {page.run for page in seen}
        assert AGAIN not in runs or sum(len(page.faces) for page in seen if page.run == AGAIN) <= 3
        assert {LIKELY, UNLIKELY} <= runs
        for face, kind in kinds.items():
            outcome = opened.verdict(face, Step.IDENTITY) or opened.verdict(face, Step.FACE)
            assert outcome is not None
            assert (outcome[0] == "accept") == (kind == "right")


def test_a_wrong_verdict_is_asked_again_where_likeness_disagrees(tmp_path: Path) -> None:
    with session(tmp_path) as (opened, kinds):
        stranger = next(face for face, kind in kinds.items() if kind == "stranger")
        right = next(face for face, kind in kinds.items() if kind == "right" and face.identity == "person-2")
        seen = list(pages(opened, kinds, wrong=(stranger, right)))
        again = [face for page in seen if page.run == AGAIN for face in page.faces]
        assert {stranger, right} <= set(again)
        assert len(again) == len(set(again))
        assert opened.verdict(stranger, Step.IDENTITY) == ("reject", "wrong_person")
        assert opened.verdict(right, Step.IDENTITY) == ("accept", None)


def test_who_says_the_same_again_is_believed_also_after_a_restart(tmp_path: Path) -> None:
    with session(tmp_path) as (opened, kinds):
        stranger = next(face for face, kind in kinds.items() if kind == "stranger")
        for page in pages(opened, kinds, wrong=(stranger,)):
            if page.run == AGAIN and stranger in page.faces:
                opened.accept([stranger], at=page.step)
                break
        else:
            pytest.fail("the stranger was never asked again")
        assert stranger not in opened.turn().faces
    with session(tmp_path) as (opened, kinds):
        assert opened.verdict(stranger, Step.IDENTITY) == ("accept", None)
        at_identity = takewhile(lambda page: page.step == Step.IDENTITY, pages(opened, kinds))
        assert all(stranger not in page.faces for page in at_identity)


def test_an_undone_second_answer_is_asked_again(tmp_path: Path) -> None:
    with session(tmp_path) as (opened, kinds):
        stranger = next(face for face, kind in kinds.items() if kind == "stranger")
        for page in pages(opened, kinds, wrong=(stranger,)):
            if page.run == AGAIN and stranger in page.faces:
                break
        opened.reject([stranger], at=page.step)
        opened.undo()
        assert opened.verdict(stranger, Step.IDENTITY) == ("accept", None)
        again = opened.turn()
        assert (again.run, again.faces[0]) == (AGAIN, stranger)


def test_one_undo_takes_a_whole_cluster_back(tmp_path: Path) -> None:
    with session(tmp_path) as (opened, _):
        page = opened.page()
        opened.accept(list(page.faces), at=page.step)
        assert set(opened.undo()) == set(page.faces)
        assert all(opened.verdict(face, step) is None for face in page.faces for step in FIRST_STEPS)
        assert set(opened.turn().faces) == set(page.faces)


def test_a_face_of_the_cluster_is_rejected_at_the_step_of_its_reason(tmp_path: Path) -> None:
    with session(tmp_path) as (opened, _):
        page = opened.page()
        one, other, third = page.faces[:3]
        opened.reject([one], "not_a_face", at=page.step)
        opened.reject([other], "wrong_person", at=page.step)
        opened.reject([third], "blurred", at=page.step)
        assert opened.verdict(one, Step.FACE) == ("reject", "not_a_face")
        assert opened.verdict(one, Step.IDENTITY) is None
        assert opened.verdict(other, Step.FACE) == ("accept", None)
        assert opened.verdict(third, Step.IDENTITY) == ("accept", None)
        assert opened.verdict(third, Step.QUALITY) == ("reject", "blurred")


def test_a_whole_cluster_can_be_somebody_else(tmp_path: Path) -> None:
    with session(tmp_path) as (opened, _):
        page = opened.page()
        opened.reject(list(page.faces), "wrong_person", at=page.step)
        following = opened.page()
        assert not set(following.faces) & set(page.faces)
        assert following.faces


def test_skipped_faces_come_last(tmp_path: Path) -> None:
    with session(tmp_path) as (opened, kinds):
        page = opened.page()
        skipped = page.faces[0]
        opened.skip([skipped], at=page.step)
        seen = [face for one in pages(opened, kinds) for face in one.faces]
        assert seen.index(skipped) >= len(seen) - 12


def test_with_an_embedding_of_shots_nothing_changes(tmp_path: Path) -> None:
    with session(tmp_path, distinguishes=False) as (opened, _):
        page = opened.page()
        assert (page.step, page.run, page.asks) == ("face", UNSURE, ())


def test_the_same_verdicts_give_the_same_pages(tmp_path: Path) -> None:
    found = []
    for number in range(2):
        with session(tmp_path / str(number)) as (opened, kinds):
            found.append(list(pages(opened, kinds)))
    assert found[0] == found[1]
