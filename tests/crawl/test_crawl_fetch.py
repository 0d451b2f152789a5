import asyncio
import gzip
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from crawl_project import picture_bytes
from mtf import __version__
from mtf.config import Crawl, Project
from mtf.crawl import http_client, rate_limits, recorded_web
from mtf.crawl.recorded_web import TRUNCATE, Response, serve, write
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

SOURCES = {"sources": [{"kind": "bing"}], "per_host_delay_s": 0.0, "timeout_s": 5.0}


def asked(folder: Path, responses: list[Response], urls: list[str], *, max_bytes: int = 1_000_000, **crawl: object):
    """The fetcher's answers or failures for `urls`, asked for at once, and the web that answered."""
    write(folder, responses)

    async def ask(web):
        params = Crawl.model_validate(SOURCES | crawl)
        async with http_client.HttpFetcher(params, user_agent="mtf test", web=web) as fetcher:
            jobs = (fetcher.get(url, max_bytes=max_bytes) for url in urls)
            return await asyncio.gather(*jobs, return_exceptions=True)

    with serve(folder) as web:
        return asyncio.run(ask(web)), web.requests


def failure(folder: Path, responses: list[Response], url: str, **options: object) -> FetchFailed:
    (result,), _ = asked(folder, responses, [url], **options)
    assert isinstance(result, FetchFailed)
    return result


URL = "https://a.example/x"


def test_an_answer_has_status_headers_and_body(tmp_path: Path):
    (answer,), _ = asked(tmp_path, [Response(URL, headers={"X-Robots-Tag": "noai"}, body=b"body")], [URL])
    assert (answer.status, answer.headers["x-robots-tag"], answer.body, answer.url) == (200, "noai", b"body", URL)


def test_the_user_agent_says_who_asks_and_whom_to_write_to():
    project = Project(name="faces", title="Faces", contact="mailto:a@b.example")
    assert http_client.user_agent(project) == f"mtf/{__version__} (faces; +mailto:a@b.example)"


def test_an_error_status_is_an_answer_until_success_is_demanded(tmp_path: Path):
    (answer,), _ = asked(tmp_path, [Response(URL, 404, body=b"gone")], [URL])
    with pytest.raises(FetchFailed, match="http_error: status 404") as refusal:
        answer.demand_success()
    assert refusal.value.http_status == 404


def test_a_host_that_cannot_be_reached_is_a_failed_connection(tmp_path: Path):
    result = failure(tmp_path, [Response(URL)], "https://b.example/x")
    assert result.outcome == FetchOutcome.CONNECTION
    assert "b.example: no such host" in result.detail


def test_an_answer_that_does_not_come_in_time_is_a_timeout(tmp_path: Path):
    result = failure(tmp_path, [Response(URL, body=b"x", delay_s=1.0)], URL, timeout_s=0.2)
    assert (result.outcome, result.detail) == (FetchOutcome.TIMEOUT, "no whole answer in 0.2 s")


def test_a_body_that_ends_early_is_truncated(tmp_path: Path):
    result = failure(tmp_path, [Response(URL, headers={TRUNCATE: "50000"}, body=picture_bytes(size=(300, 300)))], URL)
    assert result.outcome == FetchOutcome.TRUNCATED


def test_a_body_over_the_bound_is_too_large_by_what_it_declares(tmp_path: Path):
    result = failure(tmp_path, [Response(URL, body=b"x" * 2000)], URL, max_bytes=1000)
    assert (result.outcome, result.detail) == (FetchOutcome.TOO_LARGE, "2000 bytes declared; permitted: 1000")


def test_a_body_that_declares_nothing_is_bounded_while_it_comes(tmp_path: Path):
    response = Response(URL, headers={"Transfer-Encoding": "chunked"}, body=b"x" * 200_000)
    result = failure(tmp_path, [response], URL, max_bytes=1000)
    assert result.outcome == FetchOutcome.TOO_LARGE
    assert "and more to come; permitted: 1000" in result.detail


def test_an_encoding_that_was_not_asked_for_is_undone_within_the_bound(tmp_path: Path):
    headers = {"Content-Encoding": "gzip"}
    (answer,), _ = asked(tmp_path / "1", [Response(URL, headers=headers, body=gzip.compress(b"body" * 9))], [URL])
    assert answer.body == b"body" * 9
    bomb = gzip.compress(b"\0" * 5_000_000)
    result = failure(tmp_path / "2", [Response(URL, headers=headers, body=bomb)], URL)
    assert (result.outcome, result.detail) == (FetchOutcome.TOO_LARGE, "inflates to more; permitted: 1000000")
    result = failure(tmp_path / "3", [Response(URL, headers={"Content-Encoding": "br"}, body=b"x")], URL)
    assert "content-encoding 'br'" in result.detail


def chain(length: int) -> list[Response]:
    hops = [Response(f"{URL}{at}", 302, {"Location": f"/x{at + 1}"}) for at in range(length)]
    return [*hops, Response(f"{URL}{length}", body=b"end")]


def test_five_redirects_are_followed_and_a_sixth_is_not(tmp_path: Path):
    (answer,), _ = asked(tmp_path / "1", chain(5), [f"{URL}0"])
    assert (answer.url, answer.body) == (f"{URL}5", b"end")
    result = failure(tmp_path / "2", chain(6), f"{URL}0")
    assert (result.outcome, result.detail, result.http_status) == (
        FetchOutcome.HTTP_ERROR,
        "more than 5 redirects",
        302,
    )


@pytest.mark.parametrize("target", ["http://10.0.0.1/", "http://[fe80::1]/", "http://127.0.0.1/", "ftp://a.example/"])
def test_a_recorded_web_does_not_open_private_addresses(tmp_path: Path, target: str):
    result = failure(tmp_path, [Response(URL, 302, {"Location": target})], URL)
    assert result.outcome == FetchOutcome.REFUSED_ADDRESS


def test_one_host_is_asked_with_its_delay_and_others_are_not_kept_waiting(tmp_path: Path, waits: list[float]):
    slow = [f"https://a.example/{number}" for number in range(4)]
    fast = [f"https://b{number}.example/" for number in range(4)]
    asked(tmp_path, [Response(url, body=b"x") for url in slow + fast], slow + fast, per_host_delay_s=0.3)
    # Three delays at one host; eight requests in one line would wait seven times.
    assert len(waits) == 3
    assert 0.6 < max(waits) <= 0.9


def test_only_so_many_requests_are_at_one_host_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    urls = [f"https://a.example/{number}" for number in range(6)]
    pair, running, counts = asyncio.Barrier(2), set(), []
    answer = recorded_web._answer

    async def counted(request, recorded):
        running.add(request.raw_path)
        counts.append(len(running))
        await pair.wait()  # fewer than two at once would wait for ever
        response = await answer(request, recorded)
        running.remove(request.raw_path)
        return response

    monkeypatch.setattr(recorded_web, "_answer", counted)
    answers, _ = asked(tmp_path, [Response(url, body=b"x") for url in urls], urls, per_host_concurrency=2)
    assert [answer.body for answer in answers] == [b"x"] * len(urls)
    assert max(counts) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_host_is_given_the_time_it_asks_for_and_asked_again(tmp_path: Path, status: int, waits: list[float]):
    (answer,), requests = asked(tmp_path, [Response(URL, status, {"Retry-After": "1"})], [URL])
    assert answer.status == status
    assert requests == {"a.example/x": 3}
    assert [round(seconds) for seconds in waits] == [1, 1]


def test_a_host_that_asks_for_too_long_is_left_alone_for_this_run(tmp_path: Path):
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    for value in ("3600", later):
        urls = [URL, "https://a.example/y", "https://a.example/z"]
        responses = [Response(urls[0], 429, {"Retry-After": value}), *(Response(url) for url in urls[1:])]
        results, requests = asked(tmp_path / value[:4], responses, urls, per_host_concurrency=1)
        assert results[0].status == 429
        assert requests == {"a.example/x": 1}
        for result in results[1:]:
            assert (result.outcome, result.http_status) == (FetchOutcome.HTTP_ERROR, 429)
            assert "the host asked to wait another" in result.detail


def test_a_delay_that_a_site_asks_for_is_bounded():
    line = rate_limits.Pacing(Crawl.model_validate(SOURCES))
    line.slow_down("a.example", 1e9)
    assert line._line("a.example").delay_s == rate_limits.LONGEST_DELAY_S
