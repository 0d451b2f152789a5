"""Fixtures that every room's tests may use."""

from __future__ import annotations

import asyncio
import copy
import functools
import getpass
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest
import typer.main
import yaml

import marks
from mtf import config as params
from mtf.config import Params
from mtf.core import dvc_cli, interrupts, yaml_files
from projects import PRELOADED, dvc_in_this_process, run_in

ROOT = Path(__file__).parent.parent
REAL_DATA = ROOT.parent / "shared" / "data"

# Typer makes the objects of all commands anew for each call, which takes longer than many a command.
typer.main.get_command = functools.cache(typer.main.get_command)
# Most projects of the tests have the repository's params.yaml, or one of a few: each text is parsed once.
_parsed = functools.lru_cache(maxsize=256)(yaml_files.parse)
yaml_files.parse = lambda text, name: copy.deepcopy(_parsed(text, name))
# The same DVC, which loads its libraries for a second in each process.
DVC_PROCESS = dvc_cli.dvc
dvc_cli.dvc = dvc_in_this_process
# One fork server for all tests of a process, with the libraries that most of them load.
_start_fork_server = interrupts.start_fork_server
interrupts.start_fork_server = lambda _preloaded=(): _start_fork_server(PRELOADED)
# `yaml.safe_load` and `yaml.safe_dump` by libyaml, where PyYAML has it: the same values, ten times as fast.
yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
yaml.SafeDumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def pytest_configure(config: pytest.Config) -> None:
    # A job in the background of a script ignores interrupts, and so would all programs that the tests interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    multiprocessing.set_forkserver_preload(PRELOADED)
    config.pluginmanager.register(marks.MissingMarks(), "missing-marks")


@pytest.hookimpl(tryfirst=True)  # before pytest itself deselects by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its fixtures, skip those on real pictures where there are none, and put long files first."""
    marks.mark_by_fixtures(items)
    marks.longest_first(items)
    for item in items:
        if item.get_closest_marker("real") and not REAL_DATA.is_dir():
            item.add_marker(pytest.mark.skip(reason=f"no real pictures at {REAL_DATA}"))


@pytest.fixture(scope="session")
def sample_params() -> Params:
    """The repository's own params.yaml."""
    return params.load(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real pictures; tests that ask for it carry the mark `real`."""
    return REAL_DATA


def program(name: str) -> str:
    """The path of a program that a test drives; without it the test is skipped, but in CI it fails."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        message = f"the program {name} is not installed"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return found


@pytest.fixture(scope="session")
def chromium() -> str:
    return program("chromium")


@pytest.fixture(scope="session")
def dvc() -> str:
    """The program of this environment. A fixture that runs DVC asks for it, and so marks the tests that use it."""
    return str(Path(sys.executable).parent / "dvc")


@pytest.fixture
def dvc_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `mtf` start DVC as outside of the tests, as a process."""
    monkeypatch.setattr(dvc_cli, "dvc", DVC_PROCESS)


@pytest.fixture(scope="session")
def node() -> str:
    return program("node")


@pytest.fixture(scope="session")
def sshd() -> str:
    return program("sshd")


@pytest.fixture
def ssh_server(tmp_path: Path, sshd: str) -> Generator[tuple[int, Path]]:
    """An SSH server of this test's own: its port and the key that it accepts."""
    home = tmp_path / "sshd"
    home.mkdir(mode=0o700)
    for name in ("host", "user"):
        run_in(home, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name))
    shutil.copy(home / "user.pub", home / "authorized_keys")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = home / "sshd_config"
    settings.write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {home}/host\nPidFile {home}/pid\n"
        f"AuthorizedKeysFile {home}/authorized_keys\nStrictModes no\nPasswordAuthentication no\n"
        "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\nUsePAM no\n"
    )
    # sshd drops its privileges into this folder, which packages make at boot.
    if getpass.getuser() == "root":
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([sshd, "-D", "-e", "-f", str(settings)], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, server)
        yield port, home / "user"
    finally:
        server.terminate()
        server.wait(timeout=300)


def _wait_for(port: int, server: subprocess.Popen) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the SSH server did not start")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of each wait that the rate limits ask for; they are waited, too."""
    from mtf.crawl import rate_limits

    asked_for: list[float] = []
    sleep = asyncio.sleep

    async def recorded(seconds: float) -> None:
        asked_for.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(rate_limits, "sleep", recorded)
    return asked_for
