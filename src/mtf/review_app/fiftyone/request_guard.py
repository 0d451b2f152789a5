"""What stands before FiftyOne's app: it answers this room's own pages alone, and pictures from the shards alone."""

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


def guarded(app: Callable[..., Any], room: LiveSession, *, address: str) -> Callable[..., Any]:
    """`app`, with MEDIA answered from the shards alone, and strangers' pages kept out.

    FiftyOne's own answer to MEDIA reads any file of the machine, so `app` has to be `without_media`.
    No WebSocket is opened: FiftyOne's pages have no use for one, and a browser opens them to other sites' pages, too.
    """
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.websockets import WebSocketClose

    names = names_of(address)
    refusal = f"this room answers its own pages only: open it by this machine's number, or as {listed(sorted(names))}"

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
            await (await _picture(room, request))(scope, receive, send)
        elif scope["path"].startswith("/plugins/"):
            await app(scope, receive, _checked_each_time(send))
        else:
            await app(scope, receive, send)

    return answer


def without_media(app: Starlette) -> Starlette:
    """`app` without its route to MEDIA, however a router may read a path: it takes `/media%0A` for the same."""
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) != MEDIA]
    return app


def names_of(address: str) -> frozenset[str]:
    """By what names a room that listens on `address` is reached."""
    if _is_loopback(address):
        return frozenset({address.lower(), "localhost"})
    return frozenset(name.lower() for name in (address, "localhost", socket.gethostname(), socket.getfqdn()))


def is_own(host: str, origin: str | None, names: Collection[str]) -> bool:
    """Whether a request comes from a page of this server: the same origin, and a host that is a number or in `names`.

    Anybody may give this machine's number a name of theirs, and then have pages of that name ask here.
    """
    try:
        asked = urlsplit(f"//{host}").hostname or ""
        is_same = origin is None or urlsplit(origin).netloc == host
    except ValueError:
        return False
    return is_same and (asked in names or _is_number(asked))


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return address == "localhost" or (_is_number(address) and ipaddress.ip_address(address).is_loopback)


async def _picture(room: LiveSession, request: Request) -> Response:
    from starlette.responses import PlainTextResponse, Response

    asked = parse(request.query_params.get("filepath", ""))
    if asked is None:
        return PlainTextResponse("no such picture", 404)
    try:
        data = await asyncio.to_thread(room.bytes_of, asked)
    except (KeyError, OSError, MtfError):
        return PlainTextResponse("no such picture", 404)
    # What is taken down while the room is open must not come from a browser's cache.
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _checked_each_time(send: Callable[..., Any]) -> Callable[..., Any]:
    """`send`, asking the browser to look each time whether its copy is the current one.

    The plugin is several modules: after an update a browser may not take some of them from its cache.
    """

    async def told(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"cache-control", b"no-cache")]}
        await send(message)

    return told
