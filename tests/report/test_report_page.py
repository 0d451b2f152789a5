"""The report in a real browser: what a person sees, presses and hears."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_project
import numpy as np
import polars as pl
import pytest
from made_project import PEOPLE, made_params, make
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

from mtf.config import parse
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import fairness
from mtf.evaluation.groups import Question
from mtf.gates import outcome
from mtf.gates.expectations import NotChecked, Severity
from mtf.gates.outcome import GateOutcome
from mtf.gates.suite import ExpectationResult
from mtf.pipeline import report
from mtf.report import composition, funnel_section, models, overview, verification_tables, warnings
from mtf.report.report_page import COLOURS, PageSection
from mtf.schemas import Step
from projects import run_in

SECTIONS = [
    "overview", "warnings", "funnel", "composition", "splits", "addresses", "licenses", "duplicates", "reviewers",
    "models", "gates", "changes",
]  # fmt: skip
GATE = ExpectationResult(
    "identity_share", "identities", "share of one identity", Severity.CRITICAL, False,
    "<img src=x onerror=alert(1)> 0.6", "at most 0.25",
)  # fmt: skip
HELD = ExpectationResult("drift", "drift", "distance", Severity.CRITICAL, True, "", "at most 0.2")
UNCHECKED = NotChecked("funnel", "no previous release")
SCORES = {
    "race": {"uniform_guess": {"accuracy": 0.25, "macro_f1": 0.2}, "small_cnn": {"accuracy": 0.5, "macro_f1": 0.4}}
}
BY_RACE = {
    "race": {
        "summary": {
            "groups": 2,
            "worst_group": "CON",
            "worst": 0.0,
            "best": 1.0,
            "gap": 1.0,
            "gap_low": 0.3,
            "gap_high": 1.0,
        },
        "groups": {
            "CON": {"n": 1, "accuracy": 0.0, "low": 0.0, "high": 0.7935},
            "White": {"n": 1, "accuracy": 1.0, "low": 0.2066, "high": 1.0},
        },
    },
    "race × gender": {
        "summary": {"groups": 0},
        "groups": {"CON × Males": {"n": 1, "accuracy": 0.0}, "CON × Females": {"n": 0}},
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectPaths:
    """A project with everything a report can show: gates, duplicates, addresses, models of one task and of several."""
    workspace = make(tmp_path_factory.mktemp("report") / "project")
    params = made_params(report=TARGET)
    put(workspace.metrics("evaluate"), SCORES)
    put(workspace.metrics("fairness/models/small_cnn/race"), BY_RACE)
    put(workspace.metrics("multitask/equal"), {"accuracy": {"race": 0.75, "gender": 1.0, "all": 0.7}, "by_group": {}})
    put(workspace.metrics("fairness/multitask/equal"), {"race": BY_RACE})
    confusion = workspace.plots("multitask") / "equal/confusion/race.png"
    confusion.parent.mkdir(parents=True)
    Image.new("RGB", (40, 30)).save(confusion)
    put(
        workspace.metrics("crawl"),
        {"identities": 3, "addresses": 20, "images": 18, "outcomes": {"stored": 18, "http_error": 2}},
    )
    put_duplicates(workspace)
    put_predictions(workspace, "White")
    outcome.write(workspace, GateOutcome(outcome.input_digests(workspace, params), [GATE, HELD], [UNCHECKED]))
    report.run(workspace, params)
    return workspace


TARGET = {"target": {"gender": {"Males": 0.75, "Females": 0.25}}}


def put_duplicates(workspace: ProjectPaths) -> None:
    """All of ada's faces are nearly the same, two of nul's the same, and bo.b's last is that of ada's last."""
    path = workspace.table("screen", "screening")
    data = pl.read_parquet(path).sort("identity", "face_id")
    first = data.group_by("identity", maintain_order=True).first()
    of = dict(first.select("identity", "face_id").iter_rows())
    place = pl.int_range(pl.len()).over("identity")
    one_each = (place == 0) & pl.col("identity").is_in(["ada", "bo.b"])
    data.with_columns(
        near_group=pl.when(pl.col("identity") == "ada").then(pl.lit(of["ada"])),
        exact_group=pl.when((pl.col("identity") == "nul") & (place < 2)).then(pl.lit(of["nul"])),
        across_group=pl.when(one_each).then(pl.lit(of["ada"])),
    ).write_parquet(path)


def put(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def put_predictions(workspace: ProjectPaths, label: str, *, split: str = "test") -> None:
    """Every face of the split is called `label`."""
    faces = pl.read_parquet(workspace.table("split", "splits")).filter(split=split)
    predictions = faces.select(
        "identity", "face_id", task=pl.lit("race"), model=pl.lit("small_cnn"), label="race", predicted=pl.lit(label),
        confidence=pl.lit(0.9, pl.Float32),
    )  # fmt: skip
    path = workspace.table("evaluate", "predictions")
    path.parent.mkdir(parents=True, exist_ok=True)
    predictions.write_parquet(path)


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
        self.page.set_default_timeout(120_000)  # the page is 1.2 MB of script: slow where many tests run at once
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn=yes]")


@pytest.fixture(scope="module")
def opened(project: ProjectPaths, browser: Browser) -> Iterator[Opened]:
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


def test_it_draws_without_complaint_and_asks_nothing_of_any_network(opened: Opened, project: ProjectPaths):
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [
        (project.stage("report") / "index.html").as_uri()
    ]


def test_every_section_is_there_the_overview_first_and_the_navigation_leads_to_it(page: Page):
    assert page.eval_on_selector_all("main > section", "all => all.map(each => each.id)") == SECTIONS
    for name in SECTIONS:
        assert page.locator(f"nav a[href='#{name}']").count() == 1
        assert page.locator(f"#{name} h2").count() == 1


def test_every_chart_is_drawn_named_and_has_its_numbers_as_a_table(page: Page):
    charts = page.locator("[id^=chart-]")
    assert charts.count() == 8
    for index in range(charts.count()):
        chart = charts.nth(index)
        assert chart.locator("svg.main-svg").count() > 0
        assert chart.get_attribute("role") == "img"
        assert chart.get_attribute("aria-label") or chart.get_attribute("aria-labelledby")
        assert chart.locator("xpath=ancestor::figure").locator("details table").count() == 1


def test_warnings_show_hostile_text_as_text_and_what_was_not_checked(page: Page):
    cells = page.locator("#warnings td").all_inner_texts()
    assert cells == ["identity_share", "share of one identity", "<img src=x onerror=alert(1)> 0.6", "at most 0.25"]
    assert page.locator("#warnings img").count() == 0
    assert page.locator("#warnings p").first.inner_text() == (
        "1 of 2 expectations do not hold. Nothing is released while a critical expectation does not hold."
    )
    assert "Not checked" not in page.locator("#warnings").inner_text()
    assert page.locator("#gates tbody tr").first.inner_text() == "funnel\tno previous release"
    everything = page.locator("#gates details tbody tr").all_text_contents()
    assert [each[:20] for each in everything] == ["identity_sharenocrit", "driftyescriticaldist"]


def test_the_first_screen_says_whether_it_may_be_published_and_why_not(page: Page):
    overview = page.locator("#overview")
    assert overview.locator("h2").inner_text() == "May this be published? No."
    assert overview.locator("p").all_inner_texts() == ["1 critical gate does not hold: identity_share."]
    facts = {
        fact.locator("dt").inner_text(): fact.locator("dd").all_inner_texts()
        for fact in overview.locator("dl div").all()
    }
    assert facts["Faces"] == ["15 faces of 3 people", "train 9, val 3, test 3"]
    assert facts["Licenses"] == ["1 license of the pictures", "CC-BY-4.0 100.0 %", "the release: CC-BY-SA-4.0"]
    assert facts["Evenness"][:2] == [
        "0 to 5 faces in each of 12 combinations of labels",
        "race: Asian (Indian) 33.3 % to Asian (Indian) 33.3 %",
    ]
    assert facts["Models"][0] == "accuracy of the best: 75.0 % to 100.0 % on 2 tasks"
    assert facts["Models"][1] == "race: 75.0 % (n = 2) by multitask-equal; worst group CON: 0.0 % (0.0 to 79.3; n = 1)"
    assert facts["Needs attention"][0] == "1 of 2 expectations do not hold"
    assert facts["Changed"] == ["There is no earlier release to compare with."]
    box = overview.bounding_box()
    assert box and box["y"] + box["height"] < 900


@pytest.mark.parametrize(
    ("found", "changed", "errors", "is_publishable", "says"),
    [
        (GateOutcome({}, [HELD], []), (), (), True, "All critical gates hold, and the audit forbids no picture."),
        (GateOutcome({}, [HELD], [UNCHECKED]), (), (), True, "1 gate could not be checked."),
        (None, (), (), False, "The gates have not been checked"),
        (GateOutcome({}, [HELD], []), ["splits"], (), False, "splits changed since the gates were checked"),
        (GateOutcome({}, [HELD], []), (), ["ada/1 (taken down)"], False, "The audit forbids 1 picture: ada/1 (taken"),
        (GateOutcome({}, [replace(GATE, severity=Severity.WARNING)], []), (), (), True, "All critical gates hold"),
    ],
)
def test_it_may_be_published_if_neither_gates_nor_audit_forbid_it(found, changed, errors, is_publishable, says):
    verdict, reasons = overview.verdict(found, changed, errors)
    assert verdict is is_publishable
    assert says in " ".join(reasons)


def test_the_reasons_of_a_step_stand_in_the_order_of_its_nodes_and_each_node_has_its_name(tmp_path: Path):
    workspace = make(tmp_path / "project")
    figures = json.loads(workspace.metrics("curate").read_text())
    figures["steps"]["quality"]["dropped"] = {"blurred": 1, "unnatural": 4, "obstructed": 2}
    section = funnel_section.funnel(figures)
    figure = section.charts[0].figure
    assert figure.layout.annotations[1].text == "4 unnatural<br>2 obstructed<br>1 blurred"
    names, colours = figure.data[0].node.customdata, figure.data[0].node.color
    assert [name for name, colour in zip(names, colours, strict=True) if colour == COLOURS[1]] == [
        "3 wrong person", "4 unnatural", "2 obstructed", "1 blurred",
    ]  # fmt: skip


def test_the_funnel_begins_with_the_images_and_says_why_some_have_no_face(tmp_path: Path):
    workspace = make(tmp_path / "project")
    figures = json.loads(workspace.metrics("curate").read_text())
    outcomes = {"cropped": 17, "no_face": 9, "undecodable": 4, "too_large": 0}
    cropped = {"images": 30, "images_with_faces": 17, "faces": 18, "outcomes": outcomes}
    section = funnel_section.funnel(figures, cropped)
    assert section.says[0] == "The detector found a face in 17 of 30 images."
    rows = section.charts[0].table.rows
    assert rows[:2] == [["images downloaded", "30", ""], ["faces cropped", "18", "9 no face, 4 undecodable"]]
    sankey = section.charts[0].figure
    assert sankey.layout.annotations[0].text == "9 no face<br>4 undecodable"
    assert list(sankey.data[0].link.value[:3]) == [17, 9, 4]


def test_the_funnel_tells_images_without_a_face_by_group_and_where_nothing_can_be_said(tmp_path: Path):
    workspace = make(tmp_path / "project")
    figures = json.loads(workspace.metrics("curate").read_text())
    row = {
        "attribute": "gender",
        "people": 60,
        "images": 600,
        "undetected": 60,
        "share": 0.1,
        "low": 0.07,
        "high": 0.14,
    }
    rows = [row | {"label": "Males"}, row | {"label": "Females", "undetected": 30, "share": 0.05, "low": 0.03}]
    section = funnel_section.funnel(figures, None, rows)
    [(title, table)] = section.tables
    assert title == "Images without a detected face, by group"
    assert table.rows[0] == ["gender", "Males", "60", "600", "60", "10.0 %", "7.0 % to 14.0 %"]
    assert "images without a detected face differs by 5.0 points between groups of gender" in section.says[-1]
    few = row | {"label": "Females", "people": 20, "low": None, "high": None}
    section = funnel_section.funnel(figures, None, [rows[0], few])
    assert section.tables[0][1].rows[1][-1] == "cannot be said"
    assert section.says[-1].endswith("cannot be said: a group has fewer than 30 people.")
    assert funnel_section.funnel(figures).tables == []


def test_the_funnel_says_what_left_and_why(page: Page):
    page.locator("#funnel summary").click()
    texts = page.locator("#funnel tbody tr").all_inner_texts()
    assert "the right person\t15\t3 wrong person" in texts
    # The images, the faces cut out, each step, and the one reason.
    assert page.locator("#funnel .sankey-node").count() == 2 + len(Step) + 1


def test_filters_change_what_is_shown_and_reset_shows_all_again(page: Page):
    shown = page.locator("#filtered")
    assert shown.inner_text() == "Shown: 15 faces of 3 people."
    choice(page, "gender").select_option("Males")
    assert shown.inner_text() == "Shown: 10 faces of 2 people."
    choice(page, "split").select_option("test")
    assert shown.inner_text() == "Shown: 2 faces of 2 people."
    assert page.eval_on_selector("#chart-distribution", "chart => chart.data[0].x.length") == 6
    assert page.eval_on_selector("#chart-identities", "chart => chart.data[0].x.join()") == "bo.b,nul"
    page.get_by_role("button", name="Show all").click()
    assert shown.inner_text() == "Shown: 15 faces of 3 people."


def test_the_target_is_what_params_say_and_equal_shares_where_they_say_nothing(page: Page):
    target = page.eval_on_selector("#chart-distribution", "chart => chart.data[1].y")
    assert target == pytest.approx([15 * share / 6 for share in (0.75, 0.75, 0.25, 0.25)] * 3)
    choice(page, "gender").select_option("Females")
    assert page.eval_on_selector("#chart-distribution", "chart => chart.data[1].y") == pytest.approx([5 / 6] * 6)
    assert "gender Males 75.0 %, Females 25.0 %" in page.locator("#composition").inner_text()


def test_of_many_people_those_with_the_most_and_with_the_least_images_are_shown(tmp_path: Path, browser: Browser):
    workspace = make(tmp_path / "project", people=(PEOPLE[0],))
    path = workspace.table("split", "splits")
    one = pl.read_parquet(path).head(1)
    faces = [
        one.with_columns(identity=pl.lit(f"p{person:02}"), face_id=pl.lit(f"{person:016}{number:016}"))
        for person in range(1, 71)
        for number in range(person)
    ]
    pl.concat(faces).write_parquet(path)
    report.run(workspace, made_params(report={"thumbnails": False}, split={"min_val": 0, "min_test": 0}))
    fresh = Opened(browser, workspace.stage("report") / "index.html")
    shown = fresh.page.eval_on_selector("#chart-identities", "chart => chart.data[0].y")
    assert shown == [*range(70, 40, -1), *range(30, 0, -1)]
    fresh.context.close()


def test_the_filters_work_with_the_keyboard_alone(page: Page):
    choice(page, "race").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("#filtered").inner_text() == "Shown: 5 faces of 1 people."


def test_the_first_tab_stop_skips_to_the_report(project: ProjectPaths, browser: Browser):
    fresh = Opened(browser, project.stage("report") / "index.html")
    fresh.page.keyboard.press("Tab")
    assert fresh.page.evaluate("document.activeElement.textContent") == "Skip to the report"
    fresh.page.keyboard.press("Enter")
    assert fresh.page.evaluate("document.activeElement.id") == "main"
    fresh.context.close()


def test_models_are_shown_beside_guessing_and_those_of_several_tasks_with_them(page: Page):
    assert page.eval_on_selector("#chart-accuracy", "chart => chart.data.map(each => each.name).join()") == (
        "uniform guess,small cnn,multitask-equal"
    )
    texts = page.locator("#models table:visible tbody tr").all_inner_texts()
    assert "small cnn\t0.500\t0.400" in texts
    assert "multitask-equal\t0.750\t" in texts and "multitask-equal\t1.000" in texts
    assert "multitask-equal: every task correct for 70.0 % of the pictures." in (
        page.locator("#models p").all_inner_texts()
    )


def test_the_worst_group_the_intervals_and_the_intersections_are_shown_for_each_model(page: Page):
    assert "race\tsmall cnn\tCON: 0.0 % (0.0 to 79.3; n = 1)\t100.0 % (30.0 to 100.0; n = 2)" in (
        page.locator("#models .scroll:visible tbody tr").all_inner_texts()
    )
    for summary in page.locator("#models summary").all():
        summary.click()
    texts = page.locator("#models tbody tr").all_inner_texts()
    ends = "CON: 0.0 % (0.0 to 79.3; n = 1)\t100.0 %; which group cannot be said\t100.0 % (30.0 to 100.0; n = 2)\t–\t–"
    assert f"small cnn\trace\t{ends}" in texts and f"multitask-equal\trace\t{ends}" in texts
    assert "race: White\t1\t100.0 % (20.7 to 100.0; n = 1)\t100.0 % (20.7 to 100.0; n = 1)" in texts
    assert "race × gender: CON × Males\t1\t0.0 % (n = 1)\t0.0 % (n = 1)" in texts
    error = page.eval_on_selector("#chart-subgroups-race", "chart => chart.data[0].error_x.array")
    assert error == pytest.approx([0.7935, 0.0])
    picture = page.get_by_role("img", name="Confusion at every intersection: race, multitask-equal")
    assert picture.evaluate("each => [each.naturalWidth, each.src.slice(0, 15)]") == [40, "data:image/png;"]


@pytest.mark.parametrize(("split", "is_stale"), [("test", False), ("val", True)])
def test_models_measured_on_another_split_are_said_to_be(tmp_path: Path, split: str, is_stale: bool):
    workspace = make(tmp_path / "project")
    put(workspace.metrics("evaluate"), SCORES)
    put_predictions(workspace, "White", split=split)
    report.run(workspace, made_params())
    text = (workspace.stage("report") / "index.html").read_text(encoding="utf-8")
    assert (models.STALE.split("`")[0] in text.replace("&#39;", "'")) == is_stale


def test_duplicates_of_each_kind_are_shown_as_small_pictures(page: Page):
    assert page.locator("#duplicates figcaption").all_inner_texts() == [
        "The same picture: 2 faces, of nul",
        "Nearly the same: 6 faces, of ada",
        "Across identities: 2 faces, of ada, bo.b",
    ]
    assert page.locator("#duplicates img").count() == 10
    assert page.eval_on_selector_all("#duplicates img", "all => all.every(i => i.naturalWidth && i.naturalWidth <= 72)")
    assert page.locator("#duplicates img").nth(2).get_attribute("alt") == "a face of ada"


def test_each_small_picture_is_credited_with_author_and_license(page: Page):
    page.locator("#duplicates summary").first.click()
    lines = page.locator("#duplicates ol").first.locator("li").all_inner_texts()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("“日本 <script>alert(1)</script>” by =cmd|"), "hostile text is text"
        assert "CC-BY-4.0; cropped to the face, kept at " in line
    assert page.locator("#duplicates ol").count() == 3


def test_pictures_that_the_policy_refuses_are_counted_and_not_shown(tmp_path: Path):
    workspace = make(tmp_path / "project")
    put_duplicates(workspace)
    permitted = workspace.table("curate", "non_curated")
    faces = pl.read_parquet(permitted).sort("identity", "face_id")
    of_ada = faces.filter(identity="ada")
    faces.join(of_ada.head(2), on="face_id", how="anti").filter(pl.col("identity") != "nul").write_parquet(permitted)
    report.run(workspace, made_params())
    text = (workspace.stage("report") / "index.html").read_text(encoding="utf-8")
    assert "Nearly the same: 6 faces, 4 of them shown, of ada" in text
    # Of the others too few may be shown for a comparison.
    assert text.count("data:image/jpeg") == 4 and text.count('<figure class="gallery">') == 1


def test_thumbnails_can_be_switched_off(tmp_path: Path):
    workspace = make(tmp_path / "project")
    put_duplicates(workspace)
    put(workspace.metrics("evaluate"), SCORES)
    confusion = workspace.plots("multitask") / "equal/confusion/race.png"
    confusion.parent.mkdir(parents=True)
    Image.new("RGB", (40, 30)).save(confusion)
    matrices = {"labels": ["CON", "White"], "groups": [{"group": {"age": "Old"}, "n": 7, "matrix": [[4, 1], [0, 2]]}]}
    put(confusion.with_suffix(".json"), matrices)
    texts = {}
    for shown in (True, False):
        report.run(workspace, made_params(report={"thumbnails": shown}))
        data = (workspace.stage("report") / "index.html").read_bytes()
        texts[shown] = data.decode("utf-8").split('<script type="application/json"')[0]
    assert "data:image/jpeg" in texts[True] and "data:image/png" in texts[True]
    assert "data:image" not in texts[False] and "<img" not in texts[False]
    assert "Pictures are switched off" in texts[False]
    assert '<th scope="row">Old</th><td>CON</td><td class="number">4</td><td class="number">1</td>' in texts[False]
    assert len(data) < 2_000_000


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


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_that_keeps_people_out(opened: Opened, scheme: str):
    from axe_playwright_python.sync_playwright import Axe

    opened.page.emulate_media(color_scheme=scheme)
    found = Axe().run(opened.page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


OVERLAPPING = """selector => [...document.querySelectorAll('[id^=chart-]')].flatMap(chart => {
    const boxes = [...chart.querySelectorAll(selector)].map(each => each.getBoundingClientRect());
    const meet = (one, other) => one.left < other.right && other.left < one.right
        && one.top < other.bottom && other.top < one.bottom;
    return boxes.some((one, i) => boxes.slice(i + 1).some(other => meet(one, other))) ? [chart.id] : [];
})"""


def test_on_a_phone_no_two_labels_of_an_axis_overlap(project: ProjectPaths, browser: Browser):
    opened = Opened(browser, project.stage("report") / "index.html", viewport={"width": 390, "height": 844})
    horizontal = ".xtick text:not([transform*='rotate(-45'])"
    for selector in (horizontal, ".ytick text", ".legendtext"):
        assert opened.page.evaluate(OVERLAPPING, selector) == [], selector
    aslant = opened.page.evaluate("""() => [...document.querySelectorAll('[id^=chart-]')].flatMap(chart => {
        const names = [...chart.querySelectorAll(".xtick text[transform*='rotate(-45']")];
        const x = names.map(each => each.getBoundingClientRect().right).sort((a, b) => a - b);
        const room = Math.min(...x.slice(1).map((each, i) => each - x[i])) * Math.SQRT1_2;
        return names.length > 1 ? [room / parseFloat(getComputedStyle(names[0]).fontSize)] : [];
    })""")
    assert len(aslant) == 2 and min(aslant) > 1.1
    opened.context.close()


@pytest.mark.parametrize(("paper", "width"), [("A4", 703), ("Letter", 725)])
def test_on_paper_charts_are_as_wide_as_the_page_tables_are_open_and_nothing_is_cut(
    project: ProjectPaths, browser: Browser, tmp_path: Path, paper: str, width: int
):
    opened = Opened(browser, project.stage("report") / "index.html", color_scheme="dark")
    page = opened.page
    page.evaluate("window.sizes = []")
    page.evaluate("""addEventListener('beforeprint', () => {
        const drawings = document.querySelectorAll('[id^=chart-] .main-svg:first-child');
        sizes.push(...[...drawings].map(each => each.getAttribute('width')));
        sizes.push(document.querySelectorAll('details:not([open])').length);
    })""")
    page.pdf(path=tmp_path / "report.pdf", format=paper, prefer_css_page_size=False)
    *charts, closed = page.evaluate("sizes")
    assert len(charts) == 8 and {float(each) for each in charts} == {680} and closed == 0
    command = ["pdftotext", "-layout", tmp_path / "report.pdf", "-"]
    pages = subprocess.run(command, capture_output=True, text=True, check=True)
    for text in ("bo.b", "Asian (Indian) · Males · Young", "race × gender: CON × Males", "no previous release"):
        assert text in pages.stdout
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    cut = page.evaluate("""() => {
        const isCut = each => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
        return [...document.querySelectorAll('main *')].filter(isCut).map(each => each.outerHTML.slice(0, 80));
    }""")
    assert cut == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
    assert opened.complaints == []
    opened.context.close()


def test_filters_stand_in_the_address_and_are_read_from_it(project: ProjectPaths, browser: Browser):
    path = project.stage("report") / "index.html"
    opened = Opened(browser, path)
    choice(opened.page, "split").select_option("test")
    choice(opened.page, "race").select_option("Asian (Indian)")
    address = opened.page.url
    assert address.endswith("#composition:split=test&race=Asian+%28Indian%29")
    opened.page.goto("about:blank")
    opened.page.goto(address)
    opened.page.wait_for_selector("html[data-drawn=yes]")
    assert choice(opened.page, "race").input_value() == "Asian (Indian)"
    assert opened.page.locator("#filtered").inner_text() == "Shown: 1 faces of 1 people."
    opened.page.goto(f"{path.as_uri()}#composition:race=%3Cimg%3E&nobody=1")
    opened.page.wait_for_selector("html[data-drawn=yes]")
    assert opened.page.locator("#filtered").inner_text() == "Shown: 15 faces of 3 people."
    opened.page.get_by_role("button", name="Show all").click()
    assert opened.page.url.endswith("#composition")
    assert opened.complaints == []
    opened.context.close()


def test_the_same_inputs_give_the_same_page(tmp_path: Path):
    people = made_project.changed(PEOPLE, "ada", name="</script><script>alert(1)</script>")
    pages = []
    for name in ("one", "another place/two"):
        workspace = make(tmp_path / name, people=people)
        report.run(workspace, made_params(project={"title": "</script><b>"}))
        pages.append((workspace.stage("report") / "index.html").read_bytes())
    assert pages[0] == pages[1]
    assert b"&lt;/script&gt;&lt;b&gt;" in pages[0]


def rows(section: PageSection) -> list[list[str]]:
    return [list(row) for _, table in section.tables for row in table.rows]


def test_critical_warnings_come_before_the_others():
    failed = [replace(GATE, severity=Severity.WARNING, name="w"), replace(GATE, name="c")]
    assert [row[1] for row in rows(warnings.warnings([], GateOutcome({}, failed, [])))] == ["c", "w"]


def test_without_warnings_it_says_so():
    assert warnings.collected(GateOutcome({}, [HELD], [UNCHECKED])) == []
    assert warnings.warnings([], GateOutcome({}, [HELD], [UNCHECKED])).says == ["None."]
    assert [each.says for each in warnings.collected(None)] == ["The gates have not been checked: run `mtf validate`."]


def test_all_that_stands_between_the_data_set_and_a_release_is_among_the_warnings():
    found = GateOutcome({}, [HELD], [])
    collected = warnings.collected(
        found,
        changed=["build/split/splits.parquet"],
        audit_errors=["ada/1 (taken down)"],
        has_stale_models=True,
        held_back={"undecided": 5, "conflict": 9},
        unanswered=["Who funded it?"],
    )
    section = warnings.warnings(collected, found, unanswered=["Who funded it?"])
    says = "\n".join(section.says)
    assert "on something else: build/split/splits.parquet changed since" in says
    assert "hold." not in says and "The audit forbids 1 of the pictures: ada/1 (taken down)." in says
    assert models.STALE in says
    assert "14 faces wait for a decision of the reviewers (5 undecided, 9 conflict)" in says
    assert "1 questions of the data set's card have no answer" in says
    assert [list(row) for row in section.folded[0][1].rows] == [["Who funded it?"]]


def test_gates_that_were_checked_on_another_data_set_are_not_said_to_hold(tmp_path: Path):
    workspace, params = make(tmp_path / "project"), made_params(report={"thumbnails": False})
    outcome.write(workspace, GateOutcome(outcome.input_digests(workspace, params), [HELD], []))
    for is_changed in (False, True):
        report.run(workspace, params)
        text = (workspace.stage("report") / "index.html").read_text(encoding="utf-8")
        assert ("build/split/splits.parquet changed since" in text) == is_changed
        path = workspace.table("split", "splits")
        pl.read_parquet(path).tail(-1).write_parquet(path)


def test_reviewers_whose_votes_are_all_alike_are_said_to_agree(tmp_path: Path):
    figures = json.loads(make(tmp_path / "project").metrics("curate").read_text())
    figures["agreement"] = {"face": {"faces": 9, "raw": 1.0}, "quality": {"faces": 4, "raw": 0.9, "alpha": 0.7}}
    section = composition.reviewers(figures)
    assert section.says[1] == "All votes are alike, so that alpha is not defined: face."
    assert section.charts[0].table.rows[0] == ["face", "9", "1.000", "not defined", "not defined"]
    del figures["agreement"]["quality"]
    assert rows(composition.reviewers(figures)) == [["face", "9", "1.000", "not defined", "not defined"]]


SPREAD = {name: {"mean": 0.5, "std": None} for name in ("accuracy", "precision", "recall", "f1", "epochs", "minutes")}
FOUR = {"accuracy": 0.9, "balanced_accuracy": 0.8, "roc_auc": None, "f1": 0.7}


def test_what_was_compared_and_labelled_besides_the_pipeline_is_shown_with_the_models(tmp_path: Path):
    workspace = make(tmp_path / "project")
    by_recipe = {"race": {"mtf": SPREAD, "modern": SPREAD}}
    put(workspace.metrics("compare/recipes"), {"model": "small_cnn", "seeds": 1, "tasks": by_recipe, "runs": {}})
    part = {"images": {"train": 9}, "own": SPREAD, "common": SPREAD}
    found = {"model": "small_cnn", "recipe": "mtf", "seeds": 2, "tasks": {"race": {"curated": part}}}
    put(workspace.metrics("compare/curation"), found)
    put(workspace.metrics("label/classifier"), {"gender": {"test": FOUR}})
    table_1 = {"cnn2": {name: {"train": 1.0, "val": 1.0, "test": figure} for name, figure in FOUR.items()}}
    put(workspace.metrics("label/compare-gender"), {"attribute": "gender", "table_1": table_1})
    report.run(workspace, made_params(report={"thumbnails": False}))
    text = (workspace.stage("report") / "index.html").read_text(encoding="utf-8")
    for title in (
        "Recipes compared: small_cnn, 1 seed each",
        "Training sets compared: small_cnn, recipe mtf, 2 seeds each (MTF, Table 9)",
        "The label classifier, on the test split",
        "Label classifiers compared on gender, on the test split",
    ):
        assert f"<caption>{title}</caption>" in text
    assert '<th scope="row">cnn2</th><td class="number">0.900</td>' in text
    # A comparison that was stopped has its runs alone.
    assert list(models.compared({"recipes": {"runs": {}}})) == []


def test_on_a_phone_charts_of_many_labels_scroll_and_every_bar_can_be_told_apart(tmp_path: Path, browser: Browser):
    workspace = make(tmp_path / "project")
    races = ["Asian (Indian)", "CON", "White", *(f"Race {number}" for number in range(20))]
    raw = made_params(report={"thumbnails": False}).model_dump(mode="json", exclude_unset=True)
    raw["tasks"]["race"]["labels"] = races
    report.run(workspace, parse(raw))
    fresh = Opened(browser, workspace.stage("report") / "index.html", viewport={"width": 375, "height": 700})
    assert fresh.page.evaluate("document.documentElement.scrollWidth") <= 375
    bars = "document.querySelectorAll('#chart-distribution .barlayer .point path')"
    becomes_true(fresh.page, f"{bars}.length === {len(races) * 4}")
    chart = fresh.page.locator("#chart-distribution svg.main-svg").first.bounding_box()
    assert chart is not None and chart["width"] >= 18 * len(races) * 4
    # Filtered to few, it fits the screen again.
    choice(fresh.page, "race").select_option("White")
    becomes_true(fresh.page, "document.querySelector('#chart-distribution svg.main-svg').clientWidth <= 375")
    assert fresh.complaints == []
    fresh.context.close()


def test_changes_since_the_last_release_are_listed_with_their_reasons():
    found = {
        "identities": {"added": {}, "removed": {"ada": "5 wrong person"}, "taken_down": 2},
        "faces": {"added": {"newly found": 2}, "removed": {"blurred": 1}, "moved": {}, "relabelled": {}},
        "unknown": ["v1: no data/roster.csv there"],
    }
    section = warnings.changes(found, "v1")
    assert rows(section) == [
        ["faces added", "newly found", "2"],
        ["faces removed", "blurred", "1"],
        ["identities removed", "ada: 5 wrong person", "1"],
        ["identities removed", "taken down", "2"],
    ]
    assert section.says == ["Against v1.", "Not known: v1: no data/roster.csv there."]
    assert warnings.changes(None, None).says == ["There is no earlier release to compare with."]


@pytest.mark.dvc
def test_the_page_shows_what_changed_since_a_previous_release_in_git_and_dvc(tmp_path: Path, browser: Browser):
    workspace = make(tmp_path / "project")
    for command in (
        ["git", "init", "-q"],
        ["dvc", "init", "-q"],
        ["dvc", "add", "-q", "build/split", "build/curate", "build/crop", "build/crawl", "data"],
        ["git", "add", "-A"],
        ["git", "commit", "-qm", "first"],
        ["git", "tag", "v1"],
    ):
        run_in(workspace.root, *command)
    for stage in ("split", "curate", "crop", "crawl"):
        shutil.rmtree(workspace.stage(stage))
    make(workspace.root, people=made_project.without(PEOPLE, "ada"))
    report.run(workspace, made_params(release={"previous": "v1"}))
    fresh = Opened(browser, workspace.stage("report") / "index.html")
    assert fresh.page.locator("#changes p").all_inner_texts() == ["Against v1."]
    assert fresh.page.locator("#changes tbody tr").all_inner_texts() == [
        "faces removed\tno longer found\t5",
        "identities removed\tada: no longer on the roster\t1",
    ]
    assert fresh.complaints == []
    fresh.context.close()


def verification_test(*groups: str) -> dict[str, Any]:
    """Figures of a verification test of these groups, all alike, and of one that is too small."""
    rates = {"fmr": 0.01, "fmr_low": 0.008, "fmr_high": 0.012, "fnmr": 0.02, "genuine_pairs": 900}
    acquire = {"share": 0.001, "pictures": 2000}
    measures = {"worst_case": 0.02, "ratio": 2.0, "ratio_to_mean": 1.414, "gini": None}
    across = {"fmr": 0.003, "fmr_low": 0.002, "fmr_high": 0.0041, "impostor_pairs": 4000}
    both = {"fdr": 0.94, "garbe": 0.25}
    pairs = itertools.combinations(groups, 2)
    return {
        "people": {"calibration": 50, "test": 51},
        "overall": {"0.01": {"threshold": 0.5} | rates},
        "groupings": {
            "race": {
                "groups": {
                    group: {"people": 40, "failure_to_acquire": acquire, "at": {"0.01": rates}} for group in groups
                }
                | {"Small": {"people": 9, "more_people": 21}},
                "across": {f"{first}, {second}": {"0.01": across} for first, second in pairs},
                "differentials": {"0.01": both | {"fmr": measures, "fnmr": measures, "worst_fnmr": None}},
            }
        },
    }


def test_verification_tests_have_tables_of_rates_groups_pairs_of_groups_and_differences():
    found = verification_test("Amber", "Blue")
    overall, groups, across, differences = verification_tables.verified({"curate-dlib": found, "unfinished": {}})
    assert overall[0] == "Verification, curate-dlib: thresholds from 50 people, measured on 51"
    assert overall[1].rows == [["0.01", "0.500", "1 % (0.8 to 1.2)", "2 %", "900"]]
    assert groups[1].rows == [
        ["Amber", "40", "0.1 %", "0.01", "1 % (0.8 to 1.2)", "2 %"],
        ["Blue", "40", "0.1 %", "0.01", "1 % (0.8 to 1.2)", "2 %"],
        ["Small", "9", "", "", "cannot be said: it takes 21 more people", ""],
    ]
    assert across[0] == "Verification, curate-dlib: FMR across groups by race, 0.01 wanted"
    assert (across[1].header, across[1].rows) == (
        ["race", "Amber", "Blue"],
        [["Amber", "1 % (0.8 to 1.2)", "0.3 % (0.2 to 0.41)"], ["Blue", "", "1 % (0.8 to 1.2)"]],
    )
    assert differences[1].rows == [
        ["0.01", "0.94", "0.25", "FMR", "2 %", "2.00", "1.41", "–", "not tested"],
        ["", "", "", "FNMR", "2 %", "2.00", "1.41", "–", "cannot be said"],
    ]


def test_more_groups_than_a_matrix_can_show_are_listed_in_pairs():
    names = [f"group {number}" for number in range(8)]
    _, _, across, _ = verification_tables.verified({"curate-dlib": verification_test(*names)})
    assert across[1].header == ["Group", "Other group", "FMR, 0.01 wanted"]
    assert len(across[1].rows) == 8 * 9 / 2
    assert ["group 2", "group 7", "0.3 % (0.2 to 0.41)"] in across[1].rows
    assert ["group 2", "group 2", "1 % (0.8 to 1.2)"] in across[1].rows


def test_rates_by_group_are_shown_with_intervals_in_steps_of_groups_and_small_groups_say_what_they_lack():
    rng = np.random.default_rng(2)
    people, labels = np.repeat(np.arange(70), 5), ["young", "middle", "old"]
    truth = rng.integers(0, 3, 70)[people]
    said = np.where(rng.random(350) < 0.7, truth, rng.integers(0, 3, 350))
    answers = pl.DataFrame(
        {
            "identity": people.astype(str),
            "label": pl.Series(labels)[truth],
            "predicted": pl.Series(labels)[said],
            "race": np.where(people < 60, "Amber", "Blue"),
        }
    )
    question = Question(labels, ordered=True)
    groups = {"race": ["Amber", "Blue"]}
    by_group = fairness.report(answers, groups, seed=1, question=question)
    section = models.models({"age": {"net": {"accuracy": 0.8}}}, {"age": {"net": by_group}}, all_correct={})
    ((title, table),) = [(title, table) for title, table in section.folded if "Rates by group" in title]
    amber = by_group["race"]["groups"]["Amber"]
    assert title.startswith("Rates by group: age, net. ")
    assert table.header[2:] == ["FPR", "FNR", "Precision", "Recall", "MAE, in groups", "At most one group off"]
    shown = dict(zip(table.header, table.rows[0], strict=True))
    low, high = (100 * amber[f"false_negative_rate_{end}"] for end in ("low", "high"))
    assert shown["FNR"] == f"{100 * amber['false_negative_rate']:.1f} % ({low:.1f} to {high:.1f})"
    assert shown["MAE, in groups"].startswith(f"{amber['mean_absolute_error']:.2f} (0.")
    assert table.rows[1][:3] == ["race: Blue", "10", "cannot be said: 20 more people"]
    ((_, accuracy),) = [(chart.title, chart.table) for chart in section.charts if "subgroup" in chart.title]
    assert "(no interval: 20 more people; n = 50)" in accuracy.rows[1][2]
    ((_, ends),) = [(title, table) for title, table in section.folded if "Worst and best" in title]
    odds = by_group["race"]["summary"]["equalized_odds_difference"]
    assert dict(zip(ends.header, ends.rows[0], strict=True))["Equalised odds difference"] == f"{100 * odds:.1f} %"
