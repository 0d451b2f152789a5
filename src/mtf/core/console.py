"""Terminal output: consoles without any colour or style if NO_COLOR is set, and progress bars with the time left."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from typing import IO, Literal, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")

log = logging.getLogger(__name__)
QUIET_VARIABLE = "MTF_QUIET"
"""Environment variable that hides progress bars unless it is empty; `mtf --quiet` sets it."""


class _Console(Console):
    """A console that raises BrokenPipeError when its reader has gone; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 (rich calls it while it handles the error)


def console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """Console on `file`, standard error or standard output. With NO_COLOR it writes no style either."""
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return _Console(file=file, stderr=stderr, color_system=colours)


def progress_bar() -> Progress:
    """Bar on standard error, with what is done, what there is, and the time left; shown on a terminal alone."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = sys.stderr.isatty() and not os.environ.get(QUIET_VARIABLE)
    return Progress(*columns, console=console(stderr=True), transient=True, disable=not shown)


def tracked(items: Iterable[Item], *, total: int, title: str) -> Iterator[Item]:
    """Items, with a progress bar while they are taken."""
    with progress_bar() as bar:
        for number, item in enumerate(bar.track(items, total=total, description=title), 1):
            log.debug("%s: %d of %d", title, number, total)
            yield item
