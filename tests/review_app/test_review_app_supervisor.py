"""Supervisor of the review app: it ends with its terminal, and its ports, parts and errors are its own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient

from mtf.annotation import ledger
from mtf.core.errors import MtfError
from mtf.core.file_lock import ProcessLock
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.fiftyone.app import settings
from mtf.review_app.processes import mongodb, supervisor
from mtf.review_app.processes.supervisor import _ports
from mtf.review_app.review_lock import lock_review

pytestmark = pytest.mark.lengthy(30)


def first_gone(processes: list[psutil.Process]) -> None:
    """Return when one of them has ended, or had ended before."""
    with contextlib.ExitStack() as opened:
        ends = []
        for process in processes:
            try:
                ends.append(os.pidfd_open(process.pid))
            except ProcessLookupError:
                return
            opened.callback(os.close, ends[-1])
        assert select.select(ends, [], [], 300)[0]


def test_ctrl_c_pressed_again_does_not_cut_the_end_short(
    project: Callable[..., ProjectPaths], open_review: Callable
) -> None:
    workspace = project({"ada": 3})
    process = open_review(workspace, "anna")
    parts = psutil.Process(process.pid).children(recursive=True)
    assert len(parts) >= 2, "the app and the database"
    process.ask("anna", "accept", ids=process.ask("anna", "page")["page"][:1])
    os.kill(process.pid, signal.SIGINT)
    first_gone(parts)
    assert "1 line was added to the ledger" in process.close()
    assert psutil.wait_procs(parts, timeout=60)[1] == []


def test_a_port_that_is_named_has_to_be_free_and_others_are_passed_over(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(MtfError, match=f"port {port} is taken"), _ports(tmp_path, ["anna"], port, "127.0.0.1"):
            pass
    first_room, second_room = (_ports(tmp_path, names, None, "127.0.0.1") for names in (["anna", "ben"], ["cyd"]))
    with first_room as first, second_room as second:
        assert len({*first.values(), *second.values()}) == 3
        assert min(first.values()) >= supervisor.PORT
    with pytest.raises(MtfError, match="not an address of this machine"), _ports(tmp_path, ["a"], None, "192.0.2.1"):
        pass
    with pytest.raises(MtfError, match="permitted: 1 to 65534"), _ports(tmp_path, ["a", "b"], 65535, "127.0.0.1"):
        pass


def test_a_server_of_ones_own_that_is_not_there_is_said_at_once(
    project: Callable[..., ProjectPaths], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = project({"ada": 3})
    monkeypatch.setenv(mongodb.URI, f"mongodb://anna:secret@127.0.0.1:{mongodb.free_port()}")
    command = (sys.executable, "-m", "mtf", "review", "open", "--reviewer", "database", "--port", "0")
    refused = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, check=False, timeout=300)
    assert refused.returncode == 2
    assert "no MongoDB answers at 127.0.0.1:" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert "secret" not in refused.stderr


def test_what_a_server_that_was_killed_has_lost_count_of_is_counted_again(needs_mongodb: None, tmp_path: Path) -> None:
    server = mongodb.Database(tmp_path / "killed")
    server.start()
    try:
        with MongoClient(server.uri, journal=True) as client:
            client["mtf-one"]["samples"].insert_many([{"number": number} for number in range(50)])
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        server.stop()
        server.start()
        with MongoClient(server.uri) as client:
            assert client["mtf-one"]["samples"].estimated_document_count() == 50
    finally:
        server.stop()


def test_closing_the_terminal_closes_the_room(project: Callable[..., ProjectPaths], open_review: Callable) -> None:
    workspace = project({"ada": 3})
    process = open_review(workspace, "anna")
    parts = process.parts()
    process.ask("anna", "accept", ids=process.ask("anna", "page")["page"])
    process.signal(signal.SIGHUP)
    assert psutil.wait_procs(parts, timeout=300)[1] == []
    assert ledger.read(workspace.review).decisions.height == 3


def test_each_reviewer_and_each_checkout_has_a_database_of_its_own(tmp_path) -> None:
    one, other = ProjectPaths(tmp_path / "one"), ProjectPaths(tmp_path / "other")
    asked = [(one, "anna", False), (one, "ben", False), (one, "anna", True), (other, "anna", False)]
    names = [settings(workspace, name, joint=joint)["FIFTYONE_DATABASE_NAME"] for workspace, name, joint in asked]
    assert len(set(names)) == 4
    assert all(len(name) < 64 for name in names)


@pytest.mark.parametrize(
    ("environment", "platform", "seen"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({}, "darwin", True),
        ({"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22"}, "linux", False),
    ],
)
def test_a_browser_is_opened_where_somebody_sees_it(environment: dict[str, str], platform: str, *, seen: bool) -> None:
    assert supervisor.has_display(environment, platform) is seen


@pytest.mark.parametrize(("is_terminal", "opened"), [(True, ["http://127.0.0.1:1"]), (False, [])])
def test_a_page_is_shown_from_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, opened: list[str], *, is_terminal: bool
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: asked.append(url) or True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    monkeypatch.setattr(supervisor, "has_display", lambda *_: True)
    assert supervisor.open_browser("http://127.0.0.1:1") is is_terminal
    assert asked == opened


def test_a_machine_without_a_browser_is_no_reason_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_there(_: str) -> bool:
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "open", none_there)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(supervisor, "has_display", lambda *_: True)
    assert not supervisor.open_browser("http://127.0.0.1:1")


def test_an_address_of_the_sixth_version_can_be_asked_for() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        assert mongodb.answers(port, "::1")
    assert not mongodb.answers(port, "::1")


class Dying:
    """A part of the review app that answers once it was started often enough."""

    name, remedy = "the app of anna", "starting it again"

    def __init__(self, *, lives_after: int = 1000) -> None:
        self.starts, self._lives_after = 0, lives_after

    def is_running(self) -> bool:
        return self.starts >= self._lives_after

    answers = is_running

    def start(self) -> None:
        self.starts += 1


def test_an_app_that_had_no_database_while_it_started_is_started_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    app, gone = Dying(lives_after=1), Dying(lives_after=1)
    supervisor._wait_for([app], gone)
    assert (app.starts, gone.starts) == (1, 1)
    with pytest.raises(MtfError, match="did not start"):
        supervisor._wait_for([Dying()], Dying(lives_after=1))
    with pytest.raises(MtfError, match="did not start"):
        supervisor._wait_for([Dying(lives_after=1)], Dying(lives_after=0))


def test_what_dies_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    part = Dying()
    with pytest.raises(MtfError, match="again and again"):
        supervisor._watch([part])
    assert part.starts == supervisor.RESTARTS


def test_a_server_that_dies_while_it_is_counted_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongodb, "ANSWER_MS", 50)
    mongodb._repair_counts(f"mongodb://127.0.0.1:{mongodb.free_port()}")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "room").write_text("a file")
    with (
        pytest.raises(MtfError, match=r"room/review-anna\.open: cannot be written"),
        lock_review(tmp_path / "room", "anna"),
    ):
        pass


def test_a_hold_is_one_processs_and_says_whose(tmp_path: Path) -> None:
    one, other = ProcessLock(tmp_path / "deep" / "one.open"), ProcessLock(tmp_path / "deep" / "one.open")
    assert one.take()
    one.write_note("anna's")
    assert not other.take()
    assert other.note() == "anna's"
    one.release()
    assert other.take()
    assert other.note() == "anna's"
