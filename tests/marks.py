"""Marks for what a test starts (`browser`, `mongodb`, `train`, `dvc`, `ssh`, `real`): `make check` leaves them out.

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
FIXTURES = {"chromium": "browser", "needs_mongodb": "mongodb", "sshd": "ssh", "real_data": "real"}
# Program → the mark of a test that starts it.
PROGRAMS = {"chromium": "browser", "mongod": "mongodb", "dvc": "dvc", "sshd": "ssh"}
# Module, class, method → the mark of a test that calls it in its own process.
METHODS = {
    ("dvc.repo", "Repo", "__init__"): "dvc",
    ("lightning.pytorch.trainer.trainer", "Trainer", "fit"): "train",
}


def mark_by_fixtures(items: list[pytest.Item]) -> None:
    """Add the marks of the fixtures that each test asks for."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in FIXTURES:
                item.add_marker(FIXTURES[fixture])


def longest_first(items: list[pytest.Item]) -> None:
    """Sort in place by the seconds of a file's mark `lengthy`, so that no long file is left to one process at the end.

    Files without the mark keep their order, after those with it.
    """
    items.sort(key=lambda item: -max((mark.args[0] for mark in item.iter_markers("lengthy")), default=0))


class MissingMarks:
    """Plugin that fails a test which starts something that its marks do not name."""

    def __init__(self) -> None:
        self._running: pytest.Item | None = None
        sys.addaudithook(self._audit)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        for (module, owner, method), mark in METHODS.items():
            self._watch(module, owner, method, mark)
        self._running = item
        try:
            return (yield)
        finally:
            self._running = None

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "subprocess.Popen" or self._running is None:
            return
        command = arguments[1]
        first = command if isinstance(command, str | bytes | os.PathLike) else next(iter(command), "")
        name = Path(os.fsdecode(first)).name
        if name in PROGRAMS:
            self._require(PROGRAMS[name], f"starts {name}")

    def _watch(self, module: str, owner: str, method: str, mark: str) -> None:
        """Wrap a method once its module is loaded: to load it here would cost every run seconds."""
        found = getattr(sys.modules.get(module), owner, None)
        if found is None or hasattr(getattr(found, method), "watched"):
            return
        original = getattr(found, method)

        @functools.wraps(original)
        def watched(*args: Any, **options: Any) -> Any:
            self._require(mark, f"calls {owner}.{method}")
            return original(*args, **options)

        watched.watched = True  # type: ignore[attr-defined]
        setattr(found, method, watched)

    def _require(self, mark: str, action: str) -> None:
        if self._running is not None and self._running.get_closest_marker(mark) is None:
            pytest.fail(f"the test {action}: mark it, or its file, with pytest.mark.{mark}")
