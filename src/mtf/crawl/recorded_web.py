"""Recorded web: a folder of HTTP responses, and a server on loopback that replaces their hosts.

The folder holds `responses.jsonl`, one object a line,

    {"url": str, "status": int, "headers": {name: value}, "body": "ARCHIVE.tar:MEMBER" | null, "delay_s": float}

and uncompressed tars with the bodies, one per host (`delay_s` is optional). A record matches a request if host and path
are equal, whatever the scheme, and the request has every query parameter of the record's url. Of several, the one with
most parameters answers. A recorded host answers 404 to any other request; an unrecorded host refuses the connection.
A conditional request is answered with 304 if the record's own ETag or Last-Modified says that nothing changed
(RFC 9110, section 13.2.2).

If the folder has `recorded_at.txt`, with one time (ISO 8601, with its offset from UTC), each crawl of it takes place at
that time: it is the `Date` of all answers and the time of all evidence, so that two crawls give the same bytes.

The header `X-Recorded-Truncate: BYTES` of a record is not sent: it makes the server declare the body's full length,
send BYTES of it, and close the connection.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import re
import tarfile
import threading
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from aiohttp import web

from mtf.core import shards
from mtf.core.atomic_files import replacing, write_text
from mtf.core.errors import BadInput, bad_value, shortened
from mtf.core.urls import DEFAULT_PORTS

RESPONSES = "responses.jsonl"
RECORDED_AT = "recorded_at.txt"
TRUNCATE = "X-Recorded-Truncate"
SERVER = "recorded-web"
# The server frames answers anew; it only keeps that a body came in chunks, without a length.
_FRAMING = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
# An address whose host is as `host_of` gives it, with its path and query.
_USUAL = re.compile(r"https?://([a-z0-9.-]+)(/[^#]*)?")
_OF_BODY = frozenset({"content-encoding", "content-type"})


@dataclass(frozen=True)
class Response:
    """Recorded response of one address.

    body: None for no body.
    delay_s: time before anything is sent.
    """

    url: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay_s: float = 0.0


def write(folder: Path, responses: Iterable[Response], *, recorded_at: datetime | None = None) -> None:
    """Write `responses` to `folder`, in their order; the same responses give the same bytes.

    recorded_at: time of each crawl of the web; by default, that of the machine.
    """
    lines = []
    with ExitStack() as stack:
        archives: dict[str, _Archive] = {}
        for response in responses:
            name = f"{re.sub(r'[^a-z0-9.-]', '_', host_of(response.url))}.tar"
            if name not in archives:
                archives[name] = _Archive(stack.enter_context(replacing(folder / name)), stack)
            lines.append(json.dumps(_record(response, name, archives[name]), ensure_ascii=False) + "\n")
    write_text(folder / RESPONSES, "".join(lines))
    if recorded_at is not None:
        write_text(folder / RECORDED_AT, f"{recorded_at.isoformat()}\n")


def _record(response: Response, archive_name: str, archive: _Archive) -> dict[str, Any]:
    body = None if response.body is None else f"{archive_name}:{archive.member(response.body)}"
    record = {"url": response.url, "status": response.status, "headers": dict(response.headers), "body": body}
    return record | ({"delay_s": response.delay_s} if response.delay_s else {})


class _Archive:
    """Tar of one host's bodies, each once, named by its sha256."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._tar = stack.enter_context(tarfile.open(path, "w", format=tarfile.PAX_FORMAT))  # noqa: SIM115
        self._names: set[str] = set()

    def member(self, body: bytes) -> str:
        name = hashlib.sha256(body).hexdigest()
        if name not in self._names:
            self._names.add(name)
            info = tarfile.TarInfo(name)
            info.size = len(body)
            self._tar.addfile(info, io.BytesIO(body))
        return name


def host_of(url: str) -> str:
    """Host in lower case, with the port unless it is the scheme's default."""
    parts = urlsplit(url)
    host = _ascii(parts.hostname) if parts.hostname else ""
    port = parts.port
    return host if port in (None, DEFAULT_PORTS.get(parts.scheme)) else f"{host}:{port}"


@lru_cache(maxsize=4096)
def _ascii(host: str) -> str:
    return host.encode("idna").decode("ascii")


@dataclass(frozen=True)
class _Place:
    """Location of a body in a tar."""

    archive: Path
    offset: int
    size_bytes: int

    def read(self) -> bytes:
        return shards.read(self.archive, self.offset, self.size_bytes)


@dataclass(frozen=True)
class _Recorded:
    parameters: frozenset[tuple[str, str]]
    status: int
    headers: dict[str, str]
    is_chunked: bool
    truncate_to: int | None
    place: _Place | None
    delay_s: float


@dataclass(frozen=True)
class RecordedHosts:
    """A served recorded web as its clients see it, in any process.

    origin: address of its server, without the final slash.
    hosts: that are recorded.
    recorded_at: time of its crawls; None for the time of the machine.
    """

    origin: str
    hosts: frozenset[str]
    recorded_at: datetime | None = None

    def locate(self, url: str) -> tuple[str, dict[str, str]]:
        """Address of the server for a request of `url`, and the header that names its host.

        Raises ConnectionRefusedError if its host is not recorded.
        """
        if (usual := _USUAL.fullmatch(url)) is not None and usual[1] in self.hosts:
            return self.origin + (usual[2] or "/"), {"Host": usual[1]}
        host = host_of(url)
        if host not in self.hosts:
            raise ConnectionRefusedError(f"{host or url}: no such host in the recorded web")
        parts = urlsplit(url)
        path_and_query = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        return self.origin + path_and_query, {"Host": host}


class RecordedWeb:
    """Responses of one folder, with a count of requests. Created by `serve`."""

    def __init__(self, folder: Path) -> None:
        self.recorded_at = recorded_at(folder)
        self.usual_headers = {"Server": SERVER}
        """Headers of answers that state none of their own. aiohttp's would have its version, and Python's."""
        if self.recorded_at is not None:
            self.usual_headers["Date"] = format_datetime(self.recorded_at, usegmt=True)
        self._records = _load(folder, self.usual_headers)
        self._hosts = frozenset(host for host, _ in self._records)
        self.origin = ""
        self.requests: Counter[str] = Counter()
        """Address as it was sent (`HOST/PATH?QUERY`) → number of requests."""

    def stand_in(self) -> RecordedHosts:
        """Client side of this web, which other processes can use."""
        return RecordedHosts(self.origin, self._hosts, self.recorded_at)

    def locate(self, url: str) -> tuple[str, dict[str, str]]:
        """As `RecordedHosts.locate`."""
        return self.stand_in().locate(url)

    def find(self, host: str, path_and_query: str) -> _Recorded | None:
        parts = urlsplit(f"http://{host}{path_and_query}")
        parameters = _parameters(parts.query)
        records = self._records.get((host, _path(parts.path)), [])
        matches = [record for record in records if record.parameters <= parameters]
        return max(matches, key=lambda record: len(record.parameters), default=None)


def recorded_at(folder: Path) -> datetime | None:
    """Time of each crawl of the recorded web; None if it has none of its own. Raises BadInput if it cannot be read."""
    path = folder / RECORDED_AT
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise bad_value(str(path), text, "one time as 2026-11-01T00:00:00Z, with its offset from UTC")
    return time.astimezone(UTC)


def _load(folder: Path, usual_headers: Mapping[str, str]) -> dict[tuple[str, str], list[_Recorded]]:
    path = folder / RESPONSES
    if not path.is_file():
        raise BadInput(f"{path}: no recorded web here; `dvc pull` fetches it, or set crawl.web to null")
    bodies = _Bodies(folder)
    records: dict[tuple[str, str], list[_Recorded]] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            url, record = _parsed(line, bodies, usual_headers, where=f"{path} line {number}")
            records.setdefault((host_of(url), _path(urlsplit(url).path)), []).append(record)
    return records


def _parsed(line: str, bodies: _Bodies, usual_headers: Mapping[str, str], *, where: str) -> tuple[str, _Recorded]:
    try:
        raw = json.loads(line)
        headers = {str(name): str(value) for name, value in raw["headers"].items()}
        truncate_to = headers.pop(TRUNCATE, None)
        stated = {name.lower() for name in headers}
        headers |= {name: value for name, value in usual_headers.items() if name.lower() not in stated}
        framing = {name: headers.pop(name) for name in list(headers) if name.lower() in _FRAMING}
        return raw["url"], _Recorded(
            parameters=_parameters(urlsplit(raw["url"]).query),
            status=int(raw["status"]),
            headers=headers,
            is_chunked="chunked" in framing.values(),
            truncate_to=None if truncate_to is None else int(truncate_to),
            place=None if raw["body"] is None else bodies.place(raw["body"]),
            delay_s=float(raw.get("delay_s", 0.0)),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{where}: not a recorded response: {shortened(error)}") from None


class _Bodies:
    """Bodies in a folder's tars. Each tar is listed once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._members: dict[str, dict[str, tuple[int, int]]] = {}

    def place(self, body: str) -> _Place:
        archive, _, member = body.partition(":")
        if archive != Path(archive).name:
            raise ValueError(f"{archive} is not a file of this folder")
        if archive not in self._members:
            self._members[archive] = shards.members(self._folder / archive)
        return _Place(self._folder / archive, *self._members[archive][member])


def _path(path: str) -> str:
    return unquote(path) or "/"


def _parameters(query: str) -> frozenset[tuple[str, str]]:
    return frozenset(parse_qsl(query, keep_blank_values=True))


@contextmanager
def serve(folder: Path) -> Generator[RecordedWeb]:
    """Serve the recorded web of `folder` on 127.0.0.1, on a free port, while the block runs.

    Raises BadInput if there is none, or a line of it cannot be read.
    """
    recorded = RecordedWeb(folder)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="recorded-web", daemon=True)
    thread.start()
    try:
        runner, port = asyncio.run_coroutine_threadsafe(_start(recorded), loop).result()
        recorded.origin = f"http://127.0.0.1:{port}"
        try:
            yield recorded
        finally:
            asyncio.run_coroutine_threadsafe(_stop(runner), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start(recorded: RecordedWeb) -> tuple[web.ServerRunner, int]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await _answer(request, recorded)

    # Not 0, which aiohttp takes for no limit: a slow answer would hold up the end of an interrupted crawl.
    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, runner.addresses[0][1]


async def _stop(runner: web.ServerRunner) -> None:
    """End the server, and the answers that nobody waits for any more."""
    await runner.cleanup()
    unfinished = asyncio.all_tasks() - {asyncio.current_task()}
    for task in unfinished:
        task.cancel()
    await asyncio.gather(*unfinished, return_exceptions=True)


async def _answer(request: web.BaseRequest, recorded: RecordedWeb) -> web.StreamResponse:
    host = request.headers.get("Host", "").lower()
    recorded.requests[f"{host}{request.raw_path}"] += 1
    record = recorded.find(host, request.raw_path)
    if record is None:
        return web.Response(status=404, text="not recorded", headers=recorded.usual_headers)
    await asyncio.sleep(record.delay_s)
    if record.status == 200 and _is_unmodified(request.headers, record.headers):
        kept = {name: value for name, value in record.headers.items() if name.lower() not in _OF_BODY}
        return web.Response(status=304, headers=kept)
    body = b"" if record.place is None else record.place.read()
    if record.truncate_to is not None:
        return await _truncated(request, record, body, record.truncate_to)
    response = web.Response(status=record.status, headers=record.headers, body=body)
    if record.is_chunked:
        response.enable_chunked_encoding()
    return response


def _is_unmodified(asked: Mapping[str, str], recorded: Mapping[str, str]) -> bool:
    """True if the request's validator is that of the record. An ETag is weighed before a date."""
    own = {name.lower(): value for name, value in recorded.items()}
    if (tags := asked.get("If-None-Match")) is not None:
        return own.get("etag") is not None and own["etag"].removeprefix("W/") in re.findall(r'"[^"]*"', tags)
    return "last-modified" in own and own["last-modified"] == asked.get("If-Modified-Since")


async def _truncated(request: web.BaseRequest, record: _Recorded, body: bytes, sent_bytes: int) -> web.StreamResponse:
    response = web.StreamResponse(status=record.status, headers=record.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[:sent_bytes])
    if request.transport is not None:
        request.transport.close()
    return response
