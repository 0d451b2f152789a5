"""Worker processes of a crawl on this machine: the coordinator in this process serves them by pipes.

If this process ends for any reason, the pipes close and the workers end, too. An item's files are written atomically,
so the next run does unfinished items again.
"""

from __future__ import annotations

import asyncio
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mtf.core import parallel_map
from mtf.core.errors import MtfError
from mtf.crawl.spool import Spool
from mtf.crawl.work import Coordinator, ToCoordinator, ToWorker, Work, Worker

_END_S = 10.0
_PRELOADED = ("mtf.crawl.collector",)


def run(
    work: Work,
    items: Iterable[Any],
    on_result: Callable[[Any], None],
    *,
    processes: int,
    folder: Path,
    preloaded: Sequence[str] = _PRELOADED,
) -> None:
    """Do `work` with each of `items`, in `processes` processes; 1 uses this one.

    on_result: called here with each result, as they arrive.
    folder: of the spool with shared documents.
    preloaded: modules that are imported once for all processes: nearly all of a worker's start are imports.

    The first exception of an item ends the run and is raised here. Raises MtfError if a process is killed.
    """
    with Spool(folder) as spool:
        coordinator = Coordinator(items, on_result, spool.add)
        if processes == 1:
            asyncio.run(_in_this_process(work, coordinator))
        else:
            with _Processes(work, coordinator, processes, preloaded) as running:
                running.serve()


async def _in_this_process(work: Work, coordinator: Coordinator) -> None:
    loop = asyncio.get_running_loop()

    def send(message: ToCoordinator) -> None:
        for _, reply in coordinator.handle("here", message):
            loop.call_soon(worker.deliver, reply)

    worker = Worker(work, send, workers=1)
    try:
        await worker.run()
    except ExceptionGroup as group:  # of one item or several
        raise first_error(group) from None


class _Processes:
    """Worker processes, for use in a `with`."""

    def __init__(self, work: Work, coordinator: Coordinator, processes: int, preloaded: Sequence[str]) -> None:
        self._coordinator = coordinator
        self._pipes: dict[Connection, str] = {}
        self._processes: dict[str, BaseProcess] = {}
        self._outboxes: dict[str, SimpleQueue[ToWorker | None]] = {}
        context = parallel_map.process_context(preloaded)
        for number in range(processes):
            ours, theirs = context.Pipe()
            arguments = (theirs, work, processes)
            process = context.Process(target=_main, args=arguments, name=f"crawl-{number}", daemon=True)
            process.start()
            theirs.close()
            self._pipes[ours] = process.name
            self._processes[process.name] = process
            self._outboxes[process.name] = SimpleQueue()
            # A thread for each pipe: a worker that reads slowly must not hold up the others.
            threading.Thread(target=_send_all, args=(ours, self._outboxes[process.name]), daemon=True).start()

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for outbox in self._outboxes.values():
            outbox.put(None)  # closes the pipe, which ends the worker
        for process in self._processes.values():
            process.join(_END_S)
            if process.is_alive():
                process.kill()
                process.join()

    def serve(self) -> None:
        """Serve the workers until every item has its result, or one fails."""
        while self._pipes:
            for ready in wait(list(self._pipes)):
                assert isinstance(ready, Connection)  # noqa: S101 (for the type checker)
                self._receive(ready)

    def _receive(self, pipe: Connection) -> None:
        name = self._pipes[pipe]
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            del self._pipes[pipe]
            self._check_end(name)
            return
        if isinstance(message, BaseException):
            raise message
        for worker, reply in self._coordinator.handle(name, message):
            self._outboxes[worker].put(reply)

    def _check_end(self, name: str) -> None:
        """Raise MtfError if a worker ended before its work was done."""
        process = self._processes[name]
        process.join(_END_S)
        code = process.exitcode
        if code != 0:
            how = f"by signal {-code}" if code is not None and code < 0 else f"with {code}"
            raise MtfError(f"a process of the crawl ended {how}; run the command again, it continues")


def _send_all(pipe: Connection, outbox: SimpleQueue[ToWorker | None]) -> None:
    """Send what is put into `outbox`, until None; then close the worker's side of the pipe."""
    while (message := outbox.get()) is not None:
        try:
            pipe.send(message)
        except OSError:  # the worker has ended, which the reader of the pipe notices
            return
    pipe.close()


def _main(pipe: Connection, work: Work, processes: int) -> None:
    """Run a worker in this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator gets it, too, and closes the pipe
    try:
        asyncio.run(_connected(pipe, work, processes))
    except BaseException as error:
        if not isinstance(error, asyncio.CancelledError):
            with suppress(OSError):  # the coordinator may be gone
                pipe.send(_picklable(error))
    pipe.close()


async def _connected(pipe: Connection, work: Work, processes: int) -> None:
    this = asyncio.current_task()
    assert this is not None  # noqa: S101
    loop = asyncio.get_running_loop()

    def send(message: ToCoordinator) -> None:
        try:
            pipe.send(message)
        except OSError:  # the coordinator is gone, and the run with it
            this.cancel()

    worker = Worker(work, send, workers=processes)

    def read() -> None:
        try:
            while pipe.poll():
                worker.deliver(pipe.recv())
        except (EOFError, OSError):
            loop.remove_reader(pipe.fileno())
            this.cancel()

    loop.add_reader(pipe.fileno(), read)
    try:
        await worker.run()
    finally:
        loop.remove_reader(pipe.fileno())


def first_error(error: BaseException) -> BaseException:
    """First error of a group, at any depth; an error that is no group, as it is."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _picklable(error: BaseException) -> BaseException:
    """The first error of a group, as it is if it survives the way through a pipe, else in words."""
    error = first_error(error)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (our own bytes)
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
