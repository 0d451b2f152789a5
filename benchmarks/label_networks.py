"""EFRS's comparison with networks of the registry beside its own models, on FairFace: `mtf label compare gender`.

Usage: python benchmarks/label_networks.py [--images 1000] [--networks alexnet resnet50] [--epochs 10] [--seeds 3]
AlexNet and ResNet-50 take some minutes of processor time for each seed.

A project of FairFace's first pictures is made in a temporary folder, divided 72/8/20. The networks start from scratch:
EFRS proposes a pre-trained ResNet, whose weights torchvision downloads (`resnet50-pretrained`). Printed are EFRS's
tables; behind several seeds, each with a division of its own, every figure is a mean with its 95 % interval.
`--project FOLDER` keeps the project and what is fitted; a second run continues there.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

import yaml

from mtf import config
from mtf.cli import dataset
from mtf.cli.dataset_sources import DatasetKind
from mtf.core.project_paths import ProjectPaths
from mtf.label_classifier import model_comparison
from mtf.papers import efrs_tables

DATA = Path(__file__).parents[2] / "shared" / "data" / "fairface"


def project(root: Path, *, images: int, input_px: int, network_epochs: int) -> ProjectPaths:
    workspace = ProjectPaths(root / "project")
    if not workspace.params.is_file():
        lines = (DATA / "labels.csv").read_text(encoding="utf-8").splitlines()
        (root / "labels.csv").write_text("\n".join(lines[: images + 1]), encoding="utf-8")
        dataset.import_(
            DatasetKind.FAIRFACE, DATA / "train.tar", workspace.root, labels=root / "labels.csv", crops=True
        )
    raw = yaml.safe_load(workspace.params.read_text(encoding="utf-8"))
    raw["train"]["input_px"] = input_px
    raw["train"]["recipe"] = "small"
    raw["train"]["recipes"]["small"]["max_epochs"] = network_epochs
    workspace.params.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--networks", nargs="*", default=["alexnet", "resnet50"])
    parser.add_argument("--epochs", type=int, default=10, help="of EFRS's models; EFRS: 10")
    parser.add_argument("--network-epochs", type=int, default=5, help="of the networks, by the recipe `small`")
    parser.add_argument("--input-px", type=int, default=64, help="side of the networks' pictures")
    parser.add_argument("--attribute", default="gender")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--project", type=Path, help="folder to keep")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = chosen.project or Path(scratch)
        root.mkdir(parents=True, exist_ok=True)
        workspace = project(
            root.resolve(), images=chosen.images, input_px=chosen.input_px, network_epochs=chosen.network_epochs
        )
        started = time.process_time()
        with contextlib.chdir(workspace.root):
            found = model_comparison.compare(
                workspace,
                config.load(workspace.params),
                attribute=chosen.attribute,
                model=None,
                networks_beside=chosen.networks,
                epochs=chosen.epochs,
                seed=42,
                seeds=chosen.seeds,
            )
        print(efrs_tables.markdown(found).rstrip())
        print(f"\n{(time.process_time() - started) / 60:.1f} minutes of processor time")


if __name__ == "__main__":
    main()
