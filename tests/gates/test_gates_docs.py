"""Data Docs as a person opens them: in a browser, without a network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from made_project import made_params, make
from playwright.sync_api import Page, sync_playwright

from mtf.core.errors import GateFailed
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import validate

PLACE = "Müller & Söhne"
GATES = {"identity_share": 0.25, "split_share": 0.2, "median_images": [1, 3]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectPaths:
    workspace = make(tmp_path_factory.mktemp("docs") / PLACE)
    with pytest.raises(GateFailed):
        validate.run(workspace, made_params(gates=GATES))
    return workspace


class Opened:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))


@pytest.fixture
def opened(project: ProjectPaths, chromium: str) -> Iterator[Opened]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = Opened(browser.new_page())
        opened.page.goto((project.stage("validate") / "docs/index.html").as_uri())
        yield opened
        browser.close()


def test_every_page_opens_without_a_request_to_any_network_and_without_complaint(opened: Opened, project: ProjectPaths):
    site = project.stage("validate") / "docs"
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 10
    for path in pages:
        opened.page.goto(path.as_uri())
        assert opened.page.locator("body").inner_text().strip()
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []


def test_the_index_says_what_holds_and_what_does_not_and_leads_to_the_detail_and_back(opened: Opened):
    page = opened.page
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in page.locator("tbody tr").all_inner_texts()}
    observed = "ada 0.3333, bo.b 0.3333, nul 0.3333"
    assert rows["identity_share"][:5] == ["no", "critical", "share of one identity", observed, "at most 0.25"]
    assert rows["min_images"][0] == "yes"
    assert "drift: no previous release" in page.locator("li").all_inner_texts()
    page.locator("tr", has_text="identity_share").get_by_role("link").click()
    text = page.locator("body").inner_text()
    assert "Failed" in text and "maximum value must be less than or equal to 0.25" in text
    page.get_by_role("link", name="Home").click()
    assert page.get_by_role("heading", name="All expectations").is_visible()


def test_nothing_that_is_written_says_where_on_which_machine_it_was_made(project: ProjectPaths):
    files = [path for path in project.stage("validate").rglob("*") if path.is_file()]
    assert len(files) > 20
    tells = re.compile(r"M(ü|\\u00fc|\\xFC|%C3%BC|&uuml;)ller")
    assert tells.search(json.dumps(PLACE)) and tells.search(PLACE)
    assert [path for path in files if path.suffix != ".parquet" and tells.search(path.read_text("utf-8"))] == []


def test_great_expectations_reports_nothing_to_its_makers(project: ProjectPaths):
    text = (project.stage("validate") / "gx/great_expectations.yml").read_text()
    assert "analytics_enabled: false" in text
