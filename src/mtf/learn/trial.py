"""One training, measured: what a comparison repeats over recipes, seeds and data."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtf.fingerprint import file_digest, fingerprint
from mtf.learn import devices, metrics, models, recipes, runs, saved, train
from mtf.learn.data import Examples
from mtf.params import Recipe

# What the figures of a trial depend on, beside its data and its recipe.
CODE = tuple(
    f"mtf.learn.{name}"
    for name in (
        "classifier",
        "data",
        "devices",
        "facenet",
        "freezing",
        "inputs",
        "metrics",
        "models",
        "pixels",
        "recipes",
        "saved",
        "train",
        "trial",
        "weights",
    )
)


@dataclass(frozen=True)
class Matter:
    """What is learned from and tested on, for one task; `digest` is of all these faces and what is said of them."""

    task: str
    labels: Sequence[str]
    training: Examples
    validation: Examples
    tests: Mapping[str, Examples]
    digest: str


@dataclass(frozen=True)
class Trial:
    """A network to train with a recipe from a seed. `weights` is a local file for a pretrained one; `device_count`
    devices of this machine train it together.
    """

    model: str
    recipe_name: str
    recipe: Recipe
    seed: int
    input_px: int
    weights: Path | None = None
    device_count: int = 1

    def digest(self, matter: Matter) -> str:
        """Of all that the figures depend on."""
        weights = file_digest(self.weights) if self.weights is not None and self.weights.is_file() else None
        own = (self.model, self.recipe, self.seed, self.input_px, weights, self.device_count)
        return fingerprint(*own, matter.task, list(matter.labels), matter.digest, code=CODE)

    def run(self, matter: Matter) -> dict[str, Any]:
        """Train once, and measure the epoch of least validation loss on each part of `matter.tests`.

        `{"epochs": int, "best_epoch": int, "minutes": float, "training_images": int, "tests": {name: scores}}`;
        scores as `metrics.scores` gives them, shares of 0 to 1.
        """
        labels = len(matter.labels)
        network = models.start(self.model, labels, input_px=self.input_px, seed=self.seed, weights=self.weights)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mtf-trial-") as folder:
            fitted = train.fit_classifier(
                network,
                matter.training,
                matter.validation,
                recipe=self.recipe,
                batch=recipes.batch_of(self.recipe, models.network_of(self.model)),
                labels=labels,
                seed=self.seed,
                curves=Path(folder) / "curves",
                devices=devices.here(self.device_count),
            )
        minutes = (time.monotonic() - started) / 60
        card = self._card(matter, fitted)
        return {
            "epochs": fitted.epochs,
            "best_epoch": fitted.best_epoch,
            "minutes": round(minutes, 2),
            "training_images": len(matter.training),
            "tests": {name: _measured(fitted, card, test) for name, test in matter.tests.items()},
        }

    def _card(self, matter: Matter, fitted: train.Fitted) -> saved.Card:
        return saved.Card(
            model=self.model,
            task=matter.task,
            labels=list(matter.labels),
            input_px=self.input_px,
            normalise=self.recipe.normalise,
            recipe=self.recipe_name,
            seed=self.seed,
            epochs=fitted.epochs,
            best_epoch=fitted.best_epoch,
            best_val_loss=fitted.best_val_loss,
            training_images=len(matter.training),
        )


def _measured(fitted: train.Fitted, card: saved.Card, test: Examples) -> dict[str, float]:
    probabilities = saved.probabilities(fitted.network, card, test.pictures, rows=test.rows)
    return metrics.scores(test.targets, probabilities.argmax(axis=1), labels=len(card.labels))


def over_seeds(trials: Sequence[Mapping[str, Any]], test: str) -> dict[str, dict[str, float | None]]:
    """Mean and deviation over trials of the scores on the part `test`, of the epochs and of the minutes."""
    scores = {name: runs.spread([trial["tests"][test][name] for trial in trials]) for name in metrics.FIGURES}
    return scores | {name: runs.spread([trial[name] for trial in trials]) for name in ("epochs", "minutes")}
