"""Manners by host: the limits that a host sets are kept, and used."""

import asyncio
from pathlib import Path

import pytest
import yaml

from mtf import config
from mtf.config import Crawl
from mtf.core.errors import BadInput
from mtf.crawl import http_client, rate_limits
from mtf.crawl.recorded_web import Response, serve, write
from mtf.sources.fetch_failure import FetchFailed
from policy_server import Policy, PolicyWeb, serving

GENERAL = {"sources": [{"kind": "bing"}], "per_host_delay_s": 0.0, "timeout_s": 20.0, "per_host_concurrency": 16}
BODY = b"x" * 10_000
FILES = {f"/{number}.jpg": BODY for number in range(200)}
MEGABITS = 8.0


def fetched(web: PolicyWeb, hosts: dict[str, dict[str, float] | None]) -> list[object]:
    """Answers to a request for every file of every host, all at once."""
    crawl = Crawl.model_validate(GENERAL | {"hosts": hosts})

    async def all_of_them() -> list[object]:
        async with http_client.HttpFetcher(crawl, user_agent="mtf test", web=web) as fetcher:
            urls = [f"http://{host}{path}" for path in FILES for host in web.addresses]
            jobs = (fetcher.get(url, max_bytes=1_000_000) for url in urls)
            return await asyncio.gather(*jobs, return_exceptions=True)

    return asyncio.run(all_of_them())


def policy() -> Policy:
    return Policy(concurrency=2, bytes_per_s=MEGABITS * 1e6 / 8, window_s=1.0)


def test_hosts_that_enforce_their_limits_refuse_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "BURST_S", 0.02)  # in proportion to the server's window of 1 s instead of 10 s
    policies = {"a.example": policy(), "b.example": policy()}
    with serving(policies, FILES) as web:
        answers = fetched(web, {host: {"concurrency": 2, "megabits_per_s": MEGABITS} for host in policies})
    assert [each.refused for each in policies.values()] == [[], []]
    assert [each.answered for each in policies.values()] == [len(FILES), len(FILES)]
    assert {each.most_at_once for each in policies.values()} == {2}, "what is permitted is used"
    assert all(answer.body == BODY for answer in answers)


@pytest.mark.parametrize("manners", [{"megabits_per_s": MEGABITS}, {"concurrency": 2}, {}])
def test_the_server_refuses_clients_that_keep_one_limit_or_none(
    manners: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "FIRST_BACK_OFF_S", 0.0)
    policies = {"a.example": policy()}
    with serving(policies, FILES) as web:
        fetched(web, {"a.example": manners})
    assert policies["a.example"].refused


def test_a_large_file_arrives_at_the_permitted_rate_and_within_its_time() -> None:
    body = b"x" * 3_000_000
    policies = {"a.example": Policy(concurrency=1, bytes_per_s=1_000_000, window_s=1.0)}
    crawl = Crawl.model_validate(
        GENERAL | {"timeout_s": 1.0, "hosts": {"a.example": {"concurrency": 1, "megabits_per_s": 8.0}}}
    )

    async def get(web: PolicyWeb) -> bytes:
        async with http_client.HttpFetcher(crawl, user_agent="mtf test", web=web) as fetcher:
            return (await fetcher.get("http://a.example/large", max_bytes=3_000_000)).body

    with serving(policies, {"/large": body}) as web:
        assert asyncio.run(get(web)) == body
    seen = policies["a.example"]
    assert seen.last_at - seen.first_at > 2.0, "3 MB at 1 MB/s, without what lies in the buffers"


def test_the_sample_and_the_defaults_know_the_hosts_with_terms_of_their_own() -> None:
    known = Crawl.model_validate({"sources": [{"kind": "bing"}]}).hosts
    assert known["upload.wikimedia.org"].model_dump(exclude_none=True) == {
        "concurrency": 2,
        "delay_s": 0.0,
        "megabits_per_s": 25.0,
    }
    assert known["api.flickr.com"].delay_s == 1.0
    assert config.load(Path(__file__).parents[2] / "params.yaml").crawl.hosts == known


def test_hosts_of_params_yaml_add_to_the_known_ones_replace_them_or_remove_them() -> None:
    hosts = Crawl.model_validate(
        {
            "sources": [{"kind": "bing"}],
            "hosts": {"*.example.org": {"concurrency": 1}, "api.flickr.com": None, "upload.wikimedia.org": {}},
        }
    ).hosts
    assert hosts["*.example.org"].concurrency == 1
    assert hosts["api.flickr.com"] is None
    assert hosts["upload.wikimedia.org"].megabits_per_s is None
    assert hosts["commons.wikimedia.org"].concurrency == 1


def test_hosts_below_a_domain_share_its_limits() -> None:
    crawl = Crawl.model_validate(GENERAL | {"hosts": {"*.example.org": {"delay_s": 3}, "www.example.org": {}}})
    pacing = rate_limits.Pacing(crawl)
    assert pacing._line("a.example.org") is pacing._line("B.c.example.org")
    assert pacing._line("a.example.org").delay_s == 3
    assert pacing._line("www.example.org").delay_s == 0
    assert pacing._line("example.org").delay_s == 0


def test_a_host_with_a_dot_at_its_end_is_the_same_host() -> None:
    pacing = rate_limits.Pacing(Crawl.model_validate(GENERAL | {"hosts": {"*.example.org": {"delay_s": 3}}}))
    assert pacing._line("a.example.org.") is pacing._line("a.example.org")
    assert pacing._line("other.example.") is pacing._line("other.example")


@pytest.mark.parametrize(
    ("hosts", "problem"),
    [
        ({"Example.org": {}}, "crawl.hosts: 'Example.org' is not permitted"),
        ({"http://example.org": {}}, "crawl.hosts: 'http://example.org' is not permitted"),
        ({"a.example": {"concurrency": 0}}, "crawl.hosts.a.example.concurrency: 0 is not permitted"),
        ({"a.example": {"mbps": 1}}, "crawl.hosts.a.example.mbps: unknown key"),
        ([], "crawl.hosts: [] is not permitted"),
    ],
)
def test_an_entry_that_is_none_is_named(hosts: object, problem: str) -> None:
    raw = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))
    raw["crawl"]["hosts"] = hosts
    with pytest.raises(BadInput) as error:
        config.parse(raw)
    assert problem in str(error.value)


def test_a_host_that_asks_for_more_waiting_than_its_budget_is_left_alone(tmp_path: Path) -> None:
    """It asks for a second each time; after more than 1.5 s in all, its addresses fail unasked."""
    urls = [f"https://a.example/{number}" for number in range(4)]
    write(tmp_path, [Response(url, 503, headers={"Retry-After": "1"}) for url in urls])
    crawl = Crawl.model_validate(GENERAL | {"per_host_concurrency": 1, "hosts": {"a.example": {"retry_budget_s": 1.5}}})
    sent: list[str] = []

    async def get_all(web) -> list[object]:
        async with http_client.HttpFetcher(crawl, user_agent="mtf test", web=web) as fetcher:
            jobs = (fetcher.get(url, max_bytes=1000, on_request=lambda url=url: sent.append(url)) for url in urls)
            return await asyncio.gather(*jobs, return_exceptions=True)

    with serve(tmp_path) as web:
        results = asyncio.run(get_all(web))
    assert len(sent) == 2, "one second is granted, the second one is not"
    failures = [each for each in results if isinstance(each, FetchFailed)]
    assert [each.status for each in results if not isinstance(each, FetchFailed)] == [503]
    assert {(each.detail, each.http_status) for each in failures} == {("the host asked to wait 2 s in all", 503)}


def pacing_of(**limits: float) -> rate_limits.Pacing:
    return rate_limits.Pacing(Crawl.model_validate(GENERAL | limits))


def waits_s(
    pacing: rate_limits.Pacing, refusals: int, monkeypatch: pytest.MonkeyPatch, *, now: float = 1000.0
) -> list[float]:
    """Waits after as many refusals without Retry-After, each to a request that was sent after the wait before."""
    waits = []
    for _ in range(refusals):
        monkeypatch.setattr(rate_limits.time, "monotonic", lambda at=now: at)
        pacing.back_off("a.example", http_status=429)
        waits.append(pacing._line("a.example").held_until - now)
        now = pacing._line("a.example").held_until
    return waits


def test_a_host_that_refuses_without_saying_for_how_long_is_left_alone_for_longer_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pacing = pacing_of()
    assert waits_s(pacing, 4, monkeypatch) == [1.0, 2.0, 4.0, 8.0]
    pacing.end_back_off("a.example")
    assert waits_s(pacing, 2, monkeypatch, now=2000.0) == [1.0, 2.0]


def test_refusals_of_requests_that_were_under_way_together_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pacing = pacing_of()
    monkeypatch.setattr(rate_limits.time, "monotonic", lambda: 1000.0)
    assert [pacing.back_off("a.example", http_status=429) for _ in range(4)] == [True] * 4
    assert pacing._line("a.example").held_until == 1001.0
    assert pacing._line("a.example").demanded_s == 1.0


def test_the_wait_that_a_refusal_demands_counts_against_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    pacing = pacing_of(retry_after_s=3.0)
    waits_s(pacing, 3, monkeypatch)
    with pytest.raises(FetchFailed, match="the host asked to wait another 4 s"):
        monkeypatch.setattr(rate_limits.time, "monotonic", lambda: 1003.0)
        asyncio.run(pacing._line("a.example").wait())


def test_an_address_that_is_refused_at_first_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "FIRST_BACK_OFF_S", 0.01)
    policies = {"a.example": Policy(concurrency=0, bytes_per_s=1e9, window_s=1.0)}
    with serving(policies, {"/0.jpg": BODY}) as web:

        async def get() -> int:
            crawl = Crawl.model_validate(GENERAL)
            async with http_client.HttpFetcher(crawl, user_agent="mtf test", web=web) as fetcher:
                return (await fetcher.get("http://a.example/0.jpg", max_bytes=1_000_000)).status

        assert asyncio.run(get()) == 429
    assert len(policies["a.example"].refused) == 3
