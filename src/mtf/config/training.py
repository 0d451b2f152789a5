"""Parameters of networks, training and fairness."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from mtf.config.section import Alignment, Count, Positive, Section, Share


class Recipe(Section):
    """A recipe: how a network is trained. Epochs are counted from 1; shares are 0 to 1.

    learning_rate: per step, after the warm-up.
    weight_decay: of the optimizer.
    momentum: of `sgd`.
    schedule: of the learning rate over the epochs.
    step_at: for the schedule `step`, epochs after which the rate is multiplied by `gamma`.
    warmup_epochs: epochs with a rising rate at the start.
    batch: pictures per step.
    batches: model → batch, for models with a batch of their own.
    max_epochs: last epoch.
    patience: epochs without improvement of `stop_on` after which training stops.
    stop_on: loss that `patience` watches. The checkpoint kept is always the one of least validation loss.
    class_balanced: weight the loss by the classes' frequencies.
    augment: random changes of the training pictures.
    normalise: mean and scale of the input's channels.
    ema_decay: of an exponential moving average of the weights; null for none.
    mixed_precision: half precision; on an accelerator only.
    channels_last: memory layout of the tensors.
    frozen_share: share of the layers before the heads, from the input on, that keep their initial weights.
    """

    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    schedule: Literal["constant", "step", "cosine"] = "constant"
    step_at: list[Count] = []
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    batch: Count = 32
    batches: dict[str, Count] = {}
    max_epochs: Count = 100
    patience: Count = 5
    stop_on: Literal["train_loss", "val_loss"] = "val_loss"
    label_smoothing: Share = 0.0
    class_balanced: bool = False
    augment: list[Literal["flip", "shift", "colour", "erase"]] = []
    normalise: Literal["imagenet", "facenet", "none"] = "imagenet"
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    mixed_precision: bool = False
    channels_last: bool = False
    frozen_share: Annotated[float, Field(ge=0, lt=1)] = 0.0


# Names of networks. With `-pretrained` they start from torchvision's weights, else from scratch (MTF, Table 4).
# FaceNet (Das et al.) starts from a local file if one is named.
FACENET = "facenet"
OF_TORCHVISION = ("mobilenet_v3_large", "alexnet", "resnet50", "vgg16", "convnext_base")
NETWORKS = ("small_cnn", *OF_TORCHVISION, FACENET)
PRETRAINED = "-pretrained"
MODELS = (*NETWORKS, *(f"{name}{PRETRAINED}" for name in OF_TORCHVISION))


TAKE_WEIGHTS = f"{FACENET} and models ending in {PRETRAINED}"


def takes_weights(model: str) -> bool:
    """True if `model` can start from a local file of weights."""
    return model == FACENET or model.endswith(PRETRAINED)


class Train(Section):
    """Training of one network per task and model.

    models, tasks: the matrix of dvc.yaml.
    input_px: side of the network's input.
    alignment: `none` for crops as the picture stands; `landmarks` for faces turned upright and scaled by their five
        landmarks, which `crop.detector` must find.
    weights: model → local file of weights: for a pretrained model in place of torchvision's download, for `facenet` the
        file that it starts from.
    recipe: name of the recipe in use.
    recipes: by names of letters, digits, `_` and `-`: dvc.yaml addresses the one in use as a key, where a dot would
        begin another key.
    """

    models: Annotated[list[str], Field(min_length=1)]
    tasks: Annotated[list[str], Field(min_length=1)]
    input_px: Annotated[int, Field(ge=16, le=1024)] = 64
    alignment: Alignment = "none"
    weights: dict[str, str] = {}
    recipe: str
    recipes: Annotated[dict[str, Recipe], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_exist(self) -> Train:
        for name in (*self.models, *self.weights):
            if name not in MODELS:
                raise ValueError(f"{name!r} is not a model; permitted: {', '.join(MODELS)}")
        if scratch := [name for name in self.weights if not takes_weights(name)]:
            raise ValueError(f"weights: {scratch[0]!r} starts from scratch; permitted: {TAKE_WEIGHTS}")
        for name in self.recipes:
            if not re.fullmatch(r"[\w-]+", name):
                raise ValueError(f"recipes: {name!r} is not a name; permitted: letters, digits, `_` and `-`")
        if self.recipe not in self.recipes:
            raise ValueError(f"recipe: {self.recipe!r} is not a recipe; permitted: {', '.join(self.recipes)}")
        return self


class Fairness(Section):
    """Fairness metrics of groups.

    min_n: groups with fewer pictures are left out of the summary.
    min_people: groups with fewer people have no interval, and it is said how many more it takes.
    bootstraps: number of bootstrap samples.
    """

    min_n: Count = 10
    min_people: Annotated[int, Field(ge=2)] = 30
    bootstraps: Annotated[int, Field(ge=100, le=100_000)] = 500


class Evaluation(Section):
    """Evaluation on the test split.

    undetected: test pictures without a detected face count as errors of every model (`error`), or are left out.
    alterations: of the copies of the test part that `mtf evaluate --altered` measures.
    """

    undetected: Literal["error", "leave_out"] = "leave_out"
    alterations: list[str] = ["blur", "pixelate", "mask_eyes", "noise"]


Branches = Literal["linear", "normalised"]
"""Layers of a multi-task network for each task."""

Weighting = Literal[
    "equal", "dynamic", "dynamic_hard", "uncertainty", "dwa", "gradnorm", "upgrad", "cagrad", "nash_mtl"
]
WEIGHTINGS: tuple[str, ...] = get_args(Weighting)


class MultiTask(Section):
    """Training of one network for several tasks at once (Das et al.).

    backbone: model, as in `train.models`.
    weights: local file of weights for `facenet`, which starts from scratch without one, or for a pretrained model, in
        place of torchvision's download.
    weightings: of the tasks' losses; the matrix of dvc.yaml. `upgrad`, `cagrad` and `nash_mtl` need the extra
        `gradients`.
    recipe: name of a recipe of `train.recipes`.
    branches: `linear` gives each task one layer; `normalised` is the branch of Das et al.: a fully connected layer, L2
        normalisation, dropout, softmax layer.
    first_weights: task → weight with which the weightings `dynamic` and `dynamic_hard` begin, as `mtf compare weights`
        finds it; null for near even ones. Their scale does not matter.
    """

    tasks: Annotated[list[str], Field(min_length=1)]
    backbone: str
    weights: str | None = None
    weightings: Annotated[list[Weighting], Field(min_length=1)]
    recipe: str
    branches: Branches = "linear"
    first_weights: dict[str, Positive] | None = None

    @model_validator(mode="after")
    def _each_task_has_a_first_weight(self) -> MultiTask:
        if self.first_weights is not None and set(self.first_weights) != set(self.tasks):
            raise ValueError(f"first_weights: of {sorted(self.first_weights)}; permitted: one of each of {self.tasks}")
        return self

    @model_validator(mode="after")
    def _backbone_exists(self) -> MultiTask:
        if self.backbone not in MODELS:
            raise ValueError(f"backbone: {self.backbone!r} is not a backbone; permitted: {', '.join(MODELS)}")
        if self.weights is not None and not takes_weights(self.backbone):
            raise ValueError(f"weights: {self.backbone!r} starts from scratch; permitted for {TAKE_WEIGHTS}")
        return self
