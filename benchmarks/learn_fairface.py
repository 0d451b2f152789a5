"""Accuracy of gender, race and age on FairFace, on a held-out fifth.

Models: those of the label classifier, the multi-task network with each weighting, and one network of torchvision.

Prints the test accuracy of each as a Markdown table: with one seed and its 95 % interval by a bootstrap over the test
pictures; with several, which draw the division too, as their mean and its 95 % interval by Student's t. Epochs are
few, so that two cores need about a quarter of an hour for one seed; on an accelerator give more (EFRS:
`--label-epochs 10`). `--only` runs a part. `--results FILE` keeps what each model predicts, so that a run that was
stopped continues there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

from mtf.config import Recipe
from mtf.config.training import WEIGHTINGS
from mtf.core import atomic_files, parallel_map
from mtf.core.hashing import fingerprint
from mtf.datasets import fairface, protocol_splits, tables
from mtf.label_classifier import labeller, networks, repeats, roster_contradictions
from mtf.training import checkpoint, data, input_cache, loss_weighting, multitask, trainer
from mtf.training.networks import registry

REAL = Path(__file__).parent.parent.parent / "shared" / "data" / "fairface"
INPUT_PX = 64
TASKS = ("gender", "race", "age")
PARTS = ("label", "multitask", "torchvision")
# Combinations of labels with fewer pictures than this are divided together.
LEAST_STRATUM = 20
BOOTSTRAPS = 1000


@dataclass(frozen=True)
class LabelData:
    """Pictures in two sizes, index of the label of each per task, and split of each (n,)."""

    grey: np.ndarray
    colour: np.ndarray
    targets: dict[str, np.ndarray]
    split: np.ndarray

    def rows(self, split: str) -> np.ndarray:
        return np.flatnonzero(self.split == split)


Predicted = dict[str, np.ndarray]


def read(folder: Path, *, count: int | None, seed: int) -> LabelData:
    """Imported FairFace without exact duplicates; `count` pictures, or all."""
    data_set, files = fairface.load(folder / "labels.csv"), tables.Files(folder / "train.tar")
    encoded = {file: files.read(file) for file in data_set.pictures["file"]}
    digests = pl.Series([hashlib.sha256(encoded[file]).hexdigest() for file in data_set.pictures["file"]])
    unique = data_set.pictures.filter(digests.is_first_distinct())
    print(f"left out, byte-identical to another: {data_set.pictures.height - unique.height}")
    chosen = unique.sample(min(count or unique.height, unique.height), seed=seed, shuffle=True)
    stratum = strata(chosen)
    split = protocol_splits.stratified(
        chosen.with_columns(stratum=stratum), "stratum", seed=seed, order=sorted(set(stratum))
    )
    print("divided: " + ", ".join(f"{name} {n}" for name, n in sorted(Counter(split).items())))
    small, large = (
        np.stack([decoded(file, encoded[file], size_px=size_px) for file in chosen["file"]])
        for size_px in (networks.SIDE_PX, INPUT_PX)
    )
    targets = {task: roster_contradictions.label_numbers(chosen[task], fairface.ATTRIBUTES[task]) for task in TASKS}
    return LabelData(networks.grey(small), large, targets, split.to_numpy())


def strata(pictures: pl.DataFrame) -> pl.Series:
    joint = pl.concat_str(*TASKS, separator=" ")
    counted = pictures.select(joint=joint).with_columns(n=pl.len().over("joint"))
    return counted.select(pl.when(pl.col("n") < LEAST_STRATUM).then(pl.lit("rare")).otherwise("joint")).to_series()


def decoded(file: str, encoded: bytes, *, size_px: int) -> np.ndarray:
    found = input_cache.decoded(encoded, size_px=size_px)
    if found is None:
        raise ValueError(f"{file}: not readable as a picture")
    return found


def label_classifiers(
    material: LabelData, options: argparse.Namespace
) -> Iterator[tuple[str, Callable[[], Predicted]]]:
    test = material.grey[material.rows("test")]

    def measured(name: str) -> Predicted:
        found = {}
        for task, targets in material.targets.items():
            labels = fairface.ATTRIBUTES[task]
            fitted = labeller.fit(
                *(task, labels, material.grey, targets, material.split),
                **{"name": name, "seed": options.seed, "epochs": options.label_epochs},
            )
            found[task] = fitted.probabilities(test).argmax(axis=1)
        return found

    for name in networks.NAMES:
        yield f"label classifier, {name}, {networks.SIDE_PX} px grey", lambda name=name: measured(name)


def recipe_of(epochs: int) -> Recipe:
    return Recipe(
        optimizer="adamw",
        learning_rate=0.002,
        weight_decay=0.01,
        schedule="cosine",
        warmup_epochs=1,
        batch=64,
        max_epochs=epochs,
        patience=epochs,
        augment=["flip"],
        channels_last=True,
    )


def examples(material: LabelData, task: str) -> dict[str, data.Examples]:
    parts = {split: material.rows(split) for split in ("train", "val")}
    return {split: data.Examples(material.colour, rows, material.targets[task][rows]) for split, rows in parts.items()}


def joint_networks(material: LabelData, options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Predicted]]]:
    per_task = [examples(material, task) for task in TASKS]
    joint = {split: per_task[0][split].for_tasks([each[split] for each in per_task]) for split in ("train", "val")}
    recipe = recipe_of(options.epochs)

    def measured(name: str) -> Predicted:
        labels = {task: len(fairface.ATTRIBUTES[task]) for task in TASKS}
        network = multitask.start(options.backbone, labels, input_px=INPUT_PX, seed=options.seed, weights=None)
        with tempfile.TemporaryDirectory() as folder:
            trainer.fit_multitask(
                network,
                loss_weighting.build(name, len(TASKS), width=network.width, seed=options.seed),
                joint["train"],
                joint["val"],
                recipe=recipe,
                batch=recipe.batch,
                seed=options.seed,
                curves=Path(folder) / "curves",
            )
        test = material.colour[material.rows("test")]
        probabilities = multitask.probabilities(network, test, normalise=recipe.normalise)
        return {task: each.argmax(axis=1) for task, each in probabilities.items()}

    for name in options.weightings:
        yield f"joint {options.backbone}, {name}, {INPUT_PX} px", lambda name=name: measured(name)


def single_networks(material: LabelData, options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Predicted]]]:
    recipe = recipe_of(options.epochs)

    def measured() -> Predicted:
        found = {}
        for task in TASKS:
            labels, parts = fairface.ATTRIBUTES[task], examples(material, task)
            network = registry.start(options.model, len(labels), input_px=INPUT_PX, seed=options.seed)
            with tempfile.TemporaryDirectory() as folder:
                fitted = trainer.fit_classifier(
                    network,
                    parts["train"],
                    parts["val"],
                    recipe=recipe,
                    batch=recipe.batch,
                    labels=len(labels),
                    seed=options.seed,
                    curves=Path(folder) / "curves",
                )
            card = checkpoint.CheckpointInfo(
                **{"model": options.model, "task": task, "labels": labels, "input_px": INPUT_PX},
                **{"normalise": recipe.normalise, "recipe": "fairface", "seed": options.seed},
                **{"epochs": fitted.epochs, "best_epoch": fitted.best_epoch, "best_val_loss": fitted.best_val_loss},
                training_images=len(parts["train"]),
            )
            test = material.colour[material.rows("test")]
            found[task] = checkpoint.probabilities(
                fitted.network, test, normalise=card.normalise, labels=len(card.labels)
            ).argmax(axis=1)
        return found

    yield f"{options.model}, one network a task, {INPUT_PX} px", measured


def interval(right: np.ndarray, *, seed: int) -> str:
    """Accuracy and its 95 % interval, in percent."""
    drawn = np.random.default_rng(seed).choice(right, (BOOTSTRAPS, len(right))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{100 * right.mean():.1f} ({100 * low:.1f} to {100 * high:.1f})"


def line(
    name: str, predicted: Mapping[int, Predicted], materials: Mapping[int, LabelData], minutes: float | None
) -> str:
    """Row of the table; `predicted` and `materials` by seed."""
    right: dict[str, list[np.ndarray]] = {task: [] for task in (*TASKS, "all")}
    for seed, material in materials.items():
        test = material.rows("test")
        single = {task: predicted[seed][task] == material.targets[task][test] for task in TASKS}
        for task, hits in (*single.items(), ("all", np.logical_and.reduce(list(single.values())))):
            right[task].append(hits)
    shown = [
        over_seeds(each) if len(each) > 1 else interval(each[0], seed=next(iter(materials))) for each in right.values()
    ]
    return f"| {name} | {' | '.join(shown)} | {'' if minutes is None else f'{minutes:.1f}'} |"


def over_seeds(right: list[np.ndarray]) -> str:
    """Mean accuracy over seeds and its 95 % interval, in percent."""
    found = repeats.mean_and_interval([100 * float(each.mean()) for each in right])
    return f"{found['mean']:.1f} ({found['low']:.1f} to {found['high']:.1f})"


class Results:
    """Predictions and processor minutes of each model and seed, in a JSON file, or in memory without one.

    They are taken again if the options that they depend on are the same.
    """

    def __init__(self, path: Path | None, options: argparse.Namespace) -> None:
        self._path = path
        self._digest = fingerprint({**vars(options), **dict.fromkeys(("only", "weightings", "seeds", "results"))})
        self._kept = json.loads(path.read_text()) if path is not None and path.is_file() else {}

    def get_or_measure(self, name: str, seed: int, measured: Callable[[], Predicted]) -> tuple[Predicted, float]:
        key = f"{name}, seed {seed}, {self._digest}"
        if key not in self._kept:
            started = time.process_time()
            predicted = {task: labels.tolist() for task, labels in measured().items()}
            self._kept[key] = {"predicted": predicted, "minutes": (time.process_time() - started) / 60}
            if self._path is not None:
                atomic_files.write_json(self._path, self._kept)
        found = self._kept[key]
        return {task: np.array(labels) for task, labels in found["predicted"].items()}, found["minutes"]


def commonest(material: LabelData) -> Predicted:
    trained_on, test = material.rows("train"), material.rows("test")
    return {
        task: np.full(len(test), np.bincount(targets[trained_on]).argmax())
        for task, targets in material.targets.items()
    }


def device() -> str:
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is not None and found.type == "cuda":
        return torch.cuda.get_device_name()
    load = os.getloadavg()[0]
    return f"{found or f'{parallel_map.cores()} cores'} ({platform.machine()}), load {load:.0f} at the start"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--images", type=int, help="that many pictures; all where it is left out")
    parser.add_argument("--label-epochs", type=int, default=2, help="of the label classifier's exploring run; EFRS: 10")
    parser.add_argument("--epochs", type=int, default=4, help="of the joint and the single networks")
    parser.add_argument("--backbone", default="small_cnn", help="of the joint network")
    parser.add_argument("--weightings", nargs="+", choices=WEIGHTINGS, default=list(WEIGHTINGS))
    parser.add_argument("--model", default="mobilenet_v3_large", help="torchvision's, from scratch")
    parser.add_argument("--seeds", nargs="+", type=int, default=[42])
    parser.add_argument("--results", type=Path, help="file that keeps what each model predicts")
    options = parser.parse_args()

    print(f"device: {device()}")
    materials = {seed: read(REAL, count=options.images, seed=seed) for seed in options.seeds}
    print(f"epochs: label classifier {options.label_epochs}, networks {options.epochs}; accuracy in %, 95 % interval\n")
    print(f"| model | {' | '.join(TASKS)} | all three | minutes of processor time |\n|---|{'---|' * (len(TASKS) + 2)}")
    print(
        line("commonest label", {seed: commonest(each) for seed, each in materials.items()}, materials, None),
        flush=True,
    )
    makers: Mapping[str, Callable[..., Iterator[tuple[str, Callable[[], Predicted]]]]] = {
        "label": label_classifiers,
        "multitask": joint_networks,
        "torchvision": single_networks,
    }
    results = Results(options.results, options)
    for part in options.only:
        of_seeds = [
            makers[part](material, argparse.Namespace(**vars(options), seed=seed))
            for seed, material in materials.items()
        ]
        for models in zip(*of_seeds, strict=True):
            found = {
                seed: results.get_or_measure(name, seed, measured)
                for seed, (name, measured) in zip(materials, models, strict=True)
            }
            predicted = {seed: each for seed, (each, _) in found.items()}
            minutes = sum(spent for _, spent in found.values())
            print(line(models[0][0], predicted, materials, minutes), flush=True)


if __name__ == "__main__":
    main()
