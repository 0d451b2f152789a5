"""Time of a run in which nothing is due, and how much of it is not DVC's own.

    python benchmarks/repro_unchanged.py PROJECT [--times 3]

PROJECT is a clone of this repository in which `make repro` has completed. Nothing in it is changed. `make repro` is
compared with DVC alone on the same pipeline, each in turn; what a project of one's own adds is its first stage,
`mtf deps --installed`, which runs each time.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import crawled_project

TARGET_S, OVER_DVC_S = 15.0, 2.0
DVC = [sys.executable, "-m", "dvc", "repro"]
OWN_STAGE = [sys.executable, "-m", "mtf", "deps", "--installed"]


def seconds(project: Path, command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"repro_unchanged: {' '.join(command)} ended with exit code {done.returncode}: {done.stderr[-300:]}")
    if "Running stage" in done.stdout:
        sys.exit("repro_unchanged: a stage ran; run `make repro` to its end first")
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    print(f"machine: {crawled_project.machine()}")
    taken: dict[str, list[float]] = {"make": [], "dvc": [], "own": []}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("params.yaml", "dvc.yaml"):
            shutil.copy(arguments.project / name, folder)
        for _ in range(arguments.times):
            taken["make"].append(seconds(arguments.project, ["make", "repro"]))
            taken["dvc"].append(seconds(arguments.project, DVC))
            taken["own"].append(seconds(Path(folder), OWN_STAGE))
    whole, dvc, own = (statistics.median(each) for each in taken.values())
    print(f"make repro, nothing changed: {whole:.1f} s (target under {TARGET_S:.0f} s)")
    print(f"dvc repro alone: {dvc:.1f} s, so {whole - dvc:.1f} s over DVC (target under {OVER_DVC_S:.0f} s)")
    print(f"in a project of one's own: its first stage, {own:.1f} s over DVC (target under {OVER_DVC_S:.0f} s)")


if __name__ == "__main__":
    main()
