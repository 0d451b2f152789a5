"""Answers in the three APIs' documented formats, and a server that gives them in a fixed order."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

OPENVERSE = "https://api.openverse.org/v1/images/"
COMMONS = "https://commons.wikimedia.org/w/api.php"
FLICKR = "https://api.flickr.com/services/rest/"
KEY = "0123456789abcdef0123456789abcdef"
USER_AGENT = "mtf/0 (test; +mailto:someone@example.org)"
JSON = {"Content-Type": "application/json; charset=utf-8"}


def body(answer: object) -> bytes:
    return json.dumps(answer).encode()


def address(endpoint: str, **parameters: object) -> str:
    return f"{endpoint}?{urlencode(parameters)}"


def openverse_result(url: str, page: str | None, **changes: Any) -> dict[str, Any]:
    return {
        "id": "0aff3595-8168-440b-83ff-7a80b65dea42",
        "title": "Ana at the lake",
        "indexed_on": "2018-02-10T21:53:52.347361Z",
        "foreign_landing_url": page,
        "url": url,
        "creator": "Jane Doe",
        "creator_url": "https://www.flickr.com/photos/jane",
        "license": "by",
        "license_version": "2.0",
        "license_url": "https://creativecommons.org/licenses/by/2.0/",
        "provider": "flickr",
        "source": "flickr",
        "category": None,
        "filesize": None,
        "filetype": "jpg",
        "tags": [],
        "attribution": '"Ana at the lake" by Jane Doe is licensed under CC BY 2.0.',
        "fields_matched": ["title"],
        "mature": False,
        "height": 683,
        "width": 1024,
        "thumbnail": "https://api.openverse.org/v1/images/0aff3595-8168-440b-83ff-7a80b65dea42/thumb/",
    } | changes


def openverse_answer(*results: Any, page: int = 1, pages: int = 1) -> dict[str, Any]:
    return {
        "result_count": 20 * pages,
        "page_count": pages,
        "page_size": 20,
        "page": page,
        "results": list(results),
    }


def commons_metadata(license: str | None = "CC BY-SA 4.0", **changes: Any) -> dict[str, Any]:
    values = {
        "ObjectName": "Ana at the lake",
        "Artist": '<a href="//commons.wikimedia.org/wiki/User:Jane" title="User:Jane">Jane &amp; Doe</a>',
        "UsageTerms": "Creative Commons Attribution-Share Alike 4.0",
        "LicenseShortName": license,
        "LicenseUrl": "https://creativecommons.org/licenses/by-sa/4.0",
        "Restrictions": "",
    } | changes
    kept = {name: value for name, value in values.items() if value is not None}
    return {name: {"value": value, "source": "commons-desc-page"} for name, value in kept.items()}


def commons_page(name: str, *, index: int = 1, metadata: Any = None, **changes: Any) -> dict[str, Any]:
    info = {
        "user": "Uploader",
        "size": 12345,
        "width": 96,
        "height": 80,
        "url": f"https://upload.wikimedia.org/wikipedia/commons/a/ab/{name}",
        "descriptionurl": f"https://commons.wikimedia.org/wiki/File:{name}",
        "descriptionshorturl": "https://commons.wikimedia.org/w/index.php?curid=1",
        "sha1": "f5773cc425e629dadfcfa3e6a9b6a714dddbd8c8",
        "mime": "image/jpeg",
        "extmetadata": commons_metadata() if metadata is None else metadata,
    } | changes
    return {
        "pageid": 100 + index,
        "ns": 6,
        "title": f"File:{unquote(name).replace('_', ' ')}",
        "index": index,
        "imagerepository": "local",
        "imageinfo": [info],
    }


def commons_answer(*pages: Any, more: Any = None) -> dict[str, Any]:
    answer: dict[str, Any] = {"batchcomplete": True, "query": {"pages": list(pages)}}
    return answer if more is None else answer | {"continue": more}


def flickr_photo(number: str, url: str | None, **changes: Any) -> dict[str, Any]:
    photo = {
        "id": number,
        "owner": "7702423@N04",
        "secret": "2fc41d65e3",
        "server": "65535",
        "farm": 66,
        "title": "Ana at the lake",
        "ispublic": 1,
        "isfriend": 0,
        "isfamily": 0,
        "license": "4",
        "ownername": "Jane Doe",
        "media": "photo",
        "media_status": "ready",
        "pathalias": "jane",
        "url_l": url,
        "height_l": 683,
        "width_l": 1024,
    }
    return photo | changes


def flickr_answer(*photos: Any, page: int = 1, pages: int | str = 1) -> dict[str, Any]:
    listed = {"page": page, "pages": pages, "perpage": 100, "total": "1", "photo": list(photos)}
    return {"photos": listed, "stat": "ok"}


@dataclass
class Reply:
    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))


@dataclass
class ScriptedWeb:
    """Gives its replies one after the other, the last for ever, and remembers what was asked."""

    replies: list[Reply]
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    recorded_at: datetime | None = None

    def locate(self, url: str) -> tuple[str, dict[str, str]]:
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return f"http://127.0.0.1:{self.port}{parts.path}{query}", {"Host": parts.hostname or ""}

    def parameter(self, name: str) -> list[str | None]:
        """The value of one parameter in each request."""
        return [parse_qs(urlsplit(path).query).get(name, [None])[0] for _, path in self.asked]

    def next_reply(self) -> Reply:
        return self.replies[min(len(self.asked), len(self.replies)) - 1]


@contextmanager
def serving(*replies: Reply) -> Generator[ScriptedWeb]:
    web = ScriptedWeb(list(replies))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked.append((self.headers["Host"], self.path))
            web.headers.append(dict(self.headers.items()))
            reply = web.next_reply()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
