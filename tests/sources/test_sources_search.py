"""One search of one API: to its end, at its pace, and with whatever else may come back."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from sources_web import (
    KEY,
    USER_AGENT,
    Reply,
    body,
    commons_answer,
    commons_page,
    flickr_answer,
    flickr_photo,
    openverse_answer,
    openverse_result,
    serving,
)

from mtf.core.errors import BadInput
from mtf.sources import api, openverse, record_evidence
from mtf.sources.commons import Commons
from mtf.sources.flickr import Flickr
from mtf.sources.openverse import Openverse

OPENVERSE = Openverse(kind="openverse")
COMMONS = Commons(kind="commons")
FLICKR = Flickr(kind="flickr")
SOURCES = {"openverse": OPENVERSE, "commons": COMMONS, "flickr": FLICKR}


def answer(kind: str, *numbers: int, page: int = 1, pages: int = 1) -> Reply:
    """A page of results, with pictures of these numbers."""
    urls = [f"https://a.example/{number}.jpg" for number in numbers]
    if kind == "openverse":
        results = [openverse_result(url, f"{url}.html") for url in urls]
        return Reply(body(openverse_answer(*results, page=page, pages=pages)))
    if kind == "flickr":
        photos = [flickr_photo(str(number), url) for number, url in zip(numbers, urls, strict=True)]
        return Reply(body(flickr_answer(*photos, page=page, pages=pages)))
    files = [commons_page(f"{number}.jpg", index=number, url=url) for number, url in zip(numbers, urls, strict=True)]
    more = {"gsroffset": 50 * page, "continue": "gsroffset||"} if page < pages else None
    return Reply(body(commons_answer(*files, more=more)))


def urls(found) -> list[str]:
    return [candidate.url.removeprefix("https://a.example/") for candidate in found.candidates]


@pytest.mark.parametrize("kind", SOURCES)
def test_a_search_goes_to_its_last_page_in_order_and_no_further(find, kind):
    with serving(
        answer(kind, 1, 2, pages=3), answer(kind, 2, 3, page=2, pages=3), answer(kind, 4, page=3, pages=3)
    ) as web:
        found = find(web, SOURCES[kind])
    assert urls(found) == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert [candidate.rank for candidate in found.candidates] == [0, 1, 2, 3]
    assert {candidate.source for candidate in found.candidates} == {kind}
    assert found.problems == []
    parameter, values = ("gsroffset", [None, "50", "100"]) if kind == "commons" else ("page", ["1", "2", "3"])
    assert web.parameter(parameter) == values
    assert {headers["User-Agent"] for headers in web.headers} == {USER_AGENT}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_search_stops_at_the_wanted_number(find, kind):
    source = SOURCES[kind].model_copy(update={"max_results": 3})
    with serving(answer(kind, 1, 2, pages=9), answer(kind, 3, 4, page=2, pages=9)) as web:
        assert urls(find(web, source)) == ["1.jpg", "2.jpg", "3.jpg"]
    assert len(web.asked) == 2


@pytest.mark.parametrize("kind", SOURCES)
def test_nothing_found_is_no_problem(find, kind):
    empty = Reply(body({"batchcomplete": True})) if kind == "commons" else answer(kind, pages=0, page=1)
    with serving(empty) as web:
        found = find(web, SOURCES[kind])
    assert (found.candidates, found.problems, len(web.asked)) == ([], [], 1)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(b"<!DOCTYPE html><html>Service Unavailable</html>"), "not JSON: JSONDecodeError; it begins with b'<!D"),
        (Reply(b""), "not JSON"),
        (Reply(b'{"results": [{"url"'), "not JSON"),
        (Reply(b"[" * 100_000), "not JSON: RecursionError"),
        (Reply(b"\xff\xfe\x00"), "not JSON: UnicodeDecodeError"),
        (Reply(b"null"), "a JSON object is wanted, not None"),
        (Reply(b"[]"), "a JSON object is wanted, not []"),
        (Reply(b"", status=500), "http_error: status 500"),
        (Reply(b"", status=403), "http_error: status 403"),
    ],
)
def test_what_is_no_answer_is_a_search_not_completed(find, kind, reply, says):
    with serving(answer(kind, 1, pages=3), reply) as web:
        found = find(web, SOURCES[kind])
    assert urls(found) == ["1.jpg"], "what came before is kept"
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"{kind}, 'Ana Béla': ")
    assert says in found.problems[0]


@pytest.mark.parametrize(
    ("kind", "sent", "says"),
    [
        ("openverse", {}, "results is None, where a list is wanted"),
        ("openverse", {"results": {"url": "x"}, "page": 1, "page_count": 1}, "where a list is wanted"),
        (
            "openverse",
            {"detail": "Authentication credentials\nwere not provided."},
            "Openverse refuses: Authentication",
        ),
        ("openverse", {"results": [], "page": None, "page_count": 1}, "page or page_count is not a number"),
        ("openverse", {"results": [], "page": 2, "page_count": 9}, "page 2 of 9 is empty"),
        ("openverse", openverse_answer(None, "x"), "2 of 2 results cannot be read: a result is None"),
        ("openverse", openverse_answer(openverse_result("javascript:alert(1)", None)), "url is 'javascript:alert(1)'"),
        ("openverse", openverse_answer({"title": "no more"}), "1 of 1 results cannot be read: url is None"),
        ("commons", {}, "neither results nor a word that there are none"),
        ("commons", {"query": None}, "query.pages is None, where a list is wanted"),
        ("commons", {"query": {"pages": 7}}, "query.pages is 7, where a list is wanted"),
        ("commons", {"error": {"code": "badvalue", "info": "Unrecognized"}}, "Commons refuses: badvalue: Unrecognized"),
        ("commons", {"errors": [{"code": "blocked", "text": "You are"}]}, "Commons refuses: blocked: You are"),
        ("commons", {"error": "no"}, "Commons refuses: 'no'"),
        ("commons", commons_answer(None), "1 of 1 results cannot be read: a result is None"),
        ("commons", commons_answer({"title": "File:x", "imageinfo": [7]}), "imageinfo is [7]"),
        ("commons", commons_answer(commons_page("x.jpg", url=None)), "url is None"),
        (
            "commons",
            commons_answer({"title": "File:x", "index": 1}),
            "1 results were named and never described: 'File:x'",
        ),
        ("commons", commons_answer(more=[1]), "continue is [1]: nothing after this can be asked for"),
        ("commons", commons_answer(more={"gsroffset": None}), "continue is {'gsroffset': None}"),
        ("flickr", {"stat": "fail", "code": 100, "message": "Invalid API Key"}, "Flickr refuses: 100: Invalid API Key"),
        ("flickr", {}, "Flickr refuses: None: None"),
        ("flickr", {"stat": "ok"}, "photos.photo is None, where a list is wanted"),
        ("flickr", {"stat": "ok", "photos": {"photo": None}}, "photos.photo is None, where a list is wanted"),
        ("flickr", flickr_answer(pages="many"), "page or pages is not a number"),
        ("flickr", flickr_answer(page=3, pages=9), "page 3 of 9 is empty"),
        ("flickr", flickr_answer(None, 7), "2 of 2 results cannot be read: a result is None"),
        (
            "flickr",
            flickr_answer(flickr_photo("1", None)),
            "1 of 1 results cannot be read: each of its addresses is None",
        ),
        ("flickr", flickr_answer(flickr_photo("1", "ftp://x/y")), "each of its addresses is None"),
    ],
)
def test_an_answer_of_another_form_says_which_field_is_wrong(find, kind, sent, says):
    with serving(Reply(body(sent))) as web:
        found = find(web, SOURCES[kind])
    assert found.candidates == []
    assert len(found.problems) == 1
    assert says in found.problems[0]
    assert "\n" not in found.problems[0]


@pytest.mark.parametrize("kind", SOURCES)
def test_a_result_that_cannot_be_read_does_not_hide_the_others(find, kind):
    good, bad = ("https://a.example/1.jpg", "https://a.example/1.html"), 17
    sent = {
        "openverse": openverse_answer(bad, openverse_result(*good)),
        "commons": commons_answer(bad, commons_page("1.jpg", url=good[0])),
        "flickr": flickr_answer(bad, flickr_photo("1", good[0])),
    }
    with serving(Reply(body(sent[kind]))) as web:
        found = find(web, SOURCES[kind])
    assert urls(found) == ["1.jpg"]
    assert "1 of 2 results cannot be read" in found.problems[0]


@pytest.mark.parametrize("kind", SOURCES)
def test_fields_of_every_wrong_type_leave_the_address_and_nothing_else(find, kind):
    wrong = [None, 7.5, True, [], {}, "\ud800", "x" * 100_000, {"value": {}}]
    results = []
    for number, value in enumerate(wrong):
        url = f"https://a.example/{number}.jpg"
        if kind == "openverse":
            fields = openverse_result(url, None)
            results.append(dict.fromkeys(fields, value) | {"url": url})
        elif kind == "flickr":
            fields = flickr_photo("1", url)
            results.append(dict.fromkeys(fields, value) | {"url_l": url, "media": "photo"})
        else:
            results.append(commons_page(f"{number}.jpg", metadata={"LicenseUrl": value, "Artist": value}, url=url))
    sent = {"openverse": openverse_answer, "commons": commons_answer, "flickr": flickr_answer}[kind](*results)
    with serving(Reply(body(sent))) as web:
        found = find(web, SOURCES[kind])
    assert len(found.candidates) == len(wrong)
    assert found.problems == []
    for candidate in found.candidates:
        assert str(candidate).encode("utf-8")
        assert record_evidence.statement(candidate).license is None


@pytest.mark.parametrize("kind", ["openverse", "flickr"])
def test_a_page_that_repeats_what_came_before_ends_the_search_and_is_reported(find, kind):
    with serving(answer(kind, 1, 2, pages=500), answer(kind, 2, 1, page=2, pages=500)) as web:
        found = find(web, SOURCES[kind])
    assert urls(found) == ["1.jpg", "2.jpg"]
    assert "an answer repeats what came before" in found.problems[0]
    assert len(web.asked) == 2


def test_a_continuation_that_leads_in_a_circle_is_left(find):
    circle = [answer("commons", number, pages=2, page=1) for number in (1, 2, 3)]
    with serving(*circle) as web:
        found = find(web, COMMONS)
    assert urls(found) == ["1.jpg", "2.jpg"]
    assert "what it says comes next leads back to what came before" in found.problems[0]
    assert len(web.asked) == 2


def test_a_search_without_end_ends(find, monkeypatch):
    monkeypatch.setattr(api, "MAX_ANSWERS", 4)
    endless = [answer("openverse", number, page=number, pages=10**8) for number in range(1, 9)]
    with serving(*endless) as web:
        found = find(web, OPENVERSE)
    assert len(web.asked) == len(found.candidates) == 4
    assert "more than 4 answers to one search" in found.problems[0]


def test_a_description_that_commons_sends_later_is_waited_for(find):
    bare = {"pageid": 1, "ns": 6, "title": "File:1.jpg", "index": 1}
    described = commons_page("1.jpg", url="https://a.example/1.jpg")
    later = {"iicontinue": "1.jpg|20200101", "continue": "||"}
    with serving(
        Reply(body({"query": {"pages": [bare]}, "continue": later})), Reply(body(commons_answer(described)))
    ) as web:
        found = find(web, COMMONS)
    assert (urls(found), found.problems) == (["1.jpg"], [])
    assert web.parameter("iicontinue") == [None, "1.jpg|20200101"]


def test_files_of_commons_that_are_no_pictures_are_passed_over(find):
    pages = [
        commons_page("1.svg", mime="image/svg+xml"),
        commons_page("2.webm", mime="video/webm"),
        commons_page("3.jpg", filehidden=""),
        {"ns": 6, "title": "File:4.jpg", "missing": True, "imagerepository": ""},
        commons_page("5.png", mime="image/png", url="https://a.example/5.png"),
    ]
    with serving(Reply(body(commons_answer(*pages)))) as web:
        found = find(web, COMMONS)
    assert (urls(found), found.problems) == (["5.png"], [])


def test_commons_oldest_format_is_read_too(find):
    pages = {"102": commons_page("2.jpg", index=2, url="https://a.example/2.jpg")}
    pages["101"] = commons_page("1.jpg", index=1, url="https://a.example/1.jpg")
    with serving(Reply(body({"batchcomplete": "", "query": {"pages": pages}}))) as web:
        assert urls(find(web, COMMONS)) == ["1.jpg", "2.jpg"]


def test_commons_is_asked_for_files_by_words_or_by_category(find):
    with serving(Reply(body({"batchcomplete": True}))) as web:
        find(web, COMMONS)
        find(web, COMMONS.model_copy(update={"by": "category"}))
    words, category = (parse_qs(urlsplit(path).query) for _, path in web.asked)
    assert web.asked[0][0] == "commons.wikimedia.org"
    assert (words["generator"], words["gsrsearch"], words["gsrnamespace"]) == (
        ["search"],
        ["Ana Béla filetype:bitmap"],
        ["6"],
    )
    assert (category["generator"], category["gcmtitle"]) == (["categorymembers"], ["Category:Ana Béla"])
    assert words["iiprop"] == ["url|user|size|mime|sha1|extmetadata"]
    assert words["maxlag"] == ["5"]


def test_openverse_and_flickr_are_asked_with_their_own_license_filters(find):
    openverse_source = Openverse(kind="openverse", licenses=["by", "cc0"], license_types=["commercial"])
    with serving(Reply(body(openverse_answer()))) as web:
        find(web, openverse_source)
    assert web.parameter("q") == ["Ana Béla"]
    assert (web.parameter("license"), web.parameter("license_type")) == (["by,cc0"], ["commercial"])
    with serving(Reply(body(flickr_answer()))) as web:
        find(web, FLICKR)
    assert web.parameter("text") == ["Ana Béla"]
    assert web.parameter("license") == ["4,5,9,10,11,12"]
    assert {"license", "owner_name", "url_o"} <= set(str(web.parameter("extras")[0]).split(","))


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_api_is_asked_again_when_it_said(find, kind, status, waits):
    busy = Reply(b"", status=status, headers={"Retry-After": "1"})
    with serving(busy, answer(kind, 1)) as web:
        found = find(web, SOURCES[kind])
    assert (urls(found), found.problems, len(web.asked)) == (["1.jpg"], [], 2)
    assert [round(seconds) for seconds in waits] == [1]


@pytest.mark.parametrize("kind", SOURCES)
def test_an_api_that_wants_to_be_left_for_an_hour_is_left(find, kind, waits):
    with serving(answer(kind, 1, pages=9), Reply(b"", status=429, headers={"Retry-After": "3600"})) as web:
        found = find(web, SOURCES[kind])
    assert (urls(found), len(web.asked)) == (["1.jpg"], 2)
    assert "status 429" in found.problems[0]
    assert max(waits, default=0.0) < 60


@pytest.mark.parametrize(
    ("kind", "busy"),
    [
        ("commons", {"error": {"code": "maxlag", "info": "Waiting for a server: 6 seconds lagged."}}),
        ("commons", {"error": {"code": "ratelimited", "info": "You've exceeded your rate limit."}}),
        ("flickr", {"stat": "fail", "code": 105, "message": "Service currently unavailable"}),
    ],
)
def test_an_answer_that_asks_for_patience_is_waited_for_a_few_times(find, monkeypatch, kind, busy):
    monkeypatch.setattr(api, "UNNAMED_WAIT_S", 0.1)
    with serving(Reply(body(busy)), answer(kind, 1)) as web:
        found = find(web, SOURCES[kind])
    assert (urls(found), found.problems, len(web.asked)) == (["1.jpg"], [], 2)
    with serving(Reply(body(busy))) as web:
        found = find(web, SOURCES[kind])
    assert len(web.asked) == api.TRIES
    assert "refuses: " in found.problems[0]


def test_a_lagging_commons_is_given_the_time_it_names(find, waits):
    lag = Reply(body({"error": {"code": "maxlag", "info": "lagged"}}), headers={"Retry-After": "1"})
    with serving(lag, answer("commons", 1)) as web:
        assert urls(find(web, COMMONS)) == ["1.jpg"]
    assert [round(seconds) for seconds in waits] == [1]


def test_without_a_token_openverse_is_asked_no_faster_than_it_permits(find, monkeypatch, waits):
    monkeypatch.setattr(openverse, "ANONYMOUS_DELAY_S", 1.0)
    with serving(*(answer("openverse", number, page=number, pages=3) for number in (1, 2, 3))) as web:
        find(web, OPENVERSE)
    assert [round(seconds) for seconds in waits] == [1, 1]


def test_a_token_goes_to_openverse_and_never_along_a_redirect(find, monkeypatch):
    monkeypatch.setenv("OV_TOKEN", KEY)
    away = Reply(b"", status=302, headers={"Location": "https://elsewhere.example/v1/images/"})
    with serving(away, answer("openverse", 1)) as web:
        found = find(web, Openverse(kind="openverse", token_variable="OV_TOKEN"))  # noqa: S106 (its name)
    assert urls(found) == ["1.jpg"]
    assert [host for host, _ in web.asked] == ["api.openverse.org", "elsewhere.example"]
    assert [headers.get("Authorization") for headers in web.headers] == [f"Bearer {KEY}", None]


def test_flickrs_key_is_sent_and_is_in_no_log_no_candidate_and_no_message(find, caplog):
    caplog.set_level("DEBUG")
    with serving(
        answer("flickr", 1, pages=2), Reply(body({"stat": "fail", "code": 1, "message": f"bad {KEY[:8]}"}))
    ) as web:
        found = find(web, FLICKR)
    assert web.parameter("api_key") == [KEY, KEY]
    assert KEY not in caplog.text
    assert KEY not in repr(found)
    assert KEY.encode() not in found.candidates[0].record.body()


def test_an_answer_that_repeats_the_key_is_not_kept(find):
    with serving(Reply(body({"stat": "fail", "code": 1, "message": f"bad key {KEY}"}))) as web:
        found = find(web, FLICKR)
    assert found.problems == ["flickr, 'Ana Béla': the answer repeats our secret, and is not kept for that"]


@pytest.mark.parametrize(
    ("value", "says"),
    [(None, "the environment variable FLICKR_API_KEY is not set"), ("", "is not set"), ("a\tb", "something else")],
)
def test_a_key_that_is_not_there_is_named_without_its_value(find, monkeypatch, value, says):
    monkeypatch.delenv("FLICKR_API_KEY")
    if value is not None:
        monkeypatch.setenv("FLICKR_API_KEY", value)
    with serving(answer("flickr", 1)) as web, pytest.raises(BadInput, match=says):
        find(web, FLICKR)
    assert web.asked == []
