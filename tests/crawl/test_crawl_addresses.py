import asyncio
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp.resolver import DefaultResolver

from crawl_project import picture_bytes
from mtf.config import Crawl
from mtf.crawl import network_guard
from mtf.crawl.http_client import HttpFetcher
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

CRAWL = Crawl.model_validate({"sources": [{"kind": "bing"}], "per_host_delay_s": 0.0, "timeout_s": 5.0})

NOT_PUBLIC = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "240.0.0.1", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2001:db8::1",
    "fec0::1", "feff::1",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_private_loopback_multicast_reserved_and_wrapped_addresses_are_not_public(address: str):
    assert not network_guard.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_global_addresses_are_public(address: str):
    assert network_guard.is_public(address)


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("ftp://a.example/x.jpg", "scheme 'ftp'; permitted: http, https"),
        ("file:///etc/passwd", "scheme 'file'; permitted: http, https"),
        ("data:image/png;base64,xx", "scheme 'data'; permitted: http, https"),
        ("/x.jpg", "scheme ''; permitted: http, https"),
        ("http://a.example:99999/x", "not an address that can be read"),
        ("http://[::1/x", "not an address that can be read"),
        ("http://xn--/x", "not an address that can be read"),
        ("http://xn--a/x", "not an address that can be read"),
        ("http:///x", "an address without a host or with port 0"),
        ("http://a.example:0/x", "an address without a host or with port 0"),
        ("https://user:word@a.example/x", "an address with a user name or password in it"),
    ],
)
def test_only_plain_http_addresses_are_asked_for(url: str, detail: str):
    with pytest.raises(FetchFailed) as failure:
        network_guard.parse(url)
    assert (failure.value.outcome, failure.value.detail) == (FetchOutcome.REFUSED_ADDRESS, detail)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://a.example/x?sig=ab%2Fcd%2Bef%3D", "/x?sig=ab%2Fcd%2Bef%3D"),
        ("https://a.example/foo%27bar.jpg", "/foo%27bar.jpg"),
        ("https://a.example/fit/http%3A%2F%2Fb.example%2Fx.jpg", "/fit/http%3A%2F%2Fb.example%2Fx.jpg"),
        ("https://a.example/caf\udce9.jpg", "/caf%E9.jpg"),
        ("https://a.example/caf\u00e9 1.jpg", "/caf%C3%A9%201.jpg"),
        ("https://a.example/100%.jpg", "/100%25.jpg"),
    ],
)
def test_an_address_that_is_valid_is_sent_as_it_stands(url: str, sent: str):
    assert network_guard.parse(url).raw_path_qs == sent


class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target = ""
    asked: list[str] = []  # noqa: RUF012 (a class per server, made in `site`)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(302 if self.path == "/away" else 200)
        body = b"" if self.path == "/away" else picture_bytes()
        if self.path == "/away":
            self.send_header("Location", self.target)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def site(target: str = "", asked: list[str] | None = None) -> Iterator[int]:
    """A server on loopback; its port. The paths that are asked for are added to `asked`."""
    handler = type("Handler", (Site,), {"asked": [] if asked is None else asked, "target": target})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("sent", ["/x?sig=ab%2Fcd%2Bef%3D", "/foo%27bar.jpg", "/fit/http%3A%2F%2Fb.example%2Fx.jpg"])
def test_escapes_reach_the_server_as_they_are_given_by_a_list_or_by_a_redirect(
    monkeypatch: pytest.MonkeyPatch, sent: str
):
    monkeypatch.setattr(network_guard, "is_public", lambda _address: True)
    paths: list[str] = []

    async def ask(urls: list[str]) -> None:
        async with HttpFetcher(CRAWL, user_agent="mtf test", web=None) as fetcher:
            for url in urls:
                await fetcher.get(url, max_bytes=1_000_000)

    with site(target=sent, asked=paths) as port:
        asyncio.run(ask([f"http://127.0.0.1:{port}/away", f"http://127.0.0.1:{port}{sent}"]))
    assert paths == ["/away", sent, sent]


def refusal(url: str) -> FetchFailed:
    async def ask() -> None:
        async with HttpFetcher(CRAWL, user_agent="mtf test", web=None) as fetcher:
            await fetcher.get(url, max_bytes=1_000_000)

    with pytest.raises(FetchFailed) as failure:
        asyncio.run(ask())
    return failure.value


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0x7f.1"])
def test_without_a_recorded_web_loopback_is_refused_however_it_is_written(host: str):
    asked: list[str] = []
    with site(asked=asked) as port:
        failure = refusal(f"http://{host}:{port}/x.jpg")
    assert failure.outcome == FetchOutcome.REFUSED_ADDRESS
    assert "not a public address" in failure.detail or failure.detail == "not an address that can be read"
    assert asked == []


def test_a_name_is_refused_if_any_of_its_addresses_is_not_public(monkeypatch: pytest.MonkeyPatch):
    async def both(self, host, port=0, family=0):
        return [{"hostname": host, "host": address, "port": port} for address in ("93.184.216.34", "192.168.0.9")]

    monkeypatch.setattr(DefaultResolver, "resolve", both)
    failure = refusal("http://both.example/x.jpg")
    assert failure.outcome == FetchOutcome.REFUSED_ADDRESS
    assert failure.detail == "both.example resolves to 192.168.0.9, which is not a public address"


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/x",
        "http://127.0.0.2/x",
        "//localhost/x",
        "file:///etc/passwd",
    ],
)
def test_a_redirect_into_a_private_range_is_refused(monkeypatch: pytest.MonkeyPatch, target: str):
    real = network_guard.is_public
    # This test's server stands at a public address, until it has been asked; every other is judged as always.
    asked: list[str] = []
    monkeypatch.setattr(
        network_guard, "is_public", lambda address: (address == "127.0.0.1" and not asked) or real(address)
    )
    with site(target, asked) as port:
        failure = refusal(f"http://127.0.0.1:{port}/away")
    assert asked == ["/away"]
    assert failure.outcome == FetchOutcome.REFUSED_ADDRESS


def test_a_name_that_does_not_resolve_is_a_failed_connection():
    failure = refusal("http://no-such-host.invalid/x.jpg")
    assert failure.outcome == FetchOutcome.CONNECTION
