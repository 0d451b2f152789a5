"""A crawl that is interrupted: what was never answered is no attempt, so that no address is given up unheard."""

import signal
import subprocess
import sys
import time

import pytest
import yaml

from crawl_project import Project, bing_result, picture_bytes
from mtf.core import interrupts
from mtf.crawl.recorded_web import Response

pytestmark = pytest.mark.lengthy(30)

SLOW = "https://slow.example/ben.jpg"


@pytest.fixture
def half_slow(project: Project) -> Project:
    """A project on disk: the picture of ann comes at once, that of ben after a minute."""
    project.crawl = {"attempts": 4, "timeout_s": 120.0}
    for name in ("ann", "ben"):
        project.person(name)
    project.finds("ann", [project.picture("https://fast.example/ann.jpg", picture_bytes(1))])
    project.finds("ben", [bing_result(SLOW)])
    project.responses[SLOW] = Response(SLOW, body=picture_bytes(2), delay_s=60.0)
    project.write()
    raw = project.params().model_dump(mode="json")
    (project.root / "params.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    return project


def interrupted(project: Project, how: signal.Signals) -> int:
    """Run `mtf crawl`, and end it by a signal while it waits for ben's picture. Returns its exit status."""
    process = waiting_crawl(project)
    process.send_signal(how)
    return process.wait(60)


def waiting_crawl(project: Project) -> subprocess.Popen[bytes]:
    """`mtf crawl`, which waits for ben's picture; what it says goes to the file `log`."""
    shard = project.workspace.shard("crawl", "ann")
    shard.unlink(missing_ok=True)
    log = project.root / "log"
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, "-m", "mtf", "crawl"], cwd=project.root, stdout=out, stderr=out)
    while not shard.exists():  # ben's picture was requested before
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    return process


def test_what_four_interrupted_crawls_asked_for_and_never_heard_is_no_attempt(half_slow: Project) -> None:
    """The address has failed once before, and may be asked for four times."""
    slow = half_slow.responses[SLOW]
    half_slow.responses[SLOW] = Response(SLOW, status=503)
    half_slow.run()
    assert half_slow.fetch(SLOW)["attempts"] == 1
    half_slow.responses[SLOW] = slow
    half_slow.write()
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        assert interrupted(half_slow, how) != 0
    half_slow.responses[SLOW] = Response(SLOW, body=picture_bytes(2))
    half_slow.run()
    fetch = half_slow.fetch(SLOW)
    assert (fetch["outcome"], fetch["attempts"]) == ("stored", 2)


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_is_one_line_however_often_it_comes(half_slow: Project, times: int) -> None:
    process = waiting_crawl(half_slow)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)  # two at the same moment are one to the system
    # A second one may meet the interpreter as it ends, where SIGINT has its default effect again.
    assert process.wait(60) in (interrupts.EXIT_CODE, -signal.SIGINT)
    lines = (half_slow.root / "log").read_text().splitlines()
    assert 1 <= len(lines) <= times and all(line.startswith("mtf: interrupted") for line in lines), lines
    half_slow.responses[SLOW] = Response(SLOW, body=picture_bytes(2))
    half_slow.run()
    assert half_slow.fetch(SLOW)["outcome"] == "stored"
