from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from crawl_project import bing_page, bing_result
from mtf.core.errors import BadInput
from mtf.sources.bing import Bing
from mtf.sources.google import Google
from mtf.sources.search_engine import EngineResult, SearchEngine, UnreadablePage

BING = Bing(kind="bing", licenses=["commercial,modify"], max_results=100)
GOOGLE = Google(kind="google", licenses=["commercial,modify"], max_results=200)


def read(source: SearchEngine, content: bytes):
    return source.parse(content)


@pytest.mark.parametrize("query", ["Ana & Bob", "安娜", 'O\'Hara "x" + y #1 %', "a=b&first=7"])
def test_keywords_arrive_whole_in_the_address_of_the_result_page(query: str):
    for source in (BING, GOOGLE):
        for url in source.page_urls(query, "commercial,modify"):
            assert parse_qs(urlsplit(url).query)["q"] == [query]


def test_result_pages_carry_the_license_filter_and_step_through_the_results():
    urls = BING.page_urls("ana", "commercial,modify")
    assert [parse_qs(urlsplit(url).query)["first"] for url in urls] == [["0"], ["20"], ["40"], ["60"], ["80"]]
    assert all("filterui:license-L2_L3" in url for url in urls)
    assert "filterui:face-portrait" in BING.model_copy(update={"people": "portrait"}).page_urls("a", None)[0]
    assert ["sur%3Afmc" in url for url in GOOGLE.page_urls("ana", "commercial,modify")] == [True, True]
    assert "license" not in BING.page_urls("ana", None)[0]


def test_a_filter_that_google_lacks_is_named():
    source = GOOGLE.model_copy(update={"people": "portrait"})
    with pytest.raises(BadInput, match=r"google: people: 'portrait' is not permitted; permitted: face"):
        source.page_urls("ana", None)


def test_bing_pictures_of_every_kind_come_with_page_and_title():
    content = bing_page(
        bing_result(
            "https://a.example/x.png", page="https://a.example/p?a=1&b=2", title='Ana "A." \ue000Béla\ue001 &amp; 安'
        ),
        bing_result("https://a.example/y.webp?w=1&h=2", page="https://a.example/y"),
        bing_result("https://a.example/z.jpg#.jpg", page=None, title=""),
    )
    assert read(BING, content) == [
        {
            "file_url": "https://a.example/x.png",
            "page_url": "https://a.example/p?a=1&b=2",
            "title": 'Ana "A." Béla & 安',
        },
        {"file_url": "https://a.example/y.webp?w=1&h=2", "page_url": "https://a.example/y", "title": "A title"},
        {"file_url": "https://a.example/z.jpg#.jpg", "page_url": None, "title": None},
    ]


def test_an_ampersand_that_bing_left_escaped_is_mended_and_others_are_left_alone():
    content = bing_page(bing_result("https://a.example/x.jpg?a=1&amp;b=2&copy=3", page="javascript:alert(1)"))
    assert read(BING, content) == [
        {"file_url": "https://a.example/x.jpg?a=1&b=2&copy=3", "page_url": None, "title": "A title"}
    ]


def test_a_result_that_cannot_be_read_does_not_hide_the_others():
    broken = '<div class="imgpt"><a class="iusc" m="{not json"></a></div>'
    content = bing_page(broken, bing_result("ftp://a.example/x.jpg"), bing_result("https://a.example/y.jpg"))
    assert [task["file_url"] for task in read(BING, content)] == ["https://a.example/y.jpg"]


@pytest.mark.parametrize("content", [b"", bing_page()])
def test_a_page_past_the_last_result_is_empty(content: bytes):
    assert read(BING, content) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>Are you a robot?</html>", "nothing that says so"),
        (bing_page('<div class="imgpt"><a class="iusc" m="{}"></a></div>'), "1 results, none with a picture's address"),
    ],
)
def test_a_bing_page_that_has_changed_says_so(content: bytes, reason: str):
    with pytest.raises(UnreadablePage, match=reason):
        read(BING, content)


def google_page(*pictures: tuple[str, str, str]) -> bytes:
    """The data call of Google's result page, as it stands in its script."""
    rows = [
        [1, [0, "id", ["https://encrypted-tbn0.gstatic.com/images?q=tbn:1", 183, 275], [url, 900, 600], None,
             {"2001": [None], "2003": [None, "key", page, title]}]]
        for url, page, title in pictures
    ]  # fmt: skip
    data = json.dumps(rows, separators=(",", ":")).replace("=", "\\u003d")
    script = f"AF_initDataCallback({{key: 'ds:1', data:{data}, sideChannel: {{}}}});"
    return f"<html><body><script>{script}</script></body></html>".encode()


def test_google_pictures_come_with_page_and_title():
    content = google_page(
        ("https://a.example/x.webp?w=1", "https://a.example/p", 'Ana "A." & 安'),
        ("https://a.example/y.JPG", "https://a.example/q", "Two"),
    )
    assert read(GOOGLE, content) == [
        {"file_url": "https://a.example/x.webp?w=1", "page_url": "https://a.example/p", "title": 'Ana "A." & 安'},
        {"file_url": "https://a.example/y.JPG", "page_url": "https://a.example/q", "title": "Two"},
    ]


def test_googles_older_pages_are_read_as_icrawler_reads_them():
    content = b"<html><script>var a = 'x'; u = [1, \"https://a.example/x.jpg\"]</script></html>"
    assert read(GOOGLE, content) == [{"file_url": "https://a.example/x.jpg", "page_url": None, "title": None}]


def test_a_google_page_that_has_changed_says_so():
    with pytest.raises(UnreadablePage, match="Google's format has changed"):
        read(GOOGLE, b"<html><script>nothing()</script></html>")
    assert read(GOOGLE, b"<html>Your search did not match any image results.</html>") == []


CHALLENGES = {
    "scripts alone": b"<html><head><script>challenge()</script></head><script src='/c.js'></script></html>",
    "a page that leads elsewhere": b"<html><head><meta http-equiv='refresh' content='0;url=/turing'></head></html>",
    "a banner beside the frame": b"<div id='bnp_container'>We use cookies. Accept?</div><div class='dgControl'></div>",
    "links without the attribute m": b"<div class='dgControl'><a href='/images?mediaurl=http%3A%2F%2Fa.example'></a>",
}


@pytest.mark.parametrize("content", CHALLENGES.values(), ids=CHALLENGES.keys())
def test_a_page_that_says_nothing_of_results_is_no_empty_result(content: bytes):
    with pytest.raises(UnreadablePage, match="no results and nothing that says so"):
        read(BING, content)


def test_bings_own_message_is_believed_beside_anything():
    page = b"<div>We use cookies.</div><div class='no_results'>There are no results for this.</div>"
    assert read(BING, page) == []


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_a_result_of_endless_brackets_does_not_end_the_search(deep: str):
    broken = f"<div class='imgpt'><a class='iusc' m='{deep}'></a></div>"
    content = bing_page(broken, bing_result("https://a.example/y.jpg"))
    assert [each["file_url"] for each in read(BING, content)] == ["https://a.example/y.jpg"]
    with pytest.raises(UnreadablePage, match="1 results, none with a picture's address"):
        read(BING, bing_page(broken))


class Deep(Bing):
    """An engine whose parser gives up on what is nested."""

    def parse(self, content: bytes) -> list[EngineResult]:
        return self.parse(content)


class Answers:
    """A fetcher with one answer."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def get(self, *_: object, **__: object) -> Answers:
        return self

    def demand_success(self) -> None:
        pass


@pytest.mark.parametrize(
    ("source", "body", "reason"),
    [
        (BING, b" ", "an empty answer to the first request"),
        (GOOGLE, b"", "an empty answer to the first request"),
        (Deep(kind="bing"), b"x", "nested too deeply to be read"),
    ],
)
def test_a_search_without_a_readable_answer_is_not_completed(source: SearchEngine, body: bytes, reason: str):
    found = asyncio.run(source.search(Answers(body), "ana"))
    assert found.candidates == []
    assert [problem.endswith(reason) for problem in found.problems] == [True]
