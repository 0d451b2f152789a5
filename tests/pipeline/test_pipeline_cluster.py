"""Stages on a Ray cluster of several nodes whose workers see an S3 server, and never the project's folder."""

from __future__ import annotations

import contextlib
import io
import itertools
import shutil
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import fsspec
import polars as pl
import pytest
import yaml

from host_log import HostLog, serving
from host_visits import Visits
from interrupted_runs import Driver, meanwhile
from mtf import config
from mtf.config import Params
from mtf.core import cluster_tasks, parallel_map, shards
from mtf.core.cluster_storage import ClusterStorage
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.crawl import cluster_crawl, ray_workers, settled
from mtf.crawl.visits import Due
from mtf.crawl.work import Work
from mtf.gates import outcome
from mtf.pipeline import crawl, crop, release, screen
from mtf.project import cluster_checks, embed
from mtf.project.finding import Finding
from mtf.sample import web
from mtf.sample.finds import SampleSize
from mtf.sample.people import CAST
from projects import ROOT
from ray_cluster import RayCluster, start

sys.path.insert(0, str(ROOT / "tests" / "release"))
import made_project

pytestmark = pytest.mark.lengthy(140)

PEOPLE = 6
PICTURES = 4
MAX_WORKER_BYTES = 700 * 2**20
MACHINES = 3
FINISHED = 2
"""Identities that a driver has finished when it is killed."""


@pytest.fixture(scope="module")
def ray_cluster() -> Generator[RayCluster]:
    with start() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> ProjectPaths:
    """A small sample that was crawled, cropped, screened and embedded on this machine."""
    root = tmp_path_factory.mktemp("local")
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    settings["compute"] = {"engine": "local", "workers": 1}
    (root / "params.yaml").write_text(yaml.safe_dump(settings))
    project = ProjectPaths(root)
    params = config.load(project.params)
    size = SampleSize(cast=CAST[:PEOPLE], rare=(), clean=(PICTURES, PICTURES), dirt={})
    web.write(project.data, seed=1, compute=params.compute, size=size)
    for stage in (crawl, crop, screen):
        stage.run(project, params)
    embed.run(project, "crop", model="appearance", weights=None, to=None)
    return project


def on_cluster(
    local: ProjectPaths, root: Path, ray_cluster: RayCluster, *stages: str, storage: str | None = None
) -> ProjectPaths:
    """A copy of the project for the cluster, with the results of `stages` alone, and an empty storage, S3 or given."""
    for name in ("params.yaml", "data", *(f"build/{stage}" for stage in stages)):
        source, target = local.root / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    settings = yaml.safe_load((root / "params.yaml").read_text())
    settings["compute"] = ray_cluster.compute(storage=storage or f"s3://cluster/{root.name}")
    (root / "params.yaml").write_text(yaml.safe_dump(settings))
    return ProjectPaths(root)


def contents(project: ProjectPaths, stage: str) -> dict[str, bytes]:
    folder = project.stage(stage)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run(project: ProjectPaths, stage: Callable[[ProjectPaths, Params], None]) -> str:
    """Standard output of a stage."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        stage(project, config.load(project.params))
    return printed.getvalue()


def run_with_warnings(project: ProjectPaths, stage: Callable[[ProjectPaths, Params], None]) -> tuple[str, list[str]]:
    """Standard output of a stage, and its lines on standard error."""
    with contextlib.redirect_stderr(io.StringIO()) as warned:
        printed = run(project, stage)
    return printed, warned.getvalue().splitlines()


def damage(project: ProjectPaths, path: str, change: Callable[[bytes], bytes]) -> str:
    """Change the bytes of the one copy of a file in the project's storage, which keeps its name; return its path."""
    files, base = fsspec.core.url_to_fs(config.load(project.params).compute.storage, use_listings_cache=False)
    (copy,) = files.ls(f"{base}/{path}", detail=False)
    files.pipe_file(copy, change(files.cat_file(copy)))
    return path


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def replaced(data: bytes) -> bytes:
    return data[:-1] + b"!"


@contextlib.contextmanager
def one_worker(project: ProjectPaths) -> Generator[None]:
    """A project that uses one worker at a time: each that starts takes seconds."""
    before = project.params.read_text()
    settings = yaml.safe_load(before)
    settings["compute"]["workers"] = 1
    project.params.write_text(yaml.safe_dump(settings))
    try:
        yield
    finally:
        project.params.write_text(before)


def whole_shards(folder: Path) -> dict[Path, int]:
    """Shard → time of its last change, in nanoseconds."""
    return {shard: shard.stat().st_mtime_ns for shard in folder.glob("*.tar")}


def kill_driver(ray_cluster: RayCluster, project: ProjectPaths, command: str, folder: Path) -> dict[Path, int]:
    """Run a stage whose driver is killed when FINISHED of its shards, in `folder`, are whole; return those."""
    with ray_cluster.holding(project.relative(folder), after=FINISHED) as held, one_worker(project):
        driver = Driver.of(command, cwd=project.root)
        driver.kill_after(lambda: len(whole_shards(folder)) == FINISHED and bool(held.keys), what="the first shards")
    return whole_shards(folder)


def run_after_deaths(
    ray_cluster: RayCluster, project: ProjectPaths, command: str, folder: Path, again: Callable[[], str]
) -> str:
    """Output of a stage whose driver was killed in the middle, and whose next run, `again`, has lost a machine."""
    ray_cluster.grow(MACHINES)
    finished = kill_driver(ray_cluster, project, command, folder)

    with ray_cluster.holding(project.relative(folder)) as held:

        def kill() -> None:
            ray_cluster.kill(ray_cluster.nodes[-1])
            held.release()

        with meanwhile(lambda: len(held.keys) == MACHINES, kill, what="a shard of each machine"):
            printed = again()
    kept = {shard: time for shard, time in whole_shards(folder).items() if shard in finished}
    assert kept in (finished, {}), "a release removes its shards"
    return printed


def check_peaks(ray_cluster: RayCluster) -> None:
    """Check that no worker needed more memory than MAX_WORKER_BYTES at any time."""
    peaks = [peak for worker in ray_cluster.workers() if (peak := _peak_bytes(worker.pid))]
    assert peaks and max(peaks) < MAX_WORKER_BYTES


def _peak_bytes(pid: int) -> int:
    """Largest memory of a process; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    sizes = (int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    return next(sizes, 0)


def test_every_table_and_shard_has_the_bytes_of_a_local_run_and_workers_stay_small(
    local: ProjectPaths, ray_cluster: RayCluster, tmp_path: Path
) -> None:
    ray_cluster.grow(2)
    project = on_cluster(local, tmp_path / "two", ray_cluster, "crawl")
    for stage in (crop.run, screen.run):
        assert f"{PEOPLE} identities made" in run(project, stage)
    embed.run(project, "crop", model="appearance", weights=None, to=None)
    for stage in ("crop", "screen", "embed"):
        assert contents(project, stage) == contents(local, stage)
    assert len(contents(local, "crop")) == PEOPLE + 3
    check_peaks(ray_cluster)


def test_a_crawl_whose_driver_and_a_machine_die_finds_what_a_local_one_finds_and_workers_stay_small(
    local: ProjectPaths, ray_cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_crawl, "AT_ONCE", 1)  # else one machine could have all identities
    project = on_cluster(local, tmp_path / "crawled", ray_cluster)
    shards_folder = project.shards("crawl")
    printed = run_after_deaths(ray_cluster, project, "crawl", shards_folder, lambda: run(project, crawl.run))
    assert f"{PEOPLE - FINISHED} made" in printed and f"{FINISHED} left as they were" in printed
    for name in ("images", "fetches", "evidence", "earlier", "signals"):
        here, there = (pl.read_parquet(each.table("crawl", name)) for each in (local, project))
        times = [column for column, dtype in here.schema.items() if dtype.is_temporal()]
        assert here.drop(times).equals(there.drop(times)), name
    check_peaks(ray_cluster)

    before = {shard.name: shard.read_bytes() for shard in shards_folder.glob("*.tar")}
    for shard in sorted(shards_folder.glob("*.tar"))[:2]:  # as if the driver had been killed before it fetched these
        shard.unlink()
    assert f"{PEOPLE} left as they were" in run(project, crawl.run)
    assert {shard.name: shard.read_bytes() for shard in shards_folder.glob("*.tar")} == before


def test_visits_of_a_worker_that_sees_no_folder_reach_the_driver_and_the_next_run(
    local: ProjectPaths, ray_cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray_cluster.grow(2)
    project = on_cluster(local, tmp_path / "visited", ray_cluster, "crawl")
    params = config.load(project.params)
    before = pl.read_parquet(local.table("crawl", "visits"))
    now = before["visited_at"].max() + timedelta(days=21)  # each crawl of the sample takes place at the same time
    due = Due(now, recheck_days=20, recheck_max_days=20, search_days=3000)
    monkeypatch.setattr(Due, "of", lambda *_, **__: due)

    def again() -> str:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            crawl.run(project, params, due=True)
        return printed.getvalue()

    assert f"{PEOPLE} asked for again" in again()
    visited = pl.read_parquet(project.table("crawl", "visits"))
    assert visited.filter(pl.col("image_id").is_null()).equals(before), "searches are kept"
    images = pl.read_parquet(project.table("crawl", "images"))
    of_pictures = visited.drop_nulls("image_id")
    assert set(of_pictures["image_id"]) == set(images["image_id"])
    assert of_pictures["unchanged_visits"].to_list() == [1] * images.height
    visited = visited.with_columns(pl.col("visited_at") + pl.duration(days=10))
    visited.write_parquet(project.table("crawl", "visits"))
    (project.stage("crawl") / settled.TABLE).unlink()  # else no worker is asked
    assert f"{PEOPLE} left as they were" in again(), "a worker knows of the visits, 11 days before"
    assert pl.read_parquet(project.table("crawl", "visits")).equals(visited)


def test_rate_limits_of_a_host_hold_over_all_workers_and_the_death_of_one(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    ray_cluster.grow(2)
    crawl_section = config.Crawl.model_validate(
        {"sources": [{"kind": "bing"}], "per_host_delay_s": 0.05, "per_host_concurrency": 2, "timeout_s": 20.0}
    )
    items = [[f"http://{host}.example/{number}.jpg" for host in ("one", "two")] for number in range(12)]
    items[6].append(str(tmp_path / "kill"))
    robots = (200, {}, b"User-agent: *\nDisallow: /secret\n")
    answers = {"/robots.txt": robots} | {f"/{number}.jpg": (200, {}, b"x") for number in range(12)}
    done: list[int] = []
    compute = config.Compute(engine="ray", address=ray_cluster.address)
    with serving(HostLog(answers)) as log:
        work = Work(crawl_section, Visits(log.hosts, crawl_section).open, at_once=2)
        ray_workers.run(work, items, done.append, compute=compute)
    assert done == [2] * 12
    assert len(log.processes()) > 1, "else nothing is shown"
    assert log.shared_moments() == []
    assert set(log.counts("/robots.txt").values()) <= {1, 2}, "the one that died may have been about to send it on"
    for host in ("one.example", "two.example"):
        starts = sorted(each.start for each in log.asked if each.host == host)
        gaps = [after - before for before, after in itertools.pairwise(starts)]
        assert sum(gaps) / len(gaps) > 0.045, "one by one a gap may shrink by what the network took"


def test_a_release_whose_driver_and_a_machine_die_has_the_bytes_of_a_local_one_and_workers_stay_small(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    params = made_project.made_params()
    people = tuple(replace(made_project.PEOPLE[0], identity=f"person-{number}") for number in range(PEOPLE))
    on_ray = params.model_copy(
        update={"compute": config.Compute(**ray_cluster.compute(storage="s3://cluster/released"))}
    )
    here, there = (made_project.make(tmp_path / each.compute.engine, each, people) for each in (params, on_ray))
    made_project.release(here, params)
    outcome.write(there, outcome.GateOutcome(outcome.input_digests(there, on_ray), [], []))
    run_after_deaths(ray_cluster, there, "release", there.shards("released"), lambda: run(there, release.run))
    for stage in ("release", "released"):
        assert contents(here, stage) == contents(there, stage)
    assert not [key for key in ray_cluster.stored() if key.startswith("released/build/released")]
    assert "0 encoded" in run(there, release.run)
    check_peaks(ray_cluster)


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_an_identity_whose_copies_were_cut_or_replaced_is_done_again_with_a_line(
    local: ProjectPaths, ray_cluster: RayCluster, tmp_path: Path, place: str
) -> None:
    ray_cluster.grow(2)
    storage = str(tmp_path / "storage") if place == "folder" else None
    project = on_cluster(local, tmp_path / f"damaged-{place}", ray_cluster, "crawl", storage=storage)
    run(project, crop.run)
    first, second, third, fourth = (f"{person.identity}.tar" for person in CAST[:4])
    damaged = [
        damage(project, f"build/crop/shards/{first}", cut),
        damage(project, f"build/crop/shards/{second}", replaced),
        damage(project, f"build/crop/shards/{third}", cut),
        damage(project, f"build/crawl/shards/{third}", replaced),
    ]
    damage(project, f"build/crop/shards/{fourth}", lambda _: b"")  # has no head, so that it is not even fetched
    shutil.rmtree(project.stage("crop"))
    printed, warnings = run_with_warnings(project, crop.run)
    assert f"{PEOPLE} identities made" in printed
    assert len(warnings) == len(damaged)
    for path in damaged:
        (line,) = [line for line in warnings if f"the copy of {path}, of " in line]
        assert line.endswith(f"is damaged and is removed; build/crop/shards/{Path(path).name} is done again")
    assert contents(project, "crop") == contents(local, "crop")
    shutil.rmtree(project.stage("crop"))
    assert run_with_warnings(project, crop.run)[1] == [], "the storage has sound copies again"
    assert contents(project, "crop") == contents(local, "crop")


def test_a_crawl_does_an_identity_again_whose_copy_was_cut_or_replaced(
    local: ProjectPaths, ray_cluster: RayCluster, tmp_path: Path
) -> None:
    ray_cluster.grow(2)
    project = on_cluster(local, tmp_path / "damaged-crawl", ray_cluster, "crawl")
    storage = ClusterStorage(config.load(project.params).compute.storage or "")
    unfetched, put = (project.shard("crawl", person.identity) for person in CAST[:2])
    for shard in (unfetched, put):
        storage.put(shard, f"build/crawl/shards/{shard.name}")
    unfetched.unlink()  # as if the driver had been killed before it fetched it
    (project.stage("crawl") / settled.TABLE).unlink()  # else no worker is asked
    damaged = [
        damage(project, f"build/crawl/shards/{unfetched.name}", cut),
        damage(project, f"build/crawl/shards/{put.name}", replaced),
    ]
    printed, warnings = run_with_warnings(project, crawl.run)
    assert "1 made" in printed and f"{PEOPLE - 1} left as they were" in printed
    assert len(warnings) == len(damaged)
    for path in damaged:
        (line,) = [line for line in warnings if f"the copy of {path}, of " in line]
        assert line.endswith("is damaged and is removed; the identity is done again")
    here, there = (pl.read_parquet(each.table("crawl", "images")) for each in (local, project))
    assert here.equals(there)


def test_a_killed_driver_goes_on_with_what_is_finished(
    local: ProjectPaths, ray_cluster: RayCluster, tmp_path: Path
) -> None:
    ray_cluster.grow(2)
    project = on_cluster(local, tmp_path / "driver", ray_cluster, "crawl")
    finished = kill_driver(ray_cluster, project, "crop", project.shards("crop"))
    assert f"{PEOPLE - FINISHED} identities made, {FINISHED} left as they were" in run(project, crop.run)
    assert finished.items() <= whole_shards(project.shards("crop")).items()
    assert contents(project, "crop") == contents(local, "crop")

    before = ray_cluster.stored()
    shutil.rmtree(project.stage("crop"))
    run(project, crop.run)
    assert ray_cluster.stored() == before  # what was finished is fetched, not made again
    assert contents(project, "crop") == contents(local, "crop")


def test_whoever_leaves_the_roster_leaves_the_storage(
    local: ProjectPaths, ray_cluster: RayCluster, tmp_path: Path
) -> None:
    project = on_cluster(local, tmp_path / "left", ray_cluster, "crawl")
    run(project, crop.run)
    gone = CAST[0].identity
    assert any(gone in key for key in ray_cluster.stored() if key.startswith("left/build/crop"))
    images = project.table("crawl", "images")
    pl.read_parquet(images).filter(pl.col("identity") != gone).write_parquet(images)
    run(project, crop.run)
    assert not any(gone in key for key in ray_cluster.stored() if key.startswith("left/build/crop"))


def test_a_failure_is_raised_as_it_was_on_the_worker(ray_cluster: RayCluster, tmp_path: Path) -> None:
    compute = config.Compute(engine="ray", address=ray_cluster.address)
    paths = [tmp_path / f"{number}.tar" for number in range(3)]
    with pytest.raises(FileNotFoundError, match=r"\d\.tar"):
        parallel_map.map_items(shards.rows_of, paths, compute=compute, title="rows")


def test_a_worker_with_other_code_stops_the_run(
    ray_cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_tasks, "package_digest", lambda: "newer")
    compute = config.Compute(engine="ray", address=ray_cluster.address)
    with pytest.raises(MtfError, match="another mtf than the driver"):
        parallel_map.map_items(shards.digest_of, [tmp_path], compute=compute, title="digests")


def test_the_doctor_names_each_machine_and_what_it_lacks(
    local: ProjectPaths, ray_cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray_cluster.grow(2)
    project = on_cluster(local, tmp_path / "doctor", ray_cluster)
    params = config.load(project.params)

    def findings(**changes: object) -> list[Finding]:
        compute = params.compute.model_copy(update=changes)
        return list(cluster_checks.examine(project, params.model_copy(update={"compute": compute})))

    assert f'ray = ["ray=={cluster_checks.TESTED_RAY}"]' in (ROOT / "pyproject.toml").read_text()
    cluster, *machines = findings()
    assert cluster.detail.startswith("2 machines, 2 cores")
    assert [(each.state, each.detail[:7]) for each in machines] == [("good", "1 cores")] * 2
    assert not [key for key in ray_cluster.stored() if "doctor" in key]
    assert {each.state for each in findings(storage=None)} == {"good"}, "on one machine all see the folder"

    missing = findings(storage="s3://no-such-bucket/project")
    assert [each.state for each in missing] == ["wrong"] and "s3://no-such-bucket" in missing[0].detail
    monkeypatch.setattr(cluster_checks, "package_digest", lambda: "newer")
    _, *machines = findings()
    assert {each.state for each in machines} == {"wrong"}
    assert "with other code than this machine" in machines[0].detail
    monkeypatch.setattr(cluster_checks, "version", lambda _name: "2.0.0")
    assert findings()[0].detail == "2.0.0 is installed, 2.60.0 is tested; `pip install 'mtf[ray]'` on every machine"


WITHOUT_MTF = """
import sys

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mtf":
            raise ModuleNotFoundError("No module named 'mtf'", name=name)

sys.meta_path.insert(0, Lacking())
"""
"""Python runs a module `sitecustomize` at its start: there is no `mtf` for it then."""


def test_the_doctor_names_a_machine_without_mtf(
    ray_cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    params = config.parse(settings | {"compute": ray_cluster.compute()})
    before = len(ray_cluster.nodes)
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_MTF)
    with monkeypatch.context() as there:
        there.setenv("PYTHONPATH", str(tmp_path))
        ray_cluster.grow(before + 1)
    try:
        cluster, *machines = cluster_checks.examine(ProjectPaths(tmp_path), params)
    finally:
        ray_cluster.kill(ray_cluster.nodes[-1])
    assert cluster.detail.startswith(f"{before + 1} machines")
    assert [each.state for each in machines].count("good") == before
    (lacking,) = [each for each in machines if each.state == "wrong"]
    assert lacking.detail == "has no mtf; install it there with the extra ray, and start its Ray again"


def test_a_cluster_that_does_not_answer_is_named(ray_cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    compute = config.Compute(engine="ray", address="127.0.0.1:1")
    with pytest.raises(MtfError, match=r"compute.address: no cluster answers at 127.0.0.1:1"):
        parallel_map.map_items(shards.digest_of, [Path()], compute=compute, title="digests")
