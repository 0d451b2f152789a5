"""Face recognition on ORL: 5 training pictures of each of the 40 people, 1 for validation, 4 for the test.

Prints the test accuracy of each model; `--seeds` draws other divisions.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path

import numpy as np

from mtf import shards
from mtf.learn import data, inputs, metrics, models, saved, train
from mtf.params import Recipe

REAL = Path(__file__).parent.parent.parent / "shared" / "data" / "orl" / "faces.tar"
INPUT_PX = 64
RECIPE = Recipe(
    optimizer="adamw",
    learning_rate=0.003,
    weight_decay=0.01,
    schedule="cosine",
    warmup_epochs=3,
    batch=32,
    max_epochs=80,
    patience=80,
    label_smoothing=0.1,
    augment=["flip", "shift", "colour"],
)


def faces(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (400, INPUT_PX, INPUT_PX, 3) and the number of the person on each."""
    found = {name: place for name, place in shards.members(path).items() if re.fullmatch(r"s\d\d/\d\d\.pgm", name)}
    pictures = [inputs.decoded(shards.read(path, *found[name]), size_px=INPUT_PX) for name in sorted(found)]
    return np.stack([p for p in pictures if p is not None]), np.array([int(name[1:3]) - 1 for name in sorted(found)])


def divided(people: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    rows = [random.permutation(np.flatnonzero(people == person)) for person in np.unique(people)]
    cut = {"train": slice(0, 5), "val": slice(5, 6), "test": slice(6, 10)}
    return {split: np.concatenate([each[part] for each in rows]) for split, part in cut.items()}


def measured(model: str, pictures: np.ndarray, people: np.ndarray, seed: int, epochs: int) -> tuple[float, float]:
    rows = divided(people, seed)
    parts = {split: data.Examples(pictures, part, people[part]) for split, part in rows.items()}
    recipe = RECIPE.model_copy(update={"max_epochs": epochs})
    network = models.start(model, 40, input_px=INPUT_PX, seed=seed)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fitted = train.fit_classifier(
            network,
            parts["train"],
            parts["val"],
            recipe=recipe,
            batch=recipe.batch,
            labels=40,
            seed=seed,
            curves=Path(folder) / "curves",
        )
    card = saved.Card(
        **{"model": model, "task": "recognition", "labels": [str(number) for number in range(40)]},
        **{"input_px": INPUT_PX, "normalise": recipe.normalise, "recipe": "orl", "seed": seed},
        **{"epochs": fitted.epochs, "best_epoch": fitted.best_epoch, "best_val_loss": fitted.best_val_loss},
        training_images=len(parts["train"]),
    )
    chances = saved.probabilities(fitted.network, card, pictures[rows["test"]])
    figures = metrics.scores(people[rows["test"]], chances.argmax(axis=1), labels=40)
    return figures["accuracy"], time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["small_cnn"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=RECIPE.max_epochs)
    arguments = parser.parse_args()
    pictures, people = faces(REAL)
    for model in arguments.models:
        results = [measured(model, pictures, people, seed, arguments.epochs) for seed in arguments.seeds]
        accuracies = [accuracy for accuracy, _ in results]
        shown = " ".join(f"{accuracy:.3f}" for accuracy in accuracies)
        seconds = np.mean([each for _, each in results])
        print(
            f"{model}: {shown}; mean {np.mean(accuracies):.4f} of 160 test pictures, {seconds:.0f} s a run", flush=True
        )


if __name__ == "__main__":
    main()
