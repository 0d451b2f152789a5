"""Peak memory of each stage with 20 and with 640 made-up identities.

It should grow with the size of one identity, not with their number.

    python benchmarks/peak_memory.py [--identities 20 640] [--pictures 6] [--stages crawl crop …]

Each stage runs as `mtf STAGE` in a project of drawn pictures, with a folder source and without reviewers (mode
non_curated). small_cnn is trained for one epoch, on one task and on several. The peak is the sum over the process and
its children, sampled every 20 ms. A missing or failing stage is reported and skipped, with all stages after it.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

import crawled_project
from one_changed_identity import pictures_of

MODEL, TASK, WEIGHTING = "small_cnn", "gender", "equal"
STAGES = {
    **{name: (name,) for name in ("crawl", "crop", "screen", "curate", "split")},
    "train": ("train", "--model", MODEL, "--task", TASK),
    "multitask": ("multitask", "--weighting", WEIGHTING),
    **{name: (name,) for name in ("evaluate", "validate", "release", "report")},
}
SAMPLE_EVERY_S = 0.02
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class StageFailed(Exception):
    """Error: a stage ended with an exit code other than 0."""


def write_project(root: Path, identities: int, pictures: int) -> None:
    raw: dict[str, Any] = yaml.safe_load((crawled_project.ROOT / "params.yaml").read_text())
    # Each picture in Commons' terms: the folder's owner states a license that the policy permits.
    source = {"kind": "folder", "path": "pictures", "license": "CC0-1.0", "creator": "this benchmark"}
    raw["crawl"] |= {"web": None, "sources": [source]}
    raw["curate"] |= {"mode": "non_curated", "min_images_per_identity": 1}
    raw["split"] |= {"min_train": 1, "min_val": 1, "min_test": 1}
    raw["train"] |= {"models": [MODEL], "tasks": [TASK], "recipe": "small"}
    raw["train"]["recipes"]["small"] |= {"max_epochs": 1, "warmup_epochs": 0}
    raw["multitask"] |= {"backbone": MODEL, "weightings": [WEIGHTING], "recipe": "small"}
    raw["fairness"] |= {"bootstraps": 100}
    raw["release"] |= {"variants": ["multi_task"]}
    # Noise is enough: only memory is measured.
    raw["gates"] |= {"label_share": [0, 1], "min_images": 1, "identity_share": 1, "split_share": 1}
    (root / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    (root / "pictures").mkdir()
    (root / "data").mkdir()
    labels = {name: task["labels"] for name, task in raw["tasks"].items() if "labels" in task}
    columns = {raw["tasks"][name]["column"]: values for name, values in labels.items()}
    with (root / "data" / "roster.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["identity", "name", "files", *columns])
        for number in range(identities):
            names = [f"{number:03d}-{one}.jpg" for one in range(pictures)]
            for name, data in zip(names, pictures_of(number, pictures), strict=True):
                (root / "pictures" / name).write_bytes(data)
            # Every combination of labels, so that each has identities enough to be split.
            chosen, rest = [], number
            for values in columns.values():
                rest, which = divmod(rest, len(values))
                chosen.append(values[which])
            writer.writerow([f"person-{number:03d}", f"Person {number}", ";".join(names), *chosen])


def peak_mib(stage: str, root: Path) -> float:
    """Largest resident memory of `mtf STAGE` and its children together. Raises StageFailed."""
    program = [str(Path(sys.executable).with_name("mtf")), *STAGES[stage]]
    with (root / f"{stage}.log").open("w") as log:
        process = subprocess.Popen(program, cwd=root, stdout=log, stderr=subprocess.STDOUT)
        peak = 0
        while process.poll() is None:
            peak = max(peak, family_bytes(process.pid))
            time.sleep(SAMPLE_EVERY_S)
    if process.returncode:
        lines = (root / f"{stage}.log").read_text().strip().splitlines()
        raise StageFailed(f"exit code {process.returncode}: {lines[-1][:160] if lines else 'no words'}")
    return peak / 2**20


def family_bytes(pid: int) -> int:
    """Resident bytes of a process and its descendants; memory shared by fork counts once per process."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except (OSError, IndexError):
        return 0
    return own + sum(family_bytes(child) for child in children)


def measured(identities: int, pictures: int, stages: list[str]) -> dict[str, float | str]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_project(root, identities, pictures)
        results: dict[str, float | str] = {}
        for stage in stages:
            try:
                results[stage] = peak_mib(stage, root)
            except StageFailed as error:
                print(f"{stage} with {identities} identities, and what follows it: skipped, {error}")
                break
        return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identities", type=int, nargs=2, default=[20, 640])
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES)
    arguments = parser.parse_args()
    print(f"machine: {crawled_project.machine()}")
    if shutil.which("mtf", path=str(Path(sys.executable).parent)) is None:
        sys.exit("peak_memory: skipped, mtf is not installed beside this Python")
    few, many = (measured(count, arguments.pictures, arguments.stages) for count in arguments.identities)
    head = (f"{count} identities, MiB" for count in arguments.identities)
    print(f"{'stage':10}{next(head):>22}{next(head):>22}{'more':>8}")
    for stage in few:
        if stage in many:
            print(f"{stage:10}{few[stage]:22.0f}{many[stage]:22.0f}{many[stage] / few[stage] - 1:8.0%}")


if __name__ == "__main__":
    main()
