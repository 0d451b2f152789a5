"""The room as a reviewer has it: the real app, a real MongoDB, a real browser."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, Request, Route, sync_playwright

from mtf import params
from mtf.review import ledger
from mtf.room.opening import desk_of, material_of
from mtf.workspace import Workspace

FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
QUERIES = "**/graphql"
MODULE = "**/keyboard.js"
WAIT_MS = 60_000
A_LOOK_MS = 700
FAST_MS = 1600
SETTLED_MS = 4000


@pytest.fixture(scope="module")
def browser(chromium: str) -> Generator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=list(FLAGS))
        yield browser
        browser.close()


def is_for_a_grid(request: Request) -> bool:
    """FiftyOne asks for a view's grid by this, and empties the one before once it is answered."""
    return "query DatasetPageQuery" in (request.post_data or "")


class Screen:
    """What a reviewer sees and does in one browser."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.page: Page = browser.new_context(viewport={"width": 1400, "height": 860}).new_page()
        self.page.goto(url, timeout=WAIT_MS)
        self.page.wait_for_selector("#mtf-bar", timeout=WAIT_MS)
        # FiftyOne shows all faces before it shows the page, and forgets then what was selected.
        has_view = "() => document.querySelector('[data-cy=view-bar]')?.innerText.trim()"
        self.page.wait_for_function(has_view, timeout=WAIT_MS)

    @property
    def bar(self) -> str:
        return self.page.inner_text("#mtf-bar")

    def strike(self, key: str) -> Callable[[], str]:
        """Press a key; what is returned waits for the answer on the bar."""
        before = self.page.get_attribute("#mtf-bar", "data-answers")
        self.page.keyboard.press(key)

        def answered() -> str:
            self.page.wait_for_function(
                "before => document.getElementById('mtf-bar').dataset.answers !== before", arg=before, timeout=WAIT_MS
            )
            return self.bar

        return answered

    def press(self, key: str) -> str:
        """Press a key, and wait for the answer on the bar; a key for a page, as soon as the page may be judged."""
        for _ in range(60):
            self.strike(key)()
            if "look at the page first" not in self.bar:
                return self.bar
            self.page.wait_for_timeout(A_LOOK_MS)
        raise AssertionError("the page does not come on the screen")

    def sees_faces(self, count: int) -> None:
        self.page.wait_for_function(
            "count => document.querySelectorAll('[data-cy=looker]').length === count", arg=count, timeout=WAIT_MS
        )
        self.page.wait_for_timeout(400)

    def scroll_to_the_end(self) -> None:
        self.page.mouse.move(800, 500)
        self.page.mouse.wheel(0, 5000)

    def open_face(self, number: int) -> None:
        self._click(number, 60, 60)
        self.page.wait_for_selector('[data-cy="modal"]', timeout=WAIT_MS)
        self.page.wait_for_timeout(600)

    def leave_face(self) -> None:
        for _ in range(20):
            self.page.keyboard.press("Escape")
            self.page.wait_for_timeout(700)
            if not self.page.locator('[data-cy="modal"]').count():
                return
        raise AssertionError("the face does not close")

    def select(self, *numbers: int) -> None:
        for number in numbers:
            self._click(number, 12, 12)
            self.page.wait_for_timeout(250)

    def has_chosen(self, count: int) -> None:
        """So many faces FiftyOne has selected, once it and the bar have come to rest."""
        self.page.wait_for_timeout(A_LOOK_MS)
        self.page.wait_for_function(
            "count => Number(document.querySelector('[data-cy=action-manage-selected]')?.innerText || 0) === count",
            arg=count,
            timeout=WAIT_MS,
        )

    def click(self, place: dict[str, float]) -> None:
        """Where a face lay, or lies: on its box to select it."""
        self.page.mouse.click(place["x"] + 12, place["y"] + 12)

    @contextmanager
    def grid_held(self, key: str) -> Generator[str]:
        """Press a key that changes the page, and give the answer; the grid keeps its faces until this is left."""
        held: list[Route] = []

        def hold(route: Route) -> None:
            if is_for_a_grid(route.request):
                held.append(route)
            else:
                route.continue_()

        self.page.route(QUERIES, hold)
        with self.page.expect_request(is_for_a_grid, timeout=WAIT_MS):
            said = self.press(key)
        yield said
        for route in held:
            route.continue_()
        self.page.unroute(QUERIES)

    def place(self, number: int) -> dict[str, float]:
        """Where a face lies, once the grid has come to rest."""
        face, before = self.page.locator("[data-cy=looker]").nth(number), None
        for _ in range(120):
            place = face.bounding_box(timeout=WAIT_MS)
            if place is not None and place == before:
                return {name: float(value) for name, value in place.items()}
            before = place
            self.page.wait_for_timeout(500)
        raise AssertionError("the grid does not come to rest")

    def _click(self, number: int, x: int, y: int) -> None:
        place = self.place(number)
        self.page.mouse.move(place["x"] + x + 2, place["y"] + y + 2)
        self.page.wait_for_timeout(200)
        self.page.mouse.click(place["x"] + x, place["y"] + y)


def decided(workspace: Workspace) -> pl.DataFrame:
    return ledger.read(workspace.review).decisions


def test_a_sitting_from_the_first_key_to_a_shorter_queue(
    project: Callable[..., Workspace], open_room: Callable, browser: Browser
) -> None:
    workspace = project({"ada": 8, "bob": 4}, groups={"ada": [[0, 1]]})
    room = open_room(workspace, "anna")
    screen = Screen(browser, room.url("anna"))
    screen.sees_faces(12)
    assert "faces: 0 done, 12 open" in screen.bar

    screen.open_face(0)
    assert "faces: 1 done, 11 open" in screen.press("a")
    assert decided(workspace).select("step", "verdict", "reviewer").rows() == [("face", "accept", "anna")]
    screen.page.wait_for_timeout(1600)
    assert "faces: 2 done, 10 open" in screen.press("2")
    assert decided(workspace)["reason"].to_list() == [None, "partial_face"]
    screen.leave_face()

    screen.sees_faces(10)
    screen.select(0, 2)
    assert "✓ Reject: 2 faces (not a face)" in screen.press("1")
    screen.sees_faces(8)
    assert "✓ Undo: 2 faces" in screen.press("u")
    screen.sees_faces(10)
    assert decided(workspace)["verdict"].to_list() == ["accept", *["reject"] * 3, *["undo"] * 2]

    for expected in ("identity: 0 done", "identity: ", "quality: 0 done"):
        assert expected in screen.press("Shift+A")
    assert "duplicates: 0 done, 2 open" in screen.press("Shift+A")
    assert "proposed to keep: the first" in screen.bar
    screen.sees_faces(2)
    screen.select(0)
    assert "✓ Kept 1, rejected 1 as its duplicates" in screen.press("k")
    said = decided(workspace).filter(step="duplicate").select("verdict", "reason").sort("verdict").rows()
    assert said == [("keep", None), ("reject", "near_duplicate")]
    assert "task fit: 0 done, 10 open" in screen.bar
    assert "proposed" not in screen.bar
    for width, height in ((1280, 800), (1400, 900), (1920, 1080)):
        screen.page.set_viewport_size({"width": width, "height": height})
        everything_of_the_bar_can_be_seen(screen, height)

    screen.page.evaluate("window.__foo__.executeOperator('open_panel', {name: 'mtf_review_progress', isActive: true})")
    panel = screen.page.wait_for_selector('[data-cy="mtf-progress"]', timeout=WAIT_MS)
    assert panel is not None
    screen.page.wait_for_function("() => document.querySelectorAll('.mtf-panel table').length === 2")
    assert "faces\t12\t0" in panel.inner_text()

    screen.page.context.close()
    assert "lines were added to the ledger" in room.close()
    again = open_room(workspace, "anna")
    assert Screen(browser, again.url("anna")).bar.find("task fit: 0 done, 10 open") > 0


def everything_of_the_bar_can_be_seen(screen: Screen, height: int) -> None:
    """And nothing of the app lies behind it."""
    screen.page.wait_for_function("height => innerHeight === height", arg=height, timeout=WAIT_MS)
    screen.page.wait_for_timeout(A_LOOK_MS)
    assert "9 wrong age group" in screen.bar
    lines = "[...document.querySelectorAll('#mtf-bar .line')]"
    assert screen.page.evaluate(f"{lines}.every(line => line.scrollWidth <= line.clientWidth)")
    places = "[document.getElementById('root'), document.getElementById('mtf-bar')].map(e => e.getBoundingClientRect())"
    root, bar = screen.page.evaluate(places)
    assert root["bottom"] <= bar["top"] + 0.5
    assert bar["bottom"] == height


def test_two_reviewers_in_two_browsers_write_their_own_files(
    project: Callable[..., Workspace], open_room: Callable, browser: Browser, tmp_path: Path
) -> None:
    workspace = project({"ada": 250, "bob": 250})
    room = open_room(workspace, "anna", "ben")
    screens = {name: Screen(browser, room.url(name)) for name in ("anna", "ben")}
    unseen = ""
    while reviewing := {name: screen for name, screen in screens.items() if "faces: " in screen.bar}:
        if not unseen and "page of 40" in screens["anna"].bar:
            unseen = screens["anna"].press("Shift+A")
            assert "not all of the page was on the screen: scroll to its end first" in unseen
        for screen in reviewing.values():
            screen.scroll_to_the_end()
        # Both keys are down before either answer is there; one that comes too early for its page is pressed again.
        answers = {name: screen.strike("Shift+A") for name, screen in reviewing.items()}
        assert all(answer().startswith(name) for name, answer in answers.items())
    assert unseen
    found = decided(workspace)
    assert found.filter(pl.col("file").str.starts_with("anna/"))["reviewer"].unique().to_list() == ["anna"]
    assert found.group_by("reviewer").len().sort("reviewer").rows() == [("anna", 500), ("ben", 500)]
    assert found.select("reviewer", "image_id").is_unique().all()
    assert len(list(workspace.review.rglob("*.jsonl"))) == 2
    nothing_but_faces_can_be_had(room.url("anna"), tmp_path)


def test_every_key_does_what_the_bar_says_and_a_saved_view_is_not_left(
    project: Callable[..., Workspace], open_room: Callable, browser: Browser
) -> None:
    workspace = project({"ada": 8})
    screen = Screen(browser, open_room(workspace, "anna").url("anna"))
    screen.sees_faces(8)
    screen.select(0)
    assert "✓ Skip: 1 face" in screen.press("s")
    screen.sees_faces(7)
    screen.select(0)
    assert "✓ Reject: 1 face" in screen.press("x")
    assert decided(workspace)["reason"].to_list() == [None, "not_a_face"]
    screen.sees_faces(6)
    screen.select(0)
    for key in "l3":
        screen.page.keyboard.press(key)
        screen.page.wait_for_timeout(300)
    assert "✓ Correct a label: 1 face (age: Old)" in screen.press("2")
    assert decided(workspace)["labels"].to_list()[-1] == [{"column": "age", "label": "Old"}]
    bar = screen.press("n")
    assert "page of 6" in bar
    assert "the page, made anew" in bar
    assert "✓" not in bar
    screen.page.wait_for_timeout(A_LOOK_MS)

    screen.page.evaluate("window.__foo__.executeOperator('set_view', {name: 'rejected'})")
    screen.sees_faces(1)
    assert "Shift + key is for a page of the queue" in screen.press("Shift+A")
    assert len(decided(workspace)) == 3
    screen.select(0)
    screen.page.wait_for_function("() => document.getElementById('mtf-bar').innerText.includes('this face: faces')")
    assert "✓ Accept: 1 face" in screen.press("a")
    assert decided(workspace).tail(1).select("step", "verdict").rows() == [("face", "accept")]
    screen.sees_faces(0)
    assert "view=rejected" in screen.page.url
    assert "the page, made anew" in screen.press("n")
    screen.sees_faces(6)


def test_the_keys_do_on_an_open_face_what_they_do_in_the_grid_and_a_held_key_speaks_once(
    project: Callable[..., Workspace], open_room: Callable, browser: Browser
) -> None:
    workspace = project({"ada": 8}, groups={"ada": [[0, 1]]})
    screen = Screen(browser, open_room(workspace, "anna").url("anna"))
    screen.sees_faces(8)
    screen.open_face(0)
    assert "Shift + key is for the page in the grid" in screen.press("Shift+A")
    assert "the crop" in screen.press("p")
    with screen.page.expect_request(lambda request: "picture%2F" in request.url, timeout=WAIT_MS):
        assert "the whole picture" in screen.press("p")
    assert "✓ Skip: 1 face" in screen.press("s")
    screen.page.wait_for_timeout(FAST_MS)
    assert "✓ Reject: 1 face" in screen.press("x")
    screen.page.wait_for_timeout(FAST_MS)
    for key in "l3":
        screen.page.keyboard.press(key)
    assert "✓ Correct a label: 1 face (age: Old)" in screen.press("2")
    assert "✓ Undo: 1 face" in screen.press("u")
    assert decided(workspace)["verdict"].to_list() == ["skip", "reject", "label", "undo"]

    screen.sees_faces(6)
    screen.open_face(0)
    screen.page.keyboard.press("Numpad4")  # the left arrow, without NumLock
    for _ in range(30):
        screen.page.keyboard.down("a")
        screen.page.wait_for_timeout(60)
    screen.page.keyboard.up("a")
    screen.page.wait_for_timeout(FAST_MS)
    assert decided(workspace).tail(-4)["verdict"].to_list() == ["accept"]

    screen.leave_face()
    while "duplicates: " not in screen.bar:
        screen.press("Shift+A")
    screen.sees_faces(2)
    assert "one of a group of duplicates has to stay" in screen.press("Shift+X")
    screen.open_face(0)
    assert "✓ Kept 1, rejected 1 as its duplicates" in screen.press("k")


@pytest.fixture
def eight(project: Callable[..., Workspace], open_room: Callable, browser: Browser) -> tuple[Workspace, Screen]:
    """A project of eight faces, and its first page."""
    workspace = project({"ada": 8})
    screen = Screen(browser, open_room(workspace, "anna").url("anna"))
    screen.sees_faces(8)
    return workspace, screen


def test_no_key_decides_a_face_that_has_left_the_screen(eight: tuple[Workspace, Screen]) -> None:
    workspace, screen = eight
    screen.select(0)
    for number, picked in enumerate((0, 1, 1), 1):
        gone, other = screen.place(picked), screen.place(2)
        with screen.grid_held("a") as said:
            assert "✓ Accept: 1 face" in said
            screen.click(gone)  # it is finished, and still there
            screen.click(other)  # it stays: the click is not lost
        screen.has_chosen(1)
        assert "this face: " not in screen.bar
        screen.sees_faces(8 - number)
        screen.page.wait_for_timeout(FAST_MS)
    assert decided(workspace)["step"].unique().to_list() == ["face"]

    screen.page.evaluate("window.__foo__.executeOperator('set_view', {name: 'accepted'})")
    screen.sees_faces(3)
    screen.has_chosen(0)
    assert "select faces first" in screen.press("a")
    assert decided(workspace)["verdict"].to_list() == ["accept"] * 3


@pytest.mark.parametrize("after_ms", [60, 200])
def test_a_click_between_a_key_and_the_next_page_counts_for_the_next_key(
    eight: tuple[Workspace, Screen], after_ms: int
) -> None:
    workspace, screen = eight
    screen.select(0)
    other = screen.place(2)
    answer = screen.strike("a")
    screen.page.wait_for_timeout(after_ms)
    screen.click(other)
    assert "✓ Accept: 1 face" in answer()
    screen.sees_faces(7)
    screen.page.wait_for_timeout(FAST_MS)
    screen.has_chosen(1)
    assert "✓ Reject: 1 face" in screen.press("x")
    assert decided(workspace)["verdict"].to_list() == ["accept", "reject"]
    assert decided(workspace)["image_id"].n_unique() == 2


def test_a_screen_that_has_lost_the_page_has_it_again_by_itself(
    project: Callable[..., Workspace], open_room: Callable, browser: Browser
) -> None:
    workspace = project({"ada": 8})
    room = open_room(workspace, "anna")
    screen = Screen(browser, room.url("anna"))
    screen.sees_faces(8)
    screen.select(0)
    screen.press("a")
    screen.sees_faces(7)
    room.kill("mtf.room.app")
    screen.sees_faces(0)
    screen.sees_faces(7)
    screen.page.wait_for_timeout(SETTLED_MS)  # FiftyOne has the page still, then all faces
    screen.sees_faces(7)

    screen.page.route(QUERIES, counted_as_empty)
    screen.page.reload()
    screen.page.wait_for_selector("text=No samples yet", timeout=WAIT_MS)
    screen.page.wait_for_selector("#mtf-bar", timeout=WAIT_MS)
    screen.strike("Shift+A")()
    assert "no face is on the screen" in screen.bar
    screen.page.unroute_all(behavior="ignoreErrors")  # one may be on its way
    screen.sees_faces(7)
    assert decided(workspace)["verdict"].to_list() == ["accept"]

    screen.page.route(MODULE, lambda route: route.abort())
    screen.page.reload()
    screen.page.wait_for_timeout(SETTLED_MS)
    assert screen.page.query_selector("#mtf-bar") is None
    screen.page.unroute_all(behavior="ignoreErrors")
    screen.page.wait_for_selector("#mtf-bar", timeout=WAIT_MS)
    screen.sees_faces(7)

    # As FiftyOne ends where the app was gone while it asked for something: it carries out no operator any more.
    screen.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<div data-cy=setup-page></div>')")
    screen.page.wait_for_selector("[data-cy=setup-page]", state="detached", timeout=WAIT_MS)
    screen.sees_faces(7)
    screen.select(0)
    assert "✓ Accept: 1 face" in screen.press("a")


def counted_as_empty(route: Route) -> None:
    """What a database that is just coming back says of the data set."""
    answer = route.fetch()
    body = re.sub(r'("estimatedSampleCount":\s*)\d+', r"\g<1>0", answer.text())
    route.fulfill(response=answer, body=body)


def test_the_joint_session_settles_what_the_panel_is_split_on(
    project: Callable[..., Workspace], open_room: Callable, browser: Browser
) -> None:
    workspace = project({"ada": 4})
    material, _ = material_of(workspace, params.load(workspace.params))
    for number, reviewer in enumerate(("anna", "ben", "cyd")):
        desk = desk_of(workspace, material, reviewer, joint=False)
        desk.reject(material.faces_of("ada")[: number // 2 + 1])
        desk.accept(material.faces_of("ada")[number // 2 + 1 :])
        desk.close()
    screen = Screen(browser, open_room(workspace, "ben", joint=True).url("ben"))
    assert "joint session" in screen.bar
    screen.sees_faces(1)
    assert "Nothing is left for you" in screen.press("Shift+A")
    said = decided(workspace).filter("joint")
    assert said.select("reviewer", "step", "verdict").rows() == [("ben", "face", "accept")]


def nothing_but_faces_can_be_had(url: str, tmp_path: Path) -> None:
    """Files of the machine are not served, other sites' pages are not answered, and no other reviewer's data set."""
    base = url.replace("/datasets/sample-anna", "/media?filepath=")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    for path in (str(tmp_path / "secret.jpg"), "/etc/passwd", "/mtf/crop/sample-anna/ada/..%2F..%2Fx.jpg"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(base + path)  # noqa: S310 (loopback)
    for header in ({"Host": "elsewhere.example"}, {"Origin": "https://elsewhere.example"}):
        strange = urllib.request.Request(url, headers=header)  # noqa: S310
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(strange)  # noqa: S310
