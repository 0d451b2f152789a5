"""The end of a review session: `dvc add data` versions the ledger while others go on deciding."""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from review_sessions import open_session, review_as

from mtf.annotation import ledger
from mtf.core import dvc_cli
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.session import ReviewSession
from mtf.review_app.processes import closing
from projects import environment, run_in


def accept_one_by_one(session: ReviewSession, done: list[str], stop: threading.Event) -> None:
    while not stop.is_set() and (page := session.page()).faces:
        session.accept(page.faces[:1], at=page.step)
        done.append(page.faces[0].face_id)


def objects(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".dir"]


def reject_the_page(session: ReviewSession) -> None:
    session.reject(session.page().faces)


@pytest.mark.dvc
@pytest.mark.usefixtures("dvc_process")
def test_why_dvc_did_not_take_note_is_said_and_fails_the_command(project: Callable[..., ProjectPaths]) -> None:
    workspace = project({"ada": 3})
    for command in (("git", "init", "-q"), ("dvc", "init", "-q")):
        run_in(workspace.root, *command)
    (workspace.root / ".dvc" / "config").write_text("[core\n")
    said = pytest.raises(MtfError, match=r"`dvc add data` failed; run it yourself: ERROR: .*config")
    with said, closing.LedgerTracking(workspace, ["anna"]):
        review_as(workspace, "anna", reject_the_page)
    assert ledger.read(workspace.review).decisions.height == 3


def test_what_others_decided_is_no_reason_to_take_note(
    project: Callable[..., ProjectPaths], capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = project({"ada": 3})
    with closing.LedgerTracking(workspace, ["ben"]):
        review_as(workspace, "anna", reject_the_page)
    assert not capsys.readouterr().out


def test_dvc_can_be_interrupted_while_it_takes_note(
    project: Callable[..., ProjectPaths], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = project({"ada": 3})
    monkeypatch.setattr(dvc_cli, "is_tracked", lambda _: True)
    monkeypatch.setattr(dvc_cli, "dvc", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    deaf = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(MtfError, match="interrupted"):
            closing.track_ledger(workspace)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, deaf)


@pytest.mark.dvc
def test_dvc_takes_note_while_another_goes_on_deciding(
    project: Callable[..., ProjectPaths],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PATH", environment()["PATH"])
    workspace = project({"ada": 200})
    for command in (("git", "init", "-q"), ("dvc", "init", "-q"), ("dvc", "config", "cache.type", "hardlink")):
        run_in(workspace.root, *command)
    done: list[str] = []
    stop = threading.Event()
    session, _ = open_session(workspace, "ben")
    with ThreadPoolExecutor(1) as threads:
        with closing.LedgerTracking(workspace):
            review_as(workspace, "anna", reject_the_page)
            deciding = threads.submit(accept_one_by_one, session, done, stop)
            while len(done) < 5:
                assert not deciding.done()
        closing.track_ledger(workspace)
        stop.set()
        deciding.result()
    session.close()
    closing.track_ledger(workspace)

    said = capsys.readouterr().out
    assert 'git commit -m "Review faces" data.dvc && dvc push' in said
    assert run_in(workspace.root, "dvc", "status", "data.dvc").strip() == "Data and pipelines are up to date."
    found = objects(workspace.root / ".dvc" / "cache" / "files" / "md5")
    assert len(found) > 2
    for one in found:
        digest = hashlib.md5(one.read_bytes(), usedforsecurity=False).hexdigest()
        assert digest == one.parent.name + one.name
    written = ledger.read(workspace.review).decisions
    assert written.filter(reviewer="ben").height == len(done)
    assert written.filter(reviewer="anna").height == 12
