"""Gender on photographs and on drawn faces: each network on the other's kind, by `mtf evaluate --on`.

Usage: python benchmarks/synthetic_set.py [--images 3000] [--epochs 6] [--people 80] [--sample PROJECT]

- Photographs: FairFace's first pictures, divided 72/8/20. `small_cnn` learns gender from them.
- Drawn faces: portraits as in the sample, but of other people: `--people` of them, five pictures each. A fourth of them
  has each combination of gender and age. They lie in folders by label (`Female/Old/…`), as challenge sets do.
- `--sample` names a clone in which `make repro` has run. Its network, which learnt from drawn faces, is measured on the
  same two sets.

Intervals are of 95 %, by person.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from mtf import config
from mtf.cli import dataset
from mtf.cli.dataset_sources import DatasetKind
from mtf.comparison import other_set_results, other_sets
from mtf.core.project_paths import ProjectPaths
from mtf.datasets.label_mapping import ColumnMapping
from mtf.pipeline import train
from mtf.sample import people, photograph, picture_files

DATA = Path(__file__).parents[2] / "shared" / "data" / "fairface"
MODEL, TASK = "small_cnn", "gender"
PICTURES = 5
# Labels of the sample → those of FairFace.
GENDERS = {people.MALES: "Male", people.FEMALES: "Female"}


def fairface_project(root: Path, *, images: int, epochs: int) -> ProjectPaths:
    lines = (DATA / "labels.csv").read_text(encoding="utf-8").splitlines()
    labels = root / "labels.csv"
    labels.write_text("\n".join(lines[: images + 1]), encoding="utf-8")
    dataset.import_(DatasetKind.FAIRFACE, DATA / "train.tar", root / "fairface", labels=labels, crops=True)
    workspace = ProjectPaths(root / "fairface")
    raw = yaml.safe_load(workspace.params.read_text(encoding="utf-8"))
    raw["train"] |= {"recipe": "small", "models": [MODEL]}
    raw["train"]["recipes"]["small"]["max_epochs"] = epochs
    workspace.params.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return workspace


def draw(folder: Path, *, count: int) -> Path:
    """Draw `count` people; returns the CSV file of their labels."""
    kinds = itertools.cycle(itertools.product(GENDERS, (people.YOUNG, people.OLD), people.PALETTES))
    rows = []
    for number in range(count):
        gender, age, race = next(kinds)
        person = people.Person(f"drawn-{number}", f"Drawn {number}", race, gender, age)
        for picture in range(PICTURES):
            rng = np.random.default_rng([number, picture])
            taken = photograph.portrait(person.traits(), person.identity, rng)
            file = f"{GENDERS[gender]}/{age}/{number}-{picture}.jpg"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(picture_files.jpeg(taken.pixels).data)
            rows.append({"file": file, "identity": person.identity, TASK: GENDERS[gender]})
    labels = folder.with_suffix(".csv")
    text = "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)])
    labels.write_text(text + "\n", encoding="utf-8")
    return labels


def copied(project: Path, root: Path) -> ProjectPaths:
    """Project in `root` with params.yaml, split and network of `project`, where nothing is written."""
    for name in ("params.yaml", "build/split/splits.parquet", f"build/models/{MODEL}/{TASK}/model.pt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project / name, root / name)
    return ProjectPaths(root)


def measured(
    workspace: ProjectPaths, genders: Mapping[str, str | None], drawn: Path, labels: Path, photographs: Path
) -> dict[str, dict]:
    """Set → figures of the network for gender in the project; `genders` are labels of the sets → its own."""
    params = config.load(workspace.params)
    mapping = {column: ColumnMapping(column, genders if column == TASK else {}) for column in params.attributes}
    files = [workspace.stage("models") / MODEL / TASK / "model.pt"]
    with contextlib.chdir(workspace.root):
        sets = {
            "photographs": other_sets.of_project(photographs, part="test"),
            "drawn faces": other_sets.of_folder(workspace, params, drawn, mapping, labels=labels, cropped=True),
        }
        return {
            name: other_set_results.run(workspace, params, each, mapping, files=files) for name, each in sets.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=3000, help="photographs, the test part included")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--people", type=int, default=80, help="drawn people")
    parser.add_argument("--sample", type=Path, help="project of the sample, with its trained network")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        real = fairface_project(root, images=chosen.images, epochs=chosen.epochs)
        drawn = root / "drawn"
        labels = draw(drawn, count=chosen.people)
        with contextlib.chdir(real.root):
            train.run(real, config.load(real.params), model=MODEL, task=TASK)
        trained: dict[str, tuple[ProjectPaths, dict[str, str | None]]] = {"photographs": (real, {})}
        if chosen.sample is not None:
            of_sample = copied(chosen.sample, root / "sample")
            trained["drawn faces"] = (of_sample, {there: here for here, there in GENDERS.items()})
        print("| learnt from | measured on | pictures, people | accuracy | macro F1 |\n|---|---|---|---|---|")
        for name, (workspace, genders) in trained.items():
            for other, figures in measured(workspace, genders, drawn, labels, real.root).items():
                print(row(name, other, figures), flush=True)


def row(name: str, other: str, figures: Mapping) -> str:
    task = next(iter(figures["networks"].values()))["tasks"][TASK]
    ends = f" ({100 * task['low']:.1f} to {100 * task['high']:.1f})" if task.get("low") is not None else ""
    counts = f"{task['n']:,}, {figures['set']['people'] or task['n']:,}"
    return f"| {name} | {other} | {counts} | {100 * task['accuracy']:.1f} %{ends} | {100 * task['f1']:.1f} % |"


if __name__ == "__main__":
    main()
