"""The report in a real browser: what a person sees, presses and hears."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import made_project
import polars as pl
import pytest
from made_project import PEOPLE, made_params, make
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from mtf.report import results
from mtf.report.parts import Section
from mtf.stages import report
from mtf.workspace import Workspace

CHROMIUM = Path("/usr/bin/chromium")
SECTIONS = [
    "warnings", "funnel", "composition", "splits", "addresses", "licenses", "duplicates", "reviewers", "models",
    "changes",
]  # fmt: skip
GATE = {
    "name": "identity_share", "table": "identities", "says": "share of one identity", "severity": "critical",
    "holds": False, "observed": "<img src=x onerror=alert(1)> 0.6", "wanted": "at most 0.25",
}  # fmt: skip
SCORES = {
    "race": {"random_guess": {"accuracy": 0.25, "macro_f1": 0.2}, "small_cnn": {"accuracy": 0.5, "macro_f1": 0.4}}
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A project with everything a report can show: gates, duplicates, addresses, a model's predictions."""
    workspace = make(tmp_path_factory.mktemp("report") / "project")
    put(workspace.stage("validate") / "results.json", [GATE, GATE | {"name": "drift", "holds": True}])
    put(workspace.metrics("evaluate"), SCORES)
    put(
        workspace.metrics("crawl"),
        {"identities": 3, "addresses": 20, "images": 18, "outcomes": {"stored": 18, "http_error": 2}},
    )
    screening = workspace.table("screen", "screening")
    data = pl.read_parquet(screening)
    first = data.filter(pl.col("identity") == "ada")["face_id"].min()
    is_ada = pl.col("identity") == "ada"
    data.with_columns(near_group=pl.when(is_ada).then(pl.lit(first))).write_parquet(screening)
    _write_predictions(workspace)
    report.run(workspace, made_params())
    return workspace


def put(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def _write_predictions(workspace: Workspace) -> None:
    """Every test face is called White: right for nul alone."""
    test = pl.read_parquet(workspace.table("split", "splits")).filter(pl.col("split") == "test")
    predictions = test.select(
        "identity", "face_id", task=pl.lit("race"), model=pl.lit("small_cnn"), label="race", predicted=pl.lit("White"),
        confidence=pl.lit(0.9, pl.Float32),
    )  # fmt: skip
    path = workspace.table("evaluate", "predictions")
    path.parent.mkdir(parents=True)
    predictions.write_parquet(path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.is_file():
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """The report in a browser, with everything it complained of and everything it asked for."""

    def __init__(self, browser: Browser, path: Path, **options: object) -> None:
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.set_default_timeout(120_000)  # the page is 5 MB of script: slow where many tests run at once
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn=yes]")


@pytest.fixture(scope="module")
def opened(project: Workspace, browser: Browser) -> Iterator[Opened]:
    opened = Opened(browser, project.stage("report") / "index.html", viewport={"width": 1200, "height": 900})
    yield opened
    opened.context.close()


@pytest.fixture
def page(opened: Opened) -> Page:
    opened.page.get_by_role("button", name="Show all").click()
    return opened.page


def becomes_true(page: Page, expression: str, timeout_s: float = 60) -> None:
    """Asked from outside: the page forbids itself `eval`, with which Playwright's `wait_for_function` asks again."""
    until = time.monotonic() + timeout_s
    while not page.evaluate(expression):
        assert time.monotonic() < until, expression
        time.sleep(0.05)


def choice(page: Page, name: str) -> Locator:
    return page.get_by_role("combobox", name=name, exact=True)


def test_it_draws_without_complaint_and_asks_nothing_of_any_network(opened: Opened, project: Workspace):
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [
        (project.stage("report") / "index.html").as_uri()
    ]


def test_every_section_is_there_warnings_first_and_the_navigation_leads_to_it(page: Page):
    assert page.eval_on_selector_all("main > section", "all => all.map(each => each.id)") == SECTIONS
    for name in SECTIONS:
        assert page.locator(f"nav a[href='#{name}']").count() == 1
        assert page.locator(f"#{name} h2").count() == 1


def test_every_chart_is_drawn_named_and_has_its_numbers_as_a_table(page: Page):
    charts = page.locator("[id^=chart-]")
    assert charts.count() == 7
    for index in range(charts.count()):
        chart = charts.nth(index)
        assert chart.locator("svg.main-svg").count() > 0
        assert chart.get_attribute("role") == "img"
        assert chart.get_attribute("aria-label") or chart.get_attribute("aria-labelledby")
        assert chart.locator("xpath=ancestor::figure").locator("details table").count() == 1


def test_warnings_show_hostile_text_as_text(page: Page):
    cells = page.locator("#warnings td").all_inner_texts()
    assert cells == ["share of one identity", "<img src=x onerror=alert(1)> 0.6", "at most 0.25"]
    assert page.locator("#warnings img").count() == 0


def test_the_funnel_says_what_left_and_why(page: Page):
    page.locator("#funnel summary").click()
    texts = page.locator("#funnel tbody tr").all_inner_texts()
    assert "the right person\t15\t3 wrong person" in texts
    assert page.locator("#funnel .sankey-node").count() == 10


def test_filters_change_what_is_shown_and_reset_shows_all_again(page: Page):
    shown = page.locator("#filtered")
    assert shown.inner_text() == "Shown: 15 images of 3 people."
    choice(page, "gender").select_option("Males")
    assert shown.inner_text() == "Shown: 10 images of 2 people."
    choice(page, "split").select_option("test")
    assert shown.inner_text() == "Shown: 2 images of 2 people."
    assert page.eval_on_selector("#chart-distribution", "chart => chart.data[0].x.length") == 6
    assert page.eval_on_selector("#chart-identities", "chart => chart.data[0].x.join()") == "bo.b,nul"
    page.get_by_role("button", name="Show all").click()
    assert shown.inner_text() == "Shown: 15 images of 3 people."


def test_the_filters_work_with_the_keyboard_alone(page: Page):
    choice(page, "race").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("#filtered").inner_text() == "Shown: 5 images of 1 people."


def test_the_first_tab_stop_skips_to_the_report(project: Workspace, browser: Browser):
    fresh = Opened(browser, project.stage("report") / "index.html")
    fresh.page.keyboard.press("Tab")
    assert fresh.page.evaluate("document.activeElement.textContent") == "Skip to the report"
    fresh.page.keyboard.press("Enter")
    assert fresh.page.evaluate("document.activeElement.id") == "main"
    fresh.context.close()


def test_models_are_shown_beside_guessing_and_by_subgroup(page: Page):
    tables = page.locator("#models .scroll > table")
    rows = {row.split("\t")[0]: row.split("\t")[1:] for row in tables.last.locator("tbody tr").all_inner_texts()}
    assert rows["race: White"] == ["1", "100.0 %"]
    assert rows["race: CON"] == ["1", "0.0 %"]
    assert rows["gender: Males"] == ["2", "50.0 %"]
    assert page.eval_on_selector("#chart-accuracy", "chart => chart.data.map(each => each.name).join()") == (
        "random guess,small cnn"
    )


def test_duplicates_are_shown_as_small_pictures(page: Page):
    pictures = page.locator("#duplicates img")
    assert pictures.count() == 6
    assert page.eval_on_selector_all("#duplicates img", "all => all.every(i => i.naturalWidth && i.naturalWidth <= 72)")
    assert pictures.first.get_attribute("alt") == "a face of ada"


def test_thumbnails_can_be_switched_off(tmp_path: Path):
    workspace = make(tmp_path / "project")
    report.run(workspace, made_params(report={"thumbnails": False}))
    text = (workspace.stage("report") / "index.html").read_text(encoding="utf-8")
    assert "data:image" not in text.split('<script type="application/json"')[0]
    assert "Pictures are switched off" in text


TEXT = {"light": "#1b1f24", "dark": "#e6e9ed"}


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [360, 1200])
def test_light_and_dark_phone_and_desk_show_all_of_it(opened: Opened, width: int, scheme: str):
    opened.page.set_viewport_size({"width": width, "height": 900})
    opened.page.emulate_media(color_scheme=scheme)
    colour = "document.getElementById('chart-{}').layout.font.color === '{}'"
    for chart in ("licenses", "identities"):
        becomes_true(opened.page, colour.format(chart, TEXT[scheme]))
    back = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(255, 255, 255)") == (scheme == "light")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []


def test_the_same_inputs_give_the_same_page(tmp_path: Path):
    people = made_project.changed(PEOPLE, "ada", name="</script><script>alert(1)</script>")
    pages = []
    for name in ("one", "another place/two"):
        workspace = make(tmp_path / name, people=people)
        report.run(workspace, made_params(project={"title": "</script><b>"}))
        pages.append((workspace.stage("report") / "index.html").read_bytes())
    assert pages[0] == pages[1]
    assert b"&lt;/script&gt;&lt;b&gt;" in pages[0]


def rows(section: Section) -> list[list[str]]:
    return [list(row) for _, table in section.tables for row in table.rows]


def test_critical_warnings_come_before_the_others():
    failed = [GATE | {"severity": "warning", "says": "w"}, GATE | {"says": "c"}]
    assert [row[1] for row in rows(results.warnings(failed))] == ["c", "w"]


def test_without_warnings_it_says_so():
    assert results.warnings([GATE | {"holds": True}]).says == ["None: all 1 expectations hold."]
    assert results.warnings([]).says == ["The gates have not been checked: run `mtf validate`."]


def test_changes_since_the_last_release_are_listed_with_their_reasons():
    found = {
        "identities": {"added": [], "removed": ["ada"]},
        "faces": {"added": {"newly found": 2}, "removed": {"blurred": 1}, "moved": {}, "relabelled": {}},
    }
    assert rows(results.changes(found, "v1")) == [
        ["images added", "newly found", "2"],
        ["images removed", "blurred", "1"],
        ["identities removed", "ada", "1"],
    ]
    assert results.changes(None, None).says == ["There is no earlier release to compare with."]
