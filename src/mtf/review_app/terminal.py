"""Review in a terminal: one face at a time, one key and Enter per decision. Needs no browser and no database."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.face_pictures import Pictures, stamps
from mtf.review_app.engine.loading import (
    certification_session,
    load_certification,
    load_review_data,
    session_of,
    with_gold,
)
from mtf.review_app.engine.page import Page
from mtf.review_app.engine.review_data import Key, ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.schemas import funnel_steps

COLUMNS = 44
HELP = "a accept  x reject  x REASON  k keep  l COLUMN LABEL  s skip  u undo  A, X, S: the whole page  q leave"


def run(workspace: ProjectPaths, params: Params, reviewer: str, *, joint: bool) -> None:
    """Review until nothing is left, the input ends, or the reviewer quits."""
    seen = stamps(workspace)
    review_data, torn = load_review_data(workspace, params)
    for line in torn:
        print(f"ledger: {line}", file=sys.stderr)
    if not joint:
        review_data = with_gold(workspace, params, review_data, reviewer)
    pictures = Pictures(workspace, review_data, seen=seen, max_pixels=params.crawl.max_pixels)
    session = session_of(workspace, review_data, reviewer, joint=joint, seed=params.seed, check=pictures.check)
    show = _picture(pictures) if sys.stdout.isatty() else _no_picture
    try:
        review(session, review_data, answers=_answers(), show=show)
    finally:
        session.close()


def certify(workspace: ProjectPaths, params: Params, reviewer: str) -> None:
    """Answer the questions of the certificate until none is left, the input ends, or the person quits."""
    seen = stamps(workspace)
    review_data, plan, torn = load_certification(workspace, params)
    for line in torn:
        print(f"certificate: {line}", file=sys.stderr)
    pictures = Pictures(workspace, review_data, seen=seen, max_pixels=params.crawl.max_pixels)
    session = certification_session(workspace, review_data, plan, reviewer, check=pictures.check)
    show = _picture(pictures) if sys.stdout.isatty() else _no_picture
    try:
        review(session, review_data, answers=_answers(), show=show)
    finally:
        session.close()


def review(
    session: ReviewSession, review_data: ReviewData, *, answers: Iterator[str], show: Callable[[Key], None]
) -> None:
    """Apply one answer after another, each to the first face of the page."""
    print(HELP)
    while (page := session.page()).faces:
        face = page.faces[0]
        show(face)
        print(_described(session, review_data, page), flush=True)
        answer = next(answers, "q")
        if answer in ("q", "quit"):
            return
        try:
            print(_act(session, page, answer))
        except (BadInput, OSError) as error:
            print(f"not done: {error}")
    print("Nothing is left for you.")


def _act(session: ReviewSession, page: Page, answer: str) -> str:
    verb, *rest = answer.split(maxsplit=2) or [""]
    chosen = list(page.faces if verb in ("A", "X", "S") else page.faces[:1])
    verb = verb.lower()
    if verb == "u":
        return f"undone {len(session.undo())}"
    if verb == "a":
        return f"accepted {len(session.accept(chosen, at=page.step))}"
    if verb == "x":
        return f"rejected {len(session.reject(chosen, rest[0] if rest else None, at=page.step))}"
    if verb == "s":
        return f"skipped {len(session.skip(chosen, at=page.step))}"
    if verb == "k":
        return f"kept 1, rejected {len(session.keep(chosen)) - 1} as its duplicates"
    if verb == "l" and len(rest) == 2:
        return f"labelled {len(session.label(chosen, rest[0], rest[1]))}"
    raise BadInput(f"{answer!r} is no answer; {HELP}")


def _described(session: ReviewSession, review_data: ReviewData, page: Page) -> str:
    row = review_data.faces.row(review_data.row(page.faces[0]), named=True)
    assert page.step is not None  # noqa: S101 (a page with faces has a step)
    labels = ", ".join(str(row[column]) for column in review_data.labels)
    steps = funnel_steps.reviewed()
    question = f"the label {page.label}?" if page.label else page.question_about(row["name"])
    reasons = [reason for name in page.asks or (page.step,) for reason in funnel_steps.named(name).reasons]
    split = review_data.conflicts_of(page.faces[0]) if session.joint else ""
    return "\n".join(
        part
        for part in (
            f"\n{page.step} (step {steps.index(page.step) + 1} of {len(steps)}): {row['name']} ({labels})",
            f"  {row['size_px'] if 'size_px' in row else row['width']} px, page of {len(page.faces)}: {page.run}; "
            f"{session.open_faces(page.step)} open",
            f"  {row['page_url'] or row['url']}  {row['license'] or ''}",
            f"  the same shot was found for {row['also_under']}, too" if row["also_under"] else "",
            f"  looks more like {row['resembles']}" if row.get("resembles") else "",
            f"  the panel: {split}" if split else "",
            f"  {question}  reasons: {', '.join(reasons)}",
        )
        if part
    )


def _answers() -> Iterator[str]:
    while True:
        try:
            yield input("> ").strip()
        except EOFError:
            return


def _no_picture(_: Key) -> None:
    """Draw nothing, since the output is not a terminal."""


def _picture(pictures: Pictures) -> Callable[[Key], None]:
    def show(face: Key) -> None:
        pictures.check([face])
        try:
            crop = pictures.crop(face)
        except OSError as error:
            raise BadInput(f"{error.filename}: {error.strerror}; run the stage that makes it (`dvc repro`)") from None
        pixels = cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR)
        if pixels is not None:
            print(half_blocks(pixels, columns=COLUMNS))

    return show


def half_blocks(pixels: np.ndarray, *, columns: int) -> str:
    """Text of `pixels` (height, width, 3; blue, green, red) in 24-bit colour, two rows of pixels per line."""
    height, width = pixels.shape[:2]
    rows = max(2 * round(columns * height / width / 2), 2)
    small = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)[:, :, ::-1]
    lines = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        cells = (
            f"\x1b[38;2;{a[0]};{a[1]};{a[2]}m\x1b[48;2;{b[0]};{b[1]};{b[2]}m▀"
            for a, b in zip(upper, lower, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)
