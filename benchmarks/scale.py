"""Plan for a data set of 1 M, 100 M and 10 G pictures: hours, money, storage, and what breaks first.

    .venv/bin/python benchmarks/scale.py [--machines 2 20 200]
    .venv/bin/python benchmarks/scale.py --measure      measures the costs anew, on the Congress portraits (a minute)

The plan is computed from `scale_costs.json`: processor time and bytes of each stage for one picture, as measured, and
the assumptions, each with its source. For each size the crawl is simulated: pictures fall on hosts by a power law, each
host sends as fast as its limits permit, and the crawl ends with its slowest host. The stages after it are bound by the
cores, or by what passes one place: the driver, which fetches each shard, and the tables, which one machine reads.
"""

from __future__ import annotations

import argparse
import json
import resource
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from crawled_project import REAL_DATA, ROOT, write_crawl
from mtf import config
from mtf.core.project_paths import ProjectPaths

COSTS = Path(__file__).with_name("scale_costs.json")
SIZES = {"1 M": 10**6, "100 M": 10**8, "10 G": 10**10}
PORTRAITS = 100
PER_IDENTITY = 10


def measured() -> dict[str, Any]:
    """Processor milliseconds and bytes for a picture, of crop, screen and the release's encoding; with one process."""
    from mtf.pipeline import crop, screen

    with tempfile.TemporaryDirectory() as name:
        workspace = ProjectPaths(Path(name))
        params = config.load(ROOT / "params.yaml")
        params = params.model_copy(update={"compute": config.Compute(workers=1)})
        with tarfile.open(REAL_DATA / "congress" / "portraits.tar") as tar:
            files = [tar.extractfile(member) for member in tar if member.isfile()][:PORTRAITS]
            pictures = [file.read() for file in files if file is not None]
        people = {
            f"person-{start}": pictures[start : start + PER_IDENTITY] for start in range(0, PORTRAITS, PER_IDENTITY)
        }
        write_crawl(workspace, people)
        found: dict[str, Any] = {}
        for stage, run in (("crop", crop.run), ("screen", screen.run)):
            found[stage] = {"processor_ms": _processor_ms(lambda run=run: run(workspace, params))}
            found[stage]["bytes"] = _bytes(workspace, stage)
        found["release"] = _release(workspace, params)
    return found


def _release(workspace: ProjectPaths, params: config.Params) -> dict[str, float]:
    import polars as pl

    from mtf.core import shards
    from mtf.faces.box import Box
    from mtf.release.encoding import Encoding, published_square

    rows = pl.read_parquet(workspace.table("crop", "faces"))
    encoding = Encoding(params.release.size_px, params.release.jpeg_quality, params.release.enlarge)
    sizes: list[int] = []

    def encode() -> None:
        for row in rows.iter_rows(named=True):
            data = shards.read(workspace.shard("crop", row["identity"]), row["offset"], row["size_bytes"])
            box = Box(row["x"] - row["crop_x"], row["y"] - row["crop_y"], row["width"], row["height"])
            sizes.append(len(published_square(data, face=box, encoding=encoding).data))

    return {"processor_ms": _processor_ms(encode), "bytes": round(sum(sizes) / PORTRAITS)}


def _processor_ms(work: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return round(1000 * seconds / PORTRAITS, 2)


def _bytes(workspace: ProjectPaths, stage: str) -> int:
    files = [path for path in workspace.stage(stage).rglob("*") if path.is_file()]
    return round(sum(path.stat().st_size for path in files) / PORTRAITS)


def host_hours(pictures: int, costs: dict[str, Any], *, seed: int = 0) -> tuple[float, float]:
    """Hours until the slowest host has sent its pictures, and until nine in ten of all pictures are here.

    Hosts grow in number as the square root of the pictures; the share of the host of rank r falls as 1/r.
    """
    limits = costs["assumed"]
    count = int(limits["hosts_for_a_million"]["value"] * np.sqrt(pictures / 10**6))
    weights = 1 / np.arange(1, count + 1)
    sent = np.random.default_rng(seed).multinomial(pictures, weights / weights.sum())
    per_s = limits["pictures_a_second_of_a_host"]["value"]
    hours = np.sort(sent / per_s / 3600)
    sent.sort()
    # Pictures here when each host has ended: all of the smaller ones, and as many of each larger one.
    done = np.cumsum(sent) + sent * np.arange(count - 1, -1, -1)
    return float(hours[-1]), float(hours[np.searchsorted(done, 0.9 * pictures).clip(max=count - 1)])


def plan(pictures: int, machines: int, costs: dict[str, Any]) -> dict[str, float]:
    """Hours, money and bytes for one size on so many machines."""
    stages, assumed = costs["measured"], {name: each["value"] for name, each in costs["assumed"].items()}
    cores = machines * assumed["cores_a_machine"]
    core_hours = sum(pictures * stage.get("processor_ms", 0) for stage in stages.values()) / 3.6e6
    slowest, most = host_hours(pictures, costs)
    kept = sum(stage["bytes"] for stage in stages.values()) * pictures
    shards = pictures / assumed["pictures_an_identity"] * 3
    driver_h = kept / (assumed["network_gbit_s"] * 1e9 / 8) / 3600
    requests = shards * 3 * assumed["dollars_a_million_requests"] / 1e6
    return {
        "core_hours": core_hours,
        "cores_h": core_hours / cores,
        "hosts_h": slowest,
        "hosts_90_h": most,
        "driver_h": driver_h,
        "dvc_h": shards * assumed["dvc_ms_a_file"] / 3.6e6,
        "tables_gib": costs["tables_gib_for_10_million"]["value"] * pictures / 10**7,
        "terabytes": kept / 1e12,
        "dollars": core_hours * assumed["dollars_a_core_hour"] + requests,
        "dollars_a_month": kept / 1e9 * assumed["dollars_a_gigabyte_month"],
        "review_h": pictures * assumed["looks_a_picture"] * assumed["seconds_a_look"] / 3600,
    }


def first_to_break(row: dict[str, float], costs: dict[str, Any]) -> str:
    """The part that takes longest, or that does not fit at all."""
    memory = costs["assumed"]["memory_gib"]["value"]
    if row["tables_gib"] > memory:
        return f"the tables: {row['tables_gib']:,.0f} GiB to read on one machine of {memory:g}"
    names = {
        "hosts_h": "the hosts' limits",
        "cores_h": "the cores",
        "driver_h": "the driver's network",
        "dvc_h": "DVC, one file after another",
    }
    slowest = max(names, key=lambda name: row[name])
    return names[slowest]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--machines", type=int, nargs="+", default=[2, 20, 200])
    options.add_argument("--measure", action="store_true")
    chosen = options.parse_args()
    costs = json.loads(COSTS.read_text())
    if chosen.measure:
        fresh = measured()
        for stage, values in fresh.items():
            costs["measured"].setdefault(stage, {}).update(values)
        COSTS.write_text(json.dumps(costs, indent=2) + "\n")
        print(json.dumps(costs["measured"], indent=2))
    print(
        "| pictures | machines | cores | hosts: 90 %, all | driver | DVC | compute | storage | tables | breaks first |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for (name, pictures), machines in zip(SIZES.items(), chosen.machines, strict=False):
        row = plan(pictures, machines, costs)
        cells = (
            name,
            str(machines),
            _h(row["cores_h"]),
            f"{_h(row['hosts_90_h'])}, {_h(row['hosts_h'])}",
            _h(row["driver_h"]),
            _h(row["dvc_h"]),
            f"{row['core_hours']:,.0f} core hours, ${row['dollars']:,.0f}",
            f"{row['terabytes']:,.2f} TB, ${row['dollars_a_month']:,.0f} a month",
            f"{row['tables_gib']:,.1f} GiB",
            first_to_break(row, costs),
        )
        print(f"| {' | '.join(cells)} |")
    for name, pictures in SIZES.items():
        print(f"People's review of {name}: {plan(pictures, 1, costs)['review_h']:,.0f} hours")


def _h(hours: float) -> str:
    return f"{hours:,.1f} h" if hours < 100 else f"{hours / 24:,.0f} days"


if __name__ == "__main__":
    main()
