"""One command owns a project's review app; others join it, leave it, and end with it."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from mtf.annotation import ledger
from mtf.core.errors import MtfError
from mtf.core.file_lock import ProcessLock
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.processes import mongodb, ownership
from mtf.review_app.processes.ownership import JoinedDatabase, Owner, owner_in, review_database
from mtf.review_app.review_lock import lock_review

pytestmark = pytest.mark.lengthy(70)

if TYPE_CHECKING:
    from conftest import ReviewProcess

HOST = socket.gethostname()


def decide_one(process: ReviewProcess, reviewer: str) -> None:
    page = process.ask(reviewer, "page")["page"]
    assert process.ask(reviewer, "accept", ids=page[:1])["done"] == 1


def decided(workspace: ProjectPaths) -> dict[str, int]:
    """Reviewer → different faces they decided; fails where a decision is there twice."""
    given = ledger.read(workspace.review).decisions
    assert given.unique(["reviewer", "image_id"]).height == given.height
    return dict(given.group_by("reviewer").len().iter_rows())


def ended_with(owner: ReviewProcess, end: signal.Signals, joined: ReviewProcess) -> str:
    """End the owner; returns why the one who joined ended, too. Nothing of both is left."""
    parts = [*owner.parts(), *joined.parts()]
    assert len(parts) == 3, "two apps and one database"
    owner.signal(end)
    status, output = joined.ended()
    assert status == 2
    assert "1 line was added to the ledger" in output
    assert psutil.wait_procs(parts, timeout=300)[1] == []
    (why,) = [line for line in output.splitlines() if line.startswith(f"mtf: process {owner.pid}, which owned")]
    assert "run the same command again" in why
    return why


def test_one_of_two_commands_that_start_together_owns_the_room_until_it_ends_and_then_the_next_one_does(
    project: Callable[..., ProjectPaths], open_review: Callable
) -> None:
    """One project in the order of a day: each start of an app takes seconds."""
    workspace = project({"ada": 6})
    processes = {name: open_review(workspace, name, waits=False) for name in ("anna", "ben")}
    owners = [name for name, process in processes.items() if process.wait().pid_of("mongod") is not None]
    assert len(owners) == 1
    first, (second,) = owners[0], processes.keys() - owners
    owner, joined = processes[first], processes[second]
    assert [f"This review app belongs to process {owner.pid}" in "".join(each.output) for each in (owner, joined)] == [
        False,
        True,
    ]
    decide_one(owner, first)
    decide_one(joined, second)

    # A command that joined may leave.
    parts = joined.parts()
    joined.close()
    assert joined.ended()[0] == 0
    assert psutil.wait_procs(parts, timeout=300)[1] == []
    decide_one(owner, first)

    # A command that joined ends with an owner that is killed, and the next command owns the room.
    joined = open_review(workspace, second)
    decide_one(joined, second)
    assert "was killed" in ended_with(owner, signal.SIGKILL, joined)
    owner = open_review(workspace, second)
    decide_one(owner, second)

    # And with one that closes it.
    joined = open_review(workspace, first)
    assert joined.pid_of("mongod") is None
    decide_one(joined, first)
    assert "has closed it" in ended_with(owner, signal.SIGINT, joined)
    assert "1 line was added to the ledger" in owner.close()
    assert decided(workspace) == {first: 3, second: 3}


def dead_pid() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    return ended.pid


def write(record: Path, owner: Owner) -> Owner:
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(owner._asdict()))
    return owner


@pytest.mark.parametrize("stale", ["", "70000", "[]", "{}", "null", "１２", '{"host": "h", "pid": 1, "port": 27017}'])
def test_a_record_that_is_none_names_no_owner(tmp_path: Path, stale: str) -> None:
    (tmp_path / "owner.json").write_text(stale)
    assert owner_in(tmp_path / "owner.json") is None


def test_what_an_earlier_room_left_behind_keeps_none_from_opening(needs_mongodb: None, tmp_path: Path) -> None:
    (tmp_path / "owner.json").write_text("70000")
    with review_database(tmp_path) as opened:
        assert opened.is_running()
        assert owner_in(tmp_path / "owner.json") == Owner(HOST, os.getpid(), str(opened.socket))
    assert not (tmp_path / "owner.json").exists()


@pytest.mark.parametrize("wrong", [{"pid": 0}, {"pid": 2.5}, {"pid": "1"}, {"socket": 27017}, {"socket": None}])
def test_a_record_with_an_impossible_value_names_no_owner(tmp_path: Path, wrong: dict) -> None:
    write(tmp_path / "owner.json", Owner(HOST, os.getpid(), "/none.sock")._replace(**wrong))
    assert owner_in(tmp_path / "owner.json") is None


def test_a_room_is_joined_by_nobody_before_its_server_is_there(
    needs_mongodb: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, seen = tmp_path / "owner.json", []
    write(record, Owner(HOST, dead_pid(), "/none.sock"))
    start = mongodb.Database.start
    monkeypatch.setattr(mongodb.Database, "start", lambda self: (seen.append(record.exists()), start(self)))
    with review_database(tmp_path):
        pass
    assert seen == [False]


def test_the_server_of_a_killed_owner_is_ended_before_the_next_one_uses_its_files(
    needs_mongodb: None, tmp_path: Path
) -> None:
    left = mongodb.Database(tmp_path / "mongodb")
    left.start()
    try:
        with review_database(tmp_path) as opened:
            assert not left.is_running()
            assert opened.is_running()
    finally:
        left.stop()


def test_another_program_that_has_the_number_of_a_killed_server_is_let_alone(tmp_path: Path, needs_mongodb: None):
    (tmp_path / "mongod.lock").write_text(f"{os.getpid()}\n")
    mongodb.Database(tmp_path).end_left_behind()


def test_a_reviewer_may_be_called_as_the_files_of_a_room_are(needs_mongodb: None, tmp_path: Path) -> None:
    with ExitStack() as reviews:
        for name in ("room", "database", "owner"):
            reviews.enter_context(lock_review(tmp_path, name))
        with review_database(tmp_path):
            pass


def listening(path: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    return server


@pytest.fixture
def held_by_another(tmp_path: Path):
    """A review app that another command owns; its `owner.json` is not written yet."""
    lock = ProcessLock(tmp_path / "room.open")
    assert lock.take()
    yield tmp_path / "owner.json"
    lock.release()


def test_a_room_that_is_open_on_another_machine_is_not_joined(held_by_another: Path) -> None:
    write(held_by_another, Owner("elsewhere", os.getpid(), "/none.sock"))
    why = pytest.raises(MtfError, match=r"on elsewhere has this project's review app open; join it on that machine")
    with why, review_database(held_by_another.parent):
        pass


@pytest.mark.parametrize("owner", [None, Owner(HOST, 0, "/none.sock"), "dead", "silent"])
def test_an_owner_that_does_not_answer_is_not_waited_for_without_end(
    held_by_another: Path, monkeypatch: pytest.MonkeyPatch, owner: Owner | str | None
) -> None:
    monkeypatch.setattr(ownership, "JOIN_S", 0.2)
    if owner is not None:
        pid = os.getpid() if owner == "silent" else dead_pid()
        write(held_by_another, Owner(HOST, pid, "/none.sock") if isinstance(owner, str) else owner)
    why = pytest.raises(MtfError, match="does not answer; end it there first")
    with why, review_database(held_by_another.parent):
        pass


def test_a_room_of_another_account_is_not_joined_and_says_what_to_do(
    held_by_another: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(held_by_another, Owner(HOST, os.getpid(), "/none.sock"))
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    why = pytest.raises(MtfError, match=r"of another account has this project's review app open; only that account")
    with why, review_database(held_by_another.parent):
        pass


def test_the_database_listens_where_its_own_account_alone_can_ask_it(
    needs_mongodb: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with review_database(tmp_path) as opened:
        server = psutil.Process(int((tmp_path / "mongodb" / "mongod.lock").read_text()))
        assert server.net_connections("inet") == []
        places = (opened.socket.parent, opened.socket)
        assert [stat.S_IMODE(place.stat().st_mode) for place in places] == [0o700, 0o600]
        assert mongodb.probe(opened.uri) == (str(opened.socket), True)
    assert mongodb.probe(opened.uri) == (str(opened.socket), False)
    assert not opened.socket.parent.exists()

    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        mongodb.socket_path(tmp_path).parent.symlink_to(tmp_path)  # as another account could leave it in /tmp
        with pytest.raises(MtfError, match="belongs to another account"):
            mongodb.Database(tmp_path).start()
    monkeypatch.setattr(tempfile, "tempdir", "/" + 100 * "x")  # too long for the path of a socket
    assert mongodb.socket_path(tmp_path).parts[1] == "tmp"


def test_who_joined_waits_while_the_owner_starts_its_server_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "m.sock")
    owner = write(tmp_path / "owner.json", Owner(HOST, os.getpid(), place))
    joined = JoinedDatabase(owner, tmp_path / "owner.json")
    assert not joined.is_running()
    servers: list[socket.socket] = []
    monkeypatch.setattr(time, "sleep", lambda _: servers.append(listening(place)))
    joined.start()
    assert joined.is_running()
    assert len(servers) == 1
    servers[0].close()
    monkeypatch.setattr(ownership, "START_S", 0.0)
    with pytest.raises(MtfError, match=f"MongoDB of process {os.getpid()} does not answer"):
        joined.start()


def test_of_many_who_ask_at_the_same_moment_one_owns_the_room(needs_mongodb: None, tmp_path: Path) -> None:
    together, kinds = threading.Barrier(6, timeout=300), []

    def opens() -> None:
        together.wait()
        with review_database(tmp_path) as opened:
            kinds.append(type(opened))
            together.wait()  # nobody ends before all are in

    threads = [threading.Thread(target=opens) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(kind.__name__ for kind in kinds) == ["Database", *["JoinedDatabase"] * 5]
