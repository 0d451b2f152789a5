"""`mtf fetch` on Ray and on an object store: a local run's samples, and machines that die."""

import os
import signal
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ray_cluster
from fetch_web import PICTURES
from host_log import HostLog, serving
from interrupted_runs import Driver, meanwhile
from mtf.config import Compute
from mtf.core import parallel_map
from mtf.core.errors import BadInput, MtfError
from mtf.core.scratch_folder import scratch_folder
from mtf.crawl import recorded_web
from mtf.crawl.ray_workers import Switchboard
from mtf.fetch import fetching
from mtf.fetch.options import FetchOptions, cluster
from mtf.fetch.target import Target

pytestmark = [pytest.mark.ray, pytest.mark.lengthy(90)]

URLS = [f"http://host-{number % 4}.example/{number % 6}.jpg" for number in range(100)]
GATED = [f"http://gate-{number // 10}.example/0.jpg" if number % 10 == 9 else url for number, url in enumerate(URLS)]
"""The last address of each ten is that of a host which answers only when all processes have sent a request."""
MACHINES = 2
SHARDS = 12
"""More than the workers of both machines have in work at a time, so that each machine gets some."""
COORDINATOR = f"ray::{Switchboard.__name__}"
"""In the name of its process."""
FREE, HELD = 2, 6
"""Shards of a host that answers at once, and of one that answers only when the test says so."""


def rows(folder: Path) -> list[dict[str, object]]:
    """Rows of all shards by key, without the time of the fetch."""
    shards = sorted(folder.glob("*.parquet"))
    found = [row for path in shards for row in pq.read_table(path).drop_columns("fetched_at").to_pylist()]
    return sorted(found, key=lambda row: row["key"])


def pictures(folder: Path) -> dict[str, list[tuple[str, bytes]]]:
    """Shard → name and bytes of each picture."""
    found = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as shard:
            members = [each for each in shard.getmembers() if each.name.endswith(".jpg")]
            found[path.name] = sorted((each.name, shard.extractfile(each).read()) for each in members)
    return found


def names(folder: Path) -> list[str]:
    """Files of a folder of shards, without the lock."""
    files = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in files if name != f"{fetching.RUN_FOLDER}/{fetching.LOCK}")


def shard_of(key: str) -> int:
    """Number of the shard to which the stats `key` belong."""
    return int(Path(key).name.partition("_")[0])


def download(address: str, to: Path) -> Path:
    files, base = fsspec.core.url_to_fs(address, use_listings_cache=False)
    files.get(f"{base}/", f"{to}/", recursive=True)
    return to


def test_ray_on_this_machine_gives_the_samples_of_a_local_run_in_a_folder_and_on_s3(
    options: Callable[..., FetchOptions], log: HostLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    pq.write_table(pa.table({"url": GATED}), tmp_path / "list.parquet")
    on_ray = options("list.parquet", shard_size=10, limits={"timeout_s": 300.0})
    log.gate = min(2, parallel_map.cores())
    local = replace(on_ray, folder=tmp_path / "local")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # where nobody answers
    monkeypatch.setenv("PYTHONPATH", ray_cluster.python_path())
    with serving(log), ray_cluster.s3_server():
        there = cluster("local", 2)
        try:
            report = fetching.run(on_ray, cluster=there, web=log.hosts)
            assert (report.shards, report.successes) == (10, 100)
            assert len(log.processes()) == log.gate
            assert log.shared_moments() == []
            assert log.counts("/robots.txt") == dict.fromkeys({each.host for each in log.asked}, 1)
            fetching.run(replace(on_ray, target=Target("s3://cluster/ray")), cluster=there, web=log.hosts)
        finally:
            ray.shutdown()
        fetching.run(local, processes=1, web=log.hosts)
        on_s3 = download("s3://cluster/ray", tmp_path / "on-s3")
    for folder in (on_ray.folder, on_s3):
        assert rows(folder) == rows(local.folder)
        assert pictures(folder) == pictures(local.folder)
        assert names(folder) == names(local.folder)


@pytest.mark.parametrize("output_format", ["webdataset", "files", "parquet"])
def test_a_run_on_s3_goes_on_with_the_shards_that_are_whole_there(
    options: Callable[..., FetchOptions], log: HostLog, tmp_path: Path, output_format: str
) -> None:
    pq.write_table(pa.table({"url": URLS}), tmp_path / "list.parquet")
    local, address = options("list.parquet", output_format=output_format), f"s3://cluster/{output_format}"
    on_s3 = replace(local, folder=tmp_path / "none", target=Target(address))
    with serving(log), ray_cluster.s3_server():
        fetching.run(local, processes=1, web=log.hosts)
        assert fetching.run(on_s3, processes=1, web=log.hosts).successes == len(URLS)
        files, base = fsspec.core.url_to_fs(address, use_listings_cache=False)
        files.rm_file(f"{base}/00001_stats.json")  # as a run that was killed before it put it
        before = files.info(f"{base}/00000.parquet")["LastModified"]
        report = fetching.run(on_s3, processes=1, web=log.hosts)
        assert (report.shards, report.kept, report.successes) == (5, 4, len(URLS))
        assert files.info(f"{base}/00000.parquet")["LastModified"] == before
        with pytest.raises(BadInput, match=f"{address}: its shards have another shard size"):
            fetching.run(replace(on_s3, shard_size=10), processes=1, web=log.hosts)
        with pytest.raises(MtfError, match="--to: s3://no-such-bucket cannot be used"):
            fetching.run(replace(on_s3, target=Target("s3://no-such-bucket")), processes=1, web=log.hosts)
        there = download(address, tmp_path / "there")
    assert rows(there) == rows(local.folder)
    assert names(there) == names(local.folder)
    assert not list(scratch_folder().glob("tmp*")) and not on_s3.folder.exists()


def test_nothing_is_lost_or_double_when_the_driver_a_worker_and_a_machine_die(
    options: Callable[..., FetchOptions], log: HostLog, tmp_path: Path
) -> None:
    hosts = [f"free-{number}" for number in range(FREE)] + [f"held-{number}" for number in range(HELD)]
    urls = [f"http://{host}.example/{number}.jpg" for host in hosts for number in range(6)]
    pq.write_table(pa.table({"url": urls}), tmp_path / "list.parquet")
    on_cluster = options("list.parquet", shard_size=6, limits={"timeout_s": 400.0})
    folder, local = on_cluster.folder, replace(on_cluster, folder=tmp_path / "local")

    def whole() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in folder.glob("*_stats.json")}

    with ray_cluster.start() as there, serving(log):
        there.grow(MACHINES)
        compute = Compute(engine="ray", address=there.address)
        one_worker = compute.model_copy(update={"workers": 1})
        driver = Driver.calling(fetching.run, on_cluster, cwd=tmp_path, cluster=one_worker, web=log.hosts)
        driver.kill_after(lambda: len(whole()) == FREE and bool(log.waiting), what="a fetch of the free hosts")
        before, its_workers = whole(), set(log.waiting)

        def kill() -> None:
            of_node = {there.node_of(process): process for process in log.waiting - its_workers}
            with_a_worker, lost = there.nodes
            os.kill(of_node[id(with_a_worker)], signal.SIGKILL)
            there.kill(lost)
            log.is_open.set()

        with meanwhile(lambda: len(log.waiting - its_workers) == MACHINES, kill, what="a fetch on all machines"):
            report = fetching.run(on_cluster, cluster=compute, web=log.hosts)
        assert (report.shards, report.kept, report.successes) == (FREE + HELD, FREE, len(urls))
        assert {path: time for path, time in whole().items() if path in before} == before
        fetching.run(local, processes=1, web=log.hosts)
    assert rows(folder) == rows(local.folder)
    assert pictures(folder) == pictures(local.folder)
    assert names(folder) == names(local.folder)


def test_shards_on_s3_are_whole_when_a_machine_dies_between_their_files(
    options: Callable[..., FetchOptions], log: HostLog, tmp_path: Path
) -> None:
    """Each shard has a host of its own, so that the log says which machine fetched it."""
    urls = [f"http://shard-{number}.example/{picture}.jpg" for number in range(SHARDS) for picture in range(6)]
    pq.write_table(pa.table({"url": urls}), tmp_path / "list.parquet")
    local, address = options("list.parquet", shard_size=6), "s3://cluster/machine-dies"
    on_s3 = replace(local, folder=tmp_path / "none", target=Target(address))

    def fetched_by(number: int) -> set[int]:
        return {each.process for each in log.asked if each.host == f"shard-{number}.example"}

    with ray_cluster.start() as there, serving(log):
        there.grow(MACHINES)
        with there.holding("machine-dies", ending="_stats.json") as held:

            def waiting() -> dict[int, list[int]]:
                """`id` of a node → shards of its that lack their stats alone."""
                found: dict[int, list[int]] = {}
                for number in sorted(map(shard_of, set(held.keys))):
                    (process,) = fetched_by(number)
                    found.setdefault(there.node_of(process), []).append(number)
                return found

            half: list[int] = []

            def kill() -> None:
                lost = there.nodes[-1]
                half.extend(waiting()[id(lost)])
                stored = {Path(key).name for key in there.stored()}
                assert {f"{number:05d}.{suffix}" for number in half for suffix in ("tar", "parquet")} <= stored
                there.kill(lost)
                held.lose([key for key in set(held.keys) if shard_of(key) in half])

            with meanwhile(lambda: len(waiting()) == MACHINES, kill, what="a shard of each machine without its stats"):
                compute = Compute(engine="ray", address=there.address)
                report = fetching.run(on_s3, cluster=compute, web=log.hosts)
        assert half
        assert all(len(fetched_by(number)) == MACHINES for number in half), "the other machine fetched them again"
        on_s3_now = download(address, tmp_path / "on-s3")
        fetching.run(local, processes=1, web=log.hosts)
    assert (report.shards, report.kept, report.successes) == (SHARDS, 0, len(urls))
    assert rows(on_s3_now) == rows(local.folder)
    assert pictures(on_s3_now) == pictures(local.folder)
    assert names(on_s3_now) == names(local.folder)


def test_the_death_of_the_coordinator_is_one_line_and_the_same_command_goes_on(tmp_path: Path) -> None:
    urls = [f"http://host-{number}.example/{picture}.jpg" for number in range(4) for picture in range(5)]
    pq.write_table(pa.table({"url": urls}), tmp_path / "list.parquet")
    jpeg = {"Content-Type": "image/jpeg"}
    recorded_web.write(
        tmp_path / "web",
        [recorded_web.Response(url, 200, jpeg, PICTURES[number % 6]) for number, url in enumerate(urls)],
    )
    with ray_cluster.start() as there:
        command = ["fetch", "list.parquet", "--to", "s3://cluster/coordinator", "--ray", there.address, "--web", "web"]
        command += ["--shard-size", "10", "--host-delay", "0", "--timeout", "300"]

        def kill_coordinator() -> None:
            (coordinator,) = (each for each in there.workers() if COORDINATOR in "".join(each.cmdline()))
            coordinator.kill()

        with there.holding("coordinator", ending="_stats.json") as held:
            driver = Driver.of(*command, cwd=tmp_path)
            status, output = driver.output_after(
                lambda: bool(held.keys), kill_coordinator, what="a shard without its stats"
            )
        assert status == 2, output
        line = "mtf: the coordinator of the workers, on the driver's machine, died; run the command again"
        assert line in output.splitlines()
        assert "Traceback" not in output
        again = Driver.of(*command, cwd=tmp_path)
        status, output = again.output_after(lambda: True, lambda: None, what="the second run")
    assert status == 0
    assert "20 addresses in 2 shards" in output
    assert "20 pictures" in output
