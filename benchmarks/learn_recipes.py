"""Recipes of params.yaml against each other on real faces: ORL and LFW (who is it?), FairFace (gender, race, age).

- ORL: 5 training pictures of each of the 40 people, 1 for validation, 4 for the test.
- LFW: the people with 5 pictures or more, the first 10 of each: three fifths, a fifth (one at least), the rest.
- FairFace: `--fairface` training pictures, a fifth as many for validation, 1,000 for the test.

Each recipe trains from several seeds, which also draw the divisions. Prints the mean test accuracy and its standard
deviation. `--results FILE` keeps each finished training, so that a second run continues there.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtf import config
from mtf.comparison import run_figures
from mtf.comparison.trials import ComparisonData, ComparisonRun
from mtf.core import shards
from mtf.datasets import fairface, tables
from mtf.label_classifier import roster_contradictions
from mtf.training import input_cache
from mtf.training.data import Examples

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "data"
SETS = ("orl", "lfw", "fairface")
MIN_PICTURES, MAX_PICTURES = 5, 10
FAIRFACE_TEST = 1000
FAIRFACE_TASKS = ("gender", "race", "age")


@dataclass(frozen=True)
class Labelled:
    """Pictures (n, size, size, 3) of a data set, and the number of the label of each.

    - `task`, `labels`: the task and its labels;
    - `per_label`: divided within each label, else all together.
    """

    task: str
    labels: Sequence[str]
    pictures: np.ndarray
    targets: np.ndarray
    per_label: bool


def people(path: Path, name: str, *, size_px: int) -> Labelled:
    """The people of a tar with a folder for each, who have MIN_PICTURES or more."""
    by_person: dict[str, list[str]] = {}
    members = shards.members(path)
    for member in sorted(members):
        if re.search(name, member):
            by_person.setdefault(member.split("/")[-2], []).append(member)
    chosen = {person: files[:MAX_PICTURES] for person, files in by_person.items() if len(files) >= MIN_PICTURES}
    pictures = [decoded(shards.read(path, *members[file]), size_px) for files in chosen.values() for file in files]
    targets = np.repeat(np.arange(len(chosen)), [len(files) for files in chosen.values()])
    return Labelled("recognition", list(chosen), np.stack(pictures), targets, per_label=True)


def decoded(data: bytes, size_px: int) -> np.ndarray:
    found = input_cache.decoded(data, size_px=size_px)
    if found is None:
        raise ValueError("a file that is not readable as a picture")
    return found


def attributes(folder: Path, *, count: int, size_px: int) -> Iterator[Labelled]:
    """Tasks of FairFace over the same `count` pictures, drawn with a fixed seed, without exact duplicates."""
    table, files = fairface.load(folder / "labels.csv").pictures, tables.Files(folder / "train.tar")
    digests = [hashlib.sha256(files.read(file)).hexdigest() for file in table["file"]]
    chosen = table[sorted(np.unique(digests, return_index=True)[1])].sample(count, seed=0, shuffle=True)
    pictures = np.stack([decoded(files.read(file), size_px) for file in chosen["file"]])
    for task in FAIRFACE_TASKS:
        labels = fairface.ATTRIBUTES[task]
        yield Labelled(
            task, labels, pictures, roster_contradictions.label_numbers(chosen[task], labels), per_label=False
        )


def divided(data: Labelled, *, seed: int, fairface_train: int) -> ComparisonData:
    random = np.random.default_rng(seed)
    groups = (
        [np.flatnonzero(data.targets == label) for label in range(len(data.labels))]
        if data.per_label
        else [np.arange(len(data.targets))]
    )
    rows: dict[str, list[np.ndarray]] = {"train": [], "val": [], "test": []}
    for group in groups:
        mixed = random.permutation(group)
        first = fairface_train if not data.per_label else len(group) // 2 if len(group) == 10 else len(group) * 3 // 5
        second = first + (fairface_train // 5 if not data.per_label else max(1, len(group) // 10))
        for part, some in zip(rows, np.split(mixed, [first, second]), strict=True):
            rows[part].append(some)
    examples = {
        part: Examples(data.pictures, np.concatenate(some), data.targets[np.concatenate(some)])
        for part, some in rows.items()
    }
    digest = hashlib.sha256(data.pictures.tobytes()).hexdigest()
    return ComparisonData(
        data.task, list(data.labels), examples["train"], examples["val"], {"test": examples["test"]}, digest
    )


def read(name: str, arguments: argparse.Namespace) -> Iterator[Labelled]:
    if name == "orl":
        yield people(REAL / "orl" / "faces.tar", r"s\d\d/\d\d\.pgm$", size_px=arguments.size_px)
    elif name == "lfw":
        yield people(REAL / "lfw" / "faces.tar", r"_\d{4}\.jpg$", size_px=arguments.size_px)
    else:
        count = arguments.fairface + arguments.fairface // 5 + FAIRFACE_TEST
        yield from attributes(REAL / "fairface", count=count, size_px=arguments.size_px)


def row(name: str, recipe: str, images: Mapping[str, int], finished: Sequence[Mapping]) -> str:
    figures = {
        figure: run_figures.mean_and_std([run["tests"]["test"][figure] for run in finished])
        for figure in ("accuracy", "f1")
    }
    epochs = run_figures.format_mean_std(run_figures.mean_and_std([run["epochs"] for run in finished]), digits=0)
    cells = [run_figures.format_mean_std(each, unit=" %", scale=100) for each in figures.values()]
    counts = " / ".join(f"{count:,}" for count in images.values())
    return f"| {name} | `{recipe}` | {counts} | {' | '.join(cells)} | {epochs} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--model", default="small_cnn")
    parser.add_argument("--recipes", nargs="+", default=["small", "mtf", "modern"], help="of params.yaml")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--fairface", type=int, default=2000, help="training pictures of FairFace")
    parser.add_argument("--tasks", nargs="+", choices=FAIRFACE_TASKS, default=list(FAIRFACE_TASKS), help="of FairFace")
    parser.add_argument("--results", type=Path, help="file that keeps the finished trainings")
    arguments = parser.parse_args()
    recipes = config.load(ROOT / "params.yaml").train.recipes
    print("| set | recipe | images, train / val / test | accuracy | macro F1 | epochs |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        store = run_figures.RunStore(arguments.results or Path(scratch) / "results.json")
        for name in arguments.sets:
            for data in read(name, arguments):
                if name == "fairface" and data.task not in arguments.tasks:
                    continue
                for recipe in arguments.recipes:
                    finished, images = [], {}
                    for seed in arguments.seeds:
                        parts = divided(data, seed=seed, fairface_train=arguments.fairface)
                        run = ComparisonRun(arguments.model, recipe, recipes[recipe], seed, arguments.size_px)
                        images = {"train": len(parts.training), "val": len(parts.validation)}
                        images["test"] = len(parts.tests["test"])
                        key = f"{arguments.model}/{name}/{data.task}/{recipe}/{seed}"
                        finished.append(store.get_or_run(key, run.digest(parts), lambda r=run, p=parts: r.run(p)))
                    print(row(f"{name}, {data.task}", recipe, images, finished), flush=True)


if __name__ == "__main__":
    main()
