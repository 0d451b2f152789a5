"""Processes forked from one that has loaded torch and Lightning, which takes seconds of each new process."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

# The last ones are what Lightning and DVCLive import as a training begins and as it writes its first checkpoint.
_PRELOADED = [
    *("mtf.cli", "mtf.schemas.columns", "mtf.pipeline.train", "mtf.pipeline.multitask", "mtf.comparison.trials"),
    *("mtf.label_classifier.networks", "dvc.repo", "omegaconf", "s3fs"),
]


@cache
def _server() -> forkserver.ForkServer:
    """Fork server of this test process. The one of `multiprocessing` itself loads less."""
    server = forkserver.ForkServer()
    server.set_forkserver_preload(_PRELOADED)
    return server


@contextmanager
def forking() -> Generator[None]:
    """While the block runs, the processes that `multiprocessing` starts by a fork server come from that one."""
    with pytest.MonkeyPatch.context() as here:
        here.setattr(forkserver, "connect_to_new_process", _server().connect_to_new_process)
        yield


class Forked:
    """Process that calls a function of a module in a folder. Its methods are as those of `subprocess.Popen`."""

    def __init__(self, function: Callable[..., object], *arguments: Any, cwd: Path, **environment: str) -> None:
        self._printed = [tempfile.NamedTemporaryFile("w+") for _ in ("out", "err")]  # noqa: SIM115
        call = (function, arguments, cwd, os.environ | environment, [file.name for file in self._printed])
        self._process = multiprocessing.get_context("forkserver").Process(target=_call, args=call)
        with forking():
            self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Standard output and errors of the process, which has ended. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if timeout is not None and self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout)
        out, err = (Path(file.name).read_text() for file in self._printed)
        return out, err


def _call(
    function: Callable[..., object],
    arguments: tuple[Any, ...],
    cwd: Path,
    environment: dict[str, str],
    files: list[str],
) -> None:
    import torch

    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)
    function(*arguments)
