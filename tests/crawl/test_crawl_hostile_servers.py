"""Servers that cannot be trusted: certificates, names that change their address, a robots.txt without end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.resolver import DefaultResolver
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mtf.config import Crawl
from mtf.crawl import network_guard, signals_client
from mtf.crawl.http_client import HttpFetcher
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

CRAWL = Crawl.model_validate({"sources": [{"kind": "bing"}], "per_host_delay_s": 0.0, "timeout_s": 10.0})
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def this_server_counts_as_public(monkeypatch: pytest.MonkeyPatch) -> None:
    real = network_guard.is_public
    monkeypatch.setattr(network_guard, "is_public", lambda address: address == "127.0.0.1" or real(address))


def served(
    handler: Handler, use: Callable[[HttpFetcher, int], Awaitable[None]], *, tls: ssl.SSLContext | None = None
) -> None:
    """Run `use` with a fetcher of the live web and the port of a server on loopback."""

    async def run() -> None:
        runner = web.ServerRunner(web.Server(handler))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        try:
            async with HttpFetcher(CRAWL, user_agent="mtf test", web=None) as fetcher:
                await use(fetcher, runner.addresses[0][1])
        finally:
            await runner.shutdown()
            await runner.cleanup()

    asyncio.run(run())


def certificate(folder: Path, *, days: int) -> ssl.SSLContext:
    """TLS of a server that signed its own certificate, valid for so many days from yesterday on."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime.now(UTC) - timedelta(days=1)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin - timedelta(days=30))
        .not_valid_after(begin + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(text + signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def answer(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=b"picture")


@pytest.mark.parametrize("kind", ["signed by itself", "expired", "no TLS at all"])
def test_nothing_is_taken_from_a_server_without_a_valid_certificate(tmp_path: Path, kind: str) -> None:
    asked: list[str] = []

    async def listen(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return await answer(request)

    async def use(fetcher: HttpFetcher, port: int) -> None:
        with pytest.raises(FetchFailed) as failure:
            await fetcher.get(f"https://127.0.0.1:{port}/x.jpg", max_bytes=1000)
        assert failure.value.outcome == FetchOutcome.CONNECTION
        assert "\n" not in failure.value.detail and "127.0.0.1" in failure.value.detail

    days = {"signed by itself": 30, "expired": 0}.get(kind)
    served(listen, use, tls=None if days is None else certificate(tmp_path, days=days))
    assert asked == []


def test_a_name_is_connected_to_at_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the first answer is public, every later one leads into a private network."""
    answers = ["127.0.0.1", "169.254.169.254"]
    resolved: list[str] = []

    async def rebinding(self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, object]]:
        resolved.append(answers[min(len(resolved), 1)])
        return [{"hostname": host, "host": resolved[-1], "port": port, "family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr(DefaultResolver, "resolve", rebinding)

    async def use(fetcher: HttpFetcher, port: int) -> None:
        first = await fetcher.get(f"http://rebinding.example:{port}/x", max_bytes=1000)
        assert (first.body, resolved) == (b"picture", ["127.0.0.1"])
        # As after the time that an answer is kept, over a connection of its own.
        fetcher._session.connector.clear_dns_cache()
        with pytest.raises(FetchFailed) as failure:
            await fetcher.get(f"http://rebinding.example:{port + 1 if port < 65535 else 1}/x", max_bytes=1000)
        assert failure.value.outcome == FetchOutcome.REFUSED_ADDRESS
        assert "rebinding.example resolves to 169.254.169.254" in failure.value.detail

    served(answer, use)


def test_a_robots_txt_without_end_is_read_to_the_bound_and_obeyed() -> None:
    sent = 0

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"User-agent: *\nDisallow: /private\n")
        try:
            while True:
                await response.write(b"# " + b"x" * 65533 + b"\n")
                sent += 65536
        except OSError:  # the reader has gone
            return response

    async def use(fetcher: HttpFetcher, port: int) -> None:
        client = signals_client.SignalsClient(fetcher, ["robots.txt"])
        await client.permit(f"http://127.0.0.1:{port}/open/x.jpg")
        with pytest.raises(FetchFailed) as failure:
            await client.permit(f"http://127.0.0.1:{port}/private/x.jpg")
        assert failure.value.outcome == FetchOutcome.OPTED_OUT

    served(endless, use)
    assert signals_client.MAX_ROBOTS_BYTES <= sent + 65536 <= 20 * signals_client.MAX_ROBOTS_BYTES
