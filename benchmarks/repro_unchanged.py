"""Time of `make repro` when every stage is up to date.

    python benchmarks/repro_unchanged.py PROJECT [--times 3]

PROJECT is a clone of this repository in which `make repro` has completed. Nothing in it is changed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import crawled_project

TARGET_S = 15.0


def seconds(project: Path) -> float:
    began = time.perf_counter()
    done = subprocess.run(["make", "repro"], cwd=project, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"repro_unchanged: make repro ended with exit code {done.returncode}: {done.stderr[-300:]}")
    if "Running stage" in done.stdout:
        sys.exit("repro_unchanged: a stage ran; run `make repro` to its end first")
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    print(f"machine: {crawled_project.machine()}")
    taken = [seconds(arguments.project) for _ in range(arguments.times)]
    print(f"make repro, nothing changed: {statistics.median(taken):.1f} s (target under {TARGET_S:.0f} s)")


if __name__ == "__main__":
    main()
