"""`mtf audit licenses --refresh` asks the hosts' own records again, and finds what they no longer state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from sources_web import (
    KEY,
    USER_AGENT,
    Reply,
    commons_answer,
    commons_metadata,
    commons_page,
    flickr_answer,
    flickr_photo,
    serving,
)

from crawl_project import Project, picture_bytes
from mtf.config import Params
from mtf.crawl import recheck
from mtf.crawl.http_client import HttpFetcher
from mtf.crawl.recorded_web import Response
from mtf.sources import commons, flickr
from mtf.sources.base import RecheckedStatements, Source
from mtf.sources.commons import Commons
from mtf.sources.flickr import Flickr

ANA, LAKE = (f"https://commons.wikimedia.org/wiki/File:{name}.jpg" for name in ("Ana_B%C3%A9la", "Lake"))
PHOTOS = [f"https://www.flickr.com/photos/7702423@N04/{number}/" for number in (1, 2, 3)]


def reply(answer: Any) -> Reply:
    return Reply(json.dumps(answer).encode())


def photo_info(number: str, license: str) -> dict[str, Any]:
    owner = {"nsid": "7702423@N04", "username": "jane", "realname": "Jane Doe"}
    title = {"_content": "Ana at the lake"}
    return {"photo": {"id": number, "license": license, "owner": owner, "title": title}, "stat": "ok"}


@pytest.fixture
def ask(sample_params: Params) -> Callable[..., RecheckedStatements]:
    def asked(web: Any, asked_source: type[Source], pages: list[str], *sources: Source) -> RecheckedStatements:
        async def run() -> RecheckedStatements:
            async with HttpFetcher(sample_params.crawl, user_agent=USER_AGENT, web=web) as fetcher:
                return await asked_source.recheck(fetcher, pages, sources)

        return asyncio.run(run())

    return asked


@pytest.fixture(autouse=True)
def unpaced_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flickr, "PHOTO_DELAY_S", 0.0)


def test_commons_is_asked_by_title_and_a_file_that_is_gone_is_known_as_such(ask):
    there = commons_page("Ana_B%C3%A9la.jpg", metadata=commons_metadata("CC BY 2.0", LicenseUrl=None, UsageTerms=None))
    gone = {"ns": 6, "title": "File:Lake.jpg", "missing": True}
    with serving(reply(commons_answer(there, gone))) as web:
        said = ask(web, Commons, [LAKE, ANA, ANA, "https://elsewhere.example/wiki/File:X.jpg"])
    assert web.parameter("titles") == ["File:Ana Béla.jpg|File:Lake.jpg"]
    assert said.keys() == {ANA, LAKE}
    assert said[ANA].license == "CC-BY-2.0" and said[LAKE] is None


def test_a_file_that_was_renamed_is_known_by_the_name_that_was_asked_for(ask):
    elsewhere = "https://commons.wikimedia.org/wiki/File:Ana_on_holiday.jpg"
    renamed = commons_page(
        "Lake.jpg", metadata=commons_metadata("CC BY 2.0", LicenseUrl=None, UsageTerms=None), descriptionurl=elsewhere
    )
    with serving(reply(commons_answer(renamed))) as web:
        assert ask(web, Commons, [LAKE])[LAKE].license == "CC-BY-2.0"


def test_many_files_are_asked_for_a_few_at_a_time(ask):
    pages = [f"https://commons.wikimedia.org/wiki/File:{number}.jpg" for number in range(51)]
    pages += [f"https://commons.wikimedia.org/wiki/File:{'%C3%A9' * 100}{number}.jpg" for number in range(20)]
    with serving(reply(commons_answer())) as web:
        said = ask(web, Commons, pages)
    assert set(said) == set(pages) and set(said.values()) == {None}
    assert max(len(path) for _, path in web.asked) < 8000
    assert max((titles or "").count("|") for titles in web.parameter("titles")) < commons.FILES_AN_ANSWER


def test_flickr_is_asked_by_number_with_the_key_of_params(ask):
    gone = {"stat": "fail", "code": 1, "message": "Photo not found"}
    with serving(reply(photo_info("1", "2")), reply(gone), reply({"stat": "fail", "code": 100})) as web:
        said = [ask(web, Flickr, [page], Flickr(kind="flickr")) for page in PHOTOS]
    assert said[0][PHOTOS[0]].license == "CC-BY-NC-2.0"
    assert said[0][PHOTOS[0]].creator == "Jane Doe"
    assert said[1] == {PHOTOS[1]: None}
    assert said[2] == {}, "a key that is refused says nothing of the photo"
    assert web.parameter("photo_id") == ["1", "2", "3"]
    assert web.parameter("method") == ["flickr.photos.getInfo"] * 3
    assert None not in web.parameter("api_key")


def test_without_a_key_nothing_is_asked_of_flickr(ask, monkeypatch):
    monkeypatch.delenv("FLICKR_API_KEY")
    with serving(reply(photo_info("1", "2"))) as web:
        assert ask(web, Flickr, PHOTOS, Flickr(kind="flickr")) == {}
        assert ask(web, Flickr, PHOTOS) == {}
    assert web.asked == []


def test_an_answer_that_fails_leaves_its_files_unasked(ask):
    with serving(Reply(b"", 404)) as web:
        assert ask(web, Commons, [ANA]) == {}


def test_a_changed_record_is_seen_by_the_audit_of_a_crawl(project: Project):
    project.crawl = {"sources": [{"kind": "flickr"}]}
    project.person("ana")
    photos = [flickr_photo(str(number), f"https://live.example/{number}.jpg") for number in (1, 2)]
    search = Flickr(kind="flickr").page_urls("ana")[0]
    for number, photo in enumerate(photos):
        project.answer(photo["url_l"], picture_bytes(number))
    key = f"api_key={KEY}&"
    project.answer(search.replace("api_key=&", key), json.dumps(flickr_answer(*photos)).encode())
    project.run()
    params = project.params()
    asked = flickr.FlickrPhoto("1", secret="").first().replace("api_key=&", key)
    project.run_with({asked: Response(asked, body=json.dumps(photo_info("1", "6")).encode())})
    rechecked = recheck.recheck_sources(project.workspace, params)
    assert rechecked.statements.select("now_read", "now_license", "now_gone").rows() == [(True, "CC-BY-ND-2.0", None)]
    assert rechecked.not_rechecked == {"flickr-api": 1}
