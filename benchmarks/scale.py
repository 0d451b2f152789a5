"""Plan for a data set of 1 M, 100 M and 10 G pictures: hours, money, storage, and what breaks first.

    .venv/bin/python benchmarks/scale.py [--machines 2 20 200]
    .venv/bin/python benchmarks/scale.py --measure      measures the costs anew, on the Congress portraits (two minutes)

The plan is computed from `scale_costs.json`: processor time and bytes of each stage for a picture and for an identity,
as `stage_costs.py` measures them, and the assumptions, each with its source. For each size the crawl is simulated:
pictures fall on hosts by a power law, each host sends as fast as its limits permit, and the crawl ends with its slowest
host. The stages after it are bound by the cores, or by what passes one place: the driver, which fetches each shard and
runs the stages that read whole tables, and the tables, which one machine reads.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

COSTS = Path(__file__).with_name("scale_costs.json")
SIZES = {"1 M": 10**6, "100 M": 10**8, "10 G": 10**10}
# Stages that run on all machines; the others run on the driver. `embed` is no stage: whoever wants its table runs it.
SHARED = ("crawl", "crop", "screen", "release")
EMBED = "embed"


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
    identities = pictures / assumed["pictures_an_identity"]
    hours = {
        name: (pictures * stage["processor_ms"] + identities * stage["processor_ms_an_identity"]) / 3.6e6
        for name, stage in stages.items()
    }
    core_hours = sum(hours[name] for name in SHARED)
    alone_h = sum(hours[name] for name in hours if name not in (*SHARED, EMBED))
    slowest, most = host_hours(pictures, costs)
    kept = (assumed["bytes_a_picture"] + sum(stages[name]["bytes"] for name in SHARED)) * pictures
    shards = identities * 3
    driver_h = kept / (assumed["network_gbit_s"] * 1e9 / 8) / 3600
    requests = shards * 3 * assumed["dollars_a_million_requests"] / 1e6
    return {
        "core_hours": core_hours,
        "cores_h": core_hours / cores,
        "alone_h": alone_h,
        "embed_h": hours[EMBED],
        "hosts_h": slowest,
        "hosts_90_h": most,
        "driver_h": driver_h,
        "dvc_h": shards * assumed["dvc_ms_a_file"] / 3.6e6,
        "tables_gib": costs["tables_gib_for_10_million"]["value"] * pictures / 10**7,
        "terabytes": kept / 1e12,
        "dollars": (core_hours + alone_h) * assumed["dollars_a_core_hour"] + requests,
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
        "alone_h": "the driver's stages, on one core",
        "driver_h": "the driver's network",
        "dvc_h": "DVC, one file after another",
    }
    slowest = max(names, key=lambda name: row[name])
    return names[slowest]


def print_costs(costs: dict[str, Any]) -> None:
    """Costs of each stage, and what an identity with all its pictures comes to."""
    each = costs["assumed"]["pictures_an_identity"]["value"]
    print(
        f"| stage | a picture | an identity, beside its pictures | an identity with {each} pictures | bytes a picture |"
    )
    print("|---|---|---|---|---|")
    for stage, cost in costs["measured"].items():
        picture_ms, identity_ms = cost["processor_ms"], cost["processor_ms_an_identity"]
        kept = f"{cost['bytes']:,}" if "bytes" in cost else ""
        whole_s = (each * picture_ms + identity_ms) / 1000
        print(f"| {stage} | {picture_ms:.2f} ms | {identity_ms:.1f} ms | {whole_s:.2f} s | {kept} |")
    print()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--machines", type=int, nargs="+", default=[2, 20, 200])
    options.add_argument("--measure", action="store_true")
    chosen = options.parse_args()
    costs = json.loads(COSTS.read_text())
    if chosen.measure:
        # It imports the stages, which the plan does not need.
        import stage_costs

        costs["measured"] = stage_costs.measured()
        COSTS.write_text(json.dumps(costs, indent=2) + "\n")
    print_costs(costs)
    print(
        "| pictures | machines | cores | hosts: 90 %, all | driver | one core | DVC | compute | storage | tables "
        "| breaks first |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for (name, pictures), machines in zip(SIZES.items(), chosen.machines, strict=False):
        row = plan(pictures, machines, costs)
        cells = (
            name,
            str(machines),
            _h(row["cores_h"]),
            f"{_h(row['hosts_90_h'])}, {_h(row['hosts_h'])}",
            _h(row["driver_h"]),
            _h(row["alone_h"]),
            _h(row["dvc_h"]),
            f"{row['core_hours'] + row['alone_h']:,.0f} core hours, ${row['dollars']:,.0f}",
            f"{row['terabytes']:,.2f} TB, ${row['dollars_a_month']:,.0f} a month",
            f"{row['tables_gib']:,.1f} GiB",
            first_to_break(row, costs),
        )
        print(f"| {' | '.join(cells)} |")
    for name, pictures in SIZES.items():
        row = plan(pictures, 1, costs)
        print(f"{name}: review by people {row['review_h']:,.0f} hours; `mtf embed` {row['embed_h']:,.0f} core hours")


def _h(hours: float) -> str:
    return f"{hours:,.1f} h" if hours < 100 else f"{hours / 24:,.0f} days"


if __name__ == "__main__":
    main()
