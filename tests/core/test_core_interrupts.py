"""Ctrl-C in a command with worker processes, as a terminal sends it: to all processes of the group."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mtf.core import interrupts
from projects import environment

LIMIT_S = 60
SCRIPT = """
import time
from mtf.config import Compute
from mtf.core import interrupts, parallel_map

if __name__ == "__main__":
    interrupts.install()
    try:
        parallel_map.map_items(time.sleep, [600.0] * 9, compute=Compute(workers=2), title="sleeps")
    except KeyboardInterrupt:
        {after}
"""


def at_rest(process: subprocess.Popen[bytes], log: Path) -> list[psutil.Process]:
    """The server of forks, its tracker and two workers, once all have nothing to do but to wait.

    A signal that comes while one of them starts may be lost in a callback.
    """
    family = psutil.Process(process.pid)
    seen: list[dict[int, object]] = []
    while len(seen) < 4 or len(seen[-1]) < 5 or any(each != seen[-1] for each in seen[-4:]):
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
        children = family.children(recursive=True)
        try:
            seen.append({each.pid: each.cpu_times()[:2] for each in [family, *children]})
        except psutil.NoSuchProcess:  # one that a library started for a moment
            seen.clear()
    return children


@pytest.mark.parametrize(
    ("after", "times", "said"),
    [
        ("print('once', flush=True)", 1, "once\n"),
        ("print('once', flush=True); time.sleep(600)", 2, f"once\n{interrupts.AT_ONCE.decode()}"),
    ],
)
def test_workers_end_with_the_command_and_say_nothing(tmp_path: Path, after: str, times: int, said: str) -> None:
    script, log = tmp_path / "sleeps.py", tmp_path / "log"
    script.write_text(SCRIPT.format(after=after))
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, str(script)], env=environment(), stdout=out, stderr=out, start_new_session=True
        )
    started = at_rest(process, log)
    for _ in range(times):
        seen, end = log.read_text(), time.monotonic() + LIMIT_S
        os.killpg(process.pid, signal.SIGINT)
        while process.poll() is None and log.read_text() == seen:
            assert time.monotonic() < end, "the signal has no effect"
            time.sleep(0.02)
    assert process.wait(60) == (0 if times == 1 else interrupts.EXIT_CODE)
    assert log.read_text() == said
    assert psutil.wait_procs(started, timeout=300)[1] == []
