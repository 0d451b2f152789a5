"""Browsers that leave, and those that are still there when the room ends, leave no traces in the terminal."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Generator

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config

from mtf.room.app import Departures
from mtf.room.database import free_port

ASKED = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
LEAVES_AT_ONCE = struct.pack("ii", 1, 0)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Generator[pytest.LogCaptureFixture]:
    departures, logger = Departures(), logging.getLogger("asyncio")
    caplog.set_level(logging.INFO, "asyncio")  # DVC, where a test before ran it in this process, has silenced it
    logger.addFilter(departures)
    yield caplog
    logger.removeFilter(departures)


async def streaming(scope, receive, send) -> None:
    """Never ends, as FiftyOne's events do."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 100, "more_body": True})
        await asyncio.sleep(0)


async def left_and_stayed(port: int) -> None:
    """One browser leaves in the middle of its answer, another is there when the server ends."""
    config, end = Config(), asyncio.Event()
    config.bind, config.loglevel, config.graceful_timeout = [f"127.0.0.1:{port}"], "WARNING", 0.1
    serving = asyncio.create_task(serve(streaming, config, shutdown_trigger=end.wait))
    await asyncio.sleep(0.1)
    _, leaving = await asyncio.open_connection("127.0.0.1", port)
    leaving.write(ASKED)
    await asyncio.sleep(0.1)
    leaving.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LEAVES_AT_ONCE)
    leaving.transport.abort()
    _, staying = await asyncio.open_connection("127.0.0.1", port)
    staying.write(ASKED)
    await asyncio.sleep(0.1)
    end.set()
    await serving
    await asyncio.sleep(0.05)


def test_browsers_that_leave_or_stay_are_not_spoken_of(said: pytest.LogCaptureFixture) -> None:
    asyncio.run(left_and_stayed(free_port()))
    assert [record.getMessage() for record in said.records] == []


def test_a_fault_is(said: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await asyncio.sleep(0)

    asyncio.run(fails())
    assert ["ZeroDivisionError" in str(record.exc_info) for record in said.records] == [True]
