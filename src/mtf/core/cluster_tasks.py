"""Map of a function over jobs on a Ray cluster: one task for each job.

Tasks, not Ray Data: a job is one identity, its result is a file in the storage, and what returns through Ray is a few
bytes. There is nothing to batch, shuffle or stream through the object store; a task is the unit that Ray does again
when its machine dies, as a shard is the unit that a stage does again.

With `compute.storage`, a task gets its files from there into a folder of its worker, and puts its own file there; the
driver fetches it. A file that a killed run has left in the storage is fetched without a task. A file that was cut or
replaced there is put or made again. Without a storage, all machines see the project's folder.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mtf.core import cluster_storage, extras
from mtf.core.cluster_storage import ClusterStorage, DamagedCopy
from mtf.core.errors import MtfError, shortened
from mtf.core.import_closure import package_digest
from mtf.core.job_files import JobFiles, relocated
from mtf.core.scratch_folder import scratch_folder

if TYPE_CHECKING:
    from mtf.config import Compute

Item = TypeVar("Item")
Result = TypeVar("Result")

RETRIES = 3
"""A job whose worker or machine dies, or whose copies are damaged, is done again so often; then the run ends."""
AHEAD = 2
"""Jobs in work for each core: the next one waits on its machine while the last one's file is sent."""
LOCAL = "local"
"""Address of a cluster of this machine alone, which Ray starts."""
_CONNECT_S = 10.0


def connect(compute: Compute) -> Any:
    """The module ray, connected to the cluster of `compute.address`, or else of RAY_ADDRESS, or else of this machine.

    The address `local` starts Ray on this machine, whatever RAY_ADDRESS says.

    Raises MtfError if Ray is not installed or the cluster does not answer.
    """
    try:
        import ray
    except ImportError:
        raise MtfError(
            f"compute.engine: 'ray' needs the package ray; {extras.install('ray')} brings it, or use 'local'"
        ) from None
    if ray.is_initialized():
        return ray
    address = compute.address or os.environ.get("RAY_ADDRESS")
    is_started = address in (None, LOCAL)
    if address is not None and not is_started:
        _probe(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    dashboard = False if is_started else None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=dashboard)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise MtfError(f"compute.address: {address}: {shortened(error)}; `mtf doctor` says more") from error
    return ray


def _probe(address: str) -> None:
    """Raise MtfError if nobody listens at `HOST:PORT`. Ray would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdigit():
        return  # `auto` and the like: Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        raise MtfError(
            f"compute.address: no cluster answers at {address} ({error}); start one with `ray start --head`, "
            "or use compute.engine: local"
        ) from None


def core_count(compute: Compute) -> int:
    """Number of cores of the cluster, at least 1."""
    return max(1, int(connect(compute).cluster_resources().get("CPU", 1)))


@dataclass(frozen=True)
class Outcome:
    """Result of a task.

    value: of the function.
    sha256: of the file that is now in the storage; None without a storage.
    """

    value: Any
    sha256: str | None


@dataclass(frozen=True)
class Task:
    """A job on its way to a worker.

    code: digest of the package that the worker needs.
    reads, shared: (path, SHA-256) of files in the storage.
    """

    function: Callable[[Any], Any]
    item: Any
    code: str
    files: JobFiles | None = None
    storage: ClusterStorage | None = None
    reads: tuple[tuple[str, str], ...] = ()
    shared: tuple[tuple[str, str], ...] = ()


def results(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    compute: Compute,
    files: Callable[[Item], JobFiles] | None,
) -> Iterator[tuple[int, Result]]:
    """Yield (index, result) of each item as it arrives. A bounded number of jobs is in work at a time."""
    ray = connect(compute)
    # Ray runs every submitted task that it has cores for, so `workers` bounds how many are submitted.
    ahead = compute.workers or AHEAD * core_count(compute)
    run = _Run(ray, function, files, cluster_storage.of(compute))
    waiting = iter(enumerate(items))
    with asyncio.Runner() as runner:
        done: asyncio.Queue[tuple[int, asyncio.Task[Result]]] = asyncio.Queue()
        running: set[asyncio.Task[Result]] = set()
        while True:
            for index, item in islice(waiting, ahead - len(running)):
                task = runner.get_loop().create_task(run.job(item))
                task.add_done_callback(lambda ended, index=index: done.put_nowait((index, ended)))
                running.add(task)
            if not running:
                return
            index, task = runner.run(done.get())
            running.remove(task)
            yield index, task.result()


class _Run:
    """Run of one function over a cluster."""

    def __init__(
        self,
        ray: Any,
        function: Callable[[Any], Any],
        files: Callable[[Any], JobFiles] | None,
        storage: ClusterStorage | None,
    ) -> None:
        self._ray = ray
        self._function = function
        self._files = files
        self._storage = storage
        self._code = package_digest()
        self._remote = ray.remote(num_cpus=1, max_retries=RETRIES)(do_task)
        self._shared: dict[Path, asyncio.Future[tuple[str, str]]] = {}

    async def job(self, item: Any) -> Any:
        """Result of one job, with its file in the project's folder."""
        files = None if self._files is None else self._files(item)
        if self._storage is None or files is None:
            return (await self._done(Task(self._function, item, self._code))).value
        for _ in range(RETRIES):
            try:
                return await self._with_storage(item, files)
            except DamagedCopy as damaged:
                print(f"mtf: {damaged}; {files.name(files.target)} is done again", file=sys.stderr)
                for path in files.shared:
                    self._shared.pop(path, None)
        return await self._with_storage(item, files)

    async def _with_storage(self, item: Any, files: JobFiles) -> Any:
        assert self._storage is not None  # noqa: S101 (for the type checker)
        if (found := await asyncio.to_thread(self._finished, files)) is not None:
            return await self._fetch(files, Outcome(None, found))
        reads = [await asyncio.to_thread(self._put, files, path) for path in files.reads]
        shared = [await self._put_once(files, path) for path in files.shared]
        task = Task(self._function, item, self._code, files, self._storage, tuple(reads), tuple(shared))
        return await self._fetch(files, await self._done(task))

    def _finished(self, files: JobFiles) -> str | None:
        """SHA-256 of the file in the storage, if a killed run has finished it."""
        assert self._storage is not None  # noqa: S101 (for the type checker)
        name = files.name(files.target)
        if files.digest is not None:
            return self._storage.shard_with(name, files.digest)
        return next(iter(self._storage.versions(name)), None)

    async def _fetch(self, files: JobFiles, outcome: Outcome) -> Any:
        assert self._storage is not None and outcome.sha256 is not None  # noqa: S101 (for the type checker)
        name = files.name(files.target)
        await asyncio.to_thread(self._storage.get, name, outcome.sha256, files.target)
        await asyncio.to_thread(self._storage.keep_only, name, outcome.sha256)
        return outcome.value

    def _put(self, files: JobFiles, path: Path) -> tuple[str, str]:
        assert self._storage is not None  # noqa: S101 (for the type checker)
        return files.name(path), self._storage.put(path, files.name(path))

    async def _put_once(self, files: JobFiles, path: Path) -> tuple[str, str]:
        if path not in self._shared:
            self._shared[path] = asyncio.ensure_future(asyncio.to_thread(self._put, files, path))
        return await asyncio.shield(self._shared[path])

    async def _done(self, task: Task) -> Outcome:
        reference = self._remote.remote(task)
        try:
            return await reference
        except asyncio.CancelledError:
            self._ray.cancel(reference)
            raise
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause or error from None
        except self._ray.exceptions.RayError as error:
            where = "" if task.files is None else f" of {task.files.name(task.files.target)}"
            raise MtfError(
                f"the worker{where} died {RETRIES + 1} times, the last time so: {_one_line(error)}"
            ) from error


def do_task(task: Task) -> Outcome:
    """Do a job on a worker. Raises MtfError if the worker has other code than the driver."""
    check_code(task.code)
    if task.files is None or task.storage is None:
        return Outcome(task.function(task.item), None)
    here = scratch_folder()
    for name, sha256 in task.shared:
        keep(task.storage, name, sha256, here)
    target = here / task.files.name(task.files.target)
    own = [target, *(here / name for name, _ in task.reads)]
    try:
        for name, sha256 in task.reads:
            task.storage.get(name, sha256, here / name)
        value = task.function(relocated(task.item, task.files.root, here))
        return Outcome(value, task.storage.put(target, task.files.name(task.files.target)))
    finally:
        for path in own:
            path.unlink(missing_ok=True)


def check_code(expected: str) -> None:
    """Raise MtfError unless this process runs the code with the digest `expected` (`package_digest`)."""
    if package_digest() != expected:
        raise MtfError(
            f"{socket.gethostname()}: the worker has another mtf than the driver; install the same version on all "
            "machines, and start their Ray again (`mtf doctor` lists them)"
        )


_kept: dict[str, str] = {}


def keep(storage: ClusterStorage, name: str, sha256: str, folder: Path) -> None:
    """Get a file that later jobs of this process read, too, unless it has it."""
    if _kept.get(name) != sha256:
        storage.get(name, sha256, folder / name)
        _kept[name] = sha256


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
