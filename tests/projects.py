"""Projects on disk, and commands run in them as a person would."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from mtf.cli import main

ROOT = Path(__file__).parents[1]


def environment() -> dict[str, str]:
    """The tools of this environment come first; what DVC keeps for a user stays out of the tests."""
    tools = str(Path(sys.executable).parent)
    return os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        # Test processes share the cores: threads that wait for each other by spinning would only slow them.
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "120",
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
    }


# Modules that the fork server of a test process loads: each process of a stage would load them for seconds.
PRELOADED = ["mtf.pipeline.crawl", "mtf.pipeline.crop", "mtf.pipeline.screen"]
# Commands of DVC that start no other program, so that this process can run them and has all of their output.
DVC_ALONE = {
    *("add", "artifacts", "cache", "checkout", "commit", "config", "data", "init", "metrics", "params", "plots"),
    *("pull", "push", "remote", "status", "exp list", "exp save", "exp show"),
}
# Commands that run stages, whose output goes past this process, and options of those that start DVC once more.
DVC_RUNS = {"repro", "exp run"}
DVC_BESIDE = {"--temp", "--queue", "--run-all"}


def mtf(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`mtf` with these arguments in `folder`, as a person types it, but in this process.

    A process of its own loads libraries for seconds; tests about signals, kills or several commands at once start one.
    """
    return _in_this_process(folder, ["mtf", *arguments], main)


def dvc_in_this_process(*arguments: str, root: Path) -> subprocess.CompletedProcess[str]:
    """`mtf.core.dvc_cli.dvc`, without a process of its own."""
    return _in_this_process(root, ["dvc", *arguments], _dvc)


def _in_this_process(
    folder: Path, command: list[str], run: Callable[[], int | None]
) -> subprocess.CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as here, redirect_stdout(out), redirect_stderr(err):
        here.chdir(folder)
        here.setattr(sys, "argv", command)
        for name, value in environment().items():
            here.setenv(name, value)
        try:
            status = run() or 0
        except SystemExit as exit_:
            status = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    return subprocess.CompletedProcess(command, status, out.getvalue(), err.getvalue())


def _dvc() -> int:
    import colorama
    from dvc.cli import main as dvc

    with pytest.MonkeyPatch.context() as here:
        # DVC calls them around its JSON, which would then go to the stream that Colorama met first.
        here.setattr(colorama, "deinit", lambda: None)
        here.setattr(colorama, "reinit", lambda: None)
        return dvc(sys.argv[1:])


def _is_dvc_alone(arguments: tuple[str, ...]) -> bool:
    """True if this process can run the command: all that it prints is DVC's own, or it prints nothing."""
    name = " ".join(arguments[:2]) if arguments[0] == "exp" else arguments[0]
    is_quiet = not DVC_BESIDE.intersection(arguments) and bool({"-q", "--quiet"}.intersection(arguments))
    return name in DVC_ALONE or (name in DVC_RUNS and is_quiet)


def run_in(folder: Path, *command: str, timeout_s: float = 900) -> str:
    """Standard output of a command that must succeed; what it said is shown where it does not."""
    if command[0] == "mtf":
        done = mtf(folder, *command[1:])
    elif command[0] == "dvc" and _is_dvc_alone(command[1:]):
        done = _in_this_process(folder, list(command), _dvc)
    else:
        done = subprocess.run(
            command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=timeout_s
        )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def clone(folder: Path) -> Path:
    """This tree, as it stands, as a repository of its own with one commit."""
    names = run_in(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    archive = subprocess.Popen(
        ["tar", "-cf", "-", "--null", "-T", "-"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    there = "\0".join(name for name in names if name and (ROOT / name).exists())
    folder.mkdir(parents=True)
    unpack = subprocess.Popen(["tar", "-xf", "-", "-C", str(folder)], stdin=archive.stdout)
    assert archive.stdin is not None
    archive.stdin.write(there.encode())
    archive.stdin.close()
    assert unpack.wait() == 0 and archive.wait() == 0
    run_in(folder, "git", "init", "-q", "-b", "main")
    run_in(folder, "git", "add", "-A")
    run_in(folder, "git", "commit", "-q", "-m", "The sample")
    return folder


def own_project(folder: Path, roster: str, changes: Mapping[str, Any]) -> Path:
    """A project of one's own: this repository's parameters with `changes` (merged, section by section)."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    settings["tasks"] = {}
    (folder / "data" / "review").mkdir(parents=True)
    (folder / "data" / "roster.csv").write_text(roster, encoding="utf-8")
    settings = merged(settings, changes)
    settings["multitask"]["tasks"] = list(settings["tasks"])
    (folder / "params.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True))
    return folder


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` with `changes` laid over, mapping by mapping."""
    result = dict(settings)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result
