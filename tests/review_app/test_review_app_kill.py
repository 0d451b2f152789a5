"""MongoDB and the app die at random moments; nothing that was confirmed is lost, and nothing is there twice.

How long this goes on is set from outside: MTF_KILL_ROUNDS (default 1) and MTF_KILL_DECISIONS in each (default 300).
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

import polars as pl
import psutil
import pytest
from pymongo import MongoClient, WriteConcern

from mtf import schemas
from mtf.annotation import ledger
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.fiftyone.samples import sample_id
from mtf.review_app.processes import mongodb

ROUNDS = int(os.environ.get("MTF_KILL_ROUNDS", "1"))
DECISIONS = int(os.environ.get("MTF_KILL_DECISIONS", "300"))
VICTIMS = ("mongod", "mtf.review_app.fiftyone.app", "mongod")
RETRY_S = 120.0
PLACE = ["image_id", "x", "y", "width", "height"]


def decide_all(process, reviewer: str, wanted: int, confirmed: list[str], *, at_once: int = 1) -> None:
    """A reviewer without a browser: asks for the page, decides its first faces, and notes what was confirmed."""
    until = time.monotonic() + RETRY_S
    while len(confirmed) < wanted:
        try:
            page = process.ask(reviewer, "page")
            ids = page["page"][:at_once]
            assert page["step"] == "face", page
            answer = process.ask(reviewer, "accept", ids=ids, step="face")
            assert answer["done"] == len(ids), answer
            confirmed += ids
            until = time.monotonic() + RETRY_S
        except OSError:
            assert time.monotonic() < until, "".join(process.output)
            time.sleep(0.1)


def shown(process, reviewer: str, *, timeout_s: float = RETRY_S) -> int:
    """The number of samples that FiftyOne's page asks for, and says "No samples yet" where it is 0."""
    address, _, dataset = process.url(reviewer).partition("/datasets/")
    query = f'{{ dataset(name: "{dataset}") {{ estimatedSampleCount }} }}'
    request = urllib.request.Request(  # noqa: S310 (loopback)
        f"{address}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    until = time.monotonic() + timeout_s
    while True:
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                found = json.load(answer)
            return found["data"]["dataset"]["estimatedSampleCount"]
        except (OSError, TypeError):  # the app or its database is being started again
            assert time.monotonic() < until, "".join(process.output)
            time.sleep(0.2)


def places_of(workspace: ProjectPaths, samples: list[str]) -> set[tuple]:
    """Picture and box of the faces that the screen calls by these ids."""
    faces = schemas.read(schemas.FACES, workspace.table("crop", "faces"))
    of_sample = {
        sample_id(identity, face_id): tuple(place)
        for identity, face_id, *place in faces.select("identity", "face_id", *PLACE).iter_rows()
    }
    return {of_sample[name] for name in samples}


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


def test_two_reviewers_at_once_write_every_decision_once_into_their_own_file(
    project: Callable[..., ProjectPaths], open_review: Callable
) -> None:
    workspace = project({"ada": 250, "bob": 250})
    process = open_review(workspace, "anna", "ben")
    done: dict[str, list[str]] = {"anna": [], "ben": []}
    with ThreadPoolExecutor(2) as threads:
        working = [
            threads.submit(decide_all, process, name, 500, confirmed, at_once=4) for name, confirmed in done.items()
        ]
        for one in working:
            one.result()
    found = ledger.read(workspace.review).decisions
    assert found.group_by("reviewer").len().sort("reviewer").rows() == [("anna", 500), ("ben", 500)]
    assert found.select("reviewer", "image_id").is_unique().all()
    assert found.filter(~pl.col("file").str.starts_with(pl.col("reviewer"))).is_empty()
    for name, confirmed in done.items():
        written = found.filter(reviewer=name).select(PLACE).rows()
        assert places_of(workspace, confirmed) == set(written)


def _wait_for(confirmed: list[str], count: int, working: Future) -> None:
    while len(confirmed) < count:
        if working.done():
            working.result()
            raise AssertionError(f"the reviewer stopped at {len(confirmed)} of {count}")
        time.sleep(0.01)
