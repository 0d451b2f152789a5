"""What is due again: conditional requests, what changes where, and what a shard keeps."""

import hashlib
import io
import itertools
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from PIL import Image

from crawl_project import HTML, bing_page, bing_url, licensed_page, picture_bytes
from mtf.core import shards
from mtf.crawl import conditional, store, visits
from mtf.crawl.http_client import HttpAnswer
from mtf.crawl.recorded_web import Response
from mtf.crawl.visits import Due, IdentityVisits

NC = "https://creativecommons.org/licenses/by-nc/4.0/"
JPEG = {"Content-Type": "image/jpeg"}


def tagged(body: bytes, headers: dict[str, str]) -> dict[str, str]:
    return headers | {"ETag": f'"{hashlib.sha256(body).hexdigest()}"'}


def page(number: int, body: bytes | None = None, **options: object) -> Response:
    body = licensed_page() if body is None else body
    return Response(f"https://a.example/{number}", headers=tagged(body, HTML), body=body, **options)


def file(number: int, body: bytes | None = None, headers: dict[str, str] | None = None) -> Response:
    body = picture_bytes(number) if body is None else body
    return Response(f"https://a.example/{number}.jpg", headers=tagged(body, JPEG) | (headers or {}), body=body)


def by_url(*responses: Response) -> dict[str, Response]:
    return {response.url: response for response in responses}


@pytest.fixture
def crawled(project):
    return first_crawl(project)


def first_crawl(project, *answers: Response):
    """Four pictures of ana with pages, every answer with an ETag; each run finds all of them due."""
    project.watch = {"recheck_days": 0, "search_days": 3000}
    project.person("ana")
    project.finds("ana", [project.picture(file(n).url, b"", page(n).url) for n in range(4)])
    project.responses |= by_url(*(each for n in range(4) for each in (page(n), file(n))))
    project.responses |= by_url(*answers)
    project.run()
    return project


def test_what_is_unchanged_costs_a_304_and_leaves_the_shard_as_it_is(crawled, asked, monkeypatch):
    sent: list[tuple[int, int]] = []
    answers = HttpAnswer.__init__

    def remember(self, url, status, headers, body):
        answers(self, url, status, headers, body)
        if "/robots.txt" not in url and "tdmrep" not in url and "ai.txt" not in url:
            sent.append((status, len(body)))

    monkeypatch.setattr(HttpAnswer, "__init__", remember)
    shard = crawled.workspace.shard("crawl", "ana")
    before, checked = shard.read_bytes(), crawled.table("evidence")["checked_at"]
    crawled.run_with({}, due=True)
    assert sent == [(304, 0)] * 8
    assert shard.read_bytes() == before
    assert (crawled.table("evidence")["checked_at"] > checked).all()
    visited = crawled.table("visits").drop_nulls("image_id")
    assert visited["page"].to_list() == ["unchanged"] * 4 and visited["unchanged_visits"].to_list() == [1] * 4
    crawled.run_with({})
    assert len(sent) == 8, "a run that is not asked for what is due requests nothing"


def test_each_change_of_a_source_ends_where_it_must(crawled):
    noai = file(2, headers={"X-Robots-Tag": "noai"})
    gone = Response(page(3).url, 404, headers=HTML, body=b"Gone.")
    drifted = page(1, licensed_page(NC))
    checked = dict(crawled.table("evidence").select("url", "checked_at").iter_rows())
    crawled.run_with(by_url(drifted, noai, gone), due=True)
    evidence = {row["url"]: row for row in crawled.table("evidence").iter_rows(named=True)}
    assert evidence[file(0).url]["license"] == "CC-BY-4.0"
    assert evidence[file(1).url]["license"] == "CC-BY-NC-4.0"
    assert crawled.table("earlier")["license"].to_list() == ["CC-BY-4.0"], "the first statement is kept"
    assert crawled.fetch(noai.url)["outcome"] == "opted_out" and noai.url not in evidence
    lost = evidence[file(3).url]
    assert (lost["license"], lost["checked_at"]) == ("CC-BY-4.0", checked[file(3).url]), "its page stays as it was read"
    states = dict(crawled.table("visits").drop_nulls("url").select("url", "page").iter_rows())
    assert states == {file(0).url: "unchanged", file(1).url: "changed", file(3).url: "gone"}


XMP = (
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:cc="http://creativecommons.org/ns#">'
    b'<rdf:Description><cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/"/></rdf:Description>'
    b"</rdf:RDF>"
)


def test_a_page_that_changed_is_judged_with_what_its_file_stated_when_it_was_examined(project, monkeypatch):
    stating = file(0, picture_bytes(0, xmp=XMP))
    crawled = first_crawl(project, stating)
    path = crawled.workspace.shard("crawl", "ana")
    statement = store.load(path).fetches[stating.url].picture.file_statement
    assert (statement.license, statement.method) == ("CC-BY-4.0", "file: xmp cc:license")
    read = shards.Member.__call__
    pictures: list[shards.Member] = []
    monkeypatch.setattr(
        shards.Member, "__call__", lambda self: (self.size_bytes > 1000 and pictures.append(self)) or read(self)
    )
    crawled.run_with(by_url(page(0, licensed_page(NC)), page(1, licensed_page(NC))), due=True)
    evidence = {row["url"]: row for row in crawled.table("evidence").iter_rows(named=True)}
    assert evidence[stating.url]["stated"] == "contradiction", "the file still states another license than the page"
    assert evidence[file(1).url]["license"] == "CC-BY-NC-4.0"
    assert not pictures, "no stored picture is read"
    assert store.load(path).fetches[stating.url].picture.file_statement == statement


def test_a_site_that_closes_to_robots_takes_its_pictures_out(crawled):
    closed = Response(
        "https://a.example/robots.txt", headers={"Content-Type": "text/plain"}, body=b"User-agent: *\nDisallow: /1.jpg"
    )
    crawled.run_with(by_url(closed), due=True)
    assert crawled.fetch(file(1).url)["outcome"] == "opted_out"
    assert crawled.table("images").height == 3


def test_a_file_that_was_saved_anew_stays_and_another_picture_takes_its_place(crawled):
    with Image.open(io.BytesIO(picture_bytes(0))) as opened:
        buffer = io.BytesIO()
        opened.save(buffer, "JPEG", quality=93)
    before = dict(crawled.table("images").select("url", "image_id").iter_rows())
    other, lost = file(1, picture_bytes(77)), file(2, b"<html>not found</html>")
    crawled.run_with(by_url(file(0, buffer.getvalue()), other, lost), due=True)
    after = dict(crawled.table("images").select("url", "image_id").iter_rows())
    assert after == before | {other.url: hashlib.sha256(other.body).hexdigest()}


def test_a_picture_that_returns_under_another_address_is_not_a_new_one(crawled):
    crawled.watch = {"recheck_days": 0, "search_days": 0}
    moved = Response("https://b.example/0.jpg", headers=tagged(b"moved", JPEG), body=picture_bytes(0))
    new = Response("https://b.example/9.jpg", headers=JPEG, body=picture_bytes(9))
    results = [crawled.picture(each.url, each.body, page(7).url) for each in (moved, new)]
    answers = by_url(moved, new, page(7), Response(file(0).url, 404), Response(page(0).url, 404))
    crawled.run_with(answers | by_url(Response(bing_url("ana", 0), body=bing_page(*results))), due=True)
    assert crawled.fetch(moved.url)["outcome"] == "duplicate"
    assert crawled.table("images").height == 5
    assert crawled.fetch(new.url)["outcome"] == "stored"


def test_a_304_that_nobody_asked_for_or_of_another_address_is_not_believed():
    headers = (("ETag", '"x"'), ("Last-Modified", "a\x7fb"))
    condition = conditional.validators(headers)
    assert condition == {"If-None-Match": '"x"'}
    answer = HttpAnswer("https://a.example/", 304, {"ETag": '"y"', "Content-Length": "3"}, b"")
    assert conditional.is_unmodified(answer, "https://a.example/", condition)
    assert not conditional.is_unmodified(answer, "https://a.example/", {})
    assert not conditional.is_unmodified(answer, "https://a.example/before", condition)
    assert conditional.refreshed(headers, answer) == (("Last-Modified", "a\x7fb"), ("ETag", '"y"'))


def test_due_counts_days_from_the_last_visit_and_a_killed_crawl_goes_on_from_its_journal(crawled):
    stage, now = crawled.workspace.stage("crawl"), datetime.now(UTC)
    run = crawled.workspace.shard("crawl", "ana")
    fetches = list(store.load(run).fetches.values())
    week = Due(now + timedelta(days=7, seconds=-5), recheck_days=7, recheck_max_days=7, search_days=7)
    assert len(week.pictures(IdentityVisits(), fetches)) == 4 and week.search(IdentityVisits(), "ana", fetches)
    image_id = fetches[0].image_id
    visits.append(
        stage, "ana", [visits.Visit(image_id, fetches[0].candidate.url, now, "gone", "gone")], searched_at=now
    )
    with (stage / visits.JOURNAL).open("a") as journal:
        journal.write('{"identity": "ana", "image_id": "00')
    found = visits.by_identity(visits.read(stage))["ana"]
    assert found.pictures[image_id] == now and found.searched_at == now
    soon = Due(now + timedelta(days=6), recheck_days=7, recheck_max_days=28, search_days=7)
    assert not soon.pictures(found, fetches) and not soon.search(found, "ana", fetches)
    crawled.run_with({}, due=True)
    assert not (stage / visits.JOURNAL).exists()
    assert visits.read(stage).filter(pl.col("image_id").is_null())["visited_at"].to_list() == [now]


def own_days(who: str, now: datetime) -> list[int]:
    """The days from now on, of the next 60, on which pictures are due that would otherwise not be."""
    quiet = IdentityVisits(pictures={"0" * 64: now}, unchanged={"0" * 64: 9})
    weeks = (Due(now + timedelta(days=day), 7, 28, 28) for day in range(60))
    due = [day for day, each in enumerate(weeks) if each.is_due(who, "0" * 64, now, quiet)]
    return [day for day in due if day - 1 not in due]


def test_a_picture_is_due_after_twice_the_time_and_on_the_own_day_of_its_person_but_never_later_than_permitted():
    now, picture = datetime.now(UTC), "0" * 64
    who = next(f"person-{n}" for n in range(99) if own_days(f"person-{n}", now)[0] >= 28)
    for unchanged, days in ((0, 7), (1, 14), (2, 28), (9, 28)):
        quiet = IdentityVisits(pictures={picture: now}, unchanged={picture: unchanged})
        due = [Due(now + timedelta(days=d), 7, 28, 28).is_due(who, picture, now, quiet) for d in (days - 1, days)]
        assert due == [False, True]
    early = next(f"person-{n}" for n in range(99) if 8 <= own_days(f"person-{n}", now)[0] <= 20)
    first = own_days(early, now)[0]
    for visited in (now, now + timedelta(days=first - 7)):
        quiet = IdentityVisits(searched_at=now, pictures={picture: visited}, unchanged={picture: 9})
        after = Due(now + timedelta(days=first), 7, 28, 28)
        assert after.is_due(early, picture, now, quiet) and after.is_search_due(quiet, early, None)
    just_seen = IdentityVisits(pictures={picture: now + timedelta(days=first - 6)}, unchanged={picture: 9})
    assert not after.is_due(early, picture, now, just_seen)


def test_first_visits_are_spread_over_the_weeks_and_none_is_later_than_permitted():
    now = datetime.now(UTC)
    weeks = [Due(now + timedelta(days=7 * week), 7, 28, 28) for week in range(1, 5)]
    people = [f"person-{number}" for number in range(400)]
    due = [sum(week.is_due(person, "0" * 64, now, IdentityVisits()) for person in people) for week in weeks]
    assert due[-1] == 400
    assert all(70 < after - before < 130 for before, after in itertools.pairwise([0, *due]))
    searches = [sum(week.is_search_due(IdentityVisits(), person, now) for person in people) for week in weeks]
    assert searches == due, "a person is searched for on the day of the pictures"
