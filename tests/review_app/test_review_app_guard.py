"""Requests that the review app answers: those of its own pages only."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from mtf.review_app.fiftyone.request_guard import MAX_BODY_BYTES, guarded

OWN = ("127.0.0.1:5151", "http://127.0.0.1:5151")


def asked(
    kind: str, *, path: str = "/graphql", host: str = OWN[0], origin: str | None = OWN[1], address: str = "127.0.0.1"
) -> tuple[bool, list]:
    """True if the request reached FiftyOne's app, and the answer."""
    heard, sent = [], []

    async def app(scope: Any, *_: Any) -> None:
        heard.append(scope)

    async def send(message: Any) -> None:
        sent.append(message.get("status", message["type"]))

    named = {"host": host} | ({"origin": origin} if origin else {})
    headers = [(name.encode(), value.encode()) for name, value in named.items()]
    scope = {"type": kind, "method": "GET", "path": path, "query_string": b"", "headers": headers}
    asyncio.run(guarded(app, SimpleNamespace(), address=address)(scope, None, send))
    return bool(heard), sent


@pytest.mark.parametrize("origin", [OWN[1], "https://elsewhere.example", None])
def test_no_websocket_is_opened(origin: str | None) -> None:
    assert asked("websocket", origin=origin) == (False, ["websocket.close"])


def test_own_pages_and_the_servers_beginning_and_end_are_passed_on() -> None:
    for given in (asked("http"), asked("http", origin=None), asked("http", host="localhost:5151", origin=None)):
        assert given == (True, [])
    assert asked("lifespan") == (True, [])


@pytest.mark.parametrize(
    "strange", [{"origin": "https://elsewhere.example"}, {"host": "elsewhere.example", "origin": None}]
)
def test_other_sites_pages_are_refused(strange: dict[str, Any]) -> None:
    heard, sent = asked("http", **strange)
    assert not heard
    assert sent[0] == 403


@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize(("size", "is_answered"), [(MAX_BODY_BYTES, True), (MAX_BODY_BYTES + 1, False)])
def test_a_body_is_read_up_to_a_bound_whether_or_not_it_says_its_length(
    size: int, *, is_answered: bool, says_length: bool
) -> None:
    heard, sent = [], []
    parts = [size // 3, size // 3, size - 2 * (size // 3)]
    coming = [{"type": "http.request", "body": bytes(part), "more_body": True} for part in parts]
    coming.append({"type": "http.request", "body": b"", "more_body": False})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append(len(await Request(scope, receive).body()))
        await PlainTextResponse("")(scope, receive, send)

    async def receive() -> Any:
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message.get("status"))

    length = [(b"content-length", str(size).encode())] if says_length else []
    scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": [(b"host", OWN[0].encode()), *length]}
    asyncio.run(guarded(app, SimpleNamespace(), address="127.0.0.1")(scope, receive, send))
    assert (heard, sent[0]) == (([size], 200) if is_answered else ([], 413))
    assert len(coming) == (0 if is_answered else 4 if says_length else 1)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "localhost", "::1", "0.0.0.0", "::", "192.0.2.7"])
@pytest.mark.parametrize(
    "host", ["elsewhere.example:5151", "localhost.elsewhere.example", "[", "", "127.0.0.1.example"]
)
def test_a_name_that_somebody_gave_to_this_machines_number_is_refused(address: str, host: str) -> None:
    heard, sent = asked("http", host=host, origin=f"http://{host}", address=address)
    assert (heard, sent[0]) == (False, 403)


@pytest.mark.parametrize(
    ("address", "name"),
    [("0.0.0.0", socket.gethostname()), ("::", "192.0.2.7"), ("::1", "[::1]"), ("review.example", "Review.example")],
)
def test_a_room_is_reached_by_its_numbers_and_its_own_names(address: str, name: str) -> None:
    host = f"{name}:5151"
    assert asked("http", host=host, origin=f"http://{host}", address=address) == (True, [])


@pytest.mark.parametrize(("path", "is_checked"), [("/plugins/review/js/bar.js", True), ("/assets/index.js", False)])
def test_a_browser_asks_each_time_whether_its_modules_of_the_plugin_are_current(path: str, is_checked: bool) -> None:
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", OWN[0].encode())],
    }
    app = PlainTextResponse("", headers={"ETag": "1"})
    asyncio.run(guarded(app, SimpleNamespace(), address="127.0.0.1")(scope, None, send))
    headers = dict(sent[0]["headers"])
    assert (headers[b"etag"], headers.get(b"cache-control")) == (b"1", b"no-cache" if is_checked else None)
