"""Face recognition on ORL: 5 training pictures of each of the 40 people, 1 for validation, 4 for the test.

Trains each model with each recipe of params.yaml from several seeds, which also draw the divisions, and prints the
mean test accuracy and its standard deviation.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

from mtf import config
from mtf.comparison import run_figures
from mtf.comparison.trials import ComparisonData, ComparisonRun
from mtf.config import Params
from mtf.core import shards
from mtf.training import input_cache
from mtf.training.data import Examples

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "data" / "orl" / "faces.tar"
PEOPLE = [f"s{number:02d}" for number in range(1, 41)]
PARTS = {"train": slice(0, 5), "val": slice(5, 6), "test": slice(6, 10)}


def faces(path: Path, *, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (400, size_px, size_px, 3) and the number of the person on each."""
    found = {name: place for name, place in shards.members(path).items() if re.fullmatch(r"s\d\d/\d\d\.pgm", name)}
    pictures = [input_cache.decoded(shards.read(path, *found[name]), size_px=size_px) for name in sorted(found)]
    people = [PEOPLE.index(name.split("/")[0]) for name in sorted(found)]
    return np.stack([picture for picture in pictures if picture is not None]), np.array(people)


def divided(pictures: np.ndarray, people: np.ndarray, *, seed: int) -> ComparisonData:
    random = np.random.default_rng(seed)
    rows = [random.permutation(np.flatnonzero(people == person)) for person in range(len(PEOPLE))]
    parts = {name: np.concatenate([each[part] for each in rows]) for name, part in PARTS.items()}
    examples = {name: Examples(pictures, part, people[part]) for name, part in parts.items()}
    return ComparisonData(
        task="recognition",
        labels=PEOPLE,
        training=examples["train"],
        validation=examples["val"],
        tests={"test": examples["test"]},
        digest="",
    )


def measured(
    model: str, recipe: str, pictures: np.ndarray, people: np.ndarray, *, typed: Params, seed: int
) -> dict[str, float]:
    """Test accuracy, epochs and minutes of one training."""
    trial = ComparisonRun(model, recipe, typed.train.recipes[recipe], seed, input_px=pictures.shape[1])
    figures = trial.run(divided(pictures, people, seed=seed))
    return {
        "accuracy": figures["tests"]["test"]["accuracy"],
        "epochs": figures["epochs"],
        "minutes": figures["minutes"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["small_cnn"])
    parser.add_argument("--recipes", nargs="+", default=["small", "mtf", "modern"], help="of params.yaml")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--size-px", type=int, default=64)
    arguments = parser.parse_args()
    typed = config.load(ROOT / "params.yaml")
    pictures, people = faces(REAL, size_px=arguments.size_px)
    print(f"{len(pictures)} pictures of {len(PEOPLE)} people at {arguments.size_px} px, seeds {arguments.seeds}")
    for model in arguments.models:
        for recipe in arguments.recipes:
            single = [measured(model, recipe, pictures, people, typed=typed, seed=seed) for seed in arguments.seeds]
            accuracy = run_figures.format_mean_std(
                run_figures.mean_and_std([each["accuracy"] for each in single]), unit="%", scale=100
            )
            each = ", ".join(f"{100 * run['accuracy']:.1f}" for run in single)
            epochs, minutes = (np.mean([run[name] for run in single]) for name in ("epochs", "minutes"))
            print(f"{model:12} {recipe:8} {accuracy} ({each}); {epochs:.0f} epochs, {minutes:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()
