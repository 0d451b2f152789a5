"""Training of one network for one task from a seed, and its figures by group, for comparisons over seeds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from torch import nn

from mtf.comparison import seed_intervals, setup
from mtf.comparison.run_figures import mean_and_std
from mtf.config import Params
from mtf.core.hashing import file_digest, fingerprint
from mtf.core.project_paths import ProjectPaths
from mtf.datasets import labelled
from mtf.evaluation import fairness
from mtf.evaluation.groups import PERSON, Question
from mtf.training import checkpoint, data, devices, input_cache, split_pictures, trainer
from mtf.training import recipe as recipes
from mtf.training.data import Examples
from mtf.training.devices import FaceDataModule
from mtf.training.group_losses import GroupClassifier
from mtf.training.networks import registry

# Figures of a group of which the mean and the standard deviation over seeds are kept.
SPREAD = ("accuracy", "false_positive_rate", "false_negative_rate", "precision", "recall", "roc_auc",
          "calibration_error", "mean_absolute_error", "one_off")  # fmt: skip


@dataclass(frozen=True)
class GroupTrial:
    """Task of a project for a network and a recipe.

    splits, pictures: table of splits, and the input pictures of its rows.
    """

    workspace: ProjectPaths
    params: Params
    model: str
    task: str
    recipe: str
    splits: pl.DataFrame
    pictures: np.ndarray

    @classmethod
    def of(cls, workspace: ProjectPaths, params: Params, *, model: str, task: str, recipe: str) -> GroupTrial:
        """Raises BadInput for a name that params.yaml does not have."""
        setup.check_names(params, model=model, tasks=[task], recipes=[recipe])
        splits, pictures = split_pictures.read(workspace, params)
        return cls(workspace, params, model, task, recipe, splits, pictures)

    @property
    def labels(self) -> list[str]:
        """Labels in the order of the outputs."""
        return data.labels_of(self.params.tasks[self.task], self.splits)

    @property
    def attributes(self) -> dict[str, list[str]]:
        """Column → labels of the attributes by which the figures are grouped, the task's own left out."""
        own = self.params.tasks[self.task].columns
        return {column: task.labels for column, task in self.params.attributes.items() if column not in own}

    def examples(self, split: str) -> Examples:
        """Examples of one split."""
        column = self.params.tasks[self.task].column
        return Examples.of_split(self.pictures, self.splits, split, column=column, labels=self.labels)

    def digest(self, *parts: Any, code: Sequence[str]) -> str:
        """Digest of all that a run's figures depend on, with `parts` and the `code` of the comparison."""
        settings = self.params
        local = self._weights()
        columns = ["split", self.params.tasks[self.task].column, *sorted(self.params.attributes)]
        return fingerprint(
            *(self.model, self.task, self.labels, settings.train.recipes[self.recipe], settings.train.input_px),
            *(settings.compute.devices, settings.fairness, parts),
            file_digest(local) if local is not None and local.is_file() else None,
            input_cache.digest_of_faces(
                self.splits, columns, self.workspace.shards("crop"), alignment=settings.train.alignment
            ),
            code=[__name__, *code],
        )

    def fit(
        self, seed: int, *, loss: Callable[..., nn.Module] | None = None, cells: Mapping[str, np.ndarray] | None = None
    ) -> nn.Module:
        """Network trained from `seed`, with the recipe's loss, or with a group loss on `cells` (split → (n,))."""
        recipe = self.params.train.recipes[self.recipe]
        network = registry.start(
            self.model, len(self.labels), input_px=self.params.train.input_px, seed=seed, weights=self._weights()
        )
        training, validation = self.examples("train"), self.examples("val")
        batch = recipes.batch_of(recipe, registry.network_of(self.model))
        found = devices.local_devices(self.params.compute.devices)
        with tempfile.TemporaryDirectory(prefix="mtf-groups-") as folder:
            curves = Path(folder) / "curves"
            if loss is None or cells is None:
                fitted = trainer.fit_classifier(
                    network,
                    training,
                    validation,
                    recipe=recipe,
                    batch=batch,
                    labels=len(self.labels),
                    seed=seed,
                    curves=curves,
                    devices=found,
                )
                return fitted.network
            trainer.seed_everything(seed, workers=True, verbose=False)
            loaders = FaceDataModule(
                _with_cells(training, cells["train"]),
                _with_cells(validation, cells["val"]),
                batch=batch,
                seed=seed,
                devices=found.count,
            )
            count = int(max(part.max() for part in cells.values())) + 1
            module = GroupClassifier(
                network,
                recipe,
                loss=loss(cells["train"], count=count, label_smoothing=recipe.label_smoothing),
                steps_per_epoch=loaders.steps_per_epoch,
            )
            fitted = trainer.fit(module, loaders, recipe=recipe, curves=curves, network=module.network, devices=found)
        return fitted.network

    def probabilities(self, network: nn.Module, split: str) -> np.ndarray:
        """Probabilities (n, labels) of one split's pictures."""
        examples = self.examples(split)
        normalise = self.params.train.recipes[self.recipe].normalise
        return checkpoint.probabilities(
            network, examples.pictures, normalise=normalise, labels=len(self.labels), rows=examples.rows
        )

    def figures(self, predicted: np.ndarray, probabilities: np.ndarray | None) -> dict[str, Any]:
        """Figures on the test part: `over_all`, and by attribute a `fairness.report`.

        `predicted`: (n,), label numbers. `probabilities`: (n, labels), None where an answer has none.
        """
        test, names = self.examples("test"), pl.Series(self.labels)
        confidence = {} if probabilities is None else {"confidence": pl.Series(probabilities.max(axis=1))}
        answers = self.splits[test.rows].select(
            "identity", *self.attributes, label=names[test.targets], predicted=names[predicted]
        )
        answers = answers.with_columns(**confidence)
        # Where nobody knows who is who, each picture counts as a person of its own.
        by_person = answers if labelled.identities_are_people(self.splits) else answers.drop(PERSON)
        question = Question(self.labels, ordered=bool(self.params.tasks[self.task].years), probabilities=probabilities)
        settings, seed = self.params.fairness, self.params.seed
        reports = [
            fairness.report(by_person, {column: labels}, seed=seed, settings=settings, question=question)
            for column, labels in self.attributes.items()
        ]
        by_group = {name: part for report in reports for name, part in report.items()}
        return {"over_all": fairness.over_all(by_person, settings=settings), "by_group": by_group}

    def _weights(self) -> Path | None:
        named = self.params.train.weights.get(self.model)
        return self.workspace.root / named if named else None


def _with_cells(examples: Examples, cells: np.ndarray) -> Examples:
    return Examples(examples.pictures, examples.rows, np.stack([examples.targets, cells], axis=1))


def over_seeds(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over the runs of several seeds of `GroupTrial.figures`.

    `{"accuracy", "by_group": {attribute: {"gap", "equalized_odds_difference", "demographic_parity_difference",
    "groups": {label: {"n", "people", "low", "high", figure: {"mean", "std"}}}}}}`. `low` and `high` are of the mean
    accuracy (`seed_intervals.of_mean`): what the people of the test part leave open, beside the spread of the training.
    A group of too few people has `more_people` instead.
    """
    first = runs[0]
    return {
        "n": first["over_all"]["n"],
        "accuracy": mean_and_std([run["over_all"]["accuracy"] for run in runs]),
        "by_group": {
            attribute: {
                **_over(
                    ("gap", "equalized_odds_difference", "demographic_parity_difference"),
                    [run["by_group"][attribute]["summary"] for run in runs],
                ),
                "groups": {
                    label: _group_over([run["by_group"][attribute]["groups"][label] for run in runs])
                    for label in part["groups"]
                },
            }
            for attribute, part in first["by_group"].items()
        },
    }


def _group_over(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = {name: figures[0][name] for name in ("n", "people") if name in figures[0]}
    return counts | seed_intervals.of_mean(figures) | _over(SPREAD, figures)


def _over(names: Sequence[str], figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation of those figures that every run has."""
    return {
        name: mean_and_std([each[name] for each in figures]) for name in names if all(name in each for each in figures)
    }
