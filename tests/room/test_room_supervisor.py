"""Who keeps the room open: it ends with its terminal, there is one of it, and reviewers are alone in theirs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
import webbrowser
from collections.abc import Callable
from urllib.parse import urlsplit

import psutil
import pytest

from mtf.review import ledger
from mtf.room import browser, database
from mtf.room.app import settings
from mtf.workspace import Workspace

DATASETS = 'query { datasets(search: "", first: 100) { edges { node { name } } } }'


def names_of_datasets(url: str) -> list[str]:
    """What FiftyOne's own interface tells whoever asks for the data sets there are."""
    body = json.dumps({"query": DATASETS}).encode()
    kind = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"http://{urlsplit(url).netloc}/graphql", data=body, headers=kind)
    with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 (loopback)
        found = json.load(answer)
    assert found["data"], found
    return [edge["node"]["name"] for edge in found["data"]["datasets"]["edges"]]


def test_reviewers_see_their_own_data_set_alone_and_the_room_ends_with_who_opened_it(
    project: Callable[..., Workspace], open_room: Callable
) -> None:
    workspace = project({"ada": 3})
    room = open_room(workspace, "anna", "ben")
    assert names_of_datasets(room.url("anna")) == ["sample-anna"]
    assert names_of_datasets(room.url("ben")) == ["sample-ben"]

    again = (sys.executable, "-m", "mtf", "review", "open", "--reviewer", "cyd", "--port", "0")
    refused = subprocess.run(again, cwd=workspace.root, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 2
    assert f"the room is open already, for anna, ben, by process {room.pid} since" in refused.stderr
    together = "then open it for all: `mtf review open --reviewer anna --reviewer ben --reviewer cyd`"
    assert together in refused.stderr
    assert len(refused.stderr.splitlines()) == 1

    parts = room.parts()
    assert len(parts) == 2
    room.signal(signal.SIGKILL)
    assert psutil.wait_procs(parts, timeout=60)[1] == []


def test_closing_the_terminal_closes_the_room(project: Callable[..., Workspace], open_room: Callable) -> None:
    workspace = project({"ada": 3})
    room = open_room(workspace, "anna")
    parts = room.parts()
    room.ask("anna", "accept", ids=room.ask("anna", "page")["page"])
    room.signal(signal.SIGHUP)
    assert psutil.wait_procs(parts, timeout=60)[1] == []
    assert ledger.read(workspace.review).decisions.height == 3


def test_each_reviewer_and_each_checkout_has_a_database_of_its_own(tmp_path) -> None:
    one, other = Workspace(tmp_path / "one"), Workspace(tmp_path / "other")
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
    assert browser.has_display(environment, platform) is seen


@pytest.mark.parametrize(("is_terminal", "opened"), [(True, ["http://127.0.0.1:1"]), (False, [])])
def test_a_page_is_shown_from_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, opened: list[str], *, is_terminal: bool
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: asked.append(url) or True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    monkeypatch.setattr(browser, "has_display", lambda *_: True)
    assert browser.show("http://127.0.0.1:1") is is_terminal
    assert asked == opened


def test_a_machine_without_a_browser_is_no_reason_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_there(_: str) -> bool:
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "open", none_there)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(browser, "has_display", lambda *_: True)
    assert not browser.show("http://127.0.0.1:1")


def test_an_address_of_the_sixth_version_can_be_asked_for() -> None:
    assert not database.answers(database.free_port(), "::1")
