"""Earlier statements of a page stay on record when it is requested again."""

from __future__ import annotations

import json

import polars as pl
import pytest
from typer.testing import CliRunner

from crawl_project import Project, licensed_page, picture_bytes
from mtf.cli import app
from mtf.crawl.recorded_web import Response

PICTURE, PAGE = "https://a.example/x.jpg", "https://a.example/1"
BY_NC = "https://creativecommons.org/licenses/by-nc/4.0/"
HTML = {"Content-Type": "text/html"}


def states(license: str) -> dict[str, Response]:
    return {PAGE: Response(PAGE, headers=HTML, body=licensed_page(license))}


@pytest.fixture
def crawled(project: Project) -> Project:
    project.person("ana")
    other = project.picture("https://b.example/y.jpg", picture_bytes(2))
    project.finds("ana", [project.picture(PICTURE, picture_bytes(1), PAGE), other])
    project.run()
    return project


def of_picture(project: Project) -> pl.DataFrame:
    return project.table("evidence").filter(url=PICTURE)


def test_a_first_statement_stays_when_the_page_is_asked_again_and_says_something_else(crawled: Project):
    first = of_picture(crawled)
    assert crawled.table("earlier").is_empty()
    crawled.run_with(states(BY_NC), refresh=True)
    assert of_picture(crawled)["license"].to_list() == ["CC-BY-NC-4.0"]
    assert crawled.table("earlier").equals(first), "words, day and digest of the answer, as they were"
    crawled.run_with({}, refresh=True)
    kept = crawled.table("earlier").sort("checked_at")
    assert kept["license"].to_list() == ["CC-BY-4.0", "CC-BY-NC-4.0"]
    crawled.run_with({}, refresh=True)
    assert crawled.table("earlier").sort("checked_at").equals(kept), "a statement's first record is kept, not each"


def test_since_when_a_license_is_stated_is_known_after_any_number_of_refreshes(crawled: Project):
    first = of_picture(crawled)["checked_at"][0]
    for _ in range(3):
        crawled.run_with({}, refresh=True)
    assert crawled.table("earlier").select("license", "checked_at").rows() == [("CC-BY-4.0", first)]
    assert of_picture(crawled)["checked_at"][0] > first


def test_a_picture_that_is_taken_down_leaves_no_earlier_statement(crawled: Project):
    crawled.run_with(states(BY_NC), refresh=True)
    crawled.takedowns(("picture", PICTURE))
    crawled.run()
    assert crawled.table("earlier").is_empty()


def test_the_audit_names_a_license_that_has_changed_on_record(crawled: Project, monkeypatch: pytest.MonkeyPatch):
    crawled.run_with({}, refresh=True)
    monkeypatch.chdir(crawled.root)
    params = crawled.params().model_dump(mode="json", exclude_unset=True)
    crawled.workspace.params.write_text(json.dumps(params))

    def changes() -> list[dict[str, str]]:
        found = json.loads(CliRunner().invoke(app, ["audit", "licenses", "--json"]).output)["findings"]
        return [each for each in found if each["code"] == "license_changed"]

    assert changes() == []
    crawled.run_with(states(BY_NC), refresh=True)
    (finding,) = changes()
    assert finding["level"] == "warning"
    days = [str(each)[:10] for each in pl.concat([crawled.table("earlier"), of_picture(crawled)])["checked_at"]]
    assert finding["reason"] == f"stated CC-BY-4.0 on {days[0]}, states CC-BY-NC-4.0 on {days[-1]}"
    # Asked once more, the page says the same as the last time: the license has changed all the same.
    crawled.run_with(states(BY_NC), refresh=True)
    assert changes()[0]["reason"].startswith(f"stated CC-BY-4.0 on {days[0]}, states CC-BY-NC-4.0 on ")
    # A statement of another page on the same picture is no change.
    path = crawled.workspace.table("crawl", "earlier")
    pl.read_parquet(path).with_columns(page_url=pl.lit("https://elsewhere.example/view")).write_parquet(path)
    assert changes() == []
