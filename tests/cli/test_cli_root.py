"""The root of the command line: options of every command, help, and errors in one line."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import typer

from mtf import __version__, cli
from mtf.cli import root_command
from mtf.cli.stages import run_stage
from mtf.core.errors import BadInput, GateFailed, MtfError
from mtf.core.file_lock import ProcessLock
from projects import ROOT, environment


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository's parameters and figures, without data; the current folder."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics")
    monkeypatch.chdir(tmp_path)
    for name in ("MTF_QUIET", "MTF_VERBOSE", "MTF_LOG_FILE", "NO_COLOR"):
        monkeypatch.setenv(name, "")  # so that what a command sets is undone
        monkeypatch.delenv(name)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mtf", *arguments])
    return root_command.run(cli.app)


@pytest.mark.parametrize("arguments", [[], ["takedown"], ["review"], ["takedown", "add"]])
def test_help_has_whole_sentences_in_80_columns(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(monkeypatch, *arguments, "-h") == 0
    printed = capsys.readouterr().out
    assert "..." not in printed.replace("[ARGS]...", "")
    assert max(map(len, printed.splitlines())) <= 80
    assert "-h, --help" in printed


def test_every_group_lists_whole_sentences() -> None:
    groups = [typer.main.get_command(cli.app), *typer.main.get_command(cli.app).commands.values()]
    listing = [group for group in groups if hasattr(group, "commands")]
    assert len(listing) > 8
    assert all(isinstance(group, root_command.FullHelpGroup) for group in listing)


def test_version(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"mtf {__version__}\n"


def test_summary_as_json_has_the_figures_of_every_stage(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "summary", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["title"] == "Drawn people"
    assert content["curate"] == json.loads((project / "metrics" / "curate.json").read_text())
    assert set(content["multitask"]) == {"equal"}


def test_requests_as_json(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "data").mkdir()
    address = "https://pictures.example/a.jpg"
    text = f"added_at,kind,value,reason,requested_by,reference\n2026-01-02,picture,{address},asked,A. B.,letter 1\n"
    (project / "data" / "takedowns.csv").write_text(text)
    assert run(monkeypatch, "takedown", "list", "--json") == 0
    (request,) = json.loads(capsys.readouterr().out)
    assert (request["requested_by"], request["reference"]) == ("A. B.", "letter 1")
    assert request["rows"] == [{"kind": "picture", "value": address, "pictures_left": 0}]


def test_validate_as_json_prints_the_outcome_also_if_a_gate_fails(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mtf.cli import publish

    outcome = {"of": {}, "results": [], "not_checked": [{"name": "drift", "why": "no release before"}]}
    (project / "build" / "validate").mkdir(parents=True)
    (project / "build" / "validate" / "results.json").write_text(json.dumps(outcome))

    def failing(name: str) -> None:
        print("one line for people")
        raise GateFailed("validate: 1 critical expectation does not hold")

    monkeypatch.setattr(publish, "run_stage", failing)
    assert run(monkeypatch, "validate", "--json") == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["not_checked"] == outcome["not_checked"]
    assert printed.err == "mtf: validate: 1 critical expectation does not hold\n"
    assert run(monkeypatch, "validate", "--json", "--suggest") == 2


def test_no_color_leaves_no_code_on_a_terminal(project: Path) -> None:
    def shown(**variables: str) -> bytes:
        reader, terminal = pty.openpty()
        command = [sys.executable, "-m", "mtf", "summary"]
        subprocess.run(command, cwd=project, stdout=terminal, env=environment() | variables, check=True)
        os.close(terminal)
        chunks = b""
        while True:
            try:
                chunk = os.read(reader, 65536)
            except OSError:  # Linux's end of a terminal
                chunk = b""
            if not chunk:
                os.close(reader)
                return chunks
            chunks += chunk

    assert b"\x1b[" in shown(TERM="xterm-256color", NO_COLOR="")
    assert b"\x1b" not in shown(TERM="xterm-256color", NO_COLOR="1")


def test_consoles_are_made_in_one_place() -> None:
    """Else NO_COLOR would be forgotten in one of them. A picture in a terminal is made of colours."""
    made = [path for path in (ROOT / "src").rglob("*.py") if re.search(r"\b_?Console\(", path.read_text())]
    assert {path.name for path in made} == {"console.py", "terminal_pictures.py"}


def test_a_log_file_has_details_output_and_errors(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--log-file", "run.log", "summary") == 0
    assert run(monkeypatch, "--log-file", "run.log", "crop") == 2
    lines = (project / "run.log").read_text().splitlines()
    assert any(line.endswith("arguments: --log-file run.log summary") for line in lines)
    assert any("mtf.output" in line and "Drawn people: results of the last run" in line for line in lines)
    assert any("mtf.output" in line and "/images.parquet: no such table" in line for line in lines)
    assert any(line.startswith("Traceback") for line in lines)
    assert "Traceback" not in capsys.readouterr().err


def test_verbose_adds_the_traceback_and_quiet_is_not_for_both(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "-v", "crop") == 2
    assert "Traceback" in capsys.readouterr().err
    assert run(monkeypatch, "-v", "-q", "crop") == 2
    assert capsys.readouterr().err == "mtf: --verbose and --quiet exclude each other; choose one\n"


def test_quiet_stages_print_nothing_and_results_are_printed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mtf.pipeline import split

    monkeypatch.setattr(split, "run", lambda *_: print("a table"))
    assert run(monkeypatch, "split") == 0
    assert capsys.readouterr().out == "a table\n"
    assert run(monkeypatch, "-q", "split") == 0
    assert run(monkeypatch, "--quiet", "summary", "--json") == 0
    assert capsys.readouterr().out.startswith("{")


def test_a_stage_that_runs_already_is_named_with_its_process(project: Path) -> None:
    lock = ProcessLock(project / "build" / ".crop.lock")
    assert lock.take()
    lock.write_note(str(os.getpid()))
    try:
        with pytest.raises(MtfError, match=rf"`mtf crop` is running already, as process {os.getpid()}; wait for it"):
            run_stage("crop")
    finally:
        lock.release()


def test_a_folder_that_may_not_be_written_is_one_line(project: Path) -> None:
    build = project / "build"
    build.mkdir(exist_ok=True)
    mode = build.stat().st_mode
    build.chmod(0o555)
    # An administrator may write everywhere, until the capability is dropped.
    ordinary = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    if ordinary and shutil.which("setpriv") is None:
        pytest.skip("an administrator without setpriv may write everywhere")
    command = [*ordinary, sys.executable, "-m", "mtf", "crop"]
    try:
        done = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, check=False)
    finally:
        build.chmod(mode)
    assert done.returncode == 2
    assert re.fullmatch(r"mtf: \S*/build/\.crop\.lock: cannot be written: Permission denied\n", done.stderr)


def test_a_full_output_is_one_line(project: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mtf", "summary"],
            cwd=project, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert re.fullmatch(r"mtf: standard output: no space left on device; [^\n]+\n", done.stderr)


def test_a_reader_that_has_gone_ends_the_command_quietly(project: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "mtf", "summary"]
    done = subprocess.run(command, cwd=project, env=environment(), stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (root_command.BROKEN_PIPE, b"")


RAISED = [
    (OSError(errno.EACCES, "", "build/x"), 2, "build/x: permission denied; give this user the permission to use it"),
    (
        OSError(errno.ENOSPC, "", f"build/crop/shards/.ann.tar.{'0' * 8}.part"),
        2,
        "build/crop/shards: no space left on device; free some space there and run the same again; "
        "what is complete is kept",
    ),
    (OSError(errno.EROFS, "", "/ro/a"), 2, "/ro: read-only file system; the file system is mounted read-only"),
    (OSError(errno.EMFILE, "", "a"), 2, "a: too many open files; raise the limit on open files (`ulimit -n`)"),
    (OSError(errno.ENOENT, "", "a\nb"), 2, "'a\\nb': no such file or directory"),
    (BadInput("roster.csv row 2: x"), 2, "roster.csv row 2: x"),
    (BadInput("lists/\x1b[31mred\n\u202egpj.csv: x"), 2, "lists/\\x1b[31mred\\n\\u202egpj.csv: x"),
    (GateFailed("release: no"), 1, "release: no"),
    (typer.Abort(), 130, "interrupted"),
    (BrokenProcessPool(), 2, "a worker process was ended from outside, perhaps for want of memory; lower compute"),
]


@pytest.mark.parametrize(("error", "code", "line"), RAISED)
def test_an_expected_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int, line: str
) -> None:
    def app(**_: object) -> None:
        raise error

    monkeypatch.setattr(root_command, "_discard_output", lambda: None)
    assert root_command.run(app) == code  # type: ignore[arg-type]
    printed = capsys.readouterr().err
    assert printed.startswith(f"mtf: {line}")
    assert printed.count("\n") == 1


def test_an_error_that_nobody_expects_keeps_its_traceback() -> None:
    def app(**_: object) -> None:
        raise OSError(errno.ENOTCONN, "of a socket, without a file")

    with pytest.raises(OSError, match="of a socket"):
        root_command.run(app)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["text", "parquet", "csv"])
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, kind: str) -> None:
    """`ulimit -f` in place of a full disk: the same path through Python and polars, without an administrator."""
    code = (
        "import resource, sys, polars as pl\n"
        "from pathlib import Path\n"
        "from mtf.core import atomic_files, system_errors\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "frame = pl.DataFrame({'a': [str(n) * 9 for n in range(9999)]})\n"
        "try:\n"
        "    with atomic_files.replacing(Path('folder/table')) as beside:\n"
        "        {'text': lambda: beside.write_text('x' * 9999), 'parquet': lambda: frame.write_parquet(beside),\n"
        f"         'csv': lambda: frame.write_csv(beside)}}[{kind!r}]()\n"
        "except OSError as error:\n"
        "    print(system_errors.explained(error), sorted(Path('folder').iterdir()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "folder: file too large; raise the limit on the size of files (`ulimit -f`) []\n"


ENDING = """
import atexit, sys, threading

class Garbage:
    def __init__(self):
        self.itself = self

    def __del__(self):
        print("garbage was searched for")

def later():
    threading.main_thread().join()
    print("a thread")

garbage = Garbage()
atexit.register(print, "what was registered")
threading.Thread(target=later).start()
sys.argv = ["mtf", *sys.argv[1:]]
from mtf.__main__ import main
main()
"""


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("nonsense", 2)])
def test_the_process_ends_after_its_threads_and_what_was_registered_and_searches_for_no_garbage(
    argument: str, status: int
) -> None:
    done = subprocess.run([sys.executable, "-c", ENDING, argument], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stdout.splitlines()[-2:] == ["a thread", "what was registered"]
    assert "garbage" not in done.stdout
