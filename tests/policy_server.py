"""A web server on loopback that enforces a policy of its host: requests at once, and bandwidth over a window.

It refuses with 429 what breaks the policy. Bytes count when they are written to the socket, whose buffer is small.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

_CHUNK_BYTES = 2**14
_SEND_BUFFER_BYTES = 2**16


@dataclass
class Policy:
    """Policy of one host, and what was seen of its clients.

    concurrency: requests at a time.
    bytes_per_s: bandwidth, as a mean over `window_s`.
    latency_s: time before each answer, as a distant host takes it; so requests overlap.
    """

    concurrency: int
    bytes_per_s: float
    window_s: float = 10.0
    latency_s: float = 0.005
    refused: list[str] = field(default_factory=list)
    answered: int = 0
    sent_bytes: int = 0
    most_at_once: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    _active: int = 0
    _log: deque[tuple[float, int]] = field(default_factory=deque)
    _in_window: int = 0

    def enter(self) -> str | None:
        """Begin a request. Returns the reason to refuse it."""
        now = time.monotonic()
        self.first_at = self.first_at or now
        self._active += 1
        self.most_at_once = max(self.most_at_once, self._active)
        if self._active > self.concurrency:
            return f"{self._active} requests at once"
        self._forget(now)
        if self._in_window > self.bytes_per_s * self.window_s:
            return f"{self._in_window} bytes in {self.window_s:g} s"
        return None

    def leave(self) -> None:
        self._active -= 1
        self.last_at = time.monotonic()

    def send(self, size_bytes: int) -> None:
        self._log.append((time.monotonic(), size_bytes))
        self._in_window += size_bytes
        self.sent_bytes += size_bytes

    def _forget(self, now: float) -> None:
        while self._log and self._log[0][0] < now - self.window_s:
            self._in_window -= self._log.popleft()[1]

    @property
    def used_share(self) -> float:
        """Bytes sent from the first request to the last answer, as a share of what the policy allows in that time."""
        return self.sent_bytes / (self.bytes_per_s * (self.last_at - self.first_at))


@dataclass(frozen=True)
class PolicyWeb:
    """Web in place of the live one: host → address of its server."""

    addresses: Mapping[str, str]
    recorded_at: datetime | None = None

    def locate(self, url: str) -> tuple[str, dict[str, str]]:
        host, _, path = url.partition("://")[2].partition("/")
        if host not in self.addresses:
            raise ConnectionRefusedError(f"{host}: no such host")
        return f"http://{self.addresses[host]}/{path}", {"Host": host}


@contextmanager
def serving(policies: Mapping[str, Policy], files: Mapping[str, bytes]) -> Iterator[PolicyWeb]:
    """Serve `files` (path → body) for each host of `policies`, each on a loopback address of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="policy server")
    thread.start()
    with ExitStack() as stack:
        stack.callback(loop.close)
        stack.callback(thread.join)
        stack.callback(loop.call_soon_threadsafe, loop.stop)
        addresses = {}
        for number, (host, policy) in enumerate(policies.items(), 1):
            server = _Server(policy, files)
            addresses[host] = asyncio.run_coroutine_threadsafe(server.start(f"127.0.0.{number}"), loop).result()
            stack.callback(lambda server=server: asyncio.run_coroutine_threadsafe(server.stop(), loop).result())
        yield PolicyWeb(addresses)


class _Server:
    """Server of one host."""

    def __init__(self, policy: Policy, files: Mapping[str, bytes]) -> None:
        self._policy = policy
        self._files = files
        self._clients: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self, address: str) -> str:
        """Begin to serve on `address`. Returns it with its port."""
        self._server = await asyncio.start_server(self._connected, address, 0)
        return "{}:{}".format(*self._server.sockets[0].getsockname()[:2])

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for client in self._clients:
            client.transport.abort()
        while self._clients:
            await asyncio.sleep(0)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while await _one(reader, writer, self._policy, self._files):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._clients.discard(writer)


async def _one(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, policy: Policy, files: Mapping[str, bytes]
) -> bool:
    """Answer one request. False at the end of the connection."""
    request = await reader.readuntil(b"\r\n\r\n")
    path = request.split(b" ", 2)[1].decode("ascii")
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    writer.transport.set_write_buffer_limits(high=_CHUNK_BYTES)
    refusal = policy.enter()
    try:
        if refusal is not None:
            policy.refused.append(f"{path}: {refusal}")
            writer.write(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")
            return True
        await asyncio.sleep(policy.latency_s)
        body = files.get(path)
        status = b"404 Not Found" if body is None else b"200 OK"
        kind = b"text/plain" if body is None else b"image/jpeg"
        head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(body or b""))
        writer.write(head)
        for start in range(0, len(body or b""), _CHUNK_BYTES):
            chunk = (body or b"")[start : start + _CHUNK_BYTES]
            policy.send(len(chunk))
            writer.write(chunk)
            await writer.drain()
        policy.answered += body is not None
        return True
    finally:
        policy.leave()
