"""Shards that a visit leaves unopened, and all that makes it open them."""

import hashlib
import json
from datetime import datetime

import polars as pl
import pytest

from crawl_project import HTML, bing_page, bing_url, licensed_page, picture_bytes
from mtf.crawl import settled, store, visits
from mtf.crawl.recorded_web import Response
from mtf.crawl.revisit import VisitCondition
from mtf.crawl.shard_inputs import ShardInputs

NC = "https://creativecommons.org/licenses/by-nc/4.0/"
JPEG = {"Content-Type": "image/jpeg"}
ROBOTS = "https://a.example/robots.txt"


def tagged(body: bytes, headers: dict[str, str]) -> dict[str, str]:
    return headers | {"ETag": f'"{hashlib.sha256(body).hexdigest()}"'}


def page(number: int, body: bytes | None = None, headers: dict[str, str] | None = None) -> Response:
    body = licensed_page() if body is None else body
    return Response(f"https://a.example/{number}", headers=tagged(body, HTML) | (headers or {}), body=body)


def file(number: int, body: bytes | None = None, headers: dict[str, str] | None = None) -> Response:
    body = picture_bytes(number) if body is None else body
    return Response(f"https://a.example/{number}.jpg", headers=tagged(body, JPEG) | (headers or {}), body=body)


def robots(text: bytes) -> Response:
    return Response(ROBOTS, headers={"Content-Type": "text/plain"}, body=text)


def by_url(*responses: Response) -> dict[str, Response]:
    return {response.url: response for response in responses}


@pytest.fixture
def visited(project, monkeypatch):
    """Three pictures of ana, on a web without a digest, that were visited once: each run finds all of them due."""
    monkeypatch.setattr(ShardInputs, "_web", None)
    project.watch = {"recheck_days": 0, "search_days": 3000}
    project.person("ana")
    project.finds("ana", [project.picture(file(n).url, b"", page(n).url) for n in range(3)])
    project.responses |= by_url(robots(b"User-agent: *\nDisallow: /secret\n"))
    project.responses |= by_url(*(each for n in range(3) for each in (page(n), file(n))))
    project.run()
    project.run_with({}, due=True)
    return project


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """Shards that a run opens, by either way."""
    found: list[str] = []
    for name in ("load", "read_tables", "write"):
        was = getattr(store, name)
        monkeypatch.setattr(store, name, lambda path, *rest, was=was: found.append(path.stem) or was(path, *rest))
    return found


def of_pictures(project) -> pl.DataFrame:
    return project.table("visits").drop_nulls("image_id")


def license_of(project, number: int) -> str:
    return project.table("evidence").row(by_predicate=pl.col("url") == file(number).url, named=True)["license"]


def test_a_visit_that_finds_nothing_changed_opens_no_shard_and_asks_each_address_once(visited, opened, asked):
    before = of_pictures(visited), visited.table("evidence")
    visited.run_with({}, due=True)
    assert opened == []
    sites = ["robots.txt", ".well-known/tdmrep.json", "ai.txt"]
    assert asked[-1] == dict.fromkeys(
        [f"a.example/{each}" for each in ["0", "1", "2", "0.jpg", "1.jpg", "2.jpg", *sites]], 1
    )
    after, evidence = of_pictures(visited), visited.table("evidence")
    assert after["unchanged_visits"].to_list() == [2, 2, 2]
    assert (after["visited_at"] > before[0]["visited_at"]).all() and after["condition"].null_count() == 0
    assert (evidence["checked_at"] > before[1]["checked_at"]).all()
    figures = json.loads(visited.workspace.metrics("crawl").read_text())
    assert figures["revisits"] == {"pictures": 3, "unchanged": 3, "changed": 0, "gone": 0}
    tables = {path.name: path.read_bytes() for path in visited.workspace.stage("crawl").glob("*.parquet")}
    (visited.workspace.stage("crawl") / settled.TABLE).unlink()
    visited.run_with({})
    del tables["visits.parquet"]  # a condition is valid only of a shard that is known
    assert tables == {name: (visited.workspace.stage("crawl") / name).read_bytes() for name in tables}


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        (page(1, licensed_page(NC)), "stored"),
        (page(1, headers={"X-Robots-Tag": "noai"}), "opted_out"),
        (file(1, headers={"X-Robots-Tag": "noai"}), "opted_out"),
        (robots(b"User-agent: *\nDisallow: /1.jpg\n"), "opted_out"),
        (robots(b"User-agent: *\nDisallow: /1\n"), "opted_out"),
        (Response("https://a.example/.well-known/tdmrep.json", headers={"Content-Type": "application/json"},
                  body=b'[{"location": "/1.jpg", "tdm-reservation": 1}]'), "opted_out"),
        (Response(page(1).url, 404, headers=HTML, body=b"Gone."), "stored"),
        (file(1, picture_bytes(77)), "stored"),
    ],
)  # fmt: skip
def test_whatever_changed_opens_the_shard_and_ends_where_it_must(visited, opened, asked, changed, outcome):
    visited.run_with(by_url(changed), due=True)
    assert opened[:1] == ["ana"]
    assert visited.fetch(file(1).url)["outcome"] == outcome
    assert max(asked[-1].values()) == 1, "no answer is asked for twice"
    if outcome == "stored":
        assert license_of(visited, 1) == ("CC-BY-NC-4.0" if changed.body == licensed_page(NC) else "CC-BY-4.0")
        is_gone = changed.status == 404
        images = set(visited.table("images")["image_id"])
        other = changed.body if changed.url == file(1).url else picture_bytes(1)
        assert hashlib.sha256(other).hexdigest() in images and len(images) == 3
        assert ("gone" in visited.table("visits")["page"].to_list()) == is_gone
        figures = json.loads(visited.workspace.metrics("crawl").read_text())
        state = {"gone": 1, "changed": 0} if is_gone else {"gone": 0, "changed": 1}
        assert figures["revisits"] == {"pictures": 3, "unchanged": 2} | state
    visited.run_with({}, due=True)
    opened.clear()
    visited.run_with({}, due=True)
    assert visited.fetch(file(1).url)["outcome"] == outcome
    after = of_pictures(visited).filter(pl.col("url") == file(1).url)
    if outcome == "opted_out":
        assert after.is_empty() and opened == []
    else:
        assert after["unchanged_visits"].to_list() == [2], "gone as before is no change"
        assert opened == (["ana"] if is_gone else [])


@pytest.mark.parametrize("has_condition", [True, False])
@pytest.mark.parametrize("due_first", [0, 1])
def test_a_page_of_two_pictures_is_compared_with_what_was_read_of_it_for_each(
    project, monkeypatch, due_first, has_condition
):
    monkeypatch.setattr(ShardInputs, "_web", None)
    project.watch = {"recheck_days": 0, "search_days": 3000}
    project.person("ana")
    project.finds("ana", [project.picture(file(n).url, b"", page(0).url) for n in range(2)])
    project.responses |= by_url(page(0), file(0), file(1))
    if not has_condition:
        other = file(1 - due_first)
        project.responses[other.url] = Response(other.url, headers=JPEG, body=other.body)
    project.run()
    project.run_with({}, due=True)
    first = hashlib.sha256(picture_bytes(due_first)).hexdigest()
    with monkeypatch.context() as only_first:
        only_first.setattr(visits.Due, "is_due", lambda _, _identity, image_id, *_rest: image_id == first)
        project.run_with(by_url(page(0, licensed_page(NC))), due=True)
    assert [license_of(project, n) for n in (due_first, 1 - due_first)] == ["CC-BY-NC-4.0", "CC-BY-4.0"]
    project.run_with({}, due=True)
    assert [license_of(project, n) for n in range(2)] == ["CC-BY-NC-4.0"] * 2


def test_a_search_opens_the_shard_only_if_it_finds_something_new(visited, opened):
    visited.watch = {"recheck_days": 0, "search_days": 0}
    visited.run_with({}, due=True)
    assert opened == [] and visited.table("visits").filter(pl.col("image_id").is_null()).height == 1
    new = Response("https://b.example/9.jpg", headers=JPEG, body=picture_bytes(9))
    results = [visited.picture(each.url, each.body, page(0).url) for each in (file(0), new)]
    visited.run_with(by_url(new, Response(bing_url("ana", 0), body=bing_page(*results))), due=True)
    assert opened[:1] == ["ana"] and visited.fetch(new.url)["outcome"] == "stored"
    assert visited.table("images").height == 4


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_condition_is_not_believed_of_a_shard_that_was_written_since(visited, is_killed):
    if is_killed:  # a run that has noted its visits, and has not gathered the shards
        rows = of_pictures(visited).to_dicts()
        lines = [json.dumps(row, default=datetime.isoformat) + "\n" for row in rows]
        (visited.workspace.stage("crawl") / visits.JOURNAL).write_text("".join(lines))
    drifted = page(1, licensed_page(NC))
    visited.responses |= by_url(drifted)
    visited.write()
    visited.run(refresh=True)
    assert license_of(visited, 1) == "CC-BY-NC-4.0"
    assert of_pictures(visited)["condition"].null_count() == 3
    visited.run_with(by_url(page(1)), due=True)
    assert license_of(visited, 1) == "CC-BY-4.0", "the page says again what it said at the last visit"


def test_a_condition_survives_its_text_and_no_other_text_is_one():
    condition = VisitCondition("https://a.example/ü", (("ETag", '"x"'),), (("Link", "<a>, <b>"),), "0" * 64)
    assert VisitCondition.parse(str(condition)) == condition
    for text in ("", "null", "[1]", '{"page": 1}', "[1, 2, 3, 4]", "nothing"):
        with pytest.raises((ValueError, TypeError)):
            VisitCondition.parse(text)
