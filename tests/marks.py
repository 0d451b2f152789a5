"""Marks for what a test starts (`browser`, `mongodb`, `train`, `dvc`, `ssh`, `ray`, `real`); `make check` omits them.

A fixture that starts a program marks every test that asks for it. What no fixture tells stands in the test's file as
`pytestmark`; a test that starts a program, trains or opens a DVC repository without its mark fails.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

# Fixture → the mark of each test that asks for it, directly or through another fixture.
FIXTURES = {
    "chromium": "browser",
    "needs_mongodb": "mongodb",
    "dvc": "dvc",
    "sshd": "ssh",
    "ray_cluster": "ray",
    "real_data": "real",
}
# Program → the mark of a test that starts it.
PROGRAMS = {"chromium": "browser", "mongod": "mongodb", "dvc": "dvc", "sshd": "ssh", "raylet": "ray"}
# Module, class, method → the marks of which a test that calls it in its own process has one. DVCLive opens the
# repository while a network trains.
METHODS = {
    ("dvc.repo", "Repo", "__init__"): ("dvc", "train"),
    ("lightning.pytorch.trainer.trainer", "Trainer", "fit"): ("train",),
}


def mark_by_fixtures(items: list[pytest.Item]) -> None:
    """Add the marks of the fixtures that each test asks for."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in FIXTURES:
                item.add_marker(FIXTURES[fixture])


def longest_first(items: list[pytest.Item]) -> None:
    """Sort files in place, so that no long one is left to a single process at the end.

    First those with the mark `lengthy`, by its seconds; then those that start something; then the others.
    """
    seconds: dict[Path, float] = {}
    for item in items:
        own = [float(mark.args[0]) for mark in item.iter_markers("lengthy")]
        starts = any(item.get_closest_marker(mark) for mark in {*FIXTURES.values(), "train"})
        seconds[item.path] = max(seconds.get(item.path, 0.0), *own, float(starts))
    items.sort(key=lambda item: -seconds[item.path])


def program_of(command: Any) -> str:
    """The name of the program, or of the module that `python -m` runs, of a `Popen` command."""
    words = [command] if isinstance(command, str | bytes | os.PathLike) else list(command)
    program, *options = [os.fsdecode(word) for word in words[:3]]
    return options[1] if options[:1] == ["-m"] and len(options) > 1 else Path(program).name


class MissingMarks:
    """Plugin that fails a test which starts something that its marks do not name."""

    def __init__(self) -> None:
        self._running: pytest.Item | None = None
        self._watched: set[type] = set()
        sys.addaudithook(self._audit)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        for (module, owner, method), permitted in METHODS.items():
            self._watch(module, owner, method, permitted)
        self._running = item
        try:
            return (yield)
        finally:
            self._running = None

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "subprocess.Popen" or self._running is None:
            return
        name = program_of(arguments[1])
        if name in PROGRAMS:
            self._require((PROGRAMS[name],), f"starts {name}")

    def _watch(self, module: str, owner: str, method: str, permitted: tuple[str, ...]) -> None:
        """Wrap a method once its module is loaded: to load it here would cost every run seconds."""
        found = getattr(sys.modules.get(module), owner, None)
        if found is None or found in self._watched:
            return
        self._watched.add(found)
        original = getattr(found, method)

        @functools.wraps(original)
        def watched(*args: Any, **options: Any) -> Any:
            self._require(permitted, f"calls {owner}.{method}")
            return original(*args, **options)

        setattr(found, method, watched)

    def _require(self, permitted: tuple[str, ...], action: str) -> None:
        item = self._running
        if item is not None and not any(item.get_closest_marker(mark) for mark in permitted):
            pytest.fail(f"the test {action}: mark it, or its file, with pytest.mark.{permitted[0]}")
