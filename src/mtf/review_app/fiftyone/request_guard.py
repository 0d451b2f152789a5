"""Request guard in front of FiftyOne's app: answers the app's own pages only, serves pictures from the shards only, and
bounds the body of a request.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mtf.core.errors import MtfError, listed
from mtf.review_app.engine.face_pictures import parse
from mtf.review_app.fiftyone.live_session import LiveSession

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

LOOPBACK = "127.0.0.1"
MEDIA = "/media"
# Enough to name 150,000 faces.
MAX_BODY_BYTES = 4 * 2**20


def guarded(app: Callable[..., Any], live: LiveSession, *, address: str) -> Callable[..., Any]:
    """ASGI app that answers MEDIA from the shards, and refuses requests from other sites' pages and bodies of more than
    MAX_BODY_BYTES.

    FiftyOne's own answer to MEDIA reads any file of the machine, so `app` has to be `without_media`. WebSockets are
    refused: FiftyOne's pages do not need them, and a browser opens them for other sites' pages too.
    """
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.websockets import WebSocketClose

    names = names_of(address)
    permitted = f"this machine's IP address, or {listed(sorted(names))}"
    refusal = f"the review app answers its own pages only: open it by {permitted}"

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        if scope["type"] != "http":
            await WebSocketClose()(scope, receive, send)
            return
        request = Request(scope, receive)
        if not is_own(request.headers.get("host", ""), request.headers.get("origin"), names):
            await PlainTextResponse(refusal, 403)(scope, receive, send)
        elif scope["path"] == MEDIA:
            await (await _picture(live, request))(scope, receive, send)
        elif (body := await _body(request, receive)) is None:
            await PlainTextResponse(f"a request has at most {MAX_BODY_BYTES} bytes", 413)(scope, receive, send)
        elif scope["path"].startswith("/plugins/"):
            await app(scope, _replayed(body, receive), _checked_each_time(send))
        else:
            await app(scope, _replayed(body, receive), send)

    return answer


async def _body(request: Request, receive: Callable[..., Any]) -> bytes | None:
    """Body of a request; None if it has more than MAX_BODY_BYTES, of which no more are read."""
    if request.method in ("GET", "HEAD"):
        return b""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > MAX_BODY_BYTES:
        return None
    body, has_more = bytearray(), True
    while has_more:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        has_more = message["type"] == "http.request" and message.get("more_body", False)
    return bytes(body)


def _replayed(body: bytes, receive: Callable[..., Any]) -> Callable[..., Any]:
    """ASGI `receive` that gives a body that was read already, then what follows it."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Any:
        return messages.pop() if messages else await receive()

    return received


def without_media(app: Starlette) -> Starlette:
    """FiftyOne's app without its route to MEDIA, including paths that a router takes for the same, such as
    `/media%0A`.
    """
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) != MEDIA]
    return app


def names_of(address: str) -> frozenset[str]:
    """Host names by which a server that listens on `address` is reached."""
    if _is_loopback(address):
        return frozenset({address.lower(), "localhost"})
    return frozenset(name.lower() for name in (address, "localhost", socket.gethostname(), socket.getfqdn()))


def is_own(host: str, origin: str | None, names: Collection[str]) -> bool:
    """True if a request comes from a page of this server: the same origin, and a host that is an IP address or in
    `names`.

    Anybody can point a host name of theirs at this machine, and then send requests here from pages of that name.
    """
    try:
        host_name = urlsplit(f"//{host}").hostname or ""
        is_same = origin is None or urlsplit(origin).netloc == host
    except ValueError:
        return False
    return is_same and (host_name in names or _is_number(host_name))


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return address == "localhost" or (_is_number(address) and ipaddress.ip_address(address).is_loopback)


async def _picture(live: LiveSession, request: Request) -> Response:
    from starlette.responses import PlainTextResponse, Response

    picture_request = parse(request.query_params.get("filepath", ""))
    if picture_request is None:
        return PlainTextResponse("no such picture", 404)
    try:
        data = await asyncio.to_thread(live.bytes_of, picture_request)
    except (KeyError, OSError, MtfError):
        return PlainTextResponse("no such picture", 404)
    # A picture taken down while the review app is open must not come from a browser's cache.
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _checked_each_time(send: Callable[..., Any]) -> Callable[..., Any]:
    """ASGI `send` that makes the browser revalidate its cached copy each time.

    The plugin has several modules; after an update a browser must not mix cached and new ones.
    """

    async def told(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"cache-control", b"no-cache")]}
        await send(message)

    return told
