"""The review app as a person starts it, as a process with its own database in the project."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from mtf import schemas
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.fiftyone.samples import sample_id

WAIT_S = 300.0
PLACE = ["image_id", "x", "y", "width", "height"]


class ReviewProcess:
    """`mtf review open` or another `command`, as a person starts it, with its own database in the project."""

    def __init__(
        self, workspace: ProjectPaths, reviewers: list[str], home: Path, *, joint: bool, command: str = "open"
    ) -> None:
        self.output: list[str] = []
        named = [part for reviewer in reviewers for part in ("--reviewer", reviewer)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FIFTYONE_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mtf", "review", "adjudicate" if joint else command, "--port", "0", *named],
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

    def wait(self, timeout_s: float = WAIT_S) -> ReviewProcess:
        """Return when it says that it is open; fail where it ends before."""

        def is_open() -> bool:
            return any("The review app is open" in line for line in self.output)

        with self._has_read:
            self._has_read.wait_for(lambda: is_open() or "" in self.output, timeout_s)
            assert is_open(), "".join(self.output)
        return self

    def prints(self, text: str, timeout_s: float = WAIT_S) -> bool:
        """True as soon as a line has this text; False if it ends without one."""
        with self._has_read:
            self._has_read.wait_for(lambda: any(text in line for line in self.output) or "" in self.output, timeout_s)
            return any(text in line for line in self.output)

    def url(self, reviewer: str) -> str:
        start = f"  {reviewer}: http://"
        return next(line for line in self.output if line.startswith(start)).removeprefix(f"  {reviewer}: ").strip()

    def ask(self, reviewer: str, operator: str, *, timeout_s: float = WAIT_S, **params: Any) -> dict[str, Any]:
        """Answer of an operator. Raises OSError where the server is not there."""
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
        """Process id of the `app` or of `mongod` among the children of this process."""
        for child in psutil.Process(self._process.pid).children(recursive=True):
            try:
                if part in " ".join(child.cmdline()[:4]):
                    return child.pid
            except psutil.NoSuchProcess:
                continue
        return None

    def kill(self, part: str, *, timeout_s: float = WAIT_S) -> None:
        """Kill a part of the review app at once, or as soon as it has restarted."""
        until = time.monotonic() + timeout_s
        while (pid := self.pid_of(part)) is None:
            assert self.is_running() and time.monotonic() < until, f"no process of {part}:\n{''.join(self.output)}"
            time.sleep(0.1)
        victim = psutil.Process(pid)
        victim.kill()
        gone, _ = psutil.wait_procs([victim], timeout=WAIT_S)
        assert gone, f"the process {pid} of {part} lives on"

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def parts(self) -> list[psutil.Process]:
        """The app's processes and the database's."""
        return [
            psutil.Process(pid)
            for part in ("mongod", "mtf.review_app.fiftyone.app")
            if (pid := self.pid_of(part)) is not None
        ]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to `mtf review open`; returns when it has ended."""
        self._process.send_signal(number)
        self._process.wait(WAIT_S)

    def close(self) -> str:
        """End it as Ctrl-C does; returns what it printed."""
        if self.is_running():
            self._process.send_signal(signal.SIGINT)
        return self.ended()[1]

    def ended(self) -> tuple[int, str]:
        """The exit status, and what it printed; returns when it is gone."""
        status = self._process.wait(WAIT_S)
        self._reading.join(WAIT_S)
        return status, "".join(self.output)


def decide_all(process: ReviewProcess, reviewer: str, wanted: int, confirmed: list[str], *, at_once: int = 1) -> None:
    """A reviewer without a browser: asks for the page, decides its first faces, and notes what was confirmed."""
    until = time.monotonic() + WAIT_S
    while len(confirmed) < wanted:
        try:
            page = process.ask(reviewer, "page")
            ids = page["page"][:at_once]
            assert page["step"] == "face", page
            answer = process.ask(reviewer, "accept", ids=ids, step="face")
            assert answer["done"] == len(ids), answer
            confirmed += ids
            until = time.monotonic() + WAIT_S
        except OSError:
            assert process.is_running() and time.monotonic() < until, "".join(process.output)
            time.sleep(0.2)


def places_of(workspace: ProjectPaths, samples: list[str]) -> set[tuple]:
    """Picture and box of the faces that the screen calls by these ids."""
    faces = schemas.read(schemas.FACES, workspace.table("crop", "faces"))
    of_sample = {
        sample_id(identity, face_id): tuple(place)
        for identity, face_id, *place in faces.select("identity", "face_id", *PLACE).iter_rows()
    }
    return {of_sample[name] for name in samples}


def without_gold(workspace: ProjectPaths) -> None:
    text = workspace.params.read_text()
    workspace.params.write_text(re.sub(r"gold_share: [0-9.]+", "gold_share: 0.0", text))


class SharedReview(NamedTuple):
    """Review app that several tests use, one after another."""

    workspace: ProjectPaths
    process: ReviewProcess


@contextmanager
def review_processes(home: Path) -> Generator[Callable[..., ReviewProcess]]:
    """Open review apps with `open_(workspace, "anna", "ben")`; all are closed at the end. `home` is the user's.

    With `waits=False` it is still opening: call `wait` on the result. Gold questions are planted only with
    `has_gold=True`, so that a test knows its faces.
    """
    processes: list[ReviewProcess] = []

    def open_(
        workspace: ProjectPaths,
        *reviewers: str,
        joint: bool = False,
        waits: bool = True,
        has_gold: bool = False,
        command: str = "open",
    ) -> ReviewProcess:
        if not has_gold:
            without_gold(workspace)
        processes.append(ReviewProcess(workspace, list(reviewers), home, joint=joint, command=command))
        return processes[-1].wait() if waits else processes[-1]

    try:
        yield open_
    finally:
        for process in processes:
            process.close()
