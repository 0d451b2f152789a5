"""Train one model on one task."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mtf import atomic, tables
from mtf.errors import bad_value, listed
from mtf.params import PRETRAINED, Params
from mtf.workspace import Workspace


def run(workspace: Workspace, params: Params, *, model: str, task: str) -> None:
    """Writes build/models/MODEL/TASK/{model.pt,card.md}, metrics/train/MODEL/TASK.json and curves under plots/train.

    Raises BadInput for a model or task that params.yaml does not name.
    """
    _check_named(params, model, task)
    # torch takes seconds to import: a wrong name has been told by then.
    from mtf.learn import data, devices, inputs, model_card, models, recipes, saved, train, weights

    splits = data.with_combined(tables.read(tables.splits(params), workspace.table("split", "splits")), params.tasks)
    labels = data.labels_of(params.tasks[task], splits)
    column = params.tasks[task].column
    pictures = inputs.prepare(
        splits, workspace.shards("crop"), workspace.stage("inputs"), size_px=params.train.input_px
    )
    training, validation = (
        data.Examples.of_split(pictures, splits, split, column=column, labels=labels) for split in ("train", "val")
    )
    if missing := data.unlearnable(labels, splits.filter(split="train")[column]):
        print(f"train {model} {task}: no training image of {listed(missing)}; the model can only be wrong on it")

    recipe = params.train.recipes[params.train.recipe]
    local = _local_weights(workspace, params, model)
    network = models.start(model, len(labels), input_px=params.train.input_px, seed=params.seed, weights=local)
    begun = local is not None or model.endswith(PRETRAINED)
    origin = weights.origin(models.network_of(model), local) if begun else None
    if recipe.frozen_share and not begun:
        print(
            f"train {model} {task}: recipe {params.train.recipe} freezes the first layers of {model}, which has no "
            "weights to keep: they stay as they were drawn at random; name a file under train.weights"
        )
    # Before the recipe freezes any: the network's size, as Table 4 counts it.
    parameters = models.parameter_count(network)
    started = time.monotonic()
    fitted = train.fit_classifier(
        network,
        training,
        validation,
        recipe=recipe,
        batch=recipes.batch_of(recipe, models.network_of(model)),
        labels=len(labels),
        seed=params.seed,
        curves=workspace.plots("train") / model / task,
        devices=devices.here(params.compute.devices),
    )
    minutes = (time.monotonic() - started) / 60

    card = saved.Card(
        model=model,
        task=task,
        labels=labels,
        input_px=params.train.input_px,
        normalise=recipe.normalise,
        recipe=params.train.recipe,
        seed=params.seed,
        epochs=fitted.epochs,
        best_epoch=fitted.best_epoch,
        best_val_loss=round(fitted.best_val_loss, 6),
        training_images=len(training),
        **(asdict(origin) if origin else {}),
    )
    folder = workspace.stage("models") / model / task
    saved.save(folder / "model.pt", fitted.network, card)
    about = model_card.About.of(card, recipe)
    made_from = model_card.Pictures.of(splits, workspace.table("split", "splits"))
    atomic.write_text(folder / "card.md", model_card.markdown(about, made_from))
    figures: dict[str, Any] = {
        "epochs": fitted.epochs,
        "best_epoch": fitted.best_epoch,
        "best_val_loss": round(fitted.best_val_loss, 4),
        "parameters": parameters,
        "training_images": len(training),
        "train_minutes": round(minutes, 1),
    }
    if begun and not model.endswith(PRETRAINED):
        figures["pretrained"] = True
    if fitted.busy_share is not None:
        figures["accelerator_busy_share"] = fitted.busy_share
    atomic.write_json(workspace.metrics(f"train/{model}/{task}"), figures)
    print(
        f"train {model} {task}: {len(training)} images, {len(labels)} labels, {fitted.epochs} epochs, "
        f"best after {fitted.best_epoch}"
    )


def _local_weights(workspace: Workspace, params: Params, model: str) -> Path | None:
    named = params.train.weights.get(model)
    return workspace.root / named if named else None


def _check_named(params: Params, model: str, task: str) -> None:
    if model not in params.train.models:
        raise bad_value("--model", model, f"params.yaml's train.models: {', '.join(params.train.models)}")
    if task not in params.train.tasks:
        raise bad_value("--task", task, f"params.yaml's train.tasks: {', '.join(params.train.tasks)}")
