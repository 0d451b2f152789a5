"""Parallel map of a function over items: by processes of this machine, or on a Ray cluster, with the same result."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import TYPE_CHECKING, TypeVar

from mtf.core import interrupts
from mtf.core.console import tracked
from mtf.core.job_files import JobFiles

if TYPE_CHECKING:
    from mtf.config import Compute

Item = TypeVar("Item")
Result = TypeVar("Result")
Handle = TypeVar("Handle", bound=Hashable)


def cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count(compute: Compute) -> int:
    return compute.workers or cores()


def process_context(preloaded: Sequence[str] = ()) -> ForkServerContext | SpawnContext:
    """Context that starts processes: a fork of one that runs threads (polars, OpenCV, torch) may deadlock.

    The processes ignore interrupts, since Ctrl-C reaches all processes of a terminal: their parent decides.

    preloaded: modules that all processes need. On Linux they are imported once, if no process was started before.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    # Frameworks that OpenCV loads on macOS do not survive a fork.
    interrupts.start_fork_server(preloaded if sys.platform == "linux" else ())
    return multiprocessing.get_context("forkserver")


def map_items(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    compute: Compute,
    title: str,
    files: Callable[[Item], JobFiles] | None = None,
) -> list[Result]:
    """Results of `function` for every item, in the items' order, with a progress bar on standard error.

    `function` and the items must be picklable. The first exception stops the run and is raised here.

    files: files of an item, for a cluster with a storage. The machines of such a cluster do not see the project's
        folder: without `files`, the work is done by processes of this machine. A result is None for a file that a
        killed run has finished.
    """
    if not items:
        return []
    results = dict(tracked(_results(function, items, compute, files), total=len(items), title=title))
    return [results[index] for index in range(len(items))]


def _results(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    compute: Compute,
    files: Callable[[Item], JobFiles] | None,
) -> Iterator[tuple[int, Result]]:
    if compute.engine == "ray" and (files is not None or compute.storage is None):
        from mtf.core import cluster_tasks

        return cluster_tasks.results(function, items, compute, files)
    return _on_processes(function, items, compute)


def _on_processes(
    function: Callable[[Item], Result], items: Sequence[Item], compute: Compute
) -> Iterator[tuple[int, Result]]:
    workers = min(worker_count(compute), len(items))
    if workers == 1:
        yield from ((index, function(item)) for index, item in enumerate(items))
        return
    with ProcessPoolExecutor(workers, mp_context=process_context()) as pool:
        try:
            yield from _bounded(partial(pool.submit, function), _any_done, Future.result, items, ahead=4 * workers)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                interrupts.kill_workers()  # what they are at would be waited for
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _any_done(running: Sequence[Future[Result]]) -> Iterable[Future[Result]]:
    return wait(running, return_when=FIRST_COMPLETED).done


def _bounded(
    submit: Callable[[Item], Handle],
    any_done: Callable[[Sequence[Handle]], Iterable[Handle]],
    result: Callable[[Handle], Result],
    items: Sequence[Item],
    *,
    ahead: int,
) -> Iterator[tuple[int, Result]]:
    """Yield (index, result) as results arrive. At most `ahead` items are submitted at a time: this bounds memory."""
    waiting = iter(enumerate(items))
    running: dict[Handle, int] = {}
    while True:
        while len(running) < ahead and (following := next(waiting, None)) is not None:
            index, item = following
            running[submit(item)] = index
        if not running:
            return
        for handle in any_done(list(running)):
            yield running.pop(handle), result(handle)
