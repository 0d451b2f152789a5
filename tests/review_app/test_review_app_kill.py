"""MongoDB and the app die at random moments; nothing that was confirmed is lost, and nothing is there twice.

How long this goes on is set from outside: MTF_KILL_ROUNDS (default 1) and MTF_KILL_DECISIONS in each (default 150).
The long run, before a release, is 20 rounds of 1000, 7 to 25 minutes:

    MTF_KILL_ROUNDS=20 MTF_KILL_DECISIONS=1000 pytest -n0 tests/review_app/test_review_app_kill.py

It was done three times on 24 and 26 November 2026: nothing was lost, and nothing was there twice.
"""

from __future__ import annotations

import json
import os
import random
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient, WriteConcern
from review_process import PLACE, WAIT_S, decide_all, places_of

from mtf import config
from mtf.annotation import ledger
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.loading import read, session_of
from mtf.review_app.fiftyone import live_session
from mtf.review_app.processes import mongodb

pytestmark = pytest.mark.lengthy(40)

ROUNDS = int(os.environ.get("MTF_KILL_ROUNDS", "1"))
DECISIONS = int(os.environ.get("MTF_KILL_DECISIONS", "150"))
NEVER_S = 600
VICTIMS = ("mongod", "mtf.review_app.fiftyone.app", "mongod")


def shown(process, reviewer: str, *, timeout_s: float = WAIT_S) -> int:
    """The number of samples that FiftyOne's page asks for, and says "No samples yet" where it is 0."""
    address, _, dataset = process.url(reviewer).partition("/datasets/")
    query = f'{{ dataset(name: "{dataset}") {{ estimatedSampleCount }} }}'
    request = urllib.request.Request(  # noqa: S310 (loopback)
        f"{address}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    until = time.monotonic() + timeout_s
    while True:
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310
                found = json.load(answer)
            return found["data"]["dataset"]["estimatedSampleCount"]
        except (OSError, TypeError):  # the app or its database is being started again
            assert process.is_running() and time.monotonic() < until, "".join(process.output)
            time.sleep(0.2)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_nothing_confirmed_is_lost_and_nothing_doubled_when_servers_are_killed(
    project: Callable[..., ProjectPaths], open_review: Callable, number: int
) -> None:
    faces = DECISIONS // 2 + 10
    workspace = project({"ada": faces, "bob": faces})
    process = open_review(workspace, "anna")
    confirmed: list[str] = []
    chance = random.Random(5 + number)
    moments = sorted(chance.sample(range(DECISIONS // 20, DECISIONS * 9 // 10), len(VICTIMS)))
    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(decide_all, process, "anna", DECISIONS, confirmed)
        for victim, moment in zip(VICTIMS, moments, strict=True):
            _wait_for(confirmed, moment, working)
            time.sleep(chance.uniform(0, 0.05))
            process.kill(victim)
        working.result()

    lines = ledger.read(workspace.review).decisions
    written = lines.select(PLACE).rows()
    assert len(set(written)) == len(written)
    assert len(set(confirmed)) == DECISIONS
    assert places_of(workspace, confirmed) <= set(written)
    # A decision whose answer was lost with the server is on disk, unconfirmed; there is at most one per death.
    assert len(written) <= DECISIONS + len(VICTIMS)
    assert lines.select("step", "verdict", "reviewer").unique().rows() == [("face", "accept", "anna")]
    assert shown(process, "anna") == 2 * faces


def test_a_users_own_server_that_was_killed_says_the_right_size_again(needs_mongodb: None, tmp_path: Path) -> None:
    """MongoDB keeps the size of a collection apart from it, and has it in its files once a minute only."""
    server = mongodb.Database(tmp_path / "own")
    server.start()
    try:
        with MongoClient(server.uri) as client:
            collection = client["own"].get_collection("samples", write_concern=WriteConcern(j=True))
            collection.insert_many([{"number": number} for number in range(30)])
            psutil.Process(server.pid).kill()
            server.stop()
            server.start()
            assert collection.count_documents({}) == 30
            assert collection.estimated_document_count() == 0
            mongodb.repair_count(collection)
            assert collection.estimated_document_count() == 30
    finally:
        server.stop()


def test_an_app_whose_database_is_gone_ends_without_waiting_for_it(
    project: Callable[..., ProjectPaths], needs_mongodb: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `kill -9` of the command that owns both; every decision is in the ledger."""
    monkeypatch.setattr(live_session, "CLOSE_S", 0.5)
    workspace = project({"ada": 4})
    server = mongodb.Database(tmp_path / "gone")
    server.start()
    with MongoClient(server.uri, serverSelectionTimeoutMS=1000 * NEVER_S) as client:
        client.admin.command("ping")
        server.stop()
        reading = read(workspace, config.load(workspace.params), "anna", joint=False)
        session = session_of(workspace, reading.review_data, "anna", joint=False, check=reading.pictures.check)
        collection = client["mtf-gone"]["samples"]
        live = live_session.LiveSession(reading.review_data, reading.pictures, session, "sample-anna", collection)
        for face in live.current_page().faces:
            live.show(session.accept([face]))
        began = time.monotonic()
        live.close()
        assert time.monotonic() - began < NEVER_S, "a single update would wait so long"
    assert ledger.read(workspace.review).decisions.height == 4


def _wait_for(confirmed: list[str], count: int, working: Future) -> None:
    while len(confirmed) < count:
        if working.done():
            working.result()
            raise AssertionError(f"the reviewer stopped at {len(confirmed)} of {count}")
        time.sleep(0.01)
