"""`mtf fetch` on a Ray cluster of two nodes: a local run's samples, and hosts that belong to one worker at a time."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ray_cluster
from host_log import HostLog, serving
from mtf.config import Compute
from mtf.fetch import fetching
from mtf.fetch.options import FetchOptions

pytestmark = [pytest.mark.ray, pytest.mark.lengthy(20)]

URLS = [f"http://host-{number % 4}.example/{number % 6}.jpg" for number in range(100)]


def rows(folder: Path) -> list[dict[str, object]]:
    """Rows of all shards without the time of the fetch."""
    shards = sorted(folder.glob("*.parquet"))
    return [row for path in shards for row in pq.read_table(path).drop_columns("fetched_at").to_pylist()]


def test_a_cluster_gives_the_samples_of_a_local_run_and_requests_robots_once(
    options: Callable[..., FetchOptions], log: HostLog, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"url": URLS}), tmp_path / "list.parquet")
    on_cluster = options("list.parquet", shard_size=10)
    local = replace(on_cluster, folder=tmp_path / "local")
    with ray_cluster.start() as cluster, serving(log):
        cluster.grow(2)
        compute = Compute(engine="ray", address=cluster.address)
        report = fetching.run(on_cluster, cluster=compute, web=log.hosts)
        assert (report.shards, report.successes) == (10, 100)
        assert len(log.processes()) == 2
        assert log.shared_moments() == []
        assert log.counts("/robots.txt") == {f"host-{number}.example": 1 for number in range(4)}
        fetching.run(local, processes=1, web=log.hosts)
    assert rows(on_cluster.folder) == rows(local.folder)
    assert not (on_cluster.folder / fetching.RECORDS / fetching.ROWS).exists()
