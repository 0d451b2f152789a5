"""Run of a comparison: one training and its test scores, repeated over recipes, seeds and training sets."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mtf.comparison import run_figures
from mtf.config import PRETRAINED, Recipe
from mtf.core.hashing import file_digest, fingerprint
from mtf.evaluation import metrics
from mtf.training import checkpoint, devices, pretrained, trainer
from mtf.training import recipe as recipes
from mtf.training.data import Examples
from mtf.training.networks import registry


@dataclass(frozen=True)
class ComparisonData:
    """Training, validation and test examples of a comparison run for one task.

    - `task`, `labels`: the task, and its labels in the order of the outputs;
    - `training`, `validation`: examples;
    - `tests`: name of a test part → examples;
    - `digest`: digest of all faces, their labels and their pictures.
    """

    task: str
    labels: Sequence[str]
    training: Examples
    validation: Examples
    tests: Mapping[str, Examples]
    digest: str


@dataclass(frozen=True)
class ComparisonRun:
    """Run of a comparison: a network trained with a recipe from a seed.

    - `model`: name in the registry;
    - `recipe_name`, `recipe`: the recipe;
    - `seed`: seed of the initial weights and the order of examples;
    - `input_px`: side of the input pictures in pixels;
    - `weights`: local file of pretrained weights, None if there is none;
    - `device_count`: devices of this machine that train together.
    """

    model: str
    recipe_name: str
    recipe: Recipe
    seed: int
    input_px: int
    weights: Path | None = None
    device_count: int = 1

    def digest(self, comparison_data: ComparisonData) -> str:
        """Digest of everything that the figures depend on."""
        weights = file_digest(self.weights) if self.weights is not None and self.weights.is_file() else None
        own = (self.model, self.recipe, self.seed, self.input_px, weights, self.device_count)
        return fingerprint(
            *own, comparison_data.task, list(comparison_data.labels), comparison_data.digest, code=[__name__]
        )

    def run(self, comparison_data: ComparisonData, *, keep: Path | None = None) -> dict[str, Any]:
        """Train once, and test the epoch of the lowest validation loss on each part of `comparison_data.tests`.

        `keep`: file to write the network to.

        Returns `{"epochs": int, "best_epoch": int, "minutes": float, "training_images": int, "tests": {name: scores}}`;
        `metrics.scores` defines the scores, 0 to 1.
        """
        labels = len(comparison_data.labels)
        network = registry.start(self.model, labels, input_px=self.input_px, seed=self.seed, weights=self.weights)
        with tempfile.TemporaryDirectory(prefix="mtf-trial-") as folder:
            fitted = trainer.fit_classifier(
                network,
                comparison_data.training,
                comparison_data.validation,
                recipe=self.recipe,
                batch=recipes.batch_of(self.recipe, registry.network_of(self.model)),
                labels=labels,
                seed=self.seed,
                curves=Path(folder) / "curves",
                devices=devices.local_devices(self.device_count),
            )
        card = self._card(comparison_data, fitted)
        if keep is not None:
            checkpoint.save(keep, fitted.network, card)
        return {
            "epochs": fitted.epochs,
            "best_epoch": fitted.best_epoch,
            "minutes": round(fitted.minutes, 2),
            "training_images": len(comparison_data.training),
            "tests": {name: _test_scores(fitted, card, test) for name, test in comparison_data.tests.items()},
        }

    def _card(self, comparison_data: ComparisonData, fitted: trainer.FitResult) -> checkpoint.CheckpointInfo:
        is_pretrained = self.weights is not None or self.model.endswith(PRETRAINED)
        origin = pretrained.origin(registry.network_of(self.model), self.weights) if is_pretrained else None
        return checkpoint.CheckpointInfo(
            model=self.model,
            task=comparison_data.task,
            labels=list(comparison_data.labels),
            input_px=self.input_px,
            normalise=self.recipe.normalise,
            recipe=self.recipe_name,
            seed=self.seed,
            epochs=fitted.epochs,
            best_epoch=fitted.best_epoch,
            best_val_loss=fitted.best_val_loss,
            training_images=len(comparison_data.training),
            **(asdict(origin) if origin else {}),
        )


def _test_scores(fitted: trainer.FitResult, card: checkpoint.CheckpointInfo, test: Examples) -> dict[str, float]:
    probabilities = checkpoint.probabilities(
        fitted.network, test.pictures, normalise=card.normalise, labels=len(card.labels), rows=test.rows
    )
    return metrics.scores(test.targets, probabilities.argmax(axis=1))


def mean_over_seeds(finished_runs: Sequence[Mapping[str, Any]], test: str) -> dict[str, dict[str, float | None]]:
    """Mean and standard deviation over runs of the scores on the part `test`, of the epochs and of the minutes."""
    scores = {
        name: run_figures.mean_and_std([run["tests"][test][name] for run in finished_runs]) for name in metrics.FIGURES
    }
    return scores | {
        name: run_figures.mean_and_std([run[name] for run in finished_runs]) for name in ("epochs", "minutes")
    }
