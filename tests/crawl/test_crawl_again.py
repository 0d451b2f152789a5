"""Later runs: their requests and what they keep, sources that overlap, and memory in use."""

import io
import json
import shutil
import tarfile
import time
from collections import Counter
from datetime import UTC, datetime

import polars as pl
import pytest

from crawl_project import HTML, bing_page, bing_result, bing_url, picture_bytes
from mtf.core import shards
from mtf.core.errors import GateFailed
from mtf.crawl import collector, examination, http_client, store
from mtf.crawl.recorded_web import RECORDED_AT
from mtf.pipeline import crawl as stage


def google_page(*urls: str) -> bytes:
    rows = ",".join(f'[1,[0,"id",["{url}",900,600],null,{{"2003":[null,"k","{url}.html","A title"]}}]]' for url in urls)
    return f"<html><script>AF_initDataCallback({{data:[{rows}]}});</script></html>".encode()


def crawled_anew(project) -> dict[str, bytes]:
    """Files of the crawl after a run that had no shard."""
    folder = project.workspace.stage("crawl")
    shutil.rmtree(folder, ignore_errors=True)
    project.run()
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_crawls_of_a_recorded_web_with_a_time_of_its_own_give_the_same_bytes(project):
    project.person("ana")
    project.watch = {"recheck_days": 7}
    project.answer(
        "https://b.example/robots.txt", b"User-agent: *\nDisallow: /closed", headers={"Content-Type": "text/plain"}
    )
    project.finds(
        "ana",
        [
            project.picture("https://a.example/x.jpg", picture_bytes(1), "https://a.example/1"),
            project.picture("https://b.example/y.jpg", picture_bytes(2), "https://b.example/2"),
            bing_result("https://b.example/closed/z.jpg"),
            bing_result("https://a.example/404.jpg"),
        ],
    )
    crawled_at = datetime(2026, 10, 1, 12, tzinfo=UTC)
    (project.root / "web").mkdir()
    (project.root / "web" / RECORDED_AT).write_text(crawled_at.isoformat(), encoding="utf-8")
    first = crawled_anew(project)
    assert project.table("fetches")["fetched_at"].unique().to_list() == [crawled_at]
    assert project.table("evidence")["checked_at"].unique().to_list() == [crawled_at]
    assert project.table("signals")["heard_at"].drop_nulls().unique().to_list() == [crawled_at]
    responses = shards.read_member(project.workspace.shard("crawl", "ana"), "responses.parquet")
    headers = [header for row in pl.read_parquet(io.BytesIO(responses))["headers"] for header in json.loads(row)]
    assert {value for name, value in headers if name == "Date"} == {"Thu, 01 Oct 2026 12:00:00 GMT"}
    assert crawled_anew(project) == first
    # No time passes in this web, so nothing becomes due in it.
    stage.run(project.workspace, project.params(), due=True)
    assert json.loads(project.workspace.metrics("crawl").read_text())["revisits"]["pictures"] == 0


def test_a_source_that_finds_only_what_another_had_found_before_it_yields_pictures(project):
    project.crawl = {"sources": [{"kind": "bing"}, {"kind": "google", "licenses": ["commercial,modify"]}]}
    project.person("ana")
    project.finds("ana", [project.picture("https://a.example/x.jpg", picture_bytes(1))])
    for address in project.params().crawl.sources[1].page_urls("ana", "commercial,modify"):
        project.answer(address, google_page("https://a.example/x.jpg"))
    project.run()
    assert project.table("fetches").select("url", "source").rows() == [("https://a.example/x.jpg", "bing")]
    project.run()


def test_two_sources_of_one_kind_are_judged_each_by_what_it_found(project):
    project.crawl = {
        "sources": [{"kind": "bing", "licenses": ["commercial,modify"]}, {"kind": "bing", "licenses": ["publicdomain"]}]
    }
    project.person("ana")
    project.finds("ana", [project.picture("https://a.example/x.jpg", picture_bytes(1))])
    project.answer(bing_url("ana", 0, "license-L1"), bing_page())
    for _ in range(2):  # the second run searches for nothing, and remembers
        with pytest.raises(GateFailed, match=r"bing \(number 2\) yielded no picture .*: nothing was found"):
            project.run()


def test_no_address_is_asked_for_oftener_than_its_attempts_while_a_search_cannot_be_completed(project, asked):
    project.crawl = {"attempts": 2, "sources": [{"kind": "bing", "licenses": ["commercial,modify", "publicdomain"]}]}
    project.person("ana")
    same = picture_bytes(1)
    project.answer("https://a.example/page-gone.html", status=503)
    project.answer("https://a.example/410.jpg", status=410)
    project.answer("https://a.example/html.jpg", b"<html>", headers=HTML)
    project.answer("https://a.example/noai.jpg", picture_bytes(2), headers={"X-Robots-Tag": "noai"})
    project.finds(
        "ana",
        [
            project.picture("https://a.example/x.jpg", same, "https://a.example/1"),
            project.picture("https://b.example/y.jpg", same, "https://b.example/2"),
            project.picture("https://a.example/z.jpg", picture_bytes(3), "https://a.example/page-gone.html"),
            bing_result("https://a.example/404.jpg"),
            bing_result("https://a.example/410.jpg"),
            bing_result("https://a.example/html.jpg"),
            bing_result("https://a.example/noai.jpg"),
        ],
    )
    project.answer(bing_url("ana", 0, "license-L1"), b"<html>Are you a robot?</html>", headers=HTML)
    for _ in range(4):
        project.run()
    assert all(any("bing" in path for path in counts) for counts in asked), "the search is made again each time"
    total = sum(asked, start=Counter())
    assert {path: count for path, count in total.items() if path.endswith((".jpg", ".html", "/1", "/2"))} == {
        "a.example/x.jpg": 1,
        "a.example/1": 1,
        "b.example/y.jpg": 1,
        "b.example/2": 1,
        "a.example/z.jpg": 1,
        "a.example/page-gone.html": 2,
        "a.example/404.jpg": 2,
        "a.example/410.jpg": 1,
        "a.example/html.jpg": 1,
        "a.example/noai.jpg": 1,
    }
    assert [project.fetch(f"https://a.example/{name}.jpg")["attempts"] for name in ("404", "410", "html")] == [2, 1, 1]
    assert project.fetch("https://b.example/y.jpg")["outcome"] == "duplicate"


def test_neither_a_refresh_nor_a_changed_bound_asks_for_what_is_gone(project, asked):
    project.crawl = {"attempts": 2}
    project.person("ana")
    project.answer("https://a.example/410.jpg", status=410)
    project.finds(
        "ana",
        [
            project.picture("https://a.example/x.jpg", picture_bytes(1), "https://a.example/1"),
            *(bing_result(f"https://a.example/{name}.jpg") for name in ("404", "410")),
        ],
    )
    project.run()
    for _ in range(3):
        project.run(refresh=True)
    project.crawl |= {"min_side_px": 32}
    project.run()
    total = sum(asked, start=Counter())
    assert {name: total[f"a.example/{name}.jpg"] for name in ("x", "404", "410")} == {"x": 1, "404": 2, "410": 1}


def test_a_picture_that_repeats_another_takes_its_place_when_that_is_taken_down(project, asked):
    same = picture_bytes(1)
    project.person("ana")
    project.finds(
        "ana",
        [
            project.picture("https://a.example/x.jpg", same, "https://a.example/1"),
            project.picture("https://b.example/y.jpg", same, "https://b.example/2"),
        ],
    )
    project.run()
    project.takedowns(("picture", "https://a.example/x.jpg"))
    project.run()
    assert project.table("images").select("url", "page_url").rows() == [
        ("https://b.example/y.jpg", "https://b.example/2")
    ]
    assert "b.example/y.jpg" not in asked[1]


@pytest.mark.parametrize("member", [store.RESPONSES, store.EVIDENCE, store.INPUTS, shards.ROWS])
def test_a_shard_that_another_version_of_the_program_wrote_is_made_anew(project, member):
    project.person("ana")
    project.finds("ana", [project.picture("https://a.example/x.jpg", picture_bytes(1), "https://a.example/1")])
    project.run()
    path = project.workspace.shard("crawl", "ana")
    before = project.table("images")
    places = shards.members(path)
    contents = {name: shards.read(path, *place) for name, place in places.items() if name != shards.DIGEST}
    other = io.BytesIO()
    pl.DataFrame({"image_id": ["f" * 64], "of_another": ["version"]}).write_parquet(other)
    contents[member] = b"[1]" if member == store.INPUTS else other.getvalue()
    with tarfile.open(path, "w") as tar:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    assert store.load(path) == store.EarlierRun(None, {})
    project.run()
    assert project.table("images").drop("offset").equals(before.drop("offset"))


class Body(bytes):
    """Bytes that are counted while they are there."""

    alive = 0
    most = 0

    def __new__(cls, data: bytes):
        Body.alive += 1
        Body.most = max(Body.most, Body.alive)
        return super().__new__(cls, data)

    def __del__(self):
        Body.alive -= 1


def test_memory_holds_the_bodies_on_their_way_and_not_those_that_wait_for_the_examiner(project, monkeypatch):
    read, look = http_client._read, examination.examine

    async def counted(response, max_bytes):
        return Body(await read(response, max_bytes))

    def slowly(*arguments):
        time.sleep(0.02)
        return look(*arguments)

    monkeypatch.setattr(http_client, "_read", counted)
    monkeypatch.setattr(collector.examination, "examine", slowly)
    monkeypatch.setattr(Body, "most", 0)
    project.crawl = {"concurrency": 4}
    project.person("ana")
    names = [f"https://a.example/{number}.jpg" for number in range(60)]
    project.finds("ana", [project.picture(name, picture_bytes(number)) for number, name in enumerate(names)])
    project.run()
    assert project.table("images").height == 60
    assert 1 <= Body.most <= 3 * 4


def test_what_a_busy_host_keeps_back_is_no_attempt(project, asked):
    """Of the host's addresses one is asked for a run; the others wait, and none of them is given up unasked."""
    project.crawl = {"attempts": 1, "per_host_concurrency": 1}
    project.person("ana")
    names = ["https://a.example/0.jpg", "https://a.example/1.jpg"]
    for name in names:
        project.answer(name, status=429, headers={"Retry-After": "3600"})
    project.answer("https://b.example/x.jpg", picture_bytes(1))
    project.finds("ana", [bing_result(name) for name in (*names, "https://b.example/x.jpg")])
    project.run()
    rows = [project.fetch(name) for name in names]
    assert [(row["attempts"], row["http_status"]) for row in rows] == [(1, 429), (0, 429)]
    for _ in range(2):
        project.run()
    total = sum(asked, start=Counter())
    assert [total[name.removeprefix("https://")] for name in names] == [1, 1]
    assert [project.fetch(name)["attempts"] for name in names] == [1, 1]


def test_an_unreadable_robots_txt_gives_no_address_up(project):
    project.crawl = {"attempts": 2}
    project.person("ana")
    project.answer("https://a.example/robots.txt", status=503)
    project.finds(
        "ana",
        [
            project.picture("https://a.example/x.jpg", picture_bytes(1)),
            project.picture("https://b.example/y.jpg", picture_bytes(2), "https://a.example/page"),
        ],
    )
    for _ in range(3):
        project.run()
    fetch = project.fetch("https://a.example/x.jpg")
    assert (fetch["outcome"], fetch["attempts"]) == ("http_error", 0)
    assert project.fetch("https://b.example/y.jpg")["attempts"] == 1, "its page was never asked for"
    project.answer("https://a.example/robots.txt", status=404)
    project.run()
    assert project.fetch("https://a.example/x.jpg")["outcome"] == "stored"
