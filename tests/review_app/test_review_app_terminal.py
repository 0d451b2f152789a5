"""Review in a terminal, as a process on a terminal of its own that answers what it can draw."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from reviewed_project import a_project

from mtf.annotation import ledger
from mtf.core.project_paths import ProjectPaths

# What a terminal is asked, and what one that draws sixels and one that draws nothing answer.
SIXEL = {b"\x1b[c": b"\x1b[?62;4;6c", b"\x1b[16t": b"\x1b[6;20;10t", b"a=q": b"\x1b_Gi=1;ENODATA\x1b\\"}
PLAIN = {b"\x1b[c": b"\x1b[?62;6c", b"\x1b[16t": b"\x1b[6;20;10t", b"a=q": b"\x1b_Gi=1;EINVAL\x1b\\"}


def reviewed(workspace: ProjectPaths, answers: list[str], *, terminal: dict[bytes, bytes]) -> str:
    """All that `mtf review decide` prints, given the answers, one at each prompt."""
    own, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 1200, 800))
    command = [sys.executable, "-m", "mtf", "review", "decide", "--reviewer", "Jürgen Groß"]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(command, cwd=workspace.root, stdin=other, stdout=other, stderr=other, env=environment)
    os.close(other)
    seen, told, asked = b"", 0, dict.fromkeys(terminal, 0)
    while True:
        try:
            part = os.read(own, 1 << 16)
        except OSError:  # the process has ended
            break
        if not part:
            break
        seen += part
        for question, answer in terminal.items():
            while asked[question] < seen.count(question):
                asked[question] += 1
                os.write(own, answer)
        while told < min(seen.count(b"> "), len(answers)):
            os.write(own, answers[told].encode() + b"\n")
            told += 1
    os.close(own)
    assert process.wait(30) == 0, seen[-2000:].decode(errors="replace")
    return seen.decode(errors="replace")


@pytest.fixture
def workspace(tmp_path: Path) -> ProjectPaths:
    return a_project(tmp_path / "project", {"ada": 4})


def test_a_terminal_that_draws_pictures_shows_the_face_and_the_whole_page(workspace: ProjectPaths) -> None:
    said = reviewed(workspace, ["A", "p", "A", "q"], terminal=SIXEL)
    assert "not done: 3 of the page's 4 faces were not shown yet; p shows them all" in said
    assert said.count("\x1bP") >= 4, "a face at each of the prompts, and the page"
    assert "accepted 4" in said
    found = ledger.read(workspace.review).decisions
    assert found["reviewer"].unique().to_list() == ["Jürgen Groß"]


def test_another_terminal_shows_coloured_blocks_and_names_the_contact_sheet_of_the_page(
    workspace: ProjectPaths,
) -> None:
    said = reviewed(workspace, ["p", "S", "q"], terminal=PLAIN)
    assert "\x1bP" not in said
    assert "▀" in said
    assert "all 4 faces of the page: " in said
    assert "contact-sheet-jurgen-gro" in said
    assert not list(workspace.stage("room").glob("contact-sheet-*")), "it is removed with its page"
