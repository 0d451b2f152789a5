"""A picture's page that leads elsewhere: what is evidence then, and what is not."""

import io

import polars as pl
import pytest

from crawl_project import HTML, licensed_page, picture_bytes
from mtf.core import shards
from mtf.crawl import store
from mtf.crawl.recorded_web import Response

ANA = "Ana"


def moved(project, to: str, body: bytes) -> None:
    """The picture's page redirects to `to`, which answers with `body`."""
    project.person("ana", ANA)
    project.finds(ANA, [project.picture("https://a.example/x.jpg", picture_bytes(1), "https://a.example/view/1")])
    answers = [
        Response("https://a.example/view/1", status=302, headers={"Location": to}),
        Response(to, headers=HTML, body=body),
    ]
    project.responses |= {answer.url: answer for answer in answers}


@pytest.mark.parametrize("start", ["https://a.example/", "https://b.example/index.php", "https://b.example/"])
def test_a_page_that_leads_to_a_start_page_is_no_evidence(project, start):
    moved(project, start, licensed_page())
    project.run()
    row = project.table("evidence").row(0, named=True)
    assert (row["stated"], row["license"]) == ("unreachable", None)
    assert row["detail"] == f"redirected to the start page {start}"
    # It is known, and not asked for again by each run.
    before = project.workspace.shard("crawl", "ana").read_bytes()
    project.run()
    assert project.workspace.shard("crawl", "ana").read_bytes() == before


def test_a_page_that_moved_is_read_where_it_is_now_and_that_is_remembered(project):
    """Its relative addresses are those of the place that it moved to: the picture is found in its own figure."""
    link = '<a rel="license" href="https://creativecommons.org/licenses/{}/4.0/">CC</a>'
    figure = f'<figure><img src="../x.jpg">{link.format("by-nc")}</figure>'
    footer = f"<footer>{link.format('by')}</footer>"
    moved(project, "https://a.example/new/1", f"<html>{figure}{footer}</html>".encode())
    project.run()
    row = project.table("evidence").row(0, named=True)
    assert row["license"] == "CC-BY-NC-4.0"
    kept = pl.read_parquet(io.BytesIO(shards.read_member(project.workspace.shard("crawl", "ana"), store.RESPONSES)))
    assert kept["page_answered_by"].to_list() == ["https://a.example/new/1"]
