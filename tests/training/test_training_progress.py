"""Progress of a training and its evaluation on a terminal, and silence without one."""

from __future__ import annotations

import os
import re
import sys
import threading
from pathlib import Path

import pytest

from mtf.config import Params
from mtf.core.console import QUIET_VARIABLE
from mtf.pipeline import evaluate, train
from training_project import write_project

SHORT = {"learning_rate": 0.01, "max_epochs": 2, "patience": 2, "batch": 8, "optimizer": "adamw"}


class Terminal:
    """A pseudo-terminal in place of standard error, which keeps all that is written to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._controller, terminal = os.openpty()
        self._stream = os.fdopen(terminal, "w")
        self._written: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        monkeypatch.setattr(sys, "stderr", self._stream)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "120")

    def _read(self) -> None:
        try:
            while block := os.read(self._controller, 65536):
                self._written.append(block)
        except OSError:  # the end of a terminal
            pass

    def text(self) -> str:
        self._stream.close()
        self._reader.join()
        return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", b"".join(self._written).decode())


@pytest.mark.train
def test_a_terminal_shows_the_steps_and_the_time_left(
    tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, params = write_project(
        tmp_path, sample_params, tasks=["gender"], recipe="short", recipes={"short": SHORT}
    )
    terminal = Terminal(monkeypatch)
    train.run(workspace, params, model="small_cnn", task="gender")
    evaluate.run(workspace, params)
    shown = terminal.text()
    assert re.search(r"train: epoch 2 of at most 2, step \S+ +\d+/12 \d:\d\d:\d\d", shown)
    assert "predict, task" in shown and "groups, model" in shown
    assert "Epoch" not in shown, "one bar, not Lightning's as well"

    monkeypatch.setenv(QUIET_VARIABLE, "1")
    silent = Terminal(monkeypatch)
    train.run(workspace, params, model="small_cnn", task="gender")
    assert silent.text() == ""
