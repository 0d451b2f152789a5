"""Browsers that leave, and those that are still there when the review app ends, leave no traces in the terminal."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Generator

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config

from mtf.review_app.fiftyone.app import DisconnectFilter

ASKED = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
LEAVES_AT_ONCE = struct.pack("ii", 1, 0)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Generator[pytest.LogCaptureFixture]:
    departures, logger = DisconnectFilter(), logging.getLogger("asyncio")
    caplog.set_level(logging.INFO, "asyncio")  # DVC, where a test before ran it in this process, has silenced it
    logger.addFilter(departures)
    yield caplog
    logger.removeFilter(departures)


class Noticed(logging.Filter):
    """Tells, before anything is dropped, that the server has noticed a browser's leaving."""

    def __init__(self) -> None:
        super().__init__()
        self.leaving = asyncio.Event()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.getMessage() == "socket.send() raised exception.":
            self.leaving.set()
        return True


async def streaming(scope, receive, send) -> None:
    """Never ends, as FiftyOne's events do."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 100, "more_body": True})
        await asyncio.sleep(0)


async def ask(port: int) -> asyncio.StreamWriter:
    """A browser whose answer has begun."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASKED)
    await reader.readexactly(1)
    return writer


async def left_and_stayed(logger: logging.Logger) -> None:
    """One browser leaves in the middle of its answer, another is there when the server ends."""
    config, end, noticed = Config(), asyncio.Event(), Noticed()
    logger.filters.insert(0, noticed)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        config.bind, config.loglevel, config.graceful_timeout = [f"fd://{listening.fileno()}"], "WARNING", 0.1
        serving = asyncio.create_task(serve(streaming, config, shutdown_trigger=end.wait))
        leaving = await ask(port)
        leaving.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LEAVES_AT_ONCE)
        leaving.transport.abort()
        await asyncio.wait_for(noticed.leaving.wait(), 60)
        staying = await ask(port)
        end.set()
        await serving
        listening.detach()  # the server has closed it
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
    await asyncio.sleep(0)  # what is called when those have ended
    staying.transport.abort()
    logger.removeFilter(noticed)


def test_browsers_that_leave_or_stay_are_not_spoken_of(said: pytest.LogCaptureFixture) -> None:
    asyncio.run(left_and_stayed(logging.getLogger("asyncio")))
    assert [record.getMessage() for record in said.records] == []


def test_a_fault_is(said: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await asyncio.sleep(0)

    asyncio.run(fails())
    assert ["ZeroDivisionError" in str(record.exc_info) for record in said.records] == [True]
