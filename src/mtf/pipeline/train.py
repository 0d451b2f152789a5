"""Stage train: training of one model on one task."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mtf.config import PRETRAINED, Params
from mtf.core import atomic_files, torchrun
from mtf.core.errors import bad_value, listed
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import training_minutes


def run(workspace: ProjectPaths, params: Params, *, model: str, task: str) -> None:
    """Train `model` on `task`. Writes build/models/MODEL/TASK/{model.pt,card.md}, build/train/MODEL/TASK.json and
    curves under plots/train. A training that was killed continues after its last epoch (build/checkpoints).

    Of the processes that torchrun started, only the first writes.

    Raises BadInput for a model or task that params.yaml does not name.
    """
    _check_named(params, model, task)
    # torch takes seconds to import: wrong names are reported before.
    from mtf.evaluation import model_card
    from mtf.training import checkpoint, data, devices, input_cache, pretrained, resumption, split_pictures, trainer
    from mtf.training import recipe as recipes
    from mtf.training.networks import registry

    splits, pictures = split_pictures.read(workspace, params)
    labels = data.labels_of(params.tasks[task], splits)
    column = params.tasks[task].column
    training, validation = (
        data.Examples.of_split(pictures, splits, split, column=column, labels=labels) for split in ("train", "val")
    )
    if missing := data.labels_without_training_images(labels, splits.filter(split="train")[column]):
        print(f"train {model} {task}: no training image of {listed(missing)}; the model can never predict it correctly")

    recipe = params.train.recipes[params.train.recipe]
    local = _local_weights(workspace, params, model)
    network = registry.start(model, len(labels), input_px=params.train.input_px, seed=params.seed, weights=local)
    is_pretrained = local is not None or model.endswith(PRETRAINED)
    origin = pretrained.origin(registry.network_of(model), local) if is_pretrained else None
    if recipe.frozen_share and not is_pretrained:
        print(
            f"train {model} {task}: recipe {params.train.recipe} freezes the first layers of {model}, which has no "
            "pretrained weights: these layers keep their random weights; name a file under train.weights"
        )
    # Counted before the recipe freezes layers, as in MTF's Table 4.
    parameters = registry.parameter_count(network)
    together = devices.devices_of(params.compute.devices)
    unfinished = resumption.of_stage(
        workspace,
        *("train", model, task),
        inputs=[
            *(model, labels, recipe, params.seed, params.train.input_px, together.count),
            asdict(origin) if origin else None,
            input_cache.digest_of_faces(
                splits, ["split", column], workspace.shards("crop"), alignment=params.train.alignment
            ),
        ],
    )
    started = time.monotonic()
    fitted = trainer.fit_classifier(
        network,
        training,
        validation,
        recipe=recipe,
        batch=recipes.batch_of(recipe, registry.network_of(model)),
        labels=len(labels),
        seed=params.seed,
        curves=workspace.plots("train") / model / task,
        devices=together,
        unfinished=unfinished,
    )
    minutes = (time.monotonic() - started) / 60
    if not torchrun.is_first():
        print(f"train {model} {task}: trained; the results are on node 0")
        return

    card = checkpoint.CheckpointInfo(
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
    checkpoint.save(folder / "model.pt", fitted.network, card)
    about = model_card.ModelDetails.of(card, recipe)
    made_from = model_card.TrainingData.of(splits, workspace.table("split", "splits"))
    atomic_files.write_text(folder / "card.md", model_card.markdown(about, made_from))
    figures: dict[str, Any] = {
        "epochs": fitted.epochs,
        "best_epoch": fitted.best_epoch,
        "best_val_loss": round(fitted.best_val_loss, 4),
        "parameters": parameters,
        "training_images": len(training),
    }
    if is_pretrained and not model.endswith(PRETRAINED):
        figures["pretrained"] = True
    atomic_files.write_json(training_figures(workspace, model, task), figures)
    training_minutes.write(workspace, "train", model, task, minutes=minutes, gpu_utilization=fitted.gpu_utilization)
    unfinished.remove()
    print(
        f"train {model} {task}: {len(training)} images, {len(labels)} labels, {fitted.epochs} epochs, "
        f"best after {fitted.best_epoch}"
    )


def training_figures(workspace: ProjectPaths, model: str, task: str) -> Path:
    """File of the figures of one training, the same for the same data, recipe, seed and machine."""
    return workspace.stage("train") / model / f"{task}.json"


def _local_weights(workspace: ProjectPaths, params: Params, model: str) -> Path | None:
    named = params.train.weights.get(model)
    return workspace.root / named if named else None


def _check_named(params: Params, model: str, task: str) -> None:
    if model not in params.train.models:
        raise bad_value("--model", model, f"params.yaml's train.models: {', '.join(params.train.models)}")
    if task not in params.train.tasks:
        raise bad_value("--task", task, f"params.yaml's train.tasks: {', '.join(params.train.tasks)}")
