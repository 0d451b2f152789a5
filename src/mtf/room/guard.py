"""What stands before FiftyOne's app: it answers this room's own pages alone, and pictures from the shards alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mtf.room.media import parse
from mtf.room.opened import Opened

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def guarded(app: Callable[..., Any], room: Opened, *, address: str) -> Callable[..., Any]:
    """`app`, with `/media` answered from the shards alone, and strangers' pages kept out.

    No WebSocket is opened: FiftyOne's pages have no use for one, and a browser opens them to other sites' pages, too.
    """
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.websockets import WebSocketClose

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        if scope["type"] != "http":
            await WebSocketClose()(scope, receive, send)
            return
        request = Request(scope, receive)
        if not is_own(request.headers.get("host", ""), request.headers.get("origin"), address):
            await PlainTextResponse("this room answers its own pages only", 403)(scope, receive, send)
        elif scope["path"] == "/media":
            await (await _picture(room, request))(scope, receive, send)
        elif scope["path"].startswith("/plugins/"):
            await app(scope, receive, _checked_each_time(send))
        else:
            await app(scope, receive, send)

    return answer


def is_own(host: str, origin: str | None, address: str) -> bool:
    """Whether a request comes from a page of this server: the same origin, and on loopback a name of loopback."""
    if origin is not None and urlsplit(origin).netloc != host:
        return False
    return address not in LOOPBACK or urlsplit(f"//{host}").hostname in LOOPBACK


async def _picture(room: Opened, request: Request) -> Response:
    from starlette.responses import PlainTextResponse, Response

    asked = parse(request.query_params.get("filepath", ""))
    if asked is None:
        return PlainTextResponse("no such picture", 404)
    try:
        data = await asyncio.to_thread(room.bytes_of, asked)
    except (KeyError, OSError):
        return PlainTextResponse("no such picture", 404)
    cached = "no-store" if asked.kind == "person" else "private, max-age=3600"
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": cached})


def _checked_each_time(send: Callable[..., Any]) -> Callable[..., Any]:
    """`send`, asking the browser to look each time whether its copy is the current one.

    The plugin is several modules: after an update a browser may not take some of them from its cache.
    """

    async def told(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"cache-control", b"no-cache")]}
        await send(message)

    return told
