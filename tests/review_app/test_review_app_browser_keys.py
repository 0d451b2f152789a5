"""The panel's keys at every step, its layout, and its access by keyboard: the real app, MongoDB and browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_screen import FACE, WAIT_MS, Screen, decided
from review_process import SharedReview

from mtf.annotation import gold
from mtf.core.project_paths import ProjectPaths
from mtf.schemas import IMAGES, funnel_steps, read

pytestmark = pytest.mark.lengthy(45)

SIZES = ((1440, 900), (1280, 720), (800, 500))


@pytest.fixture(scope="module")
def shared(share_review: Callable[..., SharedReview]) -> SharedReview:
    """Thirty faces of two people, with four groups of duplicates; each test has a reviewer of its own."""
    groups = {"ada": [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]}
    return share_review({"ada": 24, "bob": 6}, "anna", "ben", groups=groups)


def test_every_step_reason_and_key_writes_what_it_says(
    shared: SharedReview, open_screen: Callable[[str], Screen]
) -> None:
    screen = open_screen(shared.process.url("anna"))
    said: list[tuple[str, str, str | None]] = []

    def key(name: str, step: str, verdict: str, reason: str | None = None) -> None:
        assert screen.press(name).startswith("✓"), screen.message
        said.append((step, verdict, reason))

    assert screen.question == "Is this one whole human face?"
    screen.sees(12)
    assert "not a face" in screen.keys
    key("1", "face", "reject", "not_a_face")
    key("2", "face", "reject", "partial_face")
    key("x", "face", "reject", "not_a_face")
    key("s", "face", "skip")
    key("a", "face", "accept")
    assert len(screen.ids(".said")) == 5, "decided faces fade where they are"
    assert screen.press("u") == "✓ Undo: 1 face"
    said.append(("face", "undo", None))
    assert len(screen.ids(".said")) == 4
    screen.page.keyboard.press("l")
    screen.page.keyboard.press("3")
    assert "age should be" in screen.keys
    assert violations(screen) == []
    assert screen.press("2") == "✓ Correct a label: 1 face (age: Old)"
    said.append(("task_fit", "label", None))
    assert "Old (corrected by you)" in screen.page.inner_text(".mtf-aside")
    assert screen.press("n") == "the page, made anew"
    screen.sees(12)

    for number, (step, text) in enumerate(
        (("identity", "Is this Ada?"), ("quality", "unobstructed"), ("duplicate", "Which picture"))
    ):
        screen.decide_until(text)
        screen.sees(len(screen.ids()))
        for reason in funnel_steps.review_reasons()[step] if number < 2 else ():
            key(funnel_steps.reason_keys()[reason], step, "reject", reason)
    assert "proposed to keep" in screen.page.inner_text(f"{FACE}.keeper")
    assert screen.press("k").startswith("✓ Kept 1, rejected ")
    assert "one of a group of duplicates has to stay" in screen.decide_page("Shift+X")
    key("e", "duplicate", "reject", "exact_duplicate")
    assert screen.press("u") == "✓ Undo: 1 face"
    key("8", "duplicate", "reject", "near_duplicate")
    screen.decide_until("labels fit")
    for reason in funnel_steps.review_reasons()["task_fit"]:
        key(funnel_steps.reason_keys()[reason], "task_fit", "reject", reason)

    found = decided(shared.workspace, "anna").select("step", "verdict", "reason").rows()
    assert [one for one in said if one not in found] == []
    given = {(step, reason) for step, verdict, reason in found if verdict == "reject"}
    assert given == {(step, str(one)) for step, reasons in funnel_steps.review_reasons().items() for one in reasons}


def test_everything_fits_any_screen_can_be_reached_by_keyboard_and_has_a_name(
    shared: SharedReview, open_screen: Callable[[str], Screen]
) -> None:
    screen = open_screen(shared.process.url("ben"))
    screen.decide_until("Is this Ada?")
    screen.decide_page()
    for width, height in SIZES:
        screen.page.set_viewport_size({"width": width, "height": height})
        everything_is_on_the_screen(screen)
    for scheme in ("light", "dark"):
        screen.evaluate(f"document.documentElement.setAttribute('data-mui-color-scheme', '{scheme}')")
        screen.page.wait_for_selector(f".mtf-room.{scheme}", timeout=WAIT_MS)
        assert violations(screen) == []
    screen.page.keyboard.press("?")
    screen.page.wait_for_selector("#mtf-help", timeout=WAIT_MS)
    assert "hold: the whole picture" in screen.page.inner_text(".mtf-help")
    assert violations(screen, part="[role=dialog]") == []
    screen.page.keyboard.press("a")
    screen.page.keyboard.press("Escape")
    screen.page.wait_for_selector("#mtf-help", state="detached", timeout=WAIT_MS)

    first = screen.ids()
    before = len(decided(shared.workspace, "ben"))
    for key in ("ArrowRight", "Space", "ArrowRight", "Space", "ArrowLeft"):
        screen.page.keyboard.press(key)
    assert screen.ids(".marked") == first[1:3]
    screen.page.keyboard.press("Escape")
    assert screen.ids(".marked") == []
    screen.page.keyboard.press("Space")
    screen.page.keyboard.press("ArrowRight")
    screen.page.keyboard.press("Space")
    screen.page.keyboard.press("ArrowLeft")
    assert screen.ids(".marked") == first[1:3]
    screen.page.wait_for_function("id => document.activeElement.dataset.id === id", arg=first[1], timeout=WAIT_MS)
    screen.page.keyboard.down("p")
    screen.page.wait_for_selector('[data-cy="mtf-whole"] img', timeout=WAIT_MS)
    screen.page.keyboard.up("p")
    screen.page.wait_for_selector('[data-cy="mtf-whole"]', state="detached", timeout=WAIT_MS)
    screen.page.keyboard.press("Numpad4")  # the left arrow, without NumLock
    for _ in range(20):
        screen.page.keyboard.down("a")
    screen.page.keyboard.up("a")
    screen.sees(2, ".said")
    assert len(decided(shared.workspace, "ben")) == before + 2, "a key that is held down counts once"

    screen.evaluate("window.__foo__.executeOperator('open_panel', {name: 'mtf_review_progress', isActive: true})")
    panel = screen.page.wait_for_selector('[data-cy="mtf-progress"]', timeout=WAIT_MS)
    assert panel is not None
    screen.page.wait_for_function("() => document.querySelectorAll('.mtf-panel table').length === 2")
    assert "faces\t30\t0" in panel.inner_text()
    assert violations(screen) == []
    screen.page.keyboard.press("a")
    assert len(decided(shared.workspace, "ben")) == before + 2, "no key decides behind another panel"


def test_gold_questions_look_like_any_face_and_are_no_votes(
    project: Callable[..., ProjectPaths], open_review: Callable, open_screen: Callable[[str], Screen]
) -> None:
    workspace = project({"ada": 8, "bob": 6})
    screen = open_screen(open_review(workspace, "anna", has_gold=True).url("anna"))
    while "Is this " in screen.question:
        screen.sees(len(screen.ids()))
        screen.decide_page()
    real = {(row["identity"], row["image_id"]) for row in read(IMAGES, workspace.table("crawl", "images")).to_dicts()}
    found = decided(workspace).select("identity", "image_id", "step")
    assert set(found.select("identity", "image_id").rows()) == real
    assert found.is_unique().all()
    answers, _ = gold.read(workspace.review)
    assert answers and {answer.verdict for answer in answers} == {"accept"}


def everything_is_on_the_screen(screen: Screen) -> None:
    """Nothing of the page has to be scrolled to, and accepted faces have the scale of the page."""
    screen.page.wait_for_timeout(500)  # a page of the size before may fit, too
    shown = screen.evaluate(
        """() => {
          const inside = (part) => { const box = part.getBoundingClientRect();
            return box.left >= 0 && box.top >= 0 && box.right <= innerWidth + 1 && box.bottom <= innerHeight + 1; };
          const area = document.querySelector('.mtf-faces');
          const width = (part) => Math.round(part.getBoundingClientRect().width);
          return {
            outside: [...document.querySelectorAll('[data-cy=mtf-face], .mtf-head, .mtf-foot button, .mtf-aside a')]
              .filter((part) => !inside(part)).length,
            scrolls: area.scrollHeight > area.clientHeight + 1 || area.scrollWidth > area.clientWidth + 1,
            sides: [...new Set([...document.querySelectorAll('.mtf-face img, .mtf-accepted img')].map(width))],
          };
        }"""
    )
    assert shown["outside"] == 0
    assert not shown["scrolls"]
    assert len(shown["sides"]) == 1
    assert shown["sides"][0] >= 90
    assert "CC-BY-4.0" in screen.page.inner_text(".mtf-aside")


def violations(screen: Screen, *, part: str = ".mtf-room") -> list[str]:
    """Findings of axe in the review's own part of the page."""
    found = Axe().run(screen.page, context=part).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]
