"""Last look in a terminal: a contact sheet of each person's accepted faces, and pairs by their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mtf.annotation.reviewer_name import reviewer_folder
from mtf.config import Params
from mtf.core.atomic_files import write_bytes
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.contact_sheet import contact_sheet
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.face_pictures import Pictures, stamps
from mtf.review_app.engine.last_look import LastLook, LookPage
from mtf.review_app.engine.loading import load_review_data
from mtf.review_app.terminal_input import report_torn, typed_answers

HELP = "two numbers: they are duplicates  u undo  d done with this person  q leave"


def run(workspace: ProjectPaths, params: Params, reviewer: str) -> None:
    """Look over every person until none is left, the input ends, or the reviewer quits."""
    seen = stamps(workspace)
    review_data, torn = load_review_data(workspace, params)
    report_torn(torn)
    pictures = Pictures(workspace, review_data, seen=seen, max_pixels=params.crawl.max_pixels)
    sheet = workspace.stage("room") / f"last-look-{reviewer_folder(reviewer)}.jpg"
    look = LastLook(workspace, review_data, reviewer)
    try:
        review(look, answers=typed_answers(), show=lambda page: _written(sheet, page, pictures), check=pictures.check)
    finally:
        look.close()
        sheet.unlink(missing_ok=True)


def review(
    look: LastLook,
    *,
    answers: Iterator[str],
    show: Callable[[LookPage], Path],
    check: Callable[[list[Key]], None] = lambda _: None,
) -> None:
    """Apply one answer after another, each to the current person."""
    print(HELP)
    shown = None
    while (page := look.page()) is not None:
        if page.identity != shown:
            print(f"\n{page.identity}: {len(page.faces)} accepted faces; {look.left} people left\n  {show(page)}")
            shown = page.identity
        answer = next(answers, "q")
        if answer in ("q", "quit"):
            return
        try:
            print(_act(look, page, answer, check))
        except (BadInput, OSError) as error:
            print(f"not done: {error}")
    print("Nobody is left to look over.")


def _act(look: LastLook, page: LookPage, answer: str, check: Callable[[list[Key]], None]) -> str:
    if answer == "u":
        look.undo()
        return "undone"
    if answer == "d":
        look.finish()
        return f"done: {page.identity}"
    numbers = answer.split()
    if len(numbers) != 2 or not all(one.isdecimal() and 1 <= int(one) <= len(page.faces) for one in numbers):
        raise BadInput(f"{answer!r} is no answer; {HELP}; numbers from 1 to {len(page.faces)}")
    one, other = (page.faces[int(number) - 1] for number in numbers)
    check([one, other])
    look.group(one, other)
    return f"{numbers[0]} and {numbers[1]} are duplicates; the panel is asked which one stays"


def _written(path: Path, page: LookPage, pictures: Pictures) -> Path:
    """Contact sheet of the page, written to `path`. Raises BadInput for pictures that were taken down meanwhile."""
    pictures.check(page.faces)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, contact_sheet([pictures.crop(face) for face in page.faces]))
    return path
