"""Atomic folders: a writer that was killed leaves nothing for good, and one that runs loses nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mtf.core import atomic_folders

WRITER = """
import sys
from pathlib import Path
from mtf.core import atomic_folders
with atomic_folders.replacing(Path(sys.argv[1])) as beside:
    (beside / "picture.jpg").write_bytes(b"x")
    print("filled", flush=True)
    sys.stdin.readline()
"""
Start = Callable[[Path], subprocess.Popen[str]]


@pytest.fixture
def start() -> Generator[Start]:
    """Start a writer of a folder, which waits for a line before it ends; it has filled the folder beside."""
    with ExitStack() as stack:

        def started(path: Path) -> subprocess.Popen[str]:
            command = [sys.executable, "-c", WRITER, str(path)]
            process = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "filled\n"
            return process

        yield started


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".part"))


def test_the_next_writer_removes_what_a_killed_one_has_left(tmp_path: Path, start: Start) -> None:
    killed = start(tmp_path / "form[1]")
    other = start(tmp_path / "form[1].b")
    killed.kill()
    killed.wait()
    other.kill()
    other.wait()
    assert len(left_over(tmp_path)) == 2
    with atomic_folders.replacing(tmp_path / "form[1]") as beside:
        kept = left_over(tmp_path)
        assert beside.name in kept
        assert [name.startswith(".form[1].b.") for name in kept if name != beside.name] == [True]
    assert left_over(tmp_path) == [name for name in kept if name != beside.name]


def test_a_writer_that_runs_keeps_its_folder(tmp_path: Path, start: Start) -> None:
    running = start(tmp_path / "form")
    (of_running,) = left_over(tmp_path)
    with pytest.raises(KeyError), atomic_folders.replacing(tmp_path / "form"):
        raise KeyError
    assert left_over(tmp_path) == [of_running]
    running.communicate("end\n")
    assert running.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["form"]
    assert [path.name for path in (tmp_path / "form").iterdir()] == ["picture.jpg"]


def test_what_has_such_a_name_and_is_no_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".form.0a1b2c3d.part").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".form.0a1b2c3e.part").write_bytes(b"x")
    (tmp_path / ".form.notes.part").mkdir()
    with atomic_folders.replacing(tmp_path / "form"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(".form.0a1b2c3d.part", ".form.0a1b2c3e.part", ".form.notes.part", "elsewhere", "form")
    ]
