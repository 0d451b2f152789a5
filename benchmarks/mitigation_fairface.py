"""Mitigation of differences between groups on FairFace: each method against the plain recipe, from one run.

Usage: python benchmarks/mitigation_fairface.py [--images 3000] [--epochs 4] [--seeds 3]
It takes some minutes of processor time for each seed.

A project of FairFace's first pictures is made in a temporary folder. In it runs `mtf compare mitigation --task gender
--by race`. Printed are accuracy and gap of each method with their standard deviation over seeds, and their ratio to
those without any.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path

import yaml

from mtf import config
from mtf.cli import dataset
from mtf.cli.dataset_sources import DatasetKind
from mtf.comparison import mitigation
from mtf.core.project_paths import ProjectPaths

DATA = Path(__file__).parents[2] / "shared" / "data" / "fairface"


def project(root: Path, *, images: int, epochs: int) -> ProjectPaths:
    lines = (DATA / "labels.csv").read_text(encoding="utf-8").splitlines()
    (root / "labels.csv").write_text("\n".join(lines[: images + 1]), encoding="utf-8")
    dataset.import_(DatasetKind.FAIRFACE, DATA / "train.tar", root / "project", labels=root / "labels.csv", crops=True)
    workspace = ProjectPaths(root / "project")
    raw = yaml.safe_load(workspace.params.read_text(encoding="utf-8"))
    raw["train"]["input_px"] = 48
    raw["train"]["recipes"]["small"]["max_epochs"] = epochs
    workspace.params.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        workspace = project(Path(folder), images=chosen.images, epochs=chosen.epochs)
        params = config.load(workspace.params)
        found = mitigation.run(
            workspace, params, model="small_cnn", task="gender", by="race", recipe="small", seeds=chosen.seeds
        )
        print_table(found)


def print_table(found: dict) -> None:
    plain = found["methods"]["none"]
    print(
        "method        accuracy          by none   gap by race       by none   change of the lowest and highest group"
    )
    for method, figures in found["methods"].items():
        gap, first = figures["by_group"]["race"]["gap"], plain["by_group"]["race"]["gap"]
        changes = {group: 100 * change["mean"] for group, change in figures["change"]["groups"].items()}
        lowest, highest = min(changes, key=lambda g: changes[g]), max(changes, key=lambda g: changes[g])
        print(
            f"{method:12}  {shown(figures['accuracy'])}  {figures['accuracy']['mean'] / plain['accuracy']['mean']:.3f}"
            f"   {shown(gap)}  {gap['mean'] / first['mean']:.2f}"
            f"   {lowest} {changes[lowest]:+.1f}, {highest} {changes[highest]:+.1f} points"
        )
    for method, reason in found["left_out"].items():
        print(f"{method}: left out: {reason}")


def shown(figure: dict) -> str:
    deviation = "" if figure["std"] is None else f" ± {100 * figure['std']:.1f}"
    return f"{100 * figure['mean']:.1f}{deviation} %"


if __name__ == "__main__":
    main()
